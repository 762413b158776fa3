//! Two loads that need a cheap client: single seats that are held and given back, and refusals.
//! Each connection has one request under way, and sends the next one when it has the response.

use crate::crew::{all, on_own_thread};
use crate::dice::Dice;
use crate::target::Target;
use crate::venue::Venue;
use crate::wire::{Connection, Method, ServerAddress};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections of both loads: enough for full batches, and few enough for two cores.
const CONNECTIONS: usize = 256;
/// Seats that a connection of the calm sale takes in turns.
const OWN_SEATS: usize = 16;
/// Seats that everybody wants in the rush.
const WANTED_SEATS: usize = 400;

/// Requests with the expected status, and all others.
#[derive(Default)]
struct Counts {
    expected: AtomicU64,
    others: AtomicU64,
}

impl Counts {
    fn count(&self, is_expected: bool) {
        let counter = if is_expected { &self.expected } else { &self.others };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the expected responses per second.
    fn per_second(&self, begun: Instant) -> anyhow::Result<f64> {
        let others = self.others.load(Ordering::Relaxed);
        ensure!(others == 0, "{others} requests got another response than expected");
        Ok(self.expected.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
    }
}

/// Returns the requests per second of a calm sale: everybody holds a free seat and gives it back.
pub(crate) async fn calm(target: &Target, time: Duration) -> anyhow::Result<f64> {
    let tokens = Arc::new(target.tokens(CONNECTIONS).await?);
    let server = target.server.clone();
    on_own_thread(move || async move {
        let venue = Venue::visit(&server, None, 1, None).await?;
        let id = &venue.matches[0];
        let paths = |number: usize| {
            let own = number * OWN_SEATS..(number + 1) * OWN_SEATS;
            let seats = own.map(|at| venue.index.seat_at(at as u32));
            let path = |seat| format!("/api/matches/{id}/allocation/seats/{seat}");
            seats
                .map(path)
                .map(|path| [format!("{path}/hold"), format!("{path}/release")])
                .collect()
        };
        let (counts, begun) = (Arc::new(Counts::default()), Instant::now());
        all(CONNECTIONS, |number| {
            let (counts, tokens) = (counts.clone(), tokens.clone());
            let (paths, connection): (Vec<_>, _) = (paths(number), Connection::new(server.clone()));
            take_turns(connection, paths, tokens, number, counts, begun + time)
        })
        .await?;
        counts.per_second(begun)
    })
    .await
}

async fn take_turns(
    mut connection: Connection,
    paths: Vec<[String; 2]>,
    tokens: Arc<Vec<String>>,
    number: usize,
    counts: Arc<Counts>,
    ends_at: Instant,
) {
    let token = Some(tokens[number].as_str());
    for [hold, release] in paths.iter().cycle() {
        for (path, status) in [(hold, 200), (release, 204)] {
            let response = connection.call(Method::Post, path, token, None).await;
            counts.count(response.is_ok_and(|response| response.status == status));
        }
        if Instant::now() > ends_at {
            return;
        }
    }
}

/// Returns the responses per second of a rush: everybody wants two of the same seats, all of which
/// are taken, and each refusal names alternatives.
pub(crate) async fn refused(target: &Target, time: Duration) -> anyhow::Result<f64> {
    let tokens = Arc::new(target.tokens(WANTED_SEATS / 2 + CONNECTIONS).await?);
    let server = target.server.clone();
    on_own_thread(move || async move {
        let venue = Venue::visit(&server, None, 1, None).await?;
        let path = format!("/api/matches/{}/holds", venue.matches[0]);
        let seats = venue.best(WANTED_SEATS);
        let bodies =
            seats.chunks(2).map(|pair| format!("{{\"seatIds\":[{},{}]}}", pair[0], pair[1]));
        let bodies: Arc<Vec<String>> = Arc::new(bodies.collect());
        let holds = take(&server, &path, &tokens, &bodies).await?;
        let (counts, begun) = (Arc::new(Counts::default()), Instant::now());
        all(CONNECTIONS, |number| {
            let (counts, tokens, bodies) = (counts.clone(), tokens.clone(), bodies.clone());
            let (connection, path) = (Connection::new(server.clone()), path.clone());
            let number = bodies.len() + number;
            insist(connection, path, bodies, tokens, number, counts, begun + time)
        })
        .await?;
        let rate = counts.per_second(begun);
        give_back(&server, &path, &tokens, &holds).await?;
        rate
    })
    .await
}

/// Takes all pairs, each for another person. Returns the ids of the holds.
async fn take(
    server: &ServerAddress,
    path: &str,
    tokens: &[String],
    bodies: &[String],
) -> anyhow::Result<Vec<String>> {
    let mut connection = Connection::new(server.clone());
    let mut holds = Vec::new();
    for (body, token) in bodies.iter().zip(tokens) {
        let body = Some(body.as_bytes());
        let response = connection.call(Method::Post, path, Some(token), body).await?;
        ensure!(response.status == 201, "a hold of free seats: status {}", response.status);
        let body: Value = serde_json::from_slice(&response.body)?;
        holds.push(body["data"]["holdId"].as_str().context("a hold without an id")?.to_owned());
    }
    Ok(holds)
}

async fn insist(
    mut connection: Connection,
    path: String,
    bodies: Arc<Vec<String>>,
    tokens: Arc<Vec<String>>,
    number: usize,
    counts: Arc<Counts>,
    ends_at: Instant,
) {
    let (token, mut dice) = (Some(tokens[number].as_str()), Dice::new(number as u64));
    while Instant::now() < ends_at {
        let body = Some(bodies[dice.below(bodies.len())].as_bytes());
        let response = connection.call(Method::Post, &path, token, body).await;
        let is_refusal = |body: &[u8]| body.windows(14).any(|part| part == b"\"alternatives\"");
        counts.count(response.is_ok_and(|all| all.status == 409 && is_refusal(&all.body)));
    }
}

async fn give_back(
    server: &ServerAddress,
    path: &str,
    tokens: &[String],
    holds: &[String],
) -> anyhow::Result<()> {
    let mut connection = Connection::new(server.clone());
    for (hold, token) in holds.iter().zip(tokens) {
        let path = format!("{path}/{hold}");
        let response = connection.call(Method::Delete, &path, Some(token), None).await?;
        ensure!(response.status == 204, "the end of a hold: status {}", response.status);
    }
    Ok(())
}
