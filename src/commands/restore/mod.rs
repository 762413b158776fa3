//! `grandstand restore`: PostgreSQL has lost data (by the restore of a backup, by a failover to a
//! standby that lagged, or because it is the wrong database), and Redis still has them. The command
//! writes the data of Redis into PostgreSQL again, partition by partition. Then payments continue.

mod plan;
mod sales;

use crate::api::Services;
use crate::commands::restore::plan::Plan;
use crate::commands::restore::sales::Sales;
use crate::domain::ids::Partition;
use crate::domain::position::Position;
use crate::workers::rebuild::Agreement;

/// The result of a restore, or of a dry run.
#[derive(Debug, Default)]
pub struct Restored {
    pub partitions: usize,
    /// The changes, for people.
    pub lines: Vec<Line>,
}

/// A change in PostgreSQL, or a case that an operator must look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: &'static str,
    /// The id of the document.
    pub about: String,
    pub what: String,
}

impl Restored {
    /// Returns a table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for Line { kind, about, what } in &self.lines {
            text.push_str(&format!("{kind:<12} {about:<46} {what}\n"));
        }
        text
    }
}

/// Restores the partitions in which PostgreSQL has lost data, or only one of them. With `dry_run`,
/// it only lists the changes.
///
/// Fails when Redis, PostgreSQL or the gateway cannot be reached, or when a partition changes
/// during the restore. Nothing of that partition is written then, and a second run continues there.
pub async fn restore(
    services: &Services,
    only: Option<u16>,
    dry_run: bool,
) -> anyhow::Result<Restored> {
    let mut restored = Restored::default();
    let is_wanted = |partition: &Partition| only.is_none_or(|only| only == partition.0);
    for partition in services.engine.partitions().filter(is_wanted) {
        let Some((known, position)) = positions(services, partition).await? else { continue };
        restored.partitions += 1;
        let found = position.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
        restored.lines.push(Line {
            kind: "partition",
            about: partition.to_string(),
            what: format!("PostgreSQL had the journal up to {known} and has {found}"),
        });
        let plan = plan_of(services, partition, known).await?;
        // What Redis lost meanwhile would be written as deleted.
        anyhow::ensure!(
            positions(services, partition).await? == Some((known, position)),
            "partition {partition} has changed during the restore; run it again"
        );
        restored.lines.extend(plan.lines);
        if !dry_run {
            services.store.install(services.engine.partition_count()).await?;
            services.store.restore(partition, position, known, &plan.restore).await?;
        }
    }
    Ok(restored)
}

/// Returns the position up to which PostgreSQL had the journal of a partition, and the position up
/// to which it has the journal now. Returns `None` when it has lost nothing.
async fn positions(
    services: &Services,
    partition: Partition,
) -> anyhow::Result<Option<(Position, Option<Position>)>> {
    // A running worker moves both positions, so only a loss that is found three times counts.
    let mut lost = None;
    for _ in 0..3 {
        let state = services.engine.partition_state(partition).await?;
        let position = services.store.position(partition).await?;
        let Agreement::DatabaseLost { announced, found } = Agreement::of(&state, position, true)
        else {
            return Ok(None);
        };
        // A load may have emptied the partition. Then the restore would write its documents as
        // deleted.
        anyhow::ensure!(
            state.open,
            "partition {partition} is closed, and a part of it may be missing, so its data cannot \
             be used. Restore a backup of PostgreSQL that has the journal up to {announced}."
        );
        lost = Some((announced, found));
    }
    Ok(lost)
}

/// Compares a whole partition. It only reads.
async fn plan_of(
    services: &Services,
    partition: Partition,
    known: Position,
) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    let matches = plan.compare_documents(services, partition).await?;
    let sales = Sales::read(services, partition, &matches).await?;
    sales.plan(services, known, &mut plan).await?;
    Ok(plan)
}
