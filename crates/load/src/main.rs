//! The load tests: `grandstand load SCENARIO`, which runs this program.
//!
//! The load is an open loop: people arrive on a schedule that does not wait for the server, and
//! each latency counts from the moment at which its person meant to begin. So a server that stalls
//! delays everybody who arrives meanwhile, and the report shows it. A closed loop would send less
//! during the stall, and hide it. The client has a thread of its own, because it often shares the
//! machine with the server.

// They panic when their reader has gone: use `print` and `tell` of `grandstand_embedded`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod compare;
mod crew;
mod dice;
mod fanout;
mod live;
mod machine;
mod numbers;
mod report;
mod run;
mod scenario;
mod schedule;
mod sessions;
mod settings;
mod tally;
mod target;
mod usage;
mod venue;
mod wire;

use crate::arguments::{LoadArguments, Scenario};
use clap::Parser;
use grandstand_embedded::tell;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs load tests on a running installation, or on a private one.
#[derive(Parser)]
#[command(name = "grandstand load", bin_name = "grandstand load", version)]
struct Cli {
    #[command(flatten)]
    arguments: LoadArguments,
}

fn main() -> ExitCode {
    let arguments = Cli::parse().arguments.with_file();
    let done = runtime(&arguments)
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run::run(arguments)));
    done.unwrap_or_else(|error| {
        tell(format_args!("grandstand load: {error:#}\n"));
        ExitCode::FAILURE
    })
}

/// As many threads as cores. With a private Redis one less, because Redis needs a core for itself.
fn runtime(arguments: &LoadArguments) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // The ten thousand readers of `fanout` need all the cores that they can get.
    if arguments.embedded && arguments.scenario != Scenario::Fanout {
        let cores = std::thread::available_parallelism()?.get();
        builder.worker_threads((cores - 1).max(1));
    }
    builder.enable_all().build()
}
