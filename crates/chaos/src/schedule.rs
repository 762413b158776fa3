//! The schedule of a run: which fault happens when. The same seed always gives the same one.

use crate::fault::{Fault, Kind, Server};
use crate::pick::{any, each};
use anyhow::{Context as _, Result};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Partitions of the installation.
pub(crate) const PARTITIONS: u16 = 4;
/// The shortest and the longest fault, in ms.
const LENGTHS: std::ops::Range<u64> = 200..4_000;
/// A process starts and must come to its failpoint, so this fault takes longer by so many ms.
const ARMED_MS: u64 = 4_000;
/// A node gives up a client that does not read after 10 s, so this fault takes longer, too.
const SLOW_MS: u64 = 11_000;
/// A node refuses new payments after five calls in a row that the gateway did not reply to. There
/// are so few payments in a run that this fault must take longer by so many ms.
const AWAY_MS: u64 = 8_000;
/// The shortest and the longest time between the beginnings of two faults, in ms.
const PAUSES: std::ops::Range<u64> = 300..3_500;
/// Faults of a run that has one at a time, how long each takes, and about how long it takes until
/// the next one, in ms.
const APART: usize = 6;
const APART_MS: u64 = 3_000;
const APART_INTERVAL_MS: u64 = 20_000;
/// Before and after a fault that must be alone, in ms.
const QUIET: u64 = 3_000;

/// A fault of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    /// Since the beginning of the run.
    pub(crate) at_ms: u64,
    pub(crate) lasts_ms: u64,
    pub(crate) fault: Fault,
}

impl Step {
    pub(crate) fn end_ms(&self) -> u64 {
        self.at_ms + self.lasts_ms
    }
}

/// How a schedule is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Play {
    /// Faults happen while others go on.
    Together,
    /// One fault after the other.
    Apart,
    /// No faults, for this time.
    Soak(Duration),
}

/// All that decides a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) servers: Kind,
    /// Whether each Redis writes to its disk before it replies. Otherwise it does so once a second.
    /// In a run without faults, only a server that stands alone.
    pub(crate) always: bool,
    /// Each fault begins when the last one is over, and its recovery is measured.
    #[serde(default)]
    pub(crate) apart: bool,
    /// A run without faults takes this many seconds.
    #[serde(default)]
    pub(crate) soak_s: u64,
    pub(crate) steps: Vec<Step>,
}

impl Schedule {
    /// The schedule of a seed: faults begin during this many ms. Faults of different servers
    /// happen at the same time, those of the same one do not.
    pub(crate) fn of(seed: u64, servers: Kind, length_ms: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let always = rng.bool();
        let (mut steps, mut at): (Vec<Step>, u64) = (vec![], 1_000);
        while at < length_ms {
            let fault = any(servers, PARTITIONS, &mut rng);
            let lasts_ms = rng.u64(LENGTHS) + more_ms(&fault);
            let mut next = at + rng.u64(PAUSES);
            if fault.is_alone() {
                at = QUIET + steps.iter().map(Step::end_ms).max().unwrap_or(0);
                next = at + lasts_ms + QUIET;
            }
            let step = Step { at_ms: at, lasts_ms, fault };
            at = next;
            if steps.iter().all(|earlier| go_together(earlier, &step)) {
                steps.push(step);
            }
        }
        Self { seed, servers, always, apart: false, soak_s: 0, steps }
    }

    /// Faults one at a time. Each run has the next few kinds of faults, in a circle, so that
    /// several runs have all of them.
    pub(crate) fn apart(seed: u64, servers: Kind, run: usize) -> Self {
        let faults = each(servers, PARTITIONS).into_iter().cycle();
        let step = |(number, fault): (usize, Fault)| Step {
            at_ms: number as u64 * APART_INTERVAL_MS,
            lasts_ms: APART_MS + more_ms(&fault),
            fault,
        };
        let steps = faults.skip(run * APART).take(APART).enumerate().map(step).collect();
        let always = run.is_multiple_of(2);
        Self { seed, servers, always, apart: true, soak_s: 0, steps }
    }

    /// No faults, for this many seconds.
    pub(crate) fn soak(seed: u64, servers: Kind, soak_s: u64) -> Self {
        Self { seed, servers, always: true, apart: false, soak_s, steps: vec![] }
    }

    /// The partition whose server the faults of Redis are about.
    pub(crate) fn partition(&self) -> u16 {
        Rng::with_seed(self.seed).u16(..PARTITIONS)
    }

    /// How it is played.
    pub(crate) fn play(&self) -> Play {
        match self.soak_s {
            0 if self.apart => Play::Apart,
            0 => Play::Together,
            seconds => Play::Soak(Duration::from_secs(seconds)),
        }
    }

    /// Reads what `--schedule` names.
    pub(crate) fn read(path: &std::path::Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the schedule {} can't be read", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not a schedule of this program", path.display()))
    }

    /// By how much the clock of a partition can be wrong in the end. A Redis that has lost its data
    /// begins with its own clock, and a worker that starts meanwhile believes it.
    pub(crate) fn clock_error(&self) -> Duration {
        let error = |step: &Step| match step.fault {
            Fault::RedisClock(seconds) => u64::from(seconds.unsigned_abs()),
            _ => 0,
        };
        Duration::from_secs(self.steps.iter().map(error).max().unwrap_or(0))
    }

    /// When the last fault has ended, or the run without faults.
    pub(crate) fn end_ms(&self) -> u64 {
        self.steps.iter().map(Step::end_ms).max().unwrap_or(self.soak_s * 1_000)
    }
}

/// How much longer a fault takes, in ms.
fn more_ms(fault: &Fault) -> u64 {
    match fault {
        Fault::DieAt(..) => ARMED_MS,
        Fault::SlowWatchers => SLOW_MS,
        Fault::KillGateway | Fault::FreezeGateway => AWAY_MS,
        _ => 0,
    }
}

/// Whether both may happen. A fault that must be alone has nothing else near it.
fn go_together(earlier: &Step, later: &Step) -> bool {
    let quiet = if earlier.fault.is_alone() || later.fault.is_alone() { QUIET } else { 0 };
    let apart = later.at_ms >= earlier.end_ms() + quiet;
    let alone = earlier.fault.is_alone() || later.fault.is_alone();
    let same = earlier.fault.ground().is_some() && earlier.fault.ground() == later.fault.ground();
    // Both are about the same proxies.
    let is_wire = |fault: &Fault| matches!(fault, Fault::RedisWire(..));
    let is_edge = |fault: &Fault| matches!(fault, Fault::Edge(_, Server::Redis, _));
    let (first, second) = (&earlier.fault, &later.fault);
    let shared = is_wire(first) && is_edge(second) || is_edge(first) && is_wire(second);
    apart || !(alone || same || shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Ground, Process};
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_it_can_be_written_down() {
        for kind in [Kind::Single, Kind::Sentinel, Kind::Cluster] {
            let schedule = Schedule::of(7, kind, 60_000);
            assert_eq!(schedule, Schedule::of(7, kind, 60_000));
            assert_ne!(schedule.steps, Schedule::of(8, kind, 60_000).steps);
            let text = serde_json::to_string(&schedule).unwrap_or_default();
            let read: Schedule = serde_json::from_str(&text).unwrap_or_else(|error| {
                panic!("{error}: {text}");
            });
            assert_eq!(read, schedule);
        }
    }

    #[test]
    fn faults_of_the_same_server_never_overlap_and_some_are_alone() {
        let steps = Schedule::of(3, Kind::Single, 3_600_000).steps;
        let mut together = 0;
        for (n, earlier) in steps.iter().enumerate() {
            for later in steps[n + 1..].iter().filter(|step| step.at_ms < earlier.end_ms()) {
                together += 1;
                assert!(!earlier.fault.is_alone() && !later.fault.is_alone());
                let ground = earlier.fault.ground();
                assert!(ground.is_none() || ground != later.fault.ground());
            }
        }
        assert!(together > 100, "only {together} faults of {} overlap", steps.len());
        assert!(steps.iter().any(|step| step.fault.is_alone()));
    }

    /// Whether a schedule has two faults at the same time, of these two kinds.
    fn together(first: impl Fn(&Fault) -> bool, second: impl Fn(&Fault) -> bool) -> bool {
        (1..=8).any(|seed| {
            let steps = Schedule::of(seed, Kind::Single, 3_600_000).steps;
            let of = |which: &dyn Fn(&Fault) -> bool| -> Vec<(u64, u64)> {
                let steps = steps.iter().filter(|step| which(&step.fault));
                steps.map(|step| (step.at_ms, step.end_ms())).collect()
            };
            let (first, second) = (of(&first), of(&second));
            first.iter().any(|this| second.iter().any(|other| this.0 < other.1 && other.0 < this.1))
        })
    }

    #[test]
    fn all_processes_of_a_kind_fail_together_and_so_do_their_connections() {
        let dead = |process: Process| {
            move |fault: &Fault| {
                let is_dead = matches!(fault, Fault::Kill(_) | Fault::Freeze(_));
                is_dead && fault.ground() == Some(Ground::Process(process))
            }
        };
        let cut = |process: Process| {
            let is_cut = move |of: Process| of == process;
            move |fault: &Fault| matches!(fault, Fault::Edge(of, ..) if is_cut(*of))
        };
        for kind in [Process::Api, Process::Worker] {
            assert!(together(dead(kind(0)), dead(kind(1))), "{:?}", kind(0));
            assert!(together(cut(kind(0)), cut(kind(1))), "connections of {:?}", kind(0));
        }
    }

    #[test]
    fn faults_that_must_be_alone_happen_in_short_runs_too() {
        let seeds = 1..=10;
        let steps = seeds.flat_map(|seed| Schedule::of(seed, Kind::Single, 60_000).steps);
        let alone = steps.filter(|step| step.fault.is_alone()).count();
        assert!(alone >= 10, "only {alone}");
    }

    #[test]
    fn runs_of_single_faults_have_every_kind() {
        for kind in [Kind::Single, Kind::Sentinel, Kind::Cluster] {
            let wanted = each(kind, PARTITIONS);
            let runs = wanted.len().div_ceil(APART);
            let steps = (0..runs).flat_map(|run| Schedule::apart(1, kind, run).steps);
            let names: BTreeSet<String> = steps.map(|step| step.fault.name()).collect();
            assert_eq!(names.len(), wanted.len());
            assert!(names.len() >= 30, "{names:?}");
        }
    }

    #[test]
    fn connections_to_every_kind_of_redis_have_every_fault() {
        let wires = [
            "cut",
            "slow",
            "deaf server",
            "deaf client",
            "black hole",
            "few bytes",
            "lost replies",
        ];
        for (kind, edges) in [
            (Kind::Single, &["Redis"][..]),
            (Kind::Sentinel, &["Redis", "master", "replica"]),
            (Kind::Cluster, &["Redis", "master", "replica"]),
        ] {
            let names = each(kind, PARTITIONS).iter().map(Fault::name).collect::<BTreeSet<_>>();
            for edge in edges {
                for wire in wires {
                    let name = format!("edge {edge} {wire}");
                    assert!(names.contains(&name), "{kind:?} has no {name}");
                }
            }
        }
    }

    #[test]
    fn machines_of_every_kind_of_redis_fail() {
        let wanted =
            ["redisLosesPower", "redisLosesDisk", "redisDiskFull", "redisDiskSlow", "redisClock"];
        for kind in [Kind::Single, Kind::Sentinel, Kind::Cluster] {
            let steps = Schedule::of(1, kind, 3_600_000).steps;
            let names: BTreeSet<String> = steps.iter().map(|step| step.fault.name()).collect();
            for name in wanted {
                assert!(names.contains(name), "{kind:?} has no {name}");
            }
        }
    }

    #[test]
    fn a_long_run_has_faults_of_more_than_twenty_kinds() {
        for kind in [Kind::Single, Kind::Sentinel, Kind::Cluster] {
            let steps = Schedule::of(1, kind, 3_600_000).steps;
            let kinds: BTreeSet<String> = steps.iter().map(|step| step.fault.name()).collect();
            assert!(kinds.len() >= 20, "{kinds:?}");
            assert!(steps.len() > 1_000, "{}", steps.len());
        }
    }
}
