//! The client against the emulator, over real HTTP on this machine.

use crate::gateway::client::TossSettings;
use crate::gateway::toss::{CancelOutcome, ConfirmOutcome, GatewayStatus, Lookup, Toss};
use grandstand_emulator::{Emulator, EmulatorSettings};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;

const ORDER: &str = "order-000001";
const AMOUNT: i64 = 50_000;

/// An emulator, our client of it, and an HTTP client for the emulator's own calls.
struct Gateway {
    emulator: Emulator,
    toss: Toss,
    http: reqwest::Client,
}

impl Gateway {
    async fn start() -> Self {
        Self::start_with(EmulatorSettings::default(), 5_000).await
    }

    async fn start_with(settings: EmulatorSettings, timeout_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let secret_key = settings.secret_key.clone();
        let emulator = Emulator::start(listener, settings).unwrap();
        let toss = client(&emulator.url(), &secret_key, timeout_ms);
        let http = reqwest::Client::builder()
            .tls_certs_only([])
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { emulator, toss, http }
    }

    /// Creates a payment as a buyer would. `more` is added to the request.
    async fn pay(&self, order_id: &str, more: Value) -> String {
        let mut request = json!({ "orderId": order_id, "amount": AMOUNT });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = self.post("/_emulator/payments", &request).await;
        reply["paymentKey"].as_str().unwrap().to_owned()
    }

    async fn fault(&self, fault: Value) {
        let url = format!("{}/_emulator/faults", self.emulator.url());
        let reply = self.http.post(url).json(&fault).send().await.unwrap();
        assert_eq!(reply.status(), 204, "{}", reply.text().await.unwrap());
    }

    async fn end_faults(&self) {
        let url = format!("{}/_emulator/faults", self.emulator.url());
        assert_eq!(self.http.delete(url).send().await.unwrap().status(), 204);
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.emulator.url());
        self.http.post(url).json(body).send().await.unwrap().json().await.unwrap()
    }

    /// Sends a POST as a shop does, with additional headers. Returns status and body.
    async fn shop(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.emulator.url());
        let key = EmulatorSettings::default().secret_key;
        let request = self.http.post(url).basic_auth(key, Some("")).json(body);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    async fn ledger(&self) -> Vec<Value> {
        let url = format!("{}/_emulator/ledger", self.emulator.url());
        let reply: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        reply["payments"].as_array().unwrap().clone()
    }

    /// Waits until a look-up shows this status.
    async fn until_status(&self, order_id: &str, wanted: &GatewayStatus) {
        let all = async {
            loop {
                match self.toss.find_by_order(order_id).await {
                    Lookup::Found(payment) if payment.status == *wanted => return,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
    }
}

fn client(base_url: &str, secret_key: &str, timeout_ms: u64) -> Toss {
    let (base_url, secret_key) = (base_url.to_owned(), secret_key.to_owned());
    Toss::new(TossSettings { base_url, secret_key, timeout_ms }).unwrap()
}

fn assert_unknown(outcome: &ConfirmOutcome, part: &str) {
    let ConfirmOutcome::Unknown { reason } = outcome else { panic!("not unknown: {outcome:?}") };
    assert!(reason.contains(part), "{reason:?} does not contain {part:?}");
}

mod cancel;
mod confirm;
mod emulator;
mod transactions;
mod webhooks;
