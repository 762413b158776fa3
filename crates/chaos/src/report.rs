//! What a person reads at the end of a run.

use crate::apart::Recovered;
use crate::check::Violation;
use crate::evidence::{Evidence, Growth};
use crate::inject::Happened;
use crate::schedule::Schedule;
use crate::sometimes::{Seen, WANTED};
use crate::trace::details;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// A run and what was found.
pub(crate) struct Finished {
    pub(crate) schedule: Schedule,
    pub(crate) violations: Vec<Violation>,
    pub(crate) seen: Seen,
    pub(crate) calls: usize,
    pub(crate) sales: usize,
    pub(crate) recovery: Option<Duration>,
    pub(crate) recovered: Vec<Recovered>,
    pub(crate) growths: Vec<Growth>,
    /// How long the breaker itself stood still: what a run says that has a second of this may be
    /// about the machine.
    pub(crate) stalled: Duration,
    /// The violations with the histories of their seats.
    pub(crate) details: String,
}

impl Finished {
    pub(crate) fn new(
        schedule: &Schedule,
        evidence: &Evidence,
        violations: Vec<Violation>,
        seen: Seen,
        faults: &[Happened],
    ) -> Self {
        let confirmed = evidence.reservations.values().filter(|row| row.status == "CONFIRMED");
        Self {
            schedule: schedule.clone(),
            calls: evidence.calls.len(),
            sales: confirmed.count(),
            recovery: evidence.recovery,
            recovered: evidence.recovered.clone(),
            growths: evidence.growths.clone(),
            stalled: evidence.stalled,
            details: details(evidence, &violations, faults),
            violations,
            seen,
        }
    }

    /// A run that could not end.
    pub(crate) fn unfinished(schedule: &Schedule, why: &str) -> Self {
        let violation = Violation::new(0, format!("the run could not end: {why}"));
        Self {
            schedule: schedule.clone(),
            details: format!("seed {}: {}\n", schedule.seed, violation.what),
            violations: vec![violation],
            seen: WANTED.iter().map(|name| (*name, 0)).collect(),
            calls: 0,
            sales: 0,
            recovery: None,
            recovered: vec![],
            stalled: Duration::ZERO,
            growths: vec![],
        }
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let recovery = match self.recovery {
            Some(time) => format!("people could buy again after {:.1} s", time.as_secs_f64()),
            None => "nothing could be bought afterwards".to_owned(),
        };
        let stalled = match self.stalled.as_secs_f64() {
            seconds if seconds < 1.0 => String::new(),
            seconds => format!(", the breaker itself stood still for {seconds:.1} s"),
        };
        format!(
            "seed {} {:?}{}: {} faults of {} kinds, {} calls, {} sales, {recovery}, {} violations\
             {stalled}",
            self.schedule.seed,
            self.schedule.servers,
            fsync(&self.schedule),
            self.schedule.steps.len(),
            self.kinds().len(),
            self.calls,
            self.sales,
            self.violations.len()
        )
    }

    /// How often each kind of fault happened.
    pub(crate) fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for step in &self.schedule.steps {
            *kinds.entry(step.fault.name()).or_default() += 1;
        }
        kinds
    }
}

/// When writes reach the disks, if a reply does not wait for it.
fn fsync(schedule: &Schedule) -> &'static str {
    if schedule.always { "" } else { " (fsync once a second)" }
}

/// A table of all runs for people.
pub(crate) fn summary(runs: &[Finished]) -> String {
    let mut text = String::new();
    let (mut kinds, mut seen): (BTreeMap<String, usize>, Seen) = Default::default();
    for run in runs {
        for (kind, count) in run.kinds() {
            *kinds.entry(kind).or_default() += count;
        }
        for (name, count) in &run.seen {
            *seen.entry(name).or_default() += count;
        }
    }
    let faults: usize = kinds.values().sum();
    let _ = writeln!(text, "\n{faults} faults of {} kinds:", kinds.len());
    for (kind, count) in &kinds {
        let _ = writeln!(text, "{count:>7}  {kind}");
    }
    let _ = writeln!(text, "\nDangerous states that were seen:");
    for (name, count) in &seen {
        let _ = writeln!(text, "{count:>7}  {name}");
    }
    let mut recoveries: Vec<Duration> = runs.iter().filter_map(|run| run.recovery).collect();
    recoveries.sort_unstable();
    if let (Some(middle), Some(longest)) = (recoveries.get(recoveries.len() / 2), recoveries.last())
    {
        let (middle, longest) = (middle.as_secs_f64(), longest.as_secs_f64());
        let _ = writeln!(
            text,
            "\nUntil a purchase after the last fault: {middle:.1} s (median), {longest:.1} s \
             (longest)"
        );
    }
    text.push_str(&after_each(runs));
    for run in runs.iter().filter(|run| !run.growths.is_empty()) {
        let _ = writeln!(text, "\nAfter a quarter of run {} and at its end:", run.schedule.seed);
        for Growth { what, before, after } in &run.growths {
            let _ = writeln!(text, "{before:>9} {after:>9}  {what}");
        }
    }
    let violations: usize = runs.iter().map(|run| run.violations.len()).sum();
    let sales: usize = runs.iter().map(|run| run.sales).sum();
    let _ = writeln!(text, "{} runs, {sales} sales, {violations} violations", runs.len());
    text
}

/// What came after each kind of fault, when they happened one at a time.
fn after_each(runs: &[Finished]) -> String {
    let mut by_fault: BTreeMap<String, Vec<&Recovered>> = BTreeMap::new();
    for run in runs {
        for after in &run.recovered {
            let name = format!("{:?}: {}", run.schedule.servers, after.fault);
            by_fault.entry(name).or_default().push(after);
        }
    }
    let mut text = String::new();
    if !by_fault.is_empty() {
        text.push_str(
            "\nAfter each fault, until a purchase and until the pace was back (median, \
            longest), and the load during it:\n",
        );
    }
    for (fault, all) in by_fault {
        let purchases = all.iter().map(|after| after.purchase);
        let paces = all.iter().map(|after| after.pace);
        let load = all.iter().map(|after| after.load).fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "{:>7}  {fault}: {}; {}; {load:.1} x",
            all.len(),
            times(purchases),
            times(paces)
        );
    }
    text
}

/// The median and the longest of some times. One that never came is the longest.
fn times(all: impl Iterator<Item = Option<Duration>>) -> String {
    let mut all: Vec<Duration> = all.map(|time| time.unwrap_or(Duration::MAX)).collect();
    all.sort_unstable();
    let words = |time: Option<&Duration>| match time {
        Some(&Duration::MAX) | None => "never".to_owned(),
        Some(time) => format!("{:.1} s", time.as_secs_f64()),
    };
    format!("{}, {}", words(all.get(all.len() / 2)), words(all.last()))
}

/// The same for machines.
pub(crate) fn as_json(runs: &[Finished]) -> serde_json::Value {
    let run = |run: &Finished| {
        let violation =
            |found: &Violation| json!({"invariant": found.invariant, "what": found.what});
        json!({
            "schedule": run.schedule,
            "violations": run.violations.iter().map(violation).collect::<Vec<_>>(),
            "seen": run.seen,
            "calls": run.calls,
            "sales": run.sales,
            "recovered": run.recovered.iter().map(|after| json!({
                "fault": after.fault,
                "purchaseMs": after.purchase.map(|time| time.as_millis() as u64),
                "paceMs": after.pace.map(|time| time.as_millis() as u64),
                "load": after.load,
            })).collect::<Vec<_>>(),
            "growths": run.growths.iter().map(|Growth { what, before, after }| json!({
                "what": what, "before": before, "after": after,
            })).collect::<Vec<_>>(),
            "recoveryMs": run.recovery.map(|time| time.as_millis() as u64),
        })
    };
    let violations: usize = runs.iter().map(|run| run.violations.len()).sum();
    json!({"violations": violations, "runs": runs.iter().map(run).collect::<Vec<_>>()})
}
