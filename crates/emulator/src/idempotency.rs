//! The idempotency keys of Toss. A key counts together with the API key, the method and the path;
//! the body does not count. The first reply, even a failure, is sent again for 15 days.

use crate::reply::Reply;
use axum::http::Method;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A reply is kept this long after the first use of its key.
const REPLY_TTL: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// The longest key that Toss accepts.
pub(crate) const KEY_CHARACTERS_MAX: usize = 300;

/// Requests with the same scope get the same reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) key: String,
    pub(crate) api_key: String,
    pub(crate) method: Method,
    pub(crate) path: String,
}

#[derive(Clone, Default)]
pub(crate) struct Store {
    entries: Arc<Mutex<HashMap<Scope, Entry>>>,
}

struct Entry {
    since: Instant,
    /// `None` while the first call is under way.
    reply: Option<Reply>,
}

/// How a call continues.
pub(crate) enum Entrance {
    /// This is the first call: run it, then `finish`.
    First(Ticket),
    /// The first call is still under way.
    InFlight,
    /// The first call has ended with this reply.
    Replay(Reply),
}

/// The duty to finish a first call. Dropping it unfinished frees the key.
pub(crate) struct Ticket {
    store: Store,
    scope: Option<Scope>,
}

impl Store {
    pub(crate) fn enter(&self, scope: Scope, now: Instant) -> Entrance {
        let mut entries = self.entries.lock();
        match entries.get(&scope) {
            Some(entry) if now.duration_since(entry.since) < REPLY_TTL => {
                entry.reply.clone().map_or(Entrance::InFlight, Entrance::Replay)
            }
            _ => {
                entries.insert(scope.clone(), Entry { since: now, reply: None });
                Entrance::First(Ticket { store: self.clone(), scope: Some(scope) })
            }
        }
    }
}

impl Ticket {
    /// Keeps the reply.
    pub(crate) fn finish(mut self, reply: &Reply) {
        let Some(scope) = self.scope.take() else { return };
        if let Some(entry) = self.store.entries.lock().get_mut(&scope) {
            entry.reply = Some(reply.clone());
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
    use super::*;
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    fn scope(key: &str, path: &str) -> Scope {
        let [key, api_key, path] = [key, "test_sk_a", path].map(str::to_owned);
        Scope { key, api_key, method: Method::POST, path }
    }

    #[test]
    fn the_first_reply_is_kept_for_15_days_and_only_in_its_scope() {
        let (store, now) = (Store::default(), Instant::now());
        let Entrance::First(ticket) = store.enter(scope("k", "/a"), now) else {
            panic!("not first")
        };
        assert!(matches!(store.enter(scope("k", "/a"), now), Entrance::InFlight));
        assert!(matches!(store.enter(scope("k", "/b"), now), Entrance::First(_)));
        ticket.finish(&Reply::json(StatusCode::IM_A_TEAPOT, &1));
        let Entrance::Replay(reply) = store.enter(scope("k", "/a"), now) else {
            panic!("no replay")
        };
        assert_eq!(reply.into_response().status(), StatusCode::IM_A_TEAPOT);
        let later = now + REPLY_TTL;
        assert!(matches!(store.enter(scope("k", "/a"), later), Entrance::First(_)));
    }

    #[test]
    fn an_unfinished_call_frees_its_key() {
        let (store, now) = (Store::default(), Instant::now());
        drop(store.enter(scope("k", "/a"), now));
        assert!(matches!(store.enter(scope("k", "/a"), now), Entrance::First(_)));
    }
}
