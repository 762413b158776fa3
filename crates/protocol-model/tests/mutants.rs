//! The model notices when a rule is missing: for each seeded bug the checker finds a state that
//! breaks a promise.

use grandstand_protocol_model::model::World;
use grandstand_protocol_model::mutants::Mutant;
use grandstand_protocol_model::worlds;
use stateright::{Checker, HasDiscoveries, Model};

/// Explores the world of a mutant until a promise is broken, which must be this one.
fn breaks(world: fn(Option<Mutant>) -> World, mutant: Mutant, promise: &'static str) {
    let checker = world(Some(mutant)).checker().threads(2);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    for (name, path) in &found {
        println!("{mutant:?} breaks: {name}\n{:#?}", path.clone().into_actions());
    }
    assert!(!found.is_empty(), "the checker does not notice {mutant:?}");
    assert!(found.contains_key(promise), "{mutant:?} breaks {:?}", found.keys());
}

#[test]
fn no_primary_key() {
    breaks(worlds::failover, Mutant::NoPrimaryKey, "no seat is sold twice");
}

#[test]
fn announces_first() {
    breaks(worlds::zombie, Mutant::AnnouncesFirst, "payments halt only after a loss");
}

#[test]
fn unknown_is_declined() {
    breaks(worlds::gateway, Mutant::UnknownIsDeclined, "what is at rest is settled");
}

#[test]
fn no_position() {
    breaks(worlds::zombie, Mutant::NoPosition, "no fact contradicts the rows");
}

#[test]
fn no_fence() {
    breaks(worlds::zombie, Mutant::NoFence, "a seat is never free while its payment is open");
}

#[test]
fn loads_what_is_behind() {
    breaks(worlds::promotion, Mutant::LoadsWhatIsBehind, "what is at rest is settled");
}

#[test]
fn no_mark_asked() {
    breaks(worlds::gateway, Mutant::NoMarkAsked, "a seat is never free while its payment is open");
}

#[test]
fn asked_is_withdrawn() {
    breaks(
        worlds::gateway,
        Mutant::AskedIsWithdrawn,
        "a seat is never free while its payment is open",
    );
}

#[test]
fn loaded_is_not_asked() {
    breaks(
        worlds::wipe,
        Mutant::LoadedIsNotAsked,
        "a seat is never free while its payment is open",
    );
}

#[test]
fn refund_lost() {
    breaks(worlds::failover, Mutant::RefundLost, "what is at rest is settled");
}

#[test]
fn charges_before_claim() {
    breaks(worlds::failover, Mutant::ChargesBeforeClaim, "what is at rest is settled");
}

#[test]
fn trusts_announcement() {
    breaks(worlds::failover, Mutant::TrustsAnnouncement, "what is at rest is settled");
}

#[test]
fn promises_before_commit() {
    breaks(worlds::failover, Mutant::PromisesBeforeCommit, "a promised sale stays");
}

#[test]
fn no_look_at_the_journal() {
    breaks(worlds::failover, Mutant::NoLookAtTheJournal, "what is at rest is settled");
}

#[test]
fn loads_no_claims() {
    breaks(worlds::failover, Mutant::LoadsNoClaims, "what is at rest is settled");
}

#[test]
fn any_attempt_settles() {
    breaks(worlds::gateway, Mutant::AnyAttemptSettles, "what is at rest is settled");
}

#[test]
fn refund_before_row() {
    breaks(worlds::refund, Mutant::RefundBeforeRow, "what is at rest is settled");
}

#[test]
fn epoch_after_load() {
    breaks(worlds::zombie, Mutant::EpochAfterLoad, "what is at rest is settled");
}
