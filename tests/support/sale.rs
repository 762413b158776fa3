//! Sales while something is broken: purchases that may fail at each step, and a fan who holds a
//! seat again and again.

use crate::support::app::{TestApp, TestMatch, eventually_within};
use crate::support::client::Client;
use grandstand::domain::ids::{MatchId, Partition};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between two holds of a `Seller`.
const PAUSE: Duration = Duration::from_millis(20);

impl TestApp {
    /// An open match in each partition, in order.
    pub async fn match_in_each_partition(&self) -> Vec<TestMatch> {
        let mut found = BTreeMap::new();
        for _ in 0..200 {
            let event = self.open_match().await;
            found.entry(event.partition()).or_insert(event);
            if found.len() == usize::from(self.settings.partitions) {
                return found.into_values().collect();
            }
        }
        panic!("some partition gets no match");
    }

    /// Buys a seat; the status of the last answer: 200 when it is sold and kept.
    pub async fn try_to_buy(&self, fan: &Client, event: &TestMatch, seat: u32) -> u16 {
        let hold = fan.hold(&event.id, &[seat]).await;
        if hold.status != 201 {
            return hold.status;
        }
        let body = json!({"matchId": event.id, "holdId": hold.body["data"]["holdId"]});
        let reservation = fan.post("/api/reservations", &body).await;
        if reservation.status != 201 {
            return reservation.status;
        }
        let body = json!({"reservationId": reservation.body["data"]["id"], "method": "CARD"});
        let payment = fan.post("/api/payments/request", &body).await;
        if payment.status != 201 {
            return payment.status;
        }
        let payment = &payment.body["data"];
        let key = self.pay_at_gateway(payment, "approve").await;
        confirm_within(Duration::from_secs(20), fan, payment, &key).await
    }

    /// A reservation of a seat, a payment for it, and the key of the gateway.
    pub async fn ready_to_pay(
        &self,
        fan: &Client,
        event: &TestMatch,
        seat: u32,
    ) -> (Value, Value, String) {
        let reservation = fan.reserve(&event.id, &[seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = self.pay_at_gateway(&payment, "approve").await;
        (reservation, payment, key)
    }

    /// Buys a seat while nothing is broken.
    pub async fn buy(&self, fan: &Client, event: &TestMatch, seat: u32) -> Value {
        let (reservation, payment, key) = self.ready_to_pay(fan, event, seat).await;
        assert_eq!(confirm_within(Duration::from_secs(10), fan, &payment, &key).await, 200);
        reservation
    }
}

impl TestMatch {
    /// The partition that the match is in.
    pub fn partition(&self) -> Partition {
        self.id.parse::<MatchId>().unwrap().partition()
    }
}

/// Confirms again and again while the answer is 202 (not kept yet) or 503 (not now); the status of
/// the last answer, which is one of these two only when the time is over.
pub async fn confirm_within(time: Duration, fan: &Client, payment: &Value, key: &str) -> u16 {
    let begun = Instant::now();
    loop {
        let status = fan.confirm(payment, key).await.status;
        if ![202, 503].contains(&status) || begun.elapsed() > time {
            return status;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until a hold of the seat succeeds, and gives it back.
pub async fn sells_within(time: Duration, fan: &Client, event: &TestMatch, seat: u32) {
    let what = format!("partition {} sells", event.partition());
    eventually_within(time, &what, || async {
        (hold_and_release(fan, event, seat).await == 201).then_some(())
    })
    .await;
}

/// The status of the answer to the hold.
async fn hold_and_release(fan: &Client, event: &TestMatch, seat: u32) -> u16 {
    let hold = fan.hold(&event.id, &[seat]).await;
    if let Some(id) = hold.body["data"]["holdId"].as_str() {
        fan.delete(&event.path(&format!("/holds/{id}"))).await;
    }
    hold.status
}

/// A fan who holds one seat and gives it back, again and again.
pub struct Seller {
    stop: CancellationToken,
    task: JoinHandle<Vec<u16>>,
}

impl Seller {
    pub fn start(fan: &Client, event: &TestMatch, seat: u32) -> Self {
        let stop = CancellationToken::new();
        let (fan, stopped) = (fan.clone(), stop.clone());
        let event = TestMatch { id: event.id.clone(), site_id: event.site_id.clone() };
        let task = tokio::spawn(async move {
            let mut statuses = Vec::new();
            while !stopped.is_cancelled() {
                statuses.push(hold_and_release(&fan, &event, seat).await);
                tokio::time::sleep(PAUSE).await;
            }
            statuses
        });
        Self { stop, task }
    }

    /// Ends it; the status of the answer to each hold.
    pub async fn stop(self) -> Vec<u16> {
        self.stop.cancel();
        self.task.await.unwrap()
    }

    /// Ends it; all its holds must have succeeded.
    pub async fn never_stopped(self, partition: Partition) {
        let statuses = self.stop().await;
        let failed = statuses.iter().filter(|status| **status != 201).count();
        assert!(
            statuses.len() > 10 && failed == 0,
            "partition {partition}: {failed} of {} holds failed: {statuses:?}",
            statuses.len()
        );
    }
}
