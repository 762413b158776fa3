//! A server that speaks the part of the Toss Payments API that Grandstand uses. It has a ledger of
//! its own, a pay page for people, and faults on request. It runs as `grandstand toss-emulator`,
//! inside `grandstand dev`, and in tests. Its callers always use a socket, as with the real
//! gateway.
//!
//! `curl` examples, with the server at `$EMULATOR`:
//! - `-d '{"orderId":"order-1","amount":50000}' $EMULATOR/_emulator/payments` creates a payment;
//! - `-d '{"call":"confirm","kind":"dropAfter","count":1}' $EMULATOR/_emulator/faults` charges the
//!   next confirmation and then cuts the connection; `-X DELETE` ends all faults;
//! - `$EMULATOR/_emulator/ledger` shows all payments.
//!
//! Both POSTs need `-H 'content-type: application/json'`.

mod api;
mod calls;
mod control;
mod error;
mod faults;
mod idempotency;
mod ledger;
mod pay;
mod payment;
mod reply;
mod serve;
mod transactions;
mod webhooks;

use axum::Router;
use faults::Faults;
use ledger::Ledger;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// `stop` waits this long for calls under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The settings of an emulator.
#[derive(Clone)]
pub struct EmulatorSettings {
    /// The only secret key that is accepted.
    pub secret_key: String,
    /// Longest time between authentication and confirmation, in milliseconds. Toss allows 10
    /// minutes.
    pub approval_window_ms: u64,
    /// A file of JSON lines that keeps the payments, and the replies under idempotency keys, over a
    /// restart. Without it, they are in memory only.
    pub ledger_path: Option<PathBuf>,
    /// The address of the webhooks. Without it, none are sent. `PUT /_emulator/webhook` changes it.
    pub webhook_url: Option<String>,
    /// Factor for the pauses between the tries of a webhook: 1 is the schedule of Toss (up to 68
    /// hours), 0 means no pauses.
    pub webhook_time_factor: f64,
}

impl Default for EmulatorSettings {
    fn default() -> Self {
        Self {
            secret_key: "test_sk_grandstand_emulator".to_owned(),
            approval_window_ms: 600_000,
            ledger_path: None,
            webhook_url: None,
            webhook_time_factor: 1.0,
        }
    }
}

/// A running emulator. Dropping it stops it without waiting.
pub struct Emulator {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// The state that all parts of an emulator share.
struct Shared {
    settings: EmulatorSettings,
    webhook_url: Mutex<Option<String>>,
    ledger: Mutex<Ledger>,
    faults: Mutex<Faults>,
    idempotency: idempotency::Store,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Emulator {
    /// Starts serving on `listener`, in tasks of the current runtime. Fails when the file of the
    /// ledger cannot be used.
    pub fn start(listener: TcpListener, settings: EmulatorSettings) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let (changed, changes) = tokio::sync::mpsc::unbounded_channel();
        let path = settings.ledger_path.as_deref();
        let (ledger, replies) = Ledger::open(path, settings.approval_window_ms, changed)?;
        let shared = Arc::new(Shared {
            webhook_url: Mutex::new(settings.webhook_url.clone()),
            settings,
            ledger: Mutex::new(ledger),
            faults: Mutex::default(),
            idempotency: idempotency::Store::of(replies),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        shared.tasks.spawn(webhooks::run(Arc::clone(&shared), changes));
        shared.tasks.spawn(serve::run(listener, router(Arc::clone(&shared)), Arc::clone(&shared)));
        Ok(Self { address, shared })
    }

    /// Returns its address, as `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops like a gateway that crashes: calls under way lose their connection.
    pub async fn stop(self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        // Only a slow receiver of webhooks can take longer, and its task ends by itself.
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.shared.tasks.wait()).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(api::routes())
        .merge(control::routes())
        .merge(pay::routes())
        .fallback(|| async {
            error::ApiError::from(error::Code::NOT_FOUND).reply(error::Language::English)
        })
        .with_state(shared)
}
