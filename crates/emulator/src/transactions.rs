//! The movements of money, as the list of transactions of Toss shows them: each approval is a
//! transaction, and so is each cancellation.

use crate::error::{ApiError, Code};
use crate::payment::{Payment, Status};
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Transactions of a page when the caller gives no limit.
const PAGE_SIZE: usize = 100;
/// The largest limit of a caller. The documentation of Toss says 5,000 in one place and 10,000 in
/// another, so a caller should ask for less than 5,000.
const PAGE_SIZE_MAX: usize = 10_000;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transaction {
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
    /// Below 0 for a cancellation, as in the list of settlements of Toss. For this list, the
    /// documentation shows approvals only, so no caller should rely on the sign.
    amount: i64,
}

impl Transaction {
    /// Returns the movement between two states of a payment, or `None` when no money moved.
    pub(crate) fn between(before: Option<&Payment>, payment: &Payment) -> Option<Self> {
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

/// The query of a caller. Times are Korean, without an offset.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionsQuery {
    start_date: DateTime,
    /// Inclusive: the whole second counts.
    end_date: DateTime,
    starting_after: Option<String>,
    limit: Option<usize>,
}

impl TransactionsQuery {
    /// Returns the wanted page of `all`, which is sorted oldest first.
    pub(crate) fn page(&self, all: &[Transaction]) -> Result<Vec<Transaction>, ApiError> {
        let limit = self.limit.unwrap_or(PAGE_SIZE);
        if !(1..=PAGE_SIZE_MAX).contains(&limit) || self.start_date > self.end_date {
            return Err(Code::INVALID_REQUEST.into());
        }
        let seconds = |time: DateTime| time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let (start, end) = (seconds(self.start_date), seconds(self.end_date));
        let is_wanted = |transaction: &&Transaction| {
            let at = transaction.transaction_at.trim_end_matches("+09:00");
            (start.as_str()..=end.as_str()).contains(&at)
        };
        let found: Vec<_> = all.iter().filter(is_wanted).collect();
        let skipped = match &self.starting_after {
            None => 0,
            Some(key) => {
                let index =
                    found.iter().position(|transaction| transaction.transaction_key == *key);
                index.ok_or(Code::INVALID_TRANSACTION_KEY)? + 1
            }
        };
        Ok(found.into_iter().skip(skipped).take(limit).cloned().collect())
    }
}
