//! Random commands on two matches, in random batches, with random steps of the clock, run on the
//! scripts and on the model. Replies, seats, claims, deadlines, counts per user and the changes
//! must agree after each step.

use crate::support::model_system::{
    BOUNDS, FEES, HOLD_TTL_MS, PAYMENT_TTL_MS, SEATS, SEATS_PER_MATCH, SEATS_PER_USER, System,
    USERS,
};
use futures::future::join_all;
use grandstand::domain::ids::SeatId;
use grandstand::domain::model::{Bounds, Command, Model, Outcome, Right};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use std::collections::BTreeMap;

/// Cases × steps × commands of a step: well over 10,000 transitions.
const CASES: u32 = 60;
const STEPS: usize = 60;

/// One step of a case, before it is known which claims and payments there will be.
#[derive(Debug, Clone)]
enum Step {
    Batch(Vec<Draft>),
    Advance(i64),
}

/// A command whose numbers are taken modulo the number of claims or payments.
#[derive(Debug, Clone)]
struct Draft {
    kind: u8,
    user: usize,
    pick: usize,
    seats: Vec<u32>,
    flag: bool,
}

fn draft() -> impl Strategy<Value = Draft> {
    let seats = prop::collection::btree_set(1..=SEATS, 1..=3)
        .prop_map(|seats| seats.into_iter().collect::<Vec<u32>>());
    (0..23_u8, 0..USERS, any::<usize>(), seats, prop::bool::weighted(0.15))
        .prop_map(|(kind, user, pick, seats, flag)| Draft { kind, user, pick, seats, flag })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(draft(), 1..8).prop_map(Step::Batch),
        1 => prop_oneof![Just(300_000), Just(HOLD_TTL_MS), Just(PAYMENT_TTL_MS)]
            .prop_map(Step::Advance),
    ]
}

/// The command of a draft, given the claims and payments that there are.
fn command(draft: &Draft, model: &Model) -> Option<Command> {
    let (claims, payments) = model.made();
    let recent = |count: usize| count.checked_sub(1).map(|last| last - draft.pick % count.min(8));
    let (claim, payment) = (recent(claims), recent(payments));
    let mut seats: Vec<SeatId> = draft.seats.iter().map(|seat| SeatId(*seat)).collect();
    let fixture = model.match_of(seats[0]);
    seats.retain(|seat| model.match_of(*seat) == fixture);
    // Mostly the user's own claims; now and then somebody else's.
    let owner = |claim: usize| if draft.flag { draft.user } else { model.claims[claim].user };
    // Now and then an outcome of an earlier attempt.
    let attempt = |payment: usize| {
        let last = model.claims[model.claim_of(payment)].attempt;
        last.saturating_sub(u32::from(draft.flag))
    };
    let user = draft.user;
    // As they are before the batch. A command of the same batch may change them.
    let checked = !draft.pick.is_multiple_of(3);
    Some(match draft.kind {
        0..=4 => {
            let is_listed = draft.pick.is_multiple_of(3);
            let cost = is_listed.then_some((draft.pick % 7) as i64 * 501);
            Command::Hold { user, seats, cost }
        }
        5 => Command::Release { user: owner(claim?), claim: claim? },
        6 => {
            let remains = checked.then(|| model.remains_of_holds(user, &seats[..1]));
            Command::ReleaseSeat { user, seat: seats[0], remains }
        }
        7..=9 => Command::ReserveHold { user: owner(claim?), hold: claim? },
        10 => {
            let remains = checked.then(|| model.remains_of_holds(user, &seats));
            Command::ReserveSeats { user, seats, remains }
        }
        11..=12 => Command::Request { user: owner(claim?), claim: claim? },
        13..=14 => {
            let user = owner(model.claim_of(payment?));
            let key = (draft.pick % 2) as u8;
            Command::Begin { user, payment: payment?, wrong_amount: draft.flag, key }
        }
        15 if draft.pick.is_multiple_of(5) => {
            let attempt = attempt(payment?);
            Command::Ask { payment: payment?, attempt }
        }
        15..=16 => {
            let attempt = attempt(payment?);
            let outcome = match draft.pick % 4 {
                0 => Outcome::Declined,
                1 => Outcome::Withdrawn,
                _ => Outcome::Approved,
            };
            Command::Outcome { payment: payment?, attempt, outcome }
        }
        17..=18 => cancel(draft, model, claim?, owner(claim?), seats),
        19..=20 => {
            let last = model.claims[model.claim_of(payment?)].refund;
            let number = last.saturating_sub(u32::from(draft.pick.is_multiple_of(7)));
            Command::Refund { payment: payment?, number, given: !draft.flag }
        }
        _ if draft.flag => Command::Expire { claim: claim? },
        _ if draft.pick.is_multiple_of(2) => Command::Block { seats },
        _ => Command::Unblock { seats },
    })
}

/// The cancellation of all seats of a claim, of its first seat, or of any seats.
fn cancel(draft: &Draft, model: &Model, claim: usize, user: usize, seats: Vec<SeatId>) -> Command {
    let seats = match draft.pick % 4 {
        0 => vec![],
        1 => seats,
        _ => model.claims[claim].seats[..1].to_vec(),
    };
    let right = match draft.pick % 8 {
        2 => Right::Organiser,
        3 => Right::Waived,
        _ => Right::Fan,
    };
    let is_checked = !draft.pick.is_multiple_of(3) && !seats.is_empty();
    let remains = is_checked.then(|| model.remains_of(claim, &seats));
    Command::Cancel { user, claim, seats, right, remains }
}

/// Whether a command waits behind those that free or settle, as in the batch.
fn waits(command: &Command) -> bool {
    !matches!(
        command,
        Command::Release { .. }
            | Command::ReleaseSeat { .. }
            | Command::Ask { .. }
            | Command::Outcome { .. }
            | Command::Cancel { .. }
            | Command::Refund { .. }
            | Command::Expire { .. }
            | Command::Unblock { .. }
    )
}

/// `bounded`: users have cool-downs, and a worker sweeps at each step of the clock. Otherwise
/// claims that are late end when a command finds them.
async fn play(system: &mut System, bounded: bool, steps: &[Step]) {
    let prices: BTreeMap<SeatId, i64> =
        (1..=SEATS).map(|seat| (SeatId(seat), i64::from(seat) * 997)).collect();
    let mut model = Model::new(
        prices.clone(),
        SEATS_PER_MATCH,
        HOLD_TTL_MS,
        PAYMENT_TTL_MS,
        SEATS_PER_USER,
        FEES.to_vec(),
        if bounded { BOUNDS } else { Bounds::default() },
    );
    system.begin(bounded).await;
    for step in steps {
        match step {
            Step::Advance(ms) => {
                model.advance(*ms);
                system.advance(*ms).await;
            }
            Step::Batch(drafts) => {
                let before = model.clone();
                let mut commands: Vec<Command> =
                    drafts.iter().filter_map(|draft| command(draft, &before)).collect();
                commands.sort_by_key(waits);
                let ran =
                    join_all(commands.iter().map(|command| system.run(command, &prices, &before)))
                        .await;
                for (command, ran) in commands.iter().zip(ran) {
                    let wanted = model.run(command);
                    assert_eq!(ran.reply, wanted, "{command:?}");
                    system.claims.extend(ran.claim);
                    system.payments.extend(ran.payment);
                }
            }
        }
        system.compare(&model).await;
    }
}

#[test]
fn the_scripts_agree_with_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let system = std::cell::RefCell::new(runtime.block_on(System::start()));
    let config = Config {
        cases: CASES,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    };
    let steps = (prop::bool::ANY, prop::collection::vec(step(), STEPS));
    TestRunner::new(config)
        .run(&steps, |(bounded, steps)| {
            runtime.block_on(play(&mut system.borrow_mut(), bounded, &steps));
            Ok(())
        })
        .unwrap();
}
