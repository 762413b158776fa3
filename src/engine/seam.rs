//! What Rust and Lua must agree on: each value exists once on either side, and these tests compare
//! the two.

use crate::domain::claim::{ClaimState, EndReason, PaymentState};
use crate::domain::fact::PaymentStep;
use crate::domain::ids::{HoldId, MatchId, Partition, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::{Attempt, Money};
use crate::domain::seat::SeatState;
use crate::engine::cancellation::{Cancellation, Extent, Right};
use crate::engine::claim_fields::{
    BUCKET_PLACE, BUCKETS, CONDUCT_MARK, HOLDS_WINDOW_MS, ID_LENGTH, SUMMARY_MARK, UNPAID_KEPT_MS,
};
use crate::engine::claims::{NOTE_ENDED, NOTE_PAYMENT};
use crate::engine::columns::{Argument, COLUMNS, Columns};
use crate::engine::command::PaymentOutcome;
use crate::engine::command::{MissedStep, SeatCommand};
use crate::engine::partitions::{ANSWER_TTL_MS, LAYOUT};
use crate::engine::remains::Remains;
use crate::engine::scripts::SEAT_BATCH;
use std::collections::BTreeSet;

/// The library, as Redis gets it.
fn library() -> String {
    SEAT_BATCH.join("\n")
}

/// The text between the opening and the closing, which the library has once.
fn between(opening: &str, closing: &str) -> String {
    let library = library();
    let mut parts = library.split(opening).skip(1);
    let inner = parts.next().and_then(|part| part.split(closing).next());
    assert!(parts.next().is_none(), "{opening} stands twice in the library");
    inner.unwrap_or_else(|| panic!("the library has no {opening}")).to_owned()
}

/// All texts in single quotes, in order.
fn quoted(text: &str) -> Vec<String> {
    text.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

fn table(name: &str) -> Vec<String> {
    quoted(&between(&format!("local {name} = {{"), "}"))
}

#[test]
fn the_columns_of_a_batch_have_the_same_names_and_order() {
    let library = library();
    let column = |name| library.find(&format!(" {name}_of = unpack_column(ARGV["));
    let places = COLUMNS.map(|name| column(name).unwrap_or_else(|| panic!("no column {name}")));
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(library.matches("_of = unpack_column(ARGV[").count(), COLUMNS.len());
    let arguments: Vec<&str> = Argument::ALL.iter().map(|argument| argument.word()).collect();
    assert_eq!(table("ARGUMENTS"), arguments);
}

#[test]
fn states_have_the_same_letters_and_words() {
    let seats = [
        SeatState::Available,
        SeatState::Hold,
        SeatState::Pending,
        SeatState::Occupied,
        SeatState::Blocked,
    ];
    assert_eq!(table("SEAT"), seats.map(|state| char::from(state.letter()).to_string()));
    assert_eq!(table("CLAIM"), ClaimState::ALL.map(ClaimState::letter));
    assert_eq!(table("PAYMENT"), PaymentState::ALL.map(PaymentState::letter));
    assert_eq!(table("ENDED"), EndReason::ALL.map(EndReason::word));
}

#[test]
fn a_payment_shares_no_letter_with_a_claim_or_a_seat() {
    let payments: BTreeSet<String> = table("PAYMENT").into_iter().collect();
    let others = table("CLAIM").into_iter().chain(table("SEAT"));
    assert_eq!(others.filter(|letter| payments.contains(letter)).count(), 0);
}

#[test]
fn layout_notes_and_periods_are_the_same() {
    assert_eq!(between("local LAYOUT = '", "'"), LAYOUT);
    assert_eq!(table("NOTE")[..2], [NOTE_ENDED, NOTE_PAYMENT]);
    assert_eq!(between("local OPERATION_PERIOD_MS = ", "\n"), ANSWER_TTL_MS.to_string());
}

#[test]
fn the_first_fields_of_a_record_begin_where_the_scripts_look_for_them() {
    let names = "local ID_LAST, STATE_AT, MATCH_FIRST, MATCH_LAST, DEADLINE_FIRST = ";
    let places: Vec<usize> =
        between(names, "\n").split(", ").map(|place| place.parse().unwrap()).collect();
    let [id_last, state_at, match_first, match_last, deadline_first] = places[..] else {
        panic!("five places")
    };
    let (id, match_id) = (ReservationId::new(Partition(3)), MatchId::new(Partition(3)));
    let record = format!("{}|P|{}|1790000000000|1,2|7|20000", id.key(), match_id.key());
    // Lua counts from 1, and names the last place and not the one behind it.
    assert_eq!(record[..id_last], id.key());
    assert_eq!(&record[state_at - 1..state_at], ClaimState::Pending.letter());
    assert_eq!(record[match_first - 1..match_last], match_id.key());
    assert!(record[deadline_first - 1..].starts_with("1790000000000|"));
}

#[test]
fn the_fields_of_claims_have_the_same_names() {
    let place: usize = between("local BUCKET_AT = ", "\n").parse().unwrap();
    assert_eq!(place, BUCKET_PLACE + 1, "Lua counts from 1");
    assert_eq!(between("local BUCKETS = '", "'"), BUCKETS);
    assert_eq!(between("local SUMMARY_MARK = ", " --"), (SUMMARY_MARK as u32).to_string());
    assert_eq!(between("local CONDUCT_MARK = ", " --"), (CONDUCT_MARK as u32).to_string());
    assert_eq!(between("local HOLDS_WINDOW_MS = ", "\n"), HOLDS_WINDOW_MS.to_string());
    assert_eq!(between("local UNPAID_KEPT_MS = ", "\n"), UNPAID_KEPT_MS.to_string());
    assert_eq!(ReservationId::new(Partition(3)).key().len(), ID_LENGTH);
}

/// One command of each kind.
fn samples() -> Vec<SeatCommand> {
    let partition = Partition(1);
    let (user, payment) = (UserId::new(partition), PaymentId::new(partition));
    let (hold, reservation) = (HoldId::of(partition, user), ReservationId::new(partition));
    let (seat, method) = (SeatId(7), "CARD".to_owned());
    let attempt = Attempt {
        match_id: MatchId::new(partition),
        user,
        reservation,
        payment,
        number: 1,
        seats: vec![seat],
        amount: 500,
        method: method.clone(),
        payment_key: "key".to_owned(),
    };
    let (money, remains) = (Money::default(), Some(Remains(vec![vec![SeatId(8)]])));
    let (extent, right, seats) = (Extent::These, Right::Fan, vec![(seat, 500)]);
    let cancellation = Cancellation { extent, seats, right, remains: remains.clone() };
    vec![
        SeatCommand::Hold {
            id: hold,
            user,
            seats: vec![seat, SeatId(8)],
            named: 1,
            charge: 500.into(),
            orphans: vec![],
        },
        SeatCommand::HoldBest {
            id: hold,
            user,
            choice_size: 1,
            choices: vec![(5.into(), vec![seat])],
        },
        SeatCommand::Release { hold, user },
        SeatCommand::ReleaseSeat { user, seat, price: 500, remains },
        SeatCommand::Reserve { id: reservation, user, hold },
        SeatCommand::ReserveSeats {
            id: reservation,
            user,
            seats: vec![(seat, 500)],
            remains: None,
        },
        SeatCommand::RequestPayment { reservation, user, payment, method },
        SeatCommand::BeginPayment {
            reservation,
            user,
            payment,
            amount: 500,
            payment_key: "key".to_owned(),
        },
        SeatCommand::Extend { reservation, user, extra_ms: 1 },
        SeatCommand::MarkAsked { attempt: attempt.clone() },
        SeatCommand::SettlePayment { attempt: attempt.clone(), outcome: PaymentOutcome::Approved },
        SeatCommand::RecordOrphan {
            attempt: attempt.clone(),
            fact: PaymentStep::Lost,
            money: money.clone(),
        },
        SeatCommand::TellAgain { attempt, step: MissedStep::Refund(money) },
        SeatCommand::Cancel { reservation, user, cancellation },
        SeatCommand::SettleRefund { reservation, user, payment, refund: 1, refused: None },
        SeatCommand::Expire { claim: reservation, user },
        SeatCommand::Forget { user },
        SeatCommand::Block { seats: vec![seat] },
        SeatCommand::Unblock { seats: vec![seat] },
        SeatCommand::FreeSeats { value: "B".to_owned(), seats: vec![seat] },
        SeatCommand::Archive { claim: reservation, user },
    ]
}

#[test]
fn every_command_is_a_function_of_the_library_and_the_other_way_round() {
    let library = library();
    let functions: BTreeSet<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("commands."))
        .filter_map(|rest| rest.split(" = function").next())
        .collect();
    let samples = samples();
    let names: BTreeSet<&str> = samples.iter().map(SeatCommand::name).collect();
    assert_eq!(names.len(), samples.len());
    assert_eq!(names, functions);
}

#[test]
fn every_command_writes_each_column_once() {
    for command in samples() {
        let mut columns = Columns::new(1, 1);
        let mut row = columns.add(command.name(), 0);
        command.encode(&mut row);
        row.end();
        assert_eq!(columns.counts(), [1; COLUMNS.len()], "{}", command.name());
    }
}
