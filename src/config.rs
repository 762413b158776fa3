//! Every setting: by flag, by environment, by file (`--config`, TOML, keys as the flags), in that
//! order of precedence. The only place that reads the environment.

use crate::engine::batch::Limits;
use clap::Args;
use clap::builder::BoolishValueParser;
use clap::value_parser;
use std::net::IpAddr;
use std::path::PathBuf;

/// Settings of a node.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "GRANDSTAND_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Redis: redis://HOST:PORT, redis-sentinel://…, redis-cluster://….
    #[arg(long, env = "GRANDSTAND_REDIS_URL", default_value = "redis://127.0.0.1:6379")]
    pub redis_url: String,
    /// PostgreSQL: postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    #[arg(
        long,
        env = "GRANDSTAND_DATABASE_URL",
        hide_env_values = true,
        default_value = "postgres://grandstand@127.0.0.1:5432/grandstand"
    )]
    pub database_url: String,
    /// Addresses of load balancers, by comma: the address of a caller is then what they say in
    /// X-Forwarded-For. Never name one that strangers can reach the node from.
    #[arg(long, env = "GRANDSTAND_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpAddr>,
    /// Connections to PostgreSQL; more than 16 only wait for each other.
    #[arg(long, env = "GRANDSTAND_DATABASE_CONNECTIONS", default_value_t = 8)]
    pub database_connections: usize,
    /// Lets PostgreSQL run without fsync: tests only, a sale can be lost.
    #[arg(long, env = "GRANDSTAND_ALLOW_UNSAFE_DATABASE", hide = true,
        value_parser = BoolishValueParser::new())]
    pub allow_unsafe_database: bool,
    /// Secret of the access tokens, 32 characters or more.
    #[arg(long, env = "GRANDSTAND_JWT_SECRET", hide_env_values = true, default_value = "")]
    pub jwt_secret: String,
    /// Life of an access token in ms: longer means that a lost one works longer.
    #[arg(long, env = "GRANDSTAND_ACCESS_TTL_MS", default_value_t = 900_000,
        value_parser = value_parser!(u64).range(1_000..=43_200_000))]
    pub access_ttl_ms: u64,
    /// Life of a session in ms.
    #[arg(long, env = "GRANDSTAND_REFRESH_TTL_MS", default_value_t = 1_209_600_000)]
    pub refresh_ttl_ms: u64,
    /// Base of the API of Toss Payments.
    #[arg(long, env = "GRANDSTAND_TOSS_BASE_URL", default_value = "https://api.tosspayments.com")]
    pub toss_base_url: String,
    /// Secret key at Toss Payments.
    #[arg(long, env = "GRANDSTAND_TOSS_SECRET_KEY", hide_env_values = true, default_value = "")]
    pub toss_secret_key: String,
    /// Page on which people pay (the emulator has one); empty: the browser uses Toss's own SDK.
    #[arg(long, env = "GRANDSTAND_TOSS_CHECKOUT_URL", default_value = "")]
    pub toss_checkout_url: String,
    /// Longest wait for an answer of Toss in ms; then the outcome counts as unknown.
    #[arg(long, env = "GRANDSTAND_TOSS_TIMEOUT_MS", default_value_t = 10_000)]
    pub toss_timeout_ms: u64,
    /// The first administrator, made at start when missing.
    #[arg(long, env = "GRANDSTAND_ADMIN_EMAIL", default_value = "")]
    pub admin_email: String,
    /// The password of the first administrator.
    #[arg(long, env = "GRANDSTAND_ADMIN_PASSWORD", hide_env_values = true, default_value = "")]
    pub admin_password: String,
    /// Partitions, 1 to 4,096; fixed at first start. More spread the load of many matches over more
    /// Redis nodes and workers; each costs a few connections.
    #[arg(long, env = "GRANDSTAND_PARTITIONS", default_value_t = 16,
        value_parser = value_parser!(u16).range(1..=4096))]
    pub partitions: u16,
    /// Time to reserve what one holds, in ms: too short loses honest buyers, too long feeds
    /// hoarders.
    #[arg(long, env = "GRANDSTAND_HOLD_TTL_MS", default_value_t = 300_000,
        value_parser = value_parser!(u64).range(100..=86_400_000))]
    pub hold_ttl_ms: u64,
    /// Time to pay for a reservation, in ms.
    #[arg(long, env = "GRANDSTAND_PAYMENT_TTL_MS", default_value_t = 600_000,
        value_parser = value_parser!(u64).range(100..=86_400_000))]
    pub payment_ttl_ms: u64,
    /// Seats per user and match, held and bought together.
    #[arg(long, env = "GRANDSTAND_MAX_SEATS_PER_USER", default_value_t = 4,
        value_parser = value_parser!(u32).range(1..=100))]
    pub max_seats_per_user: u32,
    /// Payments without an outcome for so long (ms) are asked about at the gateway.
    #[arg(long, env = "GRANDSTAND_RECONCILE_AFTER_MS", default_value_t = 30_000,
        value_parser = value_parser!(i64).range(0..=3_600_000))]
    pub reconcile_after_ms: i64,
    /// How often the charges at the gateway are compared with the sales, in ms: what a webhook did
    /// not tell is found within this time. Each comparison is a call or a few.
    #[arg(long, env = "GRANDSTAND_COMPARE_CHARGES_MS", default_value_t = 60_000,
        value_parser = value_parser!(u64).range(100..=86_400_000))]
    pub compare_charges_ms: u64,
    /// How long a closed match stays in Redis after its start, in ms: then its sales are in
    /// PostgreSQL alone.
    #[arg(long, env = "GRANDSTAND_KEEP_MATCH_MS", default_value_t = 604_800_000,
        value_parser = value_parser!(u64).range(0..=315_360_000_000))]
    pub keep_match_ms: u64,
    /// After SIGTERM requests are still taken for this time (ms), while `/health/ready` says
    /// 503, so that the load balancer can notice.
    #[arg(long, env = "GRANDSTAND_DRAIN_MS", default_value_t = 2_000,
        value_parser = value_parser!(u64).range(0..=600_000))]
    pub drain_ms: u64,
    /// A connection whose other side sends no word for this time (ms), and acknowledges nothing, is
    /// closed.
    #[arg(long, env = "GRANDSTAND_PEER_TIMEOUT_MS", default_value_t = 45_000,
        value_parser = value_parser!(u32).range(3_000..=600_000))]
    pub peer_timeout_ms: u32,
    /// How long a command waits for what only a worker does, in ms.
    #[arg(long, env = "GRANDSTAND_COMMAND_WAIT_MS", default_value_t = 60_000,
        value_parser = value_parser!(u64).range(0..=86_400_000))]
    pub command_wait_ms: u64,
    /// Ends the process at a place of the way of money (src/failpoint.rs): tests only.
    #[arg(long, env = "GRANDSTAND_DIE_AT", hide = true, default_value = "")]
    pub die_at: String,
    /// Journal entries of one partition that PostgreSQL may be behind before payments pause: each
    /// is about 210 bytes in the memory of Redis.
    #[arg(long, env = "GRANDSTAND_JOURNAL_ENTRIES_MAX", default_value_t = 100_000)]
    pub journal_entries_max: u64,
    /// Age of the oldest of them, in ms, at which payments pause.
    #[arg(long, env = "GRANDSTAND_JOURNAL_AGE_MS_MAX", default_value_t = 5_000)]
    pub journal_age_ms_max: u64,
    #[command(flatten)]
    pub rates: Rates,
    /// Which log lines: `info`, `debug`, `grandstand=debug`.
    #[arg(long, env = "GRANDSTAND_LOG", default_value = "info,fred=warn")]
    pub log: String,
    /// Logs as JSON.
    #[arg(long, env = "GRANDSTAND_LOG_JSON",
        value_parser = BoolishValueParser::new())]
    pub log_json: bool,
}

/// Rate limits, each of its own; over the limit is 429 with `Retry-After`.
#[derive(Debug, Clone, Args)]
pub struct Rates {
    /// `off` turns all rate limits off (load tests).
    #[arg(long, env = "GRANDSTAND_RATE_LIMITS", default_value = "on",
        value_parser = ["on", "off"])]
    pub rate_limits: String,
    /// Wrong log-ins of an account from one address per minute. Ten times as many in an hour are
    /// the bound of an address for all accounts, and of an account for all addresses where its
    /// owner has not been.
    #[arg(long, env = "GRANDSTAND_LOG_INS_PER_MINUTE", default_value_t = 10)]
    pub log_ins_per_minute: u32,
    /// Sign-ups and log-ins per address and minute.
    #[arg(long, env = "GRANDSTAND_ACCOUNT_CALLS_PER_MINUTE", default_value_t = 120)]
    pub account_calls_per_minute: u32,
    /// Holds, releases and reservations per user and second.
    #[arg(long, env = "GRANDSTAND_SEAT_CALLS_PER_SECOND", default_value_t = 10)]
    pub seat_calls_per_second: u32,
    /// All calls per address and second.
    #[arg(long, env = "GRANDSTAND_CALLS_PER_SECOND", default_value_t = 200)]
    pub calls_per_second: u32,
    /// Connections per address.
    #[arg(long, env = "GRANDSTAND_CONNECTIONS_PER_ADDRESS", default_value_t = 1000)]
    pub connections_per_address: u32,
    /// Event streams per address.
    #[arg(long, env = "GRANDSTAND_STREAMS_PER_ADDRESS", default_value_t = 64)]
    pub streams_per_address: u32,
    /// Event streams of this node.
    #[arg(long, env = "GRANDSTAND_STREAMS_MAX", default_value_t = 15_000)]
    pub streams_max: u32,
}

impl Settings {
    /// The bounds that go to the scripts.
    pub fn limits(&self) -> Limits {
        Limits {
            hold_ttl_ms: self.hold_ttl_ms,
            payment_ttl_ms: self.payment_ttl_ms,
            seats_per_user: self.max_seats_per_user,
        }
    }

    /// Refuses what would run, but not safely.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.jwt_secret.len() < 32 {
            anyhow::bail!(
                "GRANDSTAND_JWT_SECRET is missing or shorter than 32 characters. \
                 Make one with `openssl rand -base64 48` and set it on every node."
            );
        }
        if self.toss_secret_key.is_empty() {
            anyhow::bail!(
                "GRANDSTAND_TOSS_SECRET_KEY is missing: no payment could be confirmed. \
                 Take it from the developer console of Toss Payments, or use the emulator."
            );
        }
        if self.admin_email.is_empty() != self.admin_password.is_empty() {
            anyhow::bail!(
                "GRANDSTAND_ADMIN_EMAIL and GRANDSTAND_ADMIN_PASSWORD go together: set both or none"
            );
        }
        Ok(())
    }
}

/// Values of a settings file, by the id of the flag (`hold_ttl_ms`).
pub fn read_file(path: &PathBuf) -> anyhow::Result<Vec<(String, String)>> {
    use anyhow::Context as _;
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let table: toml::Table =
        text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    let text_of = |value: toml::Value| match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(table.into_iter().map(|(key, value)| (key.replace('-', "_"), text_of(value))).collect())
}
