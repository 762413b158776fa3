//! The way of a person through a sale: waiting room, map, hold, reservation, payment, ticket. The
//! settings say how people choose, where they stop and how long they think.

use crate::crew::SharedCrew;
use crate::dice::Dice;
use crate::scenario::history::{Claim, History, Sighting, Stage};
use crate::scenario::line::Line;
use crate::scenario::maps::Maps;
use crate::scenario::person::{Confirmed, Hold, Person, Place, PlaceState, Refused, Reservation};
use crate::scenario::pool::Pool;
use crate::schedule::Arrival;
use crate::settings::{Cast, Choice, Deed, PersonKind, Until};
use crate::tally::Kind;
use grandstand::domain::claim::ReservationStatus;
use grandstand::domain::ids::SeatId;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A person leaves after this many tries to hold seats, or to confirm a payment while payments are
/// paused.
const TRIES_MAX: usize = 4;
/// The pause before a payment is confirmed again.
const PAUSED_PAUSE: Duration = Duration::from_secs(1);
/// The pause between two looks at something that is not ready.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// A person gives up the waiting room, or a payment without an outcome, after this time.
const PATIENCE_TIMEOUT: Duration = Duration::from_secs(120);
/// A pause is at most this many times its mean.
const PAUSE_FACTOR_MAX: f64 = 5.0;

/// What all people of a run share.
pub(crate) struct Visit {
    pub(crate) crew: SharedCrew,
    pub(crate) cast: Cast,
    pub(crate) pool: Arc<Pool>,
    pub(crate) maps: Arc<Maps>,
    /// The waiting room, when it is on.
    pub(crate) line: Option<Arc<Line>>,
    pub(crate) history: Arc<History>,
    /// The time of the last hold, and of the last ticket.
    pub(crate) last: Mutex<(Option<Instant>, Option<Instant>)>,
}

/// A person under way.
struct Journey {
    visit: Arc<Visit>,
    person: Person,
    number: usize,
    dice: Dice,
    arrived: Instant,
    /// The intended start of the next step.
    since: Instant,
}

/// Goes the whole way.
pub(crate) async fn go(visit: Arc<Visit>, person: Person, arrival: Arrival) {
    let pool = visit.pool.clone();
    let mut dice = Dice::new(arrival.number);
    let cast = &visit.cast;
    let share = if cast.kinds.len() > 1 { dice.share() } else { 1.0 };
    let kind = cast.kind(share).clone();
    let number = arrival.number as usize;
    let journey = Journey { visit, person, number, dice, arrived: arrival.at, since: arrival.at };
    pool.put(journey.run(&kind).await);
}

impl Journey {
    /// Returns the connection at the end.
    async fn run(mut self, kind: &PersonKind) -> Person {
        if !self.enter().await {
            return self.person;
        }
        if kind.does == Deed::Leaves {
            let _ = self.person.leave(&self.visit.crew.venue.matches[0]).await;
            return self.person;
        }
        let (until, pauses_ms) = (self.visit.cast.until, self.visit.cast.pauses_ms);
        self.pause(pauses_ms.choice).await;
        if let Some(mut claim) = self.choose(kind).await {
            self.since = Instant::now();
            self.visit.last.lock().0 = Some(self.since);
            if kind.does == Deed::GivesBack {
                self.give_back(&mut claim).await;
            } else if kind.does != Deed::WalksAway && until > Until::Hold {
                self.pause(pauses_ms.details).await;
                self.buy(kind, &mut claim).await;
            }
            self.visit.history.claims.lock().push(claim);
        }
        self.person
    }

    /// Waits in the waiting room until the person is let in. Returns false when they give up.
    async fn enter(&mut self) -> bool {
        let Some(line) = self.visit.line.clone() else { return true };
        let visit = self.visit.clone();
        let match_id = &visit.crew.venue.matches[0];
        let invoked = visit.history.now();
        let Ok(joined) = self.person.join(match_id, self.since).await else { return false };
        let mut place = joined;
        self.sight(joined.number, place, invoked);
        while place.state == PlaceState::Waiting {
            if line.is_over() || self.arrived.elapsed() > PATIENCE_TIMEOUT {
                return false;
            }
            let number = place.number.unwrap_or_default();
            self.rest(line.served(number)).await;
            let invoked = visit.history.now();
            match self.person.place(match_id).await {
                Ok(seen) => place = seen,
                Err(refused) if refused.kind == Kind::Refusal => return false,
                Err(_) => {}
            }
            self.sight(joined.number, place, invoked);
            if place.state == PlaceState::Waiting {
                self.rest(tokio::time::sleep(LOOK_INTERVAL)).await;
            }
        }
        visit.crew.tally.record("let in", self.since.elapsed());
        self.since = Instant::now();
        true
    }

    fn sight(&self, number: Option<u64>, place: Place, invoked: Duration) {
        let Some(number) = number else { return };
        let admitted = place.state == PlaceState::Admitted;
        let (person, done) = (self.number as u32, self.visit.history.now());
        let sighting = Sighting { person, number, admitted, invoked, done };
        self.visit.history.sightings.lock().push(sighting);
    }

    /// Tries to hold seats. `None` when the person leaves without any.
    async fn choose(&mut self, kind: &PersonKind) -> Option<Claim> {
        let [least, greatest] = kind.seats;
        let mut offered: Vec<Vec<SeatId>> = Vec::new();
        for _ in 0..TRIES_MAX {
            let count = least + self.dice.below(greatest - least + 1);
            let seats = match kind.choice {
                _ if !offered.is_empty() => {
                    Some(offered.swap_remove(self.dice.below(offered.len())))
                }
                Choice::Blind => Some(self.visit.maps.house.wish(count, &mut self.dice)),
                Choice::Map => self
                    .visit
                    .clone()
                    .maps
                    .look(self.number, |map, house| map.choose(house, count, &mut self.dice)),
                Choice::BestAvailable => None,
            };
            // When the map shows nothing that is free, a single seat would be welcome.
            let is_last = seats.is_none() && kind.choice == Choice::Map;
            let count = if is_last { 1 } else { count };
            match self.hold(seats, count).await {
                Ok(claim) => return Some(claim),
                // Nothing is left, or the rest is not for this person.
                Err(refused) if kind.choice != Choice::Blind && !refused.is("SEAT_TAKEN") => {
                    return None;
                }
                Err(refused) if kind.choice != Choice::Blind => offered = refused.alternatives(),
                Err(_) => {}
            }
            self.since = Instant::now();
        }
        None
    }

    /// Holds these seats, or the best that the server finds.
    async fn hold(&mut self, seats: Option<Vec<SeatId>>, count: usize) -> Result<Claim, Refused> {
        let visit = self.visit.clone();
        let match_id = &visit.crew.venue.matches[0];
        let invoked = visit.history.now();
        let result = match &seats {
            Some(seats) => self.person.hold(match_id, seats, self.since).await,
            None => self.person.hold_best(match_id, count, self.since).await,
        };
        let asked = seats.unwrap_or_default();
        let named = result.as_ref().map_or_else(|_| asked.clone(), Hold::seat_ids);
        visit.history.add(self.number, "hold", &named, invoked, &result);
        let hold = result?;
        visit.maps.note_hold(&named);
        Ok(Claim {
            person: self.number as u32,
            hold_id: hold.hold_id,
            asked,
            seats: named,
            amount: hold.amount,
            done: visit.history.now(),
            expires: invoked + visit.crew.venue.rules.hold_ttl,
            ended: None,
            reservation: None,
            order: None,
            stage: Stage::Held,
        })
    }

    async fn give_back(&mut self, claim: &mut Claim) {
        let visit = self.visit.clone();
        let invoked = visit.history.now();
        claim.ended = Some(invoked);
        let match_id = &visit.crew.venue.matches[0];
        let result = self.person.release(match_id, &claim.hold_id, Instant::now()).await;
        visit.history.add(self.number, "release", &claim.seats, invoked, &result);
        claim.stage = if result.is_ok() { Stage::GivenBack } else { Stage::Unsure };
    }

    /// Reserves the seats, pays for them, and waits for the ticket.
    async fn buy(&mut self, kind: &PersonKind, claim: &mut Claim) {
        let visit = self.visit.clone();
        let (cast, match_id) = (&visit.cast, &visit.crew.venue.matches[0]);
        let invoked = visit.history.now();
        let result = self.person.reserve(match_id, &claim.hold_id, self.since).await;
        visit.history.add(self.number, "reserve", &claim.seats, invoked, &result);
        let reservation = match result {
            Ok(reservation) => reservation,
            Err(refused) => {
                let is_known = refused.kind != Kind::Unknown;
                claim.stage = if is_known { claim.stage } else { Stage::Unsure };
                return;
            }
        };
        claim.stage = Stage::Reserved;
        claim.expires = invoked + reservation.time_to_pay();
        claim.reservation = Some(reservation.id.clone());
        if cast.until == Until::Reserve {
            return;
        }
        self.pay(&reservation, claim).await;
        if claim.stage != Stage::Ticket {
            return;
        }
        visit.last.lock().1 = Some(Instant::now());
        visit.crew.tally.record("arrival to ticket", self.arrived.elapsed());
        if kind.does == Deed::Cancels {
            self.since = Instant::now();
            self.pause(cast.pauses_ms.payment).await;
            self.cancel(&reservation.id, claim).await;
        }
    }

    /// Requests the payment, pays at the emulator, and confirms.
    async fn pay(&mut self, reservation: &Reservation, claim: &mut Claim) {
        let visit = self.visit.clone();
        let Ok(payment) = self.person.request(&reservation.id, Instant::now()).await else {
            return;
        };
        claim.order = Some(payment.order_id.clone());
        self.since = Instant::now();
        self.pause(visit.cast.pauses_ms.payment).await;
        let Ok(key) = self.person.pay(&payment, self.since).await else { return };
        for _ in 0..TRIES_MAX {
            let invoked = visit.history.now();
            let result = self.person.confirm(&payment, &key, Instant::now()).await;
            visit.history.add(self.number, "confirm", &claim.seats, invoked, &result);
            claim.stage = match result {
                Ok(Confirmed { persisted: true }) => Stage::Ticket,
                // Nothing was charged, and the response asks the person to try again.
                Err(refused) if refused.is("PAYMENTS_PAUSED") => {
                    self.rest(tokio::time::sleep(PAUSED_PAUSE)).await;
                    continue;
                }
                Err(refused) if refused.kind == Kind::Refusal => Stage::Reserved,
                Ok(Confirmed { persisted: false }) | Err(_) => self.outcome(&reservation.id).await,
            };
            break;
        }
        if claim.stage == Stage::Ticket {
            claim.expires = Duration::MAX;
        }
    }

    /// Reads a reservation until its payment has an outcome.
    async fn outcome(&mut self, reservation: &str) -> Stage {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE_TIMEOUT {
            self.rest(tokio::time::sleep(LOOK_INTERVAL)).await;
            match self.person.look_up(reservation).await.map(|found| found.status) {
                Ok(ReservationStatus::Confirmed) => {
                    self.visit.crew.tally.record("ticket after unknown", begun.elapsed());
                    return Stage::Ticket;
                }
                Ok(ReservationStatus::Pending) => return Stage::Reserved,
                Ok(ReservationStatus::Cancelled | ReservationStatus::Expired) => {
                    return Stage::GivenBack;
                }
                Ok(ReservationStatus::Paying) | Err(_) => {}
            }
        }
        Stage::Unsure
    }

    async fn cancel(&mut self, reservation: &str, claim: &mut Claim) {
        let visit = self.visit.clone();
        let invoked = visit.history.now();
        claim.ended = Some(invoked);
        let result = self.person.cancel(reservation, self.since).await;
        visit.history.add(self.number, "cancel", &claim.seats, invoked, &result);
        claim.stage = match result {
            Ok(found) if found.status == ReservationStatus::Cancelled => Stage::Refunded,
            Err(refused) if refused.kind == Kind::Refusal => Stage::Ticket,
            Ok(_) | Err(_) => Stage::Unsure,
        };
        if claim.stage == Stage::Ticket {
            claim.ended = None;
        }
    }

    /// Thinks for a random time with this mean, in ms. The next step should begin at its end.
    async fn pause(&mut self, mean_ms: f64) {
        if mean_ms <= 0.0 {
            return;
        }
        let factor = (-self.dice.share().ln()).min(PAUSE_FACTOR_MAX);
        let since = Instant::now() + Duration::from_secs_f64(mean_ms * factor / 1000.0);
        self.rest(tokio::time::sleep_until(since.into())).await;
        self.since = since;
    }

    /// Waits without a connection.
    async fn rest(&mut self, waiting: impl Future<Output = ()>) {
        let pool = self.visit.pool.clone();
        let another = Person::new(&self.visit.crew, self.number);
        pool.put(std::mem::replace(&mut self.person, another));
        waiting.await;
        self.person = pool.take(self.number).await;
    }
}
