//! The emulated gateway of a node under test: its page, its faults and its own books.

use crate::support::client::plain_http;
use crate::support::node::TestNode;
use serde_json::{Value, json};

impl TestNode {
    /// A payment key, as the page of the gateway makes it. Its confirmation will end as `confirm`
    /// says: `approve`, `decline` or `waitForDeposit`.
    pub async fn pay_at_gateway(&self, payment: &Value, confirm: &str) -> String {
        let body = json!({"orderId": payment["orderId"], "amount": payment["amount"],
            "confirm": confirm});
        let url = format!("{}/_emulator/payments", self.emulator.url());
        let answer: Value =
            plain_http().post(url).json(&body).send().await.unwrap().json().await.unwrap();
        answer["paymentKey"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Lets the next calls of the gateway fail: `{"call": "confirm", "kind": "dropAfter"}`.
    pub async fn fault(&self, fault: &Value) {
        let url = format!("{}/_emulator/faults", self.emulator.url());
        let answer = plain_http().post(url).json(fault).send().await.unwrap();
        assert_eq!(answer.status(), 204, "{fault}");
    }

    /// Lets the gateway send a webhook for each change of a payment.
    pub async fn send_webhooks(&self) {
        let url = format!("{}/_emulator/webhook", self.emulator.url());
        let to = json!({"url": format!("{}/api/payments/webhooks/toss", self.url())});
        assert_eq!(plain_http().put(url).json(&to).send().await.unwrap().status(), 204);
    }

    /// Ends all faults of the gateway.
    pub async fn clear_faults(&self) {
        let url = format!("{}/_emulator/faults", self.emulator.url());
        plain_http().delete(url).send().await.unwrap();
    }

    /// The status of each payment in the gateway's own books.
    pub async fn ledger(&self) -> Vec<String> {
        let payments = self.ledger_entries().await;
        payments.iter().map(|payment| payment["status"].as_str().unwrap().to_owned()).collect()
    }

    /// Every payment in the gateway's own books.
    pub async fn ledger_entries(&self) -> Vec<Value> {
        let url = format!("{}/_emulator/ledger", self.emulator.url());
        let books: Value = plain_http().get(url).send().await.unwrap().json().await.unwrap();
        books["payments"].as_array().unwrap().clone()
    }
}
