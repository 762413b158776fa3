//! Limits: who counts as what, and what each response says about them.

use crate::support::client::{Answer, Client};
use crate::support::node::TestNode;
use grandstand::config::Settings;
use serde_json::{Value, json};

fn limited(settings: &mut Settings) {
    settings.rates.rate_limits = "on".to_owned();
}

fn header(answer: &Answer, name: &str) -> String {
    let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// A user who sends a token is not refused because of the neighbours behind the same address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_counts_as_a_user_and_a_stranger_as_an_address() {
    let node = TestNode::start_with(|settings| {
        limited(settings);
        settings.rates.calls_per_second = 5;
    })
    .await;
    let user = node.user("fan").await;
    let stranger = node.guest().with_token("made up");
    let mut refused = 0;
    for _ in 0..40 {
        let answer = stranger.get("/api/matches").await;
        refused += u32::from(answer.status == 429);
    }
    assert!(refused >= 20, "{refused} of 40 calls with a made-up token were refused");
    for _ in 0..15 {
        user.get("/api/users/me").await.expect(200);
    }
    node.finish().await;
}

/// Two users behind one address have each their own bucket, and one user at two addresses has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_response_says_what_is_left() {
    let node = TestNode::start_with(|settings| {
        limited(settings);
        settings.rates.confirms_per_minute = 2;
    })
    .await;
    let (anna, ben) = (node.user("anna").await, node.user("ben").await);
    let read = anna.get("/api/users/me").await;
    assert_eq!(header(&read, "ratelimit-policy"), "\"reads\";q=20;w=1");
    assert_eq!(header(&read, "ratelimit"), "\"reads\";r=19;t=1");
    let anonymous = node.guest().get("/api/matches").await;
    let policy = "\"calls\";q=200;w=1, \"calls_of_block\";q=2000;w=1";
    assert_eq!(header(&anonymous, "ratelimit-policy"), policy);
    let body = json!({"paymentId": uuid::Uuid::now_v7(), "paymentKey": "k", "orderId": "o",
        "amount": 1});
    for left in [1, 0] {
        let answer = anna.post("/api/payments/confirm", &body).await;
        assert!(header(&answer, "ratelimit").starts_with(&format!("\"confirms\";r={left};t=")));
    }
    let refused = anna.post("/api/payments/confirm", &body).await;
    let wait: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=31).contains(&wait), "{wait}");
    assert_eq!(header(&refused, "ratelimit"), format!("\"confirms\";r=0;t={wait}"));
    assert_eq!(header(&refused, "ratelimit-policy"), "\"confirms\";q=2;w=60");
    refused.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(ben.post("/api/payments/confirm", &body).await.status, 404);
    let metrics = node.operator().get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    // Other tests of this process count too.
    let line = "grandstand_rate_limited_total{limiter=\"confirms\"} ";
    assert!(metrics.contains(line), "{metrics}");
    let probe = node.guest().get("/health/live").await;
    assert_eq!(header(&probe, "ratelimit"), "");
    node.finish().await;
}

/// Streams of users count per user, and a fifth of all is kept for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_not_take_the_streams_of_users() {
    let node = TestNode::start_with(|settings| {
        limited(settings);
        settings.rates.streams_max = 10;
        settings.rates.streams_per_user = 2;
    })
    .await;
    let fixture = node.open_match().await;
    let (anna, ben) = (node.user("anna").await, node.user("ben").await);
    let path = fixture.path("/seats/events");
    let mut open = Vec::new();
    let mut watch = async |client: &Client| -> (u16, Value) {
        let response = client.request(reqwest::Method::GET, &path).send().await.unwrap();
        let status = response.status().as_u16();
        if status == 200 {
            open.push(response);
            return (status, Value::Null);
        }
        let problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        (status, problem["code"].clone())
    };
    for _ in 0..8 {
        assert_eq!(watch(&node.guest()).await.0, 200);
    }
    assert_eq!(watch(&node.guest()).await, (503, json!("OVERLOADED")));
    for _ in 0..2 {
        assert_eq!(watch(&anna).await.0, 200);
    }
    assert_eq!(watch(&ben).await, (503, json!("OVERLOADED")));
    open.truncate(4);
    let mut again = 0;
    crate::support::node::eventually("two streams of ben, and no more", || async {
        let response = ben.request(reqwest::Method::GET, &path).send().await.unwrap();
        (response.status() == 200).then_some(response)
    })
    .await;
    for _ in 0..5 {
        let response = anna.request(reqwest::Method::GET, &path).send().await.unwrap();
        again += u32::from(response.status() == 200);
        open.push(response);
    }
    assert_eq!(again, 2, "a user has two streams");
    drop(open);
    node.finish().await;
}
