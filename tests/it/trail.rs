//! The audit trail: every act of a person with a role is in it, and nothing is taken out of it.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually};
use grandstand::domain::ids::Partition;
use grandstand::domain::trail::{Act, TrailEntry};
use serde_json::{Value, json};
use uuid::Uuid;

async fn entries(admin: &Client, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("/api/admin/audit?limit=500{query}")).await.expect(200);
    page["entries"].as_array().unwrap().clone()
}

fn entry(act: Act, target: &str) -> TrailEntry {
    TrailEntry {
        id: Uuid::now_v7(),
        actor: None,
        role: None,
        address: "192.0.2.7".to_owned(),
        act,
        target: target.to_owned(),
        before: json!({"status": "OPEN"}),
        after: Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_read_in_pages_and_never_changed() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let all: Vec<TrailEntry> =
        (0..7).map(|number| entry(Act::LogInFailed, &format!("account/{number}"))).collect();
    for made in &all {
        // Twice the same, as after a dead letter that is replayed.
        for _ in 0..2 {
            node.engine().add_to_trail(Partition(1), made).await.unwrap();
        }
    }
    let query = "&act=LOG_IN_FAILED";
    let found = eventually("all entries are in PostgreSQL", || async {
        let found = entries(&admin, query).await;
        (found.len() == all.len()).then_some(found)
    })
    .await;
    assert_eq!(found[0]["target"], "account/6", "the newest first");
    assert_eq!(found[0]["before"], json!({"status": "OPEN"}));
    assert_eq!((&found[0]["after"], &found[0]["actor"]), (&Value::Null, &Value::Null));
    assert_eq!(entries(&admin, "&target=account/3").await.len(), 1);

    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/admin/audit?limit=3{query}{cursor}");
        let page = admin.get(&path).await.expect(200);
        pages.extend(page["entries"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, found);
    for wrong in ["cursor=-1", "cursor=x", "limit=0", "act=NONSENSE"] {
        admin.get(&format!("/api/admin/audit?{wrong}")).await.refused(400, "VALIDATION");
    }
    node.user("fan").await.get("/api/admin/audit").await.refused(403, "FORBIDDEN");

    let (client, connection) =
        tokio_postgres::connect(&node.settings.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for forbidden in ["update trail set act = 'x'", "delete from trail", "truncate trail"] {
        let refused = client.batch_execute(forbidden).await.unwrap_err().to_string();
        assert!(refused.contains("db error"), "{forbidden}: {refused}");
    }
    assert_eq!(entries(&admin, query).await.len(), all.len());
    node.finish().await;
}
