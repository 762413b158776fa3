//! The exam: when all has healed, the installation that was broken is asked for each rule of
//! docs/API.md, by scenarios that need a purpose and not luck. Two more API nodes stand beside
//! those of the run, because some rules are settings of a node.

mod bills;
mod burst;
mod conduct;
mod entry;
mod fan;
mod gateway;
mod hall;
mod house;
mod many;
mod one_hold;
mod outage;
mod queue;
mod sale_times;
mod stream;
mod streams;
mod terms;
mod unattended;

use crate::check::Violation;
use crate::process::Supervised;
use crate::sale::{PEOPLE, Sale};
use crate::world::World;
use anyhow::Result;
use fan::{Broken, Verdict};
use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, join_all};
use hall::Hall;

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

/// A question: the number of the invariant, its name, and how it ended.
type Question<'a> = (u8, &'static str, LocalBoxFuture<'a, Verdict>);

/// Asks everything; what was not as it should be.
pub(crate) async fn exam(world: &World, sale: &Sale) -> Result<Vec<Violation>> {
    let (roomy, roomy_door) = world.another_node("api-roomy", &ROOMY).await?;
    let (strict, strict_door) = world.another_node("api-strict", &STRICT).await?;
    let mut doors: Vec<String> = sale.doors.to_vec();
    doors.extend([roomy_door, strict_door]);
    let found = match Hall::open(doors, sale, PEOPLE).await {
        Ok(hall) => ask_all(&hall, world).await,
        Err(Broken(what)) => vec![Violation::new(24, format!("the exam: {what}"))],
    };
    join_all([roomy, strict].map(Supervised::end)).await;
    Ok(found)
}

/// First what disturbs nobody, all at once, and then what concerns everybody, one by one.
async fn ask_all(hall: &Hall, world: &World) -> Vec<Violation> {
    let mut found = ask_together(together(hall)).await;
    // The pass ends while others are asked.
    let pass = queue::last_pass(hall).await;
    let first: [Question<'_>; 4] = [
        (5, "a slow answer", gateway::slow_answer(hall).boxed_local()),
        (5, "a refund that is refused", gateway::refused_refund(hall).boxed_local()),
        (5, "two charges", gateway::charged_twice(hall).boxed_local()),
        (21, "a refused entry", outage::refused_entry(hall, world).boxed_local()),
    ];
    let last: [Question<'_>; 4] = [
        (34, "without workers", unattended::without_workers(hall, world, pass).boxed_local()),
        (18, "lost entries", streams::lost_entries(hall, world).boxed_local()),
        (3, "without PostgreSQL", outage::without_postgres(hall, world).boxed_local()),
        (31, "entries", entry::entries(hall, world).boxed_local()),
    ];
    for question in first.into_iter().chain(last) {
        found.extend(ask(question).await);
    }
    found
}

/// What can be asked at the same time: each question has a match of its own.
fn together(hall: &Hall) -> Vec<Question<'_>> {
    vec![
        (6, "better terms", terms::better_terms(hall).boxed_local()),
        (6, "the end of refunds", terms::end_of_refunds(hall).boxed_local()),
        (6, "bills", bills::bills(hall).boxed_local()),
        (15, "a repeated hold", bills::repeated_after_new_prices(hall).boxed_local()),
        (9, "many holds", many::many_holds(hall).boxed_local()),
        (
            9,
            "a hold that is given back and reserved",
            burst::released_and_reserved(hall).boxed_local(),
        ),
        (32, "longer cool-downs", conduct::grows(hall).boxed_local()),
        (32, "a purchase after a cool-down", conduct::purchase(hall).boxed_local()),
        (32, "holds that end with the sale", conduct::end_of_sale(hall).boxed_local()),
        (32, "seats that are given back late", conduct::late(hall).boxed_local()),
        (32, "too many holds", conduct::too_many(hall).boxed_local()),
        (32, "one open hold", one_hold::one_open_hold(hall).boxed_local()),
        (12, "a sale that ends", sale_times::ends_by_itself(hall).boxed_local()),
        (12, "a sale that is closed", sale_times::ends_by_hand(hall).boxed_local()),
        (12, "holds of a closed match", sale_times::holds_of_a_closed_match(hall).boxed_local()),
        (12, "a sale that opens", sale_times::opens_by_itself(hall).boxed_local()),
        (20, "passes", queue::passes(hall).boxed_local()),
        (20, "a later pass", queue::later_pass(hall).boxed_local()),
        (20, "nearly sold out", queue::nearly_sold_out(hall).boxed_local()),
        (33, "companions", house::companions(hall).boxed_local()),
        (33, "companions in two tabs", house::companions_in_two_tabs(hall).boxed_local()),
        (33, "tables and places", house::tables_and_places(hall).boxed_local()),
        (33, "a list of another plan", house::list_of_another_plan(hall).boxed_local()),
        (5, "late approvals", gateway::approved_late(hall).boxed_local()),
        (18, "events that were missed", streams::missed(hall).boxed_local()),
        (18, "ids of other epochs", streams::foreign_ids(hall).boxed_local()),
        (18, "snapshots", streams::snapshots(hall).boxed_local()),
        (18, "a deleted match", streams::deleted(hall).boxed_local()),
    ]
}

async fn ask_together(questions: Vec<Question<'_>>) -> Vec<Violation> {
    join_all(questions.into_iter().map(ask)).await.into_iter().flatten().collect()
}

async fn ask((invariant, name, verdict): Question<'_>) -> Option<Violation> {
    let Broken(what) = verdict.await.err()?;
    Some(Violation::new(invariant, format!("the exam, {name}: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exam::fan::check;

    #[tokio::test]
    async fn what_is_not_as_it_should_be_is_a_violation() {
        let right = async { check(true, "fine") }.boxed_local();
        let wrong = async { check(false, "two fees") }.boxed_local();
        let found = ask_together(vec![(6, "a", right), (6, "b", wrong)]).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].invariant, &*found[0].what), (6, "the exam, b: two fees"));
    }

    #[test]
    fn the_constants_are_those_of_the_nodes() {
        assert_eq!(ROOMY[0].1, ROOMY_HOLD_MS.to_string());
        assert_eq!(STRICT[0].1, STRICT_HOLD_MS.to_string());
        assert_eq!(STRICT[4].1, STRICT_HOLDS.to_string());
    }
}
