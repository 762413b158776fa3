//! The payments and refunds of the model.

use super::{
    ClaimNumber, EXTRA_MS, Fee, Model, Outcome, Payment, PaymentNumber, Remains, Reply, Right,
    State, UserNumber, remains, reply,
};
use crate::domain::claim::EndReason;
use crate::domain::ids::SeatId;

impl Model {
    fn own(&self, user: UserNumber, number: ClaimNumber) -> Result<(), Reply> {
        let claim = &self.claims[number];
        if claim.user != user || self.is_forgotten(number) {
            return Err(reply("not_found"));
        }
        match claim.state {
            State::Ended(reason) => {
                Err(reply(if reason == EndReason::Expired { "ended EXPIRED" } else { "ended" }))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn request(&mut self, user: UserNumber, number: ClaimNumber) -> Reply {
        if let Err(refused) = self.own(user, number) {
            return refused;
        }
        if self.claims[number].state != State::Pending {
            return reply("not_pending");
        }
        self.claims[number].payment = Some(self.payments.len());
        self.payments.push(Payment { claim: number, failed: false, asked: false, key: None });
        reply("ready")
    }

    pub(super) fn begin(
        &mut self,
        user: UserNumber,
        number: PaymentNumber,
        wrong: bool,
        key: u8,
    ) -> Reply {
        let claim_number = self.payments[number].claim;
        if let Err(refused) = self.own(user, claim_number) {
            return refused;
        }
        let (claim, payment) = (&mut self.claims[claim_number], &mut self.payments[number]);
        if claim.payment != Some(number) {
            return reply("not_pending");
        }
        if wrong {
            return reply("amount_mismatch");
        }
        let same = payment.key == Some(key);
        match claim.state {
            State::Paying if same => reply("in_progress"),
            State::Confirmed if same => reply("paid"),
            State::Pending if payment.failed => reply("failed"),
            State::Pending => {
                claim.state = State::Paying;
                claim.attempt += 1;
                payment.asked = false;
                payment.key = Some(key);
                reply("begun")
            }
            _ => reply("not_pending"),
        }
    }

    fn is_paying(&self, number: PaymentNumber, attempt: u32) -> bool {
        let claim = &self.claims[self.payments[number].claim];
        claim.payment == Some(number) && claim.state == State::Paying && claim.attempt == attempt
    }

    pub(super) fn ask(&mut self, number: PaymentNumber, attempt: u32) -> Reply {
        if !self.is_paying(number, attempt) {
            return reply("over");
        }
        self.payments[number].asked = true;
        reply("asked")
    }

    pub(super) fn outcome(
        &mut self,
        number: PaymentNumber,
        attempt: u32,
        outcome: Outcome,
    ) -> Reply {
        let now = self.now;
        let paying = self.is_paying(number, attempt);
        let claim = &mut self.claims[self.payments[number].claim];
        if !paying {
            let mine = claim.payment == Some(number);
            return match claim.state {
                State::Confirmed | State::Refunding if mine => reply("confirmed"),
                State::Paying if mine => reply("over"),
                State::Ended(EndReason::Refunded) if mine => reply("over"),
                state => {
                    let pending = mine && state == State::Pending;
                    if outcome == Outcome::Approved {
                        self.payments[number].failed |= pending;
                        return reply("owed");
                    }
                    reply(if pending { "pending" } else { "over" })
                }
            };
        }
        match outcome {
            Outcome::Approved => {
                claim.state = State::Confirmed;
                let user = claim.user;
                let fixture = self.match_of_claim(self.payments[number].claim);
                self.note_purchase(user, fixture);
                return reply("confirmed");
            }
            Outcome::Withdrawn if self.payments[number].asked => return reply("asked"),
            Outcome::Declined => self.payments[number].failed = true,
            Outcome::Withdrawn => claim.deadline = claim.deadline.max(now + EXTRA_MS),
        }
        if claim.deadline > now {
            claim.state = State::Pending;
            reply("pending")
        } else {
            claim.state = State::Ended(EndReason::Expired);
            reply("over")
        }
    }

    pub(super) fn cancel(
        &mut self,
        (user, number): (UserNumber, ClaimNumber),
        seats: &[SeatId],
        right: Right,
        wanted: Option<&Remains>,
    ) -> Reply {
        let forgotten = self.is_forgotten(number);
        let claim = &self.claims[number];
        if claim.user != user || claim.state == State::Hold || forgotten {
            return reply("not_found");
        }
        match claim.state {
            State::Ended(EndReason::Cancelled | EndReason::Refunded) => return reply("cancelled"),
            State::Ended(_) => return reply("not_cancellable"),
            State::Paying => return reply("paying"),
            State::Hold | State::Pending | State::Confirmed | State::Refunding => {}
        }
        let named = |seat: &SeatId| seats.is_empty() || seats.contains(seat);
        let chosen: Vec<SeatId> = claim.seats.iter().copied().filter(named).collect();
        if !seats.is_empty() && chosen.len() != seats.len() {
            let all_back = seats.iter().all(|seat| claim.back.contains(seat));
            return reply(if all_back { "cancelled" } else { "not_yours" });
        }
        let all = chosen.len() == claim.seats.len();
        match claim.state {
            State::Refunding if claim.part == chosen => reply("refunding"),
            State::Refunding => reply("refund_under_way"),
            State::Pending if !all => reply("not_cancellable"),
            State::Pending => {
                self.claims[number].state = State::Ended(EndReason::Cancelled);
                if right == Right::Fan {
                    self.note_given_back(number);
                }
                reply("cancelled")
            }
            _ if remains::differs(wanted, self.remains_of(number, &chosen)) => reply("changed"),
            _ if right == Right::Fan && self.fees.iter().all(|fee| fee.until <= self.now) => {
                reply("refund_closed")
            }
            _ => {
                let part_fee =
                    if right == Right::Waived { 0 } else { self.fee_of(number, &chosen) };
                let claim = &mut self.claims[number];
                claim.part_fee = part_fee;
                claim.state = State::Refunding;
                claim.refund += 1;
                claim.part = chosen;
                reply("refunding")
            }
        }
    }

    /// Rounded down for each seat, and never more than its price.
    fn fee_of(&self, claim: ClaimNumber, seats: &[SeatId]) -> i64 {
        let now = self.fees.iter().find(|fee| self.now < fee.until).or(self.fees.last());
        let Some(Fee { percent, per_seat, .. }) = now else { return 0 };
        let costs = seats.iter().map(|seat| self.cost(claim, &[*seat]));
        costs.map(|cost| (cost * percent / 100 + per_seat).min(cost)).sum()
    }

    pub(super) fn refund(&mut self, number: PaymentNumber, refund: u32, given: bool) -> Reply {
        let claim_number = self.payments[number].claim;
        let part = self.cost(claim_number, &self.claims[claim_number].part);
        let claim = &mut self.claims[claim_number];
        let waits = claim.payment == Some(number) && claim.state == State::Refunding;
        if !waits || claim.refund != refund {
            return reply("unchanged");
        }
        if !given {
            claim.state = State::Confirmed;
        } else if claim.part.len() == claim.seats.len() {
            claim.state = State::Ended(EndReason::Refunded);
        } else {
            claim.state = State::Confirmed;
            claim.seats.retain(|seat| !claim.part.contains(seat));
            claim.amount -= part;
            claim.back.append(&mut claim.part);
            claim.back_fees += claim.part_fee;
        }
        reply("noted")
    }
}
