//! Every confirmation with the status 200 is a sale in PostgreSQL, with its seats and its amount.

use crate::scenario::checks::Violations;
use crate::scenario::history::{Claim, History, Stage};
use anyhow::Context as _;
use grandstand::domain::claim::ReservationStatus;
use grandstand::domain::ids::{SeatId, UserId};
use grandstand::store::Store;
use std::collections::HashMap;

/// A sale as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    /// The owner; unknown when the sale was read with the token of its owner.
    pub(crate) user: Option<UserId>,
    pub(crate) status: ReservationStatus,
    pub(crate) seats: Vec<SeatId>,
    pub(crate) amount: i64,
}

/// Reads the sales of these claims from PostgreSQL, by the ids of their reservations.
pub(crate) async fn stored(
    store: &Store,
    claims: &[Claim],
) -> anyhow::Result<HashMap<String, Sale>> {
    let mut found = HashMap::new();
    for claim in claims.iter().filter(|claim| has_sale(claim)) {
        let Some(id) = &claim.reservation else { continue };
        let number = id.parse().with_context(|| format!("the reservation {id}"))?;
        if let Some(kept) = store.reservation(number).await? {
            let (user, status) = (Some(kept.user), kept.status);
            let sale = Sale { user, status, seats: kept.seats, amount: kept.amount };
            found.insert(id.clone(), sale);
        }
    }
    Ok(found)
}

/// Whether PostgreSQL must have a sale of this claim.
pub(crate) fn has_sale(claim: &Claim) -> bool {
    matches!(claim.stage, Stage::Ticket | Stage::Refunded)
}

/// Finds tickets that are missing, or that differ. `user_of` returns the user of a person.
pub(crate) fn wrong_sales(
    history: &History,
    claims: &[Claim],
    sales: &HashMap<String, Sale>,
    user_of: impl Fn(u32) -> Option<UserId>,
) -> Violations {
    let mut violations = Violations::default();
    for claim in claims.iter().filter(|claim| has_sale(claim)) {
        let id = claim.reservation.as_deref().unwrap_or_default();
        let wanted = match claim.stage {
            Stage::Refunded => ReservationStatus::Cancelled,
            Stage::Ticket | Stage::Held | Stage::Reserved | Stage::Unsure | Stage::GivenBack => {
                ReservationStatus::Confirmed
            }
        };
        let wrong = match sales.get(id) {
            None => "is missing".to_owned(),
            Some(sale) if sale.status != wanted => {
                format!("is {}, not {}", sale.status.word(), wanted.word())
            }
            Some(sale) if sale.user.is_some() && sale.user != user_of(claim.person) => {
                "belongs to another user".to_owned()
            }
            Some(sale) if sale.amount != claim.amount => {
                format!("has {} KRW, not {}", sale.amount, claim.amount)
            }
            Some(sale) if !same(&sale.seats, &claim.seats) => {
                format!("has the seats {:?}, not {:?}", sale.seats, claim.seats)
            }
            Some(_) => continue,
        };
        let sentence = format!("the reservation {id} of person {} {wrong}", claim.person);
        violations.add(sentence, || history.of_person(claim.person));
    }
    violations
}

fn same(left: &[SeatId], right: &[SeatId]) -> bool {
    left.len() == right.len() && left.iter().all(|seat| right.contains(seat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::checks::seats::tests::claim;
    use grandstand::domain::ids::Partition;

    #[test]
    fn a_ticket_that_is_missing_or_differs_is_found() {
        let ticket = Claim { stage: Stage::Ticket, ..claim(1, &[7, 8], 10) };
        let user = UserId::new(Partition(0));
        let sale = Sale {
            user: Some(user),
            status: ReservationStatus::Confirmed,
            seats: vec![SeatId(8), SeatId(7)],
            amount: 1000,
        };
        let count = |claim: &Claim, sale: Option<Sale>| {
            let id = "reservation of 1".to_owned();
            let sales = sale.map(|sale| (id, sale)).into_iter().collect();
            let claims = std::slice::from_ref(claim);
            wrong_sales(&History::begin(), claims, &sales, |_| Some(user)).sentences.len()
        };
        assert_eq!(count(&ticket, Some(sale.clone())), 0);
        assert_eq!(count(&ticket, None), 1);
        let another = Some(UserId::new(Partition(0)));
        assert_eq!(count(&ticket, Some(Sale { user: another, ..sale.clone() })), 1);
        assert_eq!(count(&ticket, Some(Sale { user: None, ..sale.clone() })), 0);
        assert_eq!(count(&ticket, Some(Sale { amount: 900, ..sale.clone() })), 1);
        assert_eq!(count(&ticket, Some(Sale { seats: vec![SeatId(7)], ..sale.clone() })), 1);
        let status = ReservationStatus::Cancelled;
        assert_eq!(count(&ticket, Some(Sale { status, ..sale.clone() })), 1);
        let refunded = Claim { stage: Stage::Refunded, ..ticket.clone() };
        assert_eq!(count(&refunded, Some(Sale { status, ..sale.clone() })), 0);
        assert_eq!(count(&refunded, Some(sale)), 1);
    }
}
