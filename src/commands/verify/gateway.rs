//! `grandstand verify --gateway`: looks up each payment of PostgreSQL at the gateway, and each
//! charge of the last days at the gateway in PostgreSQL.

use crate::commands::verify::{Disagreement, Verified};
use crate::domain::ids::PaymentId;
use crate::gateway::toss::{GatewayPayment, GatewayStatus, Lookup, Toss, Transactions};
use crate::store::Store;
use crate::store::audit::KeptPayment;
use crate::store::status::PaymentRowStatus as Status;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Parallel look-ups. More are faster, but the gateway may respond with 429.
const PARALLEL_LOOKUPS: usize = 8;
/// Payments that are read from PostgreSQL at a time.
const PAGE_PAYMENTS: i64 = 1000;

/// Compares all payments, and the charges of the last `days`.
pub async fn verify_gateway(
    store: &Store,
    toss: &Toss,
    days: u16,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    payments(store, toss, verified).await?;
    charges(store, toss, days, verified).await?;
    verified.disagreements.sort();
    Ok(())
}

/// Looks up all payments, page by page. Payments without an outcome are left out, because both
/// states of the gateway are right for them.
async fn payments(store: &Store, toss: &Toss, verified: &mut Verified) -> anyhow::Result<()> {
    let (mut after, mut unknown, mut last_reason) = (None, 0_usize, String::new());
    loop {
        let page = store.payments_after(after, PAGE_PAYMENTS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let mut lookups = stream::iter(page.into_iter().filter(|payment| payment.settled))
            .map(|payment| async move {
                let found = toss.find_by_order(&payment.id.order_id()).await;
                (found, payment)
            })
            .buffer_unordered(PARALLEL_LOOKUPS);
        while let Some((found, payment)) = lookups.next().await {
            verified.payments += 1;
            if let Lookup::Unknown { reason } = found {
                unknown += 1;
                last_reason = reason;
                continue;
            }
            let what = compare(&payment, found);
            let wrong = what.map(|what| Disagreement::new("payment", payment.id, what));
            verified.disagreements.extend(wrong);
        }
    }
    if unknown > 0 {
        let what = format!("{unknown} payments could not be looked up: {last_reason}");
        verified.disagreements.push(Disagreement::new("gateway", "-", what));
    }
    Ok(())
}

/// Reports each of our orders whose money the gateway has although PostgreSQL has no row of it. The
/// row is written before money moves, so a sale under way has a row.
async fn charges(
    store: &Store,
    toss: &Toss,
    days: u16,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    let (rowless, mut failure) = without_row(store, toss, days).await?;
    let mut lookups = stream::iter(rowless)
        .map(|id| async move { (toss.find_by_order(&id.order_id()).await, id) })
        .buffer_unordered(PARALLEL_LOOKUPS);
    while let Some((found, id)) = lookups.next().await {
        match found {
            Lookup::Found(found) if found.has_money() => {
                let what = advice(&found, id, verified);
                verified.disagreements.push(Disagreement::new("gateway", id.order_id(), what));
            }
            Lookup::Found(_) | Lookup::NotFound => {}
            Lookup::Unknown { reason } => failure = Some(reason),
        }
    }
    if let Some(reason) = failure {
        let what = format!("the charges within --days {days} could not all be seen: {reason}");
        verified.disagreements.push(Disagreement::new("gateway", "-", what));
    }
    Ok(())
}

/// Returns our payments whose money moved in the last `days` and which have no row. Also returns
/// the reason if the list of the gateway could not be read to its end.
async fn without_row(
    store: &Store,
    toss: &Toss,
    days: u16,
) -> anyhow::Result<(BTreeSet<PaymentId>, Option<String>)> {
    let to = Timestamp::now();
    let from = to - SignedDuration::from_hours(24 * i64::from(days));
    let (mut rowless, mut after) = (BTreeSet::new(), None);
    loop {
        let page = match toss.transactions(from, to, after.as_deref()).await {
            Transactions::Page(page) => page,
            Transactions::Unknown { reason } => return Ok((rowless, Some(reason))),
        };
        let Some(last) = page.last() else { return Ok((rowless, None)) };
        if after.as_ref() == Some(&last.transaction_key) {
            return Ok((rowless, Some("the gateway sent the same page twice".to_owned())));
        }
        after = Some(last.transaction_key.clone());
        let ids = page.iter().map(|transaction| PaymentId::from_order_id(&transaction.order_id));
        let ours = ids.flatten().collect();
        let known = store.known_payments(&ours).await?;
        rowless.extend(ours.difference(&known));
    }
}

/// Says what to do about a charge without a row. While the journal of its partition disagrees with
/// PostgreSQL, the sale may only have to be restored.
fn advice(found: &GatewayPayment, id: PaymentId, verified: &Verified) -> String {
    let journal = format!("partition {}", id.partition());
    let is_journal = |found: &Disagreement| found.kind == "journal" && found.about == journal;
    let what = if verified.disagreements.iter().any(is_journal) {
        format!("mend the journal of {journal} first")
    } else {
        "give it back at the gateway".to_owned()
    };
    format!("charged {} KRW, and no row of PostgreSQL has it: {what}", found.balance_amount)
}

/// Describes how a payment disagrees with the gateway, or returns `None` when they agree.
fn compare(kept: &KeptPayment, found: Lookup) -> Option<String> {
    let (status, amount) = (kept.status, kept.amount);
    let found = match found {
        Lookup::Found(found) => found,
        // The gateway does not know payments of free seats.
        Lookup::NotFound if amount > 0 && matches!(status, Status::Paid | Status::Refunded) => {
            return Some(format!("{} in PostgreSQL, unknown to the gateway", status.word()));
        }
        Lookup::NotFound | Lookup::Unknown { .. } => return None,
    };
    let has_money = found.has_money();
    let left = amount - kept.back;
    let agrees = match status {
        // Only free seats are left of the sale.
        Status::Paid if left == 0 => found.status == GatewayStatus::Canceled,
        Status::Paid => has_money,
        // The fee stays there.
        Status::Refunded if kept.fees > 0 => has_money,
        Status::Refunded => found.status == GatewayStatus::Canceled,
        // For the others, the gateway must not have the money, whatever its own status is.
        Status::InProgress | Status::Lost | Status::Failed | Status::Withdrawn => !has_money,
    };
    if !agrees {
        return Some(format!("{} in PostgreSQL, {} at the gateway", status.word(), found.status));
    }
    let keeps = status == Status::Paid || status == Status::Refunded && kept.fees > 0;
    if keeps && found.total_amount != amount {
        return Some(format!("{amount} KRW in PostgreSQL, {} at the gateway", found.total_amount));
    }
    if keeps && found.balance_amount != left {
        return Some(format!("{left} KRW are left, {} at the gateway", found.balance_amount));
    }
    None
}
