//! The books of the emulator: every payment, in memory, and in an append-only file of JSON lines
//! when one is set, so that `dev` finds its payments again after a restart. One line is one
//! payment as it is after a change; the last line of a key counts.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use super::error::{ApiError, Code, Language};
use super::payment::{CancelRequest, Payment, Status};
use super::transactions::{Transaction, TransactionsQuery};

/// A payment with what only the emulator knows about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) payment: Payment,
    pub(super) plan: Plan,
    /// When the buyer authenticated; the time to confirm runs from here. Milliseconds since 1970.
    authenticated_at_ms: i64,
}

/// What the confirmation of a payment will bring; chosen when the payment is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "confirm")]
pub(super) enum Plan {
    Approve,
    Decline {
        code: String,
    },
    /// A virtual account: WAITING_FOR_DEPOSIT until the deposit is made.
    WaitForDeposit,
}

pub(super) struct Ledger {
    records: HashMap<String, Record>,
    /// Payment keys in the order in which they were made.
    order: Vec<String>,
    /// Payment keys of each order, oldest first.
    by_order: HashMap<String, Vec<String>>,
    /// Oldest first. It is not in the file, because the changes of the payments make it again.
    transactions: Vec<Transaction>,
    file: Option<File>,
    approval_window_ms: i64,
    /// Told of each change of status.
    changes: UnboundedSender<Payment>,
}

impl Ledger {
    /// Opens the books, replaying the file if there is one. Errs when the file cannot be read or
    /// holds a line that is not a payment.
    pub(super) fn open(
        path: Option<&Path>,
        approval_window_ms: u64,
        changes: UnboundedSender<Payment>,
    ) -> anyhow::Result<Self> {
        let approval_window_ms = i64::try_from(approval_window_ms).unwrap_or(i64::MAX);
        let mut ledger = Self {
            records: HashMap::new(),
            order: Vec::new(),
            by_order: HashMap::new(),
            transactions: Vec::new(),
            file: None,
            approval_window_ms,
            changes,
        };
        if let Some(path) = path {
            ledger
                .replay(path)
                .with_context(|| format!("the emulator's ledger {}", path.display()))?;
        }
        Ok(ledger)
    }

    fn replay(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut file =
            File::options().read(true).append(true).create(true).open(path).context("open")?;
        let mut text = String::new();
        file.read_to_string(&mut text).context("read")?;
        // A process that was killed while it wrote leaves half a line: nobody got that answer.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).context("cut off half a line")?;
        file.seek(SeekFrom::End(0)).context("seek")?;
        for line in text[..whole].lines() {
            let record = serde_json::from_str(line).context("a line that is not a payment")?;
            self.keep(record);
        }
        self.file = Some(file);
        Ok(())
    }

    /// Writes down a payment whose buyer has authenticated, and gives its key.
    pub(super) fn begin(&mut self, payment: Payment, plan: Plan) -> Result<String, ApiError> {
        let key = payment.payment_key.clone();
        let authenticated_at_ms = Timestamp::now().as_millisecond();
        self.save(Record { payment, plan, authenticated_at_ms })?;
        Ok(key)
    }

    /// The payment of this key, expired first if it is due.
    pub(super) fn find(&mut self, key: &str) -> Result<Payment, ApiError> {
        self.expire_if_due(key)?;
        self.records
            .get(key)
            .map(|record| record.payment.clone())
            .ok_or_else(|| Code::NOT_FOUND_PAYMENT.into())
    }

    /// The payment of this order: the one that took money, else the newest.
    pub(super) fn find_by_order(&mut self, order_id: &str) -> Result<Payment, ApiError> {
        let key = match self.taken_by(order_id) {
            Some(key) => key,
            None => self.keys_of(order_id).last().cloned().ok_or(Code::NOT_FOUND_PAYMENT)?,
        };
        self.find(&key)
    }

    /// Confirms as the plan of the payment says.
    pub(super) fn confirm(
        &mut self,
        key: &str,
        order_id: &str,
        amount: i64,
    ) -> Result<Payment, ApiError> {
        self.expire_if_due(key)?;
        let taken = self.taken_by(order_id);
        let record = self.records.get(key).ok_or(Code::NOT_FOUND_PAYMENT)?;
        if record.payment.order_id != order_id || record.payment.total_amount != amount {
            return Err(Code::INVALID_REQUEST.into());
        }
        match record.payment.status {
            // One order is charged once, also when its buyer authenticated twice.
            Status::InProgress if taken.is_some() => {
                return Err(Code::ALREADY_PROCESSED_PAYMENT.into());
            }
            Status::InProgress => {}
            Status::Expired | Status::Aborted => {
                return Err(Code::NOT_FOUND_PAYMENT_SESSION.into());
            }
            Status::WaitingForDeposit
            | Status::Done
            | Status::Canceled
            | Status::PartialCanceled => return Err(Code::ALREADY_PROCESSED_PAYMENT.into()),
        }
        let mut record = record.clone();
        let refusal = match &record.plan {
            Plan::Approve => record.payment.approve(false).err(),
            Plan::WaitForDeposit => record.payment.approve(true).err(),
            Plan::Decline { code } => Some(ApiError::named(code)),
        };
        let Some(refusal) = refusal else { return self.save(record) };
        if refusal.ends_payment() {
            record.payment.abort(refusal.code(), refusal.message(Language::Korean));
            self.save(record)?;
        }
        Err(refusal)
    }

    /// Cancels all or a part.
    pub(super) fn cancel(
        &mut self,
        key: &str,
        request: &CancelRequest,
    ) -> Result<Payment, ApiError> {
        self.change(key, |payment| payment.cancel(request))
    }

    /// Approves what was refused, has expired, or was never confirmed.
    pub(super) fn approve_late(&mut self, key: &str) -> Result<Payment, ApiError> {
        self.change(key, Payment::approve_late)
    }

    /// The buyer pays into the virtual account.
    pub(super) fn deposit(&mut self, key: &str) -> Result<Payment, ApiError> {
        self.change(key, Payment::deposit)
    }

    /// All payments, in the order in which they were made.
    pub(super) fn all(&self) -> impl Iterator<Item = &Payment> {
        self.order.iter().filter_map(|key| self.records.get(key)).map(|record| &record.payment)
    }

    /// The movements of money that a caller asks for, oldest first.
    pub(super) fn transactions(
        &self,
        query: &TransactionsQuery,
    ) -> Result<Vec<Transaction>, ApiError> {
        query.page(&self.transactions)
    }

    fn change(
        &mut self,
        key: &str,
        change: impl FnOnce(&mut Payment) -> Result<(), ApiError>,
    ) -> Result<Payment, ApiError> {
        self.expire_if_due(key)?;
        let mut record = self.records.get(key).cloned().ok_or(Code::NOT_FOUND_PAYMENT)?;
        change(&mut record.payment)?;
        self.save(record)
    }

    fn expire_if_due(&mut self, key: &str) -> Result<(), ApiError> {
        let Some(record) = self.records.get(key) else { return Ok(()) };
        let age_ms = Timestamp::now().as_millisecond() - record.authenticated_at_ms;
        if record.payment.status != Status::InProgress || age_ms < self.approval_window_ms {
            return Ok(());
        }
        let mut record = record.clone();
        record.payment.status = Status::Expired;
        self.save(record).map(|_| ())
    }

    fn keys_of(&self, order_id: &str) -> &[String] {
        self.by_order.get(order_id).map_or(&[], Vec::as_slice)
    }

    fn taken_by(&self, order_id: &str) -> Option<String> {
        let has_taken = |key: &&String| {
            let status = self.records.get(*key).map(|record| record.payment.status);
            !matches!(status, Some(Status::InProgress | Status::Aborted | Status::Expired) | None)
        };
        self.keys_of(order_id).iter().find(has_taken).cloned()
    }

    /// To the file first: what a caller was told must be there after a restart.
    fn save(&mut self, record: Record) -> Result<Payment, ApiError> {
        if let Some(file) = &mut self.file {
            let written =
                serde_json::to_vec(&record).map_err(std::io::Error::from).and_then(|mut line| {
                    line.push(b'\n');
                    file.write_all(&line)
                });
            if let Err(error) = written {
                tracing::error!(%error, "the emulator cannot write its ledger");
                return Err(Code::FAILED_INTERNAL_SYSTEM_PROCESSING.into());
            }
        }
        let payment = record.payment.clone();
        let before = self.records.get(&payment.payment_key).map(|record| record.payment.status);
        if before.is_some_and(|before| {
            before != payment.status || payment.status == Status::PartialCanceled
        }) {
            // Nobody listens once the emulator is stopping.
            let _ = self.changes.send(payment.clone());
        }
        self.keep(record);
        Ok(payment)
    }

    fn keep(&mut self, record: Record) {
        let key = record.payment.payment_key.clone();
        let order_id = record.payment.order_id.clone();
        let before = self.records.get(&key).map(|record| &record.payment);
        self.transactions.extend(Transaction::between(before, &record.payment));
        if self.records.insert(key.clone(), record).is_none() {
            self.order.push(key.clone());
            self.by_order.entry(order_id).or_default().push(key);
        }
    }
}
