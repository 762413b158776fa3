//! The payment flow: begin, claim, gateway, outcome, persist; and the refund, which goes the same
//! way back. The API takes the steps while a buyer waits (`confirm`, `cancel`), the reconciler
//! takes those that were interrupted (`resume`), and `settle` ends what disagrees with the gateway
//! later.

pub mod cancel;
pub mod confirm;
mod refused;
pub mod resume;
pub mod settle;
mod turns;

use crate::checkout::confirm::Pauses;
use crate::checkout::turns::Turns;
use crate::domain::ids::SeatId;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::gateway::toss::Toss;
use crate::store::Store;
use crate::stream::backlog::Backlogs;
use crate::stream::persisted::Persisted;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinError;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// How long a step waits for PostgreSQL to have a claim, an outcome or a refund. Shorter: a slow
/// commit pauses payments. Longer: buyers wait longer before they hear that PostgreSQL is away.
const PERSIST_TIMEOUT: Duration = Duration::from_secs(3);
/// The time to pay that a reservation gets at least when its payment is paused or withdrawn,
/// because the fault is ours. Shorter: buyers lose their seats while PostgreSQL is away.
pub const EXTRA_TIME_MS: u64 = 120_000;

/// Why a confirmation or a cancellation did not happen. The money is where it was, except after
/// `PaidTooLate`.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// PostgreSQL or the gateway is away.
    #[error("payments are paused")]
    Paused,
    /// As many payments as may are under way.
    #[error("too many payments are under way")]
    Busy,
    #[error("an earlier sale has seats of this reservation")]
    SeatsSold(Vec<SeatId>),
    #[error("the gateway declined the payment: {code}")]
    Declined { code: String, message: String },
    /// An earlier call got the reason.
    #[error("the gateway declined the payment before")]
    DeclinedBefore,
    /// The journal has the refund, so that the reconciler gives the money back.
    #[error("the payment was approved after the seats were gone")]
    PaidTooLate,
    #[error("there is no such reservation")]
    NoReservation,
    #[error("the reservation has ended before")]
    EndedBefore,
    #[error("the reservation does not have all of these seats")]
    SeatsNotInReservation,
    #[error("the gateway refuses to give the money back")]
    RefundRefused,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the steps of a payment have failed: {0}")]
    Failed(#[from] JoinError),
}

/// What the steps of a payment work with.
pub struct Checkout {
    engine: Arc<Engine>,
    store: Store,
    toss: Toss,
    persisted: Arc<Persisted>,
    backlogs: Arc<Backlogs>,
    pauses: Pauses,
    turns: Turns,
    /// Confirmations and cancellations under way.
    running: TaskTracker,
}

impl Checkout {
    /// With the parts of a node.
    pub fn new(
        engine: &Arc<Engine>,
        store: &Store,
        toss: &Toss,
        persisted: &Arc<Persisted>,
        backlogs: &Arc<Backlogs>,
    ) -> Self {
        Self {
            engine: engine.clone(),
            store: store.clone(),
            toss: toss.clone(),
            persisted: persisted.clone(),
            backlogs: backlogs.clone(),
            pauses: Pauses::default(),
            turns: Turns::default(),
            running: TaskTracker::new(),
        }
    }

    /// Takes all steps in a task of their own, because a buyer who disconnects must not leave a
    /// payment half-way.
    async fn run<T: Send + 'static>(
        &self,
        steps: impl Future<Output = Result<T, CheckoutError>> + Send + 'static,
    ) -> Result<T, CheckoutError> {
        self.running.spawn(steps.in_current_span()).await?
    }

    /// Waits until the steps that are under way have ended. `false`: some did not within `timeout`.
    pub async fn finish(&self, timeout: Duration) -> bool {
        self.running.close();
        tokio::time::timeout(timeout, self.running.wait()).await.is_ok()
    }
}
