//! Settings that are each possible, but not together, and settings that nobody may overlook.

use crate::config::Settings;
use crate::config::gateway::{
    is_live, unfit_client_key, unfit_webhook_secret, unsafe_with_live_key,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The address of the real gateway.
const PRODUCTION_GATEWAY: &str = "https://api.tosspayments.com";
/// The gateway approves a payment at most this long after the consent of the buyer, in ms.
const APPROVAL_WINDOW_MS: u64 = 600_000;
/// Open files of a node besides its connections: the servers behind it, the listener, the log.
const OTHER_FILES: u64 = 200;
const SECRET_LETTERS_MIN: usize = 32;
/// Fewer different characters than a random secret of 32 characters ever has: even of 16 possible
/// characters, such a secret has less than 9 in one of a million cases.
const SECRET_CHARACTERS_MIN: usize = 9;

/// Whether a secret is too short, or repeats a few characters.
fn is_weak(secret: &str) -> bool {
    let different: std::collections::HashSet<char> = secret.chars().collect();
    secret.chars().count() < SECRET_LETTERS_MIN || different.len() < SECRET_CHARACTERS_MIN
}

/// The most files that this process may have open. Takes what the system allows it to take.
pub(super) fn open_files_max() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let Some(hard) = limit.maximum else { return u64::MAX };
    // macOS refuses a limit above its own, and then the earlier one stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: Some(hard) });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Why a node must not start with these settings. `open_files_max`: the limit of the process.
pub(super) fn refusal(settings: &Settings, open_files_max: u64) -> Option<String> {
    missing(settings)
        .or_else(|| incomplete(settings))
        .or_else(|| unfit_client_key(settings))
        .or_else(|| unfit_webhook_secret(settings))
        .or_else(|| unsafe_with_live_key(settings))
        .or_else(|| bad_times(settings))
        .or_else(|| zero(settings))
        .or_else(|| too_many_streams(settings, open_files_max))
}

fn missing(settings: &Settings) -> Option<String> {
    let secrets = [
        ("GRANDSTAND_JWT_SECRET", &settings.jwt_secret, true),
        ("GRANDSTAND_JWT_SECRET_OLD", &settings.jwt_secret_old, false),
        ("GRANDSTAND_LONG_TERM_SECRET", &settings.long_term_secret, false),
        ("GRANDSTAND_LONG_TERM_SECRET_OLD", &settings.long_term_secret_old, false),
    ];
    let is_unfit = |secret: &str, needed: bool| (needed || !secret.is_empty()) && is_weak(secret);
    if let Some((name, ..)) = secrets.into_iter().find(|(_, text, needed)| is_unfit(text, *needed))
    {
        return Some(format!(
            "{name} is missing, shorter than {SECRET_LETTERS_MIN} characters, or can be guessed. \
             Make a random one with `openssl rand -base64 48` and set it on every node."
        ));
    }
    settings.toss_secret_key.is_empty().then(|| {
        "GRANDSTAND_TOSS_SECRET_KEY is missing: no payment could be confirmed. \
         Take it from the developer console of Toss Payments, or use the emulator."
            .to_owned()
    })
}

fn incomplete(settings: &Settings) -> Option<String> {
    if settings.long_term_secret.is_empty() && !settings.long_term_secret_old.is_empty() {
        return Some(
            "GRANDSTAND_LONG_TERM_SECRET_OLD needs GRANDSTAND_LONG_TERM_SECRET, the one after it"
                .to_owned(),
        );
    }
    let of_mail = [&settings.mail_from, &settings.public_url];
    if !settings.smtp_url.is_empty() && of_mail.iter().any(|text| text.is_empty()) {
        return Some(
            "GRANDSTAND_SMTP_URL needs GRANDSTAND_MAIL_FROM and GRANDSTAND_PUBLIC_URL".to_owned(),
        );
    }
    let challenges = &settings.challenges;
    let of_widget = [
        &challenges.challenge_verify_url,
        &challenges.challenge_site_key,
        &challenges.challenge_secret,
    ];
    let set = of_widget.iter().filter(|text| !text.is_empty()).count();
    if set != 0 && set != of_widget.len() {
        return Some(
            "GRANDSTAND_CHALLENGE_VERIFY_URL, GRANDSTAND_CHALLENGE_SITE_KEY and \
             GRANDSTAND_CHALLENGE_SECRET go together: set all of them or none"
                .to_owned(),
        );
    }
    let pairs = [
        (
            "GRANDSTAND_ADMIN_EMAIL and GRANDSTAND_ADMIN_PASSWORD",
            !settings.admin_email.is_empty(),
            !settings.admin_password.is_empty(),
        ),
        (
            "GRANDSTAND_TLS_CERT_FILE and GRANDSTAND_TLS_KEY_FILE",
            settings.tls_cert_file.is_some(),
            settings.tls_key_file.is_some(),
        ),
    ];
    let broken = pairs.into_iter().find(|(_, first, second)| first != second);
    broken.map(|(names, ..)| format!("{names} go together: set both or none"))
}

fn bad_times(settings: &Settings) -> Option<String> {
    let (reconcile, timeout) = (settings.reconcile_after_ms, settings.toss_timeout_ms);
    if reconcile.unsigned_abs() < timeout {
        return Some(format!(
            "GRANDSTAND_RECONCILE_AFTER_MS={reconcile} is below GRANDSTAND_TOSS_TIMEOUT_MS=\
             {timeout}: the gateway would be asked about a payment while the first call is still \
             in flight. Set the former to {timeout} or more."
        ));
    }
    if settings.payment_ttl_ms > APPROVAL_WINDOW_MS {
        return Some(format!(
            "GRANDSTAND_PAYMENT_TTL_MS={} is above {APPROVAL_WINDOW_MS}: the gateway refuses to \
             approve a payment so late. Set it to {APPROVAL_WINDOW_MS} or less.",
            settings.payment_ttl_ms
        ));
    }
    (settings.refresh_ttl_ms < settings.access_ttl_ms).then(|| {
        "GRANDSTAND_REFRESH_TTL_MS is below GRANDSTAND_ACCESS_TTL_MS: an access token would \
         outlive its session. Set it to the same value or more."
            .to_owned()
    })
}

fn zero(settings: &Settings) -> Option<String> {
    let rates = &settings.rates;
    let counts = [
        ("GRANDSTAND_DATABASE_CONNECTIONS", settings.database_connections as u64),
        ("GRANDSTAND_TOSS_TIMEOUT_MS", settings.toss_timeout_ms),
        ("GRANDSTAND_JOURNAL_ENTRIES_MAX", settings.journal_entries_max),
        ("GRANDSTAND_JOURNAL_AGE_MS_MAX", settings.journal_age_ms_max),
        ("GRANDSTAND_LOG_INS_PER_MINUTE", rates.log_ins_per_minute.into()),
        ("GRANDSTAND_ACCOUNT_CALLS_PER_MINUTE", rates.account_calls_per_minute.into()),
        ("GRANDSTAND_SIGN_UPS_PER_HOUR", rates.sign_ups_per_hour.into()),
        ("GRANDSTAND_SIGN_UPS_PER_ADDRESS_BLOCK", rates.sign_ups_per_address_block.into()),
        ("GRANDSTAND_WRONG_LOG_INS_PER_HOUR", rates.wrong_log_ins_per_hour.into()),
        ("GRANDSTAND_STREAMS_PER_USER", rates.streams_per_user.into()),
        ("GRANDSTAND_SEAT_CALLS_PER_SECOND", rates.seat_calls_per_second.into()),
        ("GRANDSTAND_JOINS_PER_MINUTE", rates.joins_per_minute.into()),
        ("GRANDSTAND_JOINS_PER_ADDRESS_BLOCK", rates.joins_per_address_block.into()),
        ("GRANDSTAND_REFRESHES_PER_MINUTE", rates.refreshes_per_minute.into()),
        ("GRANDSTAND_READS_PER_SECOND", rates.reads_per_second.into()),
        ("GRANDSTAND_WRITES_PER_SECOND", rates.writes_per_second.into()),
        ("GRANDSTAND_PAYMENT_REQUESTS_PER_MINUTE", rates.payment_requests_per_minute.into()),
        ("GRANDSTAND_CONFIRMS_PER_MINUTE", rates.confirms_per_minute.into()),
        ("GRANDSTAND_ADMIN_CALLS_PER_SECOND", rates.admin_calls_per_second.into()),
        ("GRANDSTAND_PAGE_CALLS_PER_SECOND", rates.page_calls_per_second.into()),
        ("GRANDSTAND_WEBHOOKS_PER_SECOND", rates.webhooks_per_second.into()),
        ("GRANDSTAND_STREAM_OPENS_PER_MINUTE", rates.stream_opens_per_minute.into()),
        ("GRANDSTAND_CALLS_PER_SECOND", rates.calls_per_second.into()),
        ("GRANDSTAND_CONNECTIONS_PER_ADDRESS", rates.connections_per_address.into()),
        ("GRANDSTAND_STREAMS_PER_ADDRESS", rates.streams_per_address.into()),
        ("GRANDSTAND_STREAMS_MAX", rates.streams_max.into()),
    ];
    let found = counts.into_iter().find(|(_, count)| *count == 0);
    found.map(|(name, _)| {
        format!("{name}=0 would stop everything. Set it to 1 or more, or leave it out.")
    })
}

fn too_many_streams(settings: &Settings, open_files_max: u64) -> Option<String> {
    let streams = u64::from(settings.rates.streams_max);
    let possible = open_files_max.saturating_sub(OTHER_FILES);
    (streams > possible).then(|| {
        format!(
            "GRANDSTAND_STREAMS_MAX={streams}, and this process may have only {open_files_max} \
             files open: raise the limit (`ulimit -Hn`, LimitNOFILE, ulimits in compose), or set \
             GRANDSTAND_STREAMS_MAX={possible}."
        )
    })
}

/// What must be visible in the log of each start.
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let production = settings.toss_base_url.trim_end_matches('/') == PRODUCTION_GATEWAY;
    let is_test = settings.toss_secret_key.starts_with("test_");
    let all = [
        (production && is_test, "GRANDSTAND_TOSS_SECRET_KEY is a test key: NO MONEY MOVES"),
        (
            is_live(settings) && !production,
            "GRANDSTAND_TOSS_BASE_URL is not the gateway itself, and gets the live key",
        ),
        (
            settings.rates.rate_limits == "off",
            "GRANDSTAND_RATE_LIMITS=off: ONE CLIENT CAN STOP THE SALE; this is for load tests",
        ),
        (
            settings.allow_unsafe_database,
            "GRANDSTAND_ALLOW_UNSAFE_DATABASE is set: A SALE CAN BE LOST; this is for tests",
        ),
        (
            !settings.jwt_secret_old.is_empty() && settings.long_term_secret.is_empty(),
            "GRANDSTAND_JWT_SECRET_OLD also counts for tickets and second factors, because \
             GRANDSTAND_LONG_TERM_SECRET is not set: WITHOUT IT THEY DO NOT WORK ANY MORE",
        ),
        (!settings.die_at.is_empty(), "GRANDSTAND_DIE_AT is set: this process will kill itself"),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        settings: Settings,
    }

    /// Settings that a node starts with.
    fn good() -> Settings {
        let mut settings = Defaults::parse_from(["test"]).settings;
        settings.jwt_secret = "a secret that is longer than 32 letters".to_owned();
        settings.toss_secret_key = "live_sk_1".to_owned();
        settings
    }

    fn test_key(settings: &mut Settings) {
        settings.toss_secret_key = "test_sk_1".to_owned();
        settings.toss_base_url = "http://127.0.0.1:9090".to_owned();
    }

    type Case = (&'static str, fn(&mut Settings));

    const REFUSED: &[Case] = &[
        ("GRANDSTAND_JWT_SECRET", |s| s.jwt_secret.clear()),
        ("GRANDSTAND_JWT_SECRET", |s| s.jwt_secret = "short".into()),
        ("GRANDSTAND_JWT_SECRET", |s| s.jwt_secret = "0123456789abcdef0123456789abcde".into()),
        ("GRANDSTAND_JWT_SECRET", |s| s.jwt_secret = "secret".repeat(20)),
        ("GRANDSTAND_JWT_SECRET", |s| s.jwt_secret = "12345678".repeat(4)),
        ("GRANDSTAND_JWT_SECRET_OLD", |s| s.jwt_secret_old = "short".into()),
        ("GRANDSTAND_JWT_SECRET_OLD", |s| s.jwt_secret_old = "a".repeat(64)),
        ("GRANDSTAND_LONG_TERM_SECRET is", |s| s.long_term_secret = "short".into()),
        ("GRANDSTAND_LONG_TERM_SECRET_OLD is", |s| s.long_term_secret_old = "a".repeat(64)),
        ("GRANDSTAND_LONG_TERM_SECRET_OLD needs", |s| {
            s.long_term_secret_old = s.jwt_secret.clone()
        }),
        ("GRANDSTAND_TOSS_WEBHOOK_SECRET", |s| s.toss_webhook_secret = "short".into()),
        ("GRANDSTAND_TOSS_WEBHOOK_SECRET", |s| s.toss_webhook_secret = "a/b".repeat(9)),
        ("GRANDSTAND_SMTP_URL needs", |s| s.smtp_url = "smtp://mail.example".into()),
        ("GRANDSTAND_SMTP_URL needs", |s| {
            (s.smtp_url, s.mail_from) = ("smtp://mail.example".into(), "a@b.example".into());
        }),
        ("GRANDSTAND_CHALLENGE_SECRET go together", |s| {
            s.challenges.challenge_verify_url = "https://w.example/siteverify".into();
        }),
        ("GRANDSTAND_CHALLENGE_SECRET go together", |s| {
            s.challenges.challenge_verify_url = "https://w.example/siteverify".into();
            s.challenges.challenge_site_key = "key".into();
        }),
        ("GRANDSTAND_CHALLENGE_SECRET go together", |s| {
            s.challenges.challenge_verify_url = "https://w.example/siteverify".into();
            s.challenges.challenge_secret = "secret".into();
        }),
        ("GRANDSTAND_CHALLENGE_SECRET go together", |s| {
            s.challenges.challenge_secret = "secret".into();
        }),
        ("GRANDSTAND_TOSS_SECRET_KEY is missing", |s| s.toss_secret_key.clear()),
        ("GRANDSTAND_ADMIN_PASSWORD go together", |s| s.admin_email = "a@b.example".into()),
        ("GRANDSTAND_ADMIN_PASSWORD go together", |s| s.admin_password = "password".into()),
        ("GRANDSTAND_TLS_KEY_FILE go together", |s| s.tls_cert_file = Some("/c".into())),
        ("GRANDSTAND_TLS_KEY_FILE go together", |s| s.tls_key_file = Some("/k".into())),
        ("live key", |s| s.toss_base_url = "http://toss-emulator:9090".into()),
        ("live key", |s| s.toss_base_url = "http://api.tosspayments.com".into()),
        ("live key", |s| s.toss_base_url = "https://127.0.0.1:9090".into()),
        ("live key", |s| s.toss_base_url = "https://localhost".into()),
        ("Remove GRANDSTAND_TOSS_CHECKOUT_URL", |s| s.toss_checkout_url = "https://e/pay".into()),
        ("does not belong to", |s| s.toss_client_key = "test_ck_1".into()),
        ("does not belong to", |s| s.toss_client_key = "live_gck_1".into()),
        ("is that of a widget", |s| {
            s.toss_client_key = "live_gck_1".into();
            s.toss_secret_key = "live_gsk_1".into();
        }),
        ("does not belong to", |s| s.toss_client_key = "live_sk_1".into()),
        ("both set", |s| {
            s.toss_client_key = "live_ck_1".into();
            s.toss_checkout_url = "https://e/pay".into();
        }),
        ("Remove GRANDSTAND_ALLOW_UNSAFE_DATABASE", |s| s.allow_unsafe_database = true),
        ("Remove GRANDSTAND_DIE_AT", |s| s.die_at = "confirm".into()),
        ("GRANDSTAND_RECONCILE_AFTER_MS", |s| s.reconcile_after_ms = 9_999),
        ("GRANDSTAND_RECONCILE_AFTER_MS", |s| s.toss_timeout_ms = 30_001),
        ("GRANDSTAND_PAYMENT_TTL_MS", |s| s.payment_ttl_ms = 600_001),
        ("GRANDSTAND_REFRESH_TTL_MS", |s| s.refresh_ttl_ms = 899_999),
        ("GRANDSTAND_DATABASE_CONNECTIONS=0", |s| s.database_connections = 0),
        ("GRANDSTAND_TOSS_TIMEOUT_MS=0", |s| s.toss_timeout_ms = 0),
        ("GRANDSTAND_JOURNAL_ENTRIES_MAX=0", |s| s.journal_entries_max = 0),
        ("GRANDSTAND_JOURNAL_AGE_MS_MAX=0", |s| s.journal_age_ms_max = 0),
        ("GRANDSTAND_LOG_INS_PER_MINUTE=0", |s| s.rates.log_ins_per_minute = 0),
        ("GRANDSTAND_REFRESHES_PER_MINUTE=0", |s| s.rates.refreshes_per_minute = 0),
        ("GRANDSTAND_READS_PER_SECOND=0", |s| s.rates.reads_per_second = 0),
        ("GRANDSTAND_WRITES_PER_SECOND=0", |s| s.rates.writes_per_second = 0),
        ("GRANDSTAND_PAYMENT_REQUESTS_PER_MINUTE=0", |s| s.rates.payment_requests_per_minute = 0),
        ("GRANDSTAND_CONFIRMS_PER_MINUTE=0", |s| s.rates.confirms_per_minute = 0),
        ("GRANDSTAND_ADMIN_CALLS_PER_SECOND=0", |s| s.rates.admin_calls_per_second = 0),
        ("GRANDSTAND_PAGE_CALLS_PER_SECOND=0", |s| s.rates.page_calls_per_second = 0),
        ("GRANDSTAND_WEBHOOKS_PER_SECOND=0", |s| s.rates.webhooks_per_second = 0),
        ("GRANDSTAND_STREAM_OPENS_PER_MINUTE=0", |s| s.rates.stream_opens_per_minute = 0),
        ("GRANDSTAND_ACCOUNT_CALLS_PER_MINUTE=0", |s| s.rates.account_calls_per_minute = 0),
        ("GRANDSTAND_SEAT_CALLS_PER_SECOND=0", |s| s.rates.seat_calls_per_second = 0),
        ("GRANDSTAND_JOINS_PER_MINUTE=0", |s| s.rates.joins_per_minute = 0),
        ("GRANDSTAND_JOINS_PER_ADDRESS_BLOCK=0", |s| s.rates.joins_per_address_block = 0),
        ("GRANDSTAND_CALLS_PER_SECOND=0", |s| s.rates.calls_per_second = 0),
        ("GRANDSTAND_CONNECTIONS_PER_ADDRESS=0", |s| s.rates.connections_per_address = 0),
        ("GRANDSTAND_STREAMS_PER_ADDRESS=0", |s| s.rates.streams_per_address = 0),
        ("GRANDSTAND_STREAMS_MAX=0", |s| s.rates.streams_max = 0),
        ("GRANDSTAND_STREAMS_MAX=19801", |s| s.rates.streams_max = 19_801),
    ];

    const ACCEPTED: &[fn(&mut Settings)] = &[
        |_| {},
        test_key,
        |s| {
            test_key(s);
            s.toss_checkout_url = "http://127.0.0.1:9090/pay".into();
            s.allow_unsafe_database = true;
            s.die_at = "confirm".into();
        },
        |s| {
            s.challenges.challenge_verify_url = "https://w.example/siteverify".into();
            s.challenges.challenge_site_key = "key".into();
            s.challenges.challenge_secret = "secret".into();
        },
        |s| s.toss_client_key = "live_ck_1".into(),
        |s| s.jwt_secret = "0123456789abcdef0123456789abcdef".into(),
        |s| s.jwt_secret_old = "0123456789abcdef0123456789abcdef".into(),
        |s| {
            s.long_term_secret = "0123456789abcdef0123456789abcdef".into();
            s.long_term_secret_old = s.jwt_secret.clone();
        },
        |s| s.toss_webhook_secret = "0123456789_-ABCD".into(),
        |s| s.rates.rate_limits = "off".into(),
        |s| s.reconcile_after_ms = 10_000,
        |s| s.payment_ttl_ms = 600_000,
        |s| s.rates.streams_max = 19_800,
    ];

    const WARNED: &[Case] = &[
        ("NO MONEY MOVES", |s| s.toss_secret_key = "test_sk_1".into()),
        ("gets the live key", |s| s.toss_base_url = "https://proxy.example".into()),
        ("ONE CLIENT CAN STOP THE SALE", |s| s.rates.rate_limits = "off".into()),
        ("A SALE CAN BE LOST", |s| s.allow_unsafe_database = true),
        ("THEY DO NOT WORK ANY MORE", |s| s.jwt_secret_old = s.jwt_secret.clone()),
        ("will kill itself", |s| s.die_at = "confirm".into()),
    ];

    fn changed(change: fn(&mut Settings)) -> Settings {
        let mut settings = good();
        change(&mut settings);
        settings
    }

    #[test]
    fn each_unsafe_pair_is_refused_with_the_setting_to_change() {
        for (text, change) in REFUSED {
            let refused = refusal(&changed(*change), 20_000).unwrap_or_default();
            assert!(refused.contains(text), "{text}: {refused:?}");
        }
        for (number, change) in ACCEPTED.iter().enumerate() {
            assert_eq!(refusal(&changed(*change), 20_000), None, "{number}");
        }
    }

    #[test]
    fn what_nobody_may_overlook_is_a_warning() {
        assert_eq!(warnings(&good()), Vec::<String>::new());
        for (text, change) in WARNED {
            let found = warnings(&changed(*change));
            assert!(found.len() == 1 && found[0].contains(text), "{text}: {found:?}");
        }
    }
}
