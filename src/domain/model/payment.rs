//! The part of the model that is about money.

use super::{
    ClaimNumber, EXTRA_MS, Model, Outcome, Payment, PaymentNumber, Reply, State, UserNumber, reply,
};

impl Model {
    fn own(&self, user: UserNumber, number: ClaimNumber) -> Result<(), Reply> {
        let claim = &self.claims[number];
        if claim.user != user {
            return Err(reply("not_found"));
        }
        match claim.state {
            State::Ended(reason) => {
                Err(reply(if reason == "EXPIRED" { "ended EXPIRED" } else { "ended" }))
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
        self.payments.push(Payment { claim: number, failed: false, key: None });
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
                payment.key = Some(key);
                reply("begun")
            }
            _ => reply("not_pending"),
        }
    }

    pub(super) fn outcome(&mut self, number: PaymentNumber, outcome: Outcome) -> Reply {
        let now = self.now;
        let claim = &mut self.claims[self.payments[number].claim];
        if claim.payment != Some(number) {
            return reply("over");
        }
        match claim.state {
            State::Ended(_) => return reply("over"),
            State::Confirmed | State::Refunding => return reply("confirmed"),
            State::Hold | State::Pending => return reply("pending"),
            State::Paying => {}
        }
        match outcome {
            Outcome::Approved => {
                claim.state = State::Confirmed;
                return reply("confirmed");
            }
            Outcome::Declined => self.payments[number].failed = true,
            Outcome::Withdrawn => claim.deadline = claim.deadline.max(now + EXTRA_MS),
        }
        if claim.deadline > now {
            claim.state = State::Pending;
            reply("pending")
        } else {
            claim.state = State::Ended("EXPIRED");
            reply("over")
        }
    }

    pub(super) fn cancel(&mut self, user: UserNumber, number: ClaimNumber) -> Reply {
        let claim = &mut self.claims[number];
        if claim.user != user || claim.state == State::Hold {
            return reply("not_found");
        }
        match claim.state {
            State::Ended("CANCELLED" | "REFUNDED") => reply("cancelled"),
            State::Ended(_) => reply("not_cancellable"),
            State::Paying => reply("paying"),
            State::Pending => {
                claim.state = State::Ended("CANCELLED");
                reply("cancelled")
            }
            State::Hold | State::Confirmed | State::Refunding => {
                claim.state = State::Refunding;
                reply("refunding")
            }
        }
    }

    pub(super) fn refund(&mut self, number: PaymentNumber, given: bool) -> Reply {
        let claim = &mut self.claims[self.payments[number].claim];
        if claim.payment != Some(number) || claim.state != State::Refunding {
            return reply("unchanged");
        }
        claim.state = if given { State::Ended("REFUNDED") } else { State::Confirmed };
        reply("noted")
    }
}
