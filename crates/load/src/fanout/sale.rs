//! The seats that are taken during a measurement: one after the other in random order, directly at
//! the engine. The stream of Redis has the time of each change, and lateness counts from that time.

use crate::dice::Dice;
use crate::fanout::crowd::{Seen, mark};
use crate::tally::Tally;
use crate::wire::ServerAddress;
use anyhow::{Context as _, ensure};
use grandstand::commands::dev::Dev;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::ids::{MatchId, SeatId, UserId};
use grandstand::domain::position::StreamId;
use grandstand::engine::Engine;
use grandstand::engine::operation::Operation;
use grandstand::engine::snapshot::parse_told;
use grandstand::live::catalog::KnownSite;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Seats of a call without watchers.
const CALL_SEATS: usize = 50;

/// The match on sale.
pub(crate) struct Sale {
    engine: Arc<Engine>,
    pub(crate) id: MatchId,
    pub(crate) site: Arc<KnownSite>,
    /// Free seats, in random order.
    free: Vec<SeatId>,
}

impl Sale {
    /// Finds an open match: the last one, because other measurements begin at the first one.
    pub(crate) fn new(dev: &Dev) -> anyhow::Result<Self> {
        let services = &dev.node.services;
        let open = services.catalog.matches();
        let fixture = open.iter().rfind(|fixture| fixture.status == MatchStatus::Open);
        let fixture = fixture.context("no match is on sale")?;
        let site = services.catalog.site(fixture.site_id).context("a match without a site")?;
        let count = site.index.seat_count();
        let mut free: Vec<SeatId> = (0..count).map(|at| site.index.seat_at(at)).collect();
        let mut dice = Dice::new(4);
        for at in (1..free.len()).rev() {
            free.swap(at, dice.below(at + 1));
        }
        Ok(Self { engine: services.engine.clone(), id: fixture.id, site, free })
    }

    /// Takes seats one by one, at this rate per second and for this time.
    pub(crate) async fn take(&mut self, rate: f64, time: Duration) -> anyhow::Result<()> {
        let mut clock = interval(Duration::from_secs_f64(1.0 / rate));
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut work = JoinSet::new();
        for _ in 0..(rate * time.as_secs_f64()) as usize {
            clock.tick().await;
            let seat = self.free.pop().context("all seats are taken")?;
            work.spawn(hold(self.engine.clone(), self.id, vec![seat]));
        }
        while let Some(held) = work.join_next().await {
            held??;
        }
        Ok(())
    }

    /// Takes seats until half of them are taken.
    pub(crate) async fn take_until_half_is_left(&mut self) -> anyhow::Result<()> {
        let half = self.site.index.seat_count() as usize / 2;
        while self.free.len() > half {
            let rest = self.free.len() - CALL_SEATS.min(self.free.len() - half);
            hold(self.engine.clone(), self.id, self.free.split_off(rest)).await?;
        }
        Ok(())
    }

    /// Returns the checksum of the map in Redis.
    pub(crate) async fn sum(&self) -> anyhow::Result<u64> {
        let snapshot = self.engine.snapshot(self.id).await?;
        let index = &self.site.index;
        let positions = snapshot.taken.iter().filter_map(|(seat, _)| index.position(*seat));
        Ok(positions.fold(0, |sum, position| sum ^ mark(position)))
    }

    /// Records for each change and each stream how long after its commit in Redis it arrived.
    pub(crate) async fn lateness(
        &self,
        seen: &[Seen],
        step: &'static str,
        tally: &Tally,
    ) -> anyhow::Result<()> {
        let end = StreamId { ms: u64::MAX, seq: u64::MAX };
        let entries = self.engine.changes_before(self.id, end, 12_000).await?;
        let mut committed: HashMap<u32, i64> = HashMap::new();
        for (id, fields) in &entries {
            let seats = fields.get("d").and_then(|text| parse_told(text)).unwrap_or_default();
            let positions = seats.iter().filter_map(|(seat, _)| self.site.index.position(*seat));
            committed.extend(positions.map(|position| (position, id.ms as i64 * 1000)));
        }
        for (frame, arrived) in seen.iter().flat_map(|stream| &stream.frames) {
            for at in frame.seats.iter().filter_map(|position| committed.get(position)) {
                tally.record(step, Duration::from_micros((arrived - at).max(0) as u64));
            }
        }
        Ok(())
    }
}

async fn hold(engine: Arc<Engine>, id: MatchId, seats: Vec<SeatId>) -> anyhow::Result<()> {
    let user = UserId::new(id.partition());
    engine.hold(id, user, seats, 0, &[], Operation::default()).await?;
    Ok(())
}

/// Returns the bytes of a response with the whole map, plain and compressed.
pub(crate) async fn map_bytes(
    server: &ServerAddress,
    path: &str,
) -> anyhow::Result<(usize, usize)> {
    let plain = body_bytes(server, path, "").await?;
    Ok((plain, body_bytes(server, path, "accept-encoding: gzip\r\n").await?))
}

async fn body_bytes(server: &ServerAddress, path: &str, header: &str) -> anyhow::Result<usize> {
    let mut stream = TcpStream::connect(server.address).await?;
    let host = &server.host;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{header}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let end = response
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("a response without a head")?;
    ensure!(response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&response[..end]));
    Ok(response.len() - end - 4)
}
