//! The lists of administrators, page by page.

use crate::support::client::Client;
use crate::support::node::{TestNode, plan};
use serde_json::{Value, json};

/// The ids of all pages of a list, `limit` on each page.
async fn pages(admin: &Client, path: &str, list: &str, limit: usize) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("{path}?limit={limit}{cursor}")).await.expect(200);
        let rows = page[list].as_array().unwrap();
        assert!((1..=limit).contains(&rows.len()), "{page}");
        seen.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { return seen };
        cursor = format!("&cursor={next}");
    }
}

/// Drafts are there, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_matches_and_sites_are_complete_and_in_order() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let (mut sites, mut matches) = (Vec::new(), Vec::new());
    for day in 1..=5 {
        let site = admin.post("/api/admin/sites", &plan()).await.expect(201)["id"].clone();
        let body = json!({"siteId": site, "homeTeam": "A", "awayTeam": "B",
            "startsAt": format!("2030-05-0{}T05:00:00Z", 6 - day)});
        let made = admin.post("/api/admin/matches", &body).await.expect(201);
        sites.push(site.as_str().unwrap().to_owned());
        matches.insert(0, made["id"].as_str().unwrap().to_owned());
    }
    for limit in [1, 2, 5, 100] {
        assert_eq!(pages(&admin, "/api/admin/matches", "matches", limit).await, matches);
        assert_eq!(pages(&admin, "/api/admin/sites", "sites", limit).await, sites);
    }
    let open = format!("/api/admin/matches/{}/open", matches[2]);
    admin.post(&open, &Value::Null).await.expect(200);
    for (query, left) in [
        ("status=DRAFT", [0, 1, 3, 4].as_slice()),
        ("status=OPEN", &[2]),
        ("from=2030-05-02T00:00:00Z&to=2030-05-04T00:00:00Z", &[1, 2]),
    ] {
        let page = admin.get(&format!("/api/admin/matches?{query}")).await.expect(200);
        let ids: Vec<&Value> =
            page["matches"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
        let wanted: Vec<&String> = left.iter().map(|at| &matches[*at]).collect();
        assert_eq!(ids, wanted, "{query}");
    }
    for wrong in ["limit=0", "limit=101", "cursor=x", "page=2"] {
        for list in ["matches", "sites"] {
            let path = format!("/api/admin/{list}?{wrong}");
            admin.get(&path).await.refused(400, "VALIDATION");
        }
    }
    node.finish().await;
}
