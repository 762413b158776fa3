//! The course of a run, for reports.

use super::periods::{Latencies, periods_per_point};
use super::{Step, Tally};
use serde::Serialize;

/// The course of a run. All lists begin together, and have a value per period.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Series {
    pub(crate) period_seconds: f64,
    pub(crate) steps: Vec<StepSeries>,
    pub(crate) responses: Vec<ResponseSeries>,
    pub(crate) gauges: Vec<GaugeSeries>,
}

/// The latencies of a step, by period.
#[derive(Debug, Serialize)]
pub(crate) struct StepSeries {
    pub(crate) step: &'static str,
    /// Successes and refusals.
    pub(crate) count: Vec<u64>,
    /// In milliseconds. A period without responses has none.
    pub(crate) p50: Vec<Option<f64>>,
    pub(crate) p99: Vec<Option<f64>>,
}

/// The responses of all steps with the same kind and code, by period.
#[derive(Debug, Serialize)]
pub(crate) struct ResponseSeries {
    pub(crate) step: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) code: String,
    pub(crate) count: Vec<u32>,
}

/// The last value of a gauge in each period. A period without a change has none.
#[derive(Debug, Serialize)]
pub(crate) struct GaugeSeries {
    pub(crate) name: &'static str,
    pub(crate) values: Vec<Option<f64>>,
}

impl Tally {
    /// Returns the course of the run for a report.
    pub(crate) fn series(&self) -> Series {
        let state = self.0.lock();
        let lengths = state.steps.iter().flat_map(|step| {
            step.responses.iter().map(|all| all.course.len()).chain([step.course.len()])
        });
        let lengths = lengths.chain(state.gauges.iter().map(|gauge| gauge.course.len()));
        let periods = lengths.max().unwrap_or(0);
        let each = periods_per_point(periods);
        let points = periods.div_ceil(each);
        let mut series = Series {
            period_seconds: state.clock.period().as_secs_f64() * each as f64,
            ..Series::default()
        };
        for step in &state.steps {
            series.add(step, each, points);
        }
        let gauges = state.gauges.iter().map(|gauge| GaugeSeries {
            name: gauge.name,
            values: padded(gauge.course.merged(each), points),
        });
        series.gauges = gauges.collect();
        series
    }
}

impl Series {
    fn add(&mut self, step: &Step, each: usize, points: usize) {
        let course = padded(step.course.merged(each), points);
        if course.iter().any(|latencies| latencies.count() > 0) {
            let at = |share| course.iter().map(|latencies| latencies.ms(share)).collect();
            self.steps.push(StepSeries {
                step: step.name,
                count: course.iter().map(Latencies::count).collect(),
                p50: at(0.5),
                p99: at(0.99),
            });
        }
        self.responses.extend(step.responses.iter().map(|all| ResponseSeries {
            step: step.name,
            kind: all.kind.word(),
            code: all.code.clone(),
            count: padded(all.course.merged(each), points),
        }));
    }
}

fn padded<T: Default>(mut list: Vec<T>, length: usize) -> Vec<T> {
    list.resize_with(length, T::default);
    list
}
