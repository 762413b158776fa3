//! Rate limits: token buckets per account, user or address, in the memory of the node.

use crate::api::error::{ApiError, ErrorCode};
use crate::config::Rates;
use crate::live::places::{Full, Place, Places};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// The limits of one node.
pub struct RateLimits {
    on: bool,
    log_ins: DefaultKeyedRateLimiter<String>,
    account_calls: DefaultKeyedRateLimiter<IpAddr>,
    seat_calls: DefaultKeyedRateLimiter<u128>,
    calls: DefaultKeyedRateLimiter<IpAddr>,
    streams: Places,
}

fn quota(count: u32, per_second: bool) -> Quota {
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    if per_second { Quota::per_second(count) } else { Quota::per_minute(count) }
}

impl RateLimits {
    /// Limits as set.
    pub fn new(rates: &Rates) -> Self {
        let on = rates.rate_limits == "on";
        let limit = |limit: u32| if on { limit } else { u32::MAX };
        let (per_address, total) = (limit(rates.streams_per_address), limit(rates.streams_max));
        Self {
            on,
            log_ins: RateLimiter::keyed(quota(rates.log_ins_per_minute, false)),
            account_calls: RateLimiter::keyed(quota(rates.account_calls_per_minute, false)),
            seat_calls: RateLimiter::keyed(quota(rates.seat_calls_per_second, true)),
            calls: RateLimiter::keyed(quota(rates.calls_per_second, true)),
            streams: Places::new(per_address, total),
        }
    }

    /// A log-in of an account, whatever its password.
    pub fn log_in(&self, email: &str) -> Result<(), ApiError> {
        self.check(&self.log_ins, &email.to_owned())
    }

    /// A sign-up or log-in from an address.
    pub fn account_call(&self, address: IpAddr) -> Result<(), ApiError> {
        self.check(&self.account_calls, &address)
    }

    /// A step of a user on seats.
    pub fn seat_call(&self, user: uuid::Uuid) -> Result<(), ApiError> {
        self.check(&self.seat_calls, &user.as_u128())
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
        limiter.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ApiError::too_many(ErrorCode::TooManyRequests, wait.as_secs() + 1)
        })
    }

    /// A place for an event stream; it is free again when the value is dropped.
    pub fn stream(&self, address: IpAddr) -> Result<Place, ApiError> {
        self.streams.take(address).map_err(|full| match full {
            Full::Address => ApiError::too_many(ErrorCode::TooManyStreams, 10),
            Full::Node => ErrorCode::Overloaded.into(),
        })
    }

    /// Forgets keys whose buckets are full again.
    pub fn tidy(&self) {
        self.log_ins.retain_recent();
        self.account_calls.retain_recent();
        self.seat_calls.retain_recent();
        self.calls.retain_recent();
    }
}
