//! The waiting room of a match: join, look, leave, admit, draw.

use crate::domain::ids::{MatchId, UserId};
use crate::engine::Engine;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::engine::reply::bad;
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::{MatchKeys, PartitionKeys};
use fred::prelude::*;

/// A user's place in the queue of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Waiting {
        /// The number in the order of joining.
        ticket: u64,
        /// The number in the line; `None` before the draw.
        number: Option<u64>,
        serving: u64,
        /// People in front of the user who still wait; `None` before the draw.
        ahead: Option<u64>,
    },
    /// The user may hold seats until `pass_expires_at` (ms of the clock of the partition).
    Admitted { pass_expires_at: i64, serving: u64 },
}

/// What a user wants at the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceVerb {
    /// To get a place, unless the user has one.
    Join,
    /// To see the place. It picks an admission up, so that the pass begins.
    Look,
    /// To see the place of somebody else, without any effect.
    Peek,
}

impl PlaceVerb {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Look => "look",
            Self::Peek => "peek",
        }
    }
}

/// What a step of the admission did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admitted {
    pub people: u64,
    /// An earlier call under the same Idempotency-Key has let them in.
    pub replayed: bool,
    /// Early people who have their number, and all of them.
    pub drawn: u32,
    pub early: u32,
    /// Whether the early people are served in a random order.
    pub random: bool,
    /// People who still wait.
    pub waiting: u64,
    /// How many were drawn in the draw whose seed is published.
    pub published: Option<u32>,
}

/// How many people are where, for the organiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueCounts {
    pub waiting: u64,
    /// Let in, and not here yet.
    pub admitted: u64,
    /// With a pass and without seats.
    pub choosing: u64,
    /// With a pass and seats that are not paid for.
    pub buying: u64,
    /// Seats that somebody has, or that are blocked.
    pub taken: u64,
}

/// The number of seats of a match as a script takes it. A node may not know the site yet.
fn seats_argument(seats: Option<u32>) -> String {
    seats.unwrap_or(0).to_string()
}

impl Engine {
    /// Joins the queue. A user who is in it keeps the place. `seats`: the seats of the site.
    ///
    /// Refusals: `QueueOff`, `QueueNotOpen`, `NotOpen`, `SoldOut`.
    pub async fn join_queue(
        &self,
        match_id: MatchId,
        user: UserId,
        seats: Option<u32>,
    ) -> Result<Place, EngineError> {
        let place = self.place(match_id, user, PlaceVerb::Join, seats).await?;
        place.ok_or_else(|| bad("none"))
    }

    /// A user's place; `None` for a user who has not joined. Refusals: `QueueOff`, `NotOpen`.
    pub async fn queue_place(
        &self,
        match_id: MatchId,
        user: UserId,
        verb: PlaceVerb,
    ) -> Result<Option<Place>, EngineError> {
        self.place(match_id, user, verb, None).await
    }

    async fn place(
        &self,
        match_id: MatchId,
        user: UserId,
        verb: PlaceVerb,
        seats: Option<u32>,
    ) -> Result<Option<Place>, EngineError> {
        let line = self.places.ask(match_id, user, verb, seats).await?;
        let parts: Vec<&str> = line.split(' ').collect();
        let number = |text: &str| text.parse::<u64>().map_err(|_| bad(&line));
        match parts[..] {
            ["none"] => Ok(None),
            ["off"] => Err(Refusal::QueueOff.into()),
            ["ended"] => Err(Refusal::NotOpen { ended: true }.into()),
            ["not_open", at] => Err(Refusal::QueueNotOpen { opens_at_ms: time(at)? }.into()),
            ["sold_out"] => Err(Refusal::SoldOut.into()),
            ["full"] => Err(EngineError::Overloaded),
            ["not_loaded"] => Err(EngineError::NotLoaded),
            ["waiting", mine, ticket, ahead, serving] => {
                let mine = number(mine)?;
                Ok(Some(Place::Waiting {
                    ticket: number(ticket)?,
                    number: (mine > 0).then_some(mine),
                    serving: number(serving)?,
                    ahead: (mine > 0).then_some(number(ahead)?),
                }))
            }
            ["admitted", expires, serving] => Ok(Some(Place::Admitted {
                pass_expires_at: time(expires)?,
                serving: number(serving)?,
            })),
            _ => Err(bad(&line)),
        }
    }

    /// Leaves the queue and gives the pass back. Returns `false` when the user had neither.
    pub async fn leave_queue(&self, match_id: MatchId, user: UserId) -> Result<bool, EngineError> {
        let keys = MatchKeys(match_id);
        let names = vec![keys.queue(), keys.passes()];
        let word: String =
            self.call(match_id.partition(), &SCRIPTS.queue_leave, names, vec![user.key()]).await?;
        Ok(word == "left")
    }

    /// Lets in as many people as the settings allow, and writes how many wait to the changes.
    pub async fn admit(
        &self,
        match_id: MatchId,
        seats: Option<u32>,
    ) -> Result<Admitted, EngineError> {
        self.admit_step(match_id, seats, 0, Operation::default()).await
    }

    /// Lets in this many people at once, at most 1,000, whatever the settings say. Returns how many
    /// there were, fewer than wanted when the line is shorter, or while its order is being drawn;
    /// and whether an earlier call under the same key has let them in.
    ///
    /// Refusals: `ExistsDifferent`.
    pub async fn admit_now(
        &self,
        match_id: MatchId,
        seats: Option<u32>,
        people: u32,
        operation: Operation,
    ) -> Result<(u64, bool), EngineError> {
        let admitted = self.admit_step(match_id, seats, people, operation).await?;
        Ok((admitted.people, admitted.replayed))
    }

    async fn admit_step(
        &self,
        match_id: MatchId,
        seats: Option<u32>,
        forced: u32,
        operation: Operation,
    ) -> Result<Admitted, EngineError> {
        let keys = MatchKeys(match_id);
        let mut names = vec![keys.meta(), keys.queue(), keys.passes(), keys.changes()];
        names.extend([partition_key(match_id), keys.seats()]);
        let partition = PartitionKeys(match_id.partition());
        names.extend(partition.operations());
        names.push(partition.journal());
        let trail = operation.trail_text()?;
        let (key, fingerprint) = (operation.key, operation.fingerprint);
        let arguments = vec![seats_argument(seats), forced.to_string(), key, fingerprint, trail];
        let reply: Vec<Value> =
            self.call(match_id.partition(), &SCRIPTS.queue_admit, names, arguments).await?;
        let word = |at: usize| reply.get(at).and_then(|word| word.as_str()).unwrap_or_default();
        match word(0).as_ref() {
            "not_loaded" => return Err(EngineError::NotLoaded),
            "exists_different" => return Err(Refusal::ExistsDifferent.into()),
            _ => {}
        }
        let number = |at: usize| reply.get(at).and_then(Value::as_u64).unwrap_or(0);
        Ok(Admitted {
            people: number(1),
            replayed: word(0) == "admitted_before",
            drawn: number(2) as u32,
            early: number(3) as u32,
            random: word(4) == "random",
            waiting: number(5),
            published: word(6).parse().ok(),
        })
    }

    /// Gives the next numbers to the owners of these tickets, in this order. Returns `false` when
    /// `admitted` is out of date, because another worker was faster.
    pub async fn draw(
        &self,
        match_id: MatchId,
        admitted: &Admitted,
        tickets: &[u32],
    ) -> Result<bool, EngineError> {
        let keys = MatchKeys(match_id);
        let order = if admitted.random { "random" } else { "joined" };
        let mut arguments = vec![admitted.drawn.to_string(), order.to_owned()];
        arguments.extend(tickets.iter().map(u32::to_string));
        let names = vec![keys.meta(), keys.queue()];
        let word: String =
            self.call(match_id.partition(), &SCRIPTS.queue_draw, names, arguments).await?;
        Ok(word == "drawn")
    }

    /// Publishes the seed of the draw, in which so many people were drawn, from the next step on.
    pub async fn publish_draw(&self, match_id: MatchId, drawn: u32) -> Result<(), EngineError> {
        let (client, meta) = (self.match_client(match_id)?, MatchKeys(match_id).meta());
        let _: i64 = client.hset(meta, ("queue_draw_published", drawn.to_string())).await?;
        Ok(())
    }

    /// Lets a user in at once, who need not be in the queue. Refusals: `QueueOff`, `NotOpen`.
    pub async fn let_in(&self, match_id: MatchId, user: UserId) -> Result<(), EngineError> {
        let keys = MatchKeys(match_id);
        let names = vec![keys.meta(), keys.queue(), keys.passes(), partition_key(match_id)];
        let word: String =
            self.call(match_id.partition(), &SCRIPTS.queue_let_in, names, vec![user.key()]).await?;
        match word.as_str() {
            "admitted" => Ok(()),
            "off" => Err(Refusal::QueueOff.into()),
            "ended" => Err(Refusal::NotOpen { ended: true }.into()),
            "not_open" => Err(Refusal::NotOpen { ended: false }.into()),
            "not_loaded" => Err(EngineError::NotLoaded),
            other => Err(bad(other)),
        }
    }

    /// How many people are where. The numbers are read one after the other, so they may be from
    /// moments that are some milliseconds apart.
    pub async fn queue_counts(&self, match_id: MatchId) -> Result<QueueCounts, EngineError> {
        let (client, keys) = (self.match_client(match_id)?, MatchKeys(match_id));
        let now = self.now_ms(match_id.partition()).await?;
        let passes = async |kind: i64| -> Result<u64, EngineError> {
            let (from, upto) = (kind * PASS_KIND + now + 1, (kind + 1) * PASS_KIND - 1);
            Ok(client.zcount(keys.passes(), from as f64, upto as f64).await?)
        };
        Ok(QueueCounts {
            waiting: client.zcard(keys.queue()).await?,
            admitted: passes(0).await?,
            choosing: passes(1).await?,
            buying: passes(2).await?,
            taken: client.hlen(keys.seats()).await?,
        })
    }
}

/// The distance between the kinds of passes in their scores (`lua/lib/passes.lua`).
const PASS_KIND: i64 = 1 << 43;

fn time(text: &str) -> Result<i64, EngineError> {
    text.parse().map_err(|_| bad(text))
}

/// The key that has the clock of the match.
pub(super) fn partition_key(id: MatchId) -> String {
    PartitionKeys(id.partition()).partition()
}
