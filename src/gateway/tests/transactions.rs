//! The list of all movements of money, as our client reads it and as the API sends it.

use super::*;
use crate::gateway::toss::{GatewayTransaction, Transactions};
use jiff::{SignedDuration, Timestamp};

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

impl Gateway {
    /// Returns the page behind `after` of the last hour.
    async fn page(&self, after: Option<&str>) -> Vec<GatewayTransaction> {
        let now = Timestamp::now();
        match self.toss.transactions(now - hours(1), now, after).await {
            Transactions::Page(page) => page,
            Transactions::Unknown { reason } => panic!("{reason}"),
        }
    }

    /// Sends the query of a shop. Returns status and body.
    async fn list(&self, query: &str) -> (u16, Value) {
        let url = format!("{}/v1/transactions?{query}", self.emulator.url());
        let key = EmulatorSettings::default().secret_key;
        let reply = self.http.get(url).basic_auth(key, Some("")).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    /// Makes two charges, and cancels the first of them in two parts.
    async fn four_movements(&self) {
        for order in [ORDER, "order-000002"] {
            let key = self.pay(order, json!({})).await;
            self.toss.confirm(&key, order, AMOUNT, 1).await;
        }
        let key = self.ledger().await[0]["paymentKey"].as_str().unwrap().to_owned();
        self.toss.cancel(&key, "part-1", "test", Some(10_000)).await;
        self.toss.cancel(&key, "part-2", "test", None).await;
        let declined = self.pay("order-000003", json!({ "confirm": "decline" })).await;
        self.toss.confirm(&declined, "order-000003", AMOUNT, 1).await;
        self.pay("order-000004", json!({})).await;
    }
}

fn orders(page: &[GatewayTransaction]) -> Vec<&str> {
    page.iter().map(|transaction| transaction.order_id.as_str()).collect()
}

/// Each movement is listed once, and a page begins behind a key.
#[tokio::test]
async fn movements_of_money_are_listed_oldest_first() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.page(None).await, vec![]);
    gateway.four_movements().await;
    let all = gateway.page(None).await;
    assert_eq!(orders(&all), [ORDER, "order-000002", ORDER, ORDER]);
    assert_eq!(gateway.page(Some(&all[1].transaction_key)).await, all[2..]);
    assert_eq!(gateway.page(Some(&all[3].transaction_key)).await, vec![]);

    let now = Timestamp::now();
    let before = gateway.toss.transactions(now - hours(2), now - hours(1), None).await;
    assert_eq!(before, Transactions::Page(vec![]), "both sides use Korean time");
}

#[tokio::test]
async fn the_list_has_the_documented_form() {
    let gateway = Gateway::start().await;
    gateway.four_movements().await;
    let range = "startDate=2020-01-01T00:00:00&endDate=2099-12-31T23:59:59.999";
    let (status, all) = gateway.list(range).await;
    assert_eq!(status, 200);
    let all = all.as_array().unwrap();
    let of =
        |field: &str| all.iter().map(|transaction| transaction[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("status"), ["DONE", "DONE", "PARTIAL_CANCELED", "CANCELED"]);
    assert_eq!(of("amount"), [50_000, 50_000, -10_000, -40_000]);
    let fields = "mId transactionKey paymentKey orderId method customerKey useEscrow receiptUrl \
        status transactionAt currency amount";
    for field in fields.split_whitespace() {
        assert!(all[0].get(field).is_some(), "{field} is missing");
    }
    assert!(all[0]["transactionAt"].as_str().unwrap().ends_with("+09:00"));

    let after = all[0]["transactionKey"].as_str().unwrap();
    let (_, page) = gateway.list(&format!("{range}&startingAfter={after}&limit=2")).await;
    assert_eq!(page.as_array().unwrap()[..], all[1..3]);

    for (query, code) in [
        ("startDate=2020-01-01T00:00:00".to_owned(), "INVALID_REQUEST"),
        ("startDate=yesterday&endDate=today".to_owned(), "INVALID_REQUEST"),
        ("startDate=2020-01-02&endDate=2020-01-01".to_owned(), "INVALID_REQUEST"),
        (format!("{range}&limit=0"), "INVALID_REQUEST"),
        (format!("{range}&limit=10001"), "INVALID_REQUEST"),
        (format!("{range}&startingAfter=tx_unknown"), "INVALID_TRANSACTION_KEY"),
    ] {
        let (status, reply) = gateway.list(&query).await;
        assert_eq!((status, reply["code"].as_str()), (400, Some(code)), "{query}");
    }
}

#[tokio::test]
async fn the_list_survives_a_restart_of_a_gateway_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let ledger_path = Some(folder.path().join("ledger.jsonl"));
    let settings = EmulatorSettings { ledger_path, ..EmulatorSettings::default() };
    let gateway = Gateway::start_with(settings.clone(), 5_000).await;
    gateway.four_movements().await;
    let before = gateway.page(None).await;
    gateway.emulator.stop().await;
    let gateway = Gateway::start_with(settings, 5_000).await;
    assert_eq!(gateway.page(None).await, before);
}

/// A failed call must not look like an empty list.
#[tokio::test]
async fn a_list_that_fails_is_unknown() {
    let gateway = Gateway::start().await;
    let now = Timestamp::now();
    for fault in ["dropBefore", "dropAfter", "errorBefore", "errorAfter"] {
        gateway.fault(json!({ "call": "transactions", "kind": fault, "count": 1 })).await;
        let reply = gateway.toss.transactions(now - hours(1), now, None).await;
        assert!(matches!(reply, Transactions::Unknown { .. }), "{fault}: {reply:?}");
    }
    for after in ["tx_unknown", "a&limit=1", ""] {
        let reply = gateway.toss.transactions(now - hours(1), now, Some(after)).await;
        assert!(matches!(reply, Transactions::Unknown { .. }), "{after}: {reply:?}");
    }
}
