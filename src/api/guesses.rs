//! Limits the tries to guess a password, without locking the owner out of the account. A try counts
//! for the account at one address, and for the address. The try of a right password is given back.
//! So a stranger can only spend the tries of an address that they share with the owner, and even
//! there the owner is not stopped when they have logged in at this address before.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// After this time an account has all its tries at one address again. Longer: an owner who mistypes
/// waits longer.
const PAIR_REFILL_INTERVAL: Duration = Duration::from_secs(60);
/// After this time an address, or an account, has all its tries again.
const TOTAL_REFILL_INTERVAL: Duration = Duration::from_secs(3600);
/// An address has this many times the tries of one account for all accounts in an hour. An account
/// has as many at all addresses where it has not logged in. Lower: an office mistypes its
/// passwords. Higher: a stranger tries more of the most common passwords.
pub(super) const HOURLY_FACTOR: u32 = 10;
/// The most pairs of an account and an address at which it has logged in: about 20 MB.
const KNOWN_PAIRS_MAX: usize = 100_000;

/// An account at an address.
type Pair = (String, IpAddr);

/// The tries of all accounts and addresses on one node.
pub struct Guesses {
    pairs: Tries<Pair>,
    addresses: Tries<IpAddr>,
    accounts: Tries<String>,
    /// While somebody guesses an account from everywhere, each address has one try a minute.
    first: Tries<Pair>,
    /// Accounts whose tries all nodes together have used up, and until when.
    used_up: Mutex<HashMap<String, Instant>>,
    known: Mutex<HashMap<Pair, Instant>>,
}

/// A try that is under way. It counts as wrong unless `was_right` is called.
pub struct Guess<'a> {
    guesses: &'a Guesses,
    pair: Pair,
    stranger: bool,
}

impl Guesses {
    /// `per_minute`: the wrong tries of one account at one address.
    pub fn new(per_minute: u32) -> Self {
        Self {
            pairs: Tries::new(per_minute, PAIR_REFILL_INTERVAL),
            addresses: Tries::new(per_minute.saturating_mul(HOURLY_FACTOR), TOTAL_REFILL_INTERVAL),
            accounts: Tries::new(per_minute.saturating_mul(HOURLY_FACTOR), TOTAL_REFILL_INTERVAL),
            first: Tries::new(1, PAIR_REFILL_INTERVAL),
            used_up: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Begins a try.
    ///
    /// # Errors
    /// How long to wait.
    pub fn begin(&self, email: &str, address: IpAddr) -> Result<Guess<'_>, Duration> {
        let pair = (email.to_owned(), address);
        self.pairs.take(&pair)?;
        let stranger = !self.known.lock().contains_key(&pair);
        if stranger && let Err(wait) = self.begin_as_a_stranger(&pair) {
            self.pairs.give_back(&pair);
            return Err(wait);
        }
        Ok(Guess { guesses: self, pair, stranger })
    }

    fn begin_as_a_stranger(&self, pair: &Pair) -> Result<(), Duration> {
        self.addresses.take(&pair.1)?;
        let used_up = self.used_up.lock().get(&pair.0).is_some_and(|until| *until > Instant::now());
        if !used_up && self.accounts.take(&pair.0).is_ok() {
            return Ok(());
        }
        self.first.take(pair).inspect_err(|_| self.addresses.give_back(&pair.1))
    }

    /// Drops the counts of those who have all their tries again.
    pub fn tidy(&self) {
        self.pairs.tidy();
        self.addresses.tidy();
        self.accounts.tidy();
        self.first.tidy();
        let now = Instant::now();
        self.used_up.lock().retain(|_, until| *until > now);
    }
}

impl Guess<'_> {
    /// Whether the account has not logged in at this address before.
    pub fn is_of_a_stranger(&self) -> bool {
        self.stranger
    }

    /// The e-mail of the account, in its canonical form.
    pub fn email(&self) -> &str {
        &self.pair.0
    }

    /// All nodes together have made the tries that strangers have at the account. Until this time
    /// has passed, each address that is new to the account has one try a minute.
    pub fn was_one_too_many(&self, time: Duration) {
        let until = Instant::now() + time;
        self.guesses.used_up.lock().insert(self.pair.0.clone(), until);
    }

    /// The password was right. The try is given back, and the account is known at the address.
    pub fn was_right(self) {
        let Self { guesses, pair, stranger } = self;
        guesses.pairs.give_back(&pair);
        if stranger {
            guesses.addresses.give_back(&pair.1);
            guesses.accounts.give_back(&pair.0);
            guesses.first.give_back(&pair);
        }
        let mut known = guesses.known.lock();
        if known.len() >= KNOWN_PAIRS_MAX {
            // The older half goes. These pairs only have the tries of strangers again.
            let mut times: Vec<Instant> = known.values().copied().collect();
            let (_, middle, _) = times.select_nth_unstable(KNOWN_PAIRS_MAX / 2);
            let middle = *middle;
            known.retain(|_, at| *at > middle);
        }
        known.insert(pair, Instant::now());
    }
}

/// Tries per key: `most` at once, and all of them again after `refill`.
struct Tries<K> {
    most: f64,
    refill: Duration,
    left: Mutex<HashMap<K, (f64, Instant)>>,
}

impl<K: Eq + Hash + Clone> Tries<K> {
    fn new(most: u32, refill: Duration) -> Self {
        Self { most: f64::from(most.max(1)), refill, left: Mutex::default() }
    }

    /// How many tries are left now, when `left` were left at `at`.
    fn now(&self, (left, at): (f64, Instant)) -> f64 {
        let grown = at.elapsed().as_secs_f64() / self.refill.as_secs_f64() * self.most;
        (left + grown).min(self.most)
    }

    fn take(&self, key: &K) -> Result<(), Duration> {
        let mut all = self.left.lock();
        let left = all.get(key).map_or(self.most, |left| self.now(*left));
        if left < 1.0 {
            return Err(self.refill.mul_f64((1.0 - left) / self.most));
        }
        all.insert(key.clone(), (left - 1.0, Instant::now()));
        Ok(())
    }

    fn give_back(&self, key: &K) {
        let mut all = self.left.lock();
        let Some(left) = all.get_mut(key) else { return };
        *left = ((self.now(*left) + 1.0).min(self.most), Instant::now());
        if left.0 >= self.most {
            all.remove(key);
        }
    }

    fn tidy(&self) {
        self.left.lock().retain(|_, left| self.now(*left) < self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_tries_cost_nothing_and_leave_nothing_in_memory() {
        let guesses = Guesses::new(2);
        let address = IpAddr::from([1, 2, 3, 4]);
        for _ in 0..100 {
            guesses.begin("a@test.example", address).unwrap().was_right();
        }
        assert!(guesses.pairs.left.lock().is_empty() && guesses.addresses.left.lock().is_empty());
        for _ in 0..2 {
            drop(guesses.begin("a@test.example", address).unwrap());
        }
        let wait = guesses.begin("a@test.example", address).err().unwrap();
        assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30), "{wait:?}");
        guesses.tidy();
        assert_eq!(guesses.pairs.left.lock().len(), 1);
    }

    #[test]
    fn the_known_pairs_are_bounded() {
        let guesses = Guesses::new(2);
        for number in 0..=KNOWN_PAIRS_MAX as u32 {
            let address = IpAddr::from(number.to_be_bytes());
            guesses.begin("a@test.example", address).unwrap().was_right();
        }
        let known = guesses.known.lock();
        assert!(known.len() <= KNOWN_PAIRS_MAX, "{}", known.len());
        let last = IpAddr::from((KNOWN_PAIRS_MAX as u32).to_be_bytes());
        assert!(known.contains_key(&("a@test.example".to_owned(), last)));
    }
}
