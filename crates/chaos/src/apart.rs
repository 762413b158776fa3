//! Faults one at a time: how long it takes until people can buy again, and until as many calls in a
//! second have responses as before (invariants 23 and 25).

use crate::behaviour::Visit;
use crate::inject::{Happened, begin, concerned, end};
use crate::sale::{FIRST_PROBE, Sale};
use crate::schedule::Schedule;
use crate::world::World;
use anyhow::{Context as _, Result};
use fastrand::Rng;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// People who try to buy after a fault.
const PROBES: usize = 24;
/// People whose calls are counted: they hold a seat and give it back, all the time.
const STEADY: Range<usize> = FIRST_PROBE + PROBES..FIRST_PROBE + PROBES + 16;
/// Everybody else.
const OTHERS: Range<usize> = 0..FIRST_PROBE;
/// All people who are only here for the measurements.
pub(crate) const MEASURES: usize = STEADY.end - FIRST_PROBE;
const STEADY_PAUSE: Duration = Duration::from_millis(50);
/// All is quiet for this long before a fault, and the pace of the calls is measured in the end.
const QUIET_PERIOD: Duration = Duration::from_secs(6);
/// The pace is that of this time.
const PACE_WINDOW: Duration = Duration::from_secs(4);
/// With fewer calls in a second before a fault, nothing can be said about those after it.
const PACE_MIN: f64 = 5.0;
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(500);
/// Whatever has not recovered by now does not recover.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(60);
/// The part of the pace before a fault that counts as back.
const BACK: f64 = 0.95;

/// What came after a fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recovered {
    /// The name of its kind.
    pub(crate) fault: String,
    /// Until somebody had bought in each partition; none if that did not happen.
    pub(crate) purchase: Option<Duration>,
    /// The time that is wanted for it.
    pub(crate) purchase_max: Duration,
    /// Until the steady people had as many responses in a second as before the fault.
    pub(crate) pace: Option<Duration>,
    /// Calls of the others in a second during the fault, as a multiple of those before it.
    pub(crate) load: f64,
}

/// What people try to buy after faults.
#[derive(Default)]
struct Attempts {
    tasks: TaskTracker,
    /// Of all attempts so far: each is by the next person, because everybody may have few seats.
    number: AtomicUsize,
}

/// Carries out the faults of a schedule in their order, each when the last one is over. What came
/// after each is added to `recovered`.
pub(crate) async fn one_by_one(
    world: &mut World,
    sale: &Sale,
    schedule: &Schedule,
    recovered: &mut Vec<Recovered>,
) -> Result<Vec<Happened>> {
    let (mut all, attempts) = (vec![], Attempts::default());
    let stop = CancellationToken::new();
    for number in STEADY {
        attempts.tasks.spawn(hold_and_release(sale.clone(), number, stop.clone()));
    }
    for step in &schedule.steps {
        let (fault, name) = (&step.fault, step.fault.name());
        tokio::time::sleep(QUIET_PERIOD).await;
        let partitions = concerned(world, schedule, fault).await;
        let from = sale.history.now();
        let before = pace(sale);
        let calm = sale.history.begun_in_a_second(&OTHERS, from.saturating_sub(PACE_WINDOW), from);
        let going = begin(world, sale, schedule, fault).await;
        let going = going.with_context(|| format!("the fault `{name}` begins"))?;
        let replaced = fault.is_replaced(schedule.servers);
        let mut purchase = None;
        if replaced {
            purchase = first_purchase(sale, &attempts, from).await;
        }
        let lasts = Duration::from_millis(step.lasts_ms);
        tokio::time::sleep((from + lasts).saturating_sub(sale.history.now())).await;
        let mut back = sale.history.now();
        let load = sale.history.begun_in_a_second(&OTHERS, from, back) / calm.max(1.0);
        let ending = async {
            let kept = end(world, step, going).await;
            let kept = kept.with_context(|| format!("the fault `{name}` ends"))?;
            let (fault, to) = (fault.clone(), sale.history.now());
            anyhow::Ok(Happened { fault, from, to, partitions, kept })
        };
        let pace;
        if fault.is_alone() {
            all.push(ending.await?);
            back = sale.history.now(); // somebody has run `grandstand restore` until now
            purchase = first_purchase(sale, &attempts, back).await;
            pace = pace_is_back(sale, back, before).await;
        } else {
            // The end of a fault may wait for replicas, and people do not.
            let buying = async {
                if replaced { purchase } else { first_purchase(sale, &attempts, back).await }
            };
            let steady = pace_is_back(sale, back, before);
            let (ended, bought, steady) = tokio::join!(ending, buying, steady);
            all.push(ended?);
            (purchase, pace) = (bought, steady);
        }
        let purchase_max = fault.purchase_max(schedule.servers);
        recovered.push(Recovered { fault: name, purchase, purchase_max, pace, load });
    }
    stop.cancel();
    attempts.tasks.close();
    attempts.tasks.wait().await;
    Ok(all)
}

/// Holds a seat and gives it back until it is stopped.
async fn hold_and_release(sale: Sale, number: usize, stop: CancellationToken) {
    let (person, matches) = (&sale.people[number], sale.public + 1..sale.fixtures.len());
    let fixture = &sale.fixtures[matches.start + number % matches.len()];
    let rng = Rng::with_seed(number as u64);
    let mut visit = Visit { person, fixture, sale: &sale, rng };
    while !stop.is_cancelled() {
        visit.hold_and_release().await;
        tokio::time::sleep(STEADY_PAUSE).await;
    }
}

/// Calls of the steady people that had success, in a second, lately.
fn pace(sale: &Sale) -> f64 {
    let now = sale.history.now();
    sale.history.done_in_a_second(&STEADY, now.saturating_sub(PACE_WINDOW), now)
}

async fn pace_is_back(sale: &Sale, since: Duration, before: f64) -> Option<Duration> {
    loop {
        let later = sale.history.now().saturating_sub(since);
        if before > PACE_MIN && pace(sale) >= BACK * before {
            return Some(later);
        }
        if later > GIVE_UP_TIMEOUT {
            return None;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// The time until somebody has bought in each partition.
async fn first_purchase(sale: &Sale, attempts: &Attempts, since: Duration) -> Option<Duration> {
    let matches = sale.public + 1..sale.fixtures.len();
    let all = matches.map(|fixture| first_purchase_of(sale, attempts, fixture, since));
    let times = futures::future::join_all(all).await;
    times.into_iter().collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Somebody else comes every half second, because a person may wait for a server that is away.
/// All of them are let go to the end, so that the history is whole.
async fn first_purchase_of(
    sale: &Sale,
    attempts: &Attempts,
    fixture: usize,
    since: Duration,
) -> Option<Duration> {
    let (sender, mut bought) = mpsc::unbounded_channel();
    let mut ticks = tokio::time::interval(ATTEMPT_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(()) = bought.recv() => return Some(sale.history.now() - since),
        }
        if sale.history.now() - since > GIVE_UP_TIMEOUT {
            return None;
        }
        let (sale, sender) = (sale.clone(), sender.clone());
        let number = attempts.number.fetch_add(1, Relaxed);
        attempts.tasks.spawn(async move {
            let person = &sale.people[FIRST_PROBE + number % PROBES];
            let (fixture, rng) = (&sale.fixtures[fixture], Rng::with_seed(number as u64));
            let mut visit = Visit { person, fixture, sale: &sale, rng };
            if visit.buy_any().await {
                let _ = sender.send(());
            }
        });
    }
}
