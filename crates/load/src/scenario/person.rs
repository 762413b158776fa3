//! The steps of the scenarios. A person makes them over a connection.

use crate::crew::SharedCrew;
use crate::tally::Kind;
use crate::wire::{Connection, Method};
use grandstand::domain::ids::SeatId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Instant;

/// A person with a connection.
pub(crate) struct Person {
    crew: SharedCrew,
    connection: Connection,
    /// The number of the person's token.
    pub(crate) number: usize,
}

/// The response to a hold, with the fields that the tests need.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hold {
    pub(crate) hold_id: String,
    pub(crate) seats: Vec<HeldSeat>,
}

/// A seat of a hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldSeat {
    pub(crate) seat_id: SeatId,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

impl Person {
    /// Returns a person with a connection, which opens when it is used.
    pub(crate) fn new(crew: &SharedCrew, number: usize) -> Self {
        let connection = Connection::new(crew.server.clone());
        Self { crew: crew.clone(), connection, number }
    }

    /// Holds seats. `since` is the intended start.
    pub(crate) async fn hold(
        &mut self,
        match_id: &str,
        seats: &[SeatId],
        since: Instant,
    ) -> Result<Hold, Kind> {
        let list: Vec<String> = seats.iter().map(SeatId::to_string).collect();
        let body = format!("{{\"seatIds\":[{}]}}", list.join(","));
        let path = format!("/api/matches/{match_id}/holds");
        self.post("hold", &path, &body, since).await
    }

    /// Gives a hold back.
    pub(crate) async fn release(&mut self, match_id: &str, hold_id: &str) -> Result<(), Kind> {
        let path = format!("/api/matches/{match_id}/holds/{hold_id}");
        let since = Instant::now();
        let token = self.crew.token(self.number);
        let result = self.connection.call(Method::Delete, &path, Some(token), None).await;
        let recorded = self.crew.tally.record_response("release", since, result);
        recorded.map(|_| ()).map_err(|(kind, _)| kind)
    }

    /// Sends a request with a body, and returns the data of the response.
    pub(crate) async fn post<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        path: &str,
        body: &str,
        since: Instant,
    ) -> Result<T, Kind> {
        self.call(step, (Method::Post, path), Some(body), since).await
    }

    /// Sends a request without a body, and returns the data of the response.
    pub(crate) async fn get<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        path: &str,
    ) -> Result<T, Kind> {
        self.call(step, (Method::Get, path), None, Instant::now()).await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        (method, path): (Method, &str),
        body: Option<&str>,
        since: Instant,
    ) -> Result<T, Kind> {
        let token = self.crew.token(self.number);
        let body = body.map(str::as_bytes);
        let result = self.connection.call(method, path, Some(token), body).await;
        let recorded = self.crew.tally.record_response(step, since, result);
        let response = recorded.map_err(|(kind, _)| kind)?;
        // With an unreadable response, the outcome is unknown.
        let envelope: Result<Envelope<T>, _> = serde_json::from_slice(&response.body);
        envelope.map(|envelope| envelope.data).map_err(|_| Kind::Unknown)
    }
}
