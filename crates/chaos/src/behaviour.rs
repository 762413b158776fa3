//! What people do: buy, walk away, give back, cancel, repeat themselves. `mischief.rs` has what
//! they should not do.

use crate::fixture::Fixture;
use crate::history::{Act, Outcome};
use crate::person::{Ask, Person};
use crate::sale::Sale;
use crate::world::PAYMENT_MS;
use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// A person repeats a call without a response this often, with the same key.
const TRIES: usize = 5;
/// A person looks for the outcome of a payment this often.
const LOOKS: usize = 40;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A visit of one person to one match.
pub(crate) struct Visit<'a> {
    pub(crate) person: &'a Person,
    pub(crate) fixture: &'a Fixture,
    pub(crate) sale: &'a Sale,
    pub(crate) rng: Rng,
}

impl Visit<'_> {
    /// One visit from its beginning to its end.
    pub(crate) async fn go(&mut self) {
        if self.rng.usize(..8) == 0 {
            return self.two_tabs().await;
        }
        let count = self.rng.usize(1..=3);
        let Some((hold, seats)) = self.hold(count).await else { return };
        match self.rng.usize(..16) {
            0 => {} // walks away: the hold ends by itself
            1 => {
                self.release(&hold).await;
                // A hold that was given back can't be reserved any more.
                self.reserve(&hold).await;
            }
            2 => {
                // A hold that has ended can't be reserved any more, and doesn't count any more.
                let late = self.rng.u64(4_000..7_000);
                tokio::time::sleep(Duration::from_millis(late)).await;
                self.reserve(&hold).await;
                self.hold(3).await;
            }
            12 | 13 => self.change_of_mind(&hold, &seats).await,
            15 => self.reserve_two_holds(&hold, &seats).await,
            14 => {
                self.meddle(&hold).await;
                self.reserve(&hold).await;
            }
            choice => {
                if let Some(reservation) = self.reserve(&hold).await {
                    self.buy(&reservation, choice).await;
                }
            }
        }
    }

    /// Buys a free seat if there is one; whether it is sold.
    pub(crate) async fn buy_any(&mut self) -> bool {
        let path = format!("/api/matches/{}/holds", self.fixture.id);
        let body = json!({"bestAvailable": {"count": 1}});
        let held = self.insist(Act::Hold, &path, body, "").await;
        let Outcome::Done(hold) = held else { return false };
        let Some(hold) = hold["holdId"].as_str() else { return false };
        let Some(reservation) = self.reserve(hold).await else { return false };
        let id = reservation["id"].as_str().unwrap_or_default();
        self.pay_and_confirm(id, "approve").await
    }

    /// Holds any seat and gives it back.
    pub(crate) async fn hold_and_release(&mut self) {
        let path = format!("/api/matches/{}/holds", self.fixture.id);
        let body = json!({"bestAvailable": {"count": 1}});
        if let Outcome::Done(hold) = self.insist(Act::Hold, &path, body, "").await {
            self.release(hold["holdId"].as_str().unwrap_or_default()).await;
        }
    }

    pub(crate) fn key(&mut self) -> String {
        format!("chaos-{:016x}{:016x}", self.rng.u64(..), self.rng.u64(..))
    }

    pub(crate) fn node(&mut self) -> usize {
        self.rng.usize(..2)
    }

    /// Makes a call. When there is no response, it is repeated with the same key at any node.
    /// Sometimes a person repeats a call that has succeeded.
    pub(crate) async fn insist(
        &mut self,
        act: Act,
        path: &str,
        body: Value,
        about: &str,
    ) -> Outcome {
        let (key, fixture) = (self.key(), self.fixture.id.clone());
        let mut outcome = Outcome::Unknown("not sent".to_owned());
        for _ in 0..TRIES {
            let node = self.node();
            let ask =
                Ask { key: &key, fixture: &fixture, about, ..Ask::post(act, path, body.clone()) };
            outcome = self.person.call(node, ask).await;
            match &outcome {
                Outcome::Unknown(_) | Outcome::Refused(502..=504, _) => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Outcome::Done(_) if self.rng.usize(..8) == 0 => {} // twice the same
                _ => break,
            }
        }
        if act == Act::Hold && matches!(outcome, Outcome::Done(_)) && self.rng.usize(..16) == 0 {
            self.reuse_key(&key, path, &body).await;
        }
        outcome
    }

    /// Holds so many seats; the hold, and its seats.
    pub(crate) async fn hold(&mut self, count: usize) -> Option<(String, Vec<u32>)> {
        let path = format!("/api/matches/{}/holds", self.fixture.id);
        let body = if self.rng.usize(..4) == 0 {
            json!({"bestAvailable": {"count": count}})
        } else {
            json!({"seatIds": self.wish(count)})
        };
        match self.insist(Act::Hold, &path, body, "").await {
            Outcome::Done(data) => {
                let seats = data["seats"].as_array()?.iter();
                let seats = seats.filter_map(|seat| u32::try_from(seat["seatId"].as_u64()?).ok());
                let hold = data["holdId"].as_str()?.to_owned();
                self.sale.show(self.person.number, self.fixture, &hold);
                Some((hold, seats.collect()))
            }
            _ => None,
        }
    }

    /// Neighbours near the front, which everybody wants, or any.
    pub(crate) fn wish(&mut self, count: usize) -> Vec<u32> {
        let seats = self.fixture.seats;
        let reach = if self.rng.bool() { seats / 4 } else { seats };
        let first = 1 + self.rng.u32(..reach.saturating_sub(3).max(1));
        (first..).take(count).collect()
    }

    pub(crate) async fn release(&mut self, hold: &str) {
        let path = format!("/api/matches/{}/holds/{hold}", self.fixture.id);
        let (node, fixture) = (self.node(), self.fixture.id.clone());
        let ask = Ask {
            method: Method::DELETE,
            fixture: &fixture,
            about: hold,
            ..Ask::post(Act::Release, &path, Value::Null)
        };
        self.person.call(node, ask).await;
    }

    pub(crate) async fn reserve(&mut self, hold: &str) -> Option<Value> {
        let body = json!({"matchId": self.fixture.id, "holdId": hold});
        match self.insist(Act::Reserve, "/api/reservations", body, hold).await {
            Outcome::Done(reservation) => Some(reservation),
            _ => None,
        }
    }

    /// Buys what is reserved, or does something else with it.
    pub(crate) async fn buy(&mut self, reservation: &Value, choice: usize) {
        let Some(id) = reservation["id"].as_str() else { return };
        let some = json!({"seatIds": [reservation["seats"][0]["seatId"]]});
        match choice {
            3 if self.rng.bool() => self.pay_late(id).await,
            3 => {} // walks away: the reservation ends by itself
            4 => {
                self.pay_and_confirm(id, "decline").await;
                if self.rng.bool() {
                    self.pay_and_confirm(id, "approve").await;
                }
            }
            5 | 6 => {
                if self.pay_and_confirm(id, "approve").await {
                    self.cancel(id, if choice == 5 { Value::Null } else { some }).await;
                }
            }
            7 => {
                if self.pay_and_confirm(id, "approve").await {
                    self.enter(id).await;
                }
            }
            8 => self.pay_twice(id).await,
            _ => drop(self.pay_and_confirm(id, "approve").await),
        }
    }

    /// Pays for a reservation; whether the seats are sold.
    async fn pay_and_confirm(&mut self, reservation: &str, confirm: &str) -> bool {
        let Some(payment) = self.request(reservation).await else { return false };
        let Some(key) = self.pay(&payment, confirm).await else { return false };
        self.confirm(&payment, &key).await
    }

    /// Dawdles on the page of the gateway until the time to pay is over, or nearly.
    async fn pay_late(&mut self, reservation: &str) {
        let Some(payment) = self.request(reservation).await else { return };
        let Some(key) = self.pay(&payment, "approve").await else { return };
        let late = self.rng.u64(PAYMENT_MS - 500..PAYMENT_MS + 2_000);
        tokio::time::sleep(Duration::from_millis(late)).await;
        self.confirm(&payment, &key).await;
    }

    /// Requests a payment.
    pub(crate) async fn request(&mut self, reservation: &str) -> Option<Value> {
        let body = json!({"reservationId": reservation, "method": "CARD"});
        let path = "/api/payments/request";
        match self.insist(Act::Request, path, body, reservation).await {
            Outcome::Done(payment) => Some(payment),
            _ => None,
        }
    }

    /// Pays on the page of the gateway, which no fault reaches; the payment key.
    pub(crate) async fn pay(&self, payment: &Value, confirm: &str) -> Option<String> {
        let body = json!({"orderId": payment["orderId"], "amount": payment["amount"],
            "confirm": confirm});
        let url = format!("{}/_emulator/payments", self.sale.gateway);
        let reply = self.sale.http.post(url).json(&body).send().await.ok()?;
        let reply: Value = reply.json().await.ok()?;
        Some(reply["paymentKey"].as_str()?.to_owned())
    }

    /// Confirms until the outcome is known; whether the seats are sold.
    pub(crate) async fn confirm(&mut self, payment: &Value, key: &str) -> bool {
        let body = json!({"paymentId": payment["id"], "paymentKey": key,
            "orderId": payment["orderId"], "amount": payment["amount"]});
        let id = payment["id"].as_str().unwrap_or_default().to_owned();
        let fixture = self.fixture.id.clone();
        for _ in 0..LOOKS {
            let node = self.node();
            let ask = Ask {
                fixture: &fixture,
                about: &id,
                ..Ask::post(Act::Confirm, "/api/payments/confirm", body.clone())
            };
            match self.person.call(node, ask).await {
                Outcome::Done(_) => return true,
                Outcome::Refused(502..=504 | 429, _)
                | Outcome::Accepted(_)
                | Outcome::Unknown(_) => {}
                Outcome::Refused(..) => return false,
            }
            if self.rng.usize(..30) == 0 {
                return false; // has no patience, and never learns the outcome
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        false
    }

    pub(crate) async fn cancel(&mut self, reservation: &str, body: Value) {
        let path = format!("/api/reservations/{reservation}/cancel");
        let fixture = self.fixture.id.clone();
        for _ in 0..LOOKS {
            let node = self.node();
            let ask = Ask {
                fixture: &fixture,
                about: reservation,
                ..Ask::post(Act::Cancel, &path, body.clone())
            };
            match self.person.call(node, ask).await {
                Outcome::Unknown(_) | Outcome::Accepted(_) | Outcome::Refused(502..=504, _) => {}
                Outcome::Done(_) | Outcome::Refused(..) => return,
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}
