//! What is told of a match besides its seats: by the API when it is asked, and by every event
//! stream of the match when it begins and when something of it changes.

use crate::domain::catalog::{Match, MatchStatus, QueueSettings};
use crate::domain::ids::{MatchId, SiteId};
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
    /// Grows with each change of the match.
    pub version: u64,
    #[schema(value_type = uuid::Uuid)]
    pub site_id: SiteId,
    /// The version of the site's plan and prices; none while the site is not known.
    #[schema(required)]
    pub plan_version: Option<u64>,
    pub stadium: String,
    pub home_team: String,
    pub away_team: String,
    pub starts_at: jiff::Timestamp,
    pub status: MatchStatus,
    pub queue: QueueSettings,
    /// No choice by hand may leave a single seat alone.
    pub orphan_rule: bool,
}

impl MatchNow {
    /// A match with the site that the node knows.
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
            status: fixture.status,
            queue: fixture.queue.clone(),
            orphan_rule: fixture.orphan_rule,
        }
    }

    /// Whether the waiting room lets people in, as far as its settings say.
    pub(super) fn lets_in(&self) -> bool {
        self.status == MatchStatus::Open && self.queue.enabled && !self.queue.paused
    }
}

/// A match as its watchers are told, encoded once for all of them.
pub(super) struct Told {
    pub now: MatchNow,
    /// The event `match`. It has no id, because it is no place to resume from.
    pub text: String,
}

impl Told {
    pub(super) fn new(now: MatchNow) -> Self {
        let text = frame::event("match", None, &now);
        Self { now, text }
    }
}
