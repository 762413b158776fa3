//! How long calls to Redis take, and how many fail, by kind of call.

use metrics::{Counter, Histogram};
use std::time::Instant;

/// The metrics of one kind of call. They are looked up once, because a look-up costs a lock.
#[derive(Clone)]
pub struct CallMetrics {
    seconds: Histogram,
    errors: Counter,
}

impl CallMetrics {
    /// The metrics of this kind of call. The recorder of the metrics must be there by now.
    pub fn new(call: &'static str) -> Self {
        Self {
            seconds: metrics::histogram!("grandstand_redis_seconds", "call" => call),
            errors: metrics::counter!("grandstand_redis_errors_total", "call" => call),
        }
    }

    /// Records a call that has just ended.
    pub fn record<T, E>(&self, begun: Instant, result: &Result<T, E>) {
        self.seconds.record(begun.elapsed().as_secs_f64());
        if result.is_err() {
            self.errors.increment(1);
        }
    }
}
