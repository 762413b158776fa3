//! Logs to stderr and the recorder of the metrics.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Logs to stderr; `json` for machines. The filter comes from `GRANDSTAND_LOG` (default `info`).
pub fn init_logs(filter: &str, json: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call (tests start several nodes in one process) keeps the first one.
    let _ = if json { builder.json().try_init() } else { builder.compact().try_init() };
}

/// The recorder of this process, installed at the first call.
pub fn metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
        let builder = PrometheusBuilder::new();
        let recorder = match builder.set_buckets(&seconds) {
            Ok(builder) => builder.build_recorder(),
            Err(_) => PrometheusBuilder::new().build_recorder(),
        };
        let handle = recorder.handle();
        // Another recorder can only be there in a program that embeds this library.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}
