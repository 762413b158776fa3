//! The Payment object of the emulator, with the fields of the API of Toss (version 2022-11-16), and
//! the transitions of a payment. Amounts are whole won.

use crate::error::{ApiError, Code};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The smallest amount, in KRW, that Toss charges to a card. Below it, a confirmation fails with
/// `BELOW_MINIMUM_AMOUNT`.
const CHARGE_MIN: i64 = 100;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    pub(crate) version: String,
    pub(crate) payment_key: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) order_id: String,
    pub(crate) order_name: String,
    pub(crate) m_id: String,
    pub(crate) currency: String,
    pub(crate) method: Option<String>,
    pub(crate) total_amount: i64,
    pub(crate) balance_amount: i64,
    pub(crate) status: Status,
    pub(crate) requested_at: String,
    pub(crate) approved_at: Option<String>,
    pub(crate) use_escrow: bool,
    pub(crate) last_transaction_key: Option<String>,
    pub(crate) supplied_amount: i64,
    pub(crate) vat: i64,
    pub(crate) culture_expense: bool,
    pub(crate) tax_free_amount: i64,
    pub(crate) tax_exemption_amount: i64,
    pub(crate) cancels: Option<Vec<Cancel>>,
    pub(crate) is_partial_cancelable: bool,
    pub(crate) card: Option<Value>,
    pub(crate) virtual_account: Option<Value>,
    pub(crate) secret: Option<String>,
    pub(crate) mobile_phone: Option<Value>,
    pub(crate) gift_certificate: Option<Value>,
    pub(crate) transfer: Option<Value>,
    pub(crate) metadata: Option<Value>,
    pub(crate) receipt: Option<Value>,
    pub(crate) checkout: Option<Value>,
    pub(crate) easy_pay: Option<Value>,
    pub(crate) country: String,
    pub(crate) failure: Option<Value>,
    pub(crate) cash_receipt: Option<Value>,
    pub(crate) cash_receipts: Option<Value>,
    pub(crate) discount: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    InProgress,
    WaitingForDeposit,
    Done,
    Canceled,
    PartialCanceled,
    Aborted,
    Expired,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cancel {
    pub(crate) cancel_amount: i64,
    cancel_reason: String,
    tax_free_amount: i64,
    tax_exemption_amount: i64,
    refundable_amount: i64,
    easy_pay_discount_amount: i64,
    transfer_discount_amount: i64,
    pub(crate) canceled_at: String,
    transaction_key: String,
    receipt_key: Option<String>,
    cancel_status: String,
    cancel_request_id: Option<String>,
}

/// A request to cancel a payment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelRequest {
    pub(crate) cancel_reason: String,
    /// The whole balance when absent.
    pub(crate) cancel_amount: Option<i64>,
    /// The balance that the caller expects. Another balance refuses the request.
    pub(crate) refundable_amount: Option<i64>,
    /// The account that gets the money. Required once the buyer has paid into a virtual account.
    pub(crate) refund_receive_account: Option<Value>,
}

impl Payment {
    /// Returns a payment whose buyer has just authenticated, and which waits for its confirmation.
    pub(crate) fn authenticated(order_id: String, order_name: String, amount: i64) -> Self {
        let payment_key = format!("emul_{}", uuid::Uuid::now_v7().simple());
        let mut payment = Self {
            version: "2022-11-16".to_owned(),
            kind: "NORMAL".to_owned(),
            order_id,
            order_name,
            m_id: "emulator".to_owned(),
            currency: "KRW".to_owned(),
            method: Some("카드".to_owned()),
            total_amount: amount,
            balance_amount: amount,
            status: Status::InProgress,
            requested_at: korean_time(Timestamp::now()),
            approved_at: None,
            use_escrow: false,
            last_transaction_key: None,
            supplied_amount: 0,
            vat: 0,
            culture_expense: false,
            tax_free_amount: 0,
            tax_exemption_amount: 0,
            cancels: None,
            is_partial_cancelable: true,
            card: None,
            virtual_account: None,
            secret: Some(format!("ps_{}", &payment_key[payment_key.len() - 20..])),
            mobile_phone: None,
            gift_certificate: None,
            transfer: None,
            metadata: None,
            receipt: None,
            checkout: None,
            easy_pay: None,
            country: "KR".to_owned(),
            failure: None,
            cash_receipt: None,
            cash_receipts: None,
            discount: None,
            payment_key,
        };
        payment.split_tax();
        payment
    }

    /// Changes IN_PROGRESS to WAITING_FOR_DEPOSIT, with a virtual account for the deposit.
    pub(crate) fn open_virtual_account(&mut self) -> Result<(), ApiError> {
        self.start_transaction()?;
        self.status = Status::WaitingForDeposit;
        self.method = Some("가상계좌".to_owned());
        self.virtual_account = Some(json!({
            "accountType": "일반", "accountNumber": "X1234567890123", "bankCode": "20",
            "customerName": "김토스", "dueDate": null, "refundStatus": "NONE",
            "expired": false, "settlementStatus": "INCOMPLETED", "refundReceiveAccount": {
                "bankCode": "20", "accountNumber": "1002123456789", "holderName": "김토스",
            },
        }));
        Ok(())
    }

    /// Changes IN_PROGRESS to DONE.
    pub(crate) fn approve(&mut self) -> Result<(), ApiError> {
        self.start_transaction()?;
        self.status = Status::Done;
        self.approved_at = Some(korean_time(Timestamp::now()));
        self.card = Some(json!({
            "amount": self.total_amount, "issuerCode": "61", "acquirerCode": "31",
            "number": "12345678****000*", "installmentPlanMonths": 0, "approveNo": "00000000",
            "useCardPoint": false, "cardType": "신용", "ownerType": "개인",
            "acquireStatus": "READY", "isInterestFree": false, "interestPayer": null,
        }));
        Ok(())
    }

    fn start_transaction(&mut self) -> Result<(), ApiError> {
        if self.total_amount < CHARGE_MIN {
            return Err(Code::BELOW_MINIMUM_AMOUNT.into());
        }
        self.last_transaction_key = Some(transaction_key());
        Ok(())
    }

    /// Changes a payment to DONE that was refused, has expired, or was never confirmed.
    pub(crate) fn approve_late(&mut self) -> Result<(), ApiError> {
        match self.status {
            Status::InProgress | Status::Aborted | Status::Expired => self.approve(),
            Status::WaitingForDeposit
            | Status::Done
            | Status::Canceled
            | Status::PartialCanceled => Err(Code::ALREADY_PROCESSED_PAYMENT.into()),
        }
    }

    /// Changes IN_PROGRESS to ABORTED, and keeps the reason.
    pub(crate) fn abort(&mut self, code: &str, message: &str) {
        self.status = Status::Aborted;
        self.failure = Some(json!({ "code": code, "message": message }));
    }

    /// Changes WAITING_FOR_DEPOSIT to DONE: the buyer has paid into the virtual account.
    pub(crate) fn deposit(&mut self) -> Result<(), ApiError> {
        if self.status != Status::WaitingForDeposit {
            return Err(Code::INVALID_REQUEST.into());
        }
        self.status = Status::Done;
        self.approved_at = Some(korean_time(Timestamp::now()));
        Ok(())
    }

    /// Returns money to the buyer. The balance never falls below 0, and a balance of 0 means
    /// CANCELED.
    pub(crate) fn cancel(&mut self, request: &CancelRequest) -> Result<(), ApiError> {
        let is_waiting = self.status == Status::WaitingForDeposit;
        match self.status {
            Status::Done | Status::PartialCanceled | Status::WaitingForDeposit => {}
            Status::Canceled => return Err(Code::ALREADY_CANCELED_PAYMENT.into()),
            Status::InProgress | Status::Aborted | Status::Expired => {
                return Err(Code::NOT_CANCELABLE_PAYMENT.into());
            }
        }
        let has_deposit = self.virtual_account.is_some() && !is_waiting;
        if has_deposit && request.refund_receive_account.is_none() {
            return Err(Code::INVALID_REFUND_ACCOUNT_INFO.into());
        }
        let amount = request.cancel_amount.unwrap_or(self.balance_amount);
        if amount <= 0 {
            return Err(Code::INVALID_REQUEST.into());
        }
        if amount > self.balance_amount {
            return Err(Code::NOT_CANCELABLE_AMOUNT.into());
        }
        if is_waiting && amount != self.balance_amount {
            return Err(Code::NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT.into());
        }
        if request.refundable_amount.is_some_and(|expected| expected != self.balance_amount) {
            return Err(Code::NOT_MATCHES_REFUNDABLE_AMOUNT.into());
        }

        self.balance_amount -= amount;
        self.status =
            if self.balance_amount == 0 { Status::Canceled } else { Status::PartialCanceled };
        let transaction_key = transaction_key();
        self.last_transaction_key = Some(transaction_key.clone());
        self.cancels.get_or_insert_default().push(Cancel {
            cancel_amount: amount,
            cancel_reason: request.cancel_reason.clone(),
            tax_free_amount: 0,
            tax_exemption_amount: 0,
            refundable_amount: self.balance_amount,
            easy_pay_discount_amount: 0,
            transfer_discount_amount: 0,
            canceled_at: korean_time(Timestamp::now()),
            transaction_key,
            receipt_key: None,
            cancel_status: "DONE".to_owned(),
            cancel_request_id: None,
        });
        self.split_tax();
        Ok(())
    }

    /// Computes the Korean value added tax: a tenth of the net price, so an eleventh of the
    /// balance.
    fn split_tax(&mut self) {
        self.vat = (self.balance_amount + 5) / 11;
        self.supplied_amount = self.balance_amount - self.vat;
    }
}

/// Formats a time as Toss does: ISO 8601 in Korean time, to the second.
pub(crate) fn korean_time(time: Timestamp) -> String {
    in_korea(time).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Formats a time as the webhooks of Toss do: Korean time to the microsecond, without an offset.
pub(crate) fn webhook_time(time: Timestamp) -> String {
    in_korea(time).strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

/// Korean time has the offset +09:00 throughout the year.
fn in_korea(time: Timestamp) -> jiff::Zoned {
    time.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(9)))
}

fn transaction_key() -> String {
    format!("tx_{}", uuid::Uuid::now_v7().simple())
}
