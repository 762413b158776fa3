//! The scripts for accounts that change, and for their sessions.

use crate::support::engine::{PARTITION, TestEngine};
use crate::support::table::{Expect, Reply, done};
use fred::prelude::*;
use grandstand::domain::account::{Account, Role};
use grandstand::domain::ids::{SessionId, UserId};
use grandstand::engine::accounts::{AccountChange, EndSessions, MailKind};
use grandstand::engine::error::{Noun, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::sessions::{Device, NewSession, SESSIONS_MAX};
use grandstand::redis::keys::{PartitionKeys, sessions};

async fn stored(bed: &TestEngine, email: &str) -> Account {
    let id = UserId::new(PARTITION);
    let account = Account::new(id, email.to_owned(), "hash".to_owned(), 1);
    bed.engine.create_account(&account, Operation::default()).await.unwrap();
    account
}

/// A session of a minute whose token has the hash `one`.
fn session(account: &Account, id: SessionId, number: u32) -> NewSession<'_> {
    let agent = format!("browser|{number}");
    let from = Device { address: "192.0.2.1".to_owned(), agent };
    let token_hash = "one".to_owned();
    NewSession { id, account, token_hash, ttl_ms: 60_000, from, oldest_ends: None }
}

/// PostgreSQL has a new password that Redis has lost, and with it the end of the sessions.
#[tokio::test]
async fn sessions_of_an_account_that_redis_has_in_an_older_version_end_with_a_load() {
    let bed = TestEngine::start().await;
    let engine = &bed.engine;
    let (same, changed) =
        (stored(&bed, "a@test.example").await, stored(&bed, "b@test.example").await);
    let ids = [SessionId::new(PARTITION), SessionId::new(PARTITION)];
    for (account, id) in [&same, &changed].into_iter().zip(ids) {
        engine.start_session(session(account, id, 1)).await.unwrap();
    }
    let lease = engine.take_lease(PARTITION, "a worker", 60_000).await.unwrap().unwrap();
    engine.close_to_load(&lease, 1).await.unwrap();
    let kept = [same.clone(), Account { version: changed.version + 1, ..changed.clone() }];
    engine.clear_partition(&lease, &[], &kept).await.unwrap();
    assert!(engine.has_session(same.id, ids[0]).await.unwrap());
    assert!(!engine.has_session(changed.id, ids[1]).await.unwrap());
}

async fn notices(bed: &TestEngine) -> u64 {
    bed.raw.xlen(PartitionKeys(PARTITION).notices()).await.unwrap()
}

/// A refresh token works once, and again within its grace. After that it ends its session, because
/// somebody else may have it.
#[tokio::test]
async fn a_session_ends_when_an_old_token_is_shown() {
    let bed = TestEngine::start().await;
    let (engine, id) = (&bed.engine, SessionId::new(PARTITION));
    let fan = &stored(&bed, "fan@test.example").await;
    let start = || engine.start_session(session(fan, id, 1));
    let rotate = |shown: &str, next: &str, grace_ms| {
        let (shown, next) = (shown.to_owned(), next.to_owned());
        let address = String::new();
        let hashes = (shown, next);
        async move { engine.rotate_session((fan.id, id), hashes, grace_ms, address, None).await }
    };
    assert_eq!(done(rotate("one", "two", 1000).await), Refusal::TokenUnknown, "never began");
    start().await.unwrap();
    let kept = rotate("one", "two", 60_000).await.unwrap();
    assert_eq!(kept, *fan);
    assert_eq!(done(rotate("one", "three", 60_000).await), Reply::Done, "a lost answer, or a tab");
    assert_eq!(done(rotate("two", "four", 0).await), Reply::Done, "both go on");
    assert_eq!(done(rotate("three", "five", 60_000).await), Reply::Done, "both go on");
    assert_eq!(
        done(rotate("made up", "x", 60_000).await),
        Refusal::TokenUnknown,
        "it ends nothing"
    );
    assert_eq!(done(rotate("five", "six", 60_000).await), Reply::Done);
    for number in 0..40 {
        let (shown, next) = (format!("{number}"), format!("{}", number + 1));
        let shown = if number == 0 { "six" } else { &shown };
        rotate(shown, &next, 60_000).await.unwrap();
    }
    assert_eq!(
        done(rotate("four", "seven", 0).await),
        Reply::Done,
        "the other tab was idle for long"
    );
    let past_grace = || tokio::time::sleep(std::time::Duration::from_millis(5));
    past_grace().await;
    assert_eq!(
        done(rotate("four", "x", 60_000).await),
        Refusal::SessionEnded,
        "its grace was over"
    );
    assert_eq!(done(rotate("seven", "x", 0).await), Refusal::TokenUnknown, "and with it all");
    start().await.unwrap();
    rotate("one", "two", 1).await.unwrap();
    past_grace().await;
    assert_eq!(
        done(rotate("one", "x", 60_000).await),
        Refusal::SessionEnded,
        "no grace after the grace"
    );
    start().await.unwrap();
    let life: i64 = bed.raw.pttl(sessions(fan.id)).await.unwrap();
    assert!((1..=60_000).contains(&life), "{life}");
    engine.end_session(fan.id, id, None, None).await.unwrap();
    assert_eq!(done(rotate("one", "x", 0).await), Refusal::TokenUnknown);
    assert_eq!(notices(&bed).await, 3, "every node hears of a log-out and of a stolen token");
}

/// Otherwise somebody with many free accounts could fill the memory of Redis.
#[tokio::test]
async fn an_account_has_ten_sessions_and_the_oldest_ends() {
    let bed = TestEngine::start().await;
    let (engine, fan) = (&bed.engine, &stored(&bed, "fan@test.example").await);
    let ids: Vec<SessionId> = (0..=SESSIONS_MAX).map(|_| SessionId::new(PARTITION)).collect();
    for (number, id) in ids.iter().enumerate() {
        engine.start_session(session(fan, *id, number as u32)).await.unwrap();
        // The order is that of the clock, which has milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let kept = engine.sessions_of(fan.id).await.unwrap();
    let newest: Vec<SessionId> = ids[1..].iter().rev().copied().collect();
    assert_eq!(kept.iter().map(|session| session.id).collect::<Vec<_>>(), newest);
    assert_eq!(kept[0].from.agent, format!("browser|{SESSIONS_MAX}"));
    assert_eq!(kept[0].from.address, "192.0.2.1");
    assert_eq!(notices(&bed).await, 1, "every node hears of the oldest");
    assert_eq!(
        done(engine.end_session(fan.id, ids[0], None, None).await),
        Refusal::NotFound(Noun::Session)
    );
    let wrong = Some("two".to_owned());
    assert_eq!(done(engine.end_session(fan.id, ids[1], wrong, None).await), Refusal::TokenUnknown);
    engine.end_session(fan.id, ids[1], Some("one".to_owned()), None).await.unwrap();
    engine.end_all_sessions(fan.id, None).await.unwrap();
    assert_eq!(engine.sessions_of(fan.id).await.unwrap(), []);
    assert_eq!(notices(&bed).await, 1 + u64::from(SESSIONS_MAX));
}

/// The password, the role and the right to log in are those of the account, not of a copy.
#[tokio::test]
async fn a_session_has_the_account_as_it_is_now() {
    let bed = TestEngine::start().await;
    let (engine, fan) = (&bed.engine, &stored(&bed, "fan@test.example").await);
    let (id, other) = (SessionId::new(PARTITION), SessionId::new(PARTITION));
    for id in [id, other] {
        engine.start_session(session(fan, id, 1)).await.unwrap();
    }
    let rotate = |shown: &str, next: &str| {
        let hashes = (shown.to_owned(), next.to_owned());
        engine.rotate_session((fan.id, id), hashes, 60_000, String::new(), None)
    };
    let change = |before, after, ending| {
        engine.change_account(AccountChange { before, after, ending, token: None, trail: None })
    };
    let manager = Account { role: Role::Organiser, ..fan.clone() };
    change(fan, Some(&manager), EndSessions::None).await.unwrap();
    let now = rotate("one", "two").await.unwrap();
    assert_eq!((now.role, now.version), (Role::Organiser, 2));
    assert_eq!(done(change(fan, Some(&manager), EndSessions::None).await), Refusal::Stale);
    assert_eq!(
        done(engine.start_session(session(fan, SessionId::new(PARTITION), 1)).await),
        Refusal::Stale,
        "its password may have changed since it was checked"
    );
    change(&now, Some(&now), EndSessions::Others(id)).await.unwrap();
    let left = engine.sessions_of(fan.id).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [id]);
    let now = rotate("two", "three").await.unwrap();
    change(&now, None, EndSessions::All).await.unwrap();
    assert_eq!(done(rotate("three", "four").await), Refusal::TokenUnknown);
    assert!(engine.account("fan@test.example").await.unwrap().is_none());
    assert_eq!(done(change(&now, None, EndSessions::All).await), Refusal::NotFound(Noun::Account));
    assert_eq!(
        done(engine.start_session(session(&now, id, 1)).await),
        Refusal::NotFound(Noun::Account)
    );
    assert_eq!(notices(&bed).await, 3 + 2, "three changes, and the ends of two sessions");
}

/// A token out of a mail is used up by the change that it allows.
#[tokio::test]
async fn a_mailed_token_works_once() {
    let bed = TestEngine::start().await;
    let (engine, fan) = (&bed.engine, stored(&bed, "fan@test.example").await);
    let store =
        |hash: &str| engine.store_mailed_token(&fan, MailKind::Reset, hash.to_owned(), 60_000);
    assert!(store("first").await.unwrap() && store("second").await.unwrap());
    let has = async |kind, hash| engine.mailed_token_email(fan.id, kind, hash).await.unwrap();
    assert_eq!(has(MailKind::Reset, "first").await, None, "the next mail replaces it");
    assert_eq!(has(MailKind::Verification, "second").await, None, "it is for something else");
    assert_eq!(has(MailKind::Reset, "second").await, Some(fan.email.clone()));
    let mut now = fan.clone();
    for (hash, expected) in [
        ("first", Expect::from(Refusal::TokenUnknown)),
        ("second", Expect::from(Reply::Done)),
        ("second", Expect::from(Refusal::TokenUnknown)),
    ] {
        let token = Some((MailKind::Reset, hash.to_owned()));
        let after = Account { password_hash: hash.to_owned(), ..now.clone() };
        let change = AccountChange {
            before: &now,
            after: Some(&after),
            ending: EndSessions::All,
            token,
            trail: None,
        };
        assert_eq!(done(engine.change_account(change).await), expected, "{hash}");
        now = engine.account("fan@test.example").await.unwrap().unwrap();
    }
    assert_eq!((now.password_hash.as_str(), now.version), ("second", 2));
    for _ in 2..5 {
        assert!(store("more").await.unwrap());
    }
    assert!(!store("too many").await.unwrap(), "nobody fills the mailbox of a stranger");
}

/// Its account may be there in a moment, so nobody hears that there is none.
#[tokio::test]
async fn a_session_waits_while_its_partition_is_loaded() {
    let bed = TestEngine::start().await;
    let (engine, id) = (&bed.engine, SessionId::new(PARTITION));
    let fan = &stored(&bed, "fan@test.example").await;
    engine.start_session(session(fan, id, 1)).await.unwrap();
    let rotate = |shown: &str, next: &str| {
        let hashes = (shown.to_owned(), next.to_owned());
        engine.rotate_session((fan.id, id), hashes, 60_000, String::new(), None)
    };
    let keys = PartitionKeys(PARTITION);
    let accounts = bed.hash(keys.accounts()).await;
    let layout: String = bed.raw.hget(keys.partition(), "layout").await.unwrap();
    engine.close_partition(PARTITION).await.unwrap();
    let other = SessionId::new(PARTITION);
    // First with the accounts of before, then without.
    for _ in 0..2 {
        assert_eq!(done(rotate("one", "two").await), Expect::NotLoaded);
        assert_eq!(done(engine.start_session(session(fan, other, 2)).await), Expect::NotLoaded);
        let _: i64 = bed.raw.del(keys.accounts()).await.unwrap();
    }
    let _: i64 = bed.raw.hset(keys.accounts(), accounts).await.unwrap();
    let _: i64 = bed.raw.hset(keys.partition(), ("layout", layout)).await.unwrap();
    assert_eq!(rotate("one", "two").await.unwrap(), *fan, "the token was not used up");
    assert_eq!(engine.sessions_of(fan.id).await.unwrap().len(), 1);
}
