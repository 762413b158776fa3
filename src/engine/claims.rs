//! Claims as Redis knows them: live ones, and those that ended not long ago.

use crate::domain::claim::{
    Claim, ClaimPayment, ClaimState, EndedClaim, Reservation, ReservationStatus,
};
use crate::domain::ids::{Partition, PaymentId, ReservationId, UserId};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::redis::keys::PartitionKeys;
use fred::prelude::*;

/// What the name of a note about an ended claim begins with, before the id of the claim: `NOTE` in
/// `lua/lib/operation.lua`.
pub(super) const NOTE_ENDED: &str = "e:";
/// The same before the id of a payment, for its reservation.
pub(super) const NOTE_PAYMENT: &str = "p:";

/// A claim that Redis knows.
#[derive(Debug, Clone)]
pub enum Found {
    Live(Claim),
    Ended(EndedClaim),
}

impl Found {
    /// The record, live or not.
    pub fn claim(&self) -> &Claim {
        match self {
            Self::Live(claim) => claim,
            Self::Ended(ended) => &ended.claim,
        }
    }

    /// The reservation that this claim is; `None` for a hold. `now_ms` is the clock of its
    /// partition, because a deadline that has passed counts before any worker has swept it.
    pub fn reservation(&self, now_ms: i64) -> Option<Reservation> {
        let claim = self.claim();
        let status = match self {
            Self::Live(claim) => claim.reservation_status()?,
            Self::Ended(ended) => ended.reservation_status()?,
        };
        let late = claim.state == ClaimState::Pending && claim.deadline <= now_ms;
        let status = if late && status == ReservationStatus::Pending {
            ReservationStatus::Expired
        } else {
            status
        };
        let open = status == ReservationStatus::Pending;
        Some(Reservation {
            id: claim.id,
            match_id: claim.match_id,
            user: claim.user,
            status,
            seats: claim.seats.clone(),
            amount: claim.amount,
            expires_at: open.then_some(claim.deadline),
            created_at: claim.id.made_at(),
            payment: claim.payment.clone(),
            refunding: claim.state == ClaimState::Refunding,
        })
    }
}

impl Engine {
    /// A hold or reservation of a user, live or ended not long ago.
    pub async fn claim(
        &self,
        user: UserId,
        id: ReservationId,
    ) -> Result<Option<Found>, EngineError> {
        let live = self.claims_of(id.partition(), user).await?;
        if let Some(claim) = live.into_iter().find(|claim| claim.id == id) {
            return Ok(Some(Found::Live(claim)));
        }
        let note = self.note(id.partition(), format!("{NOTE_ENDED}{}", id.key())).await?;
        let ended = note.and_then(|text| EndedClaim::parse(&text));
        Ok(ended.filter(|ended| ended.claim.user == user).map(Found::Ended))
    }

    /// The live reservations and holds of a user in the matches of a partition.
    pub async fn claims_of(
        &self,
        partition: Partition,
        user: UserId,
    ) -> Result<Vec<Claim>, EngineError> {
        let Ok(client) = self.client(partition) else { return Ok(vec![]) };
        let text: Option<String> =
            client.hget(PartitionKeys(partition).claims(), user.key()).await?;
        Ok(readable(&user.key(), text.as_deref()))
    }

    /// The reservation of a payment of a user, while Redis knows it: live, or ended not long ago.
    pub async fn reservation_of_payment(
        &self,
        user: UserId,
        payment: PaymentId,
    ) -> Result<Option<ReservationId>, EngineError> {
        let partition = payment.partition();
        let is_on = |claim: &Claim| {
            claim.payment.as_ref().is_some_and(|ClaimPayment { id, .. }| *id == payment)
        };
        let live = self.claims_of(partition, user).await?;
        if let Some(claim) = live.iter().find(|claim| is_on(claim)) {
            return Ok(Some(claim.id));
        }
        let note = self.note(partition, format!("{NOTE_PAYMENT}{}", payment.key())).await?;
        Ok(note.and_then(|id| ReservationId::from_key(&id)))
    }

    /// What the scripts remember for a while under a name.
    async fn note(
        &self,
        partition: Partition,
        name: String,
    ) -> Result<Option<String>, EngineError> {
        let Ok(client) = self.client(partition) else { return Ok(None) };
        for ring in PartitionKeys(partition).operations() {
            let text: Option<String> = client.hget(ring, &name).await?;
            if text.is_some() {
                return Ok(text);
            }
        }
        Ok(None)
    }
}

/// The claims of a user. A record that cannot be read is left out, and logged.
pub(super) fn readable(user: &str, text: Option<&str>) -> Vec<Claim> {
    let owner = UserId::from_key(user);
    let read = |record: &str| {
        let claim = owner.and_then(|owner| Claim::parse(owner, record));
        if claim.is_none() {
            tracing::error!(user, record, "a claim that can't be read: see grandstand verify");
        }
        claim
    };
    text.unwrap_or_default().lines().filter_map(read).collect()
}
