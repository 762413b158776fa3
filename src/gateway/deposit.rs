//! Virtual accounts. A buyer may pay into one for days, or never, so that seats would wait for his
//! goodwill: such a payment is refused, and its account is closed at the gateway.

use super::payment::GatewayStatus;
use super::toss::{CancelOutcome, Lookup, Outcome, Toss};

/// What we call the refusal, in the place of a code of the gateway.
const VIRTUAL_ACCOUNT: &str = "VIRTUAL_ACCOUNT_NOT_ACCEPTED";

impl Toss {
    /// Closes the virtual account of a payment that waits for a deposit. The outcome is `Declined`
    /// once no deposit can come, and also when the gateway refuses to close the account: a deposit
    /// that comes late is then found by the settlement, and given back.
    pub async fn refuse_deposit(&self, payment_key: &str) -> Outcome {
        let intent = format!("deposit:{payment_key}");
        let reason = "virtual accounts are not accepted";
        let declined = || Outcome::Declined {
            code: VIRTUAL_ACCOUNT.to_owned(),
            message: "This shop does not take deposits into an account.".to_owned(),
        };
        match self.cancel(payment_key, &intent, reason, None).await {
            CancelOutcome::Canceled(_) => declined(),
            CancelOutcome::Unknown { reason } => Outcome::Unknown { reason },
            CancelOutcome::Refused { code, .. } => match self.find_by_key(payment_key).await {
                Lookup::Found(found) if found.status == GatewayStatus::WaitingForDeposit => {
                    tracing::warn!(payment_key, code, "a virtual account stays open");
                    declined()
                }
                // The buyer was quicker.
                _ => Outcome::Unknown { reason: format!("the deposit can't be refused: {code}") },
            },
        }
    }
}
