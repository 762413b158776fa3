//! The steps of the scenarios. A person makes them over a connection.

use crate::crew::SharedCrew;
use crate::tally::Kind;
use crate::wire::{Connection, Method, ServerAddress};
use anyhow::Context as _;
use bytes::Bytes;
use grandstand::domain::claim::ReservationStatus;
use grandstand::domain::ids::SeatId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::{Duration, Instant};

/// A person with a connection.
pub(crate) struct Person {
    crew: SharedCrew,
    connection: Connection,
    /// The connection to the emulator of the payment gateway, once somebody has paid.
    gateway: Option<Connection>,
    /// The number of the person's token.
    pub(crate) number: usize,
}

/// Why a step had no effect, or an unknown effect.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) kind: Kind,
    /// The status and the code of the error.
    pub(crate) code: String,
    body: Bytes,
}

/// The response to a hold, with the fields that the tests need.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hold {
    pub(crate) hold_id: String,
    pub(crate) seats: Vec<HeldSeat>,
    pub(crate) amount: i64,
}

/// A seat of a hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldSeat {
    pub(crate) seat_id: SeatId,
}

/// A reservation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reservation {
    pub(crate) id: String,
    pub(crate) status: ReservationStatus,
    #[serde(default)]
    pub(crate) seats: Vec<HeldSeat>,
    pub(crate) amount: i64,
    pub(crate) created_at: Option<jiff::Timestamp>,
    pub(crate) expires_at: Option<jiff::Timestamp>,
}

/// A payment that was requested.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) order_id: String,
    pub(crate) amount: i64,
    checkout_url: Option<String>,
}

/// The response to a confirmation.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Confirmed {
    pub(crate) persisted: bool,
}

/// A place in the waiting room.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Place {
    pub(crate) state: PlaceState,
    pub(crate) number: Option<u64>,
}

/// Whether a person waits, or may hold seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum PlaceState {
    Waiting,
    Admitted,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct TakenProblem {
    #[serde(default)]
    alternatives: Vec<Alternative>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alternative {
    seat_ids: Vec<SeatId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PaymentKey {
    payment_key: String,
}

impl Hold {
    /// Returns the ids of its seats.
    pub(crate) fn seat_ids(&self) -> Vec<SeatId> {
        self.seats.iter().map(|seat| seat.seat_id).collect()
    }
}

impl Reservation {
    /// Returns how long a reservation may wait for its payment.
    pub(crate) fn time_to_pay(&self) -> Duration {
        let times = self.created_at.zip(self.expires_at);
        let length = times.map(|(from, to)| to.duration_since(from));
        length.and_then(|length| length.try_into().ok()).unwrap_or_default()
    }
}

impl Refused {
    /// Returns the choices that a refused hold offers.
    pub(crate) fn alternatives(&self) -> Vec<Vec<SeatId>> {
        let problem: Option<TakenProblem> = serde_json::from_slice(&self.body).ok();
        let offered = problem.map(|problem| problem.alternatives).unwrap_or_default();
        offered.into_iter().map(|choice| choice.seat_ids).collect()
    }

    /// Whether a problem document has this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.split_once(' ').is_some_and(|(_, its_code)| its_code == code)
    }
}

impl Person {
    /// Returns a person with a connection, which opens when it is used.
    pub(crate) fn new(crew: &SharedCrew, number: usize) -> Self {
        let connection = Connection::new(crew.server.clone());
        Self { crew: crew.clone(), connection, gateway: None, number }
    }

    /// Holds seats. `since` is the intended start.
    pub(crate) async fn hold(
        &mut self,
        match_id: &str,
        seats: &[SeatId],
        since: Instant,
    ) -> Result<Hold, Refused> {
        let list: Vec<String> = seats.iter().map(SeatId::to_string).collect();
        let body = format!("{{\"seatIds\":[{}]}}", list.join(","));
        let path = format!("/api/matches/{match_id}/holds");
        self.post("hold", &path, &body, since).await
    }

    /// Holds seats that the server chooses.
    pub(crate) async fn hold_best(
        &mut self,
        match_id: &str,
        count: usize,
        since: Instant,
    ) -> Result<Hold, Refused> {
        let body = format!("{{\"bestAvailable\":{{\"count\":{count}}}}}");
        let path = format!("/api/matches/{match_id}/holds");
        self.post("hold", &path, &body, since).await
    }

    /// Gives a hold back.
    pub(crate) async fn release(
        &mut self,
        match_id: &str,
        hold_id: &str,
        since: Instant,
    ) -> Result<(), Refused> {
        let path = format!("/api/matches/{match_id}/holds/{hold_id}");
        self.send("release", (Method::Delete, &path), None, since).await.map(|_| ())
    }

    /// Reserves the seats of a hold.
    pub(crate) async fn reserve(
        &mut self,
        match_id: &str,
        hold_id: &str,
        since: Instant,
    ) -> Result<Reservation, Refused> {
        let body = format!("{{\"matchId\":\"{match_id}\",\"holdId\":\"{hold_id}\"}}");
        self.post("reserve", "/api/reservations", &body, since).await
    }

    /// Requests a payment by card.
    pub(crate) async fn request(
        &mut self,
        reservation: &str,
        since: Instant,
    ) -> Result<Payment, Refused> {
        let body = format!("{{\"reservationId\":\"{reservation}\",\"method\":\"CARD\"}}");
        self.post("request", "/api/payments/request", &body, since).await
    }

    /// Pays as the buyer does in the window of the gateway, and returns the key of the payment. The
    /// emulator returns it at once. Without an emulator the result is an error.
    pub(crate) async fn pay(
        &mut self,
        payment: &Payment,
        since: Instant,
    ) -> Result<String, Refused> {
        const STEP: &str = "pay (emulator)";
        if self.gateway.is_none() {
            let found = emulator_of(payment).await;
            let found = found.map_err(|error| Refused::local(Kind::Error, &error.to_string()))?;
            *self.crew.emulator.lock() = Some(found.clone());
            self.gateway = Some(Connection::new(found));
        }
        let Some(connection) = &mut self.gateway else {
            return Err(Refused::local(Kind::Error, "no payment emulator"));
        };
        let body = json!({"orderId": payment.order_id, "amount": payment.amount,
            "confirm": "approve"});
        let (body, path) = (body.to_string(), "/_emulator/payments");
        let result = connection.call(Method::Post, path, None, Some(body.as_bytes())).await;
        let recorded = self.crew.tally.record_response(STEP, since, result);
        let response = recorded.map_err(|(kind, code)| Refused::local(kind, &code))?;
        let key: Result<PaymentKey, _> = serde_json::from_slice(&response.body);
        key.map(|key| key.payment_key).map_err(|_| Refused::unreadable())
    }

    /// Confirms a payment with its key.
    pub(crate) async fn confirm(
        &mut self,
        payment: &Payment,
        key: &str,
        since: Instant,
    ) -> Result<Confirmed, Refused> {
        let Payment { id, order_id, amount, .. } = payment;
        let body = json!({"paymentId": id, "paymentKey": key, "orderId": order_id,
            "amount": amount});
        self.post("confirm", "/api/payments/confirm", &body.to_string(), since).await
    }

    /// Cancels a reservation. A paid reservation is refunded.
    pub(crate) async fn cancel(
        &mut self,
        reservation: &str,
        since: Instant,
    ) -> Result<Reservation, Refused> {
        let path = format!("/api/reservations/{reservation}/cancel");
        self.call("cancel", (Method::Post, &path), None, since).await
    }

    /// Reads a reservation.
    pub(crate) async fn look_up(&mut self, reservation: &str) -> Result<Reservation, Refused> {
        let path = format!("/api/reservations/{reservation}");
        self.call("look up", (Method::Get, &path), None, Instant::now()).await
    }

    /// Joins the waiting room.
    pub(crate) async fn join(&mut self, match_id: &str, since: Instant) -> Result<Place, Refused> {
        let path = format!("/api/matches/{match_id}/queue");
        self.call("join", (Method::Post, &path), None, since).await
    }

    /// Reads the place in the waiting room.
    pub(crate) async fn place(&mut self, match_id: &str) -> Result<Place, Refused> {
        let path = format!("/api/matches/{match_id}/queue");
        self.call("place", (Method::Get, &path), None, Instant::now()).await
    }

    /// Leaves the waiting room, or returns the pass.
    pub(crate) async fn leave(&mut self, match_id: &str) -> Result<(), Refused> {
        let path = format!("/api/matches/{match_id}/queue");
        self.send("leave", (Method::Delete, &path), None, Instant::now()).await.map(|_| ())
    }

    /// Sends a request with a body, and returns the data of the response.
    async fn post<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        path: &str,
        body: &str,
        since: Instant,
    ) -> Result<T, Refused> {
        self.call(step, (Method::Post, path), Some(body), since).await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        to: (Method, &str),
        body: Option<&str>,
        since: Instant,
    ) -> Result<T, Refused> {
        let body = self.send(step, to, body, since).await?;
        // With an unreadable response, the outcome is unknown.
        let envelope: Result<Envelope<T>, _> = serde_json::from_slice(&body);
        envelope.map(|envelope| envelope.data).map_err(|_| Refused::unreadable())
    }

    async fn send(
        &mut self,
        step: &'static str,
        (method, path): (Method, &str),
        body: Option<&str>,
        since: Instant,
    ) -> Result<Bytes, Refused> {
        let token = self.crew.token(self.number);
        let body = body.map(str::as_bytes);
        let result = self.connection.call(method, path, Some(token), body).await;
        let conflict = result.as_ref().ok().filter(|response| response.status == 409);
        let body = conflict.map(|response| response.body.clone()).unwrap_or_default();
        let recorded = self.crew.tally.record_response(step, since, result);
        let refused = |(kind, code)| Refused { kind, code, body };
        recorded.map(|response| response.body).map_err(refused)
    }
}

impl Refused {
    pub(crate) fn local(kind: Kind, code: &str) -> Self {
        Self { kind, code: code.to_owned(), body: Bytes::new() }
    }

    fn unreadable() -> Self {
        Self::local(Kind::Unknown, "an unreadable response")
    }
}

/// Returns the address of the emulator to which the checkout page of a payment leads.
async fn emulator_of(payment: &Payment) -> anyhow::Result<ServerAddress> {
    let url = payment.checkout_url.as_deref().context("the target uses no payment emulator")?;
    let rest = url.strip_prefix("http://").context("the payment emulator must have http://")?;
    let host = rest.split('/').next().unwrap_or(rest).to_owned();
    let address = tokio::net::lookup_host(&host).await?.next().context("no address")?;
    Ok(ServerAddress { address, host })
}
