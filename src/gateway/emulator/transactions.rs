//! The movements of money of the emulator, as Toss's list of transactions shows them: an approval
//! is one, and so is each cancellation.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{ApiError, Code};
use super::payment::{Payment, Status};

/// How many a page has when the caller does not say, and at most. Toss's documents name 5,000 and
/// 10,000 as the most; a caller that wants to be safe asks for fewer.
const PAGE: usize = 100;
const PAGE_MAX: usize = 10_000;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    m_id: String,
    transaction_key: String,
    payment_key: String,
    order_id: String,
    method: Option<String>,
    customer_key: Option<String>,
    use_escrow: bool,
    receipt_url: Option<Value>,
    status: Status,
    transaction_at: String,
    currency: String,
    /// Below 0 for a cancellation. Toss's list of settlements has it so; of this list its documents
    /// show approvals only, so that nobody should count on the sign.
    amount: i64,
}

impl Transaction {
    /// What moved when a payment became what it is; `None` when no money did.
    pub(super) fn between(before: Option<&Payment>, payment: &Payment) -> Option<Self> {
        let has_moved = before.is_none_or(|before| {
            before.status != payment.status || before.balance_amount != payment.balance_amount
        });
        if !has_moved {
            return None;
        }
        let (transaction_at, amount) = match payment.status {
            Status::Done => (payment.approved_at.clone()?, payment.total_amount),
            Status::Canceled | Status::PartialCanceled => {
                let cancel = payment.cancels.as_ref()?.last()?;
                (cancel.canceled_at.clone(), -cancel.cancel_amount)
            }
            Status::InProgress | Status::WaitingForDeposit | Status::Aborted | Status::Expired => {
                return None;
            }
        };
        Some(Self {
            m_id: payment.m_id.clone(),
            transaction_key: payment.last_transaction_key.clone()?,
            payment_key: payment.payment_key.clone(),
            order_id: payment.order_id.clone(),
            method: payment.method.clone(),
            customer_key: None,
            use_escrow: payment.use_escrow,
            receipt_url: None,
            status: payment.status,
            transaction_at,
            currency: payment.currency.clone(),
            amount,
        })
    }
}

/// Which of them a caller asks for. Times are Korean, without an offset.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionsQuery {
    start_date: DateTime,
    /// The whole second counts.
    end_date: DateTime,
    starting_after: Option<String>,
    limit: Option<usize>,
}

impl TransactionsQuery {
    /// The page of `all`, which are oldest first.
    pub(super) fn page(&self, all: &[Transaction]) -> Result<Vec<Transaction>, ApiError> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) || self.start_date > self.end_date {
            return Err(Code::INVALID_REQUEST.into());
        }
        let seconds = |time: DateTime| time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let (start, end) = (seconds(self.start_date), seconds(self.end_date));
        let is_asked_for = |one: &&Transaction| {
            let at = one.transaction_at.trim_end_matches("+09:00");
            (start.as_str()..=end.as_str()).contains(&at)
        };
        let found: Vec<_> = all.iter().filter(is_asked_for).collect();
        let skipped = match &self.starting_after {
            None => 0,
            Some(key) => {
                let place = found.iter().position(|one| one.transaction_key == *key);
                place.ok_or(Code::INVALID_TRANSACTION_KEY)? + 1
            }
        };
        Ok(found.into_iter().skip(skipped).take(limit).cloned().collect())
    }
}
