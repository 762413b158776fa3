//! The ledger of the emulator: every payment, in memory, and in an append-only file of JSON lines
//! when the settings name one. So `dev` finds its payments again after a restart. A line is a
//! payment after a change, and for each payment the last line counts; or it is the reply that was
//! sent under an idempotency key.

use crate::error::{ApiError, Code, Language};
use crate::idempotency::{KeptReply, Scope};
use crate::payment::{CancelRequest, Payment, Status};
use crate::reply::Reply;
use crate::transactions::{Transaction, TransactionsQuery};
use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use tokio::sync::mpsc::UnboundedSender;

/// A payment, with the facts that only the emulator knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) payment: Payment,
    pub(crate) plan: Plan,
    /// When the buyer authenticated, in ms since 1970. The time to confirm starts here.
    authenticated_at_ms: i64,
}

/// What a line of the file may be.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Payment(Box<Record>),
    Reply(KeptReply),
}

/// The result of the confirmation, chosen when the payment is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "confirm")]
pub(crate) enum Plan {
    Approve,
    Decline {
        code: String,
    },
    /// A virtual account: the payment is WAITING_FOR_DEPOSIT until the buyer pays.
    WaitForDeposit,
}

pub(crate) struct Ledger {
    records: HashMap<String, Record>,
    /// Payment keys, oldest first.
    order: Vec<String>,
    /// Payment keys of each order, oldest first.
    by_order: HashMap<String, Vec<String>>,
    /// Oldest first. They are not in the file, because the lines of the payments imply them.
    transactions: Vec<Transaction>,
    file: Option<File>,
    /// Lines that are written together at the end of a call.
    together: Option<Vec<u8>>,
    approval_window_ms: i64,
    /// Receives a payment after each change of its status.
    changes: UnboundedSender<Payment>,
}

impl Ledger {
    /// Opens the ledger, and replays the file if there is one; also returns the replies that the
    /// file has kept. Fails when the file cannot be read or has a line of another kind.
    pub(crate) fn open(
        path: Option<&Path>,
        approval_window_ms: u64,
        changes: UnboundedSender<Payment>,
    ) -> anyhow::Result<(Self, Vec<KeptReply>)> {
        let approval_window_ms = i64::try_from(approval_window_ms).unwrap_or(i64::MAX);
        let mut ledger = Self {
            records: HashMap::new(),
            order: Vec::new(),
            by_order: HashMap::new(),
            transactions: Vec::new(),
            file: None,
            together: None,
            approval_window_ms,
            changes,
        };
        let mut replies = Vec::new();
        if let Some(path) = path {
            replies = ledger
                .replay(path)
                .with_context(|| format!("the emulator's ledger {}", path.display()))?;
        }
        Ok((ledger, replies))
    }

    fn replay(&mut self, path: &Path) -> anyhow::Result<Vec<KeptReply>> {
        let mut file =
            File::options().read(true).append(true).create(true).open(path).context("open")?;
        let mut text = String::new();
        file.read_to_string(&mut text).context("read")?;
        // A process that was killed during a write leaves half a line. No caller got that reply.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).context("cut off half a line")?;
        file.seek(SeekFrom::End(0)).context("seek")?;
        let mut replies = Vec::new();
        for line in text[..whole].lines() {
            match serde_json::from_str(line).context("a line that is no payment and no reply")? {
                Line::Payment(record) => self.keep(*record),
                Line::Reply(reply) => replies.push(reply),
            }
        }
        self.file = Some(file);
        Ok(replies)
    }

    /// Runs a call, and writes all that it changes and its reply at once: a process that is killed
    /// has kept all of it or nothing.
    pub(crate) fn at_once<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> Result<T, ApiError> {
        self.together = Some(Vec::new());
        let result = call(self);
        let lines = self.together.take().unwrap_or_default();
        self.write(&lines)?;
        Ok(result)
    }

    /// Keeps the reply that was sent under an idempotency key. Fails like every write of the file.
    pub(crate) fn keep_reply(&mut self, scope: Scope, reply: &Reply) -> Result<(), ApiError> {
        let since_ms = Timestamp::now().as_millisecond();
        self.append(&KeptReply { scope, since_ms, reply: reply.clone() })
    }

    /// Adds a payment whose buyer has authenticated, and returns its key.
    pub(crate) fn begin(&mut self, payment: Payment, plan: Plan) -> Result<String, ApiError> {
        let key = payment.payment_key.clone();
        let authenticated_at_ms = Timestamp::now().as_millisecond();
        self.save(Record { payment, plan, authenticated_at_ms })?;
        Ok(key)
    }

    /// Returns the payment with this key. Expires it first if its time is over.
    pub(crate) fn find(&mut self, key: &str) -> Result<Payment, ApiError> {
        self.expire_if_due(key)?;
        self.records
            .get(key)
            .map(|record| record.payment.clone())
            .ok_or_else(|| Code::NOT_FOUND_PAYMENT.into())
    }

    /// Returns the payment of this order that took money, or else the newest.
    pub(crate) fn find_by_order(&mut self, order_id: &str) -> Result<Payment, ApiError> {
        let key = match self.key_with_money(order_id) {
            Some(key) => key,
            None => self.keys_of(order_id).last().cloned().ok_or(Code::NOT_FOUND_PAYMENT)?,
        };
        self.find(&key)
    }

    /// Confirms a payment, with the result that its plan says.
    pub(crate) fn confirm(
        &mut self,
        key: &str,
        order_id: &str,
        amount: i64,
    ) -> Result<Payment, ApiError> {
        self.expire_if_due(key)?;
        let taken = self.key_with_money(order_id);
        let record = self.records.get(key).ok_or(Code::NOT_FOUND_PAYMENT)?;
        if record.payment.order_id != order_id || record.payment.total_amount != amount {
            return Err(Code::INVALID_REQUEST.into());
        }
        match record.payment.status {
            // An order is charged once, even when its buyer authenticated twice.
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
            Plan::Approve => record.payment.approve().err(),
            Plan::WaitForDeposit => record.payment.open_virtual_account().err(),
            Plan::Decline { code } => Some(ApiError::named(code)),
        };
        let Some(refusal) = refusal else { return self.save(record) };
        if refusal.ends_payment() {
            record.payment.abort(refusal.code(), refusal.message(Language::Korean));
            self.save(record)?;
        }
        Err(refusal)
    }

    /// Cancels a payment, or a part of it.
    pub(crate) fn cancel(
        &mut self,
        key: &str,
        request: &CancelRequest,
    ) -> Result<Payment, ApiError> {
        self.change(key, |payment| payment.cancel(request))
    }

    /// Approves a payment that was refused, has expired, or was never confirmed.
    pub(crate) fn approve_late(&mut self, key: &str) -> Result<Payment, ApiError> {
        self.change(key, Payment::approve_late)
    }

    /// The buyer pays into the virtual account.
    pub(crate) fn deposit(&mut self, key: &str) -> Result<Payment, ApiError> {
        self.change(key, Payment::deposit)
    }

    /// Returns all payments, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Payment> {
        self.order.iter().filter_map(|key| self.records.get(key)).map(|record| &record.payment)
    }

    /// Returns the movements of money that match the query, oldest first.
    pub(crate) fn transactions(
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

    fn key_with_money(&self, order_id: &str) -> Option<String> {
        let has_taken = |key: &&String| {
            let status = self.records.get(*key).map(|record| record.payment.status);
            !matches!(status, Some(Status::InProgress | Status::Aborted | Status::Expired) | None)
        };
        self.keys_of(order_id).iter().find(has_taken).cloned()
    }

    /// Writes the file first, because a payment that a caller has seen must survive a restart.
    fn save(&mut self, record: Record) -> Result<Payment, ApiError> {
        self.append(&record)?;
        let payment = record.payment.clone();
        let before = self.records.get(&payment.payment_key).map(|record| record.payment.status);
        if before.is_some_and(|before| {
            before != payment.status || payment.status == Status::PartialCanceled
        }) {
            // Nobody receives it once the emulator is stopping.
            let _ = self.changes.send(payment.clone());
        }
        self.keep(record);
        Ok(payment)
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), ApiError> {
        let mut line = serde_json::to_vec(line).map_err(|error| cannot_write(&error))?;
        line.push(b'\n');
        match &mut self.together {
            Some(lines) => lines.extend(line),
            None => self.write(&line)?,
        }
        Ok(())
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), ApiError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(lines).map_err(|error| cannot_write(&error))
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

fn cannot_write(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(%error, "the emulator cannot write its ledger");
    Code::FAILED_INTERNAL_SYSTEM_PROCESSING.into()
}
