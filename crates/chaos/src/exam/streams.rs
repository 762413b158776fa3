//! Event streams: who comes back is told all that they missed, once, and a map that has missed
//! something begins again.

use super::fan::{Broken, FIRST, ROOMY, SECOND, Verdict, check};
use super::hall::{Hall, eventually};
use super::sleeper::stopped;
use super::stream::Stream;
use crate::fault::Process;
use crate::fixture::{Fixture, SEATS, short};
use crate::world::World;
use grandstand_faults::wire::ask;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn url(hall: &Hall, node: usize, id: &str) -> String {
    format!("{}/api/matches/{id}/blocks/1/seats/events", hall.door(node))
}

pub(super) async fn open(hall: &Hall, node: usize, id: &str) -> Verdict<Stream> {
    let mut stream = Stream::open(&url(hall, node, id), None, "", BTreeMap::new()).await?;
    let first = stream.next_seats().await?;
    check(first == "snapshot", format!("a new stream begins with {first}"))?;
    Ok(stream)
}

/// Comes back with what it knows.
async fn back(hall: &Hall, node: usize, id: &str, old: &Stream, last: &str) -> Verdict<Stream> {
    Stream::open(&url(hall, node, id), None, last, old.map.clone()).await
}

pub(super) async fn hold(hall: &Hall, fan: usize, id: &str, seat: u32) -> Verdict<Value> {
    hall.fan(fan).take(ROOMY, id, &[seat]).await.expect(201)
}

/// Who missed little is told all of it in one event, and who missed much has a whole map.
pub(super) async fn missed(hall: &Hall) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let mut here = open(hall, FIRST, &id).await?;
    let gone = open(hall, FIRST, &id).await?;
    let last = gone.last_id.clone();
    for seat in 1..=4 {
        hold(hall, 8, &id, seat).await?;
        here.wait_for(seat, "HOLD").await?;
    }
    let mut again = back(hall, FIRST, &id, &gone, &last).await?;
    let name = again.next_seats().await?;
    check(name == "changes", "who missed little gets a whole map")?;
    check(again.map == here.map, "who missed four flushes is not told all of them")?;
    drop(again);
    for round in 0..SEATS {
        let seat = 10 + round % 7;
        let hold = hold(hall, 8, &id, seat).await?;
        here.wait_for(seat, "HOLD").await?;
        hall.fan(8).release(ROOMY, &id, &hold).await.expect(204)?;
        here.wait_for(seat, "AVAILABLE").await?;
    }
    let mut again = back(hall, FIRST, &id, &gone, &last).await?;
    let name = again.next_seats().await?;
    check(name == "snapshot", "who was away for long gets all that was missed")?;
    check(again.map == here.map, "who was away for long is told a part of it")?;
    hall.order(&id, "close").await.map(drop)
}

/// An id of another epoch, or of an event that never was, gets a snapshot.
pub(super) async fn foreign_ids(hall: &Hall) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let mut stream = open(hall, SECOND, &id).await?;
    hold(hall, 9, &id, 1).await?;
    stream.wait_for(1, "HOLD").await?;
    let parts: Vec<u64> = stream.last_id.split('-').filter_map(|part| part.parse().ok()).collect();
    let [epoch, time, number] = parts[..] else {
        return Err(Broken(format!("the id {}", stream.last_id)));
    };
    hold(hall, 9, &id, 2).await?;
    stream.wait_for(2, "HOLD").await?;
    let foreign = [
        (epoch - 1, time, number),
        (epoch + 1, time, number),
        // Between the two.
        (epoch, time, number + 1),
        (epoch, time + 60_000, 0),
    ];
    for (epoch, time, number) in foreign {
        let last = format!("{epoch}-{time}-{number}");
        let mut again = back(hall, SECOND, &id, &stream, &last).await?;
        let first = again.next_seats().await?;
        check(first == "snapshot", format!("{last} gets {first}"))?;
    }
    hall.order(&id, "close").await.map(drop)
}

/// A snapshot has all that others have been told before.
pub(super) async fn snapshots(hall: &Hall) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let mut first = open(hall, SECOND, &id).await?;
    for seat in 1..=5 {
        hold(hall, 10, &id, seat).await?;
        first.wait_for(seat, "HOLD").await?;
        let second = open(hall, SECOND, &id).await?;
        check(second.map == first.map, "a snapshot is older than what others were told")?;
    }
    hall.order(&id, "close").await.map(drop)
}

/// The streams of a match that is deleted end for good.
pub(super) async fn deleted(hall: &Hall) -> Verdict {
    let id = hall.draft(&hall.site, json!({})).await?;
    let (address, token) = (url(hall, SECOND, &id), Some(hall.admin.token()));
    let mut stream = Stream::open(&address, token, "", BTreeMap::new()).await?;
    stream.next_seats().await?;
    let path = format!("/api/admin/matches/{id}");
    hall.admin.ask(FIRST, Method::DELETE, &path, &Value::Null, "").await.expect(204)?;
    while stream.next().await?.is_some() {}
    let path = format!("/api/matches/{id}/blocks/1/seats");
    hall.admin.get(SECOND, &path).await.refused("MATCH_NOT_FOUND").map(drop)
}

/// Entries of the changes are lost before a node has read them. Its map begins again.
pub(super) async fn lost_entries(hall: &Hall, world: &World) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let mut watcher = open(hall, FIRST, &id).await?;
    hold(hall, 11, &id, 1).await?;
    watcher.wait_for(1, "HOLD").await?;
    let wrong = |error: anyhow::Error| Broken(format!("{error:#}"));
    let partition = Fixture::named(&id).partition().map_err(wrong)?;
    let port = world.servers.port_of(partition).await;
    let stream = format!("{{{partition}}}:m:{}:changes", short(&id));
    let node = world.process(Process::Api(0));
    node.freeze();
    let lost = async {
        stopped(node).await?;
        for seat in [2, 3] {
            hold(hall, 11, &id, seat).await?;
        }
        ask(port, &["XTRIM", &stream, "MAXLEN", "0"]).await.map_err(Broken)?;
        hold(hall, 11, &id, 4).await
    }
    .await;
    node.thaw();
    lost?;
    eventually("a map that has missed entries begins again", async || {
        let map = hall.map(FIRST, &id).await?;
        Ok((map == hall.map(SECOND, &id).await? && map[3].1 == "HOLD").then_some(()))
    })
    .await?;
    for seat in [2, 3, 4] {
        watcher.wait_for(seat, "HOLD").await?;
    }
    hall.order(&id, "close").await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_redis_has_it() {
        assert_eq!(short("00000000-0000-0000-0000-000000000000"), "A".repeat(22));
        assert_eq!(short("ffffffff-ffff-ffff-ffff-ffffffffffff"), format!("{}w", "_".repeat(21)));
        assert_eq!(short("00000000-0000-0000-0000-000000000001"), format!("{}Q", "A".repeat(21)));
    }
}
