//! The steps that scenarios are made of, as one person takes them over one connection.

use crate::domain::ids::SeatId;
use crate::load::crew::SharedCrew;
use crate::load::tally::Kind;
use crate::load::wire::Connection;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Instant;

/// A person with a connection.
pub struct Person {
    crew: SharedCrew,
    connection: Connection,
    /// Which of the tokens is used.
    pub number: usize,
}

/// What a hold answers, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    pub hold_id: String,
    pub seats: Vec<HeldSeat>,
}

/// A seat of a hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldSeat {
    pub seat_id: SeatId,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

impl Person {
    /// A person whose connection opens when it is used.
    pub fn new(crew: &SharedCrew, number: usize) -> Self {
        let connection = Connection::new(crew.place.clone());
        Self { crew: crew.clone(), connection, number }
    }

    /// Holds seats; `since` is when the person meant to.
    pub async fn hold(
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
    pub async fn release(&mut self, match_id: &str, hold_id: &str) -> Result<(), Kind> {
        let path = format!("/api/matches/{match_id}/holds/{hold_id}");
        let since = Instant::now();
        let token = self.crew.token(self.number);
        let answer = self.connection.call("DELETE", &path, Some(token), None).await;
        let heard = self.crew.tally.hear("release", since, answer);
        heard.map(|_| ()).map_err(|(kind, _)| kind)
    }

    /// One request with a body; the data of its answer.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        path: &str,
        body: &str,
        since: Instant,
    ) -> Result<T, Kind> {
        self.call(step, ("POST", path), Some(body), since).await
    }

    /// One request without a body; the data of its answer.
    pub async fn get<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        path: &str,
    ) -> Result<T, Kind> {
        self.call(step, ("GET", path), None, Instant::now()).await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        step: &'static str,
        (method, path): (&str, &str),
        body: Option<&str>,
        since: Instant,
    ) -> Result<T, Kind> {
        let token = self.crew.token(self.number);
        let body = body.map(str::as_bytes);
        let answer = self.connection.call(method, path, Some(token), body).await;
        let answer = self.crew.tally.hear(step, since, answer).map_err(|(kind, _)| kind)?;
        // An answer that can't be read is as good as none.
        let envelope: Result<Envelope<T>, _> = serde_json::from_slice(&answer.body);
        envelope.map(|envelope| envelope.data).map_err(|_| Kind::Unknown)
    }
}
