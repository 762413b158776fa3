//! `engine`: the engine without HTTP, in the process of the node. Batches, durable writes, the
//! journal and the stream of changes are on. Tasks hold seats and give them back, each in its own
//! part of the map. `benches/engine_contention.rs` measures the race for a single seat.

use crate::arguments::LoadArguments;
use crate::crew::Findings;
use crate::dice::Dice;
use crate::report::Report;
use crate::tally::Tally;
use crate::usage::{Meter, Usage};
use anyhow::Context as _;
use grandstand::commands::dev::Dev;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::ids::{MatchId, Partition, SeatId, UserId};
use grandstand::engine::Engine;
use grandstand::engine::error::EngineError;
use grandstand::engine::operation::Operation;
use grandstand_embedded::tell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tasks at the greatest rate: two full batches are in flight, and two more wait.
pub(crate) const TASKS_MAX: usize = 2048;
/// Numbers of tasks for which the rate is measured: from one task to more than two batches carry.
const TASKS: [usize; 5] = [1, 16, 64, 256, TASKS_MAX];

/// A measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) holds_per_second: f64,
    /// Seats held plus seats given back.
    pub(crate) seat_operations_per_second: f64,
    pub(crate) refused: u64,
    pub(crate) usage: Option<Usage>,
}

#[derive(Default)]
struct Counts {
    holds: AtomicU64,
    seats: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// Makes the measurements, and returns the report.
pub(crate) async fn run(dev: &Dev, arguments: &LoadArguments) -> anyhow::Result<Report> {
    let numbers = arguments.numbers();
    let each = numbers.duration / TASKS.len() as u32;
    let (tally, mut findings) = (Arc::new(Tally::default()), Findings::default());
    let mut usage = None;
    for tasks in TASKS {
        let measured = measure(dev, tasks, None, each, &tally).await?;
        let name = format!("with {tasks} tasks");
        let refused = measured.refused;
        findings.result(&name, measured.holds_per_second, "holds/s");
        findings.result(&name, measured.seat_operations_per_second, "seat operations/s");
        let cores = measured.usage.map_or_else(String::new, |usage| usage.line());
        tell(format_args!("  {tasks} tasks: {refused} refused, {cores}\n"));
        usage = measured.usage;
    }
    Ok(Report::without_people(arguments, &tally, findings, usage, numbers.duration))
}

/// Holds and releases seats with this number of tasks for this time. A hold has `seats_each` seats,
/// or one to four.
pub(crate) async fn measure(
    dev: &Dev,
    tasks: usize,
    seats_each: Option<usize>,
    time: Duration,
    tally: &Arc<Tally>,
) -> anyhow::Result<Measured> {
    let services = &dev.node.services;
    let open = services.catalog.matches();
    let fixture = open.iter().find(|fixture| fixture.status == MatchStatus::Open);
    let fixture = fixture.context("no match is on sale")?;
    let site = services.catalog.site(fixture.site_id).context("a match without a site")?;
    let seats: Vec<SeatId> =
        (0..site.index.seat_count()).map(|at| site.index.seat_at(at)).collect();
    let own = seats.len() / tasks;
    let (seats, counts) = (Arc::new(seats), Arc::new(Counts::default()));
    let meter = Meter::start(Some((dev.redis.pid(), dev.postgres.pid())));
    let begun = Instant::now();
    let work: Vec<_> = (0..tasks)
        .map(|number| {
            let (engine, all) = (services.engine.clone(), seats.clone());
            let (counts, tally, id) = (counts.clone(), tally.clone(), fixture.id);
            tokio::spawn(async move {
                let mut dice = Dice::new(number as u64);
                let seats = &all[number * own..(number + 1) * own];
                while begun.elapsed() < time {
                    let count = seats_each.unwrap_or_else(|| 1 + dice.below(4));
                    hold_and_release(&engine, id, seats, count, &mut dice, &counts, &tally).await;
                }
            })
        })
        .collect();
    for task in work {
        task.await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let failed = counts.failed.load(Ordering::Relaxed);
    anyhow::ensure!(failed == 0, "{failed} calls of the engine failed");
    Ok(Measured {
        holds_per_second: counts.holds.load(Ordering::Relaxed) as f64 / seconds,
        seat_operations_per_second: counts.seats.load(Ordering::Relaxed) as f64 / seconds,
        refused: counts.refused.load(Ordering::Relaxed),
        usage: meter.stop(),
    })
}

/// Holds seats once, and gives them back.
async fn hold_and_release(
    engine: &Engine,
    id: MatchId,
    seats: &[SeatId],
    count: usize,
    dice: &mut Dice,
    counts: &Counts,
    tally: &Tally,
) {
    let count = count.min(seats.len());
    let first = dice.below(seats.len() - count + 1);
    let wanted = seats[first..first + count].to_vec();
    let user = UserId::new(Partition(0));
    let since = Instant::now();
    let held = engine.hold(id, user, wanted, 0, &[], Operation::default()).await;
    tally.record("hold", since.elapsed());
    let hold = match held {
        Ok((hold, _)) => hold,
        Err(EngineError::Refused(_)) => {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        Err(_) => {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
    };
    counts.holds.fetch_add(1, Ordering::Relaxed);
    counts.seats.fetch_add(count as u64, Ordering::Relaxed);
    let since = Instant::now();
    let released = engine.release(id, user, hold).await;
    tally.record("release", since.elapsed());
    let counter = if released.is_ok() { &counts.seats } else { &counts.failed };
    counter.fetch_add(count as u64, Ordering::Relaxed);
}
