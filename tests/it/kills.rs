//! A process is killed (as by `kill -9`) before and after each step of a payment. Another process
//! goes on from there, and the books of the gateway, PostgreSQL and Redis agree.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually};
use fred::prelude::KeysInterface as _;
use grandstand::config::Settings;
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A `grandstand serve` of its own, with its address.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    async fn start(settings: &Settings, die_at: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_grandstand"))
            .args(["serve", "--listen", "127.0.0.1:0", "--die-at", die_at])
            .args(["--redis-url", &settings.redis_url, "--database-url", &settings.database_url])
            .args(["--allow-unsafe-database", "--partitions", "2"])
            .args(["--jwt-secret", &settings.jwt_secret, "--rate-limits", "off"])
            .args(["--toss-base-url", &settings.toss_base_url])
            .args(["--toss-secret-key", &settings.toss_secret_key])
            .args(["--reconcile-after-ms", "1000", "--toss-timeout-ms", "1000", "--log", "warn"])
            .args(["--ops-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("it ended before it was ready");
        let url = line.strip_prefix("listening on ").expect(&line).to_owned();
        Self { child, url }
    }

    /// Waits until it has killed itself.
    async fn is_killed(&mut self) {
        use std::os::unix::process::ExitStatusExt as _;
        let status = tokio::time::timeout(std::time::Duration::from_secs(15), self.child.wait());
        let status = status.await.expect("it did not come to that place").unwrap();
        assert_eq!(status.signal(), Some(9), "{status}");
    }
}

/// A buyer and a reservation, in whose payment a process is killed.
struct Scene {
    node: TestNode,
    fan: Client,
    reservation: Value,
    payment: Value,
    key: String,
}

impl Scene {
    /// A buyer before the confirmation, and no node.
    async fn start() -> Self {
        let node = TestNode::start_with(|settings| {
            settings.reconcile_after_ms = 200;
            settings.payment_ttl_ms = 60_000;
        })
        .await;
        let fixture = node.open_match().await;
        let fan = node.user("fan").await;
        let reservation = fan.reserve(&fixture.id, &[1, 2]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, "approve").await;
        Self { node, fan, reservation, payment, key }
    }

    /// Stops the node of the test and sends `call` to a process that dies at `place`.
    async fn kill_at(&mut self, place: &str, call: impl AsyncFn(&Client, &Self)) {
        self.node.verify().await;
        let node = self.node.running.take().unwrap();
        let engine = node.services.engine.clone();
        node.stop().await;
        let raw = self.node.raw().await;
        let end_leases = async || {
            for partition in engine.partitions() {
                let _: i64 = raw.del(PartitionKeys(partition).lease()).await.unwrap();
            }
        };
        // The leases of the dead process are deleted, because another test measures that time.
        end_leases().await;
        let mut process = Process::start(&self.node.settings, place).await;
        let client = Client::new(process.url.clone(), self.fan.token.clone());
        call(&client, self).await;
        process.is_killed().await;
        end_leases().await;
        let node = self.node.another_node(NodeRole::All).await;
        self.fan = Client::new(node.url(), self.fan.token.clone());
        self.node.running = Some(node);
    }

    async fn confirm(&self, client: &Client) -> reqwest::Result<reqwest::Response> {
        let (payment, key) = (&self.payment, &self.key);
        let body = serde_json::json!({"paymentId": payment["id"], "paymentKey": key,
            "orderId": payment["orderId"], "amount": payment["amount"]});
        client.request(reqwest::Method::POST, "/api/payments/confirm").json(&body).send().await
    }

    /// Confirms until the response is 200. A payment that was withdrawn begins again.
    async fn sold_in_the_end(&self) {
        eventually("the sale is kept", || async {
            let answer = self.confirm(&self.fan).await.unwrap();
            (answer.status() == 200).then_some(())
        })
        .await;
        assert_eq!(self.node.wait_for_books().await, ["PAID"]);
        assert_eq!(self.node.ledger().await, ["DONE"]);
    }
}

async fn confirmation_killed_at(place: &str) {
    let mut scene = Scene::start().await;
    scene
        .kill_at(place, async |client, scene| {
            // Killed during the call, or just after it.
            while scene.confirm(client).await.is_ok_and(|answer| answer.status() == 503) {}
        })
        .await;
    scene.sold_in_the_end().await;
    scene.node.finish().await;
}

macro_rules! killed {
    ($($name:ident: $place:literal),* $(,)?) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            confirmation_killed_at($place).await;
        }
    )* };
}

killed! {
    killed_before_the_begin: "begin.before",
    killed_behind_the_begin: "begin.after",
    killed_before_the_claim_is_committed: "claim.before",
    killed_behind_the_commit_of_the_claim: "claim.after",
    killed_before_the_gateway_is_asked: "gateway.before",
    killed_behind_the_answer_of_the_gateway: "gateway.after",
    killed_before_the_outcome: "outcome.before",
    killed_behind_the_outcome: "outcome.after",
    killed_before_the_sale_is_committed: "commit.before",
    killed_behind_the_commit_of_the_sale: "commit.after",
    killed_before_the_journal_is_trimmed: "acknowledge.before",
    killed_behind_the_trim_of_the_journal: "acknowledge.after",
}

/// A refund that has begun ends with the money back, once, whichever process dies.
async fn refund_killed_at(place: &str) {
    let mut scene = Scene::start().await;
    scene.sold_in_the_end().await;
    scene
        .kill_at(place, async |client, scene| {
            let id = scene.reservation["id"].as_str().unwrap();
            let path = format!("/api/reservations/{id}/cancel");
            let _ = client.request(reqwest::Method::POST, &path).send().await;
        })
        .await;
    scene.node.wait_for_status(&scene.fan, &scene.reservation, "CANCELLED").await;
    assert_eq!(scene.node.wait_for_books().await, ["REFUNDED"]);
    assert_eq!(scene.node.ledger().await, ["CANCELED"]);
    scene.node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_the_money_goes_back() {
    refund_killed_at("refund.before").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_response_of_the_refund() {
    refund_killed_at("refund.after").await;
}
