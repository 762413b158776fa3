//! What the model remembers: one seat in one partition, two buyers who want it, and all parties of
//! a payment. Everything is as small as the properties allow.

pub mod call;
pub mod postgres;
pub mod reconciler;
pub mod redis;
pub mod worker;

use crate::state::call::Call;
use crate::state::postgres::Postgres;
use crate::state::reconciler::Reconciler;
use crate::state::redis::Redis;
use crate::state::worker::Worker;

/// How many buyers there are. Each has one reservation with one payment.
pub const BUYERS: usize = 2;
/// The distance between two ids of the journal. After a failover to a server whose clock is behind,
/// the ids go on one by one, and so stay below those that were lost.
pub const ID_STEP: u16 = 16;

/// An epoch, and an id of its journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub epoch: u8,
    pub id: u16,
}

/// What a fact of the journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Begun,
    Approved,
    Declined,
    Withdrawn,
    Lost,
    RefundOwed,
    RefundBegun,
    Refunded,
}

/// A fact about the payment of a buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fact {
    pub step: Step,
    pub buyer: usize,
    pub attempt: u8,
    /// The number of the refund, for a step of a refund. Refund 0 is owed.
    pub refund: u8,
}

/// An entry of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    pub id: u16,
    pub fact: Fact,
}

/// Where the money of a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Money {
    /// The buyer has agreed, and nothing is charged.
    Agreed,
    Charged,
    /// It was charged and has gone back.
    Back,
    /// The gateway has declined it for good.
    Declined,
}

/// The gateway: the money of each buyer, and the first reply to each attempt, which it repeats.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gateway {
    pub money: [Money; BUYERS],
    /// By buyer: a bit for each attempt that was approved.
    pub approved: [u8; BUYERS],
}

/// What the nodes have heard of the announcements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Heard {
    pub upto: Position,
    /// By buyer: PostgreSQL refused the claim.
    pub lost: [bool; BUYERS],
}

/// The faults that may still happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A lease ends although its worker lives. The worker is a zombie from then on.
    pub leases: u8,
    /// A node is killed during a call.
    pub kills: u8,
    /// The gateway sends no reply.
    pub unknown: u8,
    /// The gateway declines.
    pub declines: u8,
    /// Redis loses the last of its acknowledged writes.
    pub failovers: u8,
    /// The new server of a failover has a clock that is behind.
    pub clock_behind: bool,
    /// Redis loses everything.
    pub wipes: u8,
    /// PostgreSQL loses the last of its commits.
    pub database_losses: u8,
}

/// What happened, for the properties only. No party reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// By buyer: the seat was reserved. Another reservation would have another id.
    pub reserved: [bool; BUYERS],
    /// By buyer: a response was 200.
    pub promised: [bool; BUYERS],
    /// By buyer: the buyer asked for the money back.
    pub cancelled: [bool; BUYERS],
    /// Redis has lost writes, and no worker has loaded it from PostgreSQL since.
    pub redis_lost: bool,
    /// Redis has gone back to an earlier state since the start. A mark or a row may have allowed a
    /// charge before that which nobody waits for afterwards, and its money goes back.
    pub redis_went_back: bool,
    /// PostgreSQL has lost commits, and nobody has restored it since.
    pub database_lost: bool,
    /// PostgreSQL has lost commits since the start. Payments halt until a worker has seen that it
    /// was restored, and money of the lost time may still go back.
    pub database_went_back: bool,
    /// The gateway was asked for money for which no reservation waited, in a Redis that has
    /// lost nothing.
    pub stray_charge: bool,
    /// What the run has seen, for the `sometimes` properties.
    pub seen: u32,
}

/// The state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The greatest id that any journal has used.
    pub time: u16,
    /// The number of leases that were taken, so that each has another token.
    pub tokens: u8,
    pub redis: Redis,
    /// What a replica has that gets no more writes, until it becomes the master.
    pub replica: Option<Box<Redis>>,
    pub postgres: Postgres,
    /// An old state of PostgreSQL, until it replaces the current one.
    pub standby: Option<Box<Postgres>>,
    pub gateway: Gateway,
    pub heard: Heard,
    pub calls: Vec<Call>,
    pub workers: Vec<Worker>,
    pub reconcilers: Vec<Reconciler>,
    pub faults: Faults,
    pub ghost: Ghost,
}

/// Dangerous states that a run must reach, or else the model proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The primary key stopped a second sale.
    Conflict,
    /// The outcome of a payment was unknown to the node.
    Unknown,
    /// An attempt was withdrawn.
    Withdrawn,
    /// An attempt could not be withdrawn, because the reconciler had asked for its money.
    Asked,
    /// PostgreSQL refused the commit of a worker that had an old position.
    Moved,
    /// Redis refused a write of a worker without its lease.
    Fenced,
    /// A partition was loaded from PostgreSQL.
    Loaded,
    /// A worker found a journal without the entry at its position, after it had read from it.
    Hole,
    /// Payments were halted.
    Halted,
    /// `grandstand restore` wrote the data of Redis to PostgreSQL.
    Restored,
    /// Money came for a reservation that was over.
    Owed,
    /// Money went back.
    Back,
    /// The reconciler charged an attempt that a node had begun.
    Resumed,
    /// A missed fact was written to the journal again.
    Told,
    /// A fact was written again or late, and had no effect.
    Stale,
    /// A search for orphans settled something.
    Orphan,
    /// The buyer who may try again was the second to reserve the seat.
    SecondTriesAgain,
}

impl State {
    /// Notes that something dangerous has happened.
    pub fn see(&mut self, seen: Seen) {
        self.ghost.seen |= 1 << seen as u32;
    }
}
