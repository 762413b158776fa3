//! The batcher: one per partition. It takes whatever commands wait and sends them as one call,
//! while at most two calls are in flight: no timer, so an idle system answers at once and a busy
//! one batches by itself.

use crate::domain::ids::{MatchId, Partition, SeatId};
use crate::engine::error::EngineError;
use crate::engine::scripts::SCRIPTS;
use crate::engine::waiting::{Entrance, Lines, Waiting, lines};
use crate::redis::Redis;
use crate::redis::keys::{MatchKeys, PartitionKeys};
use fred::prelude::{Client, Key, Value};
use rmp::encode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// Calls in flight per partition: one runs while the next one travels.
const CALLS_IN_FLIGHT: usize = 2;
/// The line of a command that a call did not come to.
const LATER: &str = "later";
/// A command without an answer is asked again under its id for so long.
const ANSWER: Duration = Duration::from_millis(4000);

/// The times and bounds that the scripts get with each call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Milliseconds.
    pub hold_ttl_ms: u64,
    /// Milliseconds.
    pub payment_ttl_ms: u64,
    pub seats_per_user: u32,
}

/// An Idempotency-Key of a client, already hashed with its user and route, and the hash of the
/// body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    pub key: String,
    pub fingerprint: String,
}

/// One command of a batch; the meaning of the fields is in the header of each script.
#[derive(Debug, Clone)]
pub struct Command {
    pub name: &'static str,
    pub match_id: MatchId,
    pub operation: Operation,
    pub id: String,
    pub user: String,
    pub source: String,
    pub first: String,
    pub second: String,
    pub seats: Vec<SeatId>,
}

impl Command {
    /// A command on the claim `id` of a match; all other fields empty.
    pub fn new(name: &'static str, match_id: MatchId, id: String) -> Self {
        Self {
            name,
            match_id,
            operation: Operation::default(),
            id,
            user: String::new(),
            source: String::new(),
            first: String::new(),
            second: String::new(),
            seats: Vec::new(),
        }
    }

    /// Commands that only free memory still run when Redis has none left.
    fn frees(&self) -> bool {
        matches!(
            self.name,
            "release"
                | "expire"
                | "cancel"
                | "refund"
                | "ask"
                | "outcome"
                | "unblock"
                | "free"
                | "archive"
        )
    }

    /// Commands that free or settle do not wait behind those that want seats: a crowd must not
    /// keep seats from coming back, nor a charged payment from its outcome.
    pub(super) fn goes_first(&self) -> bool {
        self.frees() || matches!(self.name, "ask" | "stretch" | "forget")
    }
}

/// The batchers of all partitions.
pub struct Batcher {
    entrances: Vec<Entrance>,
}

impl Batcher {
    /// Starts one task per partition.
    pub fn start(partitions: u16, limits: Limits, redis: &Redis) -> Self {
        let entrances = (0..partitions).map(|number| {
            let (entrance, lines) = lines();
            let partition = Partition(number);
            let caller = Caller { partition, limits, redis: redis.clone() };
            tokio::spawn(run(lines, caller));
            entrance
        });
        Self { entrances: entrances.collect() }
    }

    /// Runs a command as part of the next batch of its partition; answers the line of the script.
    pub async fn run(&self, command: Command) -> Result<String, EngineError> {
        let partition = command.match_id.partition();
        let entrance =
            self.entrances.get(usize::from(partition.0)).ok_or(EngineError::NotLoaded)?;
        let (answer, answered) = oneshot::channel();
        entrance.enter(Waiting::new(command, answer))?;
        answered.await.unwrap_or(Err(EngineError::Overloaded))
    }
}

async fn run(mut lines: Lines, caller: Caller) {
    let calls = Arc::new(Semaphore::new(CALLS_IN_FLIGHT));
    loop {
        let Ok(call) = calls.clone().acquire_owned().await else { return };
        let Some(batch) = lines.batch().await else { return };
        let caller = caller.clone();
        tokio::spawn(async move {
            caller.answer_all(batch).await;
            drop(call);
        });
    }
}

#[derive(Clone)]
struct Caller {
    partition: Partition,
    limits: Limits,
    redis: Redis,
}

impl Caller {
    async fn answer_all(&self, batch: Vec<Waiting>) {
        let commands: Vec<&Command> = batch.iter().map(|waiting| &waiting.command).collect();
        let answers = self.ask_until_answered(&commands).await;
        match answers {
            Ok(lines) => {
                for (waiting, line) in batch.into_iter().zip(lines) {
                    let _ = waiting.answer.send(line);
                }
            }
            Err(error) => {
                tracing::warn!(partition = %self.partition, %error, "a batch has no answer");
                for waiting in batch {
                    let _ = waiting.answer.send(Err(error.again()));
                }
            }
        }
    }

    /// Asks again under the same ids while the outcome is unknown: each command knows its own
    /// earlier effect, so asking twice does nothing twice.
    async fn ask_until_answered(
        &self,
        commands: &[&Command],
    ) -> Result<Vec<Result<String, EngineError>>, EngineError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            match self.ask(commands, false).await {
                Ok(lines) => return Ok(lines.into_iter().map(Ok).collect()),
                Err(EngineError::OutOfMemory) => return self.ask_freeing(commands).await,
                Err(EngineError::BadReply(_)) if commands.len() > 1 => {
                    return Ok(self.ask_one_by_one(commands).await);
                }
                Err(EngineError::Unavailable(_)) if started.elapsed() + pause < ANSWER => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A script has failed, and does so again: only the command that it fails at may be lost. Each
    /// is asked under its own id, so it does no harm when the batch had an effect.
    async fn ask_one_by_one(&self, commands: &[&Command]) -> Vec<Result<String, EngineError>> {
        let mut lines = Vec::with_capacity(commands.len());
        let started = Instant::now();
        for command in commands {
            if started.elapsed() >= ANSWER {
                lines.push(Err(EngineError::Unavailable("no time is left to ask".to_owned())));
                continue;
            }
            let line = Box::pin(self.ask_until_answered(std::slice::from_ref(command))).await;
            lines.push(line.and_then(|lines| {
                lines.into_iter().next().unwrap_or_else(|| {
                    Err(EngineError::BadReply("no line for a command".to_owned()))
                })
            }));
        }
        lines
    }

    /// Out of memory: a batch is refused before it starts, so what only frees goes alone.
    async fn ask_freeing(
        &self,
        commands: &[&Command],
    ) -> Result<Vec<Result<String, EngineError>>, EngineError> {
        let freeing: Vec<&Command> =
            commands.iter().copied().filter(|command| command.frees()).collect();
        let lines = if freeing.is_empty() { vec![] } else { self.ask(&freeing, true).await? };
        let mut lines = lines.into_iter();
        Ok(commands
            .iter()
            .map(|command| {
                let line = if command.frees() { lines.next() } else { None };
                line.ok_or(EngineError::OutOfMemory)
            })
            .collect())
    }

    /// A call that has moved many seats leaves the rest of its commands to the next one. Each call
    /// takes at least one of them.
    async fn ask(&self, commands: &[&Command], freeing: bool) -> Result<Vec<String>, EngineError> {
        let mut lines = self.call(commands, freeing).await?;
        loop {
            let late: Vec<usize> =
                (0..lines.len()).filter(|number| lines[*number] == LATER).collect();
            if late.is_empty() {
                return Ok(lines);
            }
            let rest: Vec<&Command> = late.iter().map(|number| commands[*number]).collect();
            for (number, line) in late.into_iter().zip(self.call(&rest, freeing).await?) {
                lines[number] = line;
            }
        }
    }

    async fn call(&self, commands: &[&Command], freeing: bool) -> Result<Vec<String>, EngineError> {
        let (keys, arguments) = arguments_of(self.partition, self.limits, commands);
        let run = |client: Client| {
            let (keys, arguments) = (keys.clone(), arguments.clone());
            async move { SCRIPTS.seat_batch.call(&client, freeing, keys, arguments).await }
        };
        let reply = self.redis.run(self.partition, run).await?;
        let lines: Vec<String> = reply.split('\n').map(str::to_owned).collect();
        if lines.len() != commands.len() {
            let text = format!("{} lines for {} commands", lines.len(), commands.len());
            return Err(EngineError::BadReply(text));
        }
        metrics::histogram!("grandstand_batch_commands").record(commands.len() as f64);
        Ok(lines)
    }
}

/// KEYS and ARGV as the header of `lua/seat_batch.lua` says.
fn arguments_of(
    partition: Partition,
    limits: Limits,
    commands: &[&Command],
) -> (Vec<Key>, Vec<Value>) {
    let of = PartitionKeys(partition);
    let mut keys = vec![of.partition(), of.claims(), of.due(), of.journal()];
    keys.extend(of.operations());
    let mut matches: Vec<MatchId> = Vec::new();
    for command in commands {
        if !matches.contains(&command.match_id) {
            let of = MatchKeys(command.match_id);
            keys.extend([of.meta(), of.seats(), of.passes(), of.changes()]);
            matches.push(command.match_id);
        }
    }
    let mut arguments: Vec<Value> = vec![
        limits.hold_ttl_ms.to_string().into(),
        limits.payment_ttl_ms.to_string().into(),
        limits.seats_per_user.to_string().into(),
        matches.len().to_string().into(),
    ];
    arguments.extend(matches.iter().map(|id| Value::from(id.key())));
    let packed = pack(commands, &matches).expect("a list in memory takes all that is written");
    arguments.extend(packed.into_iter().map(|column| Value::Bytes(column.into())));
    (keys.into_iter().map(Key::from).collect(), arguments)
}

type Packed = Result<Vec<u8>, encode::ValueWriteError>;

/// The commands in MessagePack, column by column, so that a script reads a column without going
/// through the commands: six that each of them has a value in, and the rest in one list.
fn pack(
    commands: &[&Command],
    matches: &[MatchId],
) -> Result<[Vec<u8>; 7], encode::ValueWriteError> {
    let place = |command: &Command| {
        matches.iter().position(|id| *id == command.match_id).unwrap_or_default()
    };
    let texts = |of: fn(&Command) -> &str| -> Packed {
        let mut column = Vec::with_capacity(commands.len() * 24);
        commands.iter().try_for_each(|command| encode::write_str(&mut column, of(command)))?;
        Ok(column)
    };
    let numbers = |of: &mut dyn FnMut(&Command) -> usize| -> Packed {
        let mut column = Vec::with_capacity(commands.len() * 2);
        for command in commands {
            encode::write_uint(&mut column, of(command) as u64)?;
        }
        Ok(column)
    };
    let mut seats = vec![0; matches.len()];
    let mut before = |command: &Command| {
        let of_match = &mut seats[place(command)];
        *of_match += command.seats.len();
        *of_match - command.seats.len()
    };
    Ok([
        texts(|command| command.name)?,
        numbers(&mut |command| place(command) + 1)?,
        texts(|command| &command.id)?,
        texts(|command| &command.user)?,
        numbers(&mut |command| command.seats.len())?,
        numbers(&mut before)?,
        pack_rest(commands, matches)?,
    ])
}

/// What few commands have, by their numbers, and the seats of all commands of a match.
fn pack_rest(commands: &[&Command], matches: &[MatchId]) -> Packed {
    let mut list = Vec::with_capacity(commands.len() * 32);
    encode::write_array_len(&mut list, (5 + matches.len()) as u32)?;
    let sparse: [fn(&Command) -> &str; 5] = [
        |command| &command.first,
        |command| &command.second,
        |command| &command.source,
        |command| &command.operation.key,
        |command| &command.operation.fingerprint,
    ];
    for of in sparse {
        let some = || (1_u64..).zip(commands).filter(|(_, command)| !of(command).is_empty());
        encode::write_map_len(&mut list, some().count() as u32)?;
        for (number, command) in some() {
            encode::write_uint(&mut list, number)?;
            encode::write_str(&mut list, of(command))?;
        }
    }
    let mut digits = itoa::Buffer::new();
    for id in matches {
        let mine = || commands.iter().filter(|command| command.match_id == *id);
        let seats: usize = mine().map(|command| command.seats.len()).sum();
        encode::write_array_len(&mut list, seats as u32)?;
        for seat in mine().flat_map(|command| &command.seats) {
            encode::write_str(&mut list, digits.format(seat.0))?;
        }
    }
    Ok(list)
}
