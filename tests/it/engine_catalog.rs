//! The scripts for everything but seats: documents, accounts, sessions, leases, snapshots.

use crate::support::engine::Step::{Begin, Block, Forget, Hold, Request, Reserve};
use crate::support::engine::{PARTITION, TestEngine, seats};
use crate::support::partition::open_partition;
use crate::support::table::{Expect, Reply, done};
use fred::prelude::*;
use grandstand::domain::account::Account;
use grandstand::domain::catalog::{Match, MatchStatus, Site};
use grandstand::domain::ids::{Partition, SiteId, UserId};
use grandstand::domain::position::{Position, StreamId};
use grandstand::engine::error::{EngineError, Noun, Refusal};
use grandstand::engine::leases::Announced;
use grandstand::engine::load::Load;
use grandstand::engine::operation::Operation;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use std::collections::HashMap;

fn operation(key: &str, fingerprint: &str) -> Operation {
    Operation::new(key.to_owned(), fingerprint.to_owned())
}

fn site(version: u64, name: &str) -> Site {
    let mut plan = crate::support::node::plan();
    plan["name"] = name.into();
    Site { id: SiteId::new(PARTITION), version, plan: serde_json::from_value(plan).unwrap() }
}

/// The kinds of the entries of the journal, all of them.
async fn facts(bed: &TestEngine) -> Vec<String> {
    let entries: Vec<(String, HashMap<String, String>)> =
        bed.raw.xrange_values(PartitionKeys(PARTITION).journal(), "-", "+", None).await.unwrap();
    entries.into_iter().map(|(_, fields)| fields["t"].clone()).collect()
}

async fn notices(bed: &TestEngine) -> u64 {
    bed.raw.xlen(PartitionKeys(PARTITION).notices()).await.unwrap()
}

/// The journal and the notices have each change.
#[tokio::test]
async fn a_document_changes_from_the_version_that_was_read() {
    let bed = TestEngine::start().await;
    let engine = &bed.engine;
    let first = site(1, "One");
    let put = |version, name: &str| {
        let document = Site { id: first.id, ..site(version, name) };
        async move { engine.put_site(&document, Operation::default()).await }
    };
    assert_eq!(done(put(2, "Two").await), Refusal::NotFound(Noun::Site), "nothing to replace");
    assert_eq!(done(engine.put_site(&first, operation("k", "a")).await), Reply::Done);
    // The first reply again, although the document has changed since.
    assert_eq!(engine.put_site(&site(1, "Copy"), operation("k", "a")).await.unwrap(), first.id);
    assert_eq!(
        done(engine.put_site(&site(1, "Else"), operation("k", "b")).await),
        Refusal::ExistsDifferent
    );
    assert_eq!(done(put(1, "Again").await), Refusal::Stale, "it exists");
    assert_eq!(done(put(3, "Three").await), Refusal::Stale, "one was skipped");
    assert_eq!(done(put(2, "Two").await), Reply::Done);
    assert_eq!(engine.site(first.id).await.unwrap().unwrap().plan.name, "Two");
    assert_eq!(done(engine.delete_site(&first, Operation::default()).await), Refusal::Stale);
    let second = Site { id: first.id, ..site(2, "Two") };
    assert_eq!(done(engine.delete_site(&second, Operation::default()).await), Reply::Done);
    assert_eq!(
        done(engine.delete_site(&second, Operation::default()).await),
        Refusal::NotFound(Noun::Site)
    );
    assert!(engine.site(first.id).await.unwrap().is_none());
    assert_eq!(facts(&bed).await, ["site", "site", "site_deleted"]);
    assert_eq!(notices(&bed).await, 3);
}

/// The other change is refused as stale.
#[tokio::test]
async fn of_two_changes_at_once_one_wins() {
    let bed = TestEngine::start().await;
    let other = bed.another(crate::support::engine::limits()).await;
    let scene = bed.at(&[]).await;
    let next = Match { version: 2, ..scene.fixture.clone() };
    let (first, second) = tokio::join!(
        bed.engine.put_match(&next, Operation::default()),
        other.put_match(&next, Operation::default()),
    );
    let found = [done(first), done(second)];
    assert!(found.iter().any(|reply| *reply == Reply::Done), "{found:?}");
    assert!(found.iter().any(|reply| *reply == Refusal::Stale), "{found:?}");
}

#[tokio::test]
async fn a_deleted_match_leaves_nothing_behind() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Block]).await;
    bed.engine.delete_match(&scene.fixture, Operation::default()).await.unwrap();
    let left: i64 = bed.raw.exists(MatchKeys(scene.id()).all()).await.unwrap();
    assert_eq!(left, 0);
    assert!(bed.engine.fixture(scene.id()).await.unwrap().is_none());
    let hold = bed.engine.hold(scene.id(), scene.me, seats(&[1]), 1, &[], Operation::default());
    assert_eq!(done(hold.await), Expect::NotLoaded);
}

#[tokio::test]
async fn nothing_is_decided_in_a_partition_that_is_not_loaded() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (engine, id) = (&bed.engine, scene.id());
    engine.close_partition(PARTITION).await.unwrap();
    let hold = engine.hold(id, scene.other, seats(&[3]), 1, &[], Operation::default());
    assert_eq!(done(hold.await), Expect::NotLoaded);
    assert_eq!(done(engine.release(id, scene.me, scene.hold).await), Expect::NotLoaded);
    assert_eq!(
        done(engine.put_site(&site(1, "One"), Operation::default()).await),
        Expect::NotLoaded
    );
    assert_eq!(
        done(engine.create_account(&account("a@b.c"), Operation::default()).await),
        Expect::NotLoaded
    );
    assert_eq!(done(engine.snapshot(id).await), Expect::NotLoaded);
    assert_eq!(
        done(engine.delete_match(&scene.fixture, Operation::default()).await),
        Expect::NotLoaded
    );
    assert_eq!(bed.seats(id).await, "1H 2H");
    open_partition(engine, 2).await;
    assert_eq!(done(engine.release(id, scene.me, scene.hold).await), Reply::Done);
    assert_eq!(engine.snapshot(id).await.unwrap().position.epoch, 2);
}

fn account(email: &str) -> Account {
    Account::new(UserId::new(PARTITION), email.to_owned(), "hash".to_owned(), 1)
}

/// The first response stays under its key.
#[tokio::test]
async fn an_account_is_made_once() {
    let bed = TestEngine::start().await;
    let engine = &bed.engine;
    let first = account("fan@test.example");
    assert_eq!(engine.create_account(&first, operation("k", "a")).await.unwrap(), first.id);
    let again = account("fan@test.example");
    assert_eq!(engine.create_account(&again, operation("k", "a")).await.unwrap(), first.id);
    assert_eq!(
        done(engine.create_account(&again, operation("k", "b")).await),
        Refusal::ExistsDifferent
    );
    assert_eq!(
        done(engine.create_account(&again, operation("other", "a")).await),
        Refusal::EmailTaken
    );
    assert_eq!(
        done(engine.create_account(&again, Operation::default()).await),
        Refusal::EmailTaken
    );
    assert_eq!(engine.account("fan@test.example").await.unwrap().unwrap().id, first.id);
    assert!(engine.account("nobody@test.example").await.unwrap().is_none());
    assert_eq!(facts(&bed).await, ["account"]);
}

/// Another worker takes over only when the lease has ended. Then the first worker can neither renew
/// its lease nor write as the owner.
#[tokio::test]
async fn a_lease_has_one_owner() {
    let bed = TestEngine::start().await;
    let engine = &bed.engine;
    let take = |worker: &'static str, ms| engine.take_lease(PARTITION, worker, ms);
    let first = take("one", 60_000).await.unwrap().expect("nobody has it");
    assert!(take("two", 60_000).await.unwrap().is_none());
    assert!(engine.keep_lease(&first, 100).await.unwrap(), "renewed, for a shorter time");
    let second = tokio::time::timeout(std::time::Duration::from_secs(5), async {
        loop {
            if let Some(lease) = take("two", 60_000).await.unwrap() {
                break lease;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the lease ends");
    assert!(take("one", 60_000).await.unwrap().is_none());
    assert!(!engine.keep_lease(&first, 60_000).await.unwrap());
    engine.end_lease(&first).await.unwrap();
    assert!(engine.keep_lease(&second, 60_000).await.unwrap(), "it is not the first one's to end");
    // A lease that has ended does not come back under its token.
    engine.end_lease(&second).await.unwrap();
    assert!(!engine.keep_lease(&second, 60_000).await.unwrap());
}

/// A failover in the middle of a load has lost what the first server had of it.
#[tokio::test]
async fn a_load_that_has_lost_a_step_is_not_opened() {
    let bed = TestEngine::start().await;
    let engine = &bed.engine;
    let lease = engine.take_lease(PARTITION, "a worker", 60_000).await.unwrap().unwrap();
    let hash = PartitionKeys(PARTITION).partition();
    let load = async || {
        engine.close_to_load(&lease, 1).await.unwrap();
        engine.clear_partition(&lease, &[], &[]).await.unwrap();
        engine.write_partition(&lease, one_match()).await.unwrap();
    };
    load().await;
    let steps: i64 = bed.raw.hget(&hash, "load_steps").await.unwrap();
    for lost in [steps - 1, 0] {
        let _: i64 = bed.raw.hset(&hash, ("load_steps", lost)).await.unwrap();
        assert_eq!(done(engine.open_partition(&lease, 2).await), Expect::Fenced);
    }
    let _: i64 = bed.raw.hdel(&hash, "load_steps").await.unwrap();
    assert_eq!(done(engine.open_partition(&lease, 2).await), Expect::Fenced);
    load().await;
    engine.open_partition(&lease, 2).await.unwrap();
    assert!(!bed.hash(hash).await.contains_key("load_steps"));
}

/// A payment under way would else be 404 while its partition is loaded.
#[tokio::test]
async fn nobody_is_told_that_a_claim_of_a_closed_partition_is_gone() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold, Reserve, Request, Begin]).await;
    let (engine, keys) = (&bed.engine, PartitionKeys(PARTITION));
    let claim = || engine.claim(scene.me, scene.reservation);
    assert!(claim().await.unwrap().is_some());
    engine.close_partition(PARTITION).await.unwrap();
    let _: i64 = bed.raw.del(keys.claims()).await.unwrap();
    assert!(matches!(claim().await, Err(EngineError::NotLoaded)));
    open_partition(engine, 2).await;
    assert!(claim().await.unwrap().is_none());
}

#[tokio::test]
async fn a_worker_without_the_lease_writes_nothing() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let engine = &bed.engine;
    let stale = engine.take_lease(PARTITION, "slow", 60_000).await.unwrap().unwrap();
    let _: i64 = bed.raw.del(PartitionKeys(PARTITION).lease()).await.unwrap();
    let owner = engine.take_lease(PARTITION, "quick", 60_000).await.unwrap().unwrap();
    let newest = Position { epoch: 1, id: engine.journal_newest(PARTITION).await.unwrap() };
    let before = bed.everything().await;
    assert_eq!(done(engine.announce(&stale, newest, &[]).await), Expect::Fenced);
    assert_eq!(done(engine.halt(&stale, Some("lost")).await), Expect::Fenced);
    assert_eq!(done(engine.close_to_load(&stale, 1).await), Expect::Fenced);
    assert_eq!(done(engine.clear_partition(&stale, &[], &[]).await), Expect::Fenced);
    assert_eq!(done(engine.write_partition(&stale, one_match()).await), Expect::Fenced);
    assert_eq!(done(engine.open_partition(&stale, 9).await), Expect::Fenced);
    // Not even the owner loads into a partition that is open.
    assert_eq!(done(engine.clear_partition(&owner, &[], &[]).await), Expect::Fenced);
    assert_eq!(done(engine.write_partition(&owner, one_match()).await), Expect::Fenced);
    assert_eq!(done(engine.open_partition(&owner, 9).await), Expect::Fenced);
    assert_eq!(bed.everything().await, before);
    // The position of PostgreSQL only rises, and only within the epoch.
    let start = Position { epoch: 1, id: StreamId::default() };
    for upto in [start, newest, newest] {
        assert!(matches!(engine.announce(&owner, upto, &[]).await, Ok(Announced::Told(_))));
    }
    let at = |ms| Position { epoch: 1, id: StreamId { ms, seq: 0 } };
    let back = engine.announce(&owner, at(newest.id.ms - 1), &[]).await.unwrap();
    assert_eq!(back, Announced::Behind(newest.id));
    let other = Position { epoch: 2, ..newest };
    for wrong in [other, at(newest.id.ms + 1)] {
        assert_eq!(done(engine.announce(&owner, wrong, &[]).await), Expect::Fenced);
    }
    assert_eq!(engine.partition_state(PARTITION).await.unwrap().committed, newest.id);
    assert_eq!(bed.seats(scene.id()).await, "1H 2H");
}

fn one_match() -> Load {
    let matches = vec![crate::support::engine::fixture(MatchStatus::Open, false)];
    let (accounts, sites, reservations) = (vec![], vec![], vec![]);
    Load { accounts, sites, matches, reservations, blocked: vec![], check_ins: vec![] }
}

/// It has all taken seats and the position to which they belong.
#[tokio::test]
async fn a_snapshot_has_a_position() {
    let bed = TestEngine::start().await;
    let gone = bed.at(&[Hold, Forget]).await;
    assert_eq!(done(bed.engine.snapshot(gone.id()).await), Expect::NotLoaded);
    let empty = bed.at(&[]).await;
    let snapshot = bed.engine.snapshot(empty.id()).await.unwrap();
    assert_eq!((snapshot.position.to_string().as_str(), snapshot.version), ("1-0-0", 0));
    assert_eq!(snapshot.taken, []);
    let scene = bed.at(&[Hold, Reserve]).await;
    let snapshot = bed.engine.snapshot(scene.id()).await.unwrap();
    let mut taken: Vec<(u32, char)> =
        snapshot.taken.iter().map(|(seat, letter)| (seat.0, char::from(*letter))).collect();
    taken.sort_unstable();
    assert_eq!(taken, [(1, 'P'), (2, 'P')]);
    let last: Vec<(String, HashMap<String, String>)> =
        bed.raw.xrevrange_values(MatchKeys(scene.id()).changes(), "+", "-", Some(1)).await.unwrap();
    assert_eq!(snapshot.position.id.to_string(), last[0].0);
    assert_eq!(snapshot.version.to_string(), last[0].1["v"]);
}

#[tokio::test]
async fn an_id_of_no_partition_names_nothing() {
    let bed = TestEngine::start().await;
    let (engine, nowhere) = (&bed.engine, Partition(4000));
    let fixture = grandstand::domain::ids::MatchId::new(nowhere);
    let me = UserId::new(PARTITION);
    let hold = engine.hold(fixture, me, seats(&[1]), 1, &[], Operation::default());
    assert!(hold.await.is_err());
    let payment = grandstand::domain::ids::PaymentId::new(nowhere);
    assert_eq!(engine.reservation_of_payment(me, payment).await.unwrap(), None);
    assert!(engine.site(SiteId::new(nowhere)).await.unwrap().is_none());
    assert!(engine.fixture(fixture).await.unwrap().is_none());
    let claim = grandstand::domain::ids::ReservationId::new(nowhere);
    assert!(engine.claim(me, claim).await.unwrap().is_none());
}
