//! One run: people buy while servers fail, then all heals, then everything is checked.

use crate::apart::{MEASURES, one_by_one};
use crate::behaviour::Visit;
use crate::check;
use crate::check::Violation;
use crate::evidence::{Evidence, Window, sizes};
use crate::exam::{VIOLATIONS_MAX, exam};
use crate::fault::{Fault, PROCESSES};
use crate::fixture::Fixture;
use crate::inject::{Happened, heal_all, inject};
use crate::leftovers::leftovers;
use crate::report::Finished;
use crate::sale::{PEOPLE, Sale};
use crate::schedule::{Play, Schedule};
use crate::soak::soak;
use crate::stall::Stalls;
use crate::trace::whole;
use crate::watcher::{Shared, View, watch};
use crate::world::{HOLD_MS, PAYMENT_MS, World};
use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Every payment has its outcome, and the servers agree, within this time after the last fault.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A purchase must be possible within this time, or the run counts as one that never recovered.
const RECOVERY_MAX: Duration = Duration::from_secs(60);
/// A watcher has its stream again this long after the end of a fault.
const BLIND_WINDOW: Duration = Duration::from_secs(5);
/// A clock of Redis that jumps forward takes that of a partition with it by 10 s at most, which
/// then stands still for as long (docs/adr/0010). A hold of this time has all of it more.
const CLOCK_STANDS_MAX: Duration = Duration::from_secs(11);
/// What a fault does may be seen this long after its end: the time of a failover.
const AFTER_WINDOW: Duration = Duration::from_secs(6);

/// When the exam is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Exam {
    /// After each run, on the installation that was just broken.
    After,
    /// At once, without people and faults.
    Only,
    /// Not at all: the runs are shorter.
    Never,
}

/// Plays a schedule on servers of its own. Logs are in `dir`.
pub(crate) async fn run(
    schedule: &Schedule,
    binary: &Path,
    dir: &Path,
    exam: Exam,
) -> Result<Finished> {
    let mut world = World::start(schedule, binary, dir).await?;
    let doors = (0..world.doors.len()).map(|node| world.door(node)).collect();
    let length = Duration::from_millis(schedule.end_ms());
    let more = if schedule.apart { MEASURES } else { 0 };
    // A sale that PostgreSQL has lost and that was given back is in no table, and neither is its
    // fee (docs/RELIABILITY.md).
    let fees = !schedule.steps.iter().any(|step| step.fault.is_alone());
    let sale = Sale::open(doors, world.gateway.clone(), length, more, fees).await?;
    let (people_stop, watchers_stop) = (CancellationToken::new(), CancellationToken::new());
    // Also when the run can't end, so that nobody is in the way of the next one.
    let _people_end = people_stop.clone().drop_guard();
    let (views, watchers) = start_watchers(&sale, &watchers_stop);
    let before = sizes(&world);
    let people = {
        let (sale, stop, seed) = (sale.clone(), people_stop.clone(), schedule.seed);
        tokio::spawn(async move { sale.play(seed, &stop).await })
    };
    let (mut recovered, mut growths, stalls) = (vec![], vec![], Stalls::measure());
    let happened = match schedule.play() {
        Play::Apart => one_by_one(&mut world, &sale, schedule, &mut recovered).await?,
        Play::Soak(length) => {
            growths = soak(&world, &sale, length).await?;
            vec![]
        }
        Play::Together => inject(&mut world, &sale, schedule).await?,
    };
    heal_all(&world);
    let recovery = recovers(&sale).await;
    people_stop.cancel();
    people.await?;
    let settled = settled(&world).await;
    let mut evidence = wait_for_rest(&world, &sale, &views).await?;
    watchers_stop.cancel();
    watchers.join_all().await;
    evidence.views = views.into_iter().map(|view| std::mem::take(&mut *view.lock())).collect();
    match settled {
        Ok(backlog) => evidence.backlog = backlog,
        Err(error) => evidence.verify = format!("{error:#}"),
    }
    evidence.leftovers = leftovers(&world).await?;
    evidence.recovery = recovery;
    evidence.recovered = recovered;
    evidence.growths = growths;
    evidence.stalled = stalls.longest();
    excuse(&mut evidence, &sale, schedule, &happened);
    evidence.deaths = PROCESSES.iter().map(|process| world.process(*process).deaths()).sum();
    evidence.lost_leases = logged(dir, "the lease has ended");
    evidence.taken_over = world.taken_over;
    evidence.gateway_away = logged(dir, "new payments are refused");
    evidence.ended_for_others = logged(dir, "an unknown outcome is settled");
    let after = sizes(&world);
    evidence.sizes = before.into_iter().zip(after).map(|(b, a)| (b.0, b.1, a.1)).collect();
    let (mut violations, seen) = (check::all(&evidence), crate::sometimes::seen(&evidence));
    if schedule.play() == Play::Together && exam == Exam::After {
        violations.extend(examined(&world, &sale, violations.len()).await?);
    }
    if !violations.is_empty() {
        let written = serde_json::to_vec_pretty(&whole(&evidence, &violations, &happened))?;
        std::fs::write(dir.join("history.json"), written)?;
    }
    let finished = Finished::new(schedule, &evidence, violations, seen, &happened);
    world.stop().await;
    Ok(finished)
}

/// Notes when faults excuse something.
fn excuse(evidence: &mut Evidence, sale: &Sale, schedule: &Schedule, happened: &[Happened]) {
    evidence.forgets = windows(sale, happened, AFTER_WINDOW, &|it| forgets(schedule, it));
    evidence.until_loaded();
    let windows = |after, which: &dyn Fn(&Fault) -> bool| {
        windows(sale, happened, after, &|it| which(&it.fault))
    };
    evidence.database_losses = windows(Duration::ZERO, &Fault::is_alone);
    evidence.deadlines = windows(Duration::from_secs(1), &Fault::delays_deadlines);
    let sets_clock = |fault: &Fault| matches!(fault, Fault::RedisClock(_));
    evidence.deadlines.extend(windows(CLOCK_STANDS_MAX, &sets_clock));
    evidence.blinds = windows(BLIND_WINDOW, &Fault::blinds_watchers);
    evidence.silences = windows(Duration::ZERO, &Fault::silences_a_node);
    evidence.clocks_set = windows(Duration::ZERO, &sets_clock);
    evidence.clocks_set.iter_mut().for_each(|window| window.to = Duration::MAX);
}

/// Whether Redis may have forgotten something.
fn forgets(schedule: &Schedule, happened: &Happened) -> bool {
    !happened.kept && happened.fault.redis_forgets(schedule.servers, schedule.always)
}

/// Only the exam, on an installation that nobody has broken.
pub(crate) async fn only_exam(schedule: &Schedule, binary: &Path, dir: &Path) -> Result<Finished> {
    let schedule = Schedule { steps: vec![], ..schedule.clone() };
    let world = World::start(&schedule, binary, dir).await?;
    let doors = (0..world.doors.len()).map(|node| world.door(node)).collect();
    let sale = Sale::open(doors, world.gateway.clone(), Duration::ZERO, 0, true).await?;
    let violations = examined(&world, &sale, 0).await?;
    let evidence = Evidence::collect(&world, &sale).await?;
    let seen = crate::sometimes::seen(&evidence);
    let finished = Finished::new(&schedule, &evidence, violations, seen, &[]);
    world.stop().await;
    Ok(finished)
}

/// How many lines of the logs have these words.
fn logged(dir: &Path, words: &str) -> usize {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let logs = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
    let lines = |file: std::fs::DirEntry| {
        let text = std::fs::read(file.path()).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter(|line| line.contains(words)).count()
    };
    logs.map(lines).sum()
}

fn start_watchers(sale: &Sale, stop: &CancellationToken) -> (Vec<Shared>, JoinSet<()>) {
    let (mut views, mut watchers) = (Vec::new(), JoinSet::new());
    for (number, fixture) in sale.fixtures.iter().enumerate() {
        for node in 0..sale.doors.len() {
            let view: Shared = Arc::new(Mutex::new(View::default()));
            let leaves = (number + node) % 3 == 0;
            let (sale, id) = (sale.clone(), fixture.id.clone());
            watchers.spawn(watch(sale, id, node, leaves, view.clone(), stop.clone()));
            views.push(view);
        }
    }
    (views, watchers)
}

/// The time until somebody who has no seats yet buys a ticket.
async fn recovers(sale: &Sale) -> Option<Duration> {
    let (begun, person) = (Instant::now(), &sale.people[PEOPLE]);
    let mut rng = Rng::with_seed(7);
    while begun.elapsed() < RECOVERY_MAX {
        for fixture in &sale.fixtures[sale.public..] {
            let rng = rng.fork();
            let mut visit = Visit { person, fixture, sale, rng };
            if visit.buy_any().await {
                return Some(begun.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}

/// The exam, after which all servers must agree again. The run before had `known` violations.
async fn examined(world: &World, sale: &Sale, known: usize) -> Result<Vec<Violation>> {
    let mut found = exam(world, sale, known).await?;
    if known + found.len() >= VIOLATIONS_MAX {
        return Ok(found);
    }
    match agree(world).await {
        Ok(0) => {}
        Ok(backlog) => {
            let what = format!("after the exam: {backlog} entries of the journal are on their way");
            found.push(Violation::new(21, what));
        }
        Err(error) => found.push(Violation::new(17, format!("after the exam: {error:#}"))),
    }
    let left = leftovers(world).await?.into_iter();
    found.extend(left.map(|what| Violation::new(13, format!("after the exam: {what}"))));
    Ok(found)
}

/// Waits until all servers agree. Entries that nobody can read are put aside first, because they
/// were written on purpose. The number of entries that PostgreSQL still does not have then.
async fn settled(world: &World) -> Result<usize> {
    // The last holds and reservations end by themselves.
    tokio::time::sleep(Duration::from_millis(HOLD_MS + PAYMENT_MS)).await;
    agree(world).await
}

async fn agree(world: &World) -> Result<usize> {
    let begun = Instant::now();
    loop {
        let result = world.command(&["verify", "--gateway", "--days", "1"]).await;
        let text = match &result {
            Ok(text) => text.clone(),
            Err(error) => format!("{error:#}"),
        };
        // Another check looks whether these are the entries that were written to be refused.
        let only_letters = text.lines().any(|line| line.starts_with("dead letter"))
            && !text.lines().any(is_other_disagreement);
        let backlog = backlog(&text);
        let agree = (result.is_ok() || only_letters) && backlog.is_some();
        if let Some(backlog) = backlog.filter(|backlog| agree && *backlog == 0) {
            return Ok(backlog);
        }
        if begun.elapsed() > SETTLE_TIMEOUT {
            return match backlog.filter(|_| agree) {
                Some(backlog) => Ok(backlog),
                None => result.and_then(|text| bail!("`verify` has no numbers: {text}")),
            };
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The entries of the journal that PostgreSQL does not have, as the last line of `verify` says.
fn backlog(text: &str) -> Option<usize> {
    text.split_once(" journal entries on their way")?.0.rsplit(' ').next()?.parse().ok()
}

/// Whether a line of `verify` is a disagreement about anything but a dead letter.
fn is_other_disagreement(line: &str) -> bool {
    let kinds = [
        "seat",
        "claim",
        "reservation",
        "account",
        "match",
        "site",
        "journal",
        "payment",
        "gateway",
    ];
    kinds.iter().any(|kind| line.starts_with(kind) && line[kind.len()..].starts_with(' '))
}

/// Collects the evidence, again and again until the maps agree or 15 s are over: frames are on
/// their way for a moment.
async fn wait_for_rest(world: &World, sale: &Sale, views: &[Shared]) -> Result<Evidence> {
    let begun = Instant::now();
    loop {
        let evidence = Evidence::collect(world, sale).await.context("the servers are not back")?;
        let behind = views.iter().any(|view| {
            let view = view.lock();
            let mut maps = evidence.maps.iter();
            let map = maps.find(|map| map.0 == view.fixture && map.1 == view.node);
            map.is_some_and(|map| map.2 != view.map)
        });
        let waits = |fixture: &str, seat| evidence.pending.contains(&(fixture.to_owned(), seat));
        let open = evidence.maps.iter().any(|(fixture, _, map)| {
            let mut taken = map.iter().filter(|(_, state)| *state == "HOLD" || *state == "PENDING");
            taken.any(|(seat, _)| !waits(fixture, *seat))
        });
        if (!behind && !open) || begun.elapsed() > Duration::from_secs(15) {
            return Ok(evidence);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The times of some faults, and what follows, each for the matches that it was about.
fn windows(
    sale: &Sale,
    happened: &[Happened],
    after: Duration,
    which: &dyn Fn(&Happened) -> bool,
) -> Vec<Window> {
    let in_partitions = |partitions: &BTreeSet<u16>| {
        let concerned = |fixture: &&Fixture| {
            fixture.partition().is_ok_and(|partition| partitions.contains(&partition))
        };
        sale.fixtures.iter().filter(concerned).map(|fixture| fixture.id.clone()).collect()
    };
    let window = |happened: &Happened| Window {
        from: happened.from,
        to: happened.to + after,
        only: happened.partitions.as_ref().map(in_partitions),
    };
    happened.iter().filter(|happened| which(happened)).map(window).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Kind, Role, Wire};

    #[test]
    fn a_master_that_was_cut_off_has_forgotten_only_if_another_one_has_its_place() {
        let forgets = |servers, role, kept| {
            let fault = Fault::RedisWire(role, Wire::Cut);
            let (from, to, partitions) = (Duration::ZERO, Duration::ZERO, None);
            let happened = Happened { fault, from, to, partitions, kept };
            super::forgets(&Schedule::soak(1, servers, 0), &happened)
        };
        assert!(forgets(Kind::Sentinel, Role::Master, false));
        assert!(!forgets(Kind::Sentinel, Role::Master, true));
        assert!(!forgets(Kind::Sentinel, Role::Replica, false));
        assert!(!forgets(Kind::Cluster, Role::Master, false));
    }

    #[test]
    fn the_backlog_is_in_the_last_line_of_verify() {
        let line = "3 matches, 9 taken seats, 7 payments at the gateway, 12 journal entries on \
                    their way, 0 disagreements\n";
        assert_eq!(backlog(line), Some(12));
        assert_eq!(backlog("there is no server"), None);
    }
}
