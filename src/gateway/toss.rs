//! The client of Toss Payments: confirm, look up and cancel a payment, and list movements of money.
//! The payment flow, the reconciler and `verify` call it. A call never fails: a reply that decides
//! nothing is `Unknown`, and a look-up has to settle it.

pub use crate::gateway::payment::{
    GatewayCancel, GatewayFailure, GatewayPayment, GatewayReceipt, GatewayStatus,
    GatewayTransaction,
};

use crate::gateway::client::{Call, Client, Reply, TossSettings};
use crate::gateway::codes;
use crate::gateway::payment::in_korea;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Instant;

/// Movements of money per call. The limit of Toss is 5,000 or 10,000 (its documentation has both).
/// A smaller page is read quickly; a larger page only saves calls.
const PAGE_TRANSACTIONS_MAX: usize = 1000;

/// The result of a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per call; never kept in numbers")]
pub enum ConfirmOutcome {
    /// The money moved: the status is DONE, and order, key and amount are those of the request.
    Approved(GatewayPayment),
    /// No money moved, and none will move with this payment key.
    Declined { code: String, message: String },
    /// Not known yet; `find_by_order` looks it up.
    Unknown { reason: String },
}

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per call; never kept in numbers")]
pub enum Lookup {
    /// The payment. The caller compares the amount with its own.
    Found(GatewayPayment),
    NotFound,
    Unknown {
        reason: String,
    },
}

/// The result of a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per call; never kept in numbers")]
pub enum CancelOutcome {
    /// The money has gone back, and `balance_amount` is left. An earlier intent may have returned
    /// it, when the whole payment was cancelled before.
    Canceled(GatewayPayment),
    /// No money moved. Toss replays this reply for the same intent for 15 days, so a later try
    /// needs a new intent.
    Refused { code: String, message: String },
    /// Not known yet. The same call with the same intent is safe.
    Unknown { reason: String },
}

/// The result of a call for a page of the movements of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transactions {
    /// The page, oldest first. It is empty behind the last movement.
    Page(Vec<GatewayTransaction>),
    Unknown {
        reason: String,
    },
}

/// The client. Clones share its connections.
#[derive(Clone)]
pub struct Toss {
    pub(super) client: Arc<Client>,
    /// Whether the calls of this clone count for `admits_new_payment`.
    counts: bool,
}

impl std::fmt::Debug for Toss {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Toss")
    }
}

impl Toss {
    /// Creates the client, which connects at its first call. Fails when a setting cannot be used.
    pub fn new(settings: TossSettings) -> anyhow::Result<Self> {
        let client = Client::new(settings)?;
        Ok(Self { client: Arc::new(client), counts: true })
    }

    /// Returns a client for calls that strangers can cause, or for which nobody waits. Their
    /// results cannot make the breaker refuse new payments.
    pub fn in_background(&self) -> Self {
        Self { client: self.client.clone(), counts: false }
    }

    /// Whether a new payment may begin now. False when the gateway has not replied to several calls
    /// in a row, except for a trial every few seconds. Ask once per payment, before it begins.
    /// Calls about a payment that has begun are always made.
    pub fn admits_new_payment(&self) -> bool {
        self.client.breaker.admits(Instant::now())
    }

    /// Asks Toss to charge an authenticated payment: `amount` KRW. The call can be repeated: within
    /// the same `attempt`, Toss sends its first reply again for 15 days. Another attempt gets the
    /// current state of the payment, and never an approval whose money has gone back.
    pub async fn confirm(
        &self,
        payment_key: &str,
        order_id: &str,
        amount: i64,
        attempt: u32,
    ) -> ConfirmOutcome {
        let call = Call {
            kind: "confirm",
            path: "/v1/payments/confirm".to_owned(),
            post: Some((
                confirm_key(order_id, payment_key, attempt),
                json!({ "paymentKey": payment_key, "orderId": order_id, "amount": amount }),
            )),
        };
        match self.client.call(&call, self.counts).await {
            Reply::Payment(payment) if payment.status == GatewayStatus::WaitingForDeposit => {
                self.refuse_deposit(payment_key).await
            }
            Reply::Payment(payment) => judge_approval(*payment, payment_key, order_id, amount),
            Reply::Error { status, code, message } if codes::declines_confirm(status, &code) => {
                ConfirmOutcome::Declined { code, message }
            }
            other => ConfirmOutcome::Unknown { reason: unknown_reason("confirm", order_id, other) },
        }
    }

    /// Looks up the payment of an order: the payment that has its money, or else the newest.
    pub async fn find_by_order(&self, order_id: &str) -> Lookup {
        if !is_possible_id(order_id) {
            return Lookup::Unknown { reason: "not a possible order id".to_owned() };
        }
        self.find(format!("orders/{order_id}"), |payment| payment.order_id == order_id).await
    }

    /// Looks up a payment by its key. An order has several payments when its buyer has paid twice.
    pub async fn find_by_key(&self, payment_key: &str) -> Lookup {
        if !is_possible_id(payment_key) {
            // No confirmation takes such a key. It is not `NotFound`, because that means that
            // nothing was charged.
            return Lookup::Unknown { reason: "not a possible payment key".to_owned() };
        }
        self.find(payment_key.to_owned(), |payment| payment.payment_key == payment_key).await
    }

    async fn find(&self, which: String, is_it: impl Fn(&GatewayPayment) -> bool) -> Lookup {
        let call = Call { kind: "find", path: format!("/v1/payments/{which}"), post: None };
        match self.client.call(&call, self.counts).await {
            Reply::Payment(payment) if is_it(&payment) => Lookup::Found(*payment),
            Reply::Error { status: 404, code, .. } if code == "NOT_FOUND_PAYMENT" => {
                Lookup::NotFound
            }
            Reply::Payment(payment) => {
                let (which, found) = (shortened(&which), shortened(&payment.payment_key));
                tracing::error!(which, found, "the gateway replied with another payment");
                Lookup::Unknown { reason: "the reply is about another payment".to_owned() }
            }
            other => Lookup::Unknown { reason: unknown_reason("find", &shortened(&which), other) },
        }
    }

    /// Lists the movements of money between two times, both to the second and inclusive. Returns
    /// the page behind the movement with the key `after`, or the first page. The list also has
    /// orders of other shops with the same account.
    pub async fn transactions(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<&str>,
    ) -> Transactions {
        let seconds = |time| in_korea(time).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let (start, end) = (seconds(from), seconds(to));
        let mut path = format!(
            "/v1/transactions?startDate={start}&endDate={end}&limit={PAGE_TRANSACTIONS_MAX}"
        );
        if let Some(after) = after {
            if !is_possible_id(after) {
                return Transactions::Unknown { reason: "not a possible paging key".to_owned() };
            }
            path.push_str(&format!("&startingAfter={after}"));
        }
        let call = Call { kind: "transactions", path, post: None };
        match self.client.call(&call, self.counts).await {
            Reply::Transactions(page) => Transactions::Page(page),
            other => {
                Transactions::Unknown { reason: unknown_reason("transactions", &start, other) }
            }
        }
    }

    /// Returns money to the buyer: `amount` KRW, or the whole balance. `intent` is our id of this
    /// cancellation (at most 280 ASCII characters). The same intent has one effect, so a second
    /// partial refund of a payment needs an intent of its own.
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
        // A deposit into a virtual account goes back to an account that the buyer has named.
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
            kind: "cancel",
            path: format!("/v1/payments/{payment_key}/cancel"),
            post: Some((idempotency_key, body.clone())),
        };
        match self.client.call(&call, self.counts).await {
            Reply::Payment(payment) => judge_cancel(*payment, payment_key),
            Reply::Error { code, .. } if codes::canceled_before(&code) => {
                self.find_canceled(payment_key).await
            }
            Reply::Error { status, code, message } if codes::refuses_cancel(status, &code) => {
                CancelOutcome::Refused { code, message }
            }
            other => CancelOutcome::Unknown {
                reason: unknown_reason("cancel", &shortened(payment_key), other),
            },
        }
    }

    /// Looks the payment up, because "already cancelled" counts only when the payment says so too.
    async fn find_canceled(&self, payment_key: &str) -> CancelOutcome {
        match self.find_by_key(payment_key).await {
            Lookup::Found(payment) if payment.status == GatewayStatus::Canceled => {
                CancelOutcome::Canceled(payment)
            }
            Lookup::Found(payment) => {
                CancelOutcome::Unknown { reason: format!("the payment is {}", payment.status) }
            }
            Lookup::NotFound => {
                CancelOutcome::Unknown { reason: "the payment does not exist".to_owned() }
            }
            Lookup::Unknown { reason } => CancelOutcome::Unknown { reason },
        }
    }
}

/// Accepts an approval only for our order, our key and our amount.
fn judge_approval(
    payment: GatewayPayment,
    payment_key: &str,
    order_id: &str,
    amount: i64,
) -> ConfirmOutcome {
    let is_ours = payment.payment_key == payment_key
        && payment.order_id == order_id
        && payment.total_amount == amount
        && payment.currency.as_deref().is_none_or(|currency| currency == "KRW");
    if !is_ours {
        tracing::error!(
            order_id,
            amount,
            found_order = payment.order_id,
            found_amount = payment.total_amount,
            "the gateway confirmed another payment"
        );
        return ConfirmOutcome::Unknown { reason: "the reply is about another payment".to_owned() };
    }
    if payment.status != GatewayStatus::Done {
        return ConfirmOutcome::Unknown { reason: format!("the payment is {}", payment.status) };
    }
    ConfirmOutcome::Approved(payment)
}

/// How many letters of a payment key a log shows: enough to find it in the gateway's console.
const SHOWN_LETTERS: usize = 6;

/// The last characters of a payment key, for the log: the whole key is a secret of the buyer.
pub(super) fn shortened(payment_key: &str) -> String {
    let letters = payment_key.chars().count();
    // A short key, or that of an order, would be shown as a whole.
    let shown = SHOWN_LETTERS.min(letters / 2);
    format!("…{}", payment_key.chars().skip(letters - shown).collect::<String>())
}

fn judge_cancel(payment: GatewayPayment, payment_key: &str) -> CancelOutcome {
    let is_canceled =
        matches!(payment.status, GatewayStatus::Canceled | GatewayStatus::PartialCanceled);
    if payment.payment_key == payment_key && is_canceled {
        return CancelOutcome::Canceled(payment);
    }
    tracing::error!(
        payment_key = shortened(payment_key),
        found = shortened(&payment.payment_key),
        status = payment.status.as_str(),
        "the gateway replied to a cancellation with another payment"
    );
    CancelOutcome::Unknown { reason: "the reply is about another payment".to_owned() }
}

/// Describes a reply that decides nothing. Logs an error when the settings are wrong.
fn unknown_reason(call: &'static str, subject: &str, reply: Reply) -> String {
    match reply {
        Reply::Payment(payment) => format!("the payment is {}", payment.status),
        Reply::Transactions(_) => "the reply is a list".to_owned(),
        Reply::Nothing { reason } => {
            tracing::warn!(call, subject, reason, "the gateway did not reply");
            reason
        }
        Reply::Error { status, code, message } => {
            if codes::is_configuration(&code) {
                tracing::error!(
                    call,
                    subject,
                    status,
                    code,
                    message,
                    "the settings of the gateway are wrong"
                );
            } else {
                tracing::warn!(
                    call,
                    subject,
                    status,
                    code,
                    message,
                    "the outcome of a call to the gateway is unknown"
                );
            }
            format!("HTTP {status} {code}")
        }
    }
}

/// Returns the idempotency key of a confirmation. All confirmations share a URL, so the key must
/// distinguish payments. The payment key comes from a browser and may contain any character, but
/// its hash is always a valid header.
fn confirm_key(order_id: &str, payment_key: &str, attempt: u32) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(format!("{order_id}\n{payment_key}\n{attempt}"));
    digest.iter().fold("confirm:".to_owned(), |mut key, byte| {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
        key
    })
}

/// Whether a text can be an id of Toss, and so be a part of a path as it is: letters, digits, `-`,
/// `_` and `=` cannot leave their segment.
pub fn is_possible_id(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
}
