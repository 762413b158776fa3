//! The program: `grandstand COMMAND`.

// They panic when their reader has gone: use `print` and `tell` of `grandstand_embedded`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use grandstand::api::document::openapi;
use grandstand::commands::dev::Dev;
use grandstand::commands::{
    admin, dead_letters, demo, load, migrate, plan, queue_check, rebuild, restore, verify,
};
use grandstand::config::{self, Settings};
use grandstand::node::{Node, NodeRole};
use grandstand_embedded::{print, tell};
use grandstand_emulator::{Emulator, EmulatorSettings};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A seat engine for ticket sales.
#[derive(Parser)]
#[command(name = "grandstand", version, arg_required_else_help = true)]
struct Cli {
    /// Reads settings from this TOML file. Flags and the environment override them.
    #[arg(long, global = true, env = "GRANDSTAND_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything on this machine: private Redis and PostgreSQL, demo, payment emulator.
    Dev {
        /// Folder for the data.
        #[arg(long, env = "GRANDSTAND_DATA", default_value = ".grandstand")]
        data: PathBuf,
        /// Deletes the data of earlier starts first.
        #[arg(long)]
        fresh: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Runs a node.
    Serve {
        /// The tasks of this node.
        #[arg(long, value_enum, default_value = "all")]
        role: NodeRole,
        #[command(flatten)]
        settings: Settings,
    },
    /// Updates the database to the schema of this release, and loads its functions into Redis.
    Migrate {
        /// Also removes the functions of releases that no process has run for an hour.
        #[arg(long)]
        remove_old_functions: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Loads the demo into a running installation without other accounts: a stadium, a season of
    /// matches, two accounts with random passwords.
    Demo {
        #[command(flatten)]
        settings: Settings,
    },
    /// Compares Redis, the journal and PostgreSQL. The exit status is 1 when they disagree.
    Verify {
        /// Also compares all payments with the gateway, and the charges of the gateway with
        /// PostgreSQL.
        #[arg(long)]
        gateway: bool,
        /// With --gateway: compares the charges of this many days, 1 to 365.
        #[arg(long, default_value_t = 7, requires = "gateway",
            value_parser = clap::value_parser!(u16).range(1..=365))]
        days: u16,
        #[command(flatten)]
        settings: Settings,
    },
    /// Loads partitions from PostgreSQL again. Open holds are lost, but no sales.
    Rebuild {
        /// Only this partition; the default is all.
        #[arg(long)]
        partition: Option<u16>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Writes data from Redis into a PostgreSQL that has lost them (by the restore of a backup, or
    /// by a failover to a standby that lagged).
    Restore {
        /// Only lists the changes.
        #[arg(long)]
        dry_run: bool,
        /// Only this partition; the default is all.
        #[arg(long)]
        partition: Option<u16>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Prints the settings that a node would start with, and where each comes from. Secrets are
    /// not shown.
    Config {
        #[command(flatten)]
        settings: Settings,
    },
    /// Makes and mends administrators.
    Admin {
        #[command(subcommand)]
        command: admin::AdminCommand,
    },
    /// Lists, replays or drops facts that PostgreSQL has refused.
    DeadLetters {
        #[command(subcommand)]
        command: dead_letters::DeadLettersCommand,
    },
    /// Checks the draw of a waiting room.
    Queue {
        #[command(subcommand)]
        command: Queue,
    },
    /// Reads plans of other programs, checks plans, draws them, and exports the plan of a site.
    Plan {
        #[command(subcommand)]
        command: plan::PlanCommand,
    },
    /// Prints the OpenAPI document of this release.
    Openapi,
    /// Runs load tests on a running installation, or on a private one.
    #[command(disable_help_flag = true)]
    Load {
        /// Arguments of the load test. `grandstand load --help` explains them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Runs a server with the API of Toss Payments, and with a pay page.
    TossEmulator {
        /// Address to listen on.
        #[arg(long, default_value = "127.0.0.1:9090")]
        listen: String,
        /// The only secret key that is accepted.
        #[arg(
            long,
            env = "GRANDSTAND_TOSS_SECRET_KEY",
            hide_env_values = true,
            default_value = "test_sk_grandstand_emulator"
        )]
        secret_key: String,
        /// Keeps the payments and the replies under idempotency keys in this file. Without it, they
        /// are in memory only.
        #[arg(long)]
        ledger: Option<PathBuf>,
        /// Sends webhooks to this address.
        #[arg(long)]
        webhook_url: Option<String>,
        /// Factor for the pauses between the tries of a webhook: 1 is the schedule of the gateway.
        #[arg(long, default_value_t = 1.0)]
        webhook_time_factor: f64,
        /// Longest time between the consent of the buyer and the confirmation, in ms.
        #[arg(long, default_value_t = 600_000)]
        approval_window_ms: u64,
    },
}

#[derive(Subcommand)]
enum Queue {
    /// Says which number a ticket has by the draw, and whether the seed of the draw is the one
    /// whose hash was published before. The exit status is 1 when something does not match.
    Check(queue_check::QueueCheck),
}

/// Keeps the memory that the system counts close to what is in use, also of the servers that `dev`
/// starts. Where huge pages are on, the allocator asks for them. The system then makes memory of
/// all 2 MiB of a range when some of its pages are in use: an API node grew by a megabyte a minute.
fn without_huge_pages() {
    // A system that refuses this only counts more.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn main() -> ExitCode {
    without_huge_pages();
    let result = parse().and_then(|(cli, shown)| {
        let runtime = runtime(&cli.command).context("cannot start the runtime")?;
        runtime.block_on(run(cli.command, &shown))
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            tell(format_args!("grandstand: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Parses the command line. The values of the settings file and of the secret files are defaults,
/// which flags and the environment override. With `config`, also returns all settings as text.
fn parse() -> anyhow::Result<(Cli, String)> {
    let (file, variables) = (config::settings_file(Cli::command()), config::environment());
    let command = config::with_sources(Cli::command(), file.as_deref(), &variables)?;
    let matches = command.clone().get_matches();
    for line in config::visible_secrets(&command, &matches) {
        tell(format_args!("grandstand: {line}\n"));
    }
    let mut shown = String::new();
    if let (Some(("config", matches)), Some(command)) =
        (matches.subcommand(), command.find_subcommand("config"))
    {
        shown = config::shown(command, matches, file.as_deref(), &variables)?;
    }
    Ok((Cli::from_arg_matches(&matches)?, shown))
}

/// Starts as many threads as there are cores. `dev` leaves one core to its private Redis, which
/// gives a tenth more holds on two cores.
fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if matches!(command, Command::Dev { .. }) {
        let cores = std::thread::available_parallelism()?.get();
        builder.worker_threads((cores - 1).max(1));
    }
    builder.enable_all().build()
}

/// Runs a command. `shown` has the settings for `config`.
async fn run(command: Command, shown: &str) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev { data, fresh, settings } => dev(data, fresh, settings).await?,
        Command::Serve { role, settings } => serve(&settings, role).await?,
        Command::Migrate { remove_old_functions, settings } => {
            logs(&settings);
            print(migrate::migrate(&settings, remove_old_functions).await?);
        }
        Command::Demo { settings } => {
            logs(&settings);
            let node = grandstand::node::connect(&settings).await?;
            demo::refuse_real_installation(&node, &settings).await?;
            print(demo::load(&node, demo::Passwords::Random).await?.report());
        }
        Command::Verify { gateway, days, settings } => {
            return verify_all(&settings, gateway.then_some(days)).await;
        }
        Command::Admin { command } => {
            logs(command.settings());
            print(command.run().await?);
        }
        Command::DeadLetters { command } => {
            logs(command.settings());
            let (text, is_good) = command.run().await?;
            print(text);
            return Ok(status(is_good));
        }
        Command::Config { settings } => {
            print(format_args!("# digest of the rules: {}\n{shown}", settings.digest()));
        }
        Command::Rebuild { partition, settings } => {
            logs(&settings);
            let rebuilt = rebuild::rebuild(&settings, partition).await?;
            print(format_args!("{rebuilt} partitions loaded from PostgreSQL\n"));
        }
        Command::Restore { dry_run, partition, settings } => {
            restore_all(&settings, partition, dry_run).await?;
        }
        Command::Queue { command: Queue::Check(arguments) } => {
            print(queue_check::check(&arguments).await?);
        }
        Command::Plan { command } => return command.run().await,
        Command::Openapi => {
            // As a value, whose names are sorted: the extensions of utoipa have a random order.
            let document = serde_json::to_value(openapi())?;
            print(format_args!("{}\n", serde_json::to_string_pretty(&document)?))
        }
        Command::Load { arguments } => return Err(load::run(&arguments)),
        Command::TossEmulator {
            listen,
            secret_key,
            ledger,
            webhook_url,
            webhook_time_factor,
            approval_window_ms,
        } => {
            let settings = EmulatorSettings {
                secret_key,
                ledger_path: ledger,
                webhook_url,
                webhook_time_factor,
                approval_window_ms,
            };
            emulate(listen, settings).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: &Settings, role: NodeRole) -> anyhow::Result<()> {
    logs(settings);
    settings.check()?;
    warn(&settings.warnings());
    grandstand::failpoint::arm(&settings.die_at);
    let node = Node::start(settings, role).await?;
    announce(&node);
    wait_for_signal().await?;
    node.stop().await;
    Ok(())
}

async fn restore_all(
    settings: &Settings,
    partition: Option<u16>,
    dry_run: bool,
) -> anyhow::Result<()> {
    logs(settings);
    let services = grandstand::node::connect_at_once(settings).await?;
    let restored = restore::restore(&services, partition, dry_run).await?;
    print(restored.table());
    let result = if dry_run { "would be restored" } else { "restored" };
    print(format_args!("{} partitions {result}\n", restored.partitions));
    Ok(())
}

async fn emulate(listen: String, settings: EmulatorSettings) -> anyhow::Result<()> {
    grandstand::telemetry::init_logs("info", false);
    let listener = tokio::net::TcpListener::bind(&listen).await.context(listen)?;
    let emulator = Emulator::start(listener, settings)?;
    print(format_args!("listening on {}\n", emulator.url()));
    wait_for_signal().await?;
    emulator.stop().await;
    Ok(())
}

/// Prints where a node listens, in one piece, because a script may read the first line only.
fn announce(node: &Node) {
    let text = format!("listening on {}\noperations on {}\n", node.url(), node.ops_url());
    print(text);
}

fn logs(settings: &Settings) {
    grandstand::telemetry::init_logs(&settings.log, settings.log_json);
    grandstand::telemetry::log_panics();
}

async fn dev(data: PathBuf, fresh: bool, settings: Settings) -> anyhow::Result<()> {
    logs(&settings);
    if fresh && data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| format!("{}", data.display()))?;
    }
    let dev = tokio::select! {
        dev = Dev::start(&data, settings) => dev?,
        signal = wait_for_signal() => return signal,
    };
    print(format_args!("{}\n", dev.welcome()));
    announce(&dev.node);
    wait_for_signal().await?;
    tell("stopping\n");
    dev.stop().await
}

fn warn(warnings: &[String]) {
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
}

/// Compares everything. `days` is the number of days of which the charges at the gateway are
/// compared; `None` leaves the gateway out.
async fn verify_all(settings: &Settings, days: Option<u16>) -> anyhow::Result<ExitCode> {
    logs(settings);
    anyhow::ensure!(
        days.is_none() || !settings.toss_secret_key.is_empty(),
        "verify --gateway needs GRANDSTAND_TOSS_SECRET_KEY, and also GRANDSTAND_TOSS_BASE_URL if \
         the gateway is not Toss Payments itself"
    );
    let services = grandstand::node::connect(settings).await?;
    let mut found = verify::verify(&services.engine, &services.store).await?;
    if let Some(days) = days {
        verify::gateway::verify_gateway(&services.store, &services.toss, days, &mut found).await?;
    }
    print(found.table());
    Ok(status(found.disagreements.is_empty()))
}

fn status(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Waits for Ctrl-C, or for the signal of a service manager.
async fn wait_for_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
