//! A second, independent implementation of the seat commands, without batches, keys or streams.
//! Tests run random commands on it and on the scripts and compare the results (the idea of
//! TigerBeetle's auditor). Nothing at run time uses it.
//!
//! It knows bills and what must remain of claims. It does not know units, areas without seats and
//! companion seats, because the scripts do not know them either: a node checks these rules
//! (`domain/choosing.rs`) and gives the scripts seats, a bill, and what must remain.

mod command;
mod conduct;
mod cost;
mod payment;
mod remains;
mod reservations;

pub use command::{
    ClaimNumber, Command, Fee, Outcome, PaymentNumber, Remains, Reply, Right, UserNumber,
};
pub use conduct::Bounds;

use crate::domain::claim::EndReason;
use crate::domain::ids::SeatId;
use conduct::Conduct;
use std::collections::{BTreeMap, BTreeSet};

/// State of a claim; `Ended` with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Hold,
    Pending,
    Paying,
    Confirmed,
    Refunding,
    Ended(EndReason),
}

type Bill = BTreeMap<SeatId, i64>;

/// A claim of the model.
#[derive(Debug, Clone)]
pub struct Claim {
    pub user: UserNumber,
    /// Whether it is a hold; the id of a reservation is not accepted for a hold.
    hold: bool,
    pub state: State,
    pub deadline: i64,
    pub seats: Vec<SeatId>,
    pub amount: i64,
    /// What its seats cost, when the match had a price list at the hold.
    pub bill: Bill,
    pub payment: Option<PaymentNumber>,
    /// How many attempts to pay have begun.
    pub attempt: u32,
    /// How many refunds have begun; the last one is for `part`.
    pub refund: u32,
    pub part: Vec<SeatId>,
    back: Vec<SeatId>,
    /// The fee of the refund under way, and those of earlier ones, in KRW.
    pub part_fee: i64,
    pub back_fees: i64,
}

#[derive(Debug, Clone)]
struct Payment {
    claim: ClaimNumber,
    failed: bool,
    asked: bool,
    key: Option<u8>,
}

/// The state of all seats and claims.
#[derive(Debug, Clone)]
pub struct Model {
    pub now: i64,
    pub claims: Vec<Claim>,
    payments: Vec<Payment>,
    pub blocked: BTreeSet<SeatId>,
    /// Who has released which seat by its name.
    released: BTreeSet<(SeatId, UserNumber)>,
    prices: BTreeMap<SeatId, i64>,
    seats_per_match: u32,
    hold_ttl_ms: i64,
    payment_ttl_ms: i64,
    seats_per_user: usize,
    /// By time. Refunds end with the last one.
    fees: Vec<Fee>,
    bounds: Bounds,
    /// By user and match.
    conduct: BTreeMap<(UserNumber, usize), Conduct>,
}

/// The time that a withdrawn payment gives back, in ms.
pub const EXTRA_MS: i64 = 50_000;

fn reply(word: &'static str) -> Reply {
    Reply { word, seats: vec![] }
}

fn with(word: &'static str, seats: &[SeatId]) -> Reply {
    Reply { word, seats: seats.to_vec() }
}

impl Model {
    /// All seats free, with their prices in KRW. Each match has so many seats with ids in a row.
    pub fn new(
        prices: BTreeMap<SeatId, i64>,
        seats_per_match: u32,
        hold_ttl_ms: i64,
        payment_ttl_ms: i64,
        seats_per_user: usize,
        fees: Vec<Fee>,
        bounds: Bounds,
    ) -> Self {
        Self {
            now: 0,
            claims: vec![],
            payments: vec![],
            blocked: BTreeSet::new(),
            released: BTreeSet::new(),
            prices,
            seats_per_match,
            hold_ttl_ms,
            payment_ttl_ms,
            seats_per_user,
            fees,
            bounds,
            conduct: BTreeMap::new(),
        }
    }

    /// Lets time pass, and ends the claims that are due.
    pub fn advance(&mut self, ms: i64) {
        self.now += ms;
        for number in 0..self.claims.len() {
            let claim = &mut self.claims[number];
            let open = matches!(claim.state, State::Hold | State::Pending);
            if open && claim.deadline <= self.now {
                claim.state = State::Ended(EndReason::Expired);
                let (user, deadline) = (claim.user, claim.deadline);
                self.note_unpaid(user, self.match_of_claim(number), deadline);
            }
        }
    }

    /// How many claims and payments were made so far.
    pub fn made(&self) -> (usize, usize) {
        (self.claims.len(), self.payments.len())
    }

    /// The claim that a payment is for.
    pub fn claim_of(&self, payment: PaymentNumber) -> ClaimNumber {
        self.payments[payment].claim
    }

    /// State letter of a seat.
    pub fn letter(&self, seat: SeatId) -> u8 {
        if self.blocked.contains(&seat) {
            return b'B';
        }
        match self.owner(seat).map(|number| self.claims[number].state) {
            None | Some(State::Ended(_)) => b'A',
            Some(State::Hold) => b'H',
            Some(State::Pending | State::Paying) => b'P',
            Some(State::Confirmed | State::Refunding) => b'O',
        }
    }

    fn owner(&self, seat: SeatId) -> Option<ClaimNumber> {
        let live = |claim: &Claim| !matches!(claim.state, State::Ended(_));
        self.claims.iter().position(|claim| live(claim) && claim.seats.contains(&seat))
    }

    /// A hold is not remembered, unless it became a reservation.
    fn is_forgotten(&self, number: ClaimNumber) -> bool {
        let claim = &self.claims[number];
        claim.hold && matches!(claim.state, State::Ended(reason) if reason != EndReason::Reserved)
    }

    /// The number of the match that has the seat, from 0 on.
    pub fn match_of(&self, seat: SeatId) -> usize {
        ((seat.0 - 1) / self.seats_per_match) as usize
    }

    /// The number of the match that a claim is for.
    pub fn match_of_claim(&self, claim: ClaimNumber) -> usize {
        self.match_of(self.claims[claim].seats[0])
    }

    /// How many seats count for the limit of a user in a match.
    pub fn seats_of(&self, user: UserNumber, fixture: usize) -> usize {
        let mine = |claim: &&Claim| {
            let live = !matches!(claim.state, State::Ended(_));
            live && claim.user == user && self.match_of(claim.seats[0]) == fixture
        };
        self.claims.iter().filter(mine).map(|claim| claim.seats.len()).sum()
    }

    fn make(&mut self, user: UserNumber, state: State, seats: &[SeatId], bill: Bill) {
        let ttl_ms = if state == State::Hold { self.hold_ttl_ms } else { self.payment_ttl_ms };
        let deadline = self.now + ttl_ms;
        let amount = self.cost_under(&bill, seats);
        let seats = seats.to_vec();
        self.claims.push(Claim {
            user,
            hold: state == State::Hold,
            state,
            deadline,
            seats,
            amount,
            bill,
            payment: None,
            attempt: 0,
            refund: 0,
            part: vec![],
            back: vec![],
            part_fee: 0,
            back_fees: 0,
        });
    }

    /// Runs a command.
    pub fn run(&mut self, command: &Command) -> Reply {
        match command {
            Command::Hold { user, seats, cost } => self.hold(*user, seats, *cost),
            Command::Release { user, claim } => self.release(*user, *claim),
            Command::ReleaseSeat { user, seat, remains } => {
                self.release_seat(*user, *seat, remains.as_ref())
            }
            Command::ReserveHold { user, hold } => self.reserve_hold(*user, *hold),
            Command::ReserveSeats { user, seats, remains } => {
                self.reserve_seats(*user, seats, remains.as_ref())
            }
            Command::Request { user, claim } => self.request(*user, *claim),
            Command::Begin { user, payment, wrong_amount, key } => {
                self.begin(*user, *payment, *wrong_amount, *key)
            }
            Command::Ask { payment, attempt } => self.ask(*payment, *attempt),
            Command::Outcome { payment, attempt, outcome } => {
                self.outcome(*payment, *attempt, *outcome)
            }
            Command::Cancel { user, claim, seats, right, remains } => {
                self.cancel((*user, *claim), seats, *right, remains.as_ref())
            }
            Command::Refund { payment, number, given } => self.refund(*payment, *number, *given),
            Command::Expire { claim } => match self.claims[*claim].state {
                State::Ended(_) => reply("expired"),
                _ => reply("kept"),
            },
            Command::Block { seats } => self.block(seats, b'A', true),
            Command::Unblock { seats } => self.block(seats, b'B', false),
        }
    }

    fn hold(&mut self, user: UserNumber, seats: &[SeatId], cost: Option<i64>) -> Reply {
        let owner =
            |seat: &SeatId| self.owner(*seat).filter(|claim| self.claims[*claim].user == user);
        let own = seats.iter().find_map(owner);
        let foreign = |seat: &&SeatId| self.letter(**seat) != b'A' && owner(seat).is_none();
        let lost: Vec<SeatId> = seats.iter().filter(foreign).copied().collect();
        if let (Some(number), true) = (own, lost.is_empty()) {
            let mine: Vec<SeatId> =
                seats.iter().copied().filter(|seat| owner(seat) == own).collect();
            let hold = self.claims[number].state == State::Hold;
            return with(if hold { "already_held" } else { "reserved_by_you" }, &mine);
        }
        let fixture = self.match_of(seats[0]);
        if self.is_cooling_down(user, fixture) {
            return reply("cool_down");
        }
        if self.seats_of(user, fixture) + seats.len() > self.seats_per_user {
            return reply("seat_limit");
        }
        if !lost.is_empty() {
            return with("taken", &lost);
        }
        let bill = seats.iter().filter_map(|seat| Some((*seat, cost?))).collect();
        self.make(user, State::Hold, seats, bill);
        self.note_hold(user, fixture);
        with("held", seats)
    }

    fn release(&mut self, user: UserNumber, number: ClaimNumber) -> Reply {
        let claim = &mut self.claims[number];
        match claim.state {
            _ if !claim.hold => reply("not_found"),
            _ if claim.user != user => reply("not_yours"),
            State::Ended(EndReason::Reserved) => reply("already_reserved"),
            State::Ended(_) => reply("released"),
            State::Hold => {
                claim.state = State::Ended(EndReason::Released);
                self.note_given_back(number);
                reply("released")
            }
            _ => reply("already_reserved"),
        }
    }

    fn release_seat(&mut self, user: UserNumber, seat: SeatId, wanted: Option<&Remains>) -> Reply {
        let own = self.owner(seat).filter(|number| self.claims[*number].user == user);
        let Some(number) = own else {
            let again = self.released.contains(&(seat, user));
            return reply(if again { "released" } else { "not_yours" });
        };
        let cost = self.cost(number, &[seat]);
        let claim = &mut self.claims[number];
        if claim.state != State::Hold {
            return reply("already_reserved");
        }
        if remains::differs(wanted, vec![remains::without(&claim.seats, &[seat])]) {
            return reply("changed");
        }
        if claim.seats.len() == 1 {
            claim.state = State::Ended(EndReason::Released);
            self.note_given_back(number);
        } else {
            claim.seats.retain(|other| *other != seat);
            claim.amount -= cost;
        }
        self.released.insert((seat, user));
        reply("released")
    }

    fn block(&mut self, seats: &[SeatId], from: u8, block: bool) -> Reply {
        let to = if block { b'B' } else { b'A' };
        let lost: Vec<SeatId> = seats
            .iter()
            .copied()
            .filter(|seat| ![from, to].contains(&self.letter(*seat)))
            .collect();
        if !lost.is_empty() {
            return with("taken", &lost);
        }
        for seat in seats {
            if block {
                self.blocked.insert(*seat);
            } else {
                self.blocked.remove(seat);
            }
        }
        reply("done")
    }
}
