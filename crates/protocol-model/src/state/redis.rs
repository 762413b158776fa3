//! Redis: the scripts of a partition, each in one step. Names and order follow `lua/seat`.

use crate::mutants::Mutant;
use crate::state::{BUYERS, Entry, Fact, ID_STEP, Position, Seen, State, Step};

/// The state of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClaimState {
    Pending,
    Paying,
    Confirmed,
    Refunding,
}

/// How far the payment of a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentState {
    Ready,
    InProgress,
    Asked,
    Paid,
    Failed,
}

/// The reservation of a buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    pub state: ClaimState,
    pub payment: PaymentState,
    pub attempt: u8,
    pub refund: u8,
}

/// Why a claim is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    Expired,
    Lost,
    Refunded,
}

/// The seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seat {
    Free,
    Of(usize),
    /// It shows as sold, and Redis does not know to whom.
    Sold,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redis {
    pub open: bool,
    /// 0: Redis never had the partition.
    pub epoch: u8,
    pub committed: u16,
    pub halted: bool,
    pub seat: Seat,
    pub claims: [Option<Claim>; BUYERS],
    pub ended: [Option<Ended>; BUYERS],
    pub journal: Vec<Entry>,
    /// The last id, when the clock of this server is behind.
    pub behind: Option<u16>,
    /// The token of the lease; 0: nobody has it.
    pub lease: u8,
}

/// The outcome of an attempt, for `settle_payment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Approved,
    Declined,
    Withdrawn,
    Lost,
}

/// The reply of `settle_payment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// With the id of the entry that was written now.
    Confirmed(Option<u16>),
    Pending,
    Over,
    Asked,
    Owed,
}

/// The reply of `begin_payment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    Now { attempt: u8, id: u16 },
    InProgress,
    Paid,
    Refused,
}

impl Redis {
    /// A server without any data.
    pub fn empty() -> Self {
        Self {
            open: false,
            epoch: 0,
            committed: 0,
            halted: false,
            seat: Seat::Free,
            claims: [None; BUYERS],
            ended: [None; BUYERS],
            journal: vec![],
            behind: None,
            lease: 0,
        }
    }

    /// `PartitionState::told`: how far PostgreSQL must be.
    pub fn told(&self) -> Option<Position> {
        (self.epoch > 0).then_some(Position { epoch: self.epoch, id: self.committed })
    }

    /// `Engine::journal_has`.
    pub fn journal_has(&self, id: u16) -> bool {
        id == 0 || self.journal.iter().any(|entry| entry.id == id)
    }

    /// `Engine::journal_newest`.
    pub fn newest(&self) -> u16 {
        self.journal.last().map_or(0, |entry| entry.id)
    }

    /// The entries behind a position.
    pub fn read(&self, after: u16) -> Vec<Entry> {
        self.journal.iter().copied().filter(|entry| entry.id > after).collect()
    }

    fn is_paying(&self, buyer: usize, attempt: u8) -> bool {
        self.claims[buyer]
            .is_some_and(|claim| claim.state == ClaimState::Paying && claim.attempt == attempt)
    }

    fn end(&mut self, buyer: usize, reason: Ended) {
        self.claims[buyer] = None;
        self.ended[buyer] = Some(reason);
        self.seat = Seat::Free;
    }
}

impl State {
    fn write_fact(&mut self, step: Step, buyer: usize, attempt: u8, refund: u8) -> u16 {
        let id = match &mut self.redis.behind {
            Some(last) => {
                *last += 1;
                *last
            }
            None => self.time / ID_STEP * ID_STEP + ID_STEP,
        };
        self.time = self.time.max(id);
        let fact = Fact { step, buyer, attempt, refund };
        self.redis.journal.push(Entry { id, fact });
        id
    }

    fn write_claim(&mut self, step: Step, buyer: usize) -> u16 {
        let claim = self.redis.claims[buyer].expect("a claim that writes a fact");
        self.write_fact(step, buyer, claim.attempt, claim.refund)
    }

    /// A hold that became a reservation, in one step.
    pub fn reserve(&mut self, buyer: usize) {
        self.ghost.reserved[buyer] = true;
        let tries_again = self.calls.iter().any(|call| call.buyer == buyer && call.left > 0);
        if tries_again && self.ghost.reserved[1 - buyer] {
            self.see(Seen::SecondTriesAgain);
        }
        self.redis.seat = Seat::Of(buyer);
        self.redis.claims[buyer] = Some(Claim {
            state: ClaimState::Pending,
            payment: PaymentState::Ready,
            attempt: 0,
            refund: 0,
        });
    }

    /// The deadline of a PENDING reservation passes.
    pub fn expire(&mut self, buyer: usize) {
        self.redis.end(buyer, Ended::Expired);
    }

    /// `begin_payment`.
    pub fn begin_payment(&mut self, buyer: usize) -> Begun {
        let halted = self.redis.halted;
        let Some(claim) = &mut self.redis.claims[buyer] else { return Begun::Refused };
        match claim.state {
            ClaimState::Paying => return Begun::InProgress,
            ClaimState::Confirmed => return Begun::Paid,
            ClaimState::Refunding => return Begun::Refused,
            ClaimState::Pending => {}
        }
        if claim.payment == PaymentState::Failed || halted {
            return Begun::Refused;
        }
        claim.attempt += 1;
        claim.state = ClaimState::Paying;
        claim.payment = PaymentState::InProgress;
        let attempt = claim.attempt;
        Begun::Now { attempt, id: self.write_claim(Step::Begun, buyer) }
    }

    /// `mark_asked`.
    pub fn mark_asked(&mut self, buyer: usize, attempt: u8) -> bool {
        if !self.redis.is_paying(buyer, attempt) {
            return false;
        }
        if let Some(claim) = &mut self.redis.claims[buyer] {
            claim.payment = PaymentState::Asked;
        }
        true
    }

    /// `settle_payment`.
    pub fn settle_payment(
        &mut self,
        buyer: usize,
        attempt: u8,
        outcome: Outcome,
        mutant: Option<Mutant>,
    ) -> Settled {
        let Some(mut claim) = self.redis.claims[buyer].filter(|claim| {
            claim.state == ClaimState::Paying
                && (claim.attempt == attempt || mutant == Some(Mutant::AnyAttemptSettles))
        }) else {
            return self.settle_other(buyer, attempt, outcome, mutant);
        };
        let is_asked = claim.payment == PaymentState::Asked;
        if outcome == Outcome::Withdrawn && is_asked && mutant != Some(Mutant::AskedIsWithdrawn) {
            self.see(Seen::Asked);
            return Settled::Asked;
        }
        let (state, payment, step) = match outcome {
            Outcome::Approved => (ClaimState::Confirmed, PaymentState::Paid, Step::Approved),
            Outcome::Withdrawn => (ClaimState::Pending, PaymentState::Ready, Step::Withdrawn),
            Outcome::Declined => (ClaimState::Pending, PaymentState::Failed, Step::Declined),
            Outcome::Lost => (ClaimState::Pending, PaymentState::Failed, Step::Lost),
        };
        (claim.state, claim.payment) = (state, payment);
        self.redis.claims[buyer] = Some(claim);
        let id = self.write_claim(step, buyer);
        match outcome {
            Outcome::Approved => Settled::Confirmed(Some(id)),
            Outcome::Lost => {
                self.redis.end(buyer, Ended::Lost);
                self.redis.seat = Seat::Sold;
                Settled::Over
            }
            Outcome::Withdrawn => {
                self.see(Seen::Withdrawn);
                Settled::Pending
            }
            Outcome::Declined => Settled::Pending,
        }
    }

    /// `settle_payment` of an attempt for which the reservation does not wait.
    fn settle_other(
        &mut self,
        buyer: usize,
        attempt: u8,
        outcome: Outcome,
        mutant: Option<Mutant>,
    ) -> Settled {
        let claim = self.redis.claims[buyer];
        let state = claim.map(|claim| claim.state);
        if matches!(state, Some(ClaimState::Confirmed | ClaimState::Refunding)) {
            return Settled::Confirmed(None);
        }
        let refunded = claim.is_none() && self.redis.ended[buyer] == Some(Ended::Refunded);
        let begun_again = state == Some(ClaimState::Paying);
        if outcome != Outcome::Approved || refunded || begun_again {
            return match state {
                Some(ClaimState::Pending) => Settled::Pending,
                _ => Settled::Over,
            };
        }
        if let Some(claim) = &mut self.redis.claims[buyer] {
            claim.payment = PaymentState::Failed;
        }
        self.see(Seen::Owed);
        if mutant != Some(Mutant::RefundLost) {
            self.write_fact(Step::RefundOwed, buyer, attempt, 0);
        }
        Settled::Owed
    }

    /// `record_orphan`.
    pub fn record_orphan(&mut self, step: Step, buyer: usize, attempt: u8, refund: u8) -> bool {
        let known = self.redis.claims[buyer].is_some_and(|c| c.state != ClaimState::Pending);
        if !known {
            self.write_fact(step, buyer, attempt, refund);
        }
        !known
    }

    /// `tell_again` of the begin of a payment or of a refund.
    pub fn tell_begin(&mut self, buyer: usize) -> bool {
        let step = match self.redis.claims[buyer].map(|claim| claim.state) {
            Some(ClaimState::Paying) => Step::Begun,
            Some(ClaimState::Refunding) => Step::RefundBegun,
            Some(ClaimState::Pending | ClaimState::Confirmed) | None => return false,
        };
        self.see(Seen::Told);
        self.write_claim(step, buyer);
        true
    }

    /// `tell_again` of the outcome of an attempt.
    pub fn tell_outcome(&mut self, buyer: usize, attempt: u8) -> bool {
        let Some(claim) = self.redis.claims[buyer] else { return false };
        if claim.state == ClaimState::Paying || claim.attempt < attempt {
            return false;
        }
        self.see(Seen::Told);
        match (claim.state, claim.payment) {
            (ClaimState::Confirmed, _) => {
                self.write_fact(Step::Approved, buyer, claim.attempt, 0);
            }
            (ClaimState::Refunding, _) => {
                self.write_fact(Step::Approved, buyer, claim.attempt, 0);
                self.write_claim(Step::RefundBegun, buyer);
            }
            (_, PaymentState::Ready) => {
                self.write_claim(Step::Withdrawn, buyer);
            }
            _ => {
                self.write_claim(Step::Declined, buyer);
            }
        }
        true
    }

    /// `cancel` of a sale: the id of the entry, or `None` for a refund that is under way.
    pub fn begin_refund(&mut self, buyer: usize) -> Option<(u8, Option<u16>)> {
        let claim = self.redis.claims[buyer].as_mut()?;
        match claim.state {
            ClaimState::Pending | ClaimState::Paying => None,
            ClaimState::Refunding => Some((claim.refund, None)),
            ClaimState::Confirmed => {
                claim.refund += 1;
                claim.state = ClaimState::Refunding;
                let refund = claim.refund;
                Some((refund, Some(self.write_claim(Step::RefundBegun, buyer))))
            }
        }
    }

    /// `settle_refund` of money that is back. Returns whether the reservation waited for it.
    pub fn settle_refund(&mut self, buyer: usize, refund: u8) -> bool {
        let waits = self.redis.claims[buyer]
            .is_some_and(|claim| claim.state == ClaimState::Refunding && claim.refund == refund);
        if waits {
            self.write_claim(Step::Refunded, buyer);
            self.redis.end(buyer, Ended::Refunded);
        }
        waits
    }

    /// `journal_told`: `false` when the lease or the epoch has ended, or Redis knows better.
    pub fn announce(
        &mut self,
        token: u8,
        upto: Position,
        lost: [bool; BUYERS],
        m: Option<Mutant>,
    ) -> bool {
        if self.redis.lease != token && m != Some(Mutant::NoFence) {
            self.see(Seen::Fenced);
            return false;
        }
        if self.redis.epoch != upto.epoch || upto.id < self.redis.committed {
            return false;
        }
        self.redis.journal.retain(|entry| entry.id >= upto.id);
        self.redis.committed = upto.id;
        if self.heard.upto.epoch != upto.epoch {
            self.heard = Default::default();
        }
        self.heard.upto = self.heard.upto.max(upto);
        for (heard, lost) in self.heard.lost.iter_mut().zip(lost) {
            *heard |= lost;
        }
        true
    }
}
