//! What the metrics of a process of its own say, so that no other test counts too.

use crate::support::node::{TestNode, eventually};
use crate::support::process::Process;
use crate::support::purchases::confirm_within;
use serde_json::json;
use std::time::Duration;

/// A sale, a declined payment and a wrong password leave their traces, each by its own label.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_say_how_a_sale_goes() {
    let mut node = TestNode::start().await;
    let (fixture, fan) = (node.open_match().await, node.user("fan").await);
    node.verify().await;
    node.stop_node().await;
    let mut process = Process::start(&node, &[]).await;
    let fan = process.public.with_token(fan.token.as_ref().unwrap());
    let email = json!({"email": "fan@test.example", "password": "a wrong password"});
    process.public.post("/api/users/log-in", &email).await.refused(401, "BAD_CREDENTIALS");
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    for (consent, status) in [("decline", 402), ("approve", 200)] {
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, consent).await;
        assert_eq!(confirm_within(Duration::from_secs(10), &fan, &payment, &key).await, status);
    }
    let events = fan.get("/api/matches").await;
    assert_eq!(events.status, 200);
    for (series, wanted) in [
        ("grandstand_payments_total{outcome=\"approved\"}", 1.0),
        ("grandstand_payments_total{outcome=\"declined\"}", 1.0),
        ("grandstand_payments_total{outcome=\"unknown\"}", 0.0),
        ("grandstand_refusals_total{code=\"BAD_CREDENTIALS\"}", 1.0),
        ("grandstand_refusals_total{code=\"PAYMENT_DECLINED\"}", 1.0),
        ("grandstand_refusals_total{code=\"SEAT_TAKEN\"}", 0.0),
        ("grandstand_gateway_seconds_count{call=\"confirm\",reply=\"ok\"}", 1.0),
        ("grandstand_gateway_seconds_count{call=\"confirm\",reply=\"error\"}", 1.0),
        ("grandstand_redis_errors_total{call=\"batch\"}", 0.0),
        ("grandstand_hashes_waiting", 0.0),
        ("grandstand_database_connections_max", 8.0),
        ("grandstand_partition_owned{partition=\"0\"}", 1.0),
        ("grandstand_partition_owned{partition=\"1\"}", 1.0),
        ("grandstand_write_behind_failing_seconds", 0.0),
    ] {
        eventually(&format!("{series} is {wanted}"), async || {
            (process.value(series).await == Some(wanted)).then_some(())
        })
        .await;
    }
    for (series, least, most) in [
        ("grandstand_redis_seconds_count{call=\"batch\"}", 4.0, f64::MAX),
        ("grandstand_redis_seconds_count{call=\"function\"}", 4.0, f64::MAX),
        ("grandstand_redis_seconds_count{call=\"streams\"}", 1.0, f64::MAX),
        ("grandstand_reader_lag_seconds_count", 1.0, f64::MAX),
        ("grandstand_reader_silence_seconds", 0.0, 3.0),
        ("grandstand_lease_age_seconds{partition=\"0\"}", 0.1, 0.6),
    ] {
        eventually(&format!("{series} is {least} to {most}"), async || {
            let value = process.value(series).await.unwrap_or(-1.0);
            (least..=most).contains(&value).then_some(())
        })
        .await;
    }
    let page = process.operator.get("/metrics").await.body;
    let slowest = "grandstand_redis_seconds_bucket{call=\"batch\",le=\"15\"}";
    assert!(page.as_str().unwrap().contains(slowest), "{page}");
    assert!(!page.as_str().unwrap().contains("payments_unknown"), "one metric says it: {page}");
    process.child.kill().await.unwrap();
    node.start_node().await;
    node.finish().await;
}

/// The system would count memory that is not in use. Linux only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_has_no_huge_pages() {
    let node = TestNode::start().await;
    let process = Process::start(&node, &[]).await;
    let pid = process.child.id().expect("the process runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("THP_enabled:\t0"), "{status}");
}
