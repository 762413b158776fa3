//! The catalogue: sites and matches, as documents that rarely change. A newer release may have
//! written a stored document, so its unknown fields are ignored. In a request they are refused
//! (`api/extract.rs`).

use crate::domain::ids::{MatchId, SiteId};
use crate::domain::plan::SitePlan;
use crate::domain::prices::PriceList;
use crate::domain::queue::QueueSettings;
use crate::domain::refund::{FeeRow, RefundFee, RefundTerms};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    /// Only administrators see it.
    Draft,
    /// Everybody sees it, and it is not on sale yet.
    Announced,
    Open,
    Closed,
}

impl MatchStatus {
    /// The word of the API, of Redis and of PostgreSQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Announced => "ANNOUNCED",
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
    /// An announced match is opened at this time by the clock of Redis; none: by hand.
    #[serde(default)]
    pub sale_opens_at: Option<jiff::Timestamp>,
    /// The sale ends at this time by the clock of Redis; none: when the match starts.
    #[serde(default)]
    pub sale_closes_at: Option<jiff::Timestamp>,
    /// From this time on buyers get nothing back; none: from the start of the match.
    #[serde(default)]
    pub refundable_until: Option<jiff::Timestamp>,
    /// What a cancellation costs, in the order of the times; without rows it costs nothing.
    #[serde(default)]
    pub refund_fees: Vec<RefundFee>,
    /// What the seats cost; none: what the plan says.
    #[serde(default)]
    pub prices: Option<PriceList>,
    pub queue: QueueSettings,
    /// The secret from which the order of the people who join before the sale opens is drawn, 64
    /// hexadecimal digits. It is made once, when the draw is switched on, and never changed,
    /// because its hash is published.
    #[serde(default)]
    pub draw_seed: Option<String>,
    /// How many people were drawn with it; none: the draw has not happened. The seed is published
    /// once PostgreSQL has this number, because the draw cannot be lost and repeated from then on.
    #[serde(default)]
    pub drawn: Option<u32>,
    /// A user may have one hold or unpaid reservation at a time.
    #[serde(default)]
    pub one_hold_per_user: bool,
    /// Only users whose e-mail is verified may hold seats.
    #[serde(default)]
    pub holds_need_verified_email: bool,
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

impl Match {
    /// When the sale ends.
    pub fn closes_at(&self) -> jiff::Timestamp {
        self.sale_closes_at.unwrap_or(self.starts_at)
    }

    /// From when on buyers get nothing back.
    pub fn refunds_end_at(&self) -> jiff::Timestamp {
        self.refundable_until.unwrap_or(self.starts_at)
    }

    /// The terms of refunds for a sale that is made now.
    pub fn refund_terms(&self) -> RefundTerms {
        let row = |fee: &RefundFee| FeeRow {
            until: fee.until.as_millisecond(),
            percent: fee.percent,
            per_seat: fee.per_seat,
        };
        let until = self.refunds_end_at().as_millisecond().max(0);
        RefundTerms { until, fees: self.refund_fees.iter().map(row).collect() }
    }

    /// The status at a time in ms of the partition's clock, because a sale opens and ends at its
    /// times even while no worker changes the match. `match_status` of lua/lib/states.lua decides
    /// the same for a hold.
    pub fn status_at(&self, now_ms: i64) -> MatchStatus {
        let has_come = |at: jiff::Timestamp| (1..=now_ms).contains(&at.as_millisecond());
        let opened =
            self.status == MatchStatus::Announced && self.sale_opens_at.is_some_and(has_come);
        let status = if opened { MatchStatus::Open } else { self.status };
        if status == MatchStatus::Open && has_come(self.closes_at()) {
            return MatchStatus::Closed;
        }
        status
    }

    /// When `status_at` changes next; `None` for a match that stays as it is.
    pub fn changes_at(&self) -> Option<jiff::Timestamp> {
        match self.status {
            MatchStatus::Draft | MatchStatus::Closed => None,
            MatchStatus::Announced => self.sale_opens_at,
            MatchStatus::Open => Some(self.closes_at()),
        }
    }

    /// The run-time fields that the scripts read from the match's meta hash.
    pub fn meta(&self) -> Vec<(&'static str, String)> {
        if self.archived {
            return vec![("status", "ARCHIVED".to_owned())];
        }
        let ms = |at: Option<jiff::Timestamp>| at.map_or(0, |at| at.as_millisecond()).to_string();
        let mut meta = vec![
            ("status", self.status.word().to_owned()),
            ("sale_opens_at", ms(self.sale_opens_at)),
            ("sale_closes_at", ms(Some(self.closes_at()))),
            ("refund_terms", self.refund_terms().text()),
            ("one_hold", u8::from(self.one_hold_per_user).to_string()),
        ];
        meta.extend(self.queue.meta());
        meta
    }
}
