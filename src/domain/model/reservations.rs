//! The reservations of the model: out of a hold, or of seats of several holds.

use super::{ClaimNumber, Model, Remains, Reply, State, UserNumber, remains, reply, with};
use crate::domain::claim::EndReason;
use crate::domain::ids::SeatId;

impl Model {
    pub(super) fn reserve_hold(&mut self, user: UserNumber, number: ClaimNumber) -> Reply {
        let hold = &self.claims[number];
        if !hold.hold {
            return reply("not_found");
        }
        if hold.user != user {
            return reply("not_yours");
        }
        match hold.state {
            State::Hold => {}
            State::Ended(reason) if reason != EndReason::Reserved => return reply("expired"),
            _ => return reply("already_reserved"),
        }
        let (seats, bill) = (hold.seats.clone(), hold.bill.clone());
        self.take_out(&seats);
        self.make(user, State::Pending, &seats, bill);
        with("reserved", &seats)
    }

    pub(super) fn reserve_seats(
        &mut self,
        user: UserNumber,
        seats: &[SeatId],
        wanted: Option<&Remains>,
    ) -> Reply {
        let (mut lost, mut foreign, mut reserved) = (vec![], false, false);
        for &seat in seats {
            if self.letter(seat) == b'A' {
                lost.push(seat);
                continue;
            }
            match self.owner(seat).map(|number| &self.claims[number]) {
                Some(claim) if claim.user == user => reserved |= claim.state != State::Hold,
                _ => foreign = true,
            }
        }
        if foreign {
            return reply("not_yours");
        }
        if reserved {
            return reply("already_reserved");
        }
        if !lost.is_empty() {
            return with("expired", &lost);
        }
        if remains::differs(wanted, self.remains_of_holds(user, seats)) {
            return reply("changed");
        }
        let bill = self.lines(seats);
        self.take_out(seats);
        self.make(user, State::Pending, seats, bill);
        with("reserved", seats)
    }

    fn take_out(&mut self, seats: &[SeatId]) {
        for seat in seats {
            let Some(number) = self.owner(*seat) else { continue };
            let cost = self.cost(number, &[*seat]);
            let hold = &mut self.claims[number];
            hold.amount -= cost;
            if hold.seats.len() == 1 {
                hold.state = State::Ended(EndReason::Reserved);
                self.note_given_back(number);
            } else {
                hold.seats.retain(|other| other != seat);
            }
        }
    }
}
