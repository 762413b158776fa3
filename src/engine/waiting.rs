//! The commands that wait for one partition, in two lines: commands that free seats or settle
//! payments do not wait behind the crowd that wants seats.

use crate::domain::ids::MatchId;
use crate::engine::batch::{Operation, Reply};
use crate::engine::command::SeatCommand;
use crate::engine::error::EngineError;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Commands of one call, which is one fsync. A larger number gains little, and 512 commands occupy
/// Redis for 3 to 5 ms. Lua's stack takes a column of fewer than 8,000 values.
const COMMANDS_PER_CALL: usize = 512;
/// Seats of one call; the next command waits for another call. It is 3 seats for each of 512
/// commands, so that a rush of people who want two or three seats still fills its calls. A call of
/// 2,048 seats in 512 holds occupied Redis for 9 to 13 ms on a busy machine, and the time grows
/// with the number of seats. Calls of 384 holds of 4 seats take 4 to 7 ms of its processor, so that
/// no call is longer than 10 ms.
const SEATS_PER_CALL: usize = 1_536;
/// Commands that wait in each line; one more is refused at once.
const COMMANDS_WAITING_MAX: usize = 10_000;
/// A command that has waited this long is refused as overloaded, because its caller has probably
/// given up, and sending it would only make the others wait.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(2000);

/// A command that waits for its reply.
pub(super) struct Waiting {
    pub match_id: MatchId,
    pub command: SeatCommand,
    pub operation: Option<Operation>,
    pub reply: oneshot::Sender<Reply>,
    since: Instant,
}

impl Waiting {
    /// A command from now on, and where its reply will arrive.
    pub(super) fn new(
        match_id: MatchId,
        command: SeatCommand,
        operation: Option<Operation>,
    ) -> (Self, oneshot::Receiver<Reply>) {
        let (reply, receiver) = oneshot::channel();
        (Self { match_id, command, operation, reply, since: Instant::now() }, receiver)
    }
}

/// The end at which commands are put in line.
pub(super) struct Entrance {
    first: mpsc::Sender<Waiting>,
    others: mpsc::Sender<Waiting>,
}

impl Entrance {
    /// Puts a command in line. Error: `Overloaded`, when too many wait.
    pub(super) fn enter(&self, waiting: Waiting) -> Result<(), EngineError> {
        let line = if waiting.command.goes_first() { &self.first } else { &self.others };
        line.try_send(waiting).map_err(|_| EngineError::Overloaded)
    }
}

/// The end at which batches are taken.
pub(super) struct Lines {
    first: Line,
    others: Line,
}

/// Both ends.
pub(super) fn lines() -> (Entrance, Lines) {
    let (first, first_queue) = mpsc::channel(COMMANDS_WAITING_MAX);
    let (others, other_queue) = mpsc::channel(COMMANDS_WAITING_MAX);
    let line = |queue| Line { queue, next: None };
    let lines = Lines { first: line(first_queue), others: line(other_queue) };
    (Entrance { first, others }, lines)
}

struct Line {
    queue: mpsc::Receiver<Waiting>,
    /// The command that did not fit into the batch before.
    next: Option<Waiting>,
}

impl Line {
    /// The next command that is in time. Those that have waited too long are refused.
    fn next(&mut self) -> Option<Waiting> {
        loop {
            let waiting = self.next.take().or_else(|| self.queue.try_recv().ok())?;
            if waiting.since.elapsed() < QUEUE_TIMEOUT {
                return Some(waiting);
            }
            let _ = waiting.reply.send(Err(EngineError::Overloaded));
        }
    }
}

/// A batch in the making.
#[derive(Default)]
struct Batch {
    commands: Vec<Waiting>,
    seats: usize,
}

impl Batch {
    /// Takes commands up to these numbers of commands and seats. It always takes the first command,
    /// because a command with more seats than that would otherwise never run.
    fn fill(&mut self, line: &mut Line, commands: usize, seats: usize) {
        while self.commands.len() < commands {
            let Some(waiting) = line.next() else { return };
            let cost = waiting.command.cost_in_seats();
            if self.seats + cost > seats && !self.commands.is_empty() {
                line.next = Some(waiting);
                return;
            }
            self.seats += cost;
            self.commands.push(waiting);
        }
    }
}

impl Lines {
    /// The next batch, as soon as there is one; `None` when the batcher is gone.
    pub(super) async fn batch(&mut self) -> Option<Vec<Waiting>> {
        loop {
            let mut batch = Batch::default();
            // Half of the call for each line while both wait: neither starves the other.
            let (half, seats) = (COMMANDS_PER_CALL / 2, SEATS_PER_CALL / 2);
            batch.fill(&mut self.first, half, seats);
            batch.fill(&mut self.others, COMMANDS_PER_CALL, SEATS_PER_CALL);
            batch.fill(&mut self.first, COMMANDS_PER_CALL, SEATS_PER_CALL);
            if !batch.commands.is_empty() {
                return Some(batch.commands);
            }
            tokio::select! {
                waiting = self.first.queue.recv() => self.first.next = Some(waiting?),
                waiting = self.others.queue.recv() => self.others.next = Some(waiting?),
            }
        }
    }
}
