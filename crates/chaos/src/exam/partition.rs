//! A partition as Redis has it. Its clock never goes below its floor, so the exam raises the floor
//! instead of waiting: the clock then stands at this very millisecond until the time has come.

use super::fan::{Broken, Verdict};
use crate::fixture::{Fixture, short};
use crate::world::World;
use grandstand_faults::wire::{Reply, ask};

/// How many of the newest entries of a journal are looked at.
const NEWEST: &str = "20";

/// The partition of a match.
pub(super) struct Partition {
    port: u16,
    name: String,
}

/// The record of a claim, and the field of the hash of claims where it is.
pub(super) struct Record {
    field: String,
    pub(super) line: String,
}

impl Partition {
    pub(super) async fn of(world: &World, id: &str) -> Verdict<Self> {
        let wrong = |error: anyhow::Error| Broken(format!("{error:#}"));
        let partition = Fixture::named(id).partition().map_err(wrong)?;
        let port = world.servers.port_of(partition).await;
        Ok(Self { port, name: format!("{{{partition}}}") })
    }

    /// A command about one of its keys.
    pub(super) async fn ask(&self, command: &str, key: &str, more: &[&str]) -> Verdict<Reply> {
        let key = format!("{}:{key}", self.name);
        let words: Vec<&str> = [command, &key].into_iter().chain(more.iter().copied()).collect();
        ask(self.port, &words).await.map_err(Broken)
    }

    /// The time at the last tick, in ms, whatever the floor is.
    pub(super) async fn now(&self) -> Verdict<i64> {
        let clock = self.ask("HMGET", "partition", &["clock_time", "clock_shift"]).await?.texts();
        Ok(clock.iter().filter_map(|part| part.parse::<i64>().ok()).sum())
    }

    /// From now on its clock stands at this time in ms, which must be ahead.
    pub(super) async fn stand_at(&self, ms: i64) -> Verdict {
        self.ask("HSET", "partition", &["clock_floor", &ms.to_string()]).await.map(drop)
    }

    /// Its clock has the right time again.
    pub(super) async fn go_on(&self) -> Verdict {
        self.stand_at(0).await
    }

    /// The record of a hold or a reservation.
    pub(super) async fn record(&self, id: &str) -> Verdict<Record> {
        let (all, id) = (self.ask("HGETALL", "claims", &[]).await?.texts(), short(id));
        let find = |pair: &[String]| {
            let line = pair[1].lines().find(|line| line.starts_with(&id))?;
            Some(Record { field: pair[0].clone(), line: line.to_owned() })
        };
        let found = all.as_chunks::<2>().0.iter().find_map(|pair| find(pair));
        found.ok_or_else(|| Broken(format!("Redis has no record of {id}")))
    }

    /// Writes another line in the place of a record.
    pub(super) async fn replace(&self, record: &Record, line: &str) -> Verdict {
        let text = self.ask("HGET", "claims", &[&record.field]).await?.text();
        let text = text.replace(&record.line, line);
        self.ask("HSET", "claims", &[&record.field, &text]).await.map(drop)
    }

    /// Redis forgets a record.
    pub(super) async fn remove(&self, record: &Record) -> Verdict {
        let text = self.ask("HGET", "claims", &[&record.field]).await?.text();
        let rest: Vec<&str> = text.lines().filter(|line| *line != record.line).collect();
        match rest[..] {
            [] => self.ask("HDEL", "claims", &[&record.field]).await.map(drop),
            _ => {
                let text = rest.join("\n");
                self.ask("HSET", "claims", &[&record.field, &text]).await.map(drop)
            }
        }
    }

    /// Redis forgets that a seat was sold.
    pub(super) async fn forget_sale(&self, id: &str, reservation: &str, seat: &str) -> Verdict {
        self.remove(&self.record(reservation).await?).await?;
        self.ask("HDEL", &format!("m:{}:seats", short(id)), &[seat]).await.map(drop)
    }

    /// Deletes the newest entry of the journal that is about this reservation.
    pub(super) async fn lose_entry(&self, reservation: &str) -> Verdict {
        let newest = self.ask("XREVRANGE", "journal", &["+", "-", "COUNT", NEWEST]).await?;
        let (Reply::List(entries), id) = (newest, short(reservation)) else {
            return Err(Broken("the journal has no entries".to_owned()));
        };
        let about = |entry: &Reply| match entry {
            Reply::List(parts) if parts.get(1)?.texts().contains(&id) => Some(parts[0].text()),
            _ => None,
        };
        let Some(entry) = entries.iter().find_map(about) else {
            return Err(Broken(format!("the journal has no entry about {reservation}")));
        };
        self.ask("XDEL", "journal", &[&entry]).await.map(drop)
    }
}
