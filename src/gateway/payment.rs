//! The part of Toss's Payment and Transaction objects that Grandstand reads. Fields that we do not
//! know are ignored, and a status that we do not know is kept as text.

use serde::Deserialize;

/// A payment as the gateway describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayPayment {
    /// The gateway's id of the payment (at most 200 characters).
    pub payment_key: String,
    /// Our id of the order (6 to 64 characters).
    pub order_id: String,
    pub status: GatewayStatus,
    /// The amount of the order, in the unit of `currency` (KRW: whole won).
    pub total_amount: i64,
    /// What is left after cancellations, in the unit of `currency`.
    pub balance_amount: i64,
    /// ISO 4217; absent in old versions of the API, where it is KRW.
    pub currency: Option<String>,
    /// The means of payment, in Korean words ("카드", "간편결제", ...).
    pub method: Option<String>,
    /// ISO 8601 with offset +09:00; absent before approval.
    pub approved_at: Option<String>,
    /// Names the newest movement of money of this payment (approval or cancellation).
    pub last_transaction_key: Option<String>,
    /// Cancellations so far, oldest first; absent when there are none.
    pub cancels: Option<Vec<GatewayCancel>>,
    /// Why an aborted payment failed.
    pub failure: Option<GatewayFailure>,
    pub receipt: Option<GatewayReceipt>,
    /// There when the buyer pays into an account of the gateway.
    pub virtual_account: Option<VirtualAccount>,
}

impl GatewayPayment {
    /// Whether the gateway has money of this payment.
    pub fn has_money(&self) -> bool {
        matches!(self.status, GatewayStatus::Done | GatewayStatus::PartialCanceled)
    }

    /// Where a deposit can be given back to, when the buyer has named it.
    pub(super) fn refund_account(&self) -> Option<&RefundAccount> {
        self.virtual_account.as_ref()?.refund_receive_account.as_ref()
    }
}

/// An account of the gateway that a buyer pays into.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualAccount {
    pub refund_receive_account: Option<RefundAccount>,
}

/// The account of a buyer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundAccount {
    pub bank_code: String,
    pub account_number: String,
    pub holder_name: String,
}

/// One cancellation, full or partial.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayCancel {
    /// What went back, in the unit of the payment's currency.
    pub cancel_amount: i64,
    pub cancel_reason: Option<String>,
    /// ISO 8601 with offset +09:00.
    pub canceled_at: Option<String>,
    pub transaction_key: Option<String>,
}

/// One movement of money, an approval or a cancellation, in the list that Toss gives for a time.
/// How much is left of a payment is asked by its order, so the amount is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayTransaction {
    /// Names this movement; where the next page begins.
    pub transaction_key: String,
    /// The gateway's id of the payment.
    pub payment_key: String,
    /// The order id that the shop gave.
    pub order_id: String,
    /// What the payment became by this movement.
    pub status: GatewayStatus,
}

impl GatewayTransaction {
    /// Whether the gateway has money of the payment after this movement.
    pub fn has_money(&self) -> bool {
        matches!(self.status, GatewayStatus::Done | GatewayStatus::PartialCanceled)
    }
}

/// Why a payment failed, in the gateway's words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewayFailure {
    pub code: String,
    pub message: String,
}

/// Where the buyer finds the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewayReceipt {
    pub url: String,
}

/// The state of a payment at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum GatewayStatus {
    Ready,
    InProgress,
    WaitingForDeposit,
    Done,
    Canceled,
    PartialCanceled,
    Aborted,
    Expired,
    /// A status that this version does not know, as the gateway wrote it.
    Other(String),
}

impl GatewayStatus {
    /// The gateway's own word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ready => "READY",
            Self::InProgress => "IN_PROGRESS",
            Self::WaitingForDeposit => "WAITING_FOR_DEPOSIT",
            Self::Done => "DONE",
            Self::Canceled => "CANCELED",
            Self::PartialCanceled => "PARTIAL_CANCELED",
            Self::Aborted => "ABORTED",
            Self::Expired => "EXPIRED",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for GatewayStatus {
    fn from(word: String) -> Self {
        match word.as_str() {
            "READY" => Self::Ready,
            "IN_PROGRESS" => Self::InProgress,
            "WAITING_FOR_DEPOSIT" => Self::WaitingForDeposit,
            "DONE" => Self::Done,
            "CANCELED" => Self::Canceled,
            "PARTIAL_CANCELED" => Self::PartialCanceled,
            "ABORTED" => Self::Aborted,
            "EXPIRED" => Self::Expired,
            _ => Self::Other(word),
        }
    }
}

impl std::fmt::Display for GatewayStatus {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Korean time has the offset +09:00 all the year round.
pub(super) fn in_korea(time: jiff::Timestamp) -> jiff::Zoned {
    time.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(9)))
}
