//! The error codes of Toss that decide an outcome. Only codes on these lists end a payment or a
//! refund. Any other code leaves the outcome unknown, also a code that Toss adds later.

/// Refusals of a confirmation after which no money can have moved.
///
/// These codes are missing on purpose, because they can hide an approval:
/// `ALREADY_PROCESSED_PAYMENT`, `PROVIDER_ERROR`, `CARD_PROCESSING_ERROR` (the card company failed
/// and did not refuse) and `UNAPPROVED_ORDER_ID` (Toss knows the order, but not its state).
const CONFIRM_DECLINES: &[&str] = &[
    "BELOW_MINIMUM_AMOUNT",
    "EXCEED_MAX_AMOUNT",
    "EXCEED_MAX_AUTH_COUNT",
    "EXCEED_MAX_CARD_INSTALLMENT_PLAN",
    "EXCEED_MAX_DAILY_PAYMENT_COUNT",
    "EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT",
    "EXCEED_MAX_ONE_DAY_AMOUNT",
    "EXCEED_MAX_ONE_DAY_WITHDRAW_AMOUNT",
    "EXCEED_MAX_ONE_TIME_WITHDRAW_AMOUNT",
    "EXCEED_MAX_PAYMENT_AMOUNT",
    "FDS_ERROR",
    "INVALID_ACCOUNT_INFO_RE_REGISTER",
    "INVALID_CARD_EXPIRATION",
    "INVALID_CARD_INSTALLMENT_PLAN",
    "INVALID_CARD_LOST_OR_STOLEN",
    "INVALID_CARD_NUMBER",
    "INVALID_PASSWORD",
    "INVALID_REJECT_CARD",
    "INVALID_REQUEST",
    "INVALID_STOPPED_CARD",
    "NOT_ALLOWED_POINT_USE",
    "NOT_AVAILABLE_BANK",
    "NOT_AVAILABLE_PAYMENT",
    "NOT_FOUND_PAYMENT",
    "NOT_FOUND_PAYMENT_SESSION",
    "NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT",
    "NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN",
    "REJECT_ACCOUNT_PAYMENT",
    "REJECT_CARD_COMPANY",
    "REJECT_CARD_PAYMENT",
    "REJECT_TOSSPAY_INVALID_ACCOUNT",
    "RESTRICTED_TRANSFER_ACCOUNT",
];

/// Refusals of a cancellation after which no money has moved.
const CANCEL_REFUSALS: &[&str] = &[
    "EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT",
    "EXCEED_MAX_REFUND_DUE",
    "FORBIDDEN_BANK_REFUND_REQUEST",
    "INVALID_BANK",
    "INVALID_REFUND_ACCOUNT_INFO",
    "INVALID_REFUND_ACCOUNT_NUMBER",
    "INVALID_REQUEST",
    "NOT_ALLOWED_PARTIAL_REFUND",
    "NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT",
    "NOT_AVAILABLE_BANK",
    "NOT_CANCELABLE_AMOUNT",
    "NOT_CANCELABLE_PAYMENT",
    "NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER",
    "NOT_FOUND_PAYMENT",
    "NOT_MATCHES_REFUNDABLE_AMOUNT",
    "REFUND_REJECTED",
];

/// Replies to a cancellation that say that the money has gone back already.
const CANCELED_BEFORE: &[&str] = &["ALREADY_CANCELED_PAYMENT", "ALREADY_REFUND_PAYMENT"];

/// Refusals of a cancellation that can succeed with another account for the money.
const ACCOUNT_WANTED: &[&str] =
    &["INVALID_BANK", "INVALID_REFUND_ACCOUNT_INFO", "INVALID_REFUND_ACCOUNT_NUMBER"];

/// Faults of our own configuration: an operator has to act, and no buyer is to blame.
const CONFIGURATION: &[&str] = &[
    "FORBIDDEN_REQUEST",
    "INCORRECT_BASIC_AUTH_FORMAT",
    "INVALID_API_KEY",
    "INVALID_AUTHORIZE_AUTH",
    "INVALID_IDEMPOTENCY_KEY",
    "INVALID_UNREGISTERED_SUBMALL",
    "NOT_FOUND_TERMINAL_ID",
    "NOT_REGISTERED_BUSINESS",
    "UNAUTHORIZED_KEY",
];

/// Whether this reply declines a confirmation for good.
pub(super) fn declines_confirm(status: u16, code: &str) -> bool {
    is_refusal(status) && CONFIRM_DECLINES.contains(&code)
}

/// Whether this reply refuses a cancellation for good.
pub(super) fn refuses_cancel(status: u16, code: &str) -> bool {
    is_refusal(status) && CANCEL_REFUSALS.contains(&code)
}

/// Whether this reply to a cancellation says that the payment was cancelled before.
pub(super) fn canceled_before(code: &str) -> bool {
    CANCELED_BEFORE.contains(&code)
}

/// Whether this reply to a cancellation asks for the account of the buyer.
pub(super) fn wants_account(code: &str) -> bool {
    ACCOUNT_WANTED.contains(&code)
}

/// Whether the configuration is wrong, so that every further call will fail the same way.
pub(super) fn is_configuration(code: &str) -> bool {
    CONFIGURATION.contains(&code)
}

/// 5xx and 429 decide nothing, whatever their code is, because they may come from a proxy.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && status != 429
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_on_at_most_one_list() {
        for code in CONFIRM_DECLINES.iter().chain(CANCEL_REFUSALS) {
            assert!(!is_configuration(code) && !canceled_before(code), "{code}");
        }
    }

    #[test]
    fn ambiguous_codes_and_server_errors_decide_nothing() {
        for code in ["ALREADY_PROCESSED_PAYMENT", "PROVIDER_ERROR", "SOMETHING_NEW"] {
            assert!(!declines_confirm(400, code) && !refuses_cancel(400, code), "{code}");
        }
        assert!(declines_confirm(403, "REJECT_CARD_COMPANY"));
        assert!(!declines_confirm(500, "REJECT_CARD_COMPANY"));
        assert!(!declines_confirm(429, "REJECT_CARD_COMPANY"));
    }
}
