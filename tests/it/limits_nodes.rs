//! Limits that hold across nodes: two nodes together allow what one allows.

use crate::support::client::Client;
use crate::support::node::TestNode;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::config::Settings;
use grandstand::node::NodeRole;
use serde_json::json;

const PASSWORD: &str = "a password of tests";

fn limited(settings: &mut Settings) {
    settings.rates.rate_limits = "on".to_owned();
    settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    settings.rates.account_calls_per_minute = 1000;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_allow_as_many_sign_ups_as_one() {
    let node = TestNode::start_with(|settings| {
        limited(settings);
        settings.rates.sign_ups_per_hour = 4;
        settings.rates.sign_ups_per_address_block = 6;
    })
    .await;
    let other = node.another_node(NodeRole::Api).await;
    let guests = [node.guest(), Client::new(other.url(), None)];
    let sign_up = async |number: usize, from: &str| {
        let body = json!({"email": format!("fan{number}@test.example"), "password": PASSWORD});
        guests[number % 2].post_from(from, "/api/users/sign-up", &body).await
    };
    // Addresses of one network /64 of IPv6 are one caller.
    for number in 0..4 {
        sign_up(number, &format!("2001:db8:1:1::{number}")).await.expect(201);
    }
    let refused = sign_up(4, "2001:db8:1:1::9").await;
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3500..=3601).contains(&wait), "{wait}");
    refused.refused(429, "TOO_MANY_REQUESTS");
    // Other networks of the same /48 have what is left of the block.
    for number in 5..7 {
        sign_up(number, &format!("2001:db8:1:{number}::1")).await.expect(201);
    }
    sign_up(7, "2001:db8:1:7::1").await.refused(429, "TOO_MANY_REQUESTS");
    sign_up(8, "2001:db8:2:1::1").await.expect(201);
    other.stop().await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_allow_as_many_wrong_log_ins_as_one() {
    let node = TestNode::start_with(|settings| {
        limited(settings);
        settings.rates.wrong_log_ins_per_hour = 6;
    })
    .await;
    node.user("owner").await;
    let other = node.another_node(NodeRole::Api).await;
    let guests = [node.guest(), Client::new(other.url(), None)];
    let log_in = async |at: usize, from: &str, email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        guests[at % 2].post_from(from, "/api/users/log-in", &body).await.status
    };
    // The owner has logged in at this address before.
    for at in 0..2 {
        assert_eq!(log_in(at, "1.2.3.4", "owner@test.example", PASSWORD).await, 200);
    }
    let mut tried = 0;
    for number in 0..16 {
        let email = format!("nobody{number}@test.example");
        tried += u32::from(log_in(number, "1.2.3.4", &email, "a wrong one").await == 401);
    }
    // Each node learns of it with the first try that is too many.
    assert!((6..=8).contains(&tried), "{tried} tries were made");
    assert_eq!(log_in(0, "1.2.3.4", "owner@test.example", PASSWORD).await, 200);
    assert_eq!(log_in(0, "1.2.3.5", "nobody@test.example", "a wrong one").await, 401);
    other.stop().await;
    node.finish().await;
}

/// Each node alone would allow twice as many in all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_allow_as_many_guesses_at_an_account_as_one() {
    let node = TestNode::start_with(|settings| {
        limited(settings);
        settings.rates.log_ins_per_minute = 3;
    })
    .await;
    node.user("owner").await;
    let other = node.another_node(NodeRole::Api).await;
    let guests = [node.guest(), Client::new(other.url(), None)];
    let log_in = async |at: usize, from: &str, password: &str| {
        let body = json!({"email": "owner@test.example", "password": password});
        guests[at].post_from(from, "/api/users/log-in", &body).await.status
    };
    // The owner has logged in here before.
    assert_eq!(log_in(0, "1.2.3.4", PASSWORD).await, 200);
    for number in 0..30 {
        let from = format!("10.{}.0.1", number / 3);
        assert_eq!(log_in(number % 2, &from, "a guess").await, 401, "guess {number}");
    }
    // With the first guess that is too many a node learns of it. Then each address has one.
    for at in 0..2 {
        let guesses = [401, 401, 429];
        for (number, status) in guesses.into_iter().enumerate() {
            let from = format!("10.5{at}.0.1");
            assert_eq!(log_in(at, &from, "a guess").await, status, "node {at}, guess {number}");
        }
        // The owner logs in, also at an address that is new.
        assert_eq!(log_in(at, &format!("10.6{at}.0.1"), PASSWORD).await, 200);
    }
    // Where they have logged in before they may still mistype.
    for status in [401, 401, 200] {
        let password = if status == 200 { PASSWORD } else { "mistyped" };
        assert_eq!(log_in(0, "1.2.3.4", password).await, status);
    }
    other.stop().await;
    node.finish().await;
}

/// Somebody who has many addresses of one block does not guess more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_allow_as_many_wrong_log_ins_of_a_block_as_one() {
    let node = TestNode::start_with(|settings| {
        limited(settings);
        settings.rates.wrong_log_ins_per_hour = 1;
    })
    .await;
    let other = node.another_node(NodeRole::Api).await;
    let guests = [node.guest(), Client::new(other.url(), None)];
    let mut accounts = 0;
    let mut log_in = async |at: usize, from: String| {
        accounts += 1;
        let email = format!("nobody{accounts}@test.example");
        let body = json!({"email": email, "password": "a wrong one"});
        guests[at].post_from(&from, "/api/users/log-in", &body).await.status
    };
    // Each node learns of it with the first one that is too many.
    for number in 0..12 {
        assert_eq!(log_in(number % 2, format!("1.2.3.{number}")).await, 401, "{number}");
    }
    for at in 0..2 {
        assert_eq!(log_in(at, format!("1.2.3.{}", 20 + at)).await, 429);
        assert_eq!(log_in(at, format!("1.2.4.{at}")).await, 401);
    }
    other.stop().await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_admit_as_many_unverified_holders_as_one() {
    let node = TestNode::start_with(|settings| {
        limited(settings);
        settings.rates.unverified_holders_per_block = 2;
    })
    .await;
    let other = node.another_node(NodeRole::Api).await;
    let fixture = node.open_match().await;
    let mut fans = Vec::new();
    for number in 0..24 {
        let fan = node.user(&format!("fan{number}")).await;
        let url = [node.url(), other.url()][number % 2].clone();
        fans.push(Client { url, ..fan });
    }
    let path = fixture.path("/holds");
    let hold = async |fan: usize, seat: usize, from: &str| {
        fans[fan].post_from(from, &path, &json!({"seatIds": [seat]})).await
    };
    // Eight on each node are not counted, and two more on both together.
    let mut held = Vec::new();
    for fan in 0..20 {
        let answer = hold(fan, fan + 1, "1.2.3.4").await;
        if answer.status == 201 {
            held.push((fan, answer.expect(201)));
            continue;
        }
        let problem = answer.refused(429, "TOO_MANY_REQUESTS");
        assert!(problem["detail"].as_str().unwrap().contains("Verify yours"), "{problem}");
    }
    assert_eq!(held.len(), 18);
    // Somebody else is not concerned, and a user who counts already may hold more.
    hold(20, 21, "1.2.4.4").await.expect(201);
    hold(17, 25, "1.2.3.9").await.expect(201);
    hold(21, 22, "1.2.3.9").await.refused(429, "TOO_MANY_REQUESTS");
    // A user who buys makes room for another, whichever node they are at.
    let (buyer, hold_of) = held.pop().unwrap();
    let body = json!({"matchId": fixture.id, "holdId": hold_of["holdId"]});
    let buyer = Client { url: node.url(), ..fans[buyer].clone() };
    let reservation = buyer.post("/api/reservations", &body).await.expect(201);
    let payment = buyer.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    let body = json!({"paymentId": payment["id"], "paymentKey": key,
        "orderId": payment["orderId"], "amount": payment["amount"]});
    buyer.post_from("1.2.3.4", "/api/payments/confirm", &body).await.expect(200);
    hold(22, 22, "1.2.3.9").await.expect(201);
    hold(23, 23, "1.2.3.9").await.refused(429, "TOO_MANY_REQUESTS");
    other.stop().await;
    node.finish().await;
}

/// People type their password in the field of the e-mail, too. A fast hash of it, even as the name
/// of a counter, could be guessed by those who read Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_counter_has_a_fast_hash_of_what_people_type() {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    let node = TestNode::start_with(limited).await;
    let typed = "my-p@ssword.of-2026";
    let body = json!({"email": typed, "password": "fan@test.example"});
    node.guest().post("/api/users/log-in", &body).await.refused(401, "BAD_CREDENTIALS");
    let hash = Sha256::digest(typed);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash);
    let raw = node.raw().await;
    let keys = CustomCommand::new_static("KEYS", ClusterHash::Random, false);
    let names: Vec<String> = raw.custom(keys, vec!["*"]).await.unwrap();
    assert!(names.iter().any(|name| name.contains("wrong_log_ins_of_account")), "{names:?}");
    for name in names {
        for told in [typed, &hex[..16], &base64[..16]] {
            assert!(!name.contains(told), "{name}");
        }
    }
    node.finish().await;
}
