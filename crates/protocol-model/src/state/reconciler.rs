//! The reconciler, the comparison of charges, and the search for orphans. It follows
//! `src/workers/{reconcile,charges,orphans}.rs` and `src/checkout/{resume,settle}.rs`.

use crate::mutants::Mutant;
use crate::state::call::{At, Reply, Turn};
use crate::state::postgres::{Refund, Status, Unsettled};
use crate::state::redis::{ClaimState, Outcome, Seat, Settled};
use crate::state::worker::Work;
use crate::state::{Money, Seen, State, Step};

/// Facts about a payment that PostgreSQL does not have. With as many, no new run begins.
const FACTS_MAX: usize = 1;
/// The same for all its facts in the journal, whose ids are below the position of PostgreSQL when
/// the clock of Redis is behind.
const KEPT_MAX: usize = 4;

/// One run over a payment. It may pause between any two steps, also when its worker has lost its
/// lease meanwhile, because no lease protects these steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reconciler {
    Idle,
    /// The row waits. `newest`: the end of the journal, read before the row.
    Row {
        buyer: usize,
        attempt: u8,
        what: Unsettled,
        newest: u16,
    },
    /// No fact was missed.
    Found {
        buyer: usize,
        attempt: u8,
        what: Unsettled,
    },
    /// The gateway has the payment, and nothing is charged.
    ToCharge {
        buyer: usize,
        attempt: u8,
    },
    /// Redis knows that the gateway will be asked.
    Asked {
        buyer: usize,
        attempt: u8,
    },
    Decided {
        buyer: usize,
        attempt: u8,
        approved: bool,
    },
    GivingBack {
        buyer: usize,
        attempt: u8,
        refund: u8,
    },
    GivenBack {
        buyer: usize,
        attempt: u8,
        refund: u8,
    },
    /// The end goes to the journal.
    Recording {
        buyer: usize,
        attempt: u8,
        step: Step,
        refund: u8,
    },
    /// The gateway has money for a row that has failed.
    Late {
        buyer: usize,
        attempt: u8,
    },
}

impl State {
    /// The payments that an idle reconciler may look at.
    pub fn reconcilable(&self, buyer: usize) -> bool {
        let owned = self.workers.iter().any(|worker| worker.work != Work::Idle);
        let waits = self.postgres.unsettled(buyer).is_some();
        owned && self.redis.open && waits && self.has_few_facts(buyer)
    }

    /// A run that is repeated while PostgreSQL is behind writes the same fact once more. The model
    /// stops that, because the journal would grow without an end.
    fn has_few_facts(&self, buyer: usize) -> bool {
        let position = self.postgres.position.unwrap_or_default();
        let facts = |after: u16| {
            let entries = self.redis.read(after);
            entries.iter().filter(|entry| entry.fact.buyer == buyer).count()
        };
        facts(position.id) < FACTS_MAX && facts(0) < KEPT_MAX
    }

    /// `charges_once` would look this payment up, and find money that its row does not have.
    pub fn sweepable(&self, buyer: usize) -> bool {
        let Some(row) = self.postgres.rows[buyer] else { return false };
        let has_ended = matches!(row.status, Status::Failed | Status::Withdrawn | Status::Refunded);
        let charged = self.gateway.money[buyer] == Money::Charged;
        self.redis.open
            && !self.redis.halted
            && has_ended
            && charged
            && !row.refunding
            && self.has_few_facts(buyer)
    }

    /// An idle reconciler reads the row of a payment.
    pub fn reconcile(&mut self, run: usize, buyer: usize) {
        if let Some((attempt, what)) = self.postgres.unsettled(buyer) {
            let newest = self.redis.newest();
            self.reconcilers[run] = Reconciler::Row { buyer, attempt, what, newest };
        }
    }

    /// The comparison of charges finds a payment.
    pub fn sweep(&mut self, run: usize, buyer: usize) {
        let Some(row) = self.postgres.rows[buyer] else { return };
        let attempt = row.attempt;
        self.reconcilers[run] = match row.status {
            // Money that went back before, and is there again.
            Status::Refunded => Reconciler::GivingBack { buyer, attempt, refund: 0 },
            _ => Reconciler::Late { buyer, attempt },
        };
    }

    /// The turns that a run may take now. All but the calls to the gateway need Redis.
    pub fn resume_turns(&self, run: usize) -> Vec<Turn> {
        match self.reconcilers[run] {
            Reconciler::Idle => vec![],
            Reconciler::Asked { .. } => self.gateway_turns().collect(),
            Reconciler::GivingBack { .. } => {
                self.gateway_turns().filter(|turn| *turn != Turn::Declined).collect()
            }
            _ if self.redis.open => vec![Turn::Go],
            _ => vec![],
        }
    }

    /// The next step of a run.
    pub fn resume(&mut self, run: usize, turn: Turn, mutant: Option<Mutant>) {
        self.reconcilers[run] = match self.reconcilers[run] {
            Reconciler::Idle => Reconciler::Idle,
            Reconciler::Row { buyer, attempt, what, newest } => {
                let has_all = self.postgres.position.is_some_and(|at| at.id >= newest);
                let missed = what == Unsettled::Outcome && has_all;
                match missed && self.tell_outcome(buyer, attempt) {
                    true => Reconciler::Idle,
                    false => Reconciler::Found { buyer, attempt, what },
                }
            }
            Reconciler::Found { buyer, attempt, what } => self.found(buyer, attempt, what, mutant),
            Reconciler::ToCharge { buyer, attempt } => {
                let asked = mutant == Some(Mutant::NoMarkAsked) || self.mark_asked(buyer, attempt);
                match asked {
                    true => Reconciler::Asked { buyer, attempt },
                    false => Reconciler::Decided { buyer, attempt, approved: false },
                }
            }
            Reconciler::Asked { buyer, attempt } => match self.charge(buyer, attempt, turn) {
                Reply::Approved => {
                    self.see(Seen::Resumed);
                    Reconciler::Decided { buyer, attempt, approved: true }
                }
                Reply::Declined => Reconciler::Decided { buyer, attempt, approved: false },
                Reply::Unknown => Reconciler::Idle,
            },
            Reconciler::Decided { buyer, attempt, approved } => {
                self.decide(buyer, attempt, approved, mutant)
            }
            Reconciler::GivingBack { buyer, attempt, refund } => {
                match self.give_back(buyer, turn) {
                    true => Reconciler::GivenBack { buyer, attempt, refund },
                    false => Reconciler::Idle,
                }
            }
            Reconciler::GivenBack { buyer, attempt, refund } => {
                match refund > 0 && self.settle_refund(buyer, refund) {
                    true => Reconciler::Idle,
                    false => Reconciler::Recording { buyer, attempt, step: Step::Refunded, refund },
                }
            }
            Reconciler::Recording { buyer, attempt, step, refund } => {
                self.record_orphan(step, buyer, attempt, refund);
                Reconciler::Idle
            }
            Reconciler::Late { buyer, attempt } => {
                self.settle_payment(buyer, attempt, Outcome::Approved, mutant);
                Reconciler::Idle
            }
        };
    }

    fn found(
        &mut self,
        buyer: usize,
        attempt: u8,
        what: Unsettled,
        mutant: Option<Mutant>,
    ) -> Reconciler {
        match (what, self.gateway.money[buyer]) {
            (Unsettled::Outcome, Money::Charged) => {
                Reconciler::Decided { buyer, attempt, approved: true }
            }
            (Unsettled::Outcome, Money::Agreed) => Reconciler::ToCharge { buyer, attempt },
            (Unsettled::Outcome, Money::Back | Money::Declined) => {
                Reconciler::Decided { buyer, attempt, approved: false }
            }
            (Unsettled::Lost, _) => {
                self.settle_payment(buyer, attempt, Outcome::Lost, mutant);
                Reconciler::Recording { buyer, attempt, step: Step::Lost, refund: 0 }
            }
            (Unsettled::Refund(refund), Money::Back) => {
                Reconciler::GivenBack { buyer, attempt, refund }
            }
            (Unsettled::Refund(refund), _) => Reconciler::GivingBack { buyer, attempt, refund },
        }
    }

    /// `Resumption::settle`.
    fn decide(
        &mut self,
        buyer: usize,
        attempt: u8,
        approved: bool,
        mutant: Option<Mutant>,
    ) -> Reconciler {
        let outcome = if approved { Outcome::Approved } else { Outcome::Declined };
        match self.settle_payment(buyer, attempt, outcome, mutant) {
            Settled::Confirmed(_) | Settled::Pending => Reconciler::Idle,
            Settled::Owed if mutant == Some(Mutant::RefundsAtOnce) => {
                Reconciler::GivingBack { buyer, attempt, refund: 0 }
            }
            // PostgreSQL decides, and a later run finds the row of the refund.
            Settled::Owed => Reconciler::Idle,
            Settled::Over | Settled::Asked if approved => Reconciler::Idle,
            Settled::Over | Settled::Asked => {
                Reconciler::Recording { buyer, attempt, step: Step::Declined, refund: 0 }
            }
        }
    }

    /// Whether a search for orphans settles the payment of a buyer. A call that waits for its claim
    /// gives up long before the second search.
    pub fn is_orphan(&self, buyer: usize) -> bool {
        let begins = |at: At| matches!(at, At::Waiting { .. } | At::Charging { .. });
        let at_work = self.calls.iter().any(|call| call.buyer == buyer && begins(call.at));
        self.has_all_facts() && !at_work && self.orphan_step(buyer).is_some()
    }

    /// PostgreSQL has each fact of the journal.
    pub fn has_all_facts(&self) -> bool {
        let newest = self.redis.newest();
        self.redis.open
            && self
                .postgres
                .position
                .is_some_and(|at| at.epoch == self.redis.epoch && at.id >= newest)
    }

    /// What a search would do: settle with an outcome, or (`None`) tell something again.
    fn orphan_step(&self, buyer: usize) -> Option<Option<Outcome>> {
        let claim = self.redis.claims[buyer]?;
        let row = self.postgres.rows[buyer];
        let status = row.map(|row| row.status);
        match claim.state {
            ClaimState::Pending => None,
            ClaimState::Paying => match status {
                Some(Status::InProgress | Status::Lost) => None,
                Some(Status::Paid | Status::Refunded)
                    if row.is_some_and(|row| row.attempt == claim.attempt) =>
                {
                    Some(Some(Outcome::Approved))
                }
                _ => Some(Some(Outcome::Withdrawn)),
            },
            ClaimState::Confirmed | ClaimState::Refunding => match status {
                None | Some(Status::InProgress | Status::Lost) => Some(None),
                Some(Status::Paid | Status::Refunded) => {
                    let missed = claim.state == ClaimState::Refunding
                        && row.is_some_and(|row| !row.refunding && row.refunds[1].is_none());
                    missed.then_some(None)
                }
                Some(Status::Failed | Status::Withdrawn) => None,
            },
        }
    }

    /// A search for orphans.
    pub fn search_orphans(&mut self, buyer: usize, mutant: Option<Mutant>) {
        let Some(claim) = self.redis.claims[buyer] else { return };
        self.see(Seen::Orphan);
        match self.orphan_step(buyer) {
            Some(Some(outcome)) => {
                let settled = self.settle_payment(buyer, claim.attempt, outcome, mutant);
                if settled == Settled::Asked {
                    self.tell_begin(buyer);
                }
            }
            Some(None) => {
                let kept = self.postgres.rows[buyer].map(|row| row.status);
                match kept {
                    Some(Status::Paid | Status::Refunded) => self.tell_begin(buyer),
                    _ => self.tell_outcome(buyer, claim.attempt),
                };
            }
            None => {}
        }
    }

    /// Whether a search for orphans frees the seat.
    pub fn is_unowned_seat(&self) -> bool {
        let unowned = match self.redis.seat {
            Seat::Free => false,
            Seat::Of(buyer) => self.redis.claims[buyer].is_none(),
            Seat::Sold => true,
        };
        unowned && self.has_all_facts() && self.postgres.claims == [false; 2]
    }

    /// Whether money waits to go back.
    pub fn is_owed(&self, buyer: usize) -> bool {
        let row = self.postgres.rows[buyer];
        row.is_some_and(|row| row.refunding && row.refunds.contains(&Some(Refund::Begun)))
    }
}
