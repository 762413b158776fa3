//! Toss's idempotency keys. A key is known together with the API key, the method and the path;
//! the body is not part of it. The first answer, also a failure, is given again for 15 days.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answer::Answer;

/// How long an answer is remembered, from the first use of its key.
const REMEMBERED_FOR: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// The longest key that Toss takes, in characters.
pub(super) const KEY_CHARACTERS_MAX: usize = 300;

/// What tells one use from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) key: String,
    pub(super) api_key: String,
    pub(super) method: String,
    pub(super) path: String,
}

#[derive(Clone, Default)]
pub(super) struct Store {
    entries: Arc<Mutex<HashMap<Scope, Entry>>>,
}

struct Entry {
    since: Instant,
    /// None while the first call is in work.
    answer: Option<Answer>,
}

/// What the store says about a call.
pub(super) enum Entrance {
    /// The first call: do it, then `finish`.
    First(Ticket),
    InFlight,
    Replay(Answer),
}

/// The duty to finish a first call. Dropped unfinished, it frees the key.
pub(super) struct Ticket {
    store: Store,
    scope: Option<Scope>,
}

impl Store {
    pub(super) fn enter(&self, scope: Scope, now: Instant) -> Entrance {
        let mut entries = self.entries.lock();
        match entries.get(&scope) {
            Some(entry) if now.duration_since(entry.since) < REMEMBERED_FOR => {
                entry.answer.clone().map_or(Entrance::InFlight, Entrance::Replay)
            }
            _ => {
                entries.insert(scope.clone(), Entry { since: now, answer: None });
                Entrance::First(Ticket { store: self.clone(), scope: Some(scope) })
            }
        }
    }
}

impl Ticket {
    /// Remembers the answer.
    pub(super) fn finish(mut self, answer: &Answer) {
        let Some(scope) = self.scope.take() else { return };
        if let Some(entry) = self.store.entries.lock().get_mut(&scope) {
            entry.answer = Some(answer.clone());
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(scope) = self.scope.take() {
            self.store.entries.lock().remove(&scope);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    use super::*;

    fn scope(key: &str, path: &str) -> Scope {
        let [api_key, method] = ["test_sk_a", "POST"].map(str::to_owned);
        Scope { key: key.to_owned(), api_key, method, path: path.to_owned() }
    }

    #[test]
    fn the_first_answer_is_remembered_for_15_days_and_only_in_its_scope() {
        let (store, now) = (Store::default(), Instant::now());
        let Entrance::First(ticket) = store.enter(scope("k", "/a"), now) else {
            panic!("not first")
        };
        assert!(matches!(store.enter(scope("k", "/a"), now), Entrance::InFlight));
        assert!(matches!(store.enter(scope("k", "/b"), now), Entrance::First(_)));
        ticket.finish(&Answer::json(StatusCode::IM_A_TEAPOT, &1));
        let Entrance::Replay(answer) = store.enter(scope("k", "/a"), now) else {
            panic!("no replay")
        };
        assert_eq!(answer.into_response().status(), StatusCode::IM_A_TEAPOT);
        let later = now + REMEMBERED_FOR;
        assert!(matches!(store.enter(scope("k", "/a"), later), Entrance::First(_)));
    }

    #[test]
    fn a_call_that_never_finished_frees_its_key() {
        let (store, now) = (Store::default(), Instant::now());
        drop(store.enter(scope("k", "/a"), now));
        assert!(matches!(store.enter(scope("k", "/a"), now), Entrance::First(_)));
    }
}
