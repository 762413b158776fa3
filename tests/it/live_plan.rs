//! A draft may get another plan. No node shows or sells anything of the old plan.

use crate::support::client::Client;
use crate::support::events::EventStream;
use crate::support::node::{TestNode, eventually, plan};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::ids::MatchId;
use grandstand::node::{Node, NodeRole};
use grandstand::redis::keys::PartitionKeys;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde_json::{Value, json};

/// The plan of the tests, with seats 101 to 105 instead of 21 to 25, at 50,000 KRW.
fn another_plan() -> Value {
    let mut plan = plan();
    plan["grades"][1]["price"] = json!(50_000);
    plan["areas"][0]["sections"][0]["blocks"][1]["rows"][0]["firstSeatId"] = json!(101);
    plan["areas"][0]["sections"][0]["blocks"][0]["rows"].as_array_mut().unwrap().pop();
    plan
}

/// The ids of a site and of a draft at it.
async fn draft(admin: &Client) -> (String, String) {
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201);
    let site = site["id"].as_str().unwrap().to_owned();
    let fixture = admin.post("/api/admin/matches", &match_at(&site)).await.expect(201);
    let fixture = fixture["id"].as_str().unwrap().to_owned();
    eventually("every node knows the match", || async {
        let answer = admin.get(&format!("/api/matches/{fixture}/seats")).await;
        (answer.status == 200).then_some(())
    })
    .await;
    (site, fixture)
}

fn match_at(site: &str) -> Value {
    json!({"siteId": site, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"})
}

/// An administrator who has read a draft at a node, and watches it.
struct Watched {
    node: Client,
    path: String,
    tag: String,
    stream: EventStream,
}

impl Watched {
    async fn at(node: &Node, admin: &Client, fixture: &str) -> Self {
        let node = Client::new(node.url(), admin.token.clone());
        let path = format!("/api/matches/{fixture}/seats");
        let answer = eventually("the node knows the match", || async {
            let answer = node.get(&path).await;
            (answer.status == 200).then_some(answer)
        })
        .await;
        let tag = answer.headers[ETAG].to_str().unwrap().to_owned();
        let mut stream = EventStream::open_as(&node, &format!("{path}/events"), None).await;
        assert_eq!(stream.next().await.unwrap().name, "snapshot");
        Self { node, path, tag, stream }
    }

    /// Everything is of the other plan now: 10 and 5 seats instead of 20 and 5.
    async fn begins_again(mut self) {
        let sizes = |data: &Value| -> Vec<usize> {
            let blocks = data["blocks"].as_array().unwrap().iter();
            blocks.map(|block| block["states"].as_str().unwrap().len()).collect()
        };
        let last = self.stream.last_id.clone();
        // The stream ends, or sends the whole new map.
        if let Some(fixture) = self.stream.next().await {
            assert_eq!((fixture.name.as_str(), sizes(&fixture.data)), ("snapshot", vec![10, 5]));
        }
        let data = self.node.get(&self.path).await.expect(200);
        assert_eq!(sizes(&data), [10, 5]);
        let request = self.node.request(reqwest::Method::GET, &self.path);
        let answer = request.header(IF_NONE_MATCH, &self.tag).send().await.unwrap();
        assert_eq!(answer.status(), 200, "the ETag is that of the old plan");
        let path = format!("{}/events", self.path);
        let mut back = EventStream::open_as(&self.node, &path, Some(&last)).await;
        let first = back.next().await.unwrap();
        assert_eq!((first.name.as_str(), sizes(&first.data)), ("snapshot", vec![10, 5]));
    }
}

/// The best seats of the expensive block are those of the new plan, at its price.
async fn sells_the_new_plan(node: &TestNode, admin: &Client, fixture: &str) {
    admin.post(&format!("/api/admin/matches/{fixture}/open"), &Value::Null).await.expect(200);
    let fan = node.user("fan").await;
    let body = json!({"bestAvailable": {"count": 2, "grade": "RED"}});
    let hold = fan.post(&format!("/api/matches/{fixture}/holds"), &body).await.expect(201);
    assert_eq!(hold["amount"], 100_000, "{hold}");
    for seat in hold["seats"].as_array().unwrap() {
        assert!((101..=105).contains(&seat["seatId"].as_u64().unwrap()), "{hold}");
        assert_ne!(seat["label"], "", "{hold}");
    }
}

/// It reaches every map, ETag and stream of the drafts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_plan_restarts_all_maps_of_the_drafts_of_a_site() {
    let node = TestNode::start().await;
    let second = node.another_node(NodeRole::Api).await;
    let admin = node.admin().await;
    let (site, fixture) = draft(&admin).await;
    let here = Watched::at(node.running(), &admin, &fixture).await;
    let there = Watched::at(&second, &admin, &fixture).await;
    admin.put(&format!("/api/admin/sites/{site}"), &another_plan()).await.expect(200);
    here.begins_again().await;
    there.begins_again().await;
    sells_the_new_plan(&node, &admin, &fixture).await;
    second.stop().await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_that_moves_to_another_site_restarts_its_map() {
    let node = TestNode::start().await;
    let second = node.another_node(NodeRole::Api).await;
    let admin = node.admin().await;
    let (_, fixture) = draft(&admin).await;
    let here = Watched::at(node.running(), &admin, &fixture).await;
    let there = Watched::at(&second, &admin, &fixture).await;
    let other = admin.post("/api/admin/sites", &another_plan()).await.expect(201);
    let body = match_at(other["id"].as_str().unwrap());
    admin.put(&format!("/api/admin/matches/{fixture}"), &body).await.expect(200);
    here.begins_again().await;
    there.begins_again().await;
    sells_the_new_plan(&node, &admin, &fixture).await;
    second.stop().await;
    node.finish().await;
}

/// Redis decides, because this node may not have heard that another node opened a match.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_of_a_match_that_another_node_opened_is_in_use() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let (site, fixture) = draft(&admin).await;
    let (raw, id) = (node.raw().await, fixture.parse::<MatchId>().unwrap());
    let key = PartitionKeys(id.partition()).matches();
    let document: String = raw.hget(&key, id.key()).await.unwrap();
    // Without a notice, as if the notice were still on its way.
    let open = document.replace("\"DRAFT\"", "\"OPEN\"");
    assert_ne!(open, document);
    let _: i64 = raw.hset(&key, (id.key(), open)).await.unwrap();
    let path = format!("/api/admin/sites/{site}");
    admin.put(&path, &another_plan()).await.refused(409, "SITE_IN_USE");
    let _: i64 = raw.hset(&key, (id.key(), document)).await.unwrap();
    admin.put(&path, &another_plan()).await.expect(200);
    node.finish().await;
}

/// A document that cannot be read when its notice comes is read again until it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_read_again_until_it_can_be_read() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let (_, fixture) = draft(&admin).await;
    let (raw, id) = (node.raw().await, fixture.parse::<MatchId>().unwrap());
    let keys = PartitionKeys(id.partition());
    let (key, aside) = (keys.matches(), format!("{}:aside", keys.matches()));
    let document: String = raw.hget(&key, id.key()).await.unwrap();
    let changed = document.replace("LG Twins", "KT Wiz").replace("\"version\":1", "\"version\":2");
    let errors = async || {
        let command = CustomCommand::new_static("INFO", ClusterHash::Random, false);
        let text: String = raw.custom(command, vec!["errorstats".to_owned()]).await.unwrap();
        let count = text.split_once("errorstat_WRONGTYPE:count=").map_or("0", |(_, rest)| rest);
        count
            .trim_end()
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let before = errors().await;
    // The matches can't be read when the notice comes.
    let _: () = raw.rename(&key, &aside).await.unwrap();
    let _: () = raw.set(&key, "no hash", None, None, false).await.unwrap();
    let notice = vec![("match", id.key())];
    let _: String = raw.xadd(keys.notices(), false, None, "*", notice).await.unwrap();
    eventually("the node has tried", || async { (errors().await > before).then_some(()) }).await;
    let _: i64 = raw.hset(&aside, (id.key(), changed)).await.unwrap();
    let _: i64 = raw.del(&key).await.unwrap();
    let _: () = raw.rename(&aside, &key).await.unwrap();
    eventually("the node knows the change", || async {
        let answer = admin.get(&format!("/api/matches/{fixture}")).await;
        (answer.body["data"]["homeTeam"] == "KT Wiz").then_some(())
    })
    .await;
    let _: i64 = raw.hset(&key, (id.key(), document)).await.unwrap();
    node.finish().await;
}
