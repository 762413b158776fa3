//! What people do by mistake or for fun: two tabs at once, a change of mind, the holds of others, a
//! walk through the gate before the money is wanted back.

use crate::behaviour::Visit;
use crate::history::{Act, Outcome};
use crate::person::Ask;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Seats that somebody wants in each of two tabs: together more than a person may have.
const SEATS_IN_A_TAB: usize = 3;

impl Visit<'_> {
    /// The same person in another tab.
    fn tab(&mut self) -> Self {
        Self { rng: self.rng.fork(), ..*self }
    }

    /// Holds seats in two tabs at the same moment. Who gets none repeats a refused call later.
    pub(crate) async fn two_tabs(&mut self) {
        let mut other = self.tab();
        let (first, second) = tokio::join!(self.hold(SEATS_IN_A_TAB), other.hold(SEATS_IN_A_TAB));
        match first.or(second) {
            Some((hold, _)) if self.rng.bool() => self.release(&hold).await,
            Some((hold, _)) => {
                if let Some(reservation) = self.reserve(&hold).await {
                    self.buy(&reservation, 9).await;
                }
            }
            None => self.repeat_a_refusal().await,
        }
    }

    /// A call that was refused is refused again under the same key, also when the seats are free.
    async fn repeat_a_refusal(&mut self) {
        let path = format!("/api/matches/{}/holds", self.fixture.id);
        let (key, fixture) = (self.key(), self.fixture.id.clone());
        let body = json!({"seatIds": self.wish(SEATS_IN_A_TAB)});
        for _ in 0..2 {
            let node = self.node();
            let ask =
                Ask { key: &key, fixture: &fixture, ..Ask::post(Act::Hold, &path, body.clone()) };
            let Outcome::Refused(409, _) = self.person.call(node, ask).await else { return };
            tokio::time::sleep(Duration::from_millis(self.rng.u64(1_000..6_000))).await;
        }
    }

    /// Gives one seat of a hold back, sometimes while another tab reserves the hold, and buys the
    /// rest.
    pub(crate) async fn change_of_mind(&mut self, hold: &str, seats: &[u32]) {
        let Some(&seat) = seats.first() else { return };
        let reservation = if self.rng.bool() {
            let mut other = self.tab();
            tokio::join!(self.release_seat(hold, seat), other.reserve(hold)).1
        } else {
            self.release_seat(hold, seat).await;
            self.reserve(hold).await
        };
        if let Some(reservation) = reservation {
            let choice = self.rng.usize(5..10);
            self.buy(&reservation, choice).await;
        }
    }

    /// Holds one more seat, and buys the seats of both holds together.
    pub(crate) async fn reserve_two_holds(&mut self, first: &str, seats: &[u32]) {
        let Some((second, more)) = self.hold(1).await else { return };
        let (all, both) = ([seats, &more].concat(), format!("{first}+{second}"));
        let body = json!({"matchId": self.fixture.id, "seatIds": all});
        let reserved = self.insist(Act::Reserve, "/api/reservations", body, &both).await;
        if let Outcome::Done(reservation) = reserved {
            let choice = self.rng.usize(5..10);
            self.buy(&reservation, choice).await;
        }
    }

    /// Sends a key that was used with another body.
    pub(crate) async fn reuse_key(&mut self, key: &str, path: &str, body: &Value) {
        let seats = self.wish(SEATS_IN_A_TAB + 1);
        let other = json!({"seatIds": seats});
        if other != *body {
            let (node, fixture) = (self.node(), self.fixture.id.clone());
            let ask = Ask { key, fixture: &fixture, ..Ask::post(Act::Hold, path, other) };
            self.person.call(node, ask).await;
        }
    }

    async fn release_seat(&mut self, hold: &str, seat: u32) {
        let fixture = self.fixture.id.clone();
        let path = format!("/api/matches/{fixture}/allocation/seats/{seat}/release");
        let node = self.node();
        let ask = Ask {
            fixture: &fixture,
            about: hold,
            ..Ask::post(Act::ReleaseSeat, &path, json!({"seatIds": [seat]}))
        };
        self.person.call(node, ask).await;
    }

    /// Tries to give back and to reserve the hold of somebody else, and to give the own one back by
    /// way of another match of the same partition.
    pub(crate) async fn meddle(&mut self, own: &str) {
        let node = self.node();
        let elsewhere = self.sale.neighbour(self.fixture).map(|other| other.id.clone());
        if let Some(other) = elsewhere {
            self.give_back(node, &other, own).await;
        }
        let Some((fixture, hold)) = self.sale.hold_of_another(self.person.number, &mut self.rng)
        else {
            return;
        };
        self.give_back(node, &fixture, &hold).await;
        let body = json!({"matchId": fixture, "holdId": hold});
        let ask = Ask {
            fixture: &fixture,
            about: &hold,
            ..Ask::post(Act::Meddle, "/api/reservations", body)
        };
        self.person.call(node, ask).await;
    }

    async fn give_back(&self, node: usize, fixture: &str, hold: &str) {
        let path = format!("/api/matches/{fixture}/holds/{hold}");
        let ask = Ask {
            method: Method::DELETE,
            fixture,
            about: hold,
            ..Ask::post(Act::Meddle, &path, Value::Null)
        };
        self.person.call(node, ask).await;
    }

    /// Two payment windows are open for one reservation, and both payments are confirmed at once.
    pub(crate) async fn pay_twice(&mut self, reservation: &str) {
        let Some(first) = self.request(reservation).await else { return };
        let Some(second) = self.request(reservation).await else { return };
        let mut other = self.tab();
        let paid = async |visit: &mut Self, payment: &Value| {
            if let Some(key) = visit.pay(payment, "approve").await {
                visit.confirm(payment, &key).await;
            }
        };
        tokio::join!(paid(self, &first), paid(&mut other, &second));
    }

    /// Two gates scan the code of the first seat at once. Then, or meanwhile, the fan wants
    /// the money back.
    pub(crate) async fn enter(&mut self, reservation: &str) {
        let fixture = self.fixture.id.clone();
        let path = format!("/api/reservations/{reservation}");
        let ask = Ask {
            method: Method::GET,
            fixture: &fixture,
            about: reservation,
            ..Ask::post(Act::Look, &path, Value::Null)
        };
        let node = self.node();
        let Outcome::Done(own) = self.person.call(node, ask).await else { return };
        let (code, seat) = (&own["checkInCodes"][0]["code"], &own["checkInCodes"][0]["seatId"]);
        let path = format!("/api/admin/matches/{fixture}/check-ins");
        let gate = async |node: usize| {
            let ask = Ask {
                fixture: &fixture,
                about: reservation,
                ..Ask::post(Act::Enter, &path, json!({"code": code}))
            };
            self.sale.administrator.call(node, ask).await
        };
        let back = if self.rng.bool() { Value::Null } else { json!({"seatIds": [seat]}) };
        if self.rng.bool() {
            let mut other = self.tab();
            tokio::join!(gate(0), gate(1), other.cancel(reservation, back));
        } else {
            tokio::join!(gate(0), gate(1));
            self.cancel(reservation, back).await;
        }
    }
}
