//! An administrator hangs up in the middle of a call that has several steps. It ends all the same.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually, plan};
use fred::prelude::*;
use grandstand::domain::ids::{MatchId, Partition, SiteId};
use grandstand::node::{Node, NodeRole};
use grandstand::redis::Link;
use grandstand::redis::keys::PartitionKeys;
use grandstand_faults::proxy::Proxy;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// How long each piece to or from Redis takes on the slow node. Longer: the tests take longer.
/// Shorter: on a busy machine they do not come between two steps.
const STEP_PAUSE: Duration = Duration::from_millis(150);

/// A draft at a site, and a node whose steps take so long that a test comes between them.
struct Slow {
    node: TestNode,
    admin: Client,
    raw: Link,
    site: SiteId,
    fixture: MatchId,
    second: Node,
    proxy: Proxy,
}

impl Slow {
    async fn start() -> Self {
        let node = TestNode::start().await;
        let admin = node.admin().await;
        let site = admin.post("/api/admin/sites", &plan()).await.expect(201)["id"].clone();
        let body = json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
            "startsAt": "2030-05-05T05:00:00Z"});
        let fixture = admin.post("/api/admin/matches", &body).await.expect(201)["id"].clone();
        let id = |value: &Value| value.as_str().unwrap().to_owned();
        let proxy = Proxy::start(node.redis.port()).await;
        let mut settings = node.settings.clone();
        let port = |number: u16| format!(":{number}");
        settings.redis_url =
            settings.redis_url.replace(&port(node.redis.port()), &port(proxy.port()));
        let second = Node::start(&settings, NodeRole::Api).await.unwrap();
        let (site, fixture) = (id(&site).parse().unwrap(), id(&fixture).parse().unwrap());
        Self { admin, raw: node.raw().await, site, fixture, second, proxy, node }
    }

    fn of(&self, partition: Partition) -> PartitionKeys {
        PartitionKeys(partition)
    }

    async fn site(&self) -> String {
        self.raw.hget(self.of(self.site.partition()).sites(), self.site.key()).await.unwrap()
    }

    async fn set_site(&self, document: String) {
        let key = self.of(self.site.partition()).sites();
        let _: i64 = self.raw.hset(key, (self.site.key(), document)).await.unwrap();
    }

    async fn fixture(&self) -> String {
        let key = self.of(self.fixture.partition()).matches();
        self.raw.hget(key, self.fixture.key()).await.unwrap()
    }

    async fn set_fixture(&self, document: String) {
        let key = self.of(self.fixture.partition()).matches();
        let _: i64 = self.raw.hset(key, (self.fixture.key(), document)).await.unwrap();
    }

    /// Begins a call of the slow node, which ends when the task is aborted.
    fn call(&self, method: Method, path: &str, body: &Value) -> tokio::task::JoinHandle<()> {
        let there = Client::new(self.second.url(), self.admin.token.clone());
        let request = there.request(method, path).json(body);
        self.proxy.slow(STEP_PAUSE);
        tokio::spawn(async move {
            let _ = request.send().await;
        })
    }

    async fn finish(self) {
        self.proxy.resume();
        self.second.stop().await;
        self.node.finish().await;
    }
}

/// A match is opened while the plan of its site is replaced: the plan comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_under_a_sale_comes_back_although_the_caller_is_gone() {
    let slow = Slow::start().await;
    let mut other = plan();
    other["name"] = json!("Another name");
    let call = slow.call(Method::PUT, &format!("/api/admin/sites/{}", slow.site), &other);
    eventually("the plan is replaced", async || {
        slow.site().await.contains("Another name").then_some(())
    })
    .await;
    let draft = slow.fixture().await;
    slow.set_fixture(draft.replace("\"DRAFT\"", "\"OPEN\"")).await;
    call.abort();
    eventually("the plan is back", async || {
        let document: Value = serde_json::from_str(&slow.site().await).unwrap();
        (document["version"] == 3 && document["plan"]["name"] == "Test Ground").then_some(())
    })
    .await;
    slow.set_fixture(draft).await;
    slow.finish().await;
}

/// The plan is replaced while a match is announced: it is a draft again, because its prices do not
/// fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_without_prices_is_a_draft_again_although_the_caller_is_gone() {
    let slow = Slow::start().await;
    let path = format!("/api/admin/matches/{}", slow.fixture);
    let prices = json!({"types": [{"code": "ADULT", "name": "Adult"}], "prices": [
        {"grade": "BLUE", "type": "ADULT", "price": 9000},
        {"grade": "RED", "type": "ADULT", "price": 9000}]});
    slow.admin.put(&format!("{path}/prices"), &prices).await.expect(200);
    let plan = slow.site().await;
    let call = slow.call(Method::POST, &format!("{path}/announce"), &Value::Null);
    eventually("the match is announced", async || {
        slow.fixture().await.contains("\"ANNOUNCED\"").then_some(())
    })
    .await;
    slow.set_site(plan.replace("\"RED\"", "\"GREEN\"")).await;
    call.abort();
    eventually("the match is a draft again", async || {
        slow.fixture().await.contains("\"DRAFT\"").then_some(())
    })
    .await;
    slow.set_site(plan).await;
    slow.finish().await;
}
