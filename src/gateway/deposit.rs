//! Virtual accounts. A buyer may pay into such an account for days, or never, and the seats would
//! wait for the deposit. So such a payment is refused, and its account is closed at the gateway.

use crate::gateway::payment::GatewayStatus;
use crate::gateway::toss::{CancelOutcome, ConfirmOutcome, Lookup, Toss, shortened};

/// Our code for the refusal, in the place of a code of the gateway.
const REFUSAL_CODE: &str = "VIRTUAL_ACCOUNT_NOT_ACCEPTED";

impl Toss {
    /// Closes the virtual account of a payment that waits for a deposit. The outcome is `Declined`
    /// once no deposit can arrive, and also when the gateway refuses to close the account. In the
    /// second case, the settlement finds a late deposit and returns the money.
    pub async fn refuse_deposit(&self, payment_key: &str) -> ConfirmOutcome {
        let intent = format!("deposit:{payment_key}");
        let reason = "virtual accounts are not accepted";
        let declined = || ConfirmOutcome::Declined {
            code: REFUSAL_CODE.to_owned(),
            message: "This shop does not accept deposits into an account.".to_owned(),
        };
        match self.cancel(payment_key, &intent, reason, None).await {
            CancelOutcome::Canceled(_) => declined(),
            CancelOutcome::Unknown { reason } => ConfirmOutcome::Unknown { reason },
            CancelOutcome::Refused { code, .. } => match self.find_by_key(payment_key).await {
                Lookup::Found(found) if found.status == GatewayStatus::WaitingForDeposit => {
                    tracing::warn!(
                        payment_key = shortened(payment_key),
                        code,
                        "the gateway refused to close a virtual account"
                    );
                    declined()
                }
                // The buyer has paid before the account was closed.
                _ => ConfirmOutcome::Unknown {
                    reason: format!("the account cannot be closed: {code}"),
                },
            },
        }
    }
}
