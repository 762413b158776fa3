//! Logs to stderr and the recorder of the metrics.

mod help;

use crate::telemetry::help::{HELP, Kind};
use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

/// Counters that exist before anything was counted. A counter that appears with its first event
/// shows no increase, so an alert would miss that event.
const COUNTERS_FROM_THE_START: [&str; 14] = [
    "grandstand_clock_jumps_total",
    "grandstand_connections_refused_total",
    "grandstand_dead_letters_total",
    "grandstand_frames_total",
    "grandstand_hashes_refused_total",
    "grandstand_journal_entries_total",
    "grandstand_orphans_total",
    "grandstand_partitions_rebuilt_total",
    "grandstand_refunds_owed_refused_total",
    "grandstand_refunds_owed_total",
    "grandstand_reservations_confirmed_total",
    "grandstand_seats_held_total",
    "grandstand_seats_lost_total",
    "grandstand_streams_resent_total",
];

/// The outcomes of payments, whose counters exist from the start as well.
const OUTCOMES: [&str; 5] = ["approved", "declined", "lost", "unknown", "withdrawn"];

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
static SILENCE: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Starts the logs on stderr; with `json` each line is JSON. The filter comes from
/// `GRANDSTAND_LOG`.
pub fn init_logs(filter: &str, json: bool) {
    let parsed = EnvFilter::try_new(filter);
    let fault = parsed.as_ref().err().map(ToString::to_string);
    let parsed = parsed.unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        // Telling on stderr that stderr is closed would be a panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call changes nothing: tests start several nodes in one process.
    let _ = if json {
        let builder = builder.json().with_filter_reloading();
        keep(builder.reload_handle());
        builder.try_init()
    } else {
        let builder = builder.compact().with_filter_reloading();
        keep(builder.reload_handle());
        builder.try_init()
    };
    if let Some(fault) = fault {
        tracing::warn!(filter, fault, "GRANDSTAND_LOG can't be read: info is logged");
    }
}

/// From here on a panic is a line of the log, too. Without it, a panic of a task is text in the
/// middle of JSON, and no search finds it.
pub fn log_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let what = panic.payload_as_str().unwrap_or("no text");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(what, place, "a panic: please report it");
        // With RUST_BACKTRACE=1, somebody wants the trace as text; and the filter may hide errors.
        let wanted = Backtrace::capture().status() == BacktraceStatus::Captured;
        if wanted || !tracing::enabled!(tracing::Level::ERROR) {
            usual(panic);
        }
    }));
}

fn keep<S: 'static>(handle: Handle<EnvFilter, S>) {
    let _ = SILENCE.set(Box::new(move || {
        let _ = handle.reload(EnvFilter::new("error"));
    }));
}

/// From here on only errors are logged. Parts that stop together lose their connections to each
/// other, and would log that.
pub fn quiet() {
    if let Some(silence) = SILENCE.get() {
        silence();
    }
}

/// The recorder of this process, installed at the first call.
pub fn metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let seconds = [
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            15.0,
        ];
        let commands = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
        let batch = Matcher::Full("grandstand_batch_commands".to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
            .and_then(|builder| builder.set_buckets_for_metric(batch, &commands));
        // It fails only for an empty list.
        let recorder = builder.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
        let handle = recorder.handle();
        let about = Metadata::new("grandstand", Level::INFO, None);
        for name in COUNTERS_FROM_THE_START {
            drop(recorder.register_counter(&Key::from_static_name(name), &about));
        }
        for outcome in OUTCOMES {
            let labels = vec![Label::new("outcome", outcome)];
            let key = Key::from_parts("grandstand_payments_total", labels);
            drop(recorder.register_counter(&key, &about));
        }
        // It fails only in a program that embeds this library and has a recorder of its own.
        let _ = metrics::set_global_recorder(recorder);
        for (name, kind, text) in HELP {
            match kind {
                Kind::Counter => metrics::describe_counter!(*name, *text),
                Kind::Gauge => metrics::describe_gauge!(*name, *text),
                Kind::Histogram => metrics::describe_histogram!(*name, *text),
            }
        }
        let version = env!("CARGO_PKG_VERSION");
        metrics::gauge!("grandstand_build_info", "version" => version).set(1.0);
        Collector::default().describe();
        handle
    })
}

/// All metrics as a page in the text format of Prometheus, with those of the process itself.
pub fn page() -> String {
    let handle = metrics();
    Collector::default().collect();
    handle.run_upkeep();
    handle.render()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_a_line_of_the_log() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || {
            super::log_panics();
            let ended = std::panic::catch_unwind(|| panic!("seat {} has no row", 7));
            drop(std::panic::take_hook());
            assert!(ended.is_err());
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["level"], "ERROR", "{line}");
        assert_eq!(line["fields"]["what"], "seat 7 has no row", "{line}");
        assert!(line["fields"]["place"].as_str().unwrap().contains("telemetry"), "{line}");
    }

    #[test]
    fn counters_exist_before_anything_was_counted() {
        let page = super::metrics().render();
        // Any value is right, because other tests of this process may count meanwhile.
        for name in super::COUNTERS_FROM_THE_START {
            assert!(page.contains(&format!("\n{name} ")), "{name} is missing in {page}");
        }
    }
}
