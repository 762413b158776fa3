//! Purchases that may fail at each step, because something is broken, and a fan who holds a seat
//! again and again.

use crate::support::client::{Answer, Client};
use crate::support::node::{TestMatch, TestNode, plan};
use grandstand::domain::ids::Partition;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between two holds of a `Seller`.
const PAUSE: Duration = Duration::from_millis(20);

impl TestNode {
    /// An open match in each partition, in order.
    pub async fn match_in_each_partition(&self) -> Vec<TestMatch> {
        let admin = self.admin().await;
        let site = admin.post("/api/admin/sites", &plan()).await.expect(201);
        let body = json!({"siteId": site["id"], "homeTeam": "LG Twins",
            "awayTeam": "Doosan Bears", "startsAt": "2030-05-05T05:00:00Z"});
        let mut fixtures = BTreeMap::new();
        while fixtures.len() < usize::from(self.settings.partitions) {
            // Its partition is random. It stays a draft when the partition has a match already.
            let fixture = admin.post("/api/admin/matches", &body).await.expect(201);
            let id = fixture["id"].as_str().unwrap().to_owned();
            let site_id = site["id"].as_str().unwrap().to_owned();
            let fixture = TestMatch { id, site_id };
            fixtures.entry(fixture.partition()).or_insert(fixture);
        }
        for fixture in fixtures.values() {
            let path = format!("/api/admin/matches/{}/open", fixture.id);
            admin.post(&path, &Value::Null).await.expect(200);
        }
        fixtures.into_values().collect()
    }

    /// Buys a seat; the status of the last response, 200 when the seat is sold and persisted.
    pub async fn try_to_buy(&self, fan: &Client, fixture: &TestMatch, seat: u32) -> u16 {
        let hold = fan.hold(&fixture.id, &[seat]).await;
        if hold.status != 201 {
            return hold.status;
        }
        let body = json!({"matchId": fixture.id, "holdId": hold.body["data"]["holdId"]});
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

    /// Buys the first of these seats that can be bought, within this time. A seat whose purchase
    /// failed may stay taken for a while, so the next seat is tried.
    pub async fn buy_one_of(
        &self,
        time: Duration,
        fan: &Client,
        fixture: &TestMatch,
        seats: std::ops::Range<u32>,
    ) {
        let begun = Instant::now();
        for seat in seats.cycle() {
            let status = self.try_to_buy(fan, fixture, seat).await;
            if status == 200 {
                return;
            }
            assert!(begun.elapsed() < time, "nothing can be bought: {status}");
            tokio::time::sleep(10 * PAUSE).await;
        }
    }

    /// A reservation of a seat, a payment for it, and the key of the gateway.
    pub async fn ready_to_pay(
        &self,
        fan: &Client,
        fixture: &TestMatch,
        seat: u32,
    ) -> (Value, Value, String) {
        let reservation = fan.reserve(&fixture.id, &[seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = self.pay_at_gateway(&payment, "approve").await;
        (reservation, payment, key)
    }

    /// Buys a seat while nothing is broken.
    pub async fn buy(&self, fan: &Client, fixture: &TestMatch, seat: u32) -> Value {
        let (reservation, payment, key) = self.ready_to_pay(fan, fixture, seat).await;
        assert_eq!(confirm_within(Duration::from_secs(10), fan, &payment, &key).await, 200);
        reservation
    }
}

/// Confirms again while the response is 202 (not persisted yet) or 503 (not now); the status of
/// the last response, which is 202 or 503 only when the time is over.
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
pub async fn sells_within(time: Duration, fan: &Client, fixture: &TestMatch, seat: u32) {
    let begun = Instant::now();
    loop {
        let answer = hold_and_release(fan, fixture, seat).await;
        if answer.status == 201 {
            return;
        }
        let (partition, body) = (fixture.partition(), answer.body);
        assert!(begun.elapsed() < time, "partition {partition} does not sell: {body}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Holds a seat and gives it back; the response to the hold.
async fn hold_and_release(fan: &Client, fixture: &TestMatch, seat: u32) -> Answer {
    let hold = fan.hold(&fixture.id, &[seat]).await;
    if let Some(id) = hold.body["data"]["holdId"].as_str() {
        fan.delete(&fixture.path(&format!("/holds/{id}"))).await;
    }
    hold
}

/// A fan who holds one seat and gives it back, again and again.
pub struct Seller {
    stop: CancellationToken,
    task: JoinHandle<Vec<u16>>,
}

impl Seller {
    pub fn start(fan: &Client, fixture: &TestMatch, seat: u32) -> Self {
        let stop = CancellationToken::new();
        let (fan, stopped) = (fan.clone(), stop.clone());
        let fixture = TestMatch { id: fixture.id.clone(), site_id: fixture.site_id.clone() };
        let task = tokio::spawn(async move {
            let mut statuses = Vec::new();
            while !stopped.is_cancelled() {
                statuses.push(hold_and_release(&fan, &fixture, seat).await.status);
                tokio::time::sleep(PAUSE).await;
            }
            statuses
        });
        Self { stop, task }
    }

    /// Ends it; the status of the response to each hold.
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
