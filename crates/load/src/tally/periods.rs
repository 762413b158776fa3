//! The course of a run: latencies, responses and gauges by period. A period is short at first, so
//! that a run of half a second has a curve, and gets longer, so that a run of hours fits in memory.

use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// The largest latency that is kept, in microseconds.
pub(crate) const LATENCY_US_MAX: u64 = 120_000_000;
/// The length of a period at the start.
const PERIOD_MIN: Duration = Duration::from_millis(20);
/// When there are more periods, pairs of them are merged. A period of a step needs up to 2 KiB.
const PERIODS_MAX: usize = 512;
/// The largest number of points that a report shows. With more of them, a point of a short run has
/// too few responses for a percentile.
const POINTS_MAX: usize = 80;

/// Latencies of a period in microseconds, with an error of at most 6 %.
type Small = Histogram<u32>;

/// Divides the run into periods.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    begun: Option<Instant>,
    /// Pairs of periods were merged this many times.
    doublings: u32,
}

impl Clock {
    /// Returns the length of a period.
    pub(crate) fn period(&self) -> Duration {
        PERIOD_MIN * 2_u32.saturating_pow(self.doublings)
    }

    /// Returns the number of the period of `now`. The first call starts the first period.
    pub(crate) fn index(&mut self, now: Instant) -> usize {
        let elapsed = now.saturating_duration_since(*self.begun.get_or_insert(now));
        ((elapsed.as_micros() / PERIOD_MIN.as_micros()) >> self.doublings) as usize
    }

    /// Returns the seconds since the start of a period.
    pub(crate) fn seconds_since(&self, index: usize, now: Instant) -> f64 {
        let Some(begun) = self.begun else { return 0.0 };
        let at = begun + self.period() * index as u32;
        now.saturating_duration_since(at).as_secs_f64()
    }

    /// Counts that pairs of periods were merged.
    pub(crate) fn double(&mut self) {
        self.doublings += 1;
    }

    /// Whether there are too many periods up to this one.
    pub(crate) fn is_full(index: usize) -> bool {
        index >= PERIODS_MAX
    }
}

/// A value of a quantity that can be merged with that of the next period.
pub(crate) trait Merge: Default + Clone {
    /// Adds the value of the next period.
    fn merge(&mut self, next: &Self);
}

impl Merge for u32 {
    fn merge(&mut self, next: &Self) {
        *self = self.saturating_add(*next);
    }
}

/// A gauge: the last value counts.
impl Merge for Option<f64> {
    fn merge(&mut self, next: &Self) {
        *self = next.or(*self);
    }
}

/// The latencies of a period, if there were any.
#[derive(Debug, Default, Clone)]
pub(crate) struct Latencies(Option<Small>);

impl Latencies {
    /// Adds a latency.
    pub(crate) fn record(&mut self, microseconds: u64) {
        let latencies = self.0.get_or_insert_with(|| {
            let small = Small::new_with_bounds(1, LATENCY_US_MAX, 1);
            small.unwrap_or_else(|error| unreachable!("constant bounds: {error}"))
        });
        latencies.saturating_record(microseconds);
    }

    /// Returns the number of latencies.
    pub(crate) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// Returns the latency in milliseconds within which this share of the responses came, if there
    /// were any.
    pub(crate) fn ms(&self, share: f64) -> Option<f64> {
        let small = self.0.as_ref()?;
        let value = small.median_equivalent(small.value_at_quantile(share));
        Some(value.min(small.max()) as f64 / 1000.0)
    }
}

impl Merge for Latencies {
    fn merge(&mut self, next: &Self) {
        match (&mut self.0, &next.0) {
            (Some(mine), Some(next)) => {
                // Fails only for different bounds, and all bounds are the same.
                let _ = mine.add(next);
            }
            (mine @ None, Some(next)) => *mine = Some(next.clone()),
            (_, None) => {}
        }
    }
}

/// A quantity, period by period.
#[derive(Debug, Clone)]
pub(crate) struct Periods<T>(Vec<T>);

impl<T> Default for Periods<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Merge> Periods<T> {
    /// Returns the value of a period for a change.
    pub(crate) fn at(&mut self, index: usize) -> &mut T {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, T::default);
        }
        &mut self.0[index]
    }

    /// Returns the number of periods up to the last one with a value.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Merges each group of this many periods.
    pub(crate) fn merged(&self, each: usize) -> Vec<T> {
        let group = |group: &[T]| {
            let mut all = T::default();
            group.iter().for_each(|next| all.merge(next));
            all
        };
        self.0.chunks(each).map(group).collect()
    }

    /// Merges each pair of periods.
    pub(crate) fn halve(&mut self) {
        self.0 = self.merged(2);
    }

    /// Returns the merged values of the periods from `from` on.
    pub(crate) fn since(&self, from: usize) -> T {
        let mut all = T::default();
        self.0.iter().skip(from).for_each(|next| all.merge(next));
        all
    }
}

/// Returns how many periods a point of the report contains, when there are `periods`.
pub(crate) fn periods_per_point(periods: usize) -> usize {
    periods.div_ceil(POINTS_MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_periods_keep_every_value() {
        let (mut counts, mut gauge, mut latencies) =
            (Periods::<u32>::default(), Periods::<Option<f64>>::default(), Periods::default());
        for index in 0..5_usize {
            *counts.at(index) += 1;
            *gauge.at(index * 2) = Some(index as f64);
            Latencies::record(latencies.at(index), 1000 * (index as u64 + 1));
        }
        counts.halve();
        gauge.halve();
        latencies.halve();
        assert_eq!(counts.0, [2, 2, 1]);
        assert_eq!(gauge.0, [Some(0.0), Some(1.0), Some(2.0), Some(3.0), Some(4.0)]);
        let all: Latencies = latencies.since(0);
        assert_eq!((latencies.len(), all.count()), (3, 5));
        let (p50, p99) = (all.ms(0.5).unwrap(), all.ms(0.99).unwrap());
        assert!((p50 / 3.0 - 1.0).abs() < 0.07 && (p99 / 5.0 - 1.0).abs() < 0.07, "{p50} {p99}");
        assert_eq!(periods_per_point(81), 2);
    }
}
