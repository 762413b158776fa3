//! The model notices when a rule is missing: for each seeded bug the checker finds a state that
//! breaks a promise.

use grandstand_protocol_model::check::{explore, explore_for};
use grandstand_protocol_model::model::World;
use grandstand_protocol_model::mutants::Mutant;
use grandstand_protocol_model::worlds;

/// Explores the world of a mutant until a promise is broken.
fn breaks(world: fn(Option<Mutant>) -> World, mutant: Mutant) {
    let explored = explore(&world(Some(mutant)));
    println!("{mutant:?}: {explored}");
    assert!(!explored.broken.is_empty(), "the checker does not notice {mutant:?}: {explored}");
}

/// The same until this promise is broken, because other promises would notice the mutant too, or
/// later.
fn breaks_promise(world: fn(Option<Mutant>) -> World, mutant: Mutant, promise: &'static str) {
    let explored = explore_for(&world(Some(mutant)), promise);
    println!("{mutant:?}: {explored}");
    let is_broken = explored.broken.iter().any(|(broken, _)| *broken == promise);
    assert!(is_broken, "`{promise}` does not notice {mutant:?}: {explored}");
}

#[test]
fn no_primary_key() {
    breaks(worlds::failover, Mutant::NoPrimaryKey);
}

#[test]
fn announces_first() {
    breaks(worlds::takeover, Mutant::AnnouncesFirst);
}

#[test]
fn unknown_is_declined() {
    breaks(worlds::gateway, Mutant::UnknownIsDeclined);
}

#[test]
fn no_position() {
    breaks(worlds::takeover, Mutant::NoPosition);
}

#[test]
fn no_fence() {
    breaks(worlds::load, Mutant::NoFence);
}

#[test]
fn loads_what_is_behind() {
    breaks(worlds::promotion, Mutant::LoadsWhatIsBehind);
}

#[test]
fn no_mark_asked() {
    breaks(worlds::gateway, Mutant::NoMarkAsked);
}

#[test]
fn asked_is_withdrawn() {
    breaks(worlds::gateway, Mutant::AskedIsWithdrawn);
}

#[test]
fn loaded_is_not_asked() {
    breaks(worlds::wipe, Mutant::LoadedIsNotAsked);
}

#[test]
fn refund_lost() {
    breaks(worlds::failover, Mutant::RefundLost);
}

#[test]
fn charges_before_claim() {
    breaks(worlds::failover, Mutant::ChargesBeforeClaim);
}

#[test]
fn trusts_announcement() {
    breaks(worlds::failover, Mutant::TrustsAnnouncement);
}

#[test]
fn promises_before_commit() {
    breaks(worlds::failover, Mutant::PromisesBeforeCommit);
}

#[test]
fn no_look_at_the_journal() {
    breaks(worlds::hole, Mutant::NoLookAtTheJournal);
}

#[test]
fn loads_no_claims() {
    breaks(worlds::failover, Mutant::LoadsNoClaims);
}

#[test]
fn any_attempt_settles() {
    breaks(worlds::gateway, Mutant::AnyAttemptSettles);
}

#[test]
fn refund_before_row() {
    breaks(worlds::refund_failover, Mutant::RefundBeforeRow);
}

#[test]
fn epoch_after_load() {
    breaks(worlds::zombie, Mutant::EpochAfterLoad);
}

#[test]
fn refunds_at_once() {
    breaks(worlds::hole, Mutant::RefundsAtOnce);
}

#[test]
fn restore_asks_again() {
    breaks_promise(worlds::promotion, Mutant::RestoreAsksAgain, "a promised sale stays");
}

#[test]
fn seats_apart() {
    let promise = "a seat is never free while its payment is open";
    breaks_promise(worlds::hole, Mutant::SeatsApart, promise);
}
