//! Whatever a client sends, the response names the fault, and nothing changes.

use crate::support::client::{Answer, Client};
use crate::support::node::{TestMatch, TestNode, plan};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Sends a body as it is.
pub(crate) async fn send(
    client: &Client,
    path: &str,
    kind: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let mut request = client.request(Method::POST, path).timeout(Duration::from_secs(20));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    Answer::of(request.body(body).send().await.unwrap()).await
}

/// No seat of the match has changed.
async fn assert_untouched(node: &TestNode, fixture: &TestMatch) {
    let states = node.guest().get(&fixture.path("/seats")).await.expect(200);
    let all = json!([{"id": 1, "states": "A".repeat(20)}, {"id": 2, "states": "A".repeat(5)}]);
    assert_eq!((&states["blocks"], &states["version"]), (&all, &json!(0)));
}

pub(crate) fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
}

/// The payload of a token, which the test signs in other ways.
fn claims_of(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    serde_json::from_slice(&engine.decode(payload).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_token_that_this_installation_signed_and_that_is_in_time_is_accepted() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let good = fan.token.clone().unwrap();
    let claims = claims_of(&good);
    let secret = EncodingKey::from_secret(node.settings.jwt_secret.as_bytes());
    let sign = |algorithm, key: &EncodingKey, edit: &dyn Fn(&mut Value)| {
        let mut claims = claims.clone();
        edit(&mut claims);
        jsonwebtoken::encode(&Header::new(algorithm), &claims, key).unwrap()
    };
    let same = |_: &mut Value| {};
    fan.get("/api/users/me").await.expect(200);
    let again = sign(Algorithm::HS256, &secret, &same);
    Client::new(fan.url.clone(), Some(again)).get("/api/users/me").await.expect(200);
    let mut parts: Vec<&str> = good.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let unsigned = format!("{none}.{}.", parts[1]);
    let unsigned_with_tail = format!("{none}.{}.{}", parts[1], parts[2]);
    parts[2] = "AAAA";
    let set =
        |name: &'static str, value: Value| move |claims: &mut Value| claims[name] = value.clone();
    let drop_member = |name: &'static str| {
        move |claims: &mut Value| {
            claims.as_object_mut().unwrap().remove(name);
        }
    };
    let bad = [
        String::new(),
        "x".to_owned(),
        "x".repeat(8000),
        unsigned,
        unsigned_with_tail,
        parts.join("."),
        sign(Algorithm::HS512, &secret, &same),
        sign(
            Algorithm::HS256,
            &EncodingKey::from_secret(b"another secret of 32 characters.."),
            &same,
        ),
        sign(Algorithm::HS256, &secret, &set("exp", json!(1_700_000_000))),
        sign(Algorithm::HS256, &secret, &set("iss", json!("someone"))),
        sign(Algorithm::HS256, &secret, &set("aud", json!("something"))),
        sign(Algorithm::HS256, &secret, &set("sub", json!("nobody"))),
        sign(Algorithm::HS256, &secret, &set("role", json!("GOD"))),
        sign(Algorithm::HS256, &secret, &drop_member("exp")),
        sign(Algorithm::HS256, &secret, &drop_member("sub")),
        sign(Algorithm::HS256, &secret, &drop_member("aud")),
    ];
    for token in bad {
        let thief = Client::new(fan.url.clone(), Some(token.clone()));
        let answer = thief.hold(&fixture.id, &[1]).await;
        assert!(answer.headers.contains_key("www-authenticate"), "{token}: {}", answer.body);
        answer.refused(401, "UNAUTHORIZED");
    }
    for scheme in ["Basic", "bearer", "Token"] {
        let request = node.guest().request(Method::GET, "/api/users/me");
        let request = request.header("authorization", format!("{scheme} {good}"));
        let status = request.send().await.unwrap().status();
        // RFC 9110: schemes are the same in any case.
        assert_eq!(status.as_u16(), if scheme == "bearer" { 200 } else { 401 }, "{scheme}");
    }
    node.guest().hold(&fixture.id, &[1]).await.refused(401, "UNAUTHORIZED");
    assert_untouched(&node, &fixture).await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_with_an_unknown_seat_holds_nothing() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let hold = fixture.path("/holds");
    let unknown = fan.hold(&fixture.id, &[1, 26, 99]).await.refused(404, "SEAT_NOT_FOUND");
    assert_eq!(unknown["seatIds"], json!([26, 99]));
    let many: Vec<u32> = (1..=10_000).collect();
    for list in [&many[..], &[], &[0; 101]] {
        let problem = fan.hold(&fixture.id, list).await.refused(400, "VALIDATION");
        assert_eq!(fields(&problem), ["seatIds"]);
    }
    let twice = fan.hold(&fixture.id, &[1, 2, 1]).await.refused(400, "VALIDATION");
    assert_eq!(fields(&twice), ["seatIds[2]"]);
    fan.hold(&fixture.id, &[1, 2, 3, 4, 5]).await.refused(409, "SEAT_LIMIT");
    let wrong = [
        (json!({"seatIds": "1"}), "seatIds"),
        (json!({"seatIds": [1, "2"]}), "seatIds[1]"),
        (json!({"seatIds": [1, -2]}), "seatIds[1]"),
        (json!({"seatIds": [1.5]}), "seatIds[0]"),
        (json!({"seatIds": [4_294_967_297_u64]}), "seatIds[0]"),
        (json!({"seatIds": null}), "seatIds"),
        (json!({"seatIds": [1], "bestAvailable": {"count": 1}}), "seatIds"),
        (json!({"seatIds": [1], "seats": [2]}), "seats[0]"),
        (json!({}), "seatIds"),
        (json!([]), "body"),
        (json!([[1]]), "body"),
        (json!("x"), "body"),
    ];
    for (body, field) in wrong {
        let problem = fan.post(&hold, &body).await.refused(400, "VALIDATION");
        assert_eq!(fields(&problem), [field], "{body}: {problem}");
    }
    let hold = fixture.path("/allocation/seats/99/hold");
    fan.post(&hold, &Value::Null).await.refused(404, "SEAT_NOT_FOUND");
    assert_untouched(&node, &fixture).await;
    node.finish().await;
}

/// Not JSON, too large, or of another content type: the response says which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_body_is_refused_at_once() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let hold = fixture.path("/holds");
    let kind = Some("application/json");
    for broken in [
        "",
        "{",
        "{\"seatIds\":[1}",
        "{\"seatIds\":[1,2",
        "nul",
        "{\"seatIds\":[1]",
        "\u{feff}{}",
        "\0",
    ] {
        send(&fan, &hold, kind, broken).await.refused(400, "MALFORMED");
    }
    send(&fan, &hold, kind, "{\"seatIds\":[1]} trailing").await.refused(400, "MALFORMED");
    send(&fan, &hold, kind, vec![0xff, 0xfe, b'{']).await.refused(400, "MALFORMED");
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(send(&fan, &hold, kind, deep).await.status, 400);
    let good = "{\"seatIds\":[1]}";
    for other in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
        send(&fan, &hold, other, good).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let padded = |bytes: usize| format!("{{\"seatIds\":[1]{}}}", " ".repeat(bytes));
    send(&fan, &hold, kind, padded(100_000)).await.refused(413, "TOO_LARGE");
    // The node reads only a part of it. A client that still sends then may not see the response.
    let request = fan.request(Method::POST, &hold).header("content-type", "application/json");
    if let Ok(response) = request.body(padded(10_000_000)).send().await {
        Answer::of(response).await.refused(413, "TOO_LARGE");
    }
    // Without a content-length.
    let parts = vec![Ok::<_, std::io::Error>(padded(300_000))];
    let chunked = reqwest::Body::wrap_stream(futures::stream::iter(parts));
    send(&fan, &hold, kind, chunked).await.refused(413, "TOO_LARGE");
    assert_untouched(&node, &fixture).await;
    // The server is as alive as before.
    send(&fan, &hold, Some("Application/JSON; charset=utf-8"), good).await.expect(201);
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_id_or_parameter_is_refused_by_name() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (guest, fan) = (node.guest(), node.user("fan").await);
    for id in ["x", "1", "%00", "..%2f..", "00000000-0000-0000-0000-00000000000", "💺"] {
        for path in [format!("/api/matches/{id}"), format!("/api/matches/{id}/seats")] {
            let answer = guest.get(&path).await;
            assert!([400, 404].contains(&answer.status), "{path}: {}", answer.body);
            let code = answer.body["code"].as_str().unwrap().to_owned();
            answer.clone().refused(answer.status, &code);
            assert!(answer.status == 404 || fields(&answer.body) == ["match"], "{}", answer.body);
        }
        for (path, name) in [("reservations", "reservation"), ("payments", "payment")] {
            let wrong = fan.get(&format!("/api/{path}/{id}")).await.refused(400, "VALIDATION");
            assert_eq!(fields(&wrong), [name], "{id}");
        }
    }
    for block in ["x", "-1", "1.5", "99999999999"] {
        let path = fixture.path(&format!("/blocks/{block}/seats"));
        let wrong = guest.get(&path).await.refused(400, "VALIDATION");
        assert_eq!(fields(&wrong), ["block"]);
    }
    let queries = [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=101", "limit"),
        ("limit=70000", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("status=NICE", "status"),
        ("cursor=x", "cursor"),
        ("cursor=1_x", "cursor"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ];
    for (query, field) in queries {
        let problem = guest.get(&format!("/api/matches?{query}")).await.refused(400, "VALIDATION");
        let named = fields(&problem);
        let said = problem["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(named == [field] || said.contains(field), "{query}: {problem}");
    }
    let wrong = guest.get("/api/matches?limit=x").await.refused(400, "VALIDATION");
    assert_eq!(fields(&wrong), ["limit"], "{wrong}");
    node.finish().await;
}

/// A key has 1 to 255 visible characters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strange_idempotency_key_is_refused() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let (path, body) = (fixture.path("/holds"), json!({"seatIds": [1]}));
    for key in [String::new(), "x".repeat(256), "a b".to_owned(), "ключ".to_owned()] {
        let problem = fan.post_with_key(&path, &body, &key).await.refused(400, "VALIDATION");
        assert_eq!(fields(&problem), ["Idempotency-Key"]);
    }
    assert_untouched(&node, &fixture).await;
    let key = "x".repeat(255);
    let first = fan.post_with_key(&path, &body, &key).await.expect(201);
    assert_eq!(fan.post_with_key(&path, &body, &key).await.expect(201), first);
    let other = json!({"seatIds": [2]});
    fan.post_with_key(&path, &other, &key).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    // The key of one user says nothing about another's.
    let stranger = node.user("stranger").await;
    stranger.post_with_key(&path, &body, &key).await.refused(409, "SEAT_TAKEN");
    node.finish().await;
}

/// They would break a list, a page or a database later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_characters_are_refused() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (guest, admin) = (node.guest(), node.admin().await);
    for email in [
        "a\0@test.example",
        "a\n@test.example",
        "a b@test.example",
        "\u{7}@test.example",
        "@test.example",
        "a@",
        "a@b",
        "a@b@c.d",
        "",
        "no address",
    ] {
        let body = json!({"email": email, "password": "a password of tests"});
        let problem = guest.post("/api/users/sign-up", &body).await.refused(400, "VALIDATION");
        assert_eq!(fields(&problem), ["email"], "{email:?}");
    }
    let long = format!("{}@test.example", "x".repeat(250));
    let body = json!({"email": long, "password": "short"});
    let problem = guest.post("/api/users/sign-up", &body).await.refused(400, "VALIDATION");
    assert_eq!(fields(&problem), ["email", "password"]);
    for name in ["", " ", "a\0b", "a\nb", &"x".repeat(101)] {
        let body = json!({"siteId": fixture.site_id, "homeTeam": name, "awayTeam": "Bears",
            "startsAt": "2030-05-05T05:00:00Z"});
        let problem = admin.post("/api/admin/matches", &body).await.refused(400, "VALIDATION");
        assert_eq!(fields(&problem), ["homeTeam"], "{name:?}");
    }
    let places = [
        "/name",
        "/grades/0/name",
        "/areas/0/name",
        "/areas/0/sections/0/name",
        "/areas/0/sections/0/blocks/0/name",
        "/areas/0/sections/0/blocks/0/rows/0/label",
    ];
    for place in places {
        let mut plan = plan();
        *plan.pointer_mut(place).unwrap() = json!("a\0b");
        let problem = admin.post("/api/admin/sites", &plan).await.refused(400, "VALIDATION");
        assert_eq!(fields(&problem), [place]);
    }
    for (place, value) in [("/focus/0", json!(1e300)), ("/grades/0/price", json!(-1))] {
        let mut plan = plan();
        *plan.pointer_mut(place).unwrap() = value;
        admin.post("/api/admin/sites", &plan).await.refused(400, "VALIDATION");
    }
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_address_and_a_wrong_method_get_problem_documents() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (guest, fan) = (node.guest(), node.user("fan").await);
    for path in ["/nothing", "/api", "/api/", "/api/nothing", "/api/matches/", "/index.php"] {
        guest.get(path).await.refused(404, "NOT_FOUND");
    }
    let wrong = [
        (Method::DELETE, "/api/matches".to_owned(), "GET"),
        (Method::PUT, fixture.path("/holds"), "POST"),
        (Method::GET, "/api/users/sign-up".to_owned(), "POST"),
        (Method::PATCH, fixture.path("/queue"), "DELETE"),
        (Method::POST, "/health/live".to_owned(), "GET"),
    ];
    for (method, path, allowed) in wrong {
        let answer = Answer::of(fan.request(method, &path).send().await.unwrap()).await;
        let allow = answer.headers.get("allow").map(|value| value.to_str().unwrap().to_owned());
        assert!(allow.as_deref().is_some_and(|list| list.contains(allowed)), "{path}: {allow:?}");
        answer.refused(405, "METHOD_NOT_ALLOWED");
    }
    let id = "0198a2b4-req-17";
    let request = guest.request(Method::GET, "/api/nothing").header("x-request-id", id);
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.headers["x-request-id"], id);
    assert_eq!(answer.refused(404, "NOT_FOUND")["requestId"], id);
    node.finish().await;
}

/// A charge under such a key could neither be looked up nor given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_gateway_cannot_have_is_refused_before_anything_is_charged() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    let payment = fan.request_payment(&reservation).await;
    for key in ["a.b", "a:b", "..", "a/b", "a?b", "", &"k".repeat(201)] {
        let refused = fan.confirm(&payment, key).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "paymentKey", "{key}: {refused}");
    }
    let path = format!("/api/reservations/{}", reservation["id"].as_str().unwrap());
    assert_eq!(fan.get(&path).await.expect(200)["status"], "PENDING");
    node.finish().await;
}
