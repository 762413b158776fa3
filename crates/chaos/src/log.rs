//! The changes of a match as Redis has them in the end, and its seats at the same moment.

use crate::fixture::short;
use crate::sale::Sale;
use crate::world::World;
use anyhow::{Context as _, Result};
use grandstand_faults::wire::{Reply, ask};
use std::collections::{BTreeMap, HashMap};

/// All at one moment.
const READ: &str = "return { redis.call('HGET', KEYS[1], 'version'),
    redis.call('HGETALL', KEYS[2]), redis.call('XRANGE', KEYS[3], '-', '+'),
    redis.call('HGET', KEYS[4], 'epoch') }";

/// An entry of the changes that is about seats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    pub(crate) version: u64,
    /// The version of the match before this entry.
    pub(crate) before: u64,
    /// The letter of the new state of each seat: `A` is AVAILABLE.
    pub(crate) seats: Vec<(u32, char)>,
}

/// When an entry was written, in ms, by the clock of Redis; and the second number of its id.
pub(crate) type EntryId = (u64, u64);

/// The changes of a match since its partition was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MatchLog {
    pub(crate) fixture: String,
    /// How often its partition was loaded.
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) entries: Vec<Entry>,
    /// The letter of each seat that is not AVAILABLE.
    pub(crate) seats: BTreeMap<u32, char>,
}

impl MatchLog {
    /// The changes of each seat, with the ids of their entries.
    pub(crate) fn by_seat(&self) -> HashMap<u32, Vec<(EntryId, char)>> {
        let mut all: HashMap<u32, Vec<_>> = HashMap::new();
        for entry in &self.entries {
            for (seat, letter) in &entry.seats {
                all.entry(*seat).or_default().push((entry.id, *letter));
            }
        }
        all
    }
}

/// Reads the logs of all matches.
///
/// # Errors
/// A server does not reply, or what it has is not in the form of the product.
pub(crate) async fn read_logs(world: &World, sale: &Sale) -> Result<Vec<MatchLog>> {
    let mut logs = Vec::new();
    for fixture in sale.fixtures.iter() {
        let partition = fixture.partition()?;
        let key = |what| format!("{{{partition}}}:m:{}:{what}", short(&fixture.id));
        let (meta, seats, changes) = (key("meta"), key("seats"), key("changes"));
        let hash = format!("{{{partition}}}:partition");
        let port = world.servers.port_of(partition).await;
        let reply = ask(port, &["EVAL", READ, "4", &meta, &seats, &changes, &hash]).await;
        let reply = reply.map_err(anyhow::Error::msg)?;
        let log = parse(&reply).with_context(|| format!("{changes}: {reply:?}"))?;
        logs.push(MatchLog { fixture: fixture.id.clone(), ..log });
    }
    Ok(logs)
}

fn parse(reply: &Reply) -> Option<MatchLog> {
    let [version, seats, entries, epoch] = list(reply)? else { return None };
    let (names, mut found) = (seats.texts(), BTreeMap::new());
    for pair in names.chunks(2) {
        found.insert(pair[0].parse().ok()?, pair[1].chars().next()?);
    }
    let mut log = Vec::new();
    for entry in list(entries)? {
        let [id, fields] = list(entry)? else { return None };
        let id = id.text();
        let (ms, number) = id.split_once('-')?;
        let fields = fields.texts();
        let field = |name| fields.chunks(2).find(|pair| pair[0] == name).map(|pair| &pair[1]);
        // Other entries are about the people who wait.
        if let Some(changes) = field("d") {
            let (version, before) = (field("v")?.parse().ok()?, field("p")?.parse().ok()?);
            let id = (ms.parse().ok()?, number.parse().ok()?);
            log.push(Entry { id, version, before, seats: seats_of(changes)? });
        }
    }
    // A match that nobody has wanted yet has none.
    let version = if *version == Reply::Nothing { 0 } else { version.text().parse().ok()? };
    let epoch = epoch.text().parse().ok()?;
    Some(MatchLog { epoch, version, entries: log, seats: found, ..MatchLog::default() })
}

/// The seats of a text such as `A1,2;H3`.
fn seats_of(changes: &str) -> Option<Vec<(u32, char)>> {
    let mut found = Vec::new();
    for part in changes.split(';').filter(|part| !part.is_empty()) {
        let letter = part.chars().next()?;
        for seat in part[letter.len_utf8()..].split(',') {
            found.push((seat.parse().ok()?, letter));
        }
    }
    Some(found)
}

fn list(reply: &Reply) -> Option<&[Reply]> {
    match reply {
        Reply::List(items) => Some(items),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_that_nobody_has_wanted_has_no_changes() {
        let epoch = Reply::Text("1".to_owned());
        let untouched = [Reply::Nothing, Reply::List(vec![]), Reply::List(vec![]), epoch];
        let log = MatchLog { epoch: 1, ..MatchLog::default() };
        assert_eq!(parse(&Reply::List(untouched.to_vec())), Some(log));
        let [_, rest @ ..] = untouched;
        assert_eq!(parse(&Reply::List(rest.to_vec())), None);
    }
}
