//! `grandstand verify --gateway`: each payment that PostgreSQL knows is looked up at the gateway.

use crate::commands::verify::{Disagreement, Verified};
use crate::gateway::toss::{GatewayStatus, Lookup, Toss};
use crate::store::Store;
use crate::store::payments::KeptPayment;
use futures::{StreamExt as _, stream};

/// Look-ups at the same time.
const AT_ONCE: usize = 8;
/// Payments per page.
const PAGE: i64 = 1000;

/// Looks all payments up, page by page. One without an outcome is left out: it may have either.
pub async fn verify_gateway(
    store: &Store,
    toss: &Toss,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    let (mut after, mut unknown, mut last_reason) = (None, 0_usize, String::new());
    loop {
        let page = store.payments_after(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let mut answers = stream::iter(page.into_iter().filter(|one| one.settled))
            .map(|one| async move {
                let found = toss.find_by_order(&one.id.order_id()).await;
                (found, one)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((found, one)) = answers.next().await {
            verified.payments += 1;
            if let Lookup::Unknown { reason } = found {
                unknown += 1;
                last_reason = reason;
                continue;
            }
            let what = judge(&one, found);
            let wrong = what.map(|what| Disagreement::new("payment", one.id, what));
            verified.disagreements.extend(wrong);
        }
    }
    if unknown > 0 {
        let what = format!("{unknown} payments could not be looked up: {last_reason}");
        verified.disagreements.push(Disagreement::new("gateway", "-", what));
    }
    verified.disagreements.sort();
    Ok(())
}

/// What does not agree.
fn judge(kept: &KeptPayment, found: Lookup) -> Option<String> {
    let (status, amount) = (kept.status.as_str(), kept.amount);
    let found = match found {
        Lookup::Found(found) => found,
        // What costs nothing is no business of the gateway.
        Lookup::NotFound if amount > 0 && matches!(status, "PAID" | "REFUNDED") => {
            return Some(format!("{status} in PostgreSQL, unknown to the gateway"));
        }
        Lookup::NotFound | Lookup::Unknown { .. } => return None,
    };
    let has_money = matches!(found.status, GatewayStatus::Done | GatewayStatus::PartialCanceled);
    let left = amount - kept.back;
    let agrees = match status {
        // All that is left of it are seats that cost nothing.
        "PAID" if left == 0 => found.status == GatewayStatus::Canceled,
        "PAID" => has_money,
        "REFUNDED" => found.status == GatewayStatus::Canceled,
        // Declined, withdrawn or lost: whatever the gateway calls it, it must not have the money.
        _ => !has_money,
    };
    if !agrees {
        return Some(format!("{status} in PostgreSQL, {} at the gateway", found.status));
    }
    if status == "PAID" && found.total_amount != amount {
        return Some(format!("{amount} KRW in PostgreSQL, {} at the gateway", found.total_amount));
    }
    if status == "PAID" && found.balance_amount != left {
        return Some(format!("{left} KRW are left, {} at the gateway", found.balance_amount));
    }
    None
}
