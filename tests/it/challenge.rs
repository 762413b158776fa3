//! The challenge in front of a waiting room.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode};
use fake::Service;
use grandstand::node::NodeRole;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A service with the protocol `siteverify`: a single answer is right, and it counts once.
mod fake {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    pub(super) struct Service(pub(super) String);

    impl Service {
        pub(super) async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
            tokio::spawn(async move {
                let mut used = false;
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (mut text, mut part) = (String::new(), [0; 1024]);
                    while !text.contains("response=") {
                        let count = stream.read(&mut part).await.unwrap();
                        text.push_str(&String::from_utf8_lossy(&part[..count]));
                    }
                    let right =
                        text.contains("secret=a+secret") && text.ends_with("response=right");
                    let success = right && !used;
                    used |= right;
                    let body = format!("{{\"success\":{success},\"error-codes\":[]}}");
                    let head =
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                    let reply = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(reply.as_bytes()).await.unwrap();
                }
            });
            Self(url)
        }
    }
}

async fn with_queue(node: &TestNode, settings: Value) -> TestMatch {
    let fixture = node.open_match().await;
    let path = format!("/api/admin/matches/{}/queue", fixture.id);
    node.admin().await.put(&path, &settings).await.expect(200);
    fixture
}

/// Solves proof of work as `docs/API.md` says.
fn solve(challenge: &Value) -> Value {
    assert_eq!(challenge["kind"], "WORK");
    let (token, bits) = (challenge["token"].as_str().unwrap(), challenge["bits"].as_u64().unwrap());
    let fits = |answer: &u64| {
        let hash = Sha256::digest(format!("{token}:{answer}"));
        u64::from(u64::from_be_bytes(hash[..8].try_into().unwrap()).leading_zeros()) >= bits
    };
    let answer = (0..).find(fits).unwrap();
    json!({"challenge": {"token": token, "answer": answer.to_string()}})
}

async fn challenge_of(fan: &Client, path: &str, body: &Value) -> Value {
    fan.post(path, body).await.refused(403, "CHALLENGE_REQUIRED")["challenge"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_in_the_line_costs_work_of_the_user_who_joins() {
    let node = TestNode::start_with(|settings| settings.challenges.challenge_bits = 10).await;
    let other = node.another_node(NodeRole::Api).await;
    let free = with_queue(&node, json!({"enabled": true, "paused": true})).await;
    let fixture =
        with_queue(&node, json!({"enabled": true, "paused": true, "challenge": true})).await;
    let (anna, ben) = (node.user("anna").await, node.user("ben").await);
    anna.post(&free.path("/queue"), &Value::Null).await.expect(201);
    let path = fixture.path("/queue");
    let challenge = challenge_of(&anna, &path, &Value::Null).await;
    let solution = solve(&challenge);
    // The work of somebody else, another answer, and an unknown member.
    challenge_of(&ben, &path, &solution).await;
    let mut wrong = solution.clone();
    wrong["challenge"]["answer"] = json!("no");
    challenge_of(&anna, &path, &wrong).await;
    anna.post(&path, &json!({"answer": 1})).await.refused(400, "VALIDATION");
    // At another node than the one that made it. The response was lost, so the call is repeated.
    let elsewhere = Client { url: other.url(), ..anna.clone() };
    let place = elsewhere.post(&path, &solution).await.expect(201);
    for body in [&solution, &Value::Null] {
        assert_eq!(anna.post(&path, body).await.expect(201)["ticket"], place["ticket"]);
    }
    // The work counts for its user and its match as long as it lives.
    anna.delete(&path).await.expect(204);
    challenge_of(&anna, &path, &Value::Null).await;
    anna.post(&path, &solution).await.expect(201);
    challenge_of(&ben, &path, &solution).await;
    let another =
        with_queue(&node, json!({"enabled": true, "paused": true, "challenge": true})).await;
    challenge_of(&anna, &another.path("/queue"), &solution).await;
    other.stop().await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_may_decide_who_is_a_person() {
    let Service(url) = Service::start().await;
    let node = TestNode::start_with(|settings| {
        settings.challenges.challenge = "on".to_owned();
        settings.challenges.challenge_verify_url = url;
        settings.challenges.challenge_site_key = "public".to_owned();
        settings.challenges.challenge_secret = "a secret".to_owned();
    })
    .await;
    let fixture = with_queue(&node, json!({"enabled": true, "paused": true})).await;
    let (fan, path) = (node.user("fan").await, fixture.path("/queue"));
    let challenge = challenge_of(&fan, &path, &Value::Null).await;
    assert_eq!(challenge, json!({"kind": "WIDGET", "siteKey": "public"}));
    let answer = |text: &str| json!({"challenge": {"answer": text}});
    challenge_of(&fan, &path, &answer("wrong")).await;
    let place = fan.post(&path, &answer("right")).await.expect(201);
    // The response was lost, and the service takes an answer once.
    let again = fan.post(&path, &answer("right")).await.expect(201);
    assert_eq!(again["ticket"], place["ticket"]);
    node.finish().await;
}
