//! The batcher: one per partition. It sends all commands that wait as one call, and has at most two
//! calls in flight. It needs no timer: an idle system sends each command at once, and a busy one
//! collects the commands that arrive during a call.

use crate::domain::ids::{MatchId, Partition};
use crate::engine::columns::{Argument, Columns, settings};
use crate::engine::command::SeatCommand;
use crate::engine::error::EngineError;
use crate::engine::limits::Limits;
use crate::engine::operation::Operation;
use crate::engine::scripts::SCRIPTS;
use crate::engine::waiting::{Entrance, Lines, Reply, Waiting, lines};
use crate::redis::keys::{MatchKeys, PartitionKeys};
use crate::redis::{CallMetrics, Redis};
use fred::prelude::{Client, Key, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Calls in flight per partition: one runs while the next one travels. With one call only, Redis
/// would be idle meanwhile; with more, batches would be smaller and each has an fsync of its own.
const CALLS_IN_FLIGHT_MAX: usize = 2;
/// From so many commands per call on, the next call waits for the reply, so that it gets all the
/// commands that arrive meanwhile. Each call costs Redis and the node some 200 µs, whatever it
/// contains, and two smaller calls would cost that twice. Fewer: commands wait longer when few
/// people are there.
const CROWD_COMMANDS_MIN: usize = 16;
/// From so many commands per call on, calls are large anyway, and Redis need not wait for the next.
const CROWD_COMMANDS_MAX: usize = 256;
/// The reply of a command that its call did not run any more.
const LATER: &str = "later";
/// How long a batch with an unknown outcome is tried again. It stays well below the 15 seconds that
/// a request has, so that the client gets an error and not a timeout.
const RETRY_TIMEOUT: Duration = Duration::from_millis(4000);
/// The pause before the first retry, which doubles with each one.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two retries.
const LONGEST_RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The batchers of all partitions.
pub struct Batcher {
    entrances: Vec<Entrance>,
}

impl Batcher {
    /// Starts one task per partition.
    pub fn start(partitions: u16, limits: Limits, redis: &Redis) -> Self {
        let calls = CallMetrics::new("batch");
        let entrances = (0..partitions).map(|number| {
            let (entrance, lines) = lines();
            let partition = Partition(number);
            let caller = Caller { partition, limits, redis: redis.clone(), calls: calls.clone() };
            tokio::spawn(run(lines, caller));
            entrance
        });
        Self { entrances: entrances.collect() }
    }

    /// Runs a command as part of the next batch of its partition, and returns its reply.
    pub async fn run(&self, match_id: MatchId, command: SeatCommand) -> Reply {
        self.run_once(match_id, command, Operation::default()).await
    }

    /// Runs a command under an Idempotency-Key: a later command under the same key gets the same
    /// reply.
    pub async fn run_once(
        &self,
        match_id: MatchId,
        command: SeatCommand,
        operation: Operation,
    ) -> Reply {
        let partition = match_id.partition();
        let entrance =
            self.entrances.get(usize::from(partition.0)).ok_or(EngineError::NotLoaded)?;
        let operation = (!operation.key.is_empty()).then_some(operation);
        let (waiting, reply) = Waiting::new(match_id, command, operation);
        entrance.enter(waiting)?;
        reply.await.unwrap_or(Err(EngineError::Overloaded))
    }
}

async fn run(mut lines: Lines, caller: Caller) {
    let calls = Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX));
    let mut in_flight_max = CALLS_IN_FLIGHT_MAX;
    loop {
        // A call that has to be alone takes all permits.
        let permits = if in_flight_max == 1 { CALLS_IN_FLIGHT_MAX as u32 } else { 1 };
        let Ok(call) = calls.clone().acquire_many_owned(permits).await else { return };
        let Some(batch) = lines.batch().await else { return };
        let is_crowd = (CROWD_COMMANDS_MIN..CROWD_COMMANDS_MAX).contains(&batch.len());
        in_flight_max = if is_crowd { 1 } else { CALLS_IN_FLIGHT_MAX };
        let caller = caller.clone();
        tokio::spawn(async move {
            caller.run(batch).await;
            drop(call);
        });
    }
}

#[derive(Clone)]
struct Caller {
    partition: Partition,
    limits: Limits,
    redis: Redis,
    calls: CallMetrics,
}

impl Caller {
    /// Runs a batch, and gives each command its reply.
    async fn run(&self, batch: Vec<Waiting>) {
        let commands: Vec<&Waiting> = batch.iter().collect();
        match self.run_until_known(&commands).await {
            Ok(replies) => {
                for (waiting, reply) in batch.into_iter().zip(replies) {
                    let _ = waiting.reply.send(reply);
                }
            }
            Err(error) => {
                tracing::warn!(partition = %self.partition, %error, "a batch got no reply");
                for waiting in batch {
                    let _ = waiting.reply.send(Err(error.again()));
                }
            }
        }
    }

    /// Tries again while the outcome is unknown. Retries use the same ids, and each command knows
    /// its own earlier effect, so nothing happens twice.
    async fn run_until_known(&self, commands: &[&Waiting]) -> Result<Vec<Reply>, EngineError> {
        let started = Instant::now();
        let mut pause = RETRY_PAUSE;
        loop {
            match self.run_all(commands, false).await {
                Ok(replies) => return Ok(replies.into_iter().map(Ok).collect()),
                Err(EngineError::OutOfMemory) => return self.run_freeing(commands).await,
                Err(EngineError::BadReply(_)) if commands.len() > 1 => {
                    return Ok(self.run_one_by_one(commands).await);
                }
                Err(EngineError::Unavailable(_)) if started.elapsed() + pause < RETRY_TIMEOUT => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_RETRY_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A script that has failed fails again at the same command, and only that command may be lost.
    /// Each command runs under its own id, so this is harmless when the batch had an effect.
    async fn run_one_by_one(&self, commands: &[&Waiting]) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(commands.len());
        let started = Instant::now();
        for command in commands {
            if started.elapsed() >= RETRY_TIMEOUT {
                replies.push(Err(EngineError::Unavailable("no time is left to ask".to_owned())));
                continue;
            }
            let reply = Box::pin(self.run_until_known(std::slice::from_ref(command))).await;
            replies.push(reply.and_then(|replies| {
                replies.into_iter().next().unwrap_or_else(|| {
                    Err(EngineError::BadReply("no line for a command".to_owned()))
                })
            }));
        }
        replies
    }

    /// Redis has no memory left and refuses a batch before it starts. The commands that only free
    /// memory run alone.
    async fn run_freeing(&self, commands: &[&Waiting]) -> Result<Vec<Reply>, EngineError> {
        let frees = |waiting: &&Waiting| waiting.command.frees_memory();
        let freeing: Vec<&Waiting> = commands.iter().copied().filter(frees).collect();
        let replies =
            if freeing.is_empty() { vec![] } else { self.run_all(&freeing, true).await? };
        let mut replies = replies.into_iter();
        Ok(commands
            .iter()
            .map(|waiting| {
                let reply = if frees(waiting) { replies.next() } else { None };
                reply.ok_or(EngineError::OutOfMemory)
            })
            .collect())
    }

    /// Calls until all commands have run: a call that has moved many seats leaves the rest of its
    /// commands to the next one. Each call runs at least one command.
    async fn run_all(
        &self,
        commands: &[&Waiting],
        freeing: bool,
    ) -> Result<Vec<String>, EngineError> {
        let mut replies = self.call(commands, freeing).await?;
        loop {
            let late: Vec<usize> =
                (0..replies.len()).filter(|number| replies[*number] == LATER).collect();
            if late.is_empty() {
                return Ok(replies);
            }
            let rest: Vec<&Waiting> = late.iter().map(|number| commands[*number]).collect();
            for (number, reply) in late.into_iter().zip(self.call(&rest, freeing).await?) {
                replies[number] = reply;
            }
        }
    }

    async fn call(&self, commands: &[&Waiting], freeing: bool) -> Result<Vec<String>, EngineError> {
        let (keys, arguments) = arguments_of(self.partition, self.limits, commands);
        let run = |client: Client| {
            let (keys, arguments) = (keys.clone(), arguments.clone());
            async move { SCRIPTS.seat_batch.call(&client, freeing, keys, arguments).await }
        };
        let begun = Instant::now();
        let reply = self.redis.run(self.partition, run).await;
        self.calls.record(begun, &reply);
        let reply = reply?;
        let replies: Vec<String> = reply.split('\n').map(str::to_owned).collect();
        if replies.len() != commands.len() {
            let text = format!("{} lines for {} commands", replies.len(), commands.len());
            return Err(EngineError::BadReply(text));
        }
        metrics::histogram!("grandstand_batch_commands").record(commands.len() as f64);
        Ok(replies)
    }
}

/// KEYS and ARGV, as the header of `lua/seat_batch.lua` lists them.
fn arguments_of(
    partition: Partition,
    limits: Limits,
    commands: &[&Waiting],
) -> (Vec<Key>, Vec<Value>) {
    let of = PartitionKeys(partition);
    let mut keys = vec![of.partition(), of.claims(), of.due(), of.journal()];
    keys.extend(of.operations());
    let mut matches: Vec<MatchId> = Vec::new();
    for waiting in commands {
        if !matches.contains(&waiting.match_id) {
            let of = MatchKeys(waiting.match_id);
            keys.extend([of.meta(), of.seats(), of.passes(), of.changes(), of.check_ins()]);
            matches.push(waiting.match_id);
        }
    }
    let mut columns = Columns::new(commands.len(), matches.len());
    for waiting in commands {
        let place = matches.iter().position(|id| *id == waiting.match_id).unwrap_or_default();
        let mut row = columns.add(waiting.command.name(), place);
        waiting.command.encode(&mut row);
        if let Some(Operation { key, fingerprint, .. }) = &waiting.operation {
            row.text(Argument::Operation, key).text(Argument::Fingerprint, fingerprint);
        }
        row.end();
    }
    let packed = std::iter::once(settings(limits, &matches)).chain(columns.finish());
    let arguments = packed.map(|values| Value::Bytes(values.into())).collect();
    (keys.into_iter().map(Key::from).collect(), arguments)
}
