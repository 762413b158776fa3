//! An entry that PostgreSQL cannot take waits among the dead letters, and the others go on.

use crate::support::client::plain_http;
use crate::support::node::{TestNode, eventually};
use crate::support::postgres::sql;
use fred::prelude::*;
use grandstand::domain::ids::MatchId;
use grandstand::redis::keys::PartitionKeys;
use serde_json::json;

/// Appends an entry to the journal of the match.
async fn append(node: &TestNode, fixture: &str, fields: &[(&str, &[u8])]) {
    let id: MatchId = fixture.parse().unwrap();
    let journal = PartitionKeys(id.partition()).journal();
    let fields: Vec<(&str, Value)> =
        fields.iter().map(|(name, value)| (*name, Value::Bytes(value.to_vec().into()))).collect();
    let raw = node.raw().await;
    let _: String = raw.xadd(journal, false, None::<()>, "*", fields).await.unwrap();
}

async fn letters(node: &TestNode) -> Vec<Vec<String>> {
    let all = "select partition || '/' || epoch || '/' || journal_id, reason from dead_letters
        order by at, journal_id";
    sql(&node.settings.database_url, all).await
}

async fn waiting(node: &TestNode, count: usize) -> Vec<Vec<String>> {
    eventually(&format!("{count} dead letters"), || async {
        Some(letters(node).await).filter(|found| found.len() == count)
    })
    .await
}

/// It is kept with its reason, and the entries behind it are applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_journal_entry_goes_to_the_dead_letters() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let site =
        json!({"id": uuid::Uuid::now_v7(), "version": 1, "plan": crate::support::node::plan()});
    let null = site.to_string().replace("Test Ground", "a\\u0000b");
    let poison: [&[(&str, &[u8])]; 8] = [
        &[("garbage", b"x")],
        &[("v", b"9"), ("t", b"account"), ("doc", b"{}")],
        &[("v", b"1"), ("t", b"nothing known")],
        &[("v", b"1"), ("t", b"account"), ("doc", b"{")],
        &[("v", b"1"), ("t", b"payment_begun"), ("payment", b"x")],
        &[("v", b"1"), ("t", b"payment_begun"), ("payment", b"a\0b")],
        &[("v", b"1"), ("t", b"account"), ("doc", b"\xff\xfe")],
        // This entry can be read, and PostgreSQL refuses it, because no text holds a NUL.
        &[("v", b"1"), ("t", b"site"), ("doc", null.as_bytes())],
    ];
    for fields in poison {
        append(&node, &fixture.id, fields).await;
    }
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.expect(200);
    let found = waiting(&node, poison.len()).await;
    assert!(found.iter().all(|letter| !letter[1].is_empty()), "{found:?}");
    let id = fixture.match_id();
    let stream = PartitionKeys(id.partition()).dead_letters();
    let count: u64 = node.raw().await.xlen(stream).await.unwrap();
    assert_eq!(count, poison.len() as u64, "each is in the stream as well");
    let metrics =
        plain_http().get(format!("{}/metrics", node.running().ops_url())).send().await.unwrap();
    assert!(metrics.text().await.unwrap().contains("grandstand_dead_letters_total"));
    sql(&node.settings.database_url, "delete from dead_letters").await;
    node.finish().await;
}

/// Redis and PostgreSQL agree afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_repaired_and_replayed() {
    let node = TestNode::start().await;
    let (fixture, database) = (node.open_match().await, node.settings.database_url.clone());
    assert_eq!(node.run(&["dead-letters", "list"]).await.0, 0);
    // PostgreSQL has the e-mail for another account.
    let thief = uuid::Uuid::now_v7();
    let account =
        format!("insert into accounts values ('{thief}', 'late@test.example', 'x', 'USER', now())");
    sql(&database, &account).await;
    node.user("late").await;
    // The entry itself is wrong.
    let blocked: &[(&str, &[u8])] =
        &[("v", b"1"), ("t", b"seats_blocked"), ("match", b"?"), ("seats", b"25")];
    append(&node, &fixture.id, blocked).await;
    // The rest goes on.
    node.user("other").await;
    let found = waiting(&node, 2).await;
    let (status, text) = node.run(&["dead-letters", "list"]).await;
    assert_eq!(status, 1, "{text}");
    for part in ["seats_blocked", "account", "2 dead letters", &found[0][0], &found[1][1]] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    // Nothing was repaired, so both are refused again, under new names.
    let (status, text) = node.run(&["dead-letters", "replay", "--all"]).await;
    assert!(status == 1 && text.contains("refused again"), "{status} {text}");
    let again = waiting(&node, 2).await;
    assert!(again.iter().all(|letter| !found.contains(letter)), "{found:?} then {again:?}");
    let (status, text) = node.run(&["dead-letters", "replay", "1/1/1-1"]).await;
    assert!(status == 1 && text.contains("there is no dead letter"), "{status} {text}");

    let id = fixture.match_id();
    let admin = node.admin().await;
    let block = format!("/api/admin/matches/{}/block", fixture.id);
    admin.post(&block, &json!({"seatIds": [25]})).await.expect(200);
    let repair = format!(
        "delete from accounts where id = '{thief}';
         delete from blocked_seats; delete from blocked_words;
         update dead_letters set fields =
            (fields::jsonb || '{{\"match\": \"{}\"}}')::json where fields ->> 'match' = '?'",
        id.key()
    );
    node.verify().await;
    sql(&database, &repair).await;
    let (status, text) = node.run(&["dead-letters", "replay", "--all"]).await;
    assert!(
        status == 0 && text.contains("2 dead letters are in PostgreSQL now"),
        "{status} {text}"
    );
    assert_eq!(letters(&node).await, Vec::<Vec<String>>::new());
    let kept = sql(&database, "select count(*) from accounts where email = 'late@test.example'");
    assert_eq!(kept.await, [["1"]]);
    assert_eq!(node.run(&["dead-letters", "list"]).await.0, 0);
    node.finish().await;
}

/// Also when two people replay it, and when Redis has lost its copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_replayed_once() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    append(&node, &fixture.id, &[("v", b"1"), ("t", b"nothing known")]).await;
    waiting(&node, 1).await;
    let letter = node.store().dead_letters().await.unwrap().remove(0);
    let stream = PartitionKeys(letter.partition).dead_letters();
    let raw = node.raw().await;
    let found: Vec<(String, std::collections::HashMap<String, String>)> =
        raw.xrange_values(stream.clone(), "-", "+", None).await.unwrap();
    let (engine, fields) = (node.engine(), &letter.fields);
    let replay =
        || engine.replay_dead_letter(letter.partition, &found[0].0, letter.position, fields);
    let both = tokio::join!(replay(), replay());
    assert_eq!([both.0.unwrap(), both.1.unwrap()].iter().filter(|put| **put).count(), 1);
    // It is refused again: one letter, under a new name.
    let again = eventually("it is back", || async {
        let found = letters(&node).await;
        (found.len() == 1 && !found[0][0].ends_with(&letter.position.id.to_string()))
            .then_some(found)
    })
    .await;
    let _: i64 = raw.del(stream).await.unwrap();
    let (status, text) = node.run(&["dead-letters", "replay", &again[0][0]]).await;
    assert!(status == 1 && text.contains("refused again"), "{status} {text}");
    let last = waiting(&node, 1).await;
    assert_ne!(last[0][0], again[0][0]);
    let was = "select fields ->> 'was' from dead_letters";
    let first = letter.position.to_string();
    assert_eq!(sql(&node.settings.database_url, was).await, [[first]], "the first place stays");
    engine.close_partition(letter.partition).await.unwrap();
    let put = replay().await;
    assert!(put.is_err() || !put.unwrap(), "not_loaded or gone, never replayed");
    eventually("the partition is loaded again", || async {
        engine.epoch(letter.partition).await.ok()?
    })
    .await;
    sql(&node.settings.database_url, "delete from dead_letters").await;
    node.finish().await;
}

/// It is gone everywhere, and the other letters stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_dropped() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    for kind in [&b"nothing known"[..], b"nothing known either"] {
        append(&node, &fixture.id, &[("v", b"1"), ("t", kind)]).await;
    }
    let found = waiting(&node, 2).await;
    let (status, text) = node.run(&["dead-letters", "drop", "0/1/1-1"]).await;
    assert!(status != 0 && text.contains("there is no dead letter 0/1/1-1"), "{status} {text}");
    let (status, text) = node.run(&["dead-letters", "drop", &found[0][0]]).await;
    assert!(status == 0 && text.contains("1 dead letters are forgotten"), "{status} {text}");
    assert_eq!(letters(&node).await, found[1..]);
    let id = fixture.match_id();
    let count: u64 =
        node.raw().await.xlen(PartitionKeys(id.partition()).dead_letters()).await.unwrap();
    assert_eq!(count, 1);
    let (status, text) = node.run(&["dead-letters", "drop", &found[1][0]]).await;
    assert!(status == 0, "{text}");
    node.finish().await;
}

/// An older and a newer release read each other's entries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_a_past_and_a_future_form_are_read_or_parked() {
    let node = TestNode::start().await;
    let (fixture, database) = (node.open_match().await, node.settings.database_url.clone());
    let id = fixture.match_id();
    node.verify().await;
    let account = |name: &str| {
        let id = uuid::Uuid::now_v7();
        json!({"id": id, "email": format!("{name}@test.example"), "passwordHash": "x",
            "role": "USER", "createdAt": 1_763_812_345_678_i64, "unknownHere": [1, 2]})
        .to_string()
    };
    // A past form without a number; a newer minor form with an unknown field.
    append(&node, &fixture.id, &[("t", b"account"), ("doc", account("past").as_bytes())]).await;
    let newer = account("newer");
    let newer: [(&str, &[u8]); 4] =
        [("v", b"1.7"), ("t", b"account"), ("doc", newer.as_bytes()), ("unheard", b"5")];
    append(&node, &fixture.id, &newer).await;
    // A payment of a past form: no method, key, version or time.
    let new = || grandstand::domain::ids::PaymentId::new(id.partition()).key();
    let (payment, reservation, user, key) = (new(), new(), new(), id.key());
    let past: [(&str, &[u8]); 7] = [
        ("t", b"payment_begun"),
        ("payment", payment.as_bytes()),
        ("reservation", reservation.as_bytes()),
        ("match", key.as_bytes()),
        ("user", user.as_bytes()),
        ("seats", b"7,8"),
        ("amount", b"20000"),
    ];
    append(&node, &fixture.id, &past).await;
    // A later release must read this entry, so it is kept.
    append(&node, &fixture.id, &[("v", b"2"), ("t", b"account"), ("doc", b"?")]).await;
    append(&node, &fixture.id, &[("v", b"1.9"), ("t", b"seats_painted"), ("colour", b"red")]).await;
    let parked = waiting(&node, 2).await;
    assert!(parked[0][1].contains("newer") && parked[1][1].contains("unknown kind"), "{parked:?}");
    let kept = "select (select count(*) from accounts where password_hash = 'x'),
        (select count(*) from claims), (select begun_at > now() - interval '1 hour' from payments)";
    // The dead letters of a batch are stored before the rest of the batch is committed.
    eventually("the others are kept", || async {
        (sql(&database, kept).await == [["2", "2", "t"]]).then_some(())
    })
    .await;
    let all = "select fields ->> 'colour' from dead_letters order by at, journal_id";
    assert_eq!(sql(&database, all).await, [[""], ["red"]], "nothing of it is lost");
    // None of this is in Redis, so nothing is compared.
    node.running.unwrap().stop().await;
}

/// A load begins its epoch in PostgreSQL, and then fails. The next one reads the journal again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_is_tried_again_refuses_no_entry_twice() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    append(&node, &fixture.id, &[("t", b"no-such-fact")]).await;
    let before = waiting(&node, 1).await;
    let partition = fixture.partition();
    let begin_epoch = format!(
        "update partitions set epoch = epoch + 1, journal_ms = 0, journal_seq = 0
            where number = {}",
        partition.0
    );
    sql(&node.settings.database_url, &begin_epoch).await;
    eventually("the partition is loaded again", || async {
        (node.engine().epoch(partition).await.ok()? == Some(3)).then_some(())
    })
    .await;
    assert_eq!(letters(&node).await, before);
}
