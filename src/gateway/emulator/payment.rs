//! The Payment object of the emulator, with the fields of Toss's documents (API 2022-11-16), and
//! the moves that a payment can make. Amounts are whole won.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{ApiError, Code};
use crate::domain::money::CHARGE_MIN;
use crate::gateway::payment::in_korea;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payment {
    pub(super) version: String,
    pub(super) payment_key: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) order_id: String,
    pub(super) order_name: String,
    pub(super) m_id: String,
    pub(super) currency: String,
    pub(super) method: Option<String>,
    pub(super) total_amount: i64,
    pub(super) balance_amount: i64,
    pub(super) status: Status,
    pub(super) requested_at: String,
    pub(super) approved_at: Option<String>,
    pub(super) use_escrow: bool,
    pub(super) last_transaction_key: Option<String>,
    pub(super) supplied_amount: i64,
    pub(super) vat: i64,
    pub(super) culture_expense: bool,
    pub(super) tax_free_amount: i64,
    pub(super) tax_exemption_amount: i64,
    pub(super) cancels: Option<Vec<Cancel>>,
    pub(super) is_partial_cancelable: bool,
    pub(super) card: Option<Value>,
    pub(super) virtual_account: Option<Value>,
    pub(super) secret: Option<String>,
    pub(super) mobile_phone: Option<Value>,
    pub(super) gift_certificate: Option<Value>,
    pub(super) transfer: Option<Value>,
    pub(super) metadata: Option<Value>,
    pub(super) receipt: Option<Value>,
    pub(super) checkout: Option<Value>,
    pub(super) easy_pay: Option<Value>,
    pub(super) country: String,
    pub(super) failure: Option<Value>,
    pub(super) cash_receipt: Option<Value>,
    pub(super) cash_receipts: Option<Value>,
    pub(super) discount: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
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
pub(super) struct Cancel {
    pub(super) cancel_amount: i64,
    cancel_reason: String,
    tax_free_amount: i64,
    tax_exemption_amount: i64,
    refundable_amount: i64,
    easy_pay_discount_amount: i64,
    transfer_discount_amount: i64,
    pub(super) canceled_at: String,
    transaction_key: String,
    receipt_key: Option<String>,
    cancel_status: String,
    cancel_request_id: Option<String>,
}

/// A request to cancel, already parsed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelRequest {
    pub(super) cancel_reason: String,
    /// All that is left when absent.
    pub(super) cancel_amount: Option<i64>,
    /// A guard: the balance that the caller believes in.
    pub(super) refundable_amount: Option<i64>,
    /// Where the money goes: needed once the buyer has paid into a virtual account.
    pub(super) refund_receive_account: Option<Value>,
}

impl Payment {
    /// A payment whose buyer has just authenticated; it waits for confirmation.
    pub(super) fn authenticated(order_id: String, order_name: String, amount: i64) -> Self {
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

    /// IN_PROGRESS to DONE, or to WAITING_FOR_DEPOSIT for a virtual account.
    pub(super) fn approve(&mut self, into_virtual_account: bool) -> Result<(), ApiError> {
        if self.total_amount < CHARGE_MIN {
            return Err(Code::BELOW_MINIMUM_AMOUNT.into());
        }
        self.last_transaction_key = Some(transaction_key());
        if into_virtual_account {
            self.status = Status::WaitingForDeposit;
            self.method = Some("가상계좌".to_owned());
            self.virtual_account = Some(json!({
                "accountType": "일반", "accountNumber": "X1234567890123", "bankCode": "20",
                "customerName": "김토스", "dueDate": null, "refundStatus": "NONE",
                "expired": false, "settlementStatus": "INCOMPLETED", "refundReceiveAccount": {
                    "bankCode": "20", "accountNumber": "1002123456789", "holderName": "김토스",
                },
            }));
            return Ok(());
        }
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

    /// To DONE, although it was refused, has expired, or was never confirmed.
    pub(super) fn approve_late(&mut self) -> Result<(), ApiError> {
        match self.status {
            Status::InProgress | Status::Aborted | Status::Expired => self.approve(false),
            Status::WaitingForDeposit
            | Status::Done
            | Status::Canceled
            | Status::PartialCanceled => Err(Code::ALREADY_PROCESSED_PAYMENT.into()),
        }
    }

    /// IN_PROGRESS to ABORTED, with the reason on record.
    pub(super) fn abort(&mut self, code: &str, message: &str) {
        self.status = Status::Aborted;
        self.failure = Some(json!({ "code": code, "message": message }));
    }

    /// WAITING_FOR_DEPOSIT to DONE, when the buyer has paid into the virtual account.
    pub(super) fn deposit(&mut self) -> Result<(), ApiError> {
        if self.status != Status::WaitingForDeposit {
            return Err(Code::INVALID_REQUEST.into());
        }
        self.status = Status::Done;
        self.approved_at = Some(korean_time(Timestamp::now()));
        Ok(())
    }

    /// Gives money back; the balance never goes below 0, and 0 means CANCELED.
    pub(super) fn cancel(&mut self, request: &CancelRequest) -> Result<(), ApiError> {
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
        if request.refundable_amount.is_some_and(|believed| believed != self.balance_amount) {
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

    /// Korean value added tax is a tenth of the price without it, so an eleventh of the balance.
    fn split_tax(&mut self) {
        self.vat = (self.balance_amount + 5) / 11;
        self.supplied_amount = self.balance_amount - self.vat;
    }
}

/// ISO 8601 in Korean time, to the second, as Toss writes it.
pub(super) fn korean_time(time: Timestamp) -> String {
    in_korea(time).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Korean time to the microsecond without an offset, as Toss's webhooks write it.
pub(super) fn korean_time_of_webhook(time: Timestamp) -> String {
    in_korea(time).strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

fn transaction_key() -> String {
    format!("tx_{}", uuid::Uuid::now_v7().simple())
}
