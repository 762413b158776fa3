//! Joins and looks at the waiting rooms, many in one call. A million people join within seconds,
//! and a call for each of them would keep Redis from everything else.

use crate::domain::ids::{MatchId, UserId};
use crate::engine::error::EngineError;
use crate::engine::queue::{PlaceVerb, partition_key};
use crate::engine::scripts::SCRIPTS;
use crate::redis::Redis;
use crate::redis::keys::MatchKeys;
use fred::prelude::{Client, Key, Value};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// People of one call: about 1 ms of Redis while a million wait.
const PEOPLE_PER_CALL: usize = 128;
/// People who wait for a call of their partition; one more is refused at once.
const PEOPLE_WAITING_MAX: usize = 10_000;
/// Somebody who has waited this long is refused as overloaded: the client asks again.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

struct Ask {
    match_id: MatchId,
    user: UserId,
    verb: PlaceVerb,
    seats: Option<u32>,
    reply: oneshot::Sender<Result<String, EngineError>>,
    since: Instant,
}

/// Collects the calls of each partition. One call is in flight, and takes all who came meanwhile.
pub(super) struct Places {
    lines: Vec<mpsc::Sender<Ask>>,
}

impl Places {
    /// Starts one task per partition.
    pub(super) fn start(partitions: u16, redis: &Redis) -> Self {
        let lines = (0..partitions).map(|_| {
            let (sender, receiver) = mpsc::channel(PEOPLE_WAITING_MAX);
            tokio::spawn(run(receiver, redis.clone()));
            sender
        });
        Self { lines: lines.collect() }
    }

    /// The line of the reply for one user. Errors: `Overloaded`, `Unavailable`.
    pub(super) async fn ask(
        &self,
        match_id: MatchId,
        user: UserId,
        verb: PlaceVerb,
        seats: Option<u32>,
    ) -> Result<String, EngineError> {
        let number = usize::from(match_id.partition().0);
        let line = self.lines.get(number).ok_or(EngineError::NotLoaded)?;
        let (reply, receiver) = oneshot::channel();
        let ask = Ask { match_id, user, verb, seats, reply, since: Instant::now() };
        line.try_send(ask).map_err(|_| EngineError::Overloaded)?;
        receiver.await.unwrap_or(Err(EngineError::Overloaded))
    }
}

async fn run(mut line: mpsc::Receiver<Ask>, redis: Redis) {
    let mut asks = Vec::with_capacity(PEOPLE_PER_CALL);
    while line.recv_many(&mut asks, PEOPLE_PER_CALL).await > 0 {
        let mut by_match: HashMap<MatchId, Vec<Ask>> = HashMap::new();
        for ask in asks.drain(..) {
            if ask.since.elapsed() < WAIT_TIMEOUT {
                by_match.entry(ask.match_id).or_default().push(ask);
            } else {
                let _ = ask.reply.send(Err(EngineError::Overloaded));
            }
        }
        for (match_id, asks) in by_match {
            let replies = call(&redis, match_id, &asks).await;
            match replies {
                Ok(lines) => {
                    for (ask, line) in asks.into_iter().zip(lines) {
                        let _ = ask.reply.send(Ok(line));
                    }
                }
                Err(error) => {
                    for ask in asks {
                        let _ = ask.reply.send(Err(error.again()));
                    }
                }
            }
        }
    }
}

/// A call that is lost may have had its effect. That is harmless, because somebody who joins again
/// keeps the place.
async fn call(redis: &Redis, id: MatchId, asks: &[Ask]) -> Result<Vec<String>, EngineError> {
    let keys = MatchKeys(id);
    let names = [keys.meta(), keys.queue(), keys.passes(), partition_key(id), keys.seats()];
    let keys: Vec<Key> = names.into_iter().map(Key::from).collect();
    let seats = asks.iter().find_map(|ask| ask.seats).unwrap_or(0);
    let mut arguments: Vec<Value> = vec![seats.to_string().into()];
    for ask in asks {
        arguments.extend([Value::from(ask.user.key()), Value::from_static_str(ask.verb.word())]);
    }
    let run = |client: Client| {
        let (keys, arguments) = (keys.clone(), arguments.clone());
        async move { SCRIPTS.queue_place.call::<String>(&client, keys, arguments).await }
    };
    let reply = redis.run(id.partition(), run).await?;
    let lines: Vec<String> = reply.split('\n').map(str::to_owned).collect();
    if lines.len() != asks.len() {
        let text = format!("{} lines for {} people", lines.len(), asks.len());
        return Err(EngineError::BadReply(text));
    }
    Ok(lines)
}
