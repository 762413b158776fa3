//! Requests of strangers that nearly look right: webhooks with the names of the gateway, tokens and
//! API keys of strange content, cursors of every list, ids of events. Each gets a response that
//! blames the client or does nothing, and nothing changes.

use crate::outside::{json, runner, text};
use crate::route_table::ROUTES;
use crate::support::client::{Client, plain_http};
use crate::support::node::eventually;
use crate::support::sale::{Sale, path_of};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grandstand::domain::ids::{Partition, PaymentId, SiteId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::Duration;

/// A usual run has 64 cases of each kind.
const DIVISOR: u32 = 4;
const CASE_TIMEOUT: Duration = Duration::from_secs(5);
/// The look-ups at the gateway that forged webhooks must have caused: there are two payments.
const LOOKS: u64 = 2;

/// Sends a request; the status of its response, of which only the head is read.
async fn status_of(request: RequestBuilder) -> u16 {
    let sent = tokio::time::timeout(CASE_TIMEOUT, request.send()).await;
    sent.expect("no request hangs").unwrap().status().as_u16()
}

/// The values of a strategy, as many as a run has.
fn values<S: Strategy>(strategy: S) -> Vec<S::Value> {
    let mut runner = runner(DIVISOR);
    let cases = runner.config().cases;
    (0..cases).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// A sale with a seat that is sold, and a seat that is paid at the gateway and not confirmed.
struct Scene {
    sale: Sale,
    reservations: [Value; 2],
    orders: Vec<String>,
    keys: Vec<String>,
}

impl Scene {
    async fn begin() -> Self {
        let sale = Sale::with(|_| {}).start().await;
        let (sold, payment, key) = sale.ready(&[1]).await;
        sale.fan.confirm(&payment, &key).await.expect(200);
        let (ready, other, other_key) = sale.ready(&[2]).await;
        let order = |payment: &Value| payment["orderId"].as_str().unwrap().to_owned();
        let orders = vec![order(&payment), order(&other)];
        Self { sale, reservations: [sold, ready], orders, keys: vec![key, other_key] }
    }

    /// What the buyer and the gateway see of both seats.
    async fn state(&self) -> Value {
        let mut seen = Vec::new();
        for reservation in &self.reservations {
            seen.push(self.sale.fan.get(&path_of(reservation)).await.expect(200));
        }
        let seats = self.sale.node.guest().get(&self.sale.fixture.path("/seats")).await;
        json!([seen, seats.expect(200)["blocks"], self.sale.node.ledger_entries().await])
    }

    /// Nothing has changed, and the node sells.
    async fn end(self, before: Value) {
        assert_eq!(self.state().await, before);
        self.sale.sold(&[5]).await;
        self.sale.finish().await;
    }
}

/// Bodies with the names that the gateway uses, at both places where it puts them.
fn webhooks(orders: Vec<String>, keys: Vec<String>) -> impl Strategy<Value = Value> {
    let strange = PaymentId::new(Partition(4000)).order_id();
    let near = select(vec![strange, "gs-".to_owned(), PaymentId::new(Partition(0)).order_id()]);
    let texts = |real: Vec<String>| prop_oneof![4 => select(real), 1 => text()];
    let statuses = "READY|IN_PROGRESS|WAITING_FOR_DEPOSIT|DONE|CANCELED|PARTIAL_CANCELED|\
        ABORTED|EXPIRED|done|[A-Z_]{0,300}";
    let any = |known: BoxedStrategy<String>| {
        let known = known.prop_map(Value::from);
        prop_oneof![6 => known, 1 => json(), 1 => Just(Value::Null)]
    };
    let order = any(prop_oneof![3 => texts(orders), 1 => near].boxed());
    let key = any(prop_oneof![2 => texts(keys), 1 => "[ -~]{0,400}"].boxed());
    let status = any(statuses.boxed());
    let event = any("PAYMENT_STATUS_CHANGED|DEPOSIT_CALLBACK|CANCEL_STATUS_CHANGED".boxed());
    let payment = (order, key, status, json()).prop_map(|(order, key, status, more)| {
        json!({"orderId": order, "paymentKey": key, "status": status, "totalAmount": more,
            "secret": more, "cancels": more})
    });
    (event, payment, 0..3).prop_map(|(event, payment, form)| match form {
        0 => payment,
        1 => json!({"eventType": event, "createdAt": "2030-05-05T05:00:00.000", "data": payment}),
        _ => json!({"eventType": event, "data": [payment.clone()], "orderId": payment["orderId"]}),
    })
}

/// The payments that they name are looked up at the gateway, and only what it says counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_of_any_content_are_heard_and_change_nothing() {
    let scene = Scene::begin().await;
    scene.sale.node.verify().await;
    let before = scene.state().await;
    let node = &scene.sale.node;
    // It does no harm, and shows that the gateway was asked.
    node.fault(&json!({"call": "lookup", "kind": "latency", "minMs": 1, "count": LOOKS})).await;
    let guest = node.guest();
    for body in values(webhooks(scene.orders.clone(), scene.keys.clone())) {
        let request = guest.request(Method::POST, "/api/payments/webhooks/toss").json(&body);
        // A refusal would be repeated for days.
        assert_eq!(status_of(request).await, 200, "{body}");
    }
    eventually("the gateway was asked", || async {
        let url = format!("{}/_emulator/faults", node.emulator.url());
        let faults: Value = plain_http().get(url).send().await.ok()?.json().await.ok()?;
        faults["faults"].as_array()?.is_empty().then_some(())
    })
    .await;
    scene.end(before).await;
}

/// Three parts in base64url. Half of them have a right signature, so that the claims are read.
fn tokens(secret: String, right: Value) -> impl Strategy<Value = String> {
    let header = prop_oneof![
        3 => Just(json!({"alg": "HS256", "typ": "JWT"})),
        1 => "HS256|HS384|RS256|none|[a-zA-Z]{0,9}".prop_map(|alg| json!({"alg": alg})),
        1 => (json(), text()).prop_map(|(alg, kid)| json!({"alg": alg, "kid": kid})),
        1 => json(),
    ];
    let names = "sub|emailVerified|secondFactor|role|sites|ver|sid|iat|exp|iss|aud|nbf";
    let far = prop_oneof![
        Just(json!(i64::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(u64::MAX)),
        Just(json!(SiteId::new(Partition(4000)))),
        Just(json!(UserId::new(Partition(4000)))),
        "ADMIN|ORGANISER|USER".prop_map(Value::from),
        json(),
    ];
    let changes = proptest::collection::btree_map(names, far, 0..4);
    let claims = prop_oneof![
        4 => changes.prop_map(move |changes| {
            let mut claims = right.clone();
            claims.as_object_mut().unwrap().extend(changes);
            claims
        }),
        1 => json(),
    ];
    (header, claims, any::<bool>(), text()).prop_map(move |(header, claims, signed, garbage)| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let key = EncodingKey::from_secret(secret.as_bytes());
        let right = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        let signature = if signed { right } else { URL_SAFE_NO_PAD.encode(garbage) };
        format!("{message}.{signature}")
    })
}

/// Texts that begin like an API key; some have the form of one, in a partition that is not there.
fn keys() -> impl Strategy<Value = String> {
    let secret = "[A-Za-z0-9_-]{43}";
    let id = (0..5000_u16).prop_map(|partition| UserId::new(Partition(partition)).key());
    prop_oneof![
        (id, secret).prop_map(|(id, secret)| format!("gsk_{id}{secret}")),
        "gsk_[A-Za-z0-9_-]{65}",
        "gsk_[!-~]{0,90}",
        "(gsk_){1,9}[A-Za-z0-9]{0,70}",
    ]
}

/// The claims in the token of a client.
fn claims_of(client: &Client) -> Value {
    let token = client.token.as_deref().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// Also those with a right signature, which another release may have made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_keys_of_any_content_get_a_session_or_a_refusal() {
    let scene = Scene::begin().await;
    scene.sale.node.verify().await;
    let before = scene.state().await;
    let node = &scene.sale.node;
    let guest = node.guest();
    let signed = tokens(node.settings.jwt_secret.clone(), claims_of(&scene.sale.fan));
    let mut seen = [0_u32; 2];
    for token in values(prop_oneof![3 => signed, 1 => keys()]) {
        let client = guest.with_token(&token);
        for path in ["/api/users/me", "/api/reservations", "/api/admin/sites"] {
            let status = status_of(client.request(Method::GET, path)).await;
            assert!(matches!(status, 200 | 401 | 403), "{status}: {path} with {token}");
            seen[usize::from(status == 200)] += 1;
        }
        // It would change something, if seat 1 were not sold.
        let body = json!({"seatIds": [1]});
        let request = client.request(Method::POST, &scene.sale.fixture.path("/holds"));
        let status = status_of(request.json(&body)).await;
        assert!((400..500).contains(&status), "{status}: a hold with {token}");
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}: some of them are right");
    scene.end(before).await;
}

/// Texts like the cursors that lists give.
fn cursors() -> impl Strategy<Value = String> {
    let number = "[0-9]{1,22}|-[0-9]{1,20}|18446744073709551615";
    let id = (0..5000_u16).prop_map(|partition| SiteId::new(Partition(partition)).key());
    prop_oneof![
        text(),
        number,
        id.clone(),
        ("[0-9]{1,20}", id, "[._:|-]").prop_map(|(ms, id, mark)| format!("{ms}{mark}{id}")),
        "[A-Za-z0-9_-]{20,24}",
        "[A-Za-z0-9_-]{1,400}={0,2}",
        json().prop_map(|value| URL_SAFE_NO_PAD.encode(value.to_string())),
    ]
}

/// The document names the lists, so a new one is tried, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_of_any_text_are_read_or_refused_by_every_list() {
    let scene = Scene::begin().await;
    let admin = scene.sale.node.admin().await;
    let before = scene.state().await;
    let document = scene.sale.node.guest().get("/api-docs/openapi.json").await.body;
    let has_cursor = |route: &&str| {
        let (method, path) = route.split_once(' ').unwrap();
        let parameters = document["paths"][path][method.to_lowercase()]["parameters"].as_array();
        parameters.into_iter().flatten().any(|parameter| parameter["name"] == "cursor")
    };
    let routes: Vec<&str> = ROUTES.iter().map(|(route, _)| *route).filter(has_cursor).collect();
    assert!(routes.len() >= 6, "{routes:?}");
    for cursor in values(cursors()) {
        let cursor = utf8_percent_encode(&cursor, NON_ALPHANUMERIC).to_string();
        for route in &routes {
            let path = route.split_once(' ').unwrap().1;
            let path = path.replace("{match}", &scene.sale.fixture.id);
            let path = path.replace("{site}", &scene.sale.fixture.site_id);
            for rest in ["", "&limit=1"] {
                let path = format!("{path}?cursor={cursor}{rest}");
                let status = status_of(admin.request(Method::GET, &path)).await;
                assert!(matches!(status, 200 | 400), "{status}: {path}");
            }
        }
    }
    scene.end(before).await;
}

/// Ids of events that a node may have sent, long ago, or for another match, or never.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_begins_behind_any_position() {
    let scene = Scene::begin().await;
    let before = scene.state().await;
    let number = "0|1|[0-9]{1,20}|9007199254740993|18446744073709551615|18446744073709551616";
    let near = proptest::collection::vec(number, 1..5)
        .prop_flat_map(|parts| select(vec!["-", ":", "."]).prop_map(move |by| parts.join(by)));
    for id in values(near) {
        let streams = ["/seats/events", "/blocks/1/seats/events"];
        for path in streams.map(|stream| scene.sale.fixture.path(stream)) {
            let by_header = scene.sale.fan.request(Method::GET, &path).header("last-event-id", &id);
            let by_query = format!("{path}?lastEventId={id}");
            for request in [by_header, scene.sale.fan.request(Method::GET, &by_query)] {
                let response = tokio::time::timeout(CASE_TIMEOUT, request.send()).await;
                let mut response = response.expect("no request hangs").unwrap();
                let status = response.status().as_u16();
                assert!(matches!(status, 200 | 400), "{status}: {path} behind {id}");
                if status == 200 {
                    let first = tokio::time::timeout(CASE_TIMEOUT, response.chunk()).await;
                    let first = first.expect("a stream begins").unwrap().unwrap();
                    assert!(first.starts_with(b"retry: "), "{path} behind {id}: {first:?}");
                }
            }
        }
    }
    scene.end(before).await;
}
