//! The client of Toss Payments: confirm a payment, ask about one, cancel one, list what moved.
//! Called by the payment flow, the reconciler and `verify`. A call never errs: what is not a
//! definitive answer is `Unknown`, and has to be settled by a look-up.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::client::{Answer, Call, Client};
use super::codes;
use super::payment::in_korea;
pub use super::payment::{
    GatewayCancel, GatewayFailure, GatewayPayment, GatewayReceipt, GatewayStatus,
    GatewayTransaction,
};

/// How many movements of money are asked for in one call: fewer than Toss's most (5,000 or 10,000,
/// as its documents differ), so that one page is quickly read. More of them would only save calls.
const TRANSACTIONS_PAGE: usize = 1000;

/// How to reach Toss. Has no `Debug`, so that the key cannot reach a log.
#[derive(Clone)]
pub struct TossSettings {
    /// Without a path, for example `https://api.tosspayments.com`.
    pub base_url: String,
    /// `test_sk_…`, `live_sk_…` or the widget kinds; sent as the user of Basic authentication.
    pub secret_key: String,
    /// The limit of a whole call with its repeats, in milliseconds, above 0. Lower: more
    /// outcomes are unknown and wait for the reconciler; higher: buyers wait longer for a 202.
    pub timeout_ms: u64,
}

/// How a confirmation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per call; never kept in numbers")]
pub enum Outcome {
    /// The money moved: status DONE, and the order, key and amount are the ones we asked for.
    Approved(GatewayPayment),
    /// No money moved, and with this payment key none will.
    Declined { code: String, message: String },
    /// Nobody can say yet; ask with `find_by_order`.
    Unknown { reason: String },
}

/// What the gateway knows about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per call; never kept in numbers")]
pub enum Lookup {
    /// A payment of this order. The caller compares the amount with its own.
    Found(GatewayPayment),
    NotFound,
    Unknown {
        reason: String,
    },
}

/// How a cancellation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per call; never kept in numbers")]
pub enum CancelOutcome {
    /// The money has gone back; `balance_amount` says what is left. It may have gone back
    /// through an earlier intent, when the whole payment was cancelled before.
    Canceled(GatewayPayment),
    /// Nothing moved. Toss replays this answer for the same intent for 15 days, so a later try
    /// needs a new one.
    Refused { code: String, message: String },
    /// Nobody can say yet; the same call with the same intent is safe.
    Unknown { reason: String },
}

/// A part of the list of all movements of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transactions {
    /// Oldest first; empty behind the last one.
    Page(Vec<GatewayTransaction>),
    Unknown {
        reason: String,
    },
}

/// The client; clones share connections.
#[derive(Clone)]
pub struct Toss {
    pub(super) client: Arc<Client>,
    /// Whether its calls count for `admits_new_payment`.
    counts: bool,
}

impl std::fmt::Debug for Toss {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Toss")
    }
}

impl Toss {
    /// Makes the client; connects at the first call. Errs when a setting cannot be used.
    pub fn new(settings: TossSettings) -> anyhow::Result<Self> {
        let client = Client::new(settings)?;
        Ok(Self { client: Arc::new(client), counts: true })
    }

    /// For calls that strangers can cause, or that nobody waits for: how they end does not hold new
    /// payments back.
    pub fn in_background(&self) -> Self {
        Self { client: self.client.clone(), counts: false }
    }

    /// Whether a new payment should begin now. False while the gateway has left several calls
    /// in a row without an answer, except for a trial every few seconds. Ask once per payment,
    /// before it begins; calls about a payment that has begun are always made.
    pub fn admits_new_payment(&self) -> bool {
        self.client.breaker.admits(Instant::now())
    }

    /// Asks Toss to take the money of an authenticated payment: `amount` KRW. Repeating the call
    /// is safe: within one `attempt` of ours Toss gives its first answer again for 15 days. Another
    /// attempt hears how the payment stands by then, never an approval whose money has gone back.
    pub async fn confirm(
        &self,
        payment_key: &str,
        order_id: &str,
        amount: i64,
        attempt: u32,
    ) -> Outcome {
        let call = Call {
            path: "/v1/payments/confirm".to_owned(),
            post: Some((
                confirm_key(order_id, payment_key, attempt),
                json!({ "paymentKey": payment_key, "orderId": order_id, "amount": amount }),
            )),
        };
        match self.client.call(&call, self.counts).await {
            Answer::Payment(payment) if payment.status == GatewayStatus::WaitingForDeposit => {
                self.refuse_deposit(payment_key).await
            }
            Answer::Payment(payment) => judge_approval(*payment, payment_key, order_id, amount),
            Answer::Error { status, code, message } if codes::declines_confirm(status, &code) => {
                Outcome::Declined { code, message }
            }
            other => Outcome::Unknown { reason: unknown_reason("confirm", order_id, other) },
        }
    }

    /// Asks what Toss knows about an order: the payment that has its money, or else the last one.
    pub async fn find_by_order(&self, order_id: &str) -> Lookup {
        if !is_possible_id(order_id) {
            return Lookup::Unknown { reason: "not a possible order id".to_owned() };
        }
        self.find(format!("orders/{order_id}"), |payment| payment.order_id == order_id).await
    }

    /// Asks what Toss knows about one payment. An order may have several, when its buyer has paid
    /// twice.
    pub async fn find_by_key(&self, payment_key: &str) -> Lookup {
        if !is_possible_id(payment_key) {
            // Toss never made such a key.
            return Lookup::NotFound;
        }
        self.find(payment_key.to_owned(), |payment| payment.payment_key == payment_key).await
    }

    async fn find(&self, which: String, is_it: impl Fn(&GatewayPayment) -> bool) -> Lookup {
        let call = Call { path: format!("/v1/payments/{which}"), post: None };
        match self.client.call(&call, self.counts).await {
            Answer::Payment(payment) if is_it(&payment) => Lookup::Found(*payment),
            Answer::Error { status: 404, code, .. } if code == "NOT_FOUND_PAYMENT" => {
                Lookup::NotFound
            }
            Answer::Payment(payment) => {
                let answered = payment.payment_key;
                tracing::error!(which, answered, "the gateway told of another payment");
                Lookup::Unknown { reason: "the answer is about another payment".to_owned() }
            }
            other => Lookup::Unknown { reason: unknown_reason("find", &which, other) },
        }
    }

    /// The movements of money between two times, both to the second and both included: the page
    /// behind the one with the key `after`, or the first. It has foreign orders of our account too.
    pub async fn transactions(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<&str>,
    ) -> Transactions {
        let seconds = |time| in_korea(time).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let (start, end) = (seconds(from), seconds(to));
        let mut path =
            format!("/v1/transactions?startDate={start}&endDate={end}&limit={TRANSACTIONS_PAGE}");
        if let Some(after) = after {
            if !is_possible_id(after) {
                return Transactions::Unknown { reason: "not a possible paging key".to_owned() };
            }
            path.push_str(&format!("&startingAfter={after}"));
        }
        match self.client.call(&Call { path, post: None }, self.counts).await {
            Answer::Transactions(page) => Transactions::Page(page),
            other => {
                Transactions::Unknown { reason: unknown_reason("transactions", &start, other) }
            }
        }
    }

    /// Gives money back: `amount` KRW, or all that is left. `intent` is our id of this one
    /// cancellation (at most 280 ASCII characters): the same intent has one effect, so a second
    /// partial refund of the same payment needs an intent of its own.
    pub async fn cancel(
        &self,
        payment_key: &str,
        intent: &str,
        reason: &str,
        amount: Option<i64>,
    ) -> CancelOutcome {
        if !is_possible_id(payment_key) {
            return CancelOutcome::Unknown { reason: "not a possible payment key".to_owned() };
        }
        let mut body = json!({ "cancelReason": reason });
        if let Some(amount) = amount {
            body["cancelAmount"] = amount.into();
        }
        let key = format!("cancel:{intent}");
        let canceled = self.cancel_with(payment_key, key.clone(), &body).await;
        let CancelOutcome::Refused { code, .. } = &canceled else { return canceled };
        if !codes::wants_account(code) {
            return canceled;
        }
        // What was paid into a virtual account goes to an account that the buyer has named.
        let Lookup::Found(payment) = self.find_by_key(payment_key).await else { return canceled };
        let Some(account) = payment.refund_account() else { return canceled };
        body["refundReceiveAccount"] = json!({
            "bank": account.bank_code,
            "accountNumber": account.account_number,
            "holderName": account.holder_name,
        });
        self.cancel_with(payment_key, format!("{key}:account"), &body).await
    }

    async fn cancel_with(
        &self,
        payment_key: &str,
        idempotency_key: String,
        body: &serde_json::Value,
    ) -> CancelOutcome {
        let call = Call {
            path: format!("/v1/payments/{payment_key}/cancel"),
            post: Some((idempotency_key, body.clone())),
        };
        match self.client.call(&call, self.counts).await {
            Answer::Payment(payment) => judge_cancel(*payment, payment_key),
            Answer::Error { code, .. } if codes::canceled_before(&code) => {
                self.find_canceled(payment_key).await
            }
            Answer::Error { status, code, message } if codes::refuses_cancel(status, &code) => {
                CancelOutcome::Refused { code, message }
            }
            other => {
                CancelOutcome::Unknown { reason: unknown_reason("cancel", payment_key, other) }
            }
        }
    }

    /// "Already cancelled" is believed only when the payment itself says so.
    async fn find_canceled(&self, payment_key: &str) -> CancelOutcome {
        match self.find_by_key(payment_key).await {
            Lookup::Found(payment) if payment.status == GatewayStatus::Canceled => {
                CancelOutcome::Canceled(payment)
            }
            Lookup::Found(payment) => {
                CancelOutcome::Unknown { reason: format!("the payment is {}", payment.status) }
            }
            Lookup::NotFound => CancelOutcome::Unknown { reason: "it is not there".to_owned() },
            Lookup::Unknown { reason } => CancelOutcome::Unknown { reason },
        }
    }
}

/// An approval counts only when it is for our order, our key and our amount.
fn judge_approval(
    payment: GatewayPayment,
    payment_key: &str,
    order_id: &str,
    amount: i64,
) -> Outcome {
    let is_ours = payment.payment_key == payment_key
        && payment.order_id == order_id
        && payment.total_amount == amount
        && payment.currency.as_deref().is_none_or(|currency| currency == "KRW");
    if !is_ours {
        tracing::error!(
            order_id,
            amount,
            answered_order = payment.order_id,
            answered_amount = payment.total_amount,
            "the gateway confirmed another payment than the one asked for"
        );
        return Outcome::Unknown { reason: "the answer is about another payment".to_owned() };
    }
    if payment.status != GatewayStatus::Done {
        return Outcome::Unknown { reason: format!("the payment is {}", payment.status) };
    }
    Outcome::Approved(payment)
}

fn judge_cancel(payment: GatewayPayment, payment_key: &str) -> CancelOutcome {
    let is_canceled =
        matches!(payment.status, GatewayStatus::Canceled | GatewayStatus::PartialCanceled);
    if payment.payment_key == payment_key && is_canceled {
        return CancelOutcome::Canceled(payment);
    }
    tracing::error!(
        payment_key,
        answered = payment.payment_key,
        status = payment.status.as_str(),
        "the gateway answered a cancellation with a payment that is not it"
    );
    CancelOutcome::Unknown { reason: "the answer is about another payment".to_owned() }
}

/// Puts an answer that settles nothing into words, and tells the operator when it is our fault.
fn unknown_reason(call: &'static str, subject: &str, answer: Answer) -> String {
    match answer {
        Answer::Payment(payment) => format!("the payment is {}", payment.status),
        Answer::Transactions(_) => "the answer is a list".to_owned(),
        Answer::Nothing { reason } => {
            tracing::warn!(call, subject, reason, "the gateway gave no answer");
            reason
        }
        Answer::Error { status, code, message } => {
            if codes::is_configuration(&code) {
                tracing::error!(call, subject, status, code, message, "gateway settings are wrong");
            } else {
                tracing::warn!(call, subject, status, code, message, "outcome unknown");
            }
            format!("HTTP {status} {code}")
        }
    }
}

/// All confirmations share one URL, so the key must tell payments apart. The payment key comes
/// from a browser and may hold anything; its hash is always a valid header.
fn confirm_key(order_id: &str, payment_key: &str, attempt: u32) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(format!("{order_id}\n{payment_key}\n{attempt}"));
    digest.iter().fold("confirm:".to_owned(), |mut key, byte| {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
        key
    })
}

/// Whether the text can be an id of Toss's, and so be put into a path as it is: letters, digits,
/// `-`, `_` and `=` cannot leave their segment.
fn is_possible_id(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
}
