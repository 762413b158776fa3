//! What the OpenAPI document says about each operation: also of an operation that is new.

use crate::support::node::TestNode;
use grandstand::api::document::openapi;
use grandstand::api::error::ErrorCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Method and path, and the operation.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let mut list = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            list.push((format!("{} {path}", method.to_uppercase()), operation));
        }
    }
    assert!(list.len() > 50, "{}", list.len());
    list
}

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

fn reads(operation: &Value, header: &str) -> bool {
    let mut all = operation["parameters"].as_array().into_iter().flatten();
    all.any(|parameter| parameter["in"] == "header" && parameter["name"] == header)
}

/// Whether the responses with this status have this header field.
fn sends(operation: &Value, status: &str, header: &str) -> bool {
    operation["responses"][status]["headers"].get(header).is_some()
}

#[test]
fn conditions_and_their_responses_are_described_together() {
    let document = document();
    let (mut cached, mut guarded) = (0, 0);
    for (name, operation) in operations(&document) {
        let has = |status: &str| operation["responses"].get(status).is_some();
        let asks = reads(operation, "If-None-Match");
        assert_eq!(asks, has("304"), "{name}");
        for status in ["200", "304"] {
            assert_eq!(asks, sends(operation, status, "ETag"), "{name} {status}");
        }
        assert_eq!(reads(operation, "If-Match"), has("412"), "{name}");
        cached += u32::from(asks);
        guarded += u32::from(has("412"));
    }
    assert!(cached >= 6 && guarded >= 8, "{cached} {guarded}");
}

#[test]
fn each_refusal_says_how_to_go_on() {
    let document = document();
    for (name, operation) in operations(&document) {
        let refused = operation["responses"].get("401").is_some_and(is_of_token);
        assert!(refused || operation.get("security").is_none(), "{name}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(sends(operation, status, "x-request-id"), "{name} {status}");
            let later = ["429", "503"].contains(&status.as_str());
            assert!(!later || sends(operation, status, "Retry-After"), "{name} {status}");
            assert_eq!(status == "401", sends(operation, status, "WWW-Authenticate"), "{name}");
            let is_refusal = status.parse::<u16>().unwrap() >= 400;
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(is_refusal, problem == "#/components/schemas/Problem", "{name} {status}");
        }
    }
    let problem = &document["components"]["schemas"]["Problem"]["allOf"][1];
    assert_eq!(problem["properties"]["code"]["$ref"], "#/components/schemas/ErrorCode");
    let codes = &document["components"]["schemas"]["ErrorCode"]["enum"];
    assert_eq!(codes, &json!(ErrorCode::ALL));
    assert_eq!(document["servers"][0]["url"], "/");
}

fn is_of_token(response: &Value) -> bool {
    response["content"]["application/problem+json"]["examples"].get("UNAUTHORIZED").is_some()
}

/// A program sees which choices exclude each other.
#[test]
fn a_choice_is_one_of_its_kinds() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let choices = [
        ("HoldChoice", vec!["seatIds", "seats", "areas", "bestAvailable"]),
        ("ReserveChoice", vec!["holdId", "seatIds"]),
    ];
    for (name, fields) in choices {
        let kinds = schemas[name]["oneOf"].as_array().unwrap();
        let required: Vec<&Value> =
            kinds.iter().map(|kind| &schema(&document, kind)["required"]).collect();
        for field in fields {
            let having =
                required.iter().filter(|list| list.as_array().unwrap().contains(&json!(field)));
            assert_eq!(having.count(), 1, "{name} {field}");
        }
        for kind in kinds {
            assert_eq!(schema(&document, kind)["additionalProperties"], false, "{name}");
        }
    }
}

/// The schema itself where it stands elsewhere.
fn schema<'a>(document: &'a Value, found: &'a Value) -> &'a Value {
    match found["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
        None => found,
    }
}

/// Whether an object has all members that a schema requires, and no others.
fn fits(document: &Value, found: &Value, value: &Value) -> bool {
    let found = schema(document, found);
    if let Some(kinds) = found["oneOf"].as_array() {
        return kinds.iter().filter(|kind| fits(document, kind, value)).count() == 1;
    }
    let members = value.as_object().unwrap();
    let known = found["properties"].as_object();
    let mut required = found["required"].as_array().into_iter().flatten();
    required.all(|name| members.contains_key(name.as_str().unwrap()))
        && members.keys().all(|name| known.is_some_and(|known| known.contains_key(name)))
}

/// The name and the data of each event in a text.
fn events(text: &str) -> Vec<(String, Value)> {
    let all = text.split("\n\n").filter_map(|event| {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let data = field("data: ").map(|data| serde_json::from_str(data).unwrap());
        Some((field("event: ")?.to_owned(), data?))
    });
    all.collect()
}

/// The names of the events that an operation describes; checks its examples.
fn described(document: &Value, operation: &Value) -> BTreeSet<String> {
    let body = &operation["responses"]["200"]["content"]["text/event-stream"];
    let mut names = BTreeSet::new();
    for kind in schema(document, &body["schema"]["items"])["oneOf"].as_array().unwrap() {
        let name = kind["properties"]["event"]["enum"][0].as_str().unwrap();
        let example = body["examples"][name]["value"].as_str().unwrap();
        assert_events_fit(document, operation, example);
        assert_eq!(events(example)[0].0, name);
        names.insert(name.to_owned());
    }
    names
}

/// Each event in a text is one of those that the operation describes.
fn assert_events_fit(document: &Value, operation: &Value, text: &str) {
    let body = &operation["responses"]["200"]["content"]["text/event-stream"];
    let kinds = schema(document, &body["schema"]["items"])["oneOf"].as_array().unwrap();
    let all = events(text);
    assert!(!all.is_empty(), "{text}");
    for (name, data) in all {
        let kind = kinds.iter().find(|kind| kind["properties"]["event"]["enum"][0] == name);
        let kind = kind.unwrap_or_else(|| panic!("{name} is not in the document"));
        assert!(fits(document, &kind["properties"]["data"], &data), "{name}: {data}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_send_the_events_that_the_document_describes() {
    let node = TestNode::start().await;
    let (fixture, admin) = (node.open_match().await, node.admin().await);
    let queue = format!("/api/admin/matches/{}/queue", fixture.id);
    admin.patch(&queue, &json!({"enabled": true})).await.expect(200);
    let document = document();
    let streams = operations(&document);
    let is_stream = |operation: &Value| {
        operation["responses"]["200"]["content"].get("text/event-stream").is_some()
    };
    let streams: Vec<_> = streams.into_iter().filter(|(_, found)| is_stream(found)).collect();
    assert_eq!(streams.len(), 3, "{streams:?}");
    for (name, operation) in streams {
        let names = described(&document, operation);
        // Only an event with an id can be the last one.
        assert_eq!(reads(operation, "Last-Event-ID"), names.contains("changes"), "{name}");
        let path = name.trim_start_matches("GET ").replace("{match}", &fixture.id);
        let path = path.replace("{block}", "1");
        let mut response = node.guest().request(reqwest::Method::GET, &path).send().await.unwrap();
        let (mut text, mut seen) = (String::new(), BTreeSet::new());
        while !(seen.contains("match") && seen.contains("serving")) {
            let chunk = response.chunk().await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
            seen = events(whole).into_iter().map(|(name, _)| name).collect();
        }
        assert_events_fit(&document, operation, &text[..text.rfind("\n\n").unwrap()]);
        assert!(seen.is_subset(&names), "{name}: {seen:?}");
    }
    node.finish().await;
}
