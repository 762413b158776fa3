//! Limits that hold across all nodes, in Redis. A call of Redis is made for a sign-up and for a
//! wrong log-in, which cost a hash anyway, and for holds from a block of addresses with many users.

use crate::api::address::block_of;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::guesses::{Guess, HOURLY_FACTOR};
use crate::config::Rates;
use crate::domain::ids::{ReservationId, UserId};
use crate::engine::Engine;
use crate::engine::permits::Wait;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The window of sign-ups and wrong log-ins.
const HOUR_WINDOW: Duration = Duration::from_secs(3600);
/// A block of addresses may log in wrongly this many times as often as an address. Lower: a campus
/// that mistypes is refused. Higher: somebody with many addresses of IPv6 guesses more.
const WRONG_LOG_INS_BLOCK_FACTOR: u32 = 10;
/// The most payments of a reservation that the gateway may decline. Lower: a buyer with several
/// cards must begin again. Higher: one buyer uses up more calls of the gateway.
const DECLINES_OF_RESERVATION: u32 = 10;
/// This many users of a block hold seats on a node before Redis is asked. Fewer: more calls of
/// Redis, because most blocks have few users. More: a hoarder has more of them on each node.
const UNCOUNTED_HOLDERS: usize = 8;
/// The note of a user in Redis lives longer than any claim by this time, and is renewed when it has
/// less. Shorter: more calls of Redis. Longer: a user who buys nothing keeps a place for longer.
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);

/// The shared limits, as one node sees them.
pub struct SharedLimits {
    sign_ups_of_address: u32,
    sign_ups_of_block: u32,
    wrong_log_ins_of_address: u32,
    wrong_log_ins_of_account: u32,
    unverified_holders: u32,
    /// Addresses and blocks with too many wrong log-ins, and until when.
    refused: Mutex<HashMap<IpAddr, Instant>>,
    holders: Mutex<HashMap<IpAddr, HashMap<UserId, Note>>>,
    /// Reservations whose payments were declined too often, and until when.
    declined: Mutex<HashMap<ReservationId, Instant>>,
}

/// A user who holds seats, as this node knows.
#[derive(Debug, Clone, Copy)]
struct Note {
    until: Instant,
    /// Whether Redis has the note.
    shared: bool,
}

/// What to do for a user who is about to hold seats.
enum Step {
    Admit,
    Ask,
}

impl SharedLimits {
    /// The limits of the settings.
    pub fn new(rates: &Rates) -> Self {
        Self {
            sign_ups_of_address: rates.sign_ups_per_hour,
            sign_ups_of_block: rates.sign_ups_per_address_block,
            wrong_log_ins_of_address: rates.wrong_log_ins_per_hour,
            wrong_log_ins_of_account: rates.log_ins_per_minute.saturating_mul(HOURLY_FACTOR),
            unverified_holders: rates.unverified_holders_per_block,
            refused: Mutex::default(),
            holders: Mutex::default(),
            declined: Mutex::default(),
        }
    }

    /// Counts a sign-up.
    pub async fn sign_up(&self, engine: &Engine, address: IpAddr) -> ApiResult<()> {
        let (group, counter) = names("sign_ups", address);
        let most = self.sign_ups_of_address;
        engine
            .take_permit(&group, &counter, most, HOUR_WINDOW)
            .await?
            .map_err(too_many_sign_ups)?;
        let counter = format!("sign_ups_of_block:{group}");
        let most = self.sign_ups_of_block;
        engine.take_permit(&group, &counter, most, HOUR_WINDOW).await?.map_err(too_many_sign_ups)
    }

    /// Refuses a log-in from an address that has too many wrong ones behind it.
    pub fn may_guess(&self, address: IpAddr) -> ApiResult<()> {
        let (refused, now) = (self.refused.lock(), Instant::now());
        let until = [address, block_of(address)].into_iter().filter_map(|key| refused.get(&key));
        match until.max().and_then(|until| until.checked_duration_since(now)) {
            Some(wait) => Err(refusal("wrong_log_ins", Wait(wait))),
            None => Ok(()),
        }
    }

    /// Counts a wrong log-in. The next ones are refused when there were too many.
    pub async fn wrong_log_in(&self, engine: &Engine, address: IpAddr) -> ApiResult<()> {
        let (group, of_address) = names("wrong_log_ins", address);
        let of_block = format!("wrong_log_ins_of_block:{group}");
        let most = self.wrong_log_ins_of_address;
        for (key, counter, most) in [
            (address, of_address, most),
            (block_of(address), of_block, most.saturating_mul(WRONG_LOG_INS_BLOCK_FACTOR)),
        ] {
            let taken = engine.take_permit(&group, &counter, most, HOUR_WINDOW).await?;
            if let Err(Wait(wait)) = taken {
                self.refused.lock().insert(key, Instant::now() + wait);
            }
        }
        Ok(())
    }

    /// Counts a wrong try of a stranger at an account. The next ones are slowed down when there
    /// were too many at all nodes together.
    pub async fn wrong_guess(
        &self,
        engine: &Engine,
        guess: &Guess<'_>,
        account: &str,
    ) -> ApiResult<()> {
        let counter = format!("wrong_log_ins_of_account:{account}");
        let most = self.wrong_log_ins_of_account;
        let taken = engine.take_permit(guess.email(), &counter, most, HOUR_WINDOW).await?;
        if let Err(Wait(wait)) = taken {
            guess.was_one_too_many(wait);
        }
        Ok(())
    }

    /// Counts a user without a verified e-mail address who is about to hold seats.
    pub async fn begin_hold(
        &self,
        engine: &Engine,
        address: IpAddr,
        user: UserId,
    ) -> ApiResult<()> {
        let limits = engine.limits();
        let life = Duration::from_millis(limits.hold_ttl_ms + limits.payment_ttl_ms);
        let block = block_of(address);
        if self.unverified_holders == 0 {
            return Ok(());
        }
        if let Step::Admit = self.note(block, user, life) {
            return Ok(());
        }
        let (name, most) = (block.to_string(), self.unverified_holders);
        let kept = engine.keep_holder(&name, user, most, life + RENEWAL_PAUSE).await?;
        kept.map_err(too_many_holders)?;
        let until = Instant::now() + life + RENEWAL_PAUSE;
        let note = Note { until, shared: true };
        self.holders.lock().entry(block).or_default().insert(user, note);
        Ok(())
    }

    fn note(&self, block: IpAddr, user: UserId, life: Duration) -> Step {
        let (mut holders, now) = (self.holders.lock(), Instant::now());
        let users = holders.entry(block).or_default();
        users.retain(|_, note| note.until > now);
        match users.get_mut(&user) {
            Some(note) if note.shared && note.until < now + life => return Step::Ask,
            Some(Note { shared: true, .. }) => {}
            Some(note) => note.until = now + life,
            None => {
                let uncounted = users.values().filter(|note| !note.shared).count();
                if uncounted >= UNCOUNTED_HOLDERS {
                    return Step::Ask;
                }
                users.insert(user, Note { until: now + life, shared: false });
            }
        }
        Step::Admit
    }

    /// The user has bought, and does not count any more.
    pub async fn end_hold(&self, engine: &Engine, address: IpAddr, user: UserId) {
        let block = block_of(address);
        let known = self.holders.lock().get_mut(&block).and_then(|users| users.remove(&user));
        if self.unverified_holders == 0 || known.is_some_and(|note| !note.shared) {
            return;
        }
        // The note ends by itself when this fails.
        let _ = engine.end_holder(&block.to_string(), user).await;
    }

    /// Refuses to pay for a reservation whose payments were declined too often.
    pub fn may_pay(&self, reservation: ReservationId) -> ApiResult<()> {
        let until = self.declined.lock().get(&reservation).copied();
        match until.and_then(|until| until.checked_duration_since(Instant::now())) {
            Some(wait) => Err(refusal("declines", Wait(wait)).with_detail(
                "The payments of this reservation were declined too often. Cancel it, and choose \
                 your seats again.",
            )),
            None => Ok(()),
        }
    }

    /// Counts a payment that the gateway has declined.
    pub async fn declined(&self, engine: &Engine, reservation: ReservationId) {
        let (group, counter) = (reservation.key(), format!("declines:{}", reservation.key()));
        // The call that takes the last permit already refuses the next payment.
        let most = DECLINES_OF_RESERVATION - 1;
        let taken = engine.take_permit(&group, &counter, most, HOUR_WINDOW).await;
        if let Ok(Err(Wait(wait))) = taken {
            self.declined.lock().insert(reservation, Instant::now() + wait);
        }
    }

    /// Drops what has ended.
    pub fn tidy(&self) {
        let now = Instant::now();
        self.refused.lock().retain(|_, until| *until > now);
        self.declined.lock().retain(|_, until| *until > now);
        self.holders.lock().retain(|_, users| {
            users.retain(|_, note| note.until > now);
            !users.is_empty()
        });
    }
}

/// The block of an address, and the counter of the address.
fn names(name: &str, address: IpAddr) -> (String, String) {
    (block_of(address).to_string(), format!("{name}:{address}"))
}

fn refusal(limiter: &'static str, Wait(wait): Wait) -> ApiError {
    metrics::counter!("grandstand_rate_limited_total", "limiter" => limiter).increment(1);
    ApiError::too_many(ErrorCode::TooManyRequests, wait.as_secs() + 1)
}

fn too_many_sign_ups(wait: Wait) -> ApiError {
    refusal("sign_ups_per_hour", wait)
}

fn too_many_holders(wait: Wait) -> ApiError {
    let seconds = wait.0.as_secs() + 1;
    refusal("unverified_holders", wait).with_detail(format!(
        "Many people at your address hold seats, and their e-mail addresses are not verified. \
         Verify yours, or try again in {seconds} s."
    ))
}
