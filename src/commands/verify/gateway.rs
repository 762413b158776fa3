//! `grandstand verify --gateway`: each payment that PostgreSQL knows is looked up at the gateway,
//! and each charge of the last days at the gateway is looked up in PostgreSQL.

use crate::commands::verify::{Disagreement, Verified};
use crate::domain::ids::PaymentId;
use crate::gateway::toss::{GatewayPayment, GatewayStatus, Lookup, Toss, Transactions};
use crate::store::Store;
use crate::store::audit::KeptPayment;
use crate::store::status::PaymentRowStatus as Status;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Look-ups at the same time.
const AT_ONCE: usize = 8;
/// Payments per page.
const PAGE: i64 = 1000;

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

/// Looks all payments up, page by page. One without an outcome is left out: it may have either.
async fn payments(store: &Store, toss: &Toss, verified: &mut Verified) -> anyhow::Result<()> {
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
    Ok(())
}

/// Names each order of ours whose money the gateway has and that has no row. A row is written
/// before money moves, so a sale that is on its way has one.
async fn charges(
    store: &Store,
    toss: &Toss,
    days: u16,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    let (rowless, mut failure) = without_row(store, toss, days).await?;
    let mut answers = stream::iter(rowless)
        .map(|id| async move { (toss.find_by_order(&id.order_id()).await, id) })
        .buffer_unordered(AT_ONCE);
    while let Some((found, id)) = answers.next().await {
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

/// The payments of ours that money moved for in the last `days` and that have no row, and why the
/// list of the gateway could not be read to its end.
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
            return Ok((rowless, Some("the same page came twice".to_owned())));
        }
        after = Some(last.transaction_key.clone());
        let ours = page.iter().filter_map(|one| PaymentId::from_order_id(&one.order_id)).collect();
        let known = store.known_payments(&ours).await?;
        rowless.extend(ours.difference(&known));
    }
}

/// What to do about a charge without a row. While the journal of its partition is not that of
/// PostgreSQL, the sale may only have to be restored.
fn advice(found: &GatewayPayment, id: PaymentId, verified: &Verified) -> String {
    let journal = format!("partition {}", id.partition());
    let is_journal = |one: &Disagreement| one.kind == "journal" && one.about == journal;
    let what = if verified.disagreements.iter().any(is_journal) {
        format!("mend the journal of {journal} first")
    } else {
        "give it back at the gateway".to_owned()
    };
    format!("charged {} KRW, and no row of PostgreSQL has it: {what}", found.balance_amount)
}

/// What does not agree.
fn judge(kept: &KeptPayment, found: Lookup) -> Option<String> {
    let (status, amount) = (kept.status, kept.amount);
    let found = match found {
        Lookup::Found(found) => found,
        // What costs nothing is no business of the gateway.
        Lookup::NotFound if amount > 0 && matches!(status, Status::Paid | Status::Refunded) => {
            return Some(format!("{} in PostgreSQL, unknown to the gateway", status.word()));
        }
        Lookup::NotFound | Lookup::Unknown { .. } => return None,
    };
    let has_money = found.has_money();
    let left = amount - kept.back;
    let agrees = match status {
        // All that is left of it are seats that cost nothing.
        Status::Paid if left == 0 => found.status == GatewayStatus::Canceled,
        Status::Paid => has_money,
        Status::Refunded => found.status == GatewayStatus::Canceled,
        // Declined, withdrawn or lost: whatever the gateway calls it, it must not have the money.
        Status::InProgress | Status::Lost | Status::Failed | Status::Withdrawn => !has_money,
    };
    if !agrees {
        return Some(format!("{} in PostgreSQL, {} at the gateway", status.word(), found.status));
    }
    if status == Status::Paid && found.total_amount != amount {
        return Some(format!("{amount} KRW in PostgreSQL, {} at the gateway", found.total_amount));
    }
    if status == Status::Paid && found.balance_amount != left {
        return Some(format!("{left} KRW are left, {} at the gateway", found.balance_amount));
    }
    None
}
