//! Which partitions this worker owns, for the metrics.

use crate::domain::ids::Partition;
use metrics::Gauge;
use std::time::Duration;

/// The metrics of the lease of one partition. They exist from the start of the worker, so that the
/// sum over all workers is 0 when nobody owns the partition.
#[derive(Clone)]
pub(super) struct LeaseMetrics {
    owned: Gauge,
    age_seconds: Gauge,
}

impl LeaseMetrics {
    /// The metrics of a partition that this worker does not own yet.
    pub(super) fn new(partition: Partition) -> Self {
        let partition = partition.to_string();
        let metrics = Self {
            owned: metrics::gauge!("grandstand_partition_owned", "partition" => partition.clone()),
            age_seconds: metrics::gauge!("grandstand_lease_age_seconds", "partition" => partition),
        };
        metrics.ended();
        metrics
    }

    /// The lease was asked for again this time after its last renewal.
    pub(super) fn renewed(&self, age: Duration) {
        self.owned.set(1.0);
        self.age_seconds.set(age.as_secs_f64());
    }

    /// This worker has lost the lease, or has given it up.
    pub(super) fn ended(&self) {
        self.owned.set(0.0);
        self.age_seconds.set(0.0);
    }
}
