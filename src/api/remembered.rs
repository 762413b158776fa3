//! What a node remembers of the notices for as long as a token may live.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long it is remembered that a session has ended or an account has changed. It is longer than
/// the longest life of any token (12 hours), whatever the settings are now or were before.
const REMEMBERED_PERIOD: Duration = Duration::from_secs(86_400);

/// Facts that count for `REMEMBERED_PERIOD` at least and twice that at most, in two generations,
/// because to look for the oldest ones with each new one would cost more the more there are.
pub(super) struct Remembered<K, V> {
    current: HashMap<K, V>,
    previous: HashMap<K, V>,
    since: Instant,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { current: HashMap::new(), previous: HashMap::new(), since: Instant::now() }
    }
}

impl<K: Eq + Hash, V> Remembered<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.since.elapsed() >= REMEMBERED_PERIOD {
            self.previous = std::mem::take(&mut self.current);
            self.since = Instant::now();
        }
        self.current.insert(key, value);
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.current.get(key).or_else(|| self.previous.get(key))
    }

    /// Changes the value of each key that is remembered.
    pub(super) fn change(&mut self, change: impl Fn(&K, &mut V)) {
        for (key, value) in self.current.iter_mut().chain(&mut self.previous) {
            change(key, value);
        }
    }
}

/// What is known of an account that has changed: access tokens of older versions are refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changed {
    /// Its version, as the notices say that there are now; 0: they say nothing.
    version: u64,
    /// The version that was known before the notices began again, and the second of that moment.
    /// Redis may have lost this version, and then new tokens have an older one.
    before: Option<(u64, i64)>,
}

impl Changed {
    /// Whether a token of this version, issued at this second, is refused.
    pub(super) fn refuses(self, version: u64, issued_s: i64) -> bool {
        let is_older = |(before, upto_s)| version < before && issued_s <= upto_s;
        version < self.version || self.before.is_some_and(is_older)
    }

    /// Notes a version; returns whether it is later than the one that was known.
    pub(super) fn rise(&mut self, version: u64) -> bool {
        let is_later = self.version < version;
        self.version = self.version.max(version);
        is_later
    }

    /// Notes that the notices are read from their start again.
    pub(super) fn begin_again(&mut self, now_s: i64) {
        if self.version > 0 {
            let before = self.before.map_or(0, |(version, _)| version);
            *self = Self { version: 0, before: Some((before.max(self.version), now_s)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_counts_for_a_day_and_not_for_ever() {
        let mut ended = Remembered::default();
        let later = |ended: &mut Remembered<u32, ()>| ended.since -= REMEMBERED_PERIOD;
        ended.insert(1, ());
        later(&mut ended);
        ended.insert(2, ());
        assert!(ended.get(&1).is_some() && ended.get(&2).is_some());
        later(&mut ended);
        ended.insert(3, ());
        assert!(ended.get(&1).is_none() && ended.get(&2).is_some());
    }
}
