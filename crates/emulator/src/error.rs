//! Error codes of Toss with their HTTP status and messages. The status is that of the public
//! documentation of Toss; the messages are the emulator's own.

use crate::reply::Reply;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::json;

/// An error reply of the API.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: u16,
    code: String,
}

/// A code that the emulator itself sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code {
    status: u16,
    name: &'static str,
    korean: &'static str,
    english: &'static str,
}

/// The language of messages: Korean, unless the caller asks for English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Korean,
    English,
}

macro_rules! codes {
    ($($status:literal $name:ident $korean:literal $english:literal;)*) => {
        impl Code {
            $(pub(crate) const $name: Self = Self {
                status: $status, name: stringify!($name), korean: $korean, english: $english,
            };)*
        }
        const CODES: &[Code] = &[$(Code::$name),*];
    };
}

codes! {
    400 ALREADY_PROCESSED_PAYMENT "이미 처리된 결제입니다." "The payment has been processed already.";
    400 ALREADY_CANCELED_PAYMENT "이미 취소된 결제입니다." "The payment has been canceled already.";
    400 BELOW_MINIMUM_AMOUNT "최소 결제 금액보다 적습니다." "The amount is below the minimum.";
    400 INVALID_API_KEY "사용할 수 없는 종류의 키입니다." "This kind of key cannot be used here.";
    400 INVALID_IDEMPOTENCY_KEY "멱등키는 300자 이하여야 합니다."
        "The idempotency key has more than 300 characters.";
    400 INVALID_REQUEST "요청이 올바르지 않습니다." "The request is not valid.";
    400 INVALID_TRANSACTION_KEY "잘못된 페이징 키입니다." "The paging key is not valid.";
    400 NOT_MATCHES_REFUNDABLE_AMOUNT "환불 가능 금액이 다릅니다."
        "The refundable amount does not match.";
    400 PROVIDER_ERROR "결제사에 일시적인 오류가 있습니다." "The provider has a temporary fault.";
    401 UNAUTHORIZED_KEY "등록되지 않은 키입니다." "The key is not known.";
    403 INCORRECT_BASIC_AUTH_FORMAT "Basic 인증 형식이 아닙니다."
        "The Basic authentication is malformed.";
    403 NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT "입금 전에는 전액만 취소할 수 있습니다."
        "Before the deposit, only the whole amount can be canceled.";
    400 INVALID_REFUND_ACCOUNT_INFO "환불 계좌 정보가 필요합니다."
        "The account for the refund is missing.";
    403 NOT_CANCELABLE_AMOUNT "취소할 수 있는 금액보다 많습니다."
        "The amount is more than can be canceled.";
    403 NOT_CANCELABLE_PAYMENT "취소할 수 없는 결제입니다." "The payment cannot be canceled.";
    403 REJECT_CARD_COMPANY "카드사에서 승인을 거절했습니다." "The card company refused the payment.";
    404 NOT_FOUND "없는 주소입니다." "There is nothing at this address.";
    404 NOT_FOUND_PAYMENT "없는 결제입니다." "The payment does not exist.";
    404 NOT_FOUND_PAYMENT_SESSION "결제 시간이 지났거나 진행 중인 결제가 없습니다."
        "The time to confirm has passed, or no payment is in progress.";
    409 IDEMPOTENT_REQUEST_PROCESSING "같은 멱등키의 요청을 처리하고 있습니다."
        "A request with this idempotency key is being processed.";
    429 TOO_MANY_REQUESTS "요청이 너무 많습니다." "There are too many requests.";
    500 FAILED_INTERNAL_SYSTEM_PROCESSING "내부 처리에 실패했습니다."
        "Internal processing failed.";
}

/// Codes that only a test code, a plan or a fault can cause, by status. A code in no list has 400.
const FORBIDDEN: &[&str] = &[
    "EXCEED_MAX_AUTH_COUNT",
    "EXCEED_MAX_ONE_DAY_AMOUNT",
    "EXCEED_MAX_REFUND_DUE",
    "FDS_ERROR",
    "FORBIDDEN_CONSECUTIVE_REQUEST",
    "FORBIDDEN_REQUEST",
    "INVALID_PASSWORD",
    "NOT_ALLOWED_PARTIAL_REFUND",
    "NOT_AVAILABLE_BANK",
    "NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER",
    "REJECT_ACCOUNT_PAYMENT",
    "REJECT_CARD_PAYMENT",
    "REJECT_TOSSPAY_INVALID_ACCOUNT",
];
const SERVER: &[&str] = &[
    "COMMON_ERROR",
    "FAILED_CLOSED_ACCOUNT_REFUND",
    "FAILED_METHOD_HANDLING_CANCEL",
    "FAILED_PARTIAL_REFUND",
    "FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING",
    "FAILED_REFUND_PROCESS",
    "UNKNOWN_PAYMENT_ERROR",
];

impl ApiError {
    /// Returns the error with this code and its documented status.
    pub(crate) fn named(name: &str) -> Self {
        let status = match CODES.iter().find(|code| code.name == name) {
            Some(code) => code.status,
            None if FORBIDDEN.contains(&name) => 403,
            None if SERVER.contains(&name) => 500,
            None => 400,
        };
        Self { status, code: name.to_owned() }
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Whether this error refuses the payment for good, so that it can never be confirmed.
    pub(crate) fn ends_payment(&self) -> bool {
        self.status < 500 && self.status != 429 && self.code != Code::PROVIDER_ERROR.name
    }

    pub(crate) fn message(&self, language: Language) -> &'static str {
        match (CODES.iter().find(|code| code.name == self.code), language) {
            (Some(code), Language::Korean) => code.korean,
            (Some(code), Language::English) => code.english,
            (None, Language::Korean) => "요청이 거절되었습니다.",
            (None, Language::English) => "The request was refused.",
        }
    }

    pub(crate) fn reply(&self, language: Language) -> Reply {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = json!({ "code": self.code, "message": self.message(language) });
        Reply::json(status, &body)
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self { status: code.status, code: code.name.to_owned() }
    }
}

impl Language {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let is_english = wanted.is_some_and(|wanted| wanted.trim_start().starts_with("en"));
        if is_english { Self::English } else { Self::Korean }
    }
}
