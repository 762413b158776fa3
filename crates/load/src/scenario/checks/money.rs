//! Everybody who paid has the seats or the money. The ledger of the payment emulator knows who
//! paid.

use crate::scenario::checks::Violations;
use crate::scenario::history::{Claim, History, Stage};
use crate::wire::{Connection, Method, ServerAddress};
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::collections::HashMap;

/// A payment of the ledger.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Charge {
    order_id: String,
    status: String,
    total_amount: i64,
    balance_amount: i64,
}

#[derive(Deserialize)]
struct Ledger {
    payments: Vec<Charge>,
}

impl Charge {
    fn has_money(&self) -> bool {
        matches!(self.status.as_str(), "DONE" | "PARTIAL_CANCELED" | "WAITING_FOR_DEPOSIT")
    }
}

/// Reads the ledger of the emulator.
pub(crate) async fn ledger(emulator: ServerAddress) -> anyhow::Result<Vec<Charge>> {
    let mut connection = Connection::new(emulator);
    let response = connection.call(Method::Get, "/_emulator/ledger", None, None).await?;
    ensure!(response.status == 200, "the ledger of the emulator: status {}", response.status);
    let ledger: Ledger = serde_json::from_slice(&response.body).context("the ledger")?;
    Ok(ledger.payments)
}

/// Finds tickets without a charge of their amount, charges without a ticket, and cancelled tickets
/// whose money has not come back. Claims with an unknown stage are left out.
pub(crate) fn wrong_charges(history: &History, claims: &[Claim], charges: &[Charge]) -> Violations {
    let mut of_order: HashMap<&str, Vec<&Charge>> = HashMap::new();
    for charge in charges {
        of_order.entry(charge.order_id.as_str()).or_default().push(charge);
    }
    let mut violations = Violations::default();
    for claim in claims {
        let Some(order) = &claim.order else { continue };
        let empty = vec![];
        let all = of_order.get(order.as_str()).unwrap_or(&empty);
        let kept: i64 = all.iter().filter(|it| it.has_money()).map(|it| it.balance_amount).sum();
        let wanted = match claim.stage {
            Stage::Ticket => claim.amount,
            Stage::Held | Stage::Reserved | Stage::GivenBack | Stage::Refunded => 0,
            Stage::Unsure => continue,
        };
        let charged = all.iter().any(|charge| charge.total_amount == claim.amount);
        if kept != wanted || claim.stage == Stage::Ticket && !charged {
            let sentence = format!(
                "person {} with the stage {:?}: the gateway keeps {kept} KRW of order {order}, \
                 {wanted} KRW is right",
                claim.person, claim.stage
            );
            violations.add(sentence, || history.of_person(claim.person));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::checks::seats::tests::claim;

    fn charge(person: u32, status: &str, kept: i64) -> Charge {
        Charge {
            order_id: format!("order of {person}"),
            status: status.to_owned(),
            total_amount: 1000,
            balance_amount: kept,
        }
    }

    fn count(stage: Stage, charges: &[Charge]) -> usize {
        let claim = Claim { stage, ..claim(1, &[7], 10) };
        wrong_charges(&History::begin(), &[claim], charges).sentences.len()
    }

    #[test]
    fn a_ticket_has_one_charge_and_nothing_else_has_any() {
        assert_eq!(count(Stage::Ticket, &[charge(1, "DONE", 1000)]), 0);
        assert_eq!(count(Stage::Ticket, &[charge(2, "DONE", 1000)]), 1, "somebody else paid");
        assert_eq!(count(Stage::Ticket, &[charge(1, "DONE", 900)]), 1, "another amount");
        let twice = [charge(1, "DONE", 1000), charge(1, "DONE", 1000)];
        assert_eq!(count(Stage::Ticket, &twice), 1, "charged twice");
        assert_eq!(count(Stage::Reserved, &[charge(1, "IN_PROGRESS", 1000)]), 0);
        assert_eq!(count(Stage::Reserved, &[charge(1, "DONE", 1000)]), 1, "paid for nothing");
        assert_eq!(count(Stage::Refunded, &[charge(1, "CANCELED", 0)]), 0);
        assert_eq!(count(Stage::Refunded, &[charge(1, "DONE", 1000)]), 1, "no refund");
        assert_eq!(count(Stage::Unsure, &[charge(1, "DONE", 1000)]), 0);
    }
}
