//! The fields of the Payment and Transaction objects of Toss that Grandstand reads. Unknown fields
//! are ignored, and an unknown status is kept as text.

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
    /// The amount that is left after cancellations, in the unit of `currency`.
    pub balance_amount: i64,
    /// ISO 4217; absent in old versions of the API, where it is KRW.
    pub currency: Option<String>,
    /// The method of payment, in Korean words ("카드", "간편결제", ...).
    pub method: Option<String>,
    /// ISO 8601 with offset +09:00; absent before approval.
    pub approved_at: Option<String>,
    /// The id of the newest movement of money of this payment (approval or cancellation).
    pub last_transaction_key: Option<String>,
    /// Cancellations, oldest first; absent when there are none.
    pub cancels: Option<Vec<GatewayCancel>>,
    /// Why an aborted payment failed.
    pub failure: Option<GatewayFailure>,
    pub receipt: Option<GatewayReceipt>,
    /// Present when the buyer pays into an account of the gateway.
    pub virtual_account: Option<VirtualAccount>,
}

impl GatewayPayment {
    /// Whether the gateway holds money of this payment.
    pub fn has_money(&self) -> bool {
        matches!(self.status, GatewayStatus::Done | GatewayStatus::PartialCanceled)
    }

    /// Returns the account for the refund of a deposit, when the buyer has named an account.
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

/// A full or partial cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayCancel {
    /// The returned amount, in the unit of the payment's currency.
    pub cancel_amount: i64,
    pub cancel_reason: Option<String>,
    /// ISO 8601 with offset +09:00.
    pub canceled_at: Option<String>,
    pub transaction_key: Option<String>,
}

/// A movement of money (an approval or a cancellation) in the list of transactions of Toss. The
/// amount is not read, because the balance of a payment is looked up by its order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayTransaction {
    /// The id of this movement. The next page begins behind it.
    pub transaction_key: String,
    /// The gateway's id of the payment.
    pub payment_key: String,
    /// The order id that the shop gave.
    pub order_id: String,
    /// The status of the payment after this movement.
    pub status: GatewayStatus,
}

impl GatewayTransaction {
    /// Whether the gateway holds money of the payment after this movement.
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

/// The address of the receipt for the buyer.
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
    /// A status that this version does not know, in the words of the gateway.
    Other(String),
}

impl GatewayStatus {
    /// Returns the word of the gateway.
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

/// Converts to Korean time, which has the offset +09:00 throughout the year.
pub(super) fn in_korea(time: jiff::Timestamp) -> jiff::Zoned {
    time.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(9)))
}
