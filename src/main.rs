//! The binary: `grandstand COMMAND`.

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use grandstand::api::document::openapi;
use grandstand::commands::dev::Dev;
use grandstand::commands::{dead_letters, demo, rebuild, restore, verify};
use grandstand::config::{Settings, read_file};
use grandstand::gateway::emulator::{Emulator, EmulatorSettings};
use grandstand::node::{Node, NodeRole};
use grandstand::store::Store;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A seat engine for ticket sales.
#[derive(Parser)]
#[command(name = "grandstand", version, arg_required_else_help = true)]
struct Cli {
    /// Settings from a TOML file; flags and the environment come before it.
    #[arg(long, global = true, env = "GRANDSTAND_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything on this machine: private Redis and PostgreSQL, demo, emulator of payments.
    Dev {
        /// Where the data is kept.
        #[arg(long, env = "GRANDSTAND_DATA", default_value = ".grandstand")]
        data: PathBuf,
        /// Throws the data of earlier starts away.
        #[arg(long)]
        fresh: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// A node.
    Serve {
        #[arg(long, value_enum, default_value = "all")]
        role: NodeRole,
        #[command(flatten)]
        settings: Settings,
    },
    /// Brings the database up to this release.
    Migrate {
        #[command(flatten)]
        settings: Settings,
    },
    /// Loads the demo into a running installation.
    Demo {
        #[command(flatten)]
        settings: Settings,
    },
    /// Compares Redis, journal and PostgreSQL; status 1 when something does not agree.
    Verify {
        /// Also looks every payment up at the gateway, and its charges in PostgreSQL.
        #[arg(long)]
        gateway: bool,
        /// With --gateway: of how many days the charges are looked up in PostgreSQL, 1 to 365.
        #[arg(long, default_value_t = 7, requires = "gateway",
            value_parser = clap::value_parser!(u16).range(1..=365))]
        days: u16,
        #[command(flatten)]
        settings: Settings,
    },
    /// Loads partitions anew from PostgreSQL: open holds are lost, sales are not.
    Rebuild {
        /// Only this one; without it, all.
        #[arg(long)]
        partition: Option<u16>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Writes what Redis still knows into a PostgreSQL that has lost it (a backup that was put
    /// back, a standby that lagged).
    Restore {
        /// Only says what would be written.
        #[arg(long)]
        dry_run: bool,
        /// Only this one; without it, all.
        #[arg(long)]
        partition: Option<u16>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Facts that PostgreSQL did not take.
    DeadLetters {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// Prints the OpenAPI document of this release.
    Openapi,
    /// Load on a running installation, or on an embedded one.
    Load(grandstand::load::LoadArguments),
    /// A server that speaks the API of Toss Payments, with a page to pay on.
    TossEmulator {
        #[arg(long, default_value = "127.0.0.1:9090")]
        listen: String,
        #[arg(
            long,
            env = "GRANDSTAND_TOSS_SECRET_KEY",
            default_value = "test_sk_grandstand_emulator"
        )]
        secret_key: String,
        /// Keeps the payments in this file.
        #[arg(long)]
        ledger: Option<PathBuf>,
        /// Where webhooks go.
        #[arg(long)]
        webhook_url: Option<String>,
        /// Shortens the pauses between the tries of a webhook: 1 is the gateway's own schedule.
        #[arg(long, default_value_t = 1.0)]
        webhook_time_factor: f64,
        /// Between the buyer's consent and the confirmation, in ms.
        #[arg(long, default_value_t = 600_000)]
        approval_window_ms: u64,
    },
}

#[derive(Subcommand)]
enum DeadLetters {
    /// Shows them with the reason; status 1 when there are any.
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Puts them back into the journal; status 1 when one is refused again.
    Replay {
        /// Their names, as `list` shows them.
        #[arg(required_unless_present = "all")]
        letters: Vec<String>,
        /// All that there are.
        #[arg(long, conflicts_with = "letters")]
        all: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Forgets them for good: what they say will never be in PostgreSQL.
    Drop {
        /// Their names, as `list` shows them.
        #[arg(required = true)]
        letters: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

fn main() -> ExitCode {
    let done = parse().and_then(|cli| {
        let runtime = runtime(&cli.command).context("no runtime")?;
        runtime.block_on(run(cli.command))
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("grandstand: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The command line, with the values of the settings file as defaults below flags and environment.
fn parse() -> anyhow::Result<Cli> {
    let first = Cli::command().ignore_errors(true).get_matches();
    let file = first.get_one::<PathBuf>("config").cloned();
    let Some(path) = file else { return Ok(Cli::parse()) };
    let mut command = Cli::command();
    let names: Vec<String> =
        command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    for (key, value) in read_file(&path)? {
        let mut known = false;
        for name in &names {
            command = command.mut_subcommand(name, |one| {
                if one.get_arguments().any(|argument| argument.get_id() == key.as_str()) {
                    known = true;
                    one.mut_arg(&key, |argument| argument.default_value(value.clone()))
                } else {
                    one
                }
            });
        }
        anyhow::ensure!(known, "{}: there is no setting {key}", path.display());
    }
    Ok(Cli::from_arg_matches(&command.get_matches())?)
}

/// As many threads as cores; one less for a Redis of our own, which needs a core for itself (a
/// tenth more holds on two cores).
fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let shares = match command {
        Command::Dev { .. } => true,
        // Ten thousand readers in this process need all that they can get.
        Command::Load(arguments) => {
            arguments.embedded && arguments.scenario != grandstand::load::Scenario::Fanout
        }
        _ => false,
    };
    if shares {
        let cores = std::thread::available_parallelism()?.get();
        builder.worker_threads((cores - 1).max(1));
    }
    builder.enable_all().build()
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev { data, fresh, settings } => dev(data, fresh, settings).await?,
        Command::Serve { role, settings } => {
            logs(&settings);
            settings.check()?;
            grandstand::failpoint::arm(&settings.die_at);
            let node = Node::start(&settings, role).await?;
            println!("listening on {}", node.url());
            wait_for_signal().await?;
            node.stop().await;
        }
        Command::Migrate { settings } => {
            logs(&settings);
            Store::new(&settings.database_url, 2)?.migrate().await?;
            println!("the database is up to date");
        }
        Command::Demo { settings } => {
            logs(&settings);
            let node = grandstand::node::connect(&settings).await?;
            let loaded = demo::load(&node).await?;
            println!(
                "made {} site, {} matches, {} accounts",
                loaded.sites, loaded.matches, loaded.accounts
            );
        }
        Command::Verify { gateway, days, settings } => {
            return verify_all(&settings, gateway.then_some(days)).await;
        }
        Command::DeadLetters { command } => return letters(command).await,
        Command::Rebuild { partition, settings } => {
            logs(&settings);
            let rebuilt = rebuild::rebuild(&settings, partition).await?;
            println!("{rebuilt} partitions loaded from PostgreSQL");
        }
        Command::Restore { dry_run, partition, settings } => {
            logs(&settings);
            let services = grandstand::node::connect_at_once(&settings).await?;
            let restored = restore::restore(&services, partition, dry_run).await?;
            print!("{}", restored.table());
            let done = if dry_run { "would be restored" } else { "restored" };
            println!("{} partitions {done}", restored.partitions);
        }
        Command::Openapi => println!("{}", openapi().to_pretty_json()?),
        Command::Load(arguments) => return grandstand::load::run(arguments).await,
        Command::TossEmulator {
            listen,
            secret_key,
            ledger,
            webhook_url,
            webhook_time_factor,
            approval_window_ms,
        } => {
            grandstand::telemetry::init_logs("info", false);
            let listener = tokio::net::TcpListener::bind(&listen).await.context(listen)?;
            let settings = EmulatorSettings {
                secret_key,
                ledger_path: ledger,
                webhook_url,
                webhook_time_factor,
                approval_window_ms,
            };
            let emulator = Emulator::start(listener, settings)?;
            println!("listening on {}", emulator.url());
            wait_for_signal().await?;
            emulator.stop().await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn logs(settings: &Settings) {
    grandstand::telemetry::init_logs(&settings.log, settings.log_json);
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
    println!("{}", dev.welcome());
    println!("listening on {}", dev.node.url());
    wait_for_signal().await?;
    eprintln!("stopping");
    dev.stop().await
}

/// `days` is of how many the charges at the gateway are compared; `None` leaves the gateway out.
async fn verify_all(settings: &Settings, days: Option<u16>) -> anyhow::Result<ExitCode> {
    logs(settings);
    anyhow::ensure!(
        days.is_none() || !settings.toss_secret_key.is_empty(),
        "verify --gateway needs GRANDSTAND_TOSS_SECRET_KEY, and GRANDSTAND_TOSS_BASE_URL when the \
         gateway is not that of Toss Payments"
    );
    let services = grandstand::node::connect(settings).await?;
    let mut found = verify::verify(&services.engine, &services.store).await?;
    if let Some(days) = days {
        verify::gateway::verify_gateway(&services.store, &services.toss, days, &mut found).await?;
    }
    print!("{}", found.table());
    Ok(status(found.disagreements.is_empty()))
}

async fn letters(command: DeadLetters) -> anyhow::Result<ExitCode> {
    match command {
        DeadLetters::List { settings } => {
            logs(&settings);
            let found = Store::new(&settings.database_url, 2)?.dead_letters().await?;
            print!("{}", dead_letters::table(&found));
            Ok(status(found.is_empty()))
        }
        DeadLetters::Replay { letters, settings, .. } => {
            logs(&settings);
            let services = grandstand::node::connect(&settings).await?;
            let done = dead_letters::replay(&services, &letters).await?;
            println!("{} dead letters are in PostgreSQL now", done.taken);
            if !done.refused.is_empty() {
                println!("refused again:");
                print!("{}", dead_letters::table(&done.refused));
            }
            Ok(status(done.refused.is_empty()))
        }
        DeadLetters::Drop { letters, settings } => {
            logs(&settings);
            let services = grandstand::node::connect(&settings).await?;
            let dropped = dead_letters::drop(&services, &letters).await?;
            println!("{dropped} dead letters are forgotten");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn status(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ctrl-C, or the signal that a service manager sends.
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
