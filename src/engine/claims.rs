//! Claims as Redis knows them: live ones, and those that ended not long ago.

use crate::domain::claim::{
    Claim, ClaimPayment, ClaimState, EndedClaim, Reservation, ReservationStatus,
};
use crate::domain::ids::{Partition, PaymentId, ReservationId, UserId};
use crate::engine::Engine;
use crate::engine::claim_fields::{bucket_field, fields_of, has_summary, readable};
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
            refund_terms: claim.refund_terms.clone(),
            bill: claim.bill.clone(),
            refunding: claim.state == ClaimState::Refunding,
        })
    }
}

impl Engine {
    /// A hold or reservation of a user, live or ended not long ago.
    ///
    /// # Errors
    /// `NotLoaded` when there is none because its partition is not loaded, or was loaded meanwhile.
    pub async fn claim(
        &self,
        user: UserId,
        id: ReservationId,
    ) -> Result<Option<Found>, EngineError> {
        if self.known(id.partition()).is_err() {
            return Ok(None);
        }
        if let Some(found) = self.claim_now(user, id).await? {
            return Ok(Some(found));
        }
        let epoch = self.epoch(id.partition()).await?;
        let found = self.claim_now(user, id).await?;
        if found.is_some() || epoch.is_some() && self.epoch(id.partition()).await? == epoch {
            return Ok(found);
        }
        Err(EngineError::NotLoaded)
    }

    async fn claim_now(
        &self,
        user: UserId,
        id: ReservationId,
    ) -> Result<Option<Found>, EngineError> {
        let client = self.client(id.partition())?;
        let fields = vec![user.key(), bucket_field(&user.key(), id)];
        let key = PartitionKeys(id.partition()).claims();
        let live = claims_in(&fields, &client.hmget::<Texts, _, _>(key, fields.clone()).await?);
        if let Some(claim) = live.into_iter().find(|claim| claim.id == id) {
            return Ok(Some(Found::Live(claim)));
        }
        let note = self.note(id.partition(), format!("{NOTE_ENDED}{}", id.key())).await?;
        let ended = note.and_then(|text| EndedClaim::parse(&text));
        Ok(ended.filter(|ended| ended.claim.user == user).map(Found::Ended))
    }

    /// The live reservations and holds of a user in the matches of a partition, as they were at one
    /// moment, the oldest first.
    pub async fn claims_of(
        &self,
        partition: Partition,
        user: UserId,
    ) -> Result<Vec<Claim>, EngineError> {
        let Ok(client) = self.client(partition) else { return Ok(vec![]) };
        let (key, user) = (PartitionKeys(partition).claims(), user.key());
        let text: Option<String> = client.hget(&key, &user).await?;
        if !has_summary(text.as_deref()) {
            return Ok(readable(&user, text.as_deref()));
        }
        let fields = fields_of(&user);
        let mut claims =
            claims_in(&fields, &client.hmget::<Texts, _, _>(key, fields.clone()).await?);
        claims.sort_by_key(|claim| claim.id);
        Ok(claims)
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
    pub(super) async fn note(
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

/// What Redis has in some fields.
type Texts = Vec<Option<String>>;

fn claims_in(fields: &[String], texts: &Texts) -> Vec<Claim> {
    fields.iter().zip(texts).flat_map(|(field, text)| readable(field, text.as_deref())).collect()
}
