//! The exam: when all has healed, the installation that was broken is asked for each rule of
//! docs/API.md, by scenarios that need a purpose and not luck. Two more API nodes stand beside
//! those of the run, because some rules are settings of a node.

mod an_hour;
mod attempts;
mod bills;
mod burst;
mod conduct;
mod entry;
mod fan;
mod gateway;
mod hall;
mod house;
mod instants;
mod journal;
mod late;
mod many;
mod old_session;
mod one_hold;
mod outage;
mod partition;
mod queue;
mod repeats;
mod sale_times;
mod second_sale;
mod sleeper;
mod slow_reader;
mod stream;
mod streams;
mod terms;
mod two_looks;
mod unattended;
mod zombies;

use crate::check::Violation;
use crate::process::Supervised;
use crate::sale::{PEOPLE, Sale};
use crate::world::World;
use anyhow::Result;
use fan::{Broken, Verdict};
use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, join_all};
use grandstand_embedded::tell;
use hall::Hall;
use std::cell::RefCell;

/// How long a hold lasts on the node that is roomy, and on the node that is strict.
const ROOMY_HOLD_MS: u64 = 60_000;
const STRICT_HOLD_MS: u64 = 2_500;
/// Holds that a person may begin in ten minutes, on the strict node.
const STRICT_HOLDS: usize = 12;

/// Holds last long, and a person may have all seats.
const ROOMY: [(&str, &str); 3] = [
    ("GRANDSTAND_HOLD_TTL_MS", "60000"),
    ("GRANDSTAND_PAYMENT_TTL_MS", "60000"),
    ("GRANDSTAND_MAX_SEATS_PER_USER", "60"),
];
/// Holds end soon, and cool-downs are on.
const STRICT: [(&str, &str); 11] = [
    ("GRANDSTAND_HOLD_TTL_MS", "2500"),
    ("GRANDSTAND_PAYMENT_TTL_MS", "15000"),
    ("GRANDSTAND_MAX_SEATS_PER_USER", "6"),
    ("GRANDSTAND_RATE_LIMITS", "on"),
    ("GRANDSTAND_HOLDS_PER_TEN_MINUTES", "12"),
    ("GRANDSTAND_UNVERIFIED_HOLDERS_PER_BLOCK", "0"),
    ("GRANDSTAND_SEAT_CALLS_PER_SECOND", "100000"),
    ("GRANDSTAND_READS_PER_SECOND", "100000"),
    ("GRANDSTAND_WRITES_PER_SECOND", "100000"),
    ("GRANDSTAND_PAYMENT_REQUESTS_PER_MINUTE", "100000"),
    ("GRANDSTAND_CONFIRMS_PER_MINUTE", "100000"),
];

/// With this many violations the exam ends, because each of its questions may wait for a time-out
/// where so much is wrong. More: a run of a bug that is everywhere takes ten minutes. Fewer: a
/// single bug hides others.
pub(crate) const VIOLATIONS_MAX: usize = 6;

/// What must never happen, not even once: money or a sale is lost, a person is inside too early or
/// twice, an entry is lost.
const COUNT_AT_ONCE: [u8; 4] = [3, 5, 21, 31];
/// Questions that let several calls race. A wrong winner may not come again, so it counts at once.
const RACES: [&str; 4] = [
    "a hold that is given back and reserved",
    "companions in two tabs",
    "one open hold",
    "two charges",
];

/// A scenario, which may be played again.
type Scenario<'a> = Box<dyn Fn() -> LocalBoxFuture<'a, Verdict> + 'a>;

/// A question: the number of the invariant, its name, and how to ask it.
type Question<'a> = (u8, &'static str, Scenario<'a>);

/// The scenario that a call plays each time.
macro_rules! played {
    ($call:expr) => {
        Box::new(move || $call.boxed_local()) as Scenario<'_>
    };
}

/// Asks everything; what was not as it should be. The run before had `known` violations.
pub(crate) async fn exam(world: &World, sale: &Sale, known: usize) -> Result<Vec<Violation>> {
    if known >= VIOLATIONS_MAX {
        tell("there is no exam, because too much is wrong already\n");
        return Ok(vec![]);
    }
    let (roomy, roomy_door) = world.another_node("api-roomy", &ROOMY).await?;
    let (strict, strict_door) = world.another_node("api-strict", &STRICT).await?;
    let mut doors: Vec<String> = sale.doors.to_vec();
    doors.extend([roomy_door, strict_door]);
    let found = match Hall::open(doors, sale, PEOPLE).await {
        Ok(hall) => ask_all(&hall, world, known).await,
        Err(Broken(what)) => vec![Violation::new(24, format!("the exam: {what}"))],
    };
    join_all([roomy, strict].map(Supervised::end)).await;
    Ok(found)
}

/// First what disturbs nobody, all at once, and then what concerns everybody, one by one.
async fn ask_all(hall: &Hall, world: &World, known: usize) -> Vec<Violation> {
    let mut found = ask_together(together(hall, world)).await;
    // The pass ends while others are asked. A second try needs another one.
    let passes = &RefCell::new(Some(queue::last_pass(hall).await));
    let without_workers = async move || {
        let first = passes.borrow_mut().take();
        let pass = match first {
            Some(pass) => pass,
            None => queue::last_pass(hall).await,
        };
        unattended::without_workers(hall, world, pass).await
    };
    let without_workers = &without_workers;
    let first: [Question<'_>; 9] = [
        (5, "a slow answer", played!(gateway::slow_answer(hall))),
        (5, "a refund that is refused", played!(gateway::refused_refund(hall))),
        (5, "two charges", played!(gateway::charged_twice(hall))),
        (5, "late words", played!(late::late_words(hall, world))),
        (5, "forgotten attempts", played!(attempts::forgotten_attempts(hall, world))),
        (6, "other prices", played!(bills::other_prices(hall, world))),
        (33, "two looks", played!(two_looks::two_looks(hall, world))),
        (21, "late entries", played!(journal::late_entries(hall, world))),
        (21, "a refused entry", played!(outage::refused_entry(hall, world))),
    ];
    let last: [Question<'_>; 13] = [
        (34, "without workers", played!(without_workers())),
        (1, "a second sale", played!(second_sale::second_sale(hall, world))),
        (18, "lost entries", played!(streams::lost_entries(hall, world))),
        (3, "without PostgreSQL", played!(outage::without_postgres(hall, world))),
        (3, "an old commit", played!(zombies::old_commit(hall, world))),
        (9, "two loads", played!(zombies::two_loads(hall, world))),
        (3, "a torn load", played!(zombies::torn_load(hall, world))),
        (9, "an old session", played!(old_session::old_session(hall, world))),
        (31, "entries", played!(entry::entries(hall, world))),
        // Everybody else must be done, because the time of a whole partition changes.
        (6, "refunds to the ms", played!(instants::refunds(hall, world))),
        (32, "a cool-down to the ms", played!(instants::cool_down(hall, world))),
        (12, "sales to the ms", played!(instants::sales(hall, world))),
        (32, "an hour later", played!(an_hour::an_hour_later(hall, world))),
    ];
    let known = known + found.len();
    found.extend(ask_in_turn(first.into_iter().chain(last), known).await);
    found
}

/// What can be asked at the same time: each question has a match of its own.
fn together<'a>(hall: &'a Hall, world: &'a World) -> Vec<Question<'a>> {
    vec![
        (6, "better terms", played!(terms::better_terms(hall))),
        (6, "the end of refunds", played!(terms::end_of_refunds(hall))),
        (6, "bills", played!(bills::bills(hall))),
        (6, "a damaged bill", played!(bills::damaged_bill(hall, world))),
        (15, "a repeated hold", played!(bills::repeated_after_new_prices(hall))),
        (15, "a repeated release", played!(repeats::repeated_release(hall))),
        (9, "many holds", played!(many::many_holds(hall))),
        (9, "a hold that is given back and reserved", played!(burst::released_and_reserved(hall))),
        (32, "longer cool-downs", played!(conduct::grows(hall))),
        (32, "a purchase after a cool-down", played!(conduct::purchase(hall))),
        (32, "holds that end with the sale", played!(conduct::end_of_sale(hall))),
        (32, "holds whose deadline is the end of the sale", played!(conduct::end_by_itself(hall))),
        (32, "seats that are given back late", played!(conduct::late(hall))),
        (32, "too many holds", played!(conduct::too_many(hall))),
        (32, "one open hold", played!(one_hold::one_open_hold(hall))),
        (12, "a sale that ends", played!(sale_times::ends_by_itself(hall))),
        (12, "a sale that is closed", played!(sale_times::ends_by_hand(hall))),
        (12, "holds of a closed match", played!(sale_times::holds_of_a_closed_match(hall))),
        (12, "a sale that opens", played!(sale_times::opens_by_itself(hall))),
        (20, "passes", played!(queue::passes(hall))),
        (20, "a later pass", played!(queue::later_pass(hall))),
        (20, "a full room", played!(queue::full_room(hall))),
        (20, "nearly sold out", played!(queue::nearly_sold_out(hall))),
        (33, "companions", played!(house::companions(hall))),
        (33, "companions in two tabs", played!(house::companions_in_two_tabs(hall))),
        (33, "tables and places", played!(house::tables_and_places(hall))),
        (33, "a rush for places", played!(house::rush_for_places(hall))),
        (33, "a list of another plan", played!(house::list_of_another_plan(hall))),
        (5, "late approvals", played!(gateway::approved_late(hall))),
        (18, "events that were missed", played!(streams::missed(hall))),
        (18, "ids of other epochs", played!(streams::foreign_ids(hall))),
        (18, "snapshots", played!(streams::snapshots(hall))),
        (18, "a slow reader", played!(slow_reader::slow_reader(hall))),
        (18, "a deleted match", played!(streams::deleted(hall))),
    ]
}

async fn ask_together(questions: Vec<Question<'_>>) -> Vec<Violation> {
    join_all(questions.into_iter().map(ask)).await.into_iter().flatten().collect()
}

/// Asks one by one, until too much is wrong together with the violations that are `known`.
async fn ask_in_turn<'a>(
    questions: impl IntoIterator<Item = Question<'a>>,
    known: usize,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for question in questions {
        if known + found.len() >= VIOLATIONS_MAX {
            tell(format_args!("the exam ends before `{}`: too much is wrong\n", question.1));
            break;
        }
        found.extend(ask(question).await);
    }
    found
}

/// Asks a second time when the response is wrong, because on a busy machine a hold may end between
/// two calls, and a rule that is broken is broken both times. The first failure is shown also when
/// it does not come again. Where it counts at once, there is no second time.
async fn ask((invariant, name, scenario): Question<'_>) -> Option<Violation> {
    let Broken(first) = scenario().await.err()?;
    if COUNT_AT_ONCE.contains(&invariant) || RACES.contains(&name) {
        return Some(Violation::new(invariant, format!("the exam, {name}: {first}")));
    }
    tell(format_args!("the exam, {name}, is asked again: {first}\n"));
    let Broken(what) = scenario().await.err()?;
    let what = if what == first { what } else { format!("{what}; at first: {first}") };
    Some(Violation::new(invariant, format!("the exam, {name}: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exam::fan::check;
    use std::cell::Cell;

    #[tokio::test]
    async fn what_is_not_as_it_should_be_is_a_violation() {
        let tries = &Cell::new(0);
        let right = played!(async { check(true, "fine") });
        let slow = played!(async { check(tries.replace(1) == 1, "slow") });
        let wrong = played!(async { check(false, "two fees") });
        let found = ask_together(vec![(6, "a", right), (6, "c", slow), (6, "b", wrong)]).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].invariant, &*found[0].what), (6, "the exam, b: two fees"));
    }

    #[tokio::test]
    async fn lost_money_and_a_race_count_also_when_they_do_not_come_again() {
        let tries = &[Cell::new(0), Cell::new(0)];
        let lost = played!(async { check(tries[0].replace(1) == 1, "money is lost") });
        let race = played!(async { check(tries[1].replace(1) == 1, "both have it") });
        let found = ask_together(vec![(5, "two words", lost), (9, RACES[0], race)]).await;
        let found: Vec<&str> = found.iter().map(|violation| &*violation.what).collect();
        let race = format!("the exam, {}: both have it", RACES[0]);
        assert_eq!(found, ["the exam, two words: money is lost", &race]);
    }

    #[tokio::test]
    async fn an_exam_in_which_too_much_is_wrong_ends() {
        let asked = &Cell::new(0);
        let wrong = || async {
            asked.set(asked.get() + 1);
            check(false, "no")
        };
        let questions = || (0..VIOLATIONS_MAX + 2).map(|_| (5, "a", played!(wrong())));
        assert_eq!(ask_in_turn(questions(), 0).await.len(), VIOLATIONS_MAX);
        assert_eq!((ask_in_turn(questions(), VIOLATIONS_MAX).await.len(), asked.get()), (0, 6));
    }

    #[test]
    fn the_constants_are_those_of_the_nodes() {
        assert_eq!(ROOMY[0].1, ROOMY_HOLD_MS.to_string());
        assert_eq!(STRICT[0].1, STRICT_HOLD_MS.to_string());
        assert_eq!(STRICT[4].1, STRICT_HOLDS.to_string());
    }
}
