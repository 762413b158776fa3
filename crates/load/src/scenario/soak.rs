//! The watch over a `soak`: memory and latency of each part of the run, and how far the last part
//! is from the first one. What grows for hours ends badly, however slowly it grows.

use crate::crew::{Findings, SharedCrew};
use crate::scenario::history::History;
use crate::tally::new_histogram;
use grandstand_embedded::tell;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::AbortHandle;

/// Parts of a run.
const PARTS: u32 = 20;
/// The first part warms caches and connections, so the drift counts from the second one.
const WARM_PARTS: usize = 1;

/// The numbers at the end of a part.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    /// p99 of a hold, in ms.
    hold_p99: f64,
    /// p99 of a confirmation, in ms.
    confirm_p99: f64,
    /// Resident memory of this process, in MiB: the client, and on a private installation the node.
    process_mib: f64,
    redis_mib: f64,
}

/// A running watch.
pub(crate) struct Soak {
    parts: Arc<Mutex<Vec<Part>>>,
    task: AbortHandle,
}

impl Soak {
    /// Starts the watch. It prints a line for each part.
    pub(crate) fn start(crew: &SharedCrew, history: &Arc<History>) -> Self {
        let parts = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(watch(crew.clone(), history.clone(), parts.clone()));
        Self { parts, task: task.abort_handle() }
    }

    /// Ends the watch, and reports the drift.
    pub(crate) fn report(self, findings: &mut Findings) {
        self.task.abort();
        let parts = self.parts.lock();
        let (Some(first), Some(last)) = (parts.get(WARM_PARTS), parts.last()) else { return };
        for (name, from, to, unit) in drift(first, last) {
            findings.result(&format!("{name}, at first"), from, unit);
            findings.result(&format!("{name}, at last"), to, unit);
        }
    }
}

fn drift(first: &Part, last: &Part) -> [(&'static str, f64, f64, &'static str); 4] {
    [
        ("p99 of a hold", first.hold_p99, last.hold_p99, "ms"),
        ("p99 of a confirmation", first.confirm_p99, last.confirm_p99, "ms"),
        ("memory of this process", first.process_mib, last.process_mib, "MiB"),
        ("memory of Redis", first.redis_mib, last.redis_mib, "MiB"),
    ]
}

async fn watch(crew: SharedCrew, history: Arc<History>, parts: Arc<Mutex<Vec<Part>>>) {
    let each = crew.numbers.duration / PARTS;
    let mut before: HashMap<&'static str, Histogram<u64>> = HashMap::new();
    for number in 1..=PARTS {
        tokio::time::sleep(each).await;
        let now: HashMap<_, _> = crew.tally.latencies().into_iter().collect();
        let p99 = |step: &str| p99_between(before.get(step), now.get(step));
        let redis = crew.server_pids.map(|(redis, _)| redis);
        let part = Part {
            hold_p99: p99("hold"),
            confirm_p99: p99("confirm"),
            process_mib: resident_mib(std::process::id()),
            redis_mib: redis.map_or(0.0, resident_mib),
        };
        tell(format_args!(
            "  {number} of {PARTS}: p99 of a hold {:.1} ms, of a confirmation {:.1} ms; memory of \
             this process {:.0} MiB (about {:.0} of them are the history), of Redis {:.0} MiB\n",
            part.hold_p99,
            part.confirm_p99,
            part.process_mib,
            history.mib(),
            part.redis_mib
        ));
        parts.lock().push(part);
        before = now;
    }
}

/// Returns the 99th percentile, in ms, of the times that came between two readings.
fn p99_between(before: Option<&Histogram<u64>>, now: Option<&Histogram<u64>>) -> f64 {
    let Some(now) = now else { return 0.0 };
    let mut between = new_histogram();
    // Both have the same bounds, so neither call can fail.
    let _ = between.add(now);
    if let Some(before) = before {
        let _ = between.subtract(before);
    }
    between.value_at_quantile(0.99) as f64 / 1000.0
}

/// Returns the resident memory of a process in MiB, or 0 where there is no `/proc`.
fn resident_mib(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drift_counts_only_the_times_of_a_part() {
        let (mut before, mut now) = (new_histogram(), new_histogram());
        for _ in 0..100 {
            before.record(1_000).unwrap();
            now.record(1_000).unwrap();
        }
        for _ in 0..100 {
            now.record(9_000).unwrap();
        }
        assert!((p99_between(Some(&before), Some(&now)) - 9.0).abs() < 0.1);
        assert!((p99_between(None, Some(&before)) - 1.0).abs() < 0.1);
        assert!(p99_between(None, None) == 0.0);
        assert!(resident_mib(std::process::id()) > 1.0 || !cfg!(target_os = "linux"));
    }
}
