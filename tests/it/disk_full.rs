//! A full disk: writes are refused at once, and everything goes on when there is space.

use crate::support::disk::SmallDisk;
use crate::support::node::{TestNode, eventually};
use crate::support::postgres;
use crate::support::purchases::{confirm_within, sells_within};
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use serde_json::json;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A refusal takes less than this.
const AT_ONCE: Duration = Duration::from_secs(5);
/// With space again people can buy within this time.
const HEALED: Duration = Duration::from_secs(10);

/// Redis takes no writes (MISCONF). Earlier sales stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_redis_refuses_holds_and_heals() {
    let disk = SmallDisk::mount(16);
    let settings = RedisSettings { fsync: Fsync::EverySecond };
    let redis = PrivateRedis::start(&disk.directory("redis"), settings).await.unwrap();
    let node = TestNode::start_on_redis(redis.url(), |_| {}).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    node.buy(&fan, &fixture, 1).await;
    let (_, payment, key) = node.ready_to_pay(&fan, &fixture, 2).await;
    node.verify().await;
    disk.fill();
    eventually("holds are refused", || async {
        let (begun, answer) = (Instant::now(), fan.hold(&fixture.id, &[3]).await);
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        assert!([201, 409, 503].contains(&answer.status), "{}", answer.body);
        (answer.status == 503).then_some(())
    })
    .await;
    assert_eq!(fan.confirm(&payment, &key).await.status, 503);
    let charged = node.ledger().await.iter().filter(|status| *status == "DONE").count();
    assert_eq!(charged, 1, "only what was sold before is charged");
    disk.free();
    sells_within(HEALED, &fan, &fixture, 4).await;
    assert_eq!(confirm_within(HEALED, &fan, &payment, &key).await, 200);
    node.wait_for_books().await;
    node.finish().await;
    redis.stop().await.unwrap();
}

/// Nothing is charged and holds go on. Afterwards all facts arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgresql_pauses_payments_and_heals() {
    let (disk, dir) = (SmallDisk::mount(64), TempDir::new().unwrap());
    let server = postgres::private(dir.path()).await;
    // Only the rows are on the small disk. Without space for its log PostgreSQL would end, and
    // other tests have that.
    let place = disk.directory_for_owner_of(&dir.path().join("postgres/data"), "rows");
    let small = format!("create tablespace small location '{}'", place.display());
    postgres::sql(&server.url_of("postgres"), &small).await;
    let move_there = "alter database grandstand set tablespace small";
    postgres::sql(&server.url_of("postgres"), move_there).await;
    let node = TestNode::start_on(server.url(), Fsync::Never, |settings| {
        settings.partitions = 1;
        settings.payment_ttl_ms = 60_000;
    })
    .await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let (_, payment, key) = node.ready_to_pay(&fan, &fixture, 1).await;
    node.verify().await;
    disk.fill();
    // Rows until their pages are full and a new page is needed.
    let guest = node.guest();
    let long = "x".repeat(180);
    for number in 0..100 {
        let email = format!("{number}-{long}@test.example");
        let body = json!({"email": email, "password": "a password of tests"});
        guest.post("/api/users/sign-up", &body).await;
        if number % 10 == 9 && !drains(&node).await {
            break;
        }
        assert!(number < 99, "PostgreSQL still takes rows");
    }
    let (begun, answer) = (Instant::now(), fan.confirm(&payment, &key).await);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    answer.refused(503, "PAYMENTS_PAUSED");
    assert_eq!(node.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    fan.hold(&fixture.id, &[2]).await.expect(201);
    disk.free();
    assert_eq!(confirm_within(HEALED, &fan, &payment, &key).await, 200);
    node.wait_for_books().await;
    node.finish().await;
    server.stop().await.unwrap();
}

/// Whether the journals get empty within two seconds.
async fn drains(node: &TestNode) -> bool {
    let partition = node.engine().partitions().next().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let upto = node.store().position(partition).await.unwrap().unwrap().id;
        if node.engine().journal_backlog(partition, upto).await.unwrap() == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}
