//! The idempotency keys of Toss. A key counts together with the API key, the method and the path;
//! the body does not count. The first reply, even a failure, is sent again for 15 days. The file of
//! the ledger keeps the replies over a restart.

use crate::reply::Reply;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A reply is kept this long after the first use of its key.
const REPLY_TTL: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// The longest key that Toss accepts.
pub(crate) const KEY_CHARACTERS_MAX: usize = 300;

/// Requests with the same scope get the same reply. The only API key that is accepted is no part of
/// it, and neither is the method: only a POST has a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scope {
    pub(crate) key: String,
    pub(crate) path: String,
}

#[derive(Clone, Default)]
pub(crate) struct Store {
    entries: Arc<Mutex<HashMap<Scope, Entry>>>,
}

struct Entry {
    /// When the key was used first, or when its reply was kept, in ms since 1970.
    since_ms: i64,
    /// `None` while the first call is under way.
    reply: Option<Reply>,
}

/// A reply as the file of the ledger has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptReply {
    pub(crate) scope: Scope,
    pub(crate) since_ms: i64,
    pub(crate) reply: Reply,
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
    /// A store with the replies of an earlier process.
    pub(crate) fn of(replies: Vec<KeptReply>) -> Self {
        let entry =
            |KeptReply { scope, since_ms, reply }| (scope, Entry { since_ms, reply: Some(reply) });
        Self { entries: Arc::new(Mutex::new(replies.into_iter().map(entry).collect())) }
    }

    pub(crate) fn enter(&self, scope: Scope, now: Timestamp) -> Entrance {
        let now_ms = now.as_millisecond();
        let mut entries = self.entries.lock();
        match entries.get(&scope) {
            Some(entry) if now_ms - entry.since_ms < REPLY_TTL.as_millis() as i64 => {
                entry.reply.clone().map_or(Entrance::InFlight, Entrance::Replay)
            }
            _ => {
                entries.insert(scope.clone(), Entry { since_ms: now_ms, reply: None });
                Entrance::First(Ticket { store: self.clone(), scope: Some(scope) })
            }
        }
    }
}

impl Ticket {
    /// The scope of the call.
    pub(crate) fn scope(&self) -> Option<Scope> {
        self.scope.clone()
    }

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
        let [key, path] = [key, path].map(str::to_owned);
        Scope { key, path }
    }

    #[test]
    fn the_first_reply_is_kept_for_15_days_and_only_in_its_scope() {
        let (store, now) = (Store::default(), Timestamp::now());
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
        let (store, now) = (Store::default(), Timestamp::now());
        drop(store.enter(scope("k", "/a"), now));
        assert!(matches!(store.enter(scope("k", "/a"), now), Entrance::First(_)));
    }
}
