//! Each sale has one payment, and its money is at the gateway (invariants 5 and 6).
//!
//! `money` compares each order with its row. This compares each sale with all of its orders.

use super::Violation;
use super::money::TAKEN;
use crate::evidence::{Evidence, Payment};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut orders: HashMap<&str, BTreeMap<&str, &Payment>> = HashMap::new();
    for (order, payment) in &evidence.payments {
        orders.entry(&payment.reservation).or_default().insert(order, payment);
    }
    let taken = evidence.ledger.iter().filter_map(taken).collect();
    let mut found = Vec::new();
    for (id, row) in &evidence.reservations {
        if row.status == "CONFIRMED" && row.amount > 0 {
            let orders = orders.remove(&**id).unwrap_or_default();
            if let Some((invariant, what)) = wrong(row.amount, &orders, &taken) {
                let what = format!("{id} is confirmed for {}: {what}: {orders:?}", row.amount);
                found.push(Violation::new(invariant, what).about(&row.fixture, &row.seats));
            }
        }
    }
    found
}

/// The order of an entry of the gateway's books in which money was taken, and what is left of it.
fn taken(entry: &Value) -> Option<(&str, i64)> {
    let status = entry["status"].as_str()?;
    let order = entry["orderId"].as_str().filter(|_| TAKEN.contains(&status))?;
    Some((order, entry["balanceAmount"].as_i64()?))
}

/// What is wrong with the orders of a sale for this amount.
fn wrong(
    amount: i64,
    orders: &BTreeMap<&str, &Payment>,
    taken: &HashMap<&str, i64>,
) -> Option<(u8, String)> {
    let paid = orders.iter().filter(|(_, payment)| payment.status == "PAID");
    let paid: Vec<&str> = paid.map(|(order, _)| *order).collect();
    match paid[..] {
        [] => return Some((5, "it has no payment".to_owned())),
        [order] if !taken.contains_key(order) => {
            return Some((5, format!("nothing was taken for {order}")));
        }
        [_] => {}
        _ => return Some((6, format!("it was paid by each of {paid:?}"))),
    }
    let left = |(order, payment): (&&str, &&Payment)| {
        taken.get(order).map_or(0, |balance| balance - payment.fees)
    };
    let left: i64 = orders.iter().map(left).sum();
    (left != amount).then(|| (6, format!("{left} is at the gateway without the fees")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::fair;
    use crate::evidence::Payment;
    use serde_json::{Value, json};

    fn invariants(evidence: &Evidence) -> Vec<u8> {
        check(evidence).into_iter().map(|violation| violation.invariant).collect()
    }

    /// The fair run, and another payment of its reservation.
    fn with_another(status: &str, refunded: i64, fees: i64) -> Evidence {
        let mut evidence = fair();
        let status = status.to_owned();
        let other = Payment { status, refunded, fees, ..evidence.payments["o1"].clone() };
        evidence.ledger.push(json!({"orderId": "o2", "status": "DONE",
            "totalAmount": other.amount, "balanceAmount": other.amount - refunded}));
        evidence.payments.insert("o2".to_owned(), other);
        evidence
    }

    #[test]
    fn two_payments_of_one_sale_are_found() {
        assert_eq!(check(&fair()), vec![]);
        assert_eq!(invariants(&with_another("PAID", 0, 0)), [6]);
        assert_eq!(invariants(&with_another("REFUNDED", 20_000, 0)), [0; 0]);
        assert_eq!(invariants(&with_another("REFUNDED", 19_000, 1_000)), [0; 0]);
    }

    #[test]
    fn money_beside_that_of_the_sale_is_found() {
        assert_eq!(invariants(&with_another("FAILED", 0, 0)), [6]);
        assert_eq!(invariants(&with_another("REFUNDED", 19_000, 0)), [6]);
    }

    #[test]
    fn a_sale_without_a_payment_is_found() {
        let mut evidence = fair();
        evidence.payments.clear();
        evidence.ledger.clear();
        assert_eq!(invariants(&evidence), [5]);
        for status in ["FAILED", "WITHDRAWN", "REFUNDED"] {
            let mut evidence = fair();
            for payment in evidence.payments.values_mut() {
                payment.status = status.to_owned();
            }
            assert_eq!(invariants(&evidence), [5], "{status}");
        }
    }

    #[test]
    fn a_sale_whose_money_was_never_taken_is_found() {
        let mut evidence = fair();
        evidence.ledger[0]["status"] = json!("READY");
        assert_eq!(invariants(&evidence), [5]);
        evidence.ledger[0]["status"] = Value::Null;
        assert_eq!(invariants(&evidence), [5]);
        for row in evidence.reservations.values_mut() {
            row.amount = 0;
        }
        evidence.ledger.clear();
        evidence.payments.clear();
        assert_eq!(invariants(&evidence), [0; 0], "it cost nothing");
    }
}
