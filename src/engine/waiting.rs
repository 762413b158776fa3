//! The commands that wait for one partition, in two lines: those that free or settle do not wait
//! behind the crowd that wants seats.

use crate::engine::batch::Command;
use crate::engine::error::EngineError;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Commands of one call, which is one fsync: more gains little, and 512 hold Redis for 3 to 5 ms.
/// Lua's stack takes a column of less than 8,000.
const COMMANDS_PER_CALL: usize = 512;
/// Seats of one call; the next command waits for another one. That is 3 for each of 512 commands,
/// so that a rush of people who want two or three seats still fills its calls. 2,048 seats in 512
/// holds held Redis for 9 to 13 ms on a busy machine, and the time grows with the seats. Calls of
/// 384 holds of 4 seats take 4 to 7 ms of its processor: none is longer than 10 ms, whatever is
/// asked.
const SEATS_PER_CALL: usize = 1_536;
/// A seat that is reserved by its name counts as so many, because it is looked up in the claims of
/// its user, and leaves one of them.
const RESERVED_BY_NAME: usize = 4;
/// Commands that wait in each line; one more is refused at once.
const COMMANDS_WAITING: usize = 10_000;
/// A command that has waited so long is not sent any more.
const WAIT: Duration = Duration::from_millis(2000);

/// A command that waits for its answer.
pub(super) struct Waiting {
    pub command: Command,
    pub answer: oneshot::Sender<Result<String, EngineError>>,
    since: Instant,
}

impl Waiting {
    pub(super) fn new(
        command: Command,
        answer: oneshot::Sender<Result<String, EngineError>>,
    ) -> Self {
        Self { command, answer, since: Instant::now() }
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
    let (first, first_queue) = mpsc::channel(COMMANDS_WAITING);
    let (others, other_queue) = mpsc::channel(COMMANDS_WAITING);
    let line = |queue| Line { queue, next: None };
    let lines = Lines { first: line(first_queue), others: line(other_queue) };
    (Entrance { first, others }, lines)
}

struct Line {
    queue: mpsc::Receiver<Waiting>,
    /// The one that did not fit into the batch before.
    next: Option<Waiting>,
}

impl Line {
    /// The next one that is in time; the others are refused.
    fn next(&mut self) -> Option<Waiting> {
        loop {
            let one = self.next.take().or_else(|| self.queue.try_recv().ok())?;
            if one.since.elapsed() < WAIT {
                return Some(one);
            }
            let _ = one.answer.send(Err(EngineError::Overloaded));
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
    /// Takes commands while there are fewer than `commands` and `seats`; the first one always, so
    /// that one with more seats than that is not left standing.
    fn fill(&mut self, line: &mut Line, commands: usize, seats: usize) {
        while self.commands.len() < commands {
            let Some(one) = line.next() else { return };
            let wanted = match (one.command.seats.len(), one.command.name) {
                // The script counts those of a claim that is named by its id.
                (0, _) => 1,
                (named, "reserve") => named * RESERVED_BY_NAME,
                (named, _) => named,
            };
            if self.seats + wanted > seats && !self.commands.is_empty() {
                line.next = Some(one);
                return;
            }
            self.seats += wanted;
            self.commands.push(one);
        }
    }
}

impl Lines {
    /// The next batch, as soon as there is one; `None` when nobody can come any more.
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
                one = self.first.queue.recv() => self.first.next = Some(one?),
                one = self.others.queue.recv() => self.others.next = Some(one?),
            }
        }
    }
}
