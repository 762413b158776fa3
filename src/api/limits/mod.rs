//! Rate limits. A caller with a valid token counts as a user, because many people share an
//! address; everybody else counts as an address. These buckets are in the memory of the node.

pub mod bucket;
pub mod kind;
mod of_address;
pub mod shared;
mod standings;

pub use standings::Standings;

use crate::api::address::block_of;
use crate::api::auth::User;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::guesses::{Guess, Guesses};
use crate::api::limits::bucket::{Bucket, LimitClock, Window};
use crate::api::limits::kind::Kind;
use crate::api::limits::of_address::{AddressLimit, BLOCK_FACTOR};
use crate::api::limits::shared::SharedLimits;
use crate::config::Rates;
use crate::domain::ids::{ReservationId, SessionId, UserId};
use crate::engine::Engine;
use crate::live::slots::{ConnectionSlots, Full, Holder, Slot, Slots};
use axum::http::StatusCode;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The most connections of a node: below the 20,000 file descriptors that a process commonly gets.
const CONNECTIONS_MAX: u32 = 18_000;
/// This share of the streams of a node is kept for users who send their token. Smaller: strangers
/// can take nearly all streams. Larger: visitors without an account find no stream earlier.
const STREAMS_OF_USERS_SHARE: u32 = 5;
/// Refreshes per second and address: 2,000 fans come back within seconds after a bad connection.
const REFRESHES_OF_ADDRESS: u32 = 500;
/// Right log-ins per minute, account and address. Each costs a hash.
const LOG_INS_OF_ACCOUNT: u32 = 60;

/// The limits of one node.
pub struct RateLimits {
    on: bool,
    /// The clock of the buckets.
    pub clock: LimitClock,
    shared: SharedLimits,
    guesses: Guesses,
    account_calls: AddressLimit,
    log_ins: Bucket<(String, IpAddr)>,
    refreshes: Bucket<SessionId>,
    refreshes_of_address: AddressLimit,
    page: AddressLimit,
    calls: AddressLimit,
    webhooks: AddressLimit,
    reads: Bucket<UserId>,
    writes: Bucket<UserId>,
    seats: Bucket<UserId>,
    joins: Bucket<UserId>,
    joins_of_block: Bucket<IpAddr>,
    payments: Bucket<UserId>,
    confirms: Bucket<UserId>,
    stream_opens: Bucket<UserId>,
    admin: Bucket<UserId>,
    streams: Slots,
    streams_max: StreamsMax,
    /// Those of the public listener.
    pub connections: Arc<ConnectionSlots>,
}

/// Bounds of event streams.
struct StreamsMax {
    per_user: u32,
    per_address: u32,
    total: u32,
}

impl RateLimits {
    /// The limits of the settings.
    pub fn new(rates: &Rates) -> Self {
        let on = rates.rate_limits == "on";
        let limit = |limit: u32| if on { limit } else { u32::MAX };
        let clock = LimitClock::default();
        let (second, minute) = (Window::Second, Window::Minute);
        let of_address = |names, count, window| AddressLimit::new(names, count, window, &clock);
        let of_block = |name, count, window| Bucket::new(name, count, window, &clock);
        let of_user = |name, count, window| Bucket::new(name, count, window, &clock);
        Self {
            on,
            shared: SharedLimits::new(rates),
            guesses: Guesses::new(rates.log_ins_per_minute),
            account_calls: of_address(
                ["account_calls", "account_calls_of_block"],
                rates.account_calls_per_minute,
                minute,
            ),
            log_ins: Bucket::new("log_ins", LOG_INS_OF_ACCOUNT, minute, &clock),
            refreshes: Bucket::new("refreshes", rates.refreshes_per_minute, minute, &clock),
            refreshes_of_address: of_address(
                ["refreshes_of_address", "refreshes_of_block"],
                REFRESHES_OF_ADDRESS,
                second,
            ),
            page: of_address(["page", "page_of_block"], rates.page_calls_per_second, second),
            calls: of_address(["calls", "calls_of_block"], rates.calls_per_second, second),
            webhooks: of_address(
                ["webhooks", "webhooks_of_block"],
                rates.webhooks_per_second,
                second,
            ),
            reads: of_user("reads", rates.reads_per_second, second),
            writes: of_user("writes", rates.writes_per_second, second),
            seats: of_user("seats", rates.seat_calls_per_second, second),
            joins: of_user("joins", rates.joins_per_minute, minute),
            joins_of_block: of_block("joins_of_block", rates.joins_per_address_block, minute),
            payments: of_user("payments", rates.payment_requests_per_minute, minute),
            confirms: of_user("confirms", rates.confirms_per_minute, minute),
            stream_opens: of_user("stream_opens", rates.stream_opens_per_minute, minute),
            admin: of_user("admin", rates.admin_calls_per_second, second),
            streams: Slots::new(metrics::gauge!("grandstand_streams")),
            streams_max: StreamsMax {
                per_user: limit(rates.streams_per_user),
                per_address: limit(rates.streams_per_address),
                total: limit(rates.streams_max),
            },
            connections: Arc::new(ConnectionSlots::new(
                limit(rates.connections_per_address),
                CONNECTIONS_MAX,
                metrics::gauge!("grandstand_connections"),
            )),
            clock,
        }
    }

    /// Whether the limits are on.
    pub fn are_on(&self) -> bool {
        self.on
    }

    /// Counts a call, before anything is done for it. The standings say what is left, also when the
    /// call is refused.
    pub fn admit(
        &self,
        kind: Kind,
        address: IpAddr,
        user: Option<UserId>,
    ) -> (Standings, Result<(), ApiError>) {
        let mut standings = Standings::default();
        let admitted = match (self.on, user) {
            (false, _) => Ok(()),
            (true, Some(user)) => self.count_user(kind, address, user, &mut standings),
            (true, None) => self.count_address(kind, address, &mut standings),
        };
        (standings, admitted)
    }

    fn count_user(
        &self,
        kind: Kind,
        address: IpAddr,
        user: UserId,
        standings: &mut Standings,
    ) -> Result<(), ApiError> {
        let bucket = match kind {
            Kind::Read => &self.reads,
            Kind::Write => &self.writes,
            Kind::Hold | Kind::Seats => &self.seats,
            Kind::Payment => &self.payments,
            Kind::Confirm => &self.confirms,
            Kind::Stream => &self.stream_opens,
            Kind::Admin => &self.admin,
            Kind::Join => {
                standings.add(self.joins.take(&user))?;
                return standings.add(self.joins_of_block.take(&block_of(address)));
            }
            Kind::Probe
            | Kind::Page
            | Kind::SignUp
            | Kind::Account
            | Kind::LogIn
            | Kind::Refresh
            | Kind::Webhook => {
                return self.count_address(kind, address, standings);
            }
        };
        standings.add(bucket.take(&user))
    }

    fn count_address(
        &self,
        kind: Kind,
        address: IpAddr,
        standings: &mut Standings,
    ) -> Result<(), ApiError> {
        let limit = match kind {
            Kind::Probe => return Ok(()),
            Kind::Page => &self.page,
            Kind::Refresh => &self.refreshes_of_address,
            Kind::Webhook => &self.webhooks,
            Kind::SignUp | Kind::Account => &self.account_calls,
            Kind::Read
            | Kind::Write
            | Kind::LogIn
            | Kind::Hold
            | Kind::Seats
            | Kind::Join
            | Kind::Payment
            | Kind::Confirm
            | Kind::Stream
            | Kind::Admin => &self.calls,
        };
        limit.count(address, standings)
    }

    /// Counts an API key that this node has never found as a call without a token, because anybody
    /// can send one, and it is looked up in Redis.
    pub fn look_up_key(&self, address: IpAddr) -> Result<(), ApiError> {
        if self.on {
            self.calls.count(address, &mut Standings::default())?;
        }
        Ok(())
    }

    /// Refuses to pay for a reservation whose payments were declined too often.
    pub fn may_pay(&self, reservation: ReservationId) -> Result<(), ApiError> {
        if self.on { self.shared.may_pay(reservation) } else { Ok(()) }
    }

    /// Counts a payment that the gateway has declined.
    pub async fn declined(&self, engine: &Engine, reservation: ReservationId) {
        if self.on {
            self.shared.declined(engine, reservation).await;
        }
    }

    /// Begins a try to log in to an account; `None` when the limits are off.
    pub fn guess(&self, email: &str, address: IpAddr) -> Result<Option<Guess<'_>>, ApiError> {
        if !self.on {
            return Ok(None);
        }
        let too_many = |wait: Duration| {
            metrics::counter!("grandstand_rate_limited_total", "limiter" => "guesses").increment(1);
            ApiError::too_many(ErrorCode::TooManyRequests, wait.as_secs() + 1)
        };
        let guess = self.guesses.begin(email, address).map_err(too_many)?;
        if guess.is_of_a_stranger() {
            self.shared.may_guess(address)?;
        }
        self.log_ins.take(&(email.to_owned(), address))?;
        Ok(Some(guess))
    }

    /// Counts a wrong try to log in to an account for all nodes together. `account` names its
    /// counter, and nobody must be able to guess the e-mail from it, because people also type
    /// those of others, or a password. The owner at an address that they have used before is no
    /// stranger, and their mistakes do not count.
    pub async fn wrong_guess(&self, engine: &Engine, guess: &Guess<'_>, account: &str) {
        if guess.is_of_a_stranger()
            && let Err(error) = self.shared.wrong_guess(engine, guess, account).await
        {
            tracing::debug!(?error, "a wrong log-in is not counted for its account");
        }
    }

    /// Counts a call that `admit` has admitted for the limits that hold across nodes.
    pub async fn admit_everywhere(
        &self,
        engine: &Engine,
        kind: Kind,
        address: IpAddr,
        user: Option<&User>,
    ) -> Result<(), ApiError> {
        match (kind, user) {
            _ if !self.on => Ok(()),
            (Kind::SignUp, _) => self.shared.sign_up(engine, address).await,
            (Kind::Hold, Some(user)) if !user.email_verified => {
                self.shared.begin_hold(engine, address, user.id).await
            }
            _ => Ok(()),
        }
    }

    /// Counts the outcome of a call for the limits that hold across nodes.
    pub async fn record(
        &self,
        engine: &Engine,
        (kind, status): (Kind, StatusCode),
        address: IpAddr,
        user: Option<&User>,
    ) {
        match (kind, user) {
            _ if !self.on => {}
            (Kind::LogIn, _) if status == StatusCode::UNAUTHORIZED => {
                if let Err(error) = self.shared.wrong_log_in(engine, address).await {
                    tracing::debug!(?error, "a wrong log-in is not counted");
                }
            }
            (Kind::Confirm, Some(user)) if status == StatusCode::OK && !user.email_verified => {
                self.shared.end_hold(engine, address, user.id).await;
            }
            _ => {}
        }
    }

    /// A session exchanges its tokens. It counts as a session and not as an address, because the
    /// fans behind one address all do this four times an hour.
    pub fn refresh(&self, session: SessionId) -> Result<(), ApiError> {
        if self.on {
            self.refreshes.take(&session)?;
        }
        Ok(())
    }

    /// Takes a slot for an event stream. It is free again when the value is dropped. A user who
    /// sends a token counts as a user, and has the slots that are kept for users too.
    pub fn stream(&self, address: IpAddr, user: Option<UserId>) -> Result<Slot, ApiError> {
        let StreamsMax { per_user, per_address, total } = self.streams_max;
        let of_block = per_address.saturating_mul(BLOCK_FACTOR);
        let taken = match user {
            Some(user) => self.streams.take(&[(Holder::User(user.0.as_u128()), per_user)], total),
            None => self.streams.take(
                &[
                    (Holder::Address(address), per_address),
                    (Holder::Block(block_of(address)), of_block),
                ],
                total - total / STREAMS_OF_USERS_SHARE,
            ),
        };
        taken.map_err(|full| {
            metrics::counter!("grandstand_rate_limited_total", "limiter" => "streams").increment(1);
            match full {
                Full::Holder => ApiError::too_many(ErrorCode::TooManyStreams, 10),
                Full::Node => ErrorCode::Overloaded.into(),
            }
        })
    }

    /// Drops the keys whose buckets are full again.
    pub fn tidy(&self) {
        self.shared.tidy();
        self.guesses.tidy();
        self.log_ins.tidy();
        self.refreshes.tidy();
        let of_addresses = [
            &self.account_calls,
            &self.refreshes_of_address,
            &self.page,
            &self.calls,
            &self.webhooks,
        ];
        of_addresses.into_iter().for_each(AddressLimit::tidy);
        self.joins_of_block.tidy();
        let of_users = [
            &self.reads,
            &self.writes,
            &self.seats,
            &self.joins,
            &self.payments,
            &self.confirms,
            &self.stream_opens,
            &self.admin,
        ];
        of_users.into_iter().for_each(Bucket::tidy);
    }
}
