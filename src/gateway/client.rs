//! One HTTP call to Toss: authentication, time limit, repeats while the gateway is busy with the
//! same key or wants fewer calls, and the reading of the answer. What an answer means is decided in
//! `toss`.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;

use super::breaker::Breaker;
use super::pace::Pace;
use super::payment::{GatewayPayment, GatewayTransaction};
use super::toss::TossSettings;

/// A Payment object has a few KiB, and a page of transactions below 600 KiB; more is neither.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How often a call is repeated while Toss is still busy with the same idempotency key, or wants
/// fewer calls.
const BUSY_REPEATS_MAX: u32 = 4;

/// The pause before the first repeat; it doubles, and up to the same again is added by chance.
const BUSY_PAUSE_MS: u64 = 100;

/// What one call brought.
pub(super) enum Answer {
    /// 2xx with a Payment object.
    Payment(Box<GatewayPayment>),
    /// 2xx with a list of Transaction objects.
    Transactions(Vec<GatewayTransaction>),
    /// An error in Toss's form.
    Error { status: u16, code: String, message: String },
    /// No answer, or one that is not Toss's.
    Nothing { reason: String },
}

/// A call, ready to be sent as often as needed.
pub(super) struct Call {
    pub(super) path: String,
    /// The idempotency key and body of a POST; absent in a GET.
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
    /// Errs when the address or the key cannot be used at all.
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
            // A payment must never follow a redirect, and is repeated only where we decide it.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().context("the HTTP client of Toss")?,
            base_url: base_url.trim_end_matches('/').to_owned(),
            timeout: Duration::from_millis(timeout_ms),
            breaker: Breaker::default(),
            pace: Pace::default(),
        })
    }

    /// Makes the call, with its repeats, within the time limit. Never errs. A call that `counts`
    /// has its say in whether new payments are held back.
    pub(super) async fn call(&self, call: &Call, counts: bool) -> Answer {
        if call.post.is_none() && self.pace.is_slow(Instant::now()) {
            return Answer::Nothing { reason: "the gateway wants fewer calls".to_owned() };
        }
        let answer = match tokio::time::timeout(self.timeout, self.until_not_busy(call)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Nothing { reason: "no answer in time".to_owned() },
        };
        let is_answered = match &answer {
            Answer::Payment(_) | Answer::Transactions(_) => true,
            // It is there, and wants fewer calls: that is no reason to hold buyers back.
            Answer::Error { status: 429, .. } => return answer,
            Answer::Error { status, .. } => *status < 500,
            Answer::Nothing { .. } => false,
        };
        if counts {
            self.breaker.record(is_answered, Instant::now());
        }
        answer
    }

    async fn until_not_busy(&self, call: &Call) -> Answer {
        let mut pause_ms = BUSY_PAUSE_MS;
        for _ in 0..BUSY_REPEATS_MAX {
            let answer = self.once(call).await;
            let is_busy = match &answer {
                Answer::Error { status: 409, code, .. } => code == "IDEMPOTENT_REQUEST_PROCESSING",
                // A question can wait, a buyer can't.
                Answer::Error { status: 429, .. } => call.post.is_some(),
                _ => false,
            };
            if !is_busy {
                return answer;
            }
            let jitter_ms = getrandom::u64().unwrap_or(0) % pause_ms;
            tokio::time::sleep(Duration::from_millis(pause_ms + jitter_ms)).await;
            pause_ms *= 2;
        }
        self.once(call).await
    }

    async fn once(&self, call: &Call) -> Answer {
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
                understand(status, &body)
            }
            Err(error) => Answer::Nothing { reason: reason_of(error) },
        }
    }
}

/// The status, the seconds of `Retry-After`, and the body.
async fn read(
    request: reqwest::RequestBuilder,
) -> Result<(u16, Option<u64>, Vec<u8>), reqwest::Error> {
    let mut response = request.send().await?;
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|text| text.parse().ok());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            // What is cut off does not parse, so the outcome stays unknown.
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status().as_u16(), retry_after, body))
}

fn understand(status: u16, body: &[u8]) -> Answer {
    if (200..300).contains(&status) {
        // Only the list of transactions is an array.
        let (what, answer) = if body.trim_ascii_start().starts_with(b"[") {
            ("list", serde_json::from_slice(body).map(Answer::Transactions))
        } else {
            ("payment", serde_json::from_slice(body).map(Answer::Payment))
        };
        return answer.unwrap_or_else(|error| Answer::Nothing {
            reason: format!("HTTP {status}, no {what}: {error}"),
        });
    }
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(error) => Answer::Error { status, code: error.code, message: error.message },
        Err(_) => Answer::Nothing { reason: format!("HTTP {status} without an error code") },
    }
}

/// The innermost cause says more than reqwest's own sentence; the URL is left out.
fn reason_of(error: reqwest::Error) -> String {
    let what = if error.is_connect() { "could not connect" } else { "the connection was cut" };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("{what}: {cause}")
}

/// A gateway on this machine is the emulator; a proxy for the outside world cannot reach it.
fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
