//! Settings of the gateway that do not go together: with a live key, real money moves.

use crate::config::Settings;

/// How client keys and the secret keys that go with them begin. The keys of payment widgets
/// (`test_gck_`, `live_gck_`) open no payment window.
const PAIRED_KEYS: [(&str, &str); 2] = [("test_ck_", "test_sk_"), ("live_ck_", "live_sk_")];

/// Whether the secret key moves real money.
pub(super) fn is_live(settings: &Settings) -> bool {
    settings.toss_secret_key.starts_with("live_")
}

/// Toss gives out client keys and secret keys in pairs: `test_ck_` with `test_sk_`.
pub(super) fn unfit_client_key(settings: &Settings) -> Option<String> {
    let (client, secret) = (settings.toss_client_key.as_str(), settings.toss_secret_key.as_str());
    if client.is_empty() {
        return None;
    }
    if !settings.toss_checkout_url.is_empty() {
        return Some(
            "GRANDSTAND_TOSS_CLIENT_KEY and GRANDSTAND_TOSS_CHECKOUT_URL are both set, and people \
             can pay only in one place: the window of Toss, or the page of the emulator. Remove \
             one of them."
                .to_owned(),
        );
    }
    let fits = PAIRED_KEYS.iter().any(|(of_client, of_secret)| {
        client.starts_with(of_client) && secret.starts_with(of_secret)
    });
    (!fits).then(|| {
        "GRANDSTAND_TOSS_CLIENT_KEY does not belong to GRANDSTAND_TOSS_SECRET_KEY, or is that of a \
         widget: the payment window needs test_ck_... with test_sk_..., or live_ck_... with \
         live_sk_.... Take both from the API keys of the developer console, not from those of the \
         payment widget."
            .to_owned()
    })
}

/// The secret of the webhooks is a part of a path, and nobody may guess it.
pub(super) fn unfit_webhook_secret(settings: &Settings) -> Option<String> {
    let secret = settings.toss_webhook_secret.as_str();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = (16..=128).contains(&secret.len()) && secret.bytes().all(is_plain);
    (!secret.is_empty() && !fits).then(|| {
        "GRANDSTAND_TOSS_WEBHOOK_SECRET must have 16 to 128 letters, digits, - and _, because it \
         is a part of an address. Make a random one with `openssl rand -hex 24`."
            .to_owned()
    })
}

/// What must not be set with a live key.
pub(super) fn unsafe_with_live_key(settings: &Settings) -> Option<String> {
    if !is_live(settings) {
        return None;
    }
    let base = settings.toss_base_url.as_str();
    if !base.starts_with("https://") || is_this_machine(base) {
        return Some(format!(
            "GRANDSTAND_TOSS_SECRET_KEY is a live key, and GRANDSTAND_TOSS_BASE_URL is {base}: \
             anybody in between could read the key. Remove GRANDSTAND_TOSS_BASE_URL, or use a \
             test key."
        ));
    }
    let forbidden = [
        (
            "GRANDSTAND_TOSS_CHECKOUT_URL",
            !settings.toss_checkout_url.is_empty(),
            "it is the pay page of the emulator",
        ),
        (
            "GRANDSTAND_ALLOW_UNSAFE_DATABASE",
            settings.allow_unsafe_database,
            "a sale that was paid could be lost",
        ),
        ("GRANDSTAND_DIE_AT", !settings.die_at.is_empty(), "the process would kill itself"),
    ];
    let found = forbidden.into_iter().find(|(_, is_set, _)| *is_set);
    found.map(|(name, _, reason)| {
        format!(
            "GRANDSTAND_TOSS_SECRET_KEY is a live key, and {name} is set: {reason}. Remove {name}."
        )
    })
}

fn is_this_machine(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["localhost", "127.", "[::1]", "0.0.0.0"].iter().any(|name| host.starts_with(name))
}
