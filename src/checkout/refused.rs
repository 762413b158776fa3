//! Money that must go back, and that the gateway does not give back. Somebody has to look at it, so
//! it is told and counted once an hour for each payment, and not in each round.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How long a refund that was told is not told again. The alert looks at the last hour, so a longer
/// one would end it while the money is still there.
const AGAIN_PERIOD: Duration = Duration::from_secs(3_000);

/// When this process has told of a payment, by the key of the payment at the gateway.
static TOLD: LazyLock<Mutex<HashMap<String, Instant>>> = LazyLock::new(Mutex::default);

/// Tells that the gateway refuses with this code to give back the money of a payment.
pub(super) fn tell(order: &str, payment_key: &str, code: &str) {
    if is_due(&mut TOLD.lock(), payment_key, Instant::now()) {
        tracing::error!(order, code, "the gateway refuses to give money back that is owed");
        metrics::counter!("grandstand_refunds_owed_refused_total").increment(1);
    }
}

fn is_due(told: &mut HashMap<String, Instant>, payment_key: &str, now: Instant) -> bool {
    told.retain(|_, at| now.duration_since(*at) < AGAIN_PERIOD);
    let is_new = !told.contains_key(payment_key);
    if is_new {
        told.insert(payment_key.to_owned(), now);
    }
    is_new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_payment_is_told_once_in_its_period() {
        let (mut told, now) = (HashMap::new(), Instant::now());
        assert!(is_due(&mut told, "a", now));
        assert!(is_due(&mut told, "b", now));
        assert!(!is_due(&mut told, "a", now + AGAIN_PERIOD / 2));
        assert!(is_due(&mut told, "a", now + AGAIN_PERIOD));
        assert_eq!(told.len(), 1, "the others are forgotten");
    }
}
