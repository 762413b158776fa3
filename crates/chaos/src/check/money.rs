//! The books of the gateway and of PostgreSQL (invariants 4, 5, 6 and 24).

use super::Violation;
use crate::evidence::{Evidence, Payment};
use crate::fixture::{LISTED_COST, PRICE, REFUND_FEE};
use crate::history::Act;
use serde_json::Value;
use std::collections::HashSet;

/// States of a payment at the gateway in which money was taken.
pub(super) const TAKEN: [&str; 3] = ["DONE", "PARTIAL_CANCELED", "CANCELED"];

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    for (order, payment) in &evidence.payments {
        if payment.refunding || ["IN_PROGRESS", "LOST"].contains(&&*payment.status) {
            found.push(Violation::new(24, format!("{order} has no outcome: {payment:?}")));
        }
    }
    for entry in &evidence.ledger {
        let order = entry["orderId"].as_str().unwrap_or_default();
        if let Err((invariant, what)) = agree(evidence, entry, evidence.payments.get(order)) {
            let what = format!("{order}: {what}; at the gateway: {entry}");
            let reservation = evidence.payments.get(order).map(|payment| &payment.reservation);
            let row = reservation.and_then(|id| evidence.reservations.get(id));
            let violation = Violation::new(invariant, what);
            found.push(match row {
                Some(row) => violation.about(&row.fixture, &row.seats),
                None => violation,
            });
        }
    }
    found.extend(amounts(evidence));
    let at_gateway =
        |order: &str| evidence.ledger.iter().any(|entry| entry["orderId"].as_str() == Some(order));
    for (order, payment) in &evidence.payments {
        if payment.status == "PAID" && payment.amount > 0 && !at_gateway(order) {
            found.push(Violation::new(5, format!("{order} is paid, and the gateway has nothing")));
        }
    }
    found
}

/// Each seat costs what its match says, in the payment and in the sale that is left; and a fan who
/// gives a seat back pays the fee of the match, no more and no less.
fn amounts(evidence: &Evidence) -> Vec<Violation> {
    let cancels = evidence.calls.iter().filter(|call| call.act == Act::Cancel);
    let cancelled: HashSet<&str> =
        cancels.filter(|call| call.done().is_some()).map(|call| &*call.about).collect();
    let mut found = Vec::new();
    for (order, payment) in &evidence.payments {
        let Some(row) = evidence.reservations.get(&payment.reservation) else { continue };
        let listed = evidence.listed.contains(&row.fixture);
        let cost = if listed { LISTED_COST } else { PRICE };
        let fee = if listed && evidence.fees { REFUND_FEE } else { 0 };
        let seats = i64::try_from(row.seats.len()).unwrap_or(i64::MAX);
        let left = row.status != "CONFIRMED" || row.amount == seats * cost;
        let back = payment.refunded + payment.fees;
        let cancelled = cancelled.contains(&*payment.reservation);
        // The money of a sale that could not be made goes back without a fee.
        let fair = payment.fees == back / cost * fee || (payment.fees == 0 && !cancelled);
        if payment.amount % cost != 0 || back % cost != 0 || !left || !fair {
            let what =
                format!("{order}: seats cost {cost}, the fee is {fee}: {payment:?}, {row:?}");
            found.push(Violation::new(6, what).about(&row.fixture, &row.seats));
        }
    }
    found
}

/// Compares a payment of the gateway with that of PostgreSQL.
fn agree(evidence: &Evidence, entry: &Value, kept: Option<&Payment>) -> Result<(), (u8, String)> {
    let number = |name: &str| entry[name].as_i64().unwrap_or(i64::MIN);
    let (total, balance) = (number("totalAmount"), number("balanceAmount"));
    let status = entry["status"].as_str().unwrap_or_default();
    let require = |holds: bool, invariant: u8, what: &str| {
        if holds { Ok(()) } else { Err((invariant, format!("{what}; in PostgreSQL: {kept:?}"))) }
    };
    if !TAKEN.contains(&status) {
        let paid = kept.is_some_and(|payment| ["PAID", "REFUNDED"].contains(&&*payment.status));
        return require(!paid, 5, "it is paid, and no money was taken");
    }
    // A sale that was made and given back while PostgreSQL lost its last commits is in no table, or
    // its payment is what it was before: without a charge.
    let order = &entry["orderId"];
    let lost = evidence.calls.iter().any(|call| {
        let losses = &evidence.database_losses;
        let then = Evidence::happened(losses, &call.fixture, call.begun, call.ended);
        call.sent["orderId"] == *order && then
    });
    let gone = balance == 0 && lost;
    let Some(payment) = kept else {
        return require(gone, 4, "charged, and nobody knows it");
    };
    if gone && payment.status == "FAILED" {
        return Ok(());
    }
    require(payment.amount == total, 6, "another amount was charged")?;
    require(payment.amount - payment.refunded == balance, 6, "other money went back")?;
    let reservation = evidence.reservations.get(&payment.reservation);
    let sold = reservation.is_some_and(|row| row.status == "CONFIRMED");
    let kept_fees = payment.fees > 0 && balance == payment.fees;
    if balance == 0 || (kept_fees && payment.status == "REFUNDED") {
        return require(payment.status == "REFUNDED", 4, "all went back, and it is not refunded");
    }
    require(payment.status == "PAID" && sold, 4, "charged, and there is no sale")?;
    let left = reservation.map_or(0, |row| row.amount);
    require(payment.amount == left + payment.refunded + payment.fees, 6, "money is missing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{fair, window};
    use serde_json::json;

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn fair_books_agree() {
        assert_eq!(check(&fair()), vec![]);
    }

    #[test]
    fn money_without_an_owner_is_found() {
        let mut evidence = fair();
        evidence.payments.clear();
        evidence.calls[2].sent = json!({"orderId": "o1"});
        evidence.database_losses = vec![window(200, 250)];
        assert_eq!(invariants(&evidence), [4], "it has not gone back");
        evidence.ledger[0]["status"] = json!("CANCELED");
        evidence.ledger[0]["balanceAmount"] = json!(0);
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.database_losses = vec![window(300, 350)];
        assert_eq!(invariants(&evidence), [4], "not at this time");
        let mut evidence = fair();
        evidence.reservations.clear();
        assert_eq!(invariants(&evidence), [4]);
    }

    #[test]
    fn a_payment_that_failed_and_was_charged_is_found_unless_postgresql_lost_the_sale() {
        let mut evidence = fair();
        evidence.reservations.clear();
        for payment in evidence.payments.values_mut() {
            payment.status = "FAILED".to_owned();
        }
        evidence.calls[2].sent = json!({"orderId": "o1"});
        evidence.ledger[0]["status"] = json!("CANCELED");
        evidence.ledger[0]["balanceAmount"] = json!(0);
        assert_eq!(invariants(&evidence), [6]);
        evidence.database_losses = vec![window(200, 250)];
        assert_eq!(invariants(&evidence), [0; 0]);
        evidence.ledger[0]["balanceAmount"] = json!(20_000);
        assert_eq!(invariants(&evidence), [4], "the money is still there");
    }

    #[test]
    fn a_sale_without_money_is_found() {
        let mut evidence = fair();
        evidence.ledger.clear();
        assert_eq!(invariants(&evidence), [5]);
        let mut evidence = fair();
        evidence.ledger[0]["status"] = json!("READY");
        assert_eq!(invariants(&evidence), [5]);
    }

    #[test]
    fn another_amount_and_a_lost_refund_are_found() {
        let mut evidence = fair();
        evidence.ledger[0]["totalAmount"] = json!(1);
        assert_eq!(invariants(&evidence), [6]);
        let mut evidence = fair();
        evidence.ledger[0]["balanceAmount"] = json!(10_000);
        assert_eq!(invariants(&evidence), [6]);
    }

    #[test]
    fn a_wrong_price_and_a_wrong_fee_are_found() {
        let listed = || Evidence { listed: ["m".to_owned()].into(), fees: true, ..fair() };
        assert_eq!(invariants(&listed()), [6], "its seats cost something else");
        // Person 0 has given seat 2 back.
        let mut evidence = listed();
        for row in evidence.reservations.values_mut() {
            (row.seats, row.amount) = (vec![1], LISTED_COST);
        }
        for payment in evidence.payments.values_mut() {
            payment.amount = 2 * LISTED_COST;
            (payment.refunded, payment.fees) = (LISTED_COST - REFUND_FEE, REFUND_FEE);
        }
        evidence.ledger[0]["totalAmount"] = json!(2 * LISTED_COST);
        evidence.ledger[0]["balanceAmount"] = json!(LISTED_COST + REFUND_FEE);
        assert_eq!(invariants(&evidence), [0; 0]);
        for payment in evidence.payments.values_mut() {
            (payment.refunded, payment.fees) = (payment.refunded - 1, payment.fees + 1);
        }
        evidence.ledger[0]["balanceAmount"] = json!(LISTED_COST + REFUND_FEE + 1);
        assert_eq!(invariants(&evidence), [6]);
    }

    #[test]
    fn a_payment_without_an_outcome_is_found() {
        let mut evidence = fair();
        for payment in evidence.payments.values_mut() {
            payment.refunding = true;
        }
        assert_eq!(invariants(&evidence), [24]);
    }
}
