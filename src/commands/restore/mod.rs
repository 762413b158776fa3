//! `grandstand restore`: PostgreSQL has lost what it once had (a backup that was put back, a
//! failover to a standby that lagged, the wrong database), and Redis is the one that knows. What
//! Redis still has is written into PostgreSQL again, partition by partition, and payments go on.

mod plan;
mod sales;

use crate::api::Services;
use crate::commands::restore::plan::Plan;
use crate::domain::ids::Partition;
use crate::domain::position::Position;
use crate::workers::rebuild::Agreement;

/// What a restore did, or would do.
#[derive(Debug, Default)]
pub struct Restored {
    pub partitions: usize,
    /// Lines for people: kind, which one, what is written.
    pub lines: Vec<Line>,
}

/// One thing that PostgreSQL is told, or that somebody must look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: &'static str,
    pub about: String,
    pub what: String,
}

impl Restored {
    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for Line { kind, about, what } in &self.lines {
            text.push_str(&format!("{kind:<12} {about:<46} {what}\n"));
        }
        text
    }
}

/// Restores the partitions in which PostgreSQL has lost something, or one of them; with `dry_run`
/// it only says what it would write.
///
/// # Errors
/// Redis, PostgreSQL or the gateway is away, or a partition changed meanwhile: nothing of that
/// partition is written then, and a second run goes on.
pub async fn restore(
    services: &Services,
    only: Option<u16>,
    dry_run: bool,
) -> anyhow::Result<Restored> {
    let mut restored = Restored::default();
    for partition in
        services.engine.partitions().filter(|one| only.is_none_or(|only| only == one.0))
    {
        let Some((told, place)) = what_was_lost(services, partition).await? else { continue };
        restored.partitions += 1;
        let place_text = place.map_or_else(|| "nothing".to_owned(), |place| place.to_string());
        restored.lines.push(Line {
            kind: "partition",
            about: partition.to_string(),
            what: format!("PostgreSQL had the journal up to {told} and has {place_text}"),
        });
        let plan = Plan::make(services, partition, told).await?;
        restored.lines.extend(plan.lines);
        if !dry_run {
            services.store.install(services.engine.partition_count()).await?;
            services.store.restore(partition, place, told, &plan.restore).await?;
        }
    }
    Ok(restored)
}

/// Up to where PostgreSQL had the journal of a partition, and up to where it has it now; `None`
/// when it has lost nothing there.
async fn what_was_lost(
    services: &Services,
    partition: Partition,
) -> anyhow::Result<Option<(Position, Option<Position>)>> {
    // A worker that is at work moves both: only what is found again was lost.
    let mut lost = None;
    for _ in 0..3 {
        let state = services.engine.partition_state(partition).await?;
        let place = services.store.position(partition).await?;
        let Agreement::DatabaseLost { announced: told, found: place } =
            Agreement::of(&state, place, true)
        else {
            return Ok(None);
        };
        // What a load has emptied would be written as deleted, for good.
        anyhow::ensure!(
            state.open,
            "partition {partition} is closed and half of it may be gone: it can't be restored \
             from. Put back a backup of PostgreSQL that has the journal up to {told}."
        );
        lost = Some((told, place));
    }
    Ok(lost)
}
