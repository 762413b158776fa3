//! The members of a problem document that only some codes have.

use crate::api::error::FieldError;
use crate::domain::ids::{AreaId, HoldId, ReservationId, SeatId};
use crate::live::proposals::{Alternative, Choice};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::ToSchema;

/// Members of a problem document that only some codes have.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Members {
    /// `VALIDATION`: wrong fields, one entry each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub errors: Option<Vec<FieldError>>,
    /// `SEAT_TAKEN`, `SEAT_SOLD`, `HOLD_EXPIRED`: the seats that the caller does not get.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lost: Option<Vec<SeatId>>,
    /// `SEAT_TAKEN`: up to three choices as good as the seats that were lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<Alternative>>)]
    pub alternatives: Option<Vec<Arc<Choice>>>,
    /// `ORPHAN_SEAT`: the seats that would be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub orphans: Option<Vec<SeatId>>,
    /// `COOL_DOWN`: when the caller may hold seats again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub until: Option<jiff::Timestamp>,
    /// `CHECKED_IN_BEFORE`: when somebody has entered with this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub checked_in_at: Option<jiff::Timestamp>,
    /// `ALREADY_HELD`: the hold that has the seats. `ONE_HOLD_ONLY`: the open hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<uuid::Uuid>)]
    pub hold_id: Option<HoldId>,
    /// `ALREADY_RESERVED`: the reservation that has the seats. `ONE_HOLD_ONLY`: the unpaid one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<uuid::Uuid>)]
    pub reservation_id: Option<ReservationId>,
    /// `SEAT_NOT_FOUND`: the seats that the site does not have. `ALREADY_HELD`, `ALREADY_RESERVED`:
    /// the seats of the caller. `UNIT_INCOMPLETE`: the other seats of the unit. `ACCESSIBLE_ONLY`:
    /// the seats for companions. `SEATS_BLOCKED`: the seats to unblock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seat_ids: Option<Vec<SeatId>>,
    /// `AREA_FULL`: the area.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub area_id: Option<AreaId>,
    /// `AREA_FULL`: how many places it has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub left: Option<usize>,
    /// `PAYMENT_DECLINED`: why, in the words of the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gateway_code: Option<String>,
    /// `CHALLENGE_REQUIRED`: what to solve.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub challenge: Option<WantedChallenge>,
    /// `NOT_READY` on the operations listener: what is missing.
    #[serde(flatten)]
    #[schema(ignore)]
    pub node: Map<String, Value>,
}

/// A challenge to solve before joining a waiting room.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WantedChallenge {
    kind: ChallengeKind,
    /// `WORK`: find an `answer` for which the SHA-256 of `TOKEN:ANSWER` begins with `bits` bits 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bits: Option<u32>,
    /// `WIDGET`: the public key of the widget to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    site_key: Option<String>,
}

/// The kind of a challenge.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum ChallengeKind {
    Work,
    Widget,
}

impl WantedChallenge {
    /// Proof of work.
    pub fn work(token: String, bits: u32) -> Self {
        Self { kind: ChallengeKind::Work, token: Some(token), bits: Some(bits), site_key: None }
    }

    /// The widget of a service.
    pub fn widget(site_key: String) -> Self {
        let site_key = Some(site_key);
        Self { kind: ChallengeKind::Widget, token: None, bits: None, site_key }
    }
}
