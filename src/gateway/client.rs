//! An HTTP call to Toss: authentication, the time limit, and repeats while the gateway is busy with
//! the same key or wants fewer calls. This file parses the reply; `toss` decides what the reply
//! means.

use crate::gateway::breaker::Breaker;
use crate::gateway::pace::Pace;
use crate::gateway::payment::{GatewayPayment, GatewayTransaction};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// The settings of the client. They have no `Debug`, so that the key cannot reach a log.
#[derive(Clone)]
pub struct TossSettings {
    /// The address without a path, for example `https://api.tosspayments.com`.
    pub base_url: String,
    /// `test_sk_…`, `live_sk_…` or a key of a widget. It is the user of the Basic authentication.
    pub secret_key: String,
    /// The time limit of a call with its repeats, in milliseconds, above 0. Lower: more outcomes
    /// are unknown and wait for the reconciler. Higher: buyers wait longer for a 202.
    pub timeout_ms: u64,
}

/// The longest reply that is read. A Payment object has a few KiB, and a page of transactions has
/// less than 600 KiB.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// A call is repeated at most this often while Toss is busy with the same idempotency key, or wants
/// fewer calls.
const BUSY_REPEATS_MAX: u32 = 4;

/// The pause before the first repeat. It doubles with each repeat, and a random pause of up to the
/// same length is added.
const BUSY_PAUSE_MS: u64 = 100;

/// A longer `Retry-After` counts as this one, in seconds: no call waits for so much as a tenth of
/// it.
const RETRY_AFTER_S_MAX: u64 = 3_600;

/// The result of a call.
pub(super) enum Reply {
    /// 2xx with a Payment object.
    Payment(Box<GatewayPayment>),
    /// 2xx with a list of Transaction objects.
    Transactions(Vec<GatewayTransaction>),
    /// An error in the form of Toss.
    Error { status: u16, code: String, message: String },
    /// No reply, or a reply that is not from Toss.
    Nothing { reason: String },
}

impl Reply {
    /// The kind of reply, as a label of the metrics.
    fn label(&self) -> &'static str {
        match self {
            Self::Payment(_) | Self::Transactions(_) => "ok",
            Self::Error { .. } => "error",
            Self::Nothing { .. } => "none",
        }
    }
}

/// A call that can be sent several times.
pub(super) struct Call {
    /// What is asked for, as a label of the metrics.
    pub(super) kind: &'static str,
    pub(super) path: String,
    /// The idempotency key and the body of a POST; `None` for a GET.
    pub(super) post: Option<(String, serde_json::Value)>,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    #[serde(default)]
    message: String,
}

pub(super) struct Client {
    http: reqwest::Client,
    base_url: String,
    timeout: Duration,
    pub(super) breaker: Breaker,
    pace: Pace,
}

impl Client {
    /// Fails when the address or the key cannot be used at all.
    pub(super) fn new(settings: TossSettings) -> anyhow::Result<Self> {
        let TossSettings { base_url, secret_key, timeout_ms } = settings;
        let base = reqwest::Url::parse(&base_url).context("the base URL of Toss")?;
        anyhow::ensure!(
            matches!(base.scheme(), "http" | "https") && base.has_host(),
            "the base URL of Toss must start with http:// or https://"
        );
        anyhow::ensure!(!secret_key.is_empty(), "the secret key of Toss is empty");
        anyhow::ensure!(timeout_ms > 0, "the time limit of Toss must be above 0 ms");

        let credentials = STANDARD.encode(format!("{}:", secret_key));
        let mut authorization = HeaderValue::try_from(format!("Basic {credentials}"))?;
        authorization.set_sensitive(true);
        let mut builder = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .user_agent(concat!("grandstand/", env!("CARGO_PKG_VERSION")))
            // A payment must never follow a redirect, and only `until_not_busy` repeats it.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // An emulator. To read all certificates of the system would take longer than the start.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            http: builder.build().context("the HTTP client of Toss")?,
            base_url: base_url.trim_end_matches('/').to_owned(),
            timeout: Duration::from_millis(timeout_ms),
            breaker: Breaker::default(),
            pace: Pace::default(),
        })
    }

    /// Makes the call, with its repeats, within the time limit. Never fails. With `counts`, the
    /// breaker records the result, so that it can refuse new payments.
    pub(super) async fn call(&self, call: &Call, counts: bool) -> Reply {
        if call.post.is_none() && self.pace.is_slow(Instant::now()) {
            return Reply::Nothing { reason: "the gateway wants fewer calls".to_owned() };
        }
        let begun = Instant::now();
        let reply = match tokio::time::timeout(self.timeout, self.until_not_busy(call)).await {
            Ok(reply) => reply,
            Err(_) => Reply::Nothing { reason: "no reply in time".to_owned() },
        };
        metrics::histogram!("grandstand_gateway_seconds", "call" => call.kind,
            "reply" => reply.label())
        .record(begun.elapsed().as_secs_f64());
        let has_replied = match &reply {
            Reply::Payment(_) | Reply::Transactions(_) => true,
            // The gateway works but wants fewer calls, which is no reason to refuse buyers.
            Reply::Error { status: 429, .. } => return reply,
            Reply::Error { status, .. } => *status < 500,
            Reply::Nothing { .. } => false,
        };
        if counts {
            self.breaker.record(has_replied, Instant::now());
        }
        reply
    }

    async fn until_not_busy(&self, call: &Call) -> Reply {
        let (begun, mut pause_ms) = (Instant::now(), BUSY_PAUSE_MS);
        for _ in 0..BUSY_REPEATS_MAX {
            let (reply, retry_after) = self.once(call).await;
            let is_busy = match &reply {
                Reply::Error { status: 409, code, .. } => code == "IDEMPOTENT_REQUEST_PROCESSING",
                // A look-up can wait, but a buyer can't.
                Reply::Error { status: 429, .. } => call.post.is_some(),
                _ => false,
            };
            if !is_busy {
                return reply;
            }
            let jitter_ms = getrandom::u64().unwrap_or(0) % pause_ms;
            let pause = Duration::from_millis(pause_ms + jitter_ms).max(retry_after);
            // No repeat is possible in time. The reconciler finds the outcome out.
            if begun.elapsed() + retry_after >= self.timeout {
                return reply;
            }
            tokio::time::sleep(pause).await;
            pause_ms *= 2;
        }
        self.once(call).await.0
    }

    /// The reply, and the time for which the gateway wants no other call.
    async fn once(&self, call: &Call) -> (Reply, Duration) {
        let url = format!("{}{}", self.base_url, call.path);
        let request = match &call.post {
            Some((key, body)) => self.http.post(url).header("Idempotency-Key", key).json(body),
            None => self.http.get(url),
        };
        match read(request).await {
            Ok((status, retry_after, body)) => {
                if status == 429 {
                    self.pace.slow_down(retry_after, Instant::now());
                }
                (
                    parse(status, &body),
                    Duration::from_secs(retry_after.unwrap_or(0).min(RETRY_AFTER_S_MAX)),
                )
            }
            Err(error) => (Reply::Nothing { reason: reason_of(error) }, Duration::ZERO),
        }
    }
}

/// Returns the status, the seconds of `Retry-After`, and the body.
async fn read(
    request: reqwest::RequestBuilder,
) -> Result<(u16, Option<u64>, Vec<u8>), reqwest::Error> {
    let mut response = request.send().await?;
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|text| text.parse().ok());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > REPLY_BYTES_MAX {
            // An incomplete body does not parse, so the outcome stays unknown.
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status().as_u16(), retry_after, body))
}

fn parse(status: u16, body: &[u8]) -> Reply {
    if (200..300).contains(&status) {
        // Only the list of transactions is an array.
        let (kind, reply) = if body.trim_ascii_start().starts_with(b"[") {
            ("list", serde_json::from_slice(body).map(Reply::Transactions))
        } else {
            ("payment", serde_json::from_slice(body).map(Reply::Payment))
        };
        return reply.unwrap_or_else(|error| Reply::Nothing {
            reason: format!("HTTP {status}, not a {kind}: {error}"),
        });
    }
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(error) => Reply::Error { status, code: error.code, message: error.message },
        Err(_) => Reply::Nothing { reason: format!("HTTP {status} without an error code") },
    }
}

/// Describes an error by its innermost cause, which says more than the sentence of reqwest. The URL
/// is left out.
fn reason_of(error: reqwest::Error) -> String {
    let what = if error.is_connect() { "could not connect" } else { "the connection was cut" };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("{what}: {cause}")
}

/// Whether the gateway is on this machine, as the emulator is. A proxy could not reach it.
fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
