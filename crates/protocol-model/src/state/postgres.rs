//! PostgreSQL: one transaction of the write-behind worker, in one step. It follows
//! `src/store/{apply,guard,claims,restore}.rs`.

use crate::mutants::Mutant;
use crate::state::redis::{Claim, ClaimState, PaymentState};
use crate::state::{BUYERS, Entry, Fact, Money, Position, Seen, State, Step};

/// The status of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    InProgress,
    Lost,
    Paid,
    Failed,
    Withdrawn,
    Refunded,
}

/// The status of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refund {
    Begun,
    Done,
}

/// The status of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reservation {
    Paying,
    Confirmed,
    Pending,
    Cancelled,
}

/// The row of a payment, with its reservation and its refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub status: Status,
    pub refunding: bool,
    pub attempt: u8,
    pub last: Position,
    pub reservation: Reservation,
    /// By number: the one that is owed, and the one that the buyer asked for.
    pub refunds: [Option<Refund>; 2],
}

/// The rows of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Postgres {
    pub position: Option<Position>,
    /// By buyer: the claim on the seat. The primary key allows one of them.
    pub claims: [bool; BUYERS],
    pub rows: [Option<Row>; BUYERS],
    /// Facts that contradict the rows.
    pub dead_letters: u8,
    /// Approvals of seats that another sale has. They are dead letters, too.
    pub unclaimed: u8,
}

/// What an attempt waits for (`UnsettledState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unsettled {
    Outcome,
    Lost,
    Refund(u8),
}

enum Ruling {
    Follows,
    FollowsWithoutClaim,
    Stale,
    Contradicts,
}

/// `Guard::rule`, for a reservation that has only one payment.
fn rule(known: Option<Row>, step: Step, position: Position) -> Ruling {
    let Some(known) = known else {
        return match step {
            Step::Approved => Ruling::FollowsWithoutClaim,
            Step::Begun
            | Step::Declined
            | Step::Withdrawn
            | Step::Lost
            | Step::RefundOwed
            | Step::RefundBegun
            | Step::Refunded => Ruling::Follows,
        };
    };
    let newer = position > known.last;
    match (step, known.status, known.refunding) {
        (Step::Begun, Status::Withdrawn, _) if newer => Ruling::Follows,
        (Step::Begun, _, _) => Ruling::Stale,
        (Step::Approved, Status::InProgress, _) => Ruling::Follows,
        (Step::Approved, Status::Withdrawn, _) if newer => Ruling::FollowsWithoutClaim,
        (Step::Approved, Status::Failed | Status::Lost, _) if newer => Ruling::Contradicts,
        (Step::Approved, _, _) => Ruling::Stale,
        (Step::Declined | Step::Withdrawn | Step::Lost, Status::InProgress | Status::Lost, _)
            if newer =>
        {
            Ruling::Follows
        }
        (Step::Declined | Step::Withdrawn | Step::Lost, _, _) => Ruling::Stale,
        (Step::RefundOwed, Status::Paid | Status::Refunded, _) => Ruling::Stale,
        (Step::RefundOwed, _, _) => Ruling::Follows,
        (Step::RefundBegun, Status::Paid, false) if newer => Ruling::Follows,
        (Step::RefundBegun, _, _) => Ruling::Stale,
        (Step::Refunded, Status::Refunded, _) => Ruling::Stale,
        (Step::Refunded, _, _) => Ruling::Follows,
    }
}

impl Postgres {
    /// `Fold::claim`.
    fn claim(&mut self, buyer: usize, mutant: Option<Mutant>) -> bool {
        let taken = self.claims[1 - buyer] && mutant != Some(Mutant::NoPrimaryKey);
        self.claims[buyer] |= !taken;
        !taken
    }

    /// `Fold::step`: the row after a step that counts. Returns `false` when an earlier sale has the
    /// seat.
    fn step(&mut self, fact: Fact, position: Position, mutant: Option<Mutant>) -> bool {
        use Reservation::{Cancelled, Confirmed, Paying, Pending};
        let buyer = fact.buyer;
        let claimed = fact.step != Step::Begun || self.claim(buyer, mutant);
        let (reservation, status, refunding) = match fact.step {
            Step::Begun if claimed => (Paying, Status::InProgress, false),
            Step::Begun => (Cancelled, Status::Lost, false),
            Step::Approved => (Confirmed, Status::Paid, false),
            Step::RefundOwed => (Cancelled, Status::Paid, true),
            Step::RefundBegun => (Confirmed, Status::Paid, true),
            Step::Declined => (Pending, Status::Failed, false),
            Step::Withdrawn => (Pending, Status::Withdrawn, false),
            Step::Lost => (Cancelled, Status::Failed, false),
            Step::Refunded => (Cancelled, Status::Refunded, false),
        };
        if matches!(reservation, Pending | Cancelled) {
            self.claims[buyer] = false;
        }
        let before = self.rows[buyer];
        let last = before.map_or(position, |row| row.last.max(position));
        let mut refunds = before.map_or([None; 2], |row| row.refunds);
        let refund = &mut refunds[usize::from(fact.refund)];
        match fact.step {
            Step::RefundOwed | Step::RefundBegun if *refund != Some(Refund::Done) => {
                *refund = Some(Refund::Begun);
            }
            Step::Refunded => *refund = Some(Refund::Done),
            _ => {}
        }
        let attempt = fact.attempt;
        let row = Row { status, refunding, attempt, last, reservation, refunds };
        self.rows[buyer] = match before {
            // The statement that writes payments leaves a refunded one as it is.
            Some(kept) if kept.status == Status::Refunded => {
                Some(Row { reservation, refunds, ..kept })
            }
            _ => Some(row),
        };
        claimed
    }

    /// `Unsettled::from_row`.
    pub fn unsettled(&self, buyer: usize) -> Option<(u8, Unsettled)> {
        let row = self.rows[buyer]?;
        let begun = |number: usize| row.refunding && row.refunds[number] == Some(Refund::Begun);
        let state = match row.status {
            _ if begun(0) => Unsettled::Refund(0),
            _ if begun(1) => Unsettled::Refund(1),
            Status::Lost => Unsettled::Lost,
            Status::InProgress => Unsettled::Outcome,
            _ if row.refunding => Unsettled::Outcome,
            Status::Paid | Status::Failed | Status::Withdrawn | Status::Refunded => return None,
        };
        Some((row.attempt, state))
    }

    /// The claims that a load takes to Redis (`Store::claimed_reservations`, `load.rs: record`).
    pub fn kept(&self, mutant: Option<Mutant>) -> [Option<Claim>; BUYERS] {
        let record = |row: Option<Row>| {
            let row = row?;
            let refund = u8::from(row.refunds[1].is_some());
            let asked = match mutant {
                Some(Mutant::LoadedIsNotAsked) => PaymentState::InProgress,
                _ => PaymentState::Asked,
            };
            let (state, payment) = match (row.reservation, row.refunding) {
                (Reservation::Paying, _) => (ClaimState::Paying, asked),
                (Reservation::Confirmed, true) => (ClaimState::Refunding, PaymentState::Paid),
                (Reservation::Confirmed, false) => (ClaimState::Confirmed, PaymentState::Paid),
                (Reservation::Pending | Reservation::Cancelled, _) => return None,
            };
            Some(Claim { state, payment, attempt: row.attempt, refund })
        };
        match mutant {
            Some(Mutant::LoadsNoClaims) => [None; BUYERS],
            _ => self.rows.map(record),
        }
    }
}

impl State {
    /// `Store::apply`: `None` when the position has moved. Entries of an earlier epoch keep their
    /// position (`was`).
    pub fn apply(
        &mut self,
        from: Position,
        entries: &[Entry],
        epoch: u8,
        mutant: Option<Mutant>,
    ) -> Option<[bool; BUYERS]> {
        if self.postgres.position != Some(from) && mutant != Some(Mutant::NoPosition) {
            self.see(Seen::Moved);
            return None;
        }
        let mut lost = [false; BUYERS];
        for Entry { id, fact } in entries {
            let position = Position { epoch, id: *id };
            let claimed = match rule(self.postgres.rows[fact.buyer], fact.step, position) {
                Ruling::Follows => self.postgres.step(*fact, position, mutant),
                Ruling::FollowsWithoutClaim if self.postgres.claim(fact.buyer, mutant) => {
                    self.postgres.step(*fact, position, mutant)
                }
                Ruling::FollowsWithoutClaim => {
                    self.postgres.unclaimed += 1;
                    continue;
                }
                Ruling::Contradicts => {
                    self.postgres.dead_letters += 1;
                    continue;
                }
                Ruling::Stale => {
                    self.see(Seen::Stale);
                    continue;
                }
            };
            if !claimed {
                self.see(Seen::Conflict);
                lost[fact.buyer] = true;
            }
        }
        let last = entries.last().map_or(0, |entry| entry.id);
        self.postgres.position = Some(Position { id: from.id.max(last), ..from });
        Some(lost)
    }

    /// `Store::begin_epoch`.
    pub fn begin_epoch(&mut self, epoch: u8) {
        if self.postgres.position.is_none_or(|position| position.epoch < epoch) {
            self.postgres.position = Some(Position { epoch, id: 0 });
        }
    }

    /// `grandstand restore`: what Redis has is written to PostgreSQL.
    pub fn restore(&mut self, upto: Position, mutant: Option<Mutant>) {
        let claims = self.redis.claims;
        let live = claims.map(|claim| claim.filter(|claim| claim.state != ClaimState::Pending));
        let kept = self.postgres.kept(None);
        let mut steps: Vec<Fact> = vec![];
        for buyer in 0..BUYERS {
            let (Some(row), Some(there), None) =
                (self.postgres.rows[buyer], kept[buyer], live[buyer])
            else {
                continue;
            };
            let fact = |step| Fact { step, buyer, attempt: row.attempt, refund: 0 };
            let resold = live[1 - buyer].is_some();
            match (there.state, self.gateway.money[buyer]) {
                (ClaimState::Paying, _) => {
                    self.postgres.claims[buyer] = false;
                    let over = Row { reservation: Reservation::Cancelled, ..row };
                    self.postgres.rows[buyer] = Some(over);
                }
                (_, Money::Back) => {
                    self.postgres.claims[buyer] = false;
                    steps.push(Fact { refund: there.refund.max(1), ..fact(Step::Refunded) });
                }
                (_, _) if resold => {
                    self.postgres.claims[buyer] = false;
                    steps.push(fact(Step::RefundOwed));
                }
                (_, _) => {}
            }
        }
        for (buyer, claim) in live.iter().enumerate() {
            let Some(claim) = *claim else { continue };
            let agrees = kept[buyer]
                .is_some_and(|kept| kept.state == claim.state && kept.attempt == claim.attempt);
            if agrees {
                continue;
            }
            self.postgres.claims[buyer] = false;
            let fact = |step, refund| Fact { step, buyer, attempt: claim.attempt, refund };
            match claim.state {
                ClaimState::Pending => {}
                ClaimState::Paying => steps.push(fact(Step::Begun, 0)),
                ClaimState::Confirmed if mutant == Some(Mutant::RestoreAsksAgain) => {
                    steps.push(fact(Step::Begun, 0));
                }
                ClaimState::Confirmed => steps.push(fact(Step::Approved, 0)),
                ClaimState::Refunding => {
                    steps.push(fact(Step::Approved, 0));
                    steps.push(fact(Step::RefundBegun, claim.refund));
                }
            }
        }
        for fact in steps {
            // Without asking what PostgreSQL knows of these payments. An approval claims the seat.
            if fact.step == Step::Approved {
                self.postgres.claim(fact.buyer, None);
            }
            self.postgres.step(fact, upto, None);
        }
        self.postgres.position = Some(upto);
        self.ghost.database_lost = false;
        self.see(Seen::Restored);
    }
}
