//! A sale under test: a node with an open match and a fan who buys there.

use crate::support::client::{Answer, Client};
use crate::support::node::{RedisChoice, TestMatch, TestNode, eventually, plan};
use crate::support::postgres;
use grandstand::config::Settings;
use grandstand::domain::ids::{MatchId, Partition};
use grandstand::engine::Engine;
use grandstand_embedded::{Fsync, PrivatePostgres};
use grandstand_emulator::EmulatorSettings;
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;

/// A node, an open match at the small site, and a fan who buys there.
pub struct Sale {
    pub node: TestNode,
    pub fixture: TestMatch,
    pub fan: Client,
    /// `None` when the sale uses the PostgreSQL of all tests.
    postgres: Option<PrivatePostgres>,
    /// The files of PostgreSQL.
    pub dir: TempDir,
}

/// The parts of a sale that differ from test to test.
pub struct SaleBuilder<'a> {
    change: Box<dyn FnOnce(&mut Settings) + 'a>,
    gateway: EmulatorSettings,
    redis: RedisChoice,
    plan: Value,
    own_postgres: bool,
}

impl SaleBuilder<'_> {
    /// The gateway behaves as these settings say.
    pub fn gateway(self, gateway: EmulatorSettings) -> Self {
        Self { gateway, ..self }
    }

    /// Redis writes each command to the disk, so that a kill loses nothing.
    pub fn durable_redis(self) -> Self {
        Self { redis: RedisChoice::Own(Fsync::Always), ..self }
    }

    /// The node uses the Redis at this URL, which the test has started.
    pub fn redis_at(self, url: String) -> Self {
        Self { redis: RedisChoice::At(url), ..self }
    }

    /// The match is at a site with this plan.
    pub fn plan(self, plan: Value) -> Self {
        Self { plan, ..self }
    }

    /// The node has a PostgreSQL that the test may kill.
    pub fn own_postgres(self) -> Self {
        Self { own_postgres: true, ..self }
    }

    pub async fn start(self) -> Sale {
        let dir = TempDir::new().unwrap();
        let (database, postgres) = if self.own_postgres {
            let postgres = postgres::private(dir.path()).await;
            (postgres.url(), Some(postgres))
        } else {
            (postgres::database().await, None)
        };
        let node = TestNode::start_all(database, self.redis, self.change, self.gateway).await;
        let fixture = node.open_match_at(&self.plan).await;
        let fan = node.user("fan").await;
        node.verify().await;
        Sale { node, fixture, fan, postgres, dir }
    }
}

impl Sale {
    /// A sale on a node with settings that the test changes.
    pub fn with<'a>(change: impl FnOnce(&mut Settings) + 'a) -> SaleBuilder<'a> {
        SaleBuilder {
            change: Box::new(change),
            gateway: EmulatorSettings::default(),
            redis: RedisChoice::Own(Fsync::Never),
            plan: plan(),
            own_postgres: false,
        }
    }

    pub fn engine(&self) -> &Arc<Engine> {
        self.node.engine()
    }

    pub fn match_id(&self) -> MatchId {
        self.fixture.match_id()
    }

    /// The partition of the match.
    pub fn partition(&self) -> Partition {
        self.fixture.partition()
    }

    /// The epoch of the partition of the match; none while the partition is not loaded.
    pub async fn epoch(&self) -> Option<u64> {
        self.engine().epoch(self.partition()).await.ok()?
    }

    pub fn postgres(&mut self) -> &mut PrivatePostgres {
        self.postgres.as_mut().expect("the sale has no PostgreSQL of its own")
    }

    /// A reservation of these seats, a payment for it, and its key at the gateway.
    pub async fn ready(&self, seats: &[u32]) -> (Value, Value, String) {
        self.ready_to_end(seats, "approve").await
    }

    /// The same for a payment whose confirmation ends as `confirm` says (see `pay_at_gateway`).
    pub async fn ready_to_end(&self, seats: &[u32], confirm: &str) -> (Value, Value, String) {
        self.ready_of(&self.fan, seats, confirm).await
    }

    /// The same for another fan.
    pub async fn ready_of(
        &self,
        fan: &Client,
        seats: &[u32],
        confirm: &str,
    ) -> (Value, Value, String) {
        let reservation = fan.reserve(&self.fixture.id, seats).await;
        let payment = fan.request_payment(&reservation).await;
        let key = self.node.pay_at_gateway(&payment, confirm).await;
        (reservation, payment, key)
    }

    /// The reservation of these seats, which the fan has bought.
    pub async fn sold(&self, seats: &[u32]) -> Value {
        self.sold_to(&self.fan, seats).await
    }

    pub async fn sold_to(&self, fan: &Client, seats: &[u32]) -> Value {
        let (reservation, payment, key) = self.ready_of(fan, seats, "approve").await;
        fan.confirm(&payment, &key).await.expect(200);
        reservation
    }

    /// Cancels a reservation of the fan, or the seats that the body names.
    pub async fn cancel(&self, reservation: &Value, body: &Value) -> Answer {
        self.fan.post(&format!("{}/cancel", path_of(reservation)), body).await
    }

    /// The state of a seat of block 1 on the map; none while the map cannot be read.
    pub async fn state(&self, seat: usize) -> Option<String> {
        let answer = self.fan.get(&self.fixture.path("/blocks/1/seats")).await;
        Some(answer.body["data"]["seats"][seat - 1]["state"].as_str()?.to_owned())
    }

    /// Waits until the map shows the seat in this state.
    pub async fn wait_for_seat(&self, seat: usize, state: &str) {
        eventually(&format!("seat {seat} is {state}"), || async {
            (self.state(seat).await? == state).then_some(())
        })
        .await;
    }

    /// Waits until the gateway has charged, once.
    pub async fn wait_for_charge(&self) {
        eventually("the gateway has taken the money", || async {
            (self.node.ledger().await == ["DONE"]).then_some(())
        })
        .await;
    }

    /// Starts the node again after `stop_node`.
    pub async fn start_node(&mut self) {
        self.node.start_node().await;
        self.follow_node();
    }

    pub async fn restart_node(&mut self) {
        self.node.stop_node().await;
        self.start_node().await;
    }

    /// From here on only the test itself takes entries of the journal to PostgreSQL.
    pub async fn without_worker(&mut self) {
        self.node.without_worker().await;
        self.follow_node();
    }

    /// The fan calls the node that runs now, which has another port.
    fn follow_node(&mut self) {
        self.fan = Client::new(self.node.url(), self.fan.token.clone());
    }

    /// The node can't read the streams of Redis from now on, and hears of no changes.
    pub async fn deafen(&self) {
        self.allow("-xread").await;
        let operator = self.node.operator();
        eventually("the node hears nothing", async || {
            (operator.get("/health/ready").await.status == 503).then_some(())
        })
        .await;
    }

    /// The node can read the streams of Redis again.
    pub async fn hear_again(&self) {
        self.allow("+xread").await;
    }

    /// Gives a right to all users of Redis, or takes it away.
    async fn allow(&self, rule: &str) {
        let command = ["ACL", "SETUSER", "default", rule];
        crate::support::wire::done(self.node.redis.port(), &command).await;
    }

    /// Ends the sale: Redis and PostgreSQL must agree.
    pub async fn finish(self) {
        self.node.finish().await;
        if let Some(postgres) = self.postgres {
            postgres.stop().await.unwrap();
        }
    }

    /// Ends the sale of a test that has made Redis wrong on purpose: nothing is compared.
    pub async fn finish_unequal(mut self) {
        self.node.stop_node().await;
        if let Some(postgres) = self.postgres {
            postgres.stop().await.unwrap();
        }
    }
}

/// The address of a reservation.
pub fn path_of(reservation: &Value) -> String {
    format!("/api/reservations/{}", reservation["id"].as_str().unwrap())
}

/// The seats of a reservation.
pub fn seats_of(reservation: &Value) -> Vec<u64> {
    let seats = reservation["seats"].as_array().unwrap().iter();
    seats.map(|seat| seat["seatId"].as_u64().unwrap()).collect()
}

/// Confirms again while payments are paused; the data of the first other response, a success.
pub async fn confirm_when_payments_go_on(fan: &Client, payment: &Value, key: &str) -> Value {
    eventually("payments go on", || async {
        let answer = fan.confirm(payment, key).await;
        (answer.status != 503).then(|| answer.expect(200))
    })
    .await
}

/// Confirms again until PostgreSQL has the sale.
pub async fn confirm_until_persisted(fan: &Client, payment: &Value, key: &str) {
    eventually("PostgreSQL has the sale", || async {
        (fan.confirm(payment, key).await.status == 200).then_some(())
    })
    .await;
}
