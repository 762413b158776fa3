//! Lists, page by page.

use crate::api_input::fields;
use crate::support::client::Client;
use crate::support::node::{TestNode, plan};
use grandstand::api::document::openapi;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The lists that come in pages, each with the most rows of a page.
const LISTS: [(&str, u32); 7] = [
    ("/api/admin/accounts", 100),
    ("/api/admin/api-keys", 100),
    ("/api/admin/audit", 500),
    ("/api/admin/matches", 100),
    ("/api/admin/sites", 100),
    ("/api/matches", 100),
    ("/api/reservations", 200),
];

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
    node.finish().await;
}

/// All faults are named together, and a cursor is as a page gives it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_list_checks_its_limit_and_its_cursor() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    for (path, most) in LISTS {
        for limit in [1, most] {
            admin.get(&format!("{path}?limit={limit}")).await.expect(200);
        }
        let above = format!("limit={}", most + 1);
        let signed = "cursor=%2B1_AAAAAAAAAAAAAAAAAAAAAA";
        for (query, wrong) in [
            ("limit=0", ["limit"].as_slice()),
            (&above, &["limit"]),
            ("limit=0&cursor=x", &["limit", "cursor"]),
            ("cursor=", &["cursor"]),
            ("cursor=%2B1", &["cursor"]),
            (signed, &["cursor"]),
        ] {
            let problem = admin.get(&format!("{path}?{query}")).await.refused(400, "VALIDATION");
            assert_eq!(fields(&problem), wrong, "{path}?{query}");
        }
        admin.get(&format!("{path}?page=2")).await.refused(400, "VALIDATION");
    }
    node.finish().await;
}

#[test]
fn no_list_with_pages_is_left_out() {
    let document = serde_json::to_value(openapi()).unwrap();
    let has_cursor = |item: &Value| {
        let mut parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        parameters.any(|parameter| parameter["name"] == "cursor")
    };
    let paths = document["paths"].as_object().unwrap();
    let found = paths.iter().filter(|(_, item)| has_cursor(item)).map(|(path, _)| path.as_str());
    assert_eq!(found.collect::<BTreeSet<_>>(), LISTS.map(|(path, _)| path).into());
}
