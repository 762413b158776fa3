//! Webhooks, received by a real server.

use super::*;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use std::sync::Arc;

/// A shop that receives webhooks, and refuses the first few.
#[derive(Clone)]
struct Shop {
    got: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    refusals_left: Arc<Mutex<u32>>,
}

impl Shop {
    async fn start(refusals: u32) -> (Self, String) {
        let shop = Self { got: Arc::default(), refusals_left: Arc::new(Mutex::new(refusals)) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/webhook", axum::routing::post(take))
            .with_state(shop.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (shop, url)
    }

    /// Waits until there are `count` webhooks, and returns them.
    async fn until(&self, count: usize) -> Vec<(HeaderMap, Value)> {
        let enough = async {
            while self.got.lock().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), enough).await.unwrap();
        self.got.lock().clone()
    }
}

async fn take(
    State(shop): State<Shop>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> StatusCode {
    shop.got.lock().push((headers, body));
    let mut refusals_left = shop.refusals_left.lock();
    if *refusals_left > 0 {
        *refusals_left -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    StatusCode::OK
}

async fn gateway_with_shop(refusals: u32) -> (Gateway, Shop) {
    let (shop, url) = Shop::start(refusals).await;
    let settings = EmulatorSettings {
        webhook_url: Some(url),
        webhook_time_factor: 0.0,
        ..EmulatorSettings::default()
    };
    (Gateway::start_with(settings, 5_000).await, shop)
}

fn header<'got>(got: &'got (HeaderMap, Value), name: &str) -> &'got str {
    got.0[format!("tosspayments-webhook-transmission-{name}").as_str()].to_str().unwrap()
}

#[tokio::test]
async fn a_webhook_is_repeated_until_the_shop_responds_with_200() {
    let (gateway, shop) = gateway_with_shop(2).await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    let got = shop.until(3).await;
    for (index, webhook) in got.iter().enumerate() {
        assert_eq!(header(webhook, "retried-count"), index.to_string());
        assert_eq!(header(webhook, "id"), header(&got[0], "id"));
        assert!(header(webhook, "time").ends_with("+09:00"));
        assert_eq!(webhook.1["eventType"], "PAYMENT_STATUS_CHANGED");
        assert_eq!(webhook.1["data"]["paymentKey"], key);
        assert_eq!(webhook.1["data"]["status"], "DONE");
        assert_eq!(webhook.1["createdAt"].as_str().unwrap().len(), 26);
    }
}

#[tokio::test]
async fn a_webhook_has_at_most_seven_repeats() {
    let (gateway, shop) = gateway_with_shop(8).await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    shop.until(8).await;
    gateway.toss.cancel(&key, "refund-1", "test", None).await;
    let got = shop.until(9).await;
    let last = got.last().unwrap();
    assert_eq!(
        (header(last, "retried-count"), last.1["data"]["status"].as_str()),
        ("0", Some("CANCELED"))
    );
    assert_eq!(got.len(), 9, "no ninth try of the first webhook");
}

#[tokio::test]
async fn webhooks_arrive_twice_or_in_another_order_on_request() {
    let (gateway, shop) = gateway_with_shop(0).await;
    gateway.fault(json!({ "kind": "reorder", "count": 1 })).await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    gateway.toss.cancel(&key, "part-1", "test", Some(10_000)).await;
    let got = shop.until(2).await;
    let states: Vec<_> = got.iter().map(|got| got.1["data"]["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["PARTIAL_CANCELED", "DONE"]);

    gateway.fault(json!({ "kind": "duplicate", "copies": 1, "count": 1 })).await;
    gateway.toss.cancel(&key, "part-2", "test", None).await;
    let got = shop.until(4).await;
    assert_eq!(header(&got[2], "id"), header(&got[3], "id"));
    assert_eq!(got[3].1["data"]["status"], "CANCELED");
}
