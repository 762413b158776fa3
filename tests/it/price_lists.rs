//! The price list of a match and the plan of its site belong together.

use crate::support::client::Client;
use crate::support::node::TestNode;
use serde_json::{Value, json};

/// A plan with these grades, of which the first is that of all seats.
fn plan(grades: &[&str]) -> Value {
    let grade =
        |code: &&str| json!({"code": code, "name": code, "price": 10_000, "color": "#0072b2"});
    json!({
        "name": "Hall", "focus": [0, -5],
        "grades": grades.iter().map(grade).collect::<Vec<_>>(),
        "areas": [{"id": 1, "name": "Hall", "sections": [{"id": 1, "name": "Left", "blocks": [
            {"id": 1, "name": "A", "grade": grades[0], "outline": [[0, 0], [9, 0], [9, 9]],
             "rows": [{"label": "1", "firstSeatId": 1, "seats": 5, "from": [0, 0],
                "to": [4, 0]}]}]}]}]
    })
}

fn list(grades: &[&str]) -> Value {
    let price = |grade: &&str| json!({"grade": grade, "type": "ADULT", "price": 20_000});
    json!({"types": [{"code": "ADULT", "name": "Adult"}],
        "prices": grades.iter().map(price).collect::<Vec<_>>()})
}

/// The address of a DRAFT match at a site with this plan, and that of the site.
async fn draft(admin: &Client, plan: &Value) -> (String, String) {
    let site = admin.post("/api/admin/sites", plan).await.expect(201);
    let body = json!({"siteId": site["id"], "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2099-05-05T09:30:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let path = |kind: &str, of: &Value| format!("/api/admin/{kind}/{}", of["id"].as_str().unwrap());
    (path("matches", &made), path("sites", &site))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_is_not_announced_or_opened_with_a_list_that_its_plan_has_outgrown() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let (path, site) = draft(&admin, &plan(&["BLUE"])).await;
    let prices = format!("{path}/prices");
    admin.put(&prices, &list(&["BLUE"])).await.expect(200);
    admin.put(&site, &plan(&["BLUE", "RED"])).await.expect(200);
    for act in ["announce", "open"] {
        let act = format!("{path}/{act}");
        let problem = admin.post(&act, &Value::Null).await.refused(400, "VALIDATION");
        assert_eq!(problem["errors"][0]["field"], "/prices");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("price list") && detail.contains("RED"), "{detail}");
    }
    let shown = admin.get("/api/admin/matches").await.expect(200);
    assert_eq!(shown["matches"][0]["status"], "DRAFT");
    // A price of a grade that is not there any more.
    admin.put(&prices, &list(&["BLUE", "RED"])).await.expect(200);
    admin.put(&site, &plan(&["BLUE"])).await.expect(200);
    let open = format!("{path}/open");
    let problem = admin.post(&open, &Value::Null).await.refused(400, "VALIDATION");
    assert_eq!(problem["errors"][0]["field"], "/prices/1/grade");
    // Without a list the prices of the plan count, and the list can be set again.
    admin.put(&prices, &list(&["BLUE"])).await.expect(200);
    admin.post(&format!("{path}/announce"), &Value::Null).await.expect(200);
    admin.post(&open, &Value::Null).await.expect(200);
    node.finish().await;
}

/// 100 grades and 20 types with the longest codes and names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_list_that_the_rules_allow_can_be_set() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let codes = |count: usize| (0..count).map(|number| format!("G{number:0>19}"));
    let grades: Vec<String> = codes(100).collect();
    let grades: Vec<&str> = grades.iter().map(String::as_str).collect();
    let (path, _) = draft(&admin, &plan(&grades)).await;
    let languages = "abcdefghij".chars().map(|letter| (format!("x{letter}"), "😀".repeat(100)));
    let name: Value = languages.map(|(code, text)| (code, Value::String(text))).collect();
    let types: Vec<Value> =
        codes(20).map(|code| json!({"code": code, "name": name, "limit": 100})).collect();
    let price = |grade: &&str| {
        let row = |code: String| json!({"grade": grade, "type": code, "price": 10_000_000});
        codes(20).map(row).collect::<Vec<Value>>()
    };
    let prices: Vec<Value> = grades.iter().flat_map(price).collect();
    assert_eq!(prices.len(), 2_000);
    let list = json!({"types": types, "prices": prices, "serviceFee": 10_000_000});
    let stored = admin.put(&format!("{path}/prices"), &list).await.expect(200);
    assert_eq!(stored["prices"].as_array().unwrap().len(), 2_000);
    admin.post(&format!("{path}/open"), &Value::Null).await.expect(200);
    let shown = admin.get(&path.replace("/admin", "")).await.expect(200);
    assert_eq!(shown["status"], "OPEN");
    // One language more is refused by its name, not by its size.
    let mut more = list.clone();
    more["types"][0]["name"]["zz"] = json!("A");
    let problem = admin.put(&format!("{path}/prices"), &more).await.refused(400, "VALIDATION");
    assert_eq!(problem["errors"][0]["field"], "/types/0/name");
    node.finish().await;
}
