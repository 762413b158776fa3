//! `grandstand verify`: compares Redis with PostgreSQL, match by match, and says what does not
//! agree.

use crate::domain::claim::{Reservation, ReservationStatus};
use crate::domain::ids::{MatchId, SeatId};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::store::Store;
use std::collections::{HashMap, HashSet};

/// One thing that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    pub match_id: MatchId,
    pub seat: SeatId,
    pub what: String,
}

/// What was compared, and what does not agree.
#[derive(Debug, Default)]
pub struct Verified {
    pub matches: usize,
    pub seats: usize,
    /// Entries of the journal that PostgreSQL does not have yet.
    pub backlog: usize,
    pub disagreements: Vec<Disagreement>,
}

/// Compares all matches. While people buy, what is between two steps may show up; on a quiet system
/// the list is empty.
pub async fn verify(engine: &Engine, store: &Store) -> anyhow::Result<Verified> {
    let mut verified = Verified::default();
    for partition in engine.partitions() {
        let place = store.position(partition).await?;
        let upto = place.map_or(StreamId::default(), |place| place.id);
        verified.backlog += engine.journal_backlog(partition, upto).await?;
    }
    let mut kept: HashMap<MatchId, HashMap<SeatId, u8>> = HashMap::new();
    for one in store.claimed_reservations().await? {
        note(&mut kept, &one, &mut verified);
    }
    for (event, seat) in store.blocked_seats().await? {
        kept.entry(event).or_default().insert(seat, b'B');
    }
    let (_, matches) = store.catalog().await?;
    for event in matches {
        let snapshot = engine.snapshot(event.id).await?;
        let in_store = kept.remove(&event.id).unwrap_or_default();
        let in_redis: HashMap<SeatId, u8> = snapshot.taken.into_iter().collect();
        let all: HashSet<SeatId> = in_store.keys().chain(in_redis.keys()).copied().collect();
        verified.matches += 1;
        verified.seats += all.len();
        for seat in all {
            let what = compare(in_redis.get(&seat).copied(), in_store.get(&seat).copied());
            if let Some(what) = what {
                verified.disagreements.push(Disagreement { match_id: event.id, seat, what });
            }
        }
    }
    verified.disagreements.sort_by_key(|one| (one.match_id, one.seat));
    Ok(verified)
}

fn note(
    kept: &mut HashMap<MatchId, HashMap<SeatId, u8>>,
    one: &Reservation,
    verified: &mut Verified,
) {
    let letter = if one.status == ReservationStatus::Confirmed { b'O' } else { b'P' };
    for seat in &one.seats {
        let earlier = kept.entry(one.match_id).or_default().insert(*seat, letter);
        if earlier.is_some() {
            let what = "two reservations in PostgreSQL have it".to_owned();
            verified.disagreements.push(Disagreement { match_id: one.match_id, seat: *seat, what });
        }
    }
}

fn compare(redis: Option<u8>, store: Option<u8>) -> Option<String> {
    match (redis, store) {
        (Some(b'O'), Some(b'O')) | (Some(b'P'), Some(b'P')) | (Some(b'B'), Some(b'B')) => None,
        // Held or waiting for a payment: of Redis alone.
        (Some(b'H' | b'P') | None, None) => None,
        (found, None) => Some(format!("{} in Redis, unknown in PostgreSQL", word(found))),
        (found, Some(b'O')) => Some(format!("sold in PostgreSQL, {} in Redis", word(found))),
        (found, Some(b'B')) => Some(format!("blocked in PostgreSQL, {} in Redis", word(found))),
        (found, _) => Some(format!("claimed in PostgreSQL, {} in Redis", word(found))),
    }
}

fn word(letter: Option<u8>) -> &'static str {
    letter
        .and_then(crate::domain::seat::SeatState::from_letter)
        .map_or("AVAILABLE", |one| one.word())
}
