//! `engine`: the engine without HTTP, from within the node: batches, durable writes, journal and
//! stream of changes on. As many tasks as people hold seats and give them back, each in a part of
//! the map of its own: what a race for one seat costs, `benches/engine_contention.rs` measures.

use crate::commands::dev::Dev;
use crate::domain::ids::{MatchId, Partition, SeatId, UserId};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::operation::Operation;
use crate::load::arguments::LoadArguments;
use crate::load::crew::Findings;
use crate::load::dice::Dice;
use crate::load::report::Report;
use crate::load::tally::Tally;
use crate::load::usage::{Meter, Usage};
use anyhow::Context as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tasks at the greatest rate: two full batches are in flight, and two more wait.
pub const AT_ONCE: usize = 2048;
/// Tasks at which the rate is looked for: alone, and up to more than two batches take.
const TASKS: [usize; 5] = [1, 16, 64, 256, AT_ONCE];

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub tasks: usize,
    pub holds_per_second: f64,
    /// Seats that were held plus seats that were given back.
    pub seat_operations_per_second: f64,
    pub refused: u64,
    pub usage: Option<Usage>,
}

#[derive(Default)]
struct Counts {
    holds: AtomicU64,
    seats: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// Measures and reports.
pub async fn run(dev: &Dev, arguments: &LoadArguments) -> anyhow::Result<Report> {
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
        eprintln!("  {tasks} tasks: {refused} refused, {cores}");
        usage = measured.usage;
    }
    Ok(Report::from_within(arguments, &tally, findings, usage, numbers.duration))
}

/// Holds and releases with so many tasks for so long, of one to four seats or of so many each.
pub async fn measure(
    dev: &Dev,
    tasks: usize,
    seats_each: Option<usize>,
    time: Duration,
    tally: &Arc<Tally>,
) -> anyhow::Result<Measured> {
    let services = &dev.node.services;
    let open = services.catalog.matches();
    let fixture = open.iter().find(|one| one.status == crate::domain::catalog::MatchStatus::Open);
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
                    once(&engine, id, seats, count, &mut dice, &counts, &tally).await;
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
        tasks,
        holds_per_second: counts.holds.load(Ordering::Relaxed) as f64 / seconds,
        seat_operations_per_second: counts.seats.load(Ordering::Relaxed) as f64 / seconds,
        refused: counts.refused.load(Ordering::Relaxed),
        usage: meter.stop(),
    })
}

async fn once(
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
