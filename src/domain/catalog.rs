//! The catalogue: sites and matches, as documents that rarely change. A newer release may have
//! written a stored document, so its unknown fields are ignored. In a request they are refused
//! (`api/extract.rs`).

use crate::domain::ids::{MatchId, SiteId};
use crate::domain::plan::SitePlan;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A site as Redis, PostgreSQL and the journal keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    pub id: SiteId,
    /// Grows by one with each change. A change of an older version is refused.
    pub version: u64,
    pub plan: SitePlan,
}

/// Where the sale of a match stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum MatchStatus {
    Draft,
    Open,
    Closed,
}

impl MatchStatus {
    /// The word of the API, of Redis and of PostgreSQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
        }
    }
}

/// A match: an event held at a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    pub id: MatchId,
    /// Grows by one with each change. A change of an older version is refused.
    pub version: u64,
    pub site_id: SiteId,
    pub stadium: String,
    pub home_team: String,
    pub away_team: String,
    pub starts_at: jiff::Timestamp,
    pub status: MatchStatus,
    pub queue: QueueSettings,
    /// No choice by hand may leave a single seat alone.
    #[serde(default)]
    pub orphan_rule: bool,
    /// It was at another site before, when it was a draft.
    #[serde(default)]
    pub moved: bool,
    /// It is long over: Redis has only this document of it, and PostgreSQL has its sales.
    #[serde(default)]
    pub archived: bool,
}

/// How the waiting room of a match lets people in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueSettings {
    /// With the queue on, nobody holds a seat without a pass.
    pub enabled: bool,
    /// Nobody is let in before this moment; none: as soon as the match is open.
    pub opens_at: Option<jiff::Timestamp>,
    /// People let in per minute, 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub admit_per_minute: u32,
    /// Passes valid at the same time, 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub max_active: u32,
    /// Life of a pass in milliseconds, 10,000 to 3,600,000.
    #[schema(minimum = 10_000, maximum = 3_600_000)]
    pub pass_ttl_ms: u64,
    /// People who join before `opensAt` get a random order at opening. Not supported yet.
    #[schema(schema_with = off)]
    pub random_pre_queue: bool,
    /// Nobody is let in while this is on.
    pub paused: bool,
}

/// A switch that cannot be turned on.
fn off() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some("A random order at opening is not supported yet."))
        .enum_values(Some([false]))
        .build()
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            opens_at: None,
            admit_per_minute: 600,
            max_active: 500,
            pass_ttl_ms: 600_000,
            random_pre_queue: false,
            paused: false,
        }
    }
}

impl Match {
    /// The run-time fields that the scripts read from the match's meta hash.
    pub fn meta(&self) -> Vec<(&'static str, String)> {
        if self.archived {
            return vec![("status", "ARCHIVED".to_owned())];
        }
        let queue = &self.queue;
        let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
        let opens_at = queue.opens_at.map_or(0, |at| at.as_millisecond());
        vec![
            ("status", self.status.word().to_owned()),
            ("queue_enabled", flag(queue.enabled)),
            ("queue_paused", flag(queue.paused)),
            ("queue_opens_at", opens_at.to_string()),
            ("queue_per_minute", queue.admit_per_minute.to_string()),
            ("queue_active_max", queue.max_active.to_string()),
            ("queue_pass_ttl_ms", queue.pass_ttl_ms.to_string()),
        ]
    }
}
