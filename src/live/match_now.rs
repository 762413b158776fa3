//! A match as everybody sees it, without its seats. The API returns it, and every event stream of
//! the match sends it at its start and when the match changes.

use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::ids::{MatchId, SiteId};
use crate::domain::queue::QueueSettings;
use crate::domain::refund::RefundFee;
use crate::live::catalog::KnownSite;
use crate::live::frame;
use serde::Serialize;
use utoipa::ToSchema;

/// A match as everybody sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchNow {
    #[schema(value_type = uuid::Uuid)]
    pub id: MatchId,
    /// Rises with each change of the match.
    pub version: u64,
    #[schema(value_type = uuid::Uuid)]
    pub site_id: SiteId,
    /// The version of the site's plan and prices; null while this node does not know the site.
    #[schema(required)]
    pub plan_version: Option<u64>,
    pub stadium: String,
    pub home_team: String,
    pub away_team: String,
    pub starts_at: jiff::Timestamp,
    /// When an ANNOUNCED match opens by itself; null: an organiser opens it.
    #[schema(required)]
    pub sale_opens_at: Option<jiff::Timestamp>,
    /// When an OPEN match closes by itself.
    pub sale_closes_at: jiff::Timestamp,
    /// From when on buyers can't give tickets back.
    pub refundable_until: jiff::Timestamp,
    /// What giving them back costs; without rows nothing.
    pub refund_fees: Vec<RefundFee>,
    pub status: MatchStatus,
    pub queue: QueueSettings,
    /// Whether a user may have only one hold or unpaid reservation at a time.
    pub one_hold_per_user: bool,
    /// Whether a hold that leaves a single free seat alone is refused.
    pub orphan_rule: bool,
}

impl MatchNow {
    /// The match, with the version of its site if this node knows the site.
    pub fn of(fixture: &Match, site: Option<&KnownSite>) -> Self {
        Self {
            id: fixture.id,
            version: fixture.version,
            site_id: fixture.site_id,
            plan_version: site.map(|known| known.site.version),
            stadium: fixture.stadium.clone(),
            home_team: fixture.home_team.clone(),
            away_team: fixture.away_team.clone(),
            starts_at: fixture.starts_at,
            sale_opens_at: fixture.sale_opens_at,
            sale_closes_at: fixture.closes_at(),
            refundable_until: fixture.refunds_end_at(),
            refund_fees: fixture.refund_fees.clone(),
            status: fixture.status,
            queue: fixture.queue.clone(),
            one_hold_per_user: fixture.one_hold_per_user,
            orphan_rule: fixture.orphan_rule,
        }
    }
}

/// The event `match`, encoded once for all watchers.
pub(super) struct MatchEvent {
    pub now: MatchNow,
    /// The text of the event. It has no id, because no stream can be resumed from it.
    pub text: String,
}

impl MatchEvent {
    pub(super) fn new(now: MatchNow) -> Self {
        let text = frame::event("match", None, &now);
        Self { now, text }
    }
}
