//! `grandstand verify`: compares Redis, the journal and PostgreSQL, partition by partition, and the
//! gateway when asked, and says what does not agree.

pub mod gateway;

use crate::domain::catalog::Match;
use crate::domain::claim::{Claim, ClaimState, Reservation, ReservationStatus};
use crate::domain::ids::{MatchId, Partition, ReservationId, SeatId};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::store::Store;
use crate::workers::rebuild::Agreement;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

/// One thing that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disagreement {
    /// `seat`, `claim`, `reservation`, `account`, `match`, `site`, `journal`, `dead letter`,
    /// `payment` or `gateway`.
    pub kind: &'static str,
    /// Which one.
    pub about: String,
    pub what: String,
}

impl Disagreement {
    fn new(kind: &'static str, about: impl Display, what: impl Into<String>) -> Self {
        Self { kind, about: about.to_string(), what: what.into() }
    }
}

/// What was compared, and what does not agree.
#[derive(Debug, Default)]
pub struct Verified {
    pub matches: usize,
    pub seats: usize,
    /// Payments that were looked up at the gateway.
    pub payments: usize,
    /// Entries of the journal that PostgreSQL does not have yet.
    pub backlog: usize,
    pub disagreements: Vec<Disagreement>,
}

impl Verified {
    /// For people: a line for each thing that does not agree, and one for what was compared.
    pub fn table(&self) -> String {
        let mut text = String::new();
        if !self.disagreements.is_empty() {
            text.push_str(&format!("{:<12} {:<46} what does not agree\n", "kind", "which"));
        }
        for one in &self.disagreements {
            text.push_str(&format!("{:<12} {:<46} {}\n", one.kind, one.about, one.what));
        }
        let Self { matches, seats, payments, backlog, disagreements } = self;
        text.push_str(&format!(
            "{matches} matches, {seats} taken seats, {payments} payments at the gateway, {backlog} \
             journal entries on their way, {} disagreements\n",
            disagreements.len()
        ));
        text
    }
}

/// Compares everything but the gateway. While people buy, what is between two steps may show up; on
/// a quiet system the list is empty.
pub async fn verify(engine: &Engine, store: &Store) -> anyhow::Result<Verified> {
    let mut verified = Verified::default();
    for partition in engine.partitions() {
        journal(engine, store, partition, &mut verified).await?;
        accounts(engine, store, partition, &mut verified).await?;
        sales(engine, store, partition, &mut verified).await?;
    }
    for letter in store.dead_letters().await? {
        let name = super::dead_letters::name_of(&letter);
        verified.disagreements.push(Disagreement::new("dead letter", name, letter.reason));
    }
    verified.disagreements.sort();
    Ok(verified)
}

/// A worker that is at work moves both sides: only what is found again does not agree.
async fn agreement(
    engine: &Engine,
    store: &Store,
    partition: Partition,
) -> anyhow::Result<Agreement> {
    let mut found = Agreement::Same;
    for _ in 0..3 {
        let state = engine.partition_state(partition).await?;
        let place = store.position(partition).await?;
        let upto = place.map_or(StreamId::default(), |place| place.id);
        found = Agreement::of(&state, place, engine.journal_has(partition, upto).await?);
        if found == Agreement::Same {
            break;
        }
    }
    Ok(found)
}

async fn journal(
    engine: &Engine,
    store: &Store,
    partition: Partition,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    let about = format!("partition {partition}");
    let mut wrong =
        |what: String| verified.disagreements.push(Disagreement::new("journal", &about, what));
    let agreement = agreement(engine, store, partition).await?;
    match agreement {
        Agreement::Same => {}
        Agreement::NotLoaded => wrong("not loaded in Redis".to_owned()),
        Agreement::RedisLost { committed: known } => {
            wrong(format!("PostgreSQL has it up to {known}, and Redis has lost that entry"));
        }
        Agreement::DatabaseLost { announced: told, found: place } => {
            let place = place.map_or_else(|| "nothing".to_owned(), |place| place.to_string());
            wrong(format!("PostgreSQL had it up to {told} and has {place}: grandstand restore"));
        }
    }
    let upto = store.position(partition).await?.map_or(StreamId::default(), |place| place.id);
    verified.backlog += engine.journal_backlog(partition, upto).await?;
    Ok(())
}

async fn accounts(
    engine: &Engine,
    store: &Store,
    partition: Partition,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    let redis = engine.accounts_of(partition).await?.into_iter();
    let redis: BTreeMap<_, _> = redis.map(|one| (one.id.0, one.email)).collect();
    let kept = store.accounts(partition).await?.into_iter();
    let kept: BTreeMap<_, _> = kept.map(|one| (one.id.0, one.email)).collect();
    both(verified, "account", &redis, &kept, |_| "another e-mail in PostgreSQL".to_owned());
    let (sites, matches) = engine.catalog(partition).await?;
    let (kept_sites, kept_matches) = store.catalog(partition).await?;
    let sites = sites.into_iter().map(|one| (one.id.0, one.version)).collect();
    let kept = kept_sites.into_iter().map(|one| (one.id.0, one.version)).collect();
    let version = |kept: &u64| format!("version {kept} in PostgreSQL, another in Redis");
    both(verified, "site", &sites, &kept, version);
    let matches = matches.into_iter().map(|one| (one.id.0, one.version)).collect();
    let kept = kept_matches.into_iter().map(|one| (one.id.0, one.version)).collect();
    both(verified, "match", &matches, &kept, version);
    Ok(())
}

/// What only one side has, or both have differently.
fn both<T: PartialEq>(
    verified: &mut Verified,
    kind: &'static str,
    redis: &BTreeMap<uuid::Uuid, T>,
    kept: &BTreeMap<uuid::Uuid, T>,
    differ: impl Fn(&T) -> String,
) {
    let mut wrong = |id, what| verified.disagreements.push(Disagreement::new(kind, id, what));
    for (id, one) in kept {
        match redis.get(id) {
            None => wrong(id, "in PostgreSQL, unknown in Redis".to_owned()),
            Some(other) if other != one => wrong(id, differ(one)),
            Some(_) => {}
        }
    }
    for id in redis.keys().filter(|id| !kept.contains_key(id)) {
        wrong(id, "in Redis, unknown in PostgreSQL".to_owned());
    }
}

async fn sales(
    engine: &Engine,
    store: &Store,
    partition: Partition,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    // What is archived is in PostgreSQL alone, or about to be.
    let (archived, matches): (Vec<_>, Vec<_>) =
        engine.catalog(partition).await?.1.into_iter().partition(|event| event.archived);
    let archived: HashSet<MatchId> = archived.iter().map(|event| event.id).collect();
    let mut reservations = store.claimed_reservations(partition).await?;
    reservations.retain(|one| !archived.contains(&one.match_id));
    let begun = engine.claims_in(partition).await?.into_iter();
    let begun = begun.filter(|one| !matches!(one.state, ClaimState::Hold | ClaimState::Pending));
    let begun = begun.filter(|one| !archived.contains(&one.match_id));
    let live = begun.map(|claim| (claim.id, claim)).collect();
    compare_reservations(&reservations, live, verified);
    for (event, seat) in store.stray_claims(partition).await? {
        let what = "claimed in PostgreSQL for no reservation that may have it";
        verified.disagreements.push(Disagreement::new("claim", name(event, seat), what));
    }
    let mut kept: HashMap<MatchId, HashMap<SeatId, u8>> = HashMap::new();
    for one in &reservations {
        note(&mut kept, one, verified);
    }
    for (event, seat) in store.blocked_seats(partition).await? {
        kept.entry(event).or_default().insert(seat, b'B');
    }
    for (event, seat) in nameless(engine, partition, &matches).await? {
        let what = "taken in Redis, and no hold or reservation names it: load the partition anew";
        verified.disagreements.push(Disagreement::new("seat", name(event, seat), what));
    }
    for event in matches {
        let snapshot = engine.snapshot(event.id).await?;
        let in_store = kept.remove(&event.id).unwrap_or_default();
        let in_redis: HashMap<SeatId, u8> = snapshot.taken.into_iter().collect();
        let all: HashSet<SeatId> = in_store.keys().chain(in_redis.keys()).copied().collect();
        verified.matches += 1;
        verified.seats += all.len();
        for seat in all {
            let what = compare(in_redis.get(&seat).copied(), in_store.get(&seat).copied());
            let wrong = what.map(|what| Disagreement::new("seat", name(event.id, seat), what));
            verified.disagreements.extend(wrong);
        }
    }
    Ok(())
}

/// Seats that are held or reserved in Redis for nobody: they would stay so for ever. Holds come and
/// go while it looks, so that only what is found three times counts.
async fn nameless(
    engine: &Engine,
    partition: Partition,
    matches: &[Match],
) -> anyhow::Result<HashSet<(MatchId, SeatId)>> {
    let mut found: Option<HashSet<(MatchId, SeatId)>> = None;
    for _ in 0..3 {
        let mut taken = HashSet::new();
        for event in matches {
            let seats = engine.snapshot(event.id).await?.taken.into_iter();
            let held = seats.filter(|(_, letter)| b"HP".contains(letter));
            taken.extend(held.map(|(seat, _)| (event.id, seat)));
        }
        for claim in engine.claims_in(partition).await? {
            for seat in claim.seats {
                taken.remove(&(claim.match_id, seat));
            }
        }
        found = Some(match found {
            Some(before) => before.intersection(&taken).copied().collect(),
            None => taken,
        });
        if found.as_ref().is_some_and(HashSet::is_empty) {
            break;
        }
    }
    Ok(found.unwrap_or_default())
}

fn name(event: MatchId, seat: SeatId) -> String {
    format!("{event} {seat}")
}

fn compare_reservations(
    kept: &[Reservation],
    mut live: HashMap<ReservationId, Claim>,
    verified: &mut Verified,
) {
    let mut wrong =
        |id, what| verified.disagreements.push(Disagreement::new("reservation", id, what));
    for one in kept {
        let status = one.status.word();
        let Some(claim) = live.remove(&one.id) else {
            wrong(one.id, format!("{status} in PostgreSQL, unknown in Redis"));
            continue;
        };
        let sold = claim.state != ClaimState::Paying;
        let (mut here, mut there) = (claim.seats.clone(), one.seats.clone());
        here.sort();
        there.sort();
        if sold != (one.status == ReservationStatus::Confirmed) {
            wrong(one.id, format!("{status} in PostgreSQL, {:?} in Redis", claim.state));
        } else if claim.user != one.user {
            wrong(one.id, "of another user in PostgreSQL than in Redis".to_owned());
        } else if here != there {
            wrong(one.id, "other seats in PostgreSQL than in Redis".to_owned());
        } else if one.refunding != (claim.state == ClaimState::Refunding) {
            let side = if one.refunding { "PostgreSQL" } else { "Redis" };
            wrong(one.id, format!("its money is on the way back in {side} only"));
        } else if claim.amount != one.amount {
            let what = format!("{} KRW in PostgreSQL, {} in Redis", one.amount, claim.amount);
            wrong(one.id, what);
        }
    }
    for (id, claim) in live {
        wrong(id, format!("{:?} in Redis, without claims in PostgreSQL", claim.state));
    }
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
            let what = "two reservations in PostgreSQL have it";
            let about = name(one.match_id, *seat);
            verified.disagreements.push(Disagreement::new("seat", about, what));
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
