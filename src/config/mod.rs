//! Every setting of a node. A flag wins over the environment, and the environment over the file
//! (`--config`, TOML, keys named like the flags). Apart from the search for private servers in
//! `embedded`, nothing else reads the environment.

mod check;
mod gateway;
mod origin;
mod rates;
mod rules;
mod shown;
mod sources;

pub use origin::parse_origin;
pub use rates::Rates;
pub use shown::shown;
pub use sources::{environment, parse_settings, settings_file, visible_secrets, with_sources};

use crate::engine::limits::Limits;
use clap::Args;
use clap::builder::BoolishValueParser;
use clap::value_parser;
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;

/// Settings of a node. They have no `Debug`, so that no secret can reach a log.
#[derive(Clone, Args)]
pub struct Settings {
    /// Address to listen on; port 0 takes a free port.
    #[arg(long, env = "GRANDSTAND_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Address of the operations listener, for metrics and the details of the health: a private
    /// one. Port 0 takes a free port.
    #[arg(long, env = "GRANDSTAND_OPS_LISTEN", default_value = "127.0.0.1:9180")]
    pub ops_listen: String,
    /// Certificate of the listener with its chain (PEM). With it and its key the node speaks TLS. A
    /// change of the files is noticed within ten seconds.
    #[arg(long, env = "GRANDSTAND_TLS_CERT_FILE")]
    pub tls_cert_file: Option<PathBuf>,
    /// Key of the certificate of the listener (PEM).
    #[arg(long, env = "GRANDSTAND_TLS_KEY_FILE")]
    pub tls_key_file: Option<PathBuf>,
    /// Redis: redis://USER:PASSWORD@HOST:PORT, redis-sentinel://…, redis-cluster://…; with TLS
    /// rediss://… and so on, and ?sslrootcert=FILE if the system does not trust the authority.
    #[arg(
        long,
        env = "GRANDSTAND_REDIS_URL",
        hide_env_values = true,
        default_value = "redis://127.0.0.1:6379"
    )]
    pub redis_url: String,
    /// PostgreSQL: postgres://USER:PASSWORD@HOST:PORT/DATABASE; with TLS
    /// ?sslmode=verify-full&sslrootcert=FILE.
    #[arg(
        long,
        env = "GRANDSTAND_DATABASE_URL",
        hide_env_values = true,
        default_value = "postgres://grandstand@127.0.0.1:5432/grandstand"
    )]
    pub database_url: String,
    /// Addresses of load balancers or blocks of them (10.0.0.0/8), separated by commas. The address
    /// of a caller is then taken from their X-Forwarded-For. Never list an address from which
    /// strangers can reach the node.
    #[arg(long, env = "GRANDSTAND_TRUSTED_PROXIES", value_delimiter = ',',
        value_parser = parse_block)]
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call the API, such as a shop of your own: https://shop.example.com,
    /// separated by commas. Pages of any other origin can't read a response.
    #[arg(long, env = "GRANDSTAND_ALLOWED_ORIGINS", value_delimiter = ',',
        value_parser = parse_origin)]
    pub allowed_origins: Vec<String>,
    /// Serve the page of the API at `/docs`. `dev` always does.
    #[arg(long, env = "GRANDSTAND_DOCS", value_parser = BoolishValueParser::new())]
    pub docs: bool,
    /// Connections to PostgreSQL; more than 16 only wait for each other.
    #[arg(long, env = "GRANDSTAND_DATABASE_CONNECTIONS", default_value_t = 8)]
    pub database_connections: usize,
    /// Accept a PostgreSQL without fsync: tests only, because it can lose a sale.
    #[arg(long, env = "GRANDSTAND_ALLOW_UNSAFE_DATABASE", hide = true,
        value_parser = BoolishValueParser::new())]
    pub allow_unsafe_database: bool,
    /// Secret that signs the access tokens, 32 characters or more.
    #[arg(long, env = "GRANDSTAND_JWT_SECRET", hide_env_values = true, default_value = "")]
    pub jwt_secret: String,
    /// The secret before this one, whose access tokens are still accepted. Take it out when the
    /// tokens of the old secret have ended.
    #[arg(long, env = "GRANDSTAND_JWT_SECRET_OLD", hide_env_values = true, default_value = "")]
    pub jwt_secret_old: String,
    /// Secret of what lasts longer than access tokens: the codes on tickets and second factors. 32
    /// characters or more. Without it the secret of the access tokens is used.
    #[arg(long, env = "GRANDSTAND_LONG_TERM_SECRET", hide_env_values = true, default_value = "")]
    pub long_term_secret: String,
    /// The secret before this one, whose codes on tickets and second factors are still accepted.
    #[arg(
        long,
        env = "GRANDSTAND_LONG_TERM_SECRET_OLD",
        hide_env_values = true,
        default_value = ""
    )]
    pub long_term_secret_old: String,
    /// Lifetime of an access token in ms. A stolen token works for this time.
    #[arg(long, env = "GRANDSTAND_ACCESS_TTL_MS", default_value_t = 900_000,
        value_parser = value_parser!(u64).range(1_000..=43_200_000))]
    pub access_ttl_ms: u64,
    /// Lifetime of a session in ms.
    #[arg(long, env = "GRANDSTAND_REFRESH_TTL_MS", default_value_t = 1_209_600_000)]
    pub refresh_ttl_ms: u64,
    /// Base URL of the API of Toss Payments.
    #[arg(long, env = "GRANDSTAND_TOSS_BASE_URL", default_value = "https://api.tosspayments.com")]
    pub toss_base_url: String,
    /// Secret key at Toss Payments.
    #[arg(long, env = "GRANDSTAND_TOSS_SECRET_KEY", hide_env_values = true, default_value = "")]
    pub toss_secret_key: String,
    /// The last part of the address to which Toss sends webhooks:
    /// `/api/payments/webhooks/toss/SECRET`, of 16 to 128 letters, digits, - and _. Without it the
    /// address is `/api/payments/webhooks/toss`.
    #[arg(
        long,
        env = "GRANDSTAND_TOSS_WEBHOOK_SECRET",
        hide_env_values = true,
        default_value = ""
    )]
    pub toss_webhook_secret: String,
    /// Client key at Toss Payments, of the same kind as the secret key. It is not secret: with it
    /// the page opens the payment window of Toss.
    #[arg(long, env = "GRANDSTAND_TOSS_CLIENT_KEY", default_value = "")]
    pub toss_client_key: String,
    /// Page of the emulator on which people pay. Without it and without the client key, the page
    /// of Grandstand takes no payments, and a shop of your own confirms them through the API.
    #[arg(long, env = "GRANDSTAND_TOSS_CHECKOUT_URL", default_value = "")]
    pub toss_checkout_url: String,
    /// Longest wait for a response of Toss in ms. After it the outcome counts as unknown.
    #[arg(long, env = "GRANDSTAND_TOSS_TIMEOUT_MS", default_value_t = 10_000)]
    pub toss_timeout_ms: u64,
    /// E-mail of the first administrator, who is created at the start if missing.
    #[arg(long, env = "GRANDSTAND_ADMIN_EMAIL", default_value = "")]
    pub admin_email: String,
    /// Password of the first administrator.
    #[arg(long, env = "GRANDSTAND_ADMIN_PASSWORD", hide_env_values = true, default_value = "")]
    pub admin_password: String,
    /// SMTP server for mails: smtps://USER:PASSWORD@HOST, or smtp://HOST?tls=required.
    #[arg(long, env = "GRANDSTAND_SMTP_URL", hide_env_values = true, default_value = "")]
    pub smtp_url: String,
    /// Sender of the mails: `Grandstand <tickets@example.com>`.
    #[arg(long, env = "GRANDSTAND_MAIL_FROM", default_value = "")]
    pub mail_from: String,
    /// Address of the page for the links in mails: https://tickets.example.com.
    #[arg(long, env = "GRANDSTAND_PUBLIC_URL", default_value = "")]
    pub public_url: String,
    /// Writes mails to the end of this file instead of sending them; `dev` sets it.
    #[arg(long, env = "GRANDSTAND_MAIL_FILE", hide = true)]
    pub mail_file: Option<PathBuf>,
    /// Number of partitions, 1 to 4,096, fixed at the first start. More partitions spread many
    /// matches over more Redis nodes and workers; each costs a few connections.
    #[arg(long, env = "GRANDSTAND_PARTITIONS", default_value_t = 16,
        value_parser = value_parser!(u16).range(1..=4096))]
    pub partitions: u16,
    /// Time to reserve held seats, in ms. A short time loses honest buyers, a long time helps
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
    /// Only users whose e-mail is verified may hold seats, in all matches. A match may also ask for
    /// it alone.
    #[arg(long, env = "GRANDSTAND_HOLDS_NEED_VERIFIED_EMAIL",
        value_parser = BoolishValueParser::new())]
    pub holds_need_verified_email: bool,
    /// People with a role act only with a second factor. Without one they can log in and set one
    /// up.
    #[arg(long, env = "GRANDSTAND_STAFF_NEED_SECOND_FACTOR",
        value_parser = BoolishValueParser::new())]
    pub staff_need_second_factor: bool,
    /// Age in ms at which the gateway is asked about a payment without an outcome.
    #[arg(long, env = "GRANDSTAND_RECONCILE_AFTER_MS", default_value_t = 30_000,
        value_parser = value_parser!(i64).range(0..=3_600_000))]
    pub reconcile_after_ms: i64,
    /// Interval in ms at which charges at the gateway are compared with sales. A charge without a
    /// webhook is found within this time. Each comparison makes one or a few calls.
    #[arg(long, env = "GRANDSTAND_COMPARE_CHARGES_MS", default_value_t = 60_000,
        value_parser = value_parser!(u64).range(100..=86_400_000))]
    pub compare_charges_ms: u64,
    /// How long a closed match stays in Redis after its start, in ms. After that its sales are in
    /// PostgreSQL alone.
    #[arg(long, env = "GRANDSTAND_KEEP_MATCH_MS", default_value_t = 604_800_000,
        value_parser = value_parser!(u64).range(0..=315_360_000_000))]
    pub keep_match_ms: u64,
    /// Time in ms for which requests are still served after SIGTERM, while `/health/ready` returns
    /// 503, so that the load balancer can notice.
    #[arg(long, env = "GRANDSTAND_DRAIN_MS", default_value_t = 2_000,
        value_parser = value_parser!(u64).range(0..=600_000))]
    pub drain_ms: u64,
    /// Time in ms after which a connection is closed whose other side sends and acknowledges
    /// nothing.
    #[arg(long, env = "GRANDSTAND_PEER_TIMEOUT_MS", default_value_t = 45_000,
        value_parser = value_parser!(u32).range(3_000..=600_000))]
    pub peer_timeout_ms: u32,
    /// How long a command such as `restore` waits for a worker, in ms.
    #[arg(long, env = "GRANDSTAND_COMMAND_WAIT_MS", default_value_t = 60_000,
        value_parser = value_parser!(u64).range(0..=86_400_000))]
    pub command_wait_ms: u64,
    /// Kills the process at a failpoint (src/failpoint.rs): tests only.
    #[arg(long, env = "GRANDSTAND_DIE_AT", hide = true, default_value = "")]
    pub die_at: String,
    /// Journal entries of one partition that PostgreSQL may be behind before payments pause. Each
    /// takes about 210 bytes of Redis.
    #[arg(long, env = "GRANDSTAND_JOURNAL_ENTRIES_MAX", default_value_t = 100_000)]
    pub journal_entries_max: u64,
    /// Age in ms of the oldest such entry at which payments pause.
    #[arg(long, env = "GRANDSTAND_JOURNAL_AGE_MS_MAX", default_value_t = 5_000)]
    pub journal_age_ms_max: u64,
    #[command(flatten)]
    pub rates: Rates,
    #[command(flatten)]
    pub challenges: ChallengeSettings,
    /// Filter of the log lines: `info`, `debug`, `grandstand=debug`.
    #[arg(long, env = "GRANDSTAND_LOG", default_value = "info,fred=warn")]
    pub log: String,
    /// Write the logs as JSON.
    #[arg(long, env = "GRANDSTAND_LOG_JSON",
        value_parser = BoolishValueParser::new())]
    pub log_json: bool,
}

/// The challenge that people solve before they join a waiting room.
#[derive(Clone, Args)]
pub struct ChallengeSettings {
    /// `on`: at every waiting room. `off`: only where the settings of the waiting room ask for it.
    #[arg(long, env = "GRANDSTAND_CHALLENGE", default_value = "off", value_parser = ["on", "off"])]
    pub challenge: String,
    /// Work of a challenge: two to the power of this number of hashes, on average. A phone makes
    /// some 100,000 in a second.
    #[arg(long, env = "GRANDSTAND_CHALLENGE_BITS", default_value_t = 17,
        value_parser = value_parser!(u32).range(0..=30))]
    pub challenge_bits: u32,
    /// Address of the `siteverify` of a service with a widget (Turnstile, hCaptcha). When it is
    /// empty, the challenge is proof of work.
    #[arg(long, env = "GRANDSTAND_CHALLENGE_VERIFY_URL", default_value = "")]
    pub challenge_verify_url: String,
    /// The public key of the widget.
    #[arg(long, env = "GRANDSTAND_CHALLENGE_SITE_KEY", default_value = "")]
    pub challenge_site_key: String,
    /// The secret key of the widget.
    #[arg(long, env = "GRANDSTAND_CHALLENGE_SECRET", hide_env_values = true, default_value = "")]
    pub challenge_secret: String,
}

impl Settings {
    /// The secret of codes on tickets and of second factors, and the one before it, which may be
    /// empty.
    pub fn long_term_secrets(&self) -> (&str, &str) {
        if self.long_term_secret.is_empty() {
            return (&self.jwt_secret, &self.jwt_secret_old);
        }
        (&self.long_term_secret, &self.long_term_secret_old)
    }

    /// The limits that the scripts check.
    pub fn limits(&self) -> Limits {
        let limited = self.rates.rate_limits == "on";
        Limits {
            hold_ttl_ms: self.hold_ttl_ms,
            payment_ttl_ms: self.payment_ttl_ms,
            seats_per_user: self.max_seats_per_user,
            holds_per_ten_minutes: if limited { self.rates.holds_per_ten_minutes } else { 0 },
            cool_down_after: if limited { self.rates.cool_down_after } else { 0 },
        }
    }

    /// Refuses settings with which a node would start, but not run safely.
    ///
    /// # Errors
    /// The text says which settings these are, and what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        match check::refusal(self, check::open_files_max()) {
            Some(refusal) => Err(anyhow::anyhow!(refusal)),
            None => Ok(()),
        }
    }

    /// What everybody must know who runs a node with these settings. It is logged at each start.
    pub fn warnings(&self) -> Vec<String> {
        check::warnings(self)
    }
}

/// A block of addresses as people write it: `10.0.0.0/8`, `fd00::/8`, or one address.
pub fn parse_block(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let block = text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into()));
    let block: IpNet = block.map_err(|_| {
        format!("{text:?} is no address and no block of addresses such as 10.0.0.0/8")
    })?;
    // A block of IPv4 inside IPv6, as a listener for both sees it.
    let bits = block.prefix_len();
    Ok(match (block.addr().to_canonical(), block.addr()) {
        (address @ IpAddr::V4(_), IpAddr::V6(_)) if bits >= 96 => {
            IpNet::new(address, bits - 96).map_err(|error| error.to_string())?
        }
        _ => block,
    })
}
