//! The seats that are taken meanwhile: one after the other in random order, at the engine itself.
//! When Redis took each is in its stream, so lateness counts from there.

use crate::commands::dev::Dev;
use crate::domain::catalog::MatchStatus;
use crate::domain::ids::{MatchId, SeatId, UserId};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::batch::Operation;
use crate::engine::snapshot::parse_told;
use crate::live::catalog::KnownSite;
use crate::load::dice::Dice;
use crate::load::fanout::crowd::{Seen, mark};
use crate::load::tally::Tally;
use crate::load::wire::Place;
use anyhow::{Context as _, ensure};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Seats of one call while nobody watches.
const AT_ONCE: usize = 50;

/// What is on sale.
pub struct Sale {
    engine: Arc<Engine>,
    pub id: MatchId,
    pub site: Arc<KnownSite>,
    /// Still to be had, in random order.
    left: Vec<SeatId>,
}

impl Sale {
    /// The seats of an open match.
    pub fn new(dev: &Dev) -> anyhow::Result<Self> {
        let services = &dev.node.services;
        let open = services.catalog.matches();
        let fixture = open.iter().find(|one| one.status == MatchStatus::Open);
        let fixture = fixture.context("no match is on sale")?;
        let site = services.catalog.site(fixture.site_id).context("a match without a site")?;
        let count = site.index.seat_count();
        let mut left: Vec<SeatId> = (0..count).map(|at| site.index.seat_at(at)).collect();
        let mut dice = Dice::new(4);
        for at in (1..left.len()).rev() {
            left.swap(at, dice.below(at + 1));
        }
        Ok(Self { engine: services.engine.clone(), id: fixture.id, site, left })
    }

    /// Takes seats one by one, so many per second, for so long.
    pub async fn take(&mut self, rate: f64, time: Duration) -> anyhow::Result<()> {
        let mut clock = interval(Duration::from_secs_f64(1.0 / rate));
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut work = JoinSet::new();
        for _ in 0..(rate * time.as_secs_f64()) as usize {
            clock.tick().await;
            let seat = self.left.pop().context("no seat is left")?;
            work.spawn(hold(self.engine.clone(), self.id, vec![seat]));
        }
        while let Some(held) = work.join_next().await {
            held??;
        }
        Ok(())
    }

    /// Takes seats until half of them are.
    pub async fn take_until_half_is_left(&mut self) -> anyhow::Result<()> {
        let half = self.site.index.seat_count() as usize / 2;
        while self.left.len() > half {
            let rest = self.left.len() - AT_ONCE.min(self.left.len() - half);
            hold(self.engine.clone(), self.id, self.left.split_off(rest)).await?;
        }
        Ok(())
    }

    /// The sum of the map as Redis has it.
    pub async fn sum(&self) -> anyhow::Result<u64> {
        let snapshot = self.engine.snapshot(self.id).await?;
        let places = snapshot.taken.iter().filter_map(|(seat, _)| self.site.index.position(*seat));
        Ok(places.fold(0, |sum, place| sum ^ mark(place)))
    }

    /// Notes how long after its commit in Redis each change came to each stream.
    pub async fn lateness(
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
            let places = seats.iter().filter_map(|(seat, _)| self.site.index.position(*seat));
            committed.extend(places.map(|place| (place, id.ms as i64 * 1000)));
        }
        for (heard, came) in seen.iter().flat_map(|one| &one.frames) {
            for at in heard.seats.iter().filter_map(|place| committed.get(place)) {
                tally.record(step, Duration::from_micros((came - at).max(0) as u64));
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

/// The bytes of the whole map as an answer, plain and compressed.
pub async fn map_bytes(place: &Place, path: &str) -> anyhow::Result<(usize, usize)> {
    let plain = body_bytes(place, path, "").await?;
    Ok((plain, body_bytes(place, path, "accept-encoding: gzip\r\n").await?))
}

async fn body_bytes(place: &Place, path: &str, header: &str) -> anyhow::Result<usize> {
    let mut stream = TcpStream::connect(place.address).await?;
    let host = &place.host;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{header}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("no head")?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..end]));
    Ok(answer.len() - end - 4)
}
