//! `grandstand verify`: compares Redis, the journal and PostgreSQL, partition by partition, and
//! with `--gateway` the gateway too. It lists all disagreements.

pub mod gateway;

use crate::commands::dead_letters::name_of;
use crate::domain::account::Account;
use crate::domain::catalog::Match;
use crate::domain::claim::{Claim, ClaimState, Reservation, ReservationStatus};
use crate::domain::ids::{MatchId, Partition, ReservationId, SeatId};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::store::Store;
use crate::workers::rebuild::Agreement;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

/// A disagreement between two sides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disagreement {
    /// `seat`, `claim`, `reservation`, `account`, `match`, `site`, `journal`, `dead letter`,
    /// `payment` or `gateway`.
    pub kind: &'static str,
    /// The id of the document.
    pub about: String,
    /// A sentence for people.
    pub what: String,
}

impl Disagreement {
    fn new(kind: &'static str, about: impl Display, what: impl Into<String>) -> Self {
        Self { kind, about: about.to_string(), what: what.into() }
    }
}

/// How much was compared, and the disagreements.
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
    /// Returns a table for people: a line for each disagreement, and a last line with the numbers.
    pub fn table(&self) -> String {
        let mut text = String::new();
        if !self.disagreements.is_empty() {
            text.push_str(&format!("{:<12} {:<46} what does not agree\n", "kind", "which"));
        }
        for Disagreement { kind, about, what } in &self.disagreements {
            text.push_str(&format!("{kind:<12} {about:<46} {what}\n"));
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

/// Compares everything but the gateway. While people buy, the list can contain sales between two
/// steps. On a quiet system, the list is empty when all sides agree.
pub async fn verify(engine: &Engine, store: &Store) -> anyhow::Result<Verified> {
    let mut verified = Verified::default();
    for partition in engine.partitions() {
        journal(engine, store, partition, &mut verified).await?;
        accounts(engine, store, partition, &mut verified).await?;
        sales(engine, store, partition, &mut verified).await?;
    }
    for letter in store.dead_letters().await? {
        let name = name_of(&letter);
        verified.disagreements.push(Disagreement::new("dead letter", name, letter.reason));
    }
    verified.disagreements.sort();
    Ok(verified)
}

/// Compares the journal with PostgreSQL. A running worker moves both, so only a disagreement that
/// is found three times counts.
async fn agreement(
    engine: &Engine,
    store: &Store,
    partition: Partition,
) -> anyhow::Result<Agreement> {
    let mut found = Agreement::Same;
    for _ in 0..3 {
        let state = engine.partition_state(partition).await?;
        let position = store.position(partition).await?;
        let upto = position.map_or(StreamId::default(), |position| position.id);
        found = Agreement::of(&state, position, engine.journal_has(partition, upto).await?);
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
        Agreement::RedisLost { committed } => {
            wrong(format!("PostgreSQL has it up to {committed}, and Redis has lost that entry"));
        }
        Agreement::DatabaseLost { announced, found } => {
            let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
            wrong(format!(
                "PostgreSQL had it up to {announced} and has {found}: grandstand restore"
            ));
        }
    }
    let upto = store.position(partition).await?.map_or(StreamId::default(), |position| position.id);
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
    let stated = |account: Account| (account.id.0, (account.version, account.email));
    let redis: BTreeMap<_, _> = redis.map(stated).collect();
    let kept = store.accounts(partition).await?.into_iter();
    let kept: BTreeMap<_, _> = kept.map(stated).collect();
    compare_documents(verified, "account", &redis, &kept, |(version, _)| {
        format!("version {version} in PostgreSQL, another version or e-mail in Redis")
    });
    let (sites, matches) = engine.catalog(partition).await?;
    let (kept_sites, kept_matches) = store.catalog(partition).await?;
    let sites = sites.into_iter().map(|site| (site.id.0, site.version)).collect();
    let kept = kept_sites.into_iter().map(|site| (site.id.0, site.version)).collect();
    let version = |kept: &u64| format!("version {kept} in PostgreSQL, another in Redis");
    compare_documents(verified, "site", &sites, &kept, version);
    let matches = matches.into_iter().map(|fixture| (fixture.id.0, fixture.version)).collect();
    let kept = kept_matches.into_iter().map(|fixture| (fixture.id.0, fixture.version)).collect();
    compare_documents(verified, "match", &matches, &kept, version);
    Ok(())
}

/// Reports documents that only one side has, or that differ.
fn compare_documents<T: PartialEq>(
    verified: &mut Verified,
    kind: &'static str,
    redis: &BTreeMap<uuid::Uuid, T>,
    kept: &BTreeMap<uuid::Uuid, T>,
    differ: impl Fn(&T) -> String,
) {
    let mut wrong = |id, what| verified.disagreements.push(Disagreement::new(kind, id, what));
    for (id, document) in kept {
        match redis.get(id) {
            None => wrong(id, "in PostgreSQL, unknown in Redis".to_owned()),
            Some(other) if other != document => wrong(id, differ(document)),
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
    // The sales of archived matches are in PostgreSQL only, or will be soon.
    let (archived, matches): (Vec<_>, Vec<_>) =
        engine.catalog(partition).await?.1.into_iter().partition(|fixture| fixture.archived);
    let archived: HashSet<MatchId> = archived.iter().map(|fixture| fixture.id).collect();
    let mut reservations = store.claimed_reservations(partition).await?;
    reservations.retain(|reservation| !archived.contains(&reservation.match_id));
    let mut begun = engine.claims_in(partition).await?;
    begun.retain(|claim| !matches!(claim.state, ClaimState::Hold | ClaimState::Pending));
    begun.retain(|claim| !archived.contains(&claim.match_id));
    let live = begun.into_iter().map(|claim| (claim.id, claim)).collect();
    compare_reservations(&reservations, live, verified);
    for (match_id, seat) in store.stray_claims(partition).await? {
        let what = "claimed in PostgreSQL without a valid reservation";
        verified.disagreements.push(Disagreement::new("claim", name(match_id, seat), what));
    }
    for (id, paid) in store.sales_not_paid_once(partition).await? {
        let what = format!("CONFIRMED in PostgreSQL, where {paid} payments are PAID, not 1");
        verified.disagreements.push(Disagreement::new("reservation", id, what));
    }
    let mut kept: HashMap<MatchId, HashMap<SeatId, u8>> = HashMap::new();
    for reservation in &reservations {
        add_seats(&mut kept, reservation, verified);
    }
    for (match_id, seat) in store.blocked_seats(partition).await? {
        kept.entry(match_id).or_default().insert(seat, b'B');
    }
    for (match_id, seat) in ownerless(engine, partition, &matches).await? {
        let what = "taken in Redis without a hold or reservation: run `grandstand rebuild`";
        verified.disagreements.push(Disagreement::new("seat", name(match_id, seat), what));
    }
    for fixture in matches {
        let snapshot = engine.snapshot(fixture.id).await?;
        let in_store = kept.remove(&fixture.id).unwrap_or_default();
        let in_redis: HashMap<SeatId, u8> = snapshot.taken.into_iter().collect();
        let all: HashSet<SeatId> = in_store.keys().chain(in_redis.keys()).copied().collect();
        verified.matches += 1;
        verified.seats += all.len();
        for seat in all {
            let what = compare(in_redis.get(&seat).copied(), in_store.get(&seat).copied());
            let wrong = what.map(|what| Disagreement::new("seat", name(fixture.id, seat), what));
            verified.disagreements.extend(wrong);
        }
    }
    Ok(())
}

/// Returns seats that are held or reserved in Redis without an owner: nothing would ever free them.
/// Holds begin and end during the search, so only a seat that is found three times counts.
async fn ownerless(
    engine: &Engine,
    partition: Partition,
    matches: &[Match],
) -> anyhow::Result<HashSet<(MatchId, SeatId)>> {
    let mut found: Option<HashSet<(MatchId, SeatId)>> = None;
    for _ in 0..3 {
        let mut taken = HashSet::new();
        for fixture in matches {
            let seats = engine.snapshot(fixture.id).await?.taken.into_iter();
            let held = seats.filter(|(_, letter)| b"HP".contains(letter));
            taken.extend(held.map(|(seat, _)| (fixture.id, seat)));
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

fn name(match_id: MatchId, seat: SeatId) -> String {
    format!("{match_id} {seat}")
}

fn compare_reservations(
    kept: &[Reservation],
    mut live: HashMap<ReservationId, Claim>,
    verified: &mut Verified,
) {
    let mut wrong =
        |id, what| verified.disagreements.push(Disagreement::new("reservation", id, what));
    for reservation in kept {
        let (id, status) = (reservation.id, reservation.status.word());
        let Some(claim) = live.remove(&id) else {
            wrong(id, format!("{status} in PostgreSQL, unknown in Redis"));
            continue;
        };
        let is_sold = claim.state != ClaimState::Paying;
        let (mut in_redis, mut in_store) = (claim.seats.clone(), reservation.seats.clone());
        in_redis.sort();
        in_store.sort();
        if is_sold != (reservation.status == ReservationStatus::Confirmed) {
            wrong(id, format!("{status} in PostgreSQL, {:?} in Redis", claim.state));
        } else if claim.user != reservation.user {
            wrong(id, "another user in PostgreSQL than in Redis".to_owned());
        } else if in_redis != in_store {
            wrong(id, "other seats in PostgreSQL than in Redis".to_owned());
        } else if reservation.refunding != (claim.state == ClaimState::Refunding) {
            let side = if reservation.refunding { "PostgreSQL" } else { "Redis" };
            wrong(id, format!("its money is on the way back in {side} only"));
        } else if claim.amount != reservation.amount {
            let (redis, store) = (claim.amount, reservation.amount);
            wrong(id, format!("{store} KRW in PostgreSQL, {redis} in Redis"));
        } else if claim.refund_terms != reservation.refund_terms {
            wrong(id, "other terms of refunds in PostgreSQL than in Redis".to_owned());
        } else if claim.bill != reservation.bill {
            wrong(id, "other prices of its seats in PostgreSQL than in Redis".to_owned());
        } else if let Some(what) = compare_money(&claim, reservation) {
            wrong(id, what);
        }
    }
    for (id, claim) in live {
        wrong(id, format!("{:?} in Redis, without claims in PostgreSQL", claim.state));
    }
}

/// What was charged is what is left of the sale, what went back, and the fees: on both sides.
fn compare_money(claim: &Claim, kept: &Reservation) -> Option<String> {
    let kept_payment = kept.payment.as_ref()?;
    let (charged, in_redis) = (kept_payment.amount, claim.payment.as_ref()?.amount);
    let adds_up = kept.amount + kept_payment.money.taken_out();
    let differs = in_redis != charged || adds_up != charged;
    differs.then(|| {
        format!(
            "{charged} KRW were charged, and with refunds and fees it is {adds_up} in PostgreSQL, \
             {in_redis} in Redis"
        )
    })
}

/// Adds the seats of a reservation to those of PostgreSQL.
fn add_seats(
    kept: &mut HashMap<MatchId, HashMap<SeatId, u8>>,
    reservation: &Reservation,
    verified: &mut Verified,
) {
    let letter = if reservation.status == ReservationStatus::Confirmed { b'O' } else { b'P' };
    for seat in &reservation.seats {
        let earlier = kept.entry(reservation.match_id).or_default().insert(*seat, letter);
        if earlier.is_some() {
            let what = "two reservations in PostgreSQL have this seat";
            let about = name(reservation.match_id, *seat);
            verified.disagreements.push(Disagreement::new("seat", about, what));
        }
    }
}

fn compare(redis: Option<u8>, store: Option<u8>) -> Option<String> {
    match (redis, store) {
        (Some(b'O'), Some(b'O')) | (Some(b'P'), Some(b'P')) | (Some(b'B'), Some(b'B')) => None,
        // Only Redis has seats that are held or wait for a payment.
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
        .map_or("AVAILABLE", |state| state.word())
}
