//! A call of a buyer on a node: a confirmation, or a cancellation. It follows
//! `src/checkout/{confirm,cancel}.rs`.

use crate::mutants::Mutant;
use crate::state::postgres::{Refund, Reservation, Status};
use crate::state::redis::{Begun, ClaimState, Outcome, Seat, Settled};
use crate::state::{Money, Seen, State};

/// One call, which may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    pub buyer: usize,
    /// How often the buyer still tries again when payments are paused.
    pub left: u8,
    pub at: At,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// It begins the payment.
    Confirm,
    /// It waits for the claim in PostgreSQL.
    Waiting { attempt: u8, id: u16 },
    /// The row stands, and the gateway will be asked.
    Charging { attempt: u8 },
    /// The gateway has replied.
    Charged { attempt: u8, approved: bool },
    /// It waits for the sale in PostgreSQL.
    Selling { attempt: u8, id: u16 },
    /// Another call or the reconciler goes on, and this one waits for the sale.
    Watching,
    /// It begins a refund.
    Cancel,
    /// It looks for the refund in PostgreSQL.
    RefundWaiting { refund: u8 },
    /// The row stands, and the gateway will be asked.
    GivingBack { refund: u8 },
    /// The money is back.
    GivenBack { refund: u8 },
    /// The buyer has a response.
    Answered,
    /// The node was killed.
    Dead,
}

/// What happens in a step that can end in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    Go,
    /// No announcement came in time.
    TimeOut,
    /// The gateway does it, and the reply is lost.
    ReplyLost,
    /// The request never reaches the gateway.
    NotArrived,
    Declined,
}

/// How the gateway replied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Approved,
    Declined,
    Unknown,
}

impl State {
    /// The turns that the gateway may take now.
    pub fn gateway_turns(&self) -> impl Iterator<Item = Turn> + use<> {
        let unknown = self.faults.unknown > 0;
        let declines = self.faults.declines > 0;
        [
            (Turn::Go, true),
            (Turn::ReplyLost, unknown),
            (Turn::NotArrived, unknown),
            (Turn::Declined, declines),
        ]
        .into_iter()
        .filter_map(|(turn, may)| may.then_some(turn))
    }

    /// The gateway is asked for the money of an attempt.
    pub fn charge(&mut self, buyer: usize, attempt: u8, turn: Turn) -> Reply {
        match turn {
            Turn::ReplyLost | Turn::NotArrived => self.faults.unknown -= 1,
            Turn::Declined => self.faults.declines -= 1,
            Turn::Go | Turn::TimeOut => {}
        }
        if turn == Turn::NotArrived {
            return Reply::Unknown;
        }
        let bit = 1 << attempt;
        // It repeats its first reply to an attempt, even when the money has gone back since.
        let reply = if self.gateway.approved[buyer] & bit != 0 {
            Reply::Approved
        } else {
            match self.gateway.money[buyer] {
                Money::Agreed if turn == Turn::Declined => {
                    self.gateway.money[buyer] = Money::Declined;
                    Reply::Declined
                }
                Money::Agreed => {
                    self.note_charge(buyer, attempt);
                    self.gateway.money[buyer] = Money::Charged;
                    self.gateway.approved[buyer] |= bit;
                    Reply::Approved
                }
                Money::Declined => Reply::Declined,
                Money::Charged | Money::Back => Reply::Unknown,
            }
        };
        if turn == Turn::ReplyLost { Reply::Unknown } else { reply }
    }

    /// Whether a reservation of an intact Redis waits for this money.
    fn note_charge(&mut self, buyer: usize, attempt: u8) {
        let waits = self.redis.claims[buyer]
            .is_some_and(|claim| claim.state == ClaimState::Paying && claim.attempt == attempt);
        let has_seat = self.redis.seat == Seat::Of(buyer);
        let ghost = &self.ghost;
        let is_lost = ghost.redis_lost || ghost.redis_went_back || ghost.database_went_back;
        if !(waits && has_seat || is_lost) {
            self.ghost.stray_charge = true;
        }
    }

    /// The gateway is asked to give money back. Returns whether the caller knows that it is back.
    pub fn give_back(&mut self, buyer: usize, turn: Turn) -> bool {
        match turn {
            Turn::ReplyLost | Turn::NotArrived => self.faults.unknown -= 1,
            Turn::Go | Turn::TimeOut | Turn::Declined => {}
        }
        if turn != Turn::NotArrived && self.gateway.money[buyer] == Money::Charged {
            self.gateway.money[buyer] = Money::Back;
            self.see(Seen::Back);
        }
        turn == Turn::Go && self.gateway.money[buyer] == Money::Back
    }

    /// The turns that a call may take now.
    pub fn turns(&self, call: usize) -> Vec<Turn> {
        let Call { buyer, at, .. } = self.calls[call];
        let claim = self.redis.claims[buyer];
        let heard = |id: u16| self.heard.upto.id >= id;
        let open = self.redis.open;
        match at {
            At::Confirm if open && claim.is_some() => vec![Turn::Go],
            At::Waiting { id, .. } if heard(id) => vec![Turn::Go, Turn::TimeOut],
            At::Waiting { .. } => vec![Turn::TimeOut],
            At::Charging { .. } => self.gateway_turns().collect(),
            At::Charged { .. } | At::GivenBack { .. } if open => vec![Turn::Go],
            At::Selling { id, .. } if heard(id) => vec![Turn::Go, Turn::TimeOut],
            At::Selling { .. } => vec![Turn::TimeOut],
            At::Watching => vec![Turn::Go],
            At::Cancel if open && claim.is_some() => vec![Turn::Go],
            At::RefundWaiting { .. } => vec![Turn::Go],
            At::GivingBack { .. } => {
                self.gateway_turns().filter(|turn| *turn != Turn::Declined).collect()
            }
            At::Confirm
            | At::Charged { .. }
            | At::Cancel
            | At::GivenBack { .. }
            | At::Answered
            | At::Dead => vec![],
        }
    }

    /// The next step of a call.
    pub fn call(&mut self, call: usize, turn: Turn, mutant: Option<Mutant>) {
        let Call { buyer, at, .. } = self.calls[call];
        let next = match at {
            At::Confirm => self.begin(call, mutant),
            At::Waiting { attempt, .. } => {
                let stands = self.standing(buyer, attempt) == Some(Status::InProgress);
                if self.redis.open || (turn == Turn::Go && stands) {
                    self.look_for_claim(call, attempt, turn, mutant)
                } else {
                    // Redis gives no reply, so the call ends with an error.
                    At::Answered
                }
            }
            At::Charging { attempt } => match self.charge(buyer, attempt, turn) {
                Reply::Approved => At::Charged { attempt, approved: true },
                Reply::Declined => At::Charged { attempt, approved: false },
                Reply::Unknown if mutant == Some(Mutant::UnknownIsDeclined) => {
                    At::Charged { attempt, approved: false }
                }
                Reply::Unknown => {
                    self.see(Seen::Unknown);
                    At::Answered
                }
            },
            At::Charged { attempt, approved } => self.settle(buyer, attempt, approved, mutant),
            At::Selling { attempt, .. } => {
                let heard = turn == Turn::Go && !self.heard.lost[buyer];
                if heard && self.standing(buyer, attempt) == Some(Status::Paid) {
                    self.ghost.promised[buyer] = true;
                }
                At::Answered
            }
            At::Watching => {
                let row = self.postgres.rows[buyer];
                if row.is_some_and(|row| row.reservation == Reservation::Confirmed) {
                    self.ghost.promised[buyer] = true;
                }
                At::Answered
            }
            At::Cancel => match self.begin_refund(buyer) {
                Some((refund, _)) => {
                    self.ghost.cancelled[buyer] = true;
                    At::RefundWaiting { refund }
                }
                None => At::Answered,
            },
            At::RefundWaiting { refund } => {
                let row = self.postgres.rows[buyer];
                let begun = |row| refund_of(row, refund) == Some(Refund::Begun);
                match row.is_some_and(begun) || mutant == Some(Mutant::RefundBeforeRow) {
                    true => At::GivingBack { refund },
                    false => At::Answered,
                }
            }
            At::GivingBack { refund } => match self.give_back(buyer, turn) {
                true => At::GivenBack { refund },
                false => At::Answered,
            },
            At::GivenBack { refund } => {
                self.settle_refund(buyer, refund);
                At::Answered
            }
            At::Answered | At::Dead => at,
        };
        self.calls[call].at = next;
    }

    /// `claim_row`: the status that counts for an attempt; `None` when it is missing.
    fn standing(&self, buyer: usize, attempt: u8) -> Option<Status> {
        let row = self.postgres.rows[buyer].filter(|row| row.attempt == attempt)?;
        let owed = row.refunds[0].is_some() && row.refunds[1].is_none();
        match row.status {
            Status::InProgress | Status::Lost => Some(row.status),
            Status::Paid if !owed => Some(Status::Paid),
            Status::Paid | Status::Failed | Status::Withdrawn | Status::Refunded => None,
        }
    }

    fn begin(&mut self, call: usize, mutant: Option<Mutant>) -> At {
        match self.begin_payment(self.calls[call].buyer) {
            Begun::Now { attempt, .. } if mutant == Some(Mutant::ChargesBeforeClaim) => {
                At::Charging { attempt }
            }
            Begun::Now { attempt, id } => At::Waiting { attempt, id },
            Begun::InProgress | Begun::Paid => At::Watching,
            Begun::Refused => At::Answered,
        }
    }

    /// `Checkout::claim`.
    fn look_for_claim(
        &mut self,
        call: usize,
        attempt: u8,
        turn: Turn,
        mutant: Option<Mutant>,
    ) -> At {
        let buyer = self.calls[call].buyer;
        let row = match turn {
            Turn::Go if self.heard.lost[buyer] => Some(Status::Lost),
            Turn::Go if mutant == Some(Mutant::TrustsAnnouncement) => Some(Status::InProgress),
            Turn::Go => self.standing(buyer, attempt),
            _ => None,
        };
        match row {
            Some(Status::InProgress) => At::Charging { attempt },
            Some(Status::Lost) => {
                self.settle_payment(buyer, attempt, Outcome::Lost, mutant);
                At::Answered
            }
            Some(Status::Paid) => {
                self.ghost.promised[buyer] = true;
                At::Answered
            }
            Some(Status::Failed | Status::Withdrawn | Status::Refunded) | None => {
                match self.settle_payment(buyer, attempt, Outcome::Withdrawn, mutant) {
                    Settled::Pending if self.calls[call].left > 0 => {
                        self.calls[call].left -= 1;
                        At::Confirm
                    }
                    Settled::Pending | Settled::Asked => At::Answered,
                    Settled::Confirmed(_) | Settled::Over | Settled::Owed => At::Watching,
                }
            }
        }
    }

    fn settle(&mut self, buyer: usize, attempt: u8, approved: bool, mutant: Option<Mutant>) -> At {
        if !approved {
            self.settle_payment(buyer, attempt, Outcome::Declined, mutant);
            return At::Answered;
        }
        match self.settle_payment(buyer, attempt, Outcome::Approved, mutant) {
            Settled::Confirmed(Some(id)) => {
                if mutant == Some(Mutant::PromisesBeforeCommit) {
                    self.ghost.promised[buyer] = true;
                    return At::Answered;
                }
                At::Selling { attempt, id }
            }
            Settled::Confirmed(None) => At::Watching,
            Settled::Pending | Settled::Over | Settled::Asked | Settled::Owed => At::Answered,
        }
    }
}

/// A refund of a row, by its number.
fn refund_of(row: crate::state::postgres::Row, refund: u8) -> Option<Refund> {
    row.refunds[usize::from(refund.min(1))]
}
