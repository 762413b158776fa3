//! The state of a run at a moment, for the live view.

use super::{Gauge, Kind, Tally};
use std::time::{Duration, Instant};

/// The state of a run at a moment, for the live view.
#[derive(Debug, Default)]
pub(crate) struct Glance {
    pub(crate) steps: Vec<StepGlance>,
    /// Kind, code and count, over all steps.
    pub(crate) responses: Vec<(Kind, String, u64)>,
    pub(crate) gauges: Vec<GaugeGlance>,
}

/// A step at a moment. Rate and latencies are those of the last part of the run.
#[derive(Debug)]
pub(crate) struct StepGlance {
    pub(crate) name: &'static str,
    pub(crate) per_second: f64,
    /// In milliseconds, like `p99`.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// Successes and refusals since the start.
    pub(crate) count: u64,
}

/// A gauge: its last value, and the largest one.
#[derive(Debug)]
pub(crate) struct GaugeGlance {
    pub(crate) name: &'static str,
    pub(crate) last: f64,
    pub(crate) most: f64,
}

impl Tally {
    /// Returns the state of the run. Rates and percentiles are those of the last `window`.
    pub(crate) fn glance(&self, window: Duration) -> Glance {
        let now = Instant::now();
        let mut state = self.0.lock();
        let Some(index) = state.index(now) else { return Glance::default() };
        let period = state.clock.period();
        let from = index.saturating_sub(window.div_duration_f64(period) as usize);
        let seconds = state.clock.seconds_since(from, now).max(period.as_secs_f64());
        let mut glance = Glance::default();
        for step in &state.steps {
            let last = step.course.since(from);
            if !step.latencies.is_empty() {
                glance.steps.push(StepGlance {
                    name: step.name,
                    per_second: last.count() as f64 / seconds,
                    p50: last.ms(0.5),
                    p99: last.ms(0.99),
                    count: step.latencies.len(),
                });
            }
            for counted in &step.responses {
                let same = |(kind, code, _): &&mut (Kind, String, u64)| {
                    *kind == counted.kind && *code == counted.code
                };
                match glance.responses.iter_mut().find(same) {
                    Some((.., count)) => *count += counted.count,
                    None => {
                        let code = counted.code.clone();
                        glance.responses.push((counted.kind, code, counted.count));
                    }
                }
            }
        }
        let gauge =
            |gauge: &Gauge| GaugeGlance { name: gauge.name, last: gauge.last, most: gauge.most };
        glance.gauges = state.gauges.iter().map(gauge).collect();
        glance
    }
}
