//! The settings of a waiting room.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a waiting line stands, as the scripts write it into the stream of the match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineState {
    /// The number up to which people were let in.
    pub serving: u64,
    /// People in the line.
    pub waiting: u64,
    /// Fewer people are let in than the set rate, because as many buyers as may are inside.
    pub slowed: bool,
    /// How many early people have got their numbers by the draw; `None` before it, and without it.
    pub drawn: Option<u64>,
}

impl LineState {
    /// Reads an entry `q` of the stream, and how many people were let in now.
    pub fn parse(text: &str) -> Option<(Self, u64)> {
        let mut parts = text.split(' ');
        let mut next = || parts.next();
        let serving = next()?.parse().ok()?;
        let waiting = next()?.parse().ok()?;
        let admitted = next()?.parse().ok()?;
        // The last two are missing in entries of earlier releases.
        let slowed = next() == Some("1");
        let drawn = next().and_then(|drawn| drawn.parse().ok());
        Some((Self { serving, waiting, slowed, drawn }, admitted))
    }
}

/// How the waiting room of a match lets people in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueSettings {
    /// With the queue on, nobody holds a seat without a pass.
    pub enabled: bool,
    /// People may join from this time on; none: as soon as the sale is open.
    pub opens_at: Option<jiff::Timestamp>,
    /// People let in per minute, 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub admit_per_minute: u32,
    /// Passes valid at the same time, 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub max_active: u32,
    /// Life of a pass in milliseconds, 10,000 to 3,600,000. It begins when the person asks for
    /// their place, or holds seats.
    #[schema(minimum = 10_000, maximum = 3_600_000)]
    pub pass_ttl_ms: u64,
    /// Life of an admission that nobody picks up, in milliseconds, 10,000 to 3,600,000.
    #[schema(minimum = 10_000, maximum = 3_600_000)]
    pub admission_ttl_ms: u64,
    /// Buyers without seats per free seat, 0.1 to 10. With 1, nobody more is let in while there are
    /// as many buyers without seats as free seats. A part of a buyer counts as a whole one.
    #[schema(minimum = 0.1, maximum = 10)]
    pub buyers_per_free_seat: f64,
    /// People who join before the sale opens get a random order when it opens.
    pub random_pre_queue: bool,
    /// Nobody is let in while this is on.
    pub paused: bool,
    /// People solve a challenge before they join.
    pub challenge: bool,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            opens_at: None,
            admit_per_minute: 600,
            max_active: 500,
            pass_ttl_ms: 600_000,
            admission_ttl_ms: 120_000,
            buyers_per_free_seat: 1.0,
            random_pre_queue: false,
            paused: false,
            challenge: false,
        }
    }
}

impl QueueSettings {
    /// The fields that the scripts of the waiting room read from the match's meta hash.
    pub(super) fn meta(&self) -> Vec<(&'static str, String)> {
        let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
        let opens_at = self.opens_at.map_or(0, |at| at.as_millisecond());
        vec![
            ("queue_enabled", flag(self.enabled)),
            ("queue_paused", flag(self.paused)),
            ("queue_opens_at", opens_at.to_string()),
            ("queue_per_minute", self.admit_per_minute.to_string()),
            ("queue_active_max", self.max_active.to_string()),
            ("queue_pass_ttl_ms", self.pass_ttl_ms.to_string()),
            ("queue_admission_ttl_ms", self.admission_ttl_ms.to_string()),
            ("queue_buyers_per_free_seat", self.buyers_per_free_seat.to_string()),
            ("queue_random", flag(self.random_pre_queue)),
        ]
    }
}
