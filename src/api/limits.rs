//! Rate limits: token buckets per account, user or address, in the memory of the node.

use crate::api::error::ApiError;
use crate::config::Rates;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The limits of one node.
pub struct RateLimits {
    on: bool,
    log_ins: DefaultKeyedRateLimiter<String>,
    account_calls: DefaultKeyedRateLimiter<IpAddr>,
    seat_calls: DefaultKeyedRateLimiter<u128>,
    calls: DefaultKeyedRateLimiter<IpAddr>,
    streams: Arc<Mutex<Streams>>,
    streams_per_address: u32,
    streams_max: u32,
}

#[derive(Default)]
struct Streams {
    total: u32,
    per_address: HashMap<IpAddr, u32>,
}

/// An open event stream; its end frees the place.
pub struct StreamPlace {
    streams: Arc<Mutex<Streams>>,
    address: IpAddr,
}

fn quota(count: u32, per_second: bool) -> Quota {
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    if per_second { Quota::per_second(count) } else { Quota::per_minute(count) }
}

impl RateLimits {
    /// Limits as set.
    pub fn new(rates: &Rates) -> Self {
        Self {
            on: rates.rate_limits == "on",
            log_ins: RateLimiter::keyed(quota(rates.log_ins_per_minute, false)),
            account_calls: RateLimiter::keyed(quota(rates.account_calls_per_minute, false)),
            seat_calls: RateLimiter::keyed(quota(rates.seat_calls_per_second, true)),
            calls: RateLimiter::keyed(quota(rates.calls_per_second, true)),
            streams: Arc::default(),
            streams_per_address: rates.streams_per_address,
            streams_max: rates.streams_max,
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
            ApiError::too_many("TOO_MANY_REQUESTS", wait.as_secs() + 1)
        })
    }

    /// A place for an event stream; it is free again when the value is dropped.
    pub fn stream(&self, address: IpAddr) -> Result<StreamPlace, ApiError> {
        let mut streams = self.streams.lock();
        if self.on {
            if streams.total >= self.streams_max {
                return Err(ApiError::overloaded());
            }
            let mine = streams.per_address.get(&address).copied().unwrap_or(0);
            if mine >= self.streams_per_address {
                return Err(ApiError::too_many("TOO_MANY_STREAMS", 10));
            }
        }
        streams.total += 1;
        *streams.per_address.entry(address).or_default() += 1;
        metrics::gauge!("grandstand_streams").set(f64::from(streams.total));
        Ok(StreamPlace { streams: self.streams.clone(), address })
    }

    /// Forgets keys whose buckets are full again.
    pub fn tidy(&self) {
        self.log_ins.retain_recent();
        self.account_calls.retain_recent();
        self.seat_calls.retain_recent();
        self.calls.retain_recent();
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut streams = self.streams.lock();
        streams.total -= 1;
        metrics::gauge!("grandstand_streams").set(f64::from(streams.total));
        if let Some(count) = streams.per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                streams.per_address.remove(&self.address);
            }
        }
    }
}
