//! Rate limits: token buckets per account, user or address, in the memory of the node.

use crate::api::error::{ApiError, ErrorCode};
use crate::api::guesses::{Guess, Guesses};
use crate::config::Rates;
use crate::live::slots::{Full, Slot, Slots};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The most connections of a node: below the 20,000 file descriptors that a process commonly gets.
const CONNECTIONS_MAX: u32 = 18_000;

/// The limits of one node.
pub struct RateLimits {
    on: bool,
    guesses: Guesses,
    account_calls: DefaultKeyedRateLimiter<IpAddr>,
    seat_calls: DefaultKeyedRateLimiter<u128>,
    joins: DefaultKeyedRateLimiter<u128>,
    joins_of_block: DefaultKeyedRateLimiter<IpAddr>,
    calls: DefaultKeyedRateLimiter<IpAddr>,
    streams: Slots,
    /// Of the public listener. A trusted proxy has no address there, because it has the connections
    /// of many callers.
    pub connections: Arc<Slots>,
}

fn quota(count: u32, per_second: bool) -> Quota {
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    if per_second { Quota::per_second(count) } else { Quota::per_minute(count) }
}

/// The block of an address: 256 addresses of IPv4, or a network /48 of IPv6.
fn block_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    }
}

fn too_many(wait: Duration) -> ApiError {
    ApiError::too_many(ErrorCode::TooManyRequests, wait.as_secs() + 1)
}

impl RateLimits {
    /// The limits of the settings.
    pub fn new(rates: &Rates) -> Self {
        let on = rates.rate_limits == "on";
        let limit = |limit: u32| if on { limit } else { u32::MAX };
        let (per_address, total) = (limit(rates.streams_per_address), limit(rates.streams_max));
        Self {
            on,
            guesses: Guesses::new(rates.log_ins_per_minute),
            account_calls: RateLimiter::keyed(quota(rates.account_calls_per_minute, false)),
            seat_calls: RateLimiter::keyed(quota(rates.seat_calls_per_second, true)),
            joins: RateLimiter::keyed(quota(rates.joins_per_minute, false)),
            joins_of_block: RateLimiter::keyed(quota(rates.joins_per_address_block, false)),
            calls: RateLimiter::keyed(quota(rates.calls_per_second, true)),
            streams: Slots::new(per_address, total, metrics::gauge!("grandstand_streams")),
            connections: Arc::new(Slots::new(
                limit(rates.connections_per_address),
                CONNECTIONS_MAX,
                metrics::gauge!("grandstand_connections"),
            )),
        }
    }

    /// Begins a try to log in to an account; `None` when the limits are off.
    pub fn guess(&self, email: &str, address: IpAddr) -> Result<Option<Guess<'_>>, ApiError> {
        if !self.on {
            return Ok(None);
        }
        self.guesses.begin(email, address).map(Some).map_err(too_many)
    }

    /// A sign-up or log-in from an address.
    pub fn account_call(&self, address: IpAddr) -> Result<(), ApiError> {
        self.check(&self.account_calls, &address)
    }

    /// A call of a user that changes seats.
    pub fn seat_call(&self, user: uuid::Uuid) -> Result<(), ApiError> {
        self.check(&self.seat_calls, &user.as_u128())
    }

    /// A user joins a waiting room from an address.
    pub fn join(&self, user: uuid::Uuid, address: IpAddr) -> Result<(), ApiError> {
        self.check(&self.joins, &user.as_u128())?;
        self.check(&self.joins_of_block, &block_of(address))
    }

    /// Any call from an address.
    pub fn call(&self, address: IpAddr) -> Result<(), ApiError> {
        self.check(&self.calls, &address)
    }

    fn check<K: Clone + Eq + std::hash::Hash>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
    ) -> Result<(), ApiError> {
        if !self.on {
            return Ok(());
        }
        limiter
            .check_key(key)
            .map_err(|until| too_many(until.wait_time_from(DefaultClock::default().now())))
    }

    /// Takes a place for an event stream. It is free again when the value is dropped.
    pub fn stream(&self, address: IpAddr) -> Result<Slot, ApiError> {
        self.streams.take(Some(address)).map_err(|full| match full {
            Full::Address => ApiError::too_many(ErrorCode::TooManyStreams, 10),
            Full::Node => ErrorCode::Overloaded.into(),
        })
    }

    /// Drops the keys whose buckets are full again.
    pub fn tidy(&self) {
        self.guesses.tidy();
        self.account_calls.retain_recent();
        self.seat_calls.retain_recent();
        self.joins.retain_recent();
        self.joins_of_block.retain_recent();
        self.calls.retain_recent();
    }
}
