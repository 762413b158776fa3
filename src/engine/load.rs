//! Loads a partition that Redis does not have. It counts as loaded only after `open_partition`:
//! until then every command on its matches returns `NotLoaded`.

use crate::domain::account::Account;
use crate::domain::catalog::{Match, Site};
use crate::domain::check_in::CheckIn;
use crate::domain::claim::{
    ClaimState, PaymentState, PaymentStatus, Reservation, ReservationStatus,
};
use crate::domain::ids::{MatchId, SeatId};
use crate::domain::refund::RefundTerms;
use crate::domain::seat::join_seats;
use crate::engine::Engine;
use crate::engine::check_ins;
use crate::engine::claim_fields::ClaimFields;
use crate::engine::document::{decode, encode};
use crate::engine::error::EngineError;
use crate::engine::leases::Lease;
use crate::redis::keys::{MatchKeys, PartitionKeys, sessions};
use fred::prelude::*;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{HashMap, HashSet};

/// What PostgreSQL knows of one partition.
pub struct Load {
    pub accounts: Vec<Account>,
    pub sites: Vec<Site>,
    pub matches: Vec<Match>,
    /// PAYING and CONFIRMED only.
    pub reservations: Vec<Reservation>,
    pub blocked: Vec<(MatchId, SeatId)>,
    pub check_ins: Vec<CheckIn>,
}

type Fields = Vec<(String, String)>;

/// Fields of one call. They take about a millisecond of Redis, so that other calls do not wait.
const FIELDS_PER_CALL: usize = 1000;
/// Calls in flight: one fsync covers several of them.
const CALLS_IN_FLIGHT: usize = 4;

impl Engine {
    /// Writes a partition that is closed and was cleared.
    ///
    /// # Errors
    /// `Fenced` when the lease has ended. What another worker writes is not touched.
    pub async fn write_partition(&self, lease: &Lease, load: Load) -> Result<(), EngineError> {
        let keys = PartitionKeys(lease.partition);
        let accounts = load
            .accounts
            .iter()
            .map(|account| Ok((account.email.clone(), encode(account)?)))
            .collect::<Result<Fields, EngineError>>()?;
        self.put(lease, keys.accounts(), accounts).await?;
        let sites = load
            .sites
            .iter()
            .map(|site| Ok((site.id.key(), encode(site)?)))
            .collect::<Result<Fields, EngineError>>()?;
        self.put(lease, keys.sites(), sites).await?;
        let mut versions: HashMap<MatchId, u64> = HashMap::new();
        for reservation in &load.reservations {
            *versions.entry(reservation.match_id).or_default() += 1;
        }
        let mut documents = Fields::new();
        for fixture in &load.matches {
            let mut meta: Fields =
                fixture.meta().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let version = versions.get(&fixture.id).copied().unwrap_or_default();
            meta.push(("version".to_owned(), version.to_string()));
            self.put(lease, MatchKeys(fixture.id).meta(), meta).await?;
            documents.push((fixture.id.key(), encode(fixture)?));
        }
        let mut blocked: HashMap<MatchId, Fields> = HashMap::new();
        // Seats of a match that was deleted would become keys that no command reads or deletes.
        let known: HashSet<MatchId> = load.matches.iter().map(|fixture| fixture.id).collect();
        for (fixture, seat) in
            load.blocked.into_iter().filter(|(fixture, _)| known.contains(fixture))
        {
            blocked.entry(fixture).or_default().push((seat.to_string(), "B".to_owned()));
        }
        for (fixture, seats) in blocked {
            self.put(lease, MatchKeys(fixture).seats(), seats).await?;
        }
        let mut entered: HashMap<MatchId, Fields> = HashMap::new();
        for check_in in load.check_ins {
            let fields = entered.entry(check_in.match_id).or_default();
            fields.push((check_in.seat.to_string(), check_ins::value(&check_in)));
        }
        for (fixture, fields) in entered {
            self.put(lease, MatchKeys(fixture).check_ins(), fields).await?;
        }
        self.load_reservations(lease, &load.reservations).await?;
        self.put(lease, keys.matches(), documents).await
    }

    /// Deletes the keys of a closed partition: those of an earlier load that did not end, of a lost
    /// part of the journal, and of matches that PostgreSQL does not have. Sessions stay, but for
    /// those of accounts of which Redis has another version than `accounts`: a new password that
    /// Redis has lost may have ended them.
    ///
    /// # Errors
    /// `Fenced` when the lease has ended, or the partition is open.
    pub async fn clear_partition(
        &self,
        lease: &Lease,
        matches: &[Match],
        accounts: &[Account],
    ) -> Result<(), EngineError> {
        let keys = PartitionKeys(lease.partition);
        let known: Vec<String> = self.client(lease.partition)?.hkeys(keys.matches()).await?;
        let known = known.iter().filter_map(|id| MatchId::from_key(id));
        let all: HashSet<MatchId> = known.chain(matches.iter().map(|fixture| fixture.id)).collect();
        let mut gone: Vec<String> = all.into_iter().flat_map(|id| MatchKeys(id).all()).collect();
        // The list of matches is deleted last, because it names the other keys to delete.
        gone.extend([keys.claims(), keys.due(), keys.journal(), keys.persisted()]);
        gone.extend([keys.accounts(), keys.sites(), keys.matches()]);
        let kept: HashSet<_> = accounts.iter().map(|it| (it.id, it.version)).collect();
        let has = self.scan(lease.partition, keys.accounts()).await?;
        let has = has.iter().filter_map(|(_, text)| decode::<Account>(text).ok());
        let changed = has.filter(|account| !kept.contains(&(account.id, account.version)));
        let mut all: Vec<String> = changed.map(|account| sessions(account.id)).collect();
        all.append(&mut gone);
        self.load_clear(lease, &all).await
    }

    /// Writes the fields of one hash, with a few thousand in flight.
    async fn put(&self, lease: &Lease, key: String, fields: Fields) -> Result<(), EngineError> {
        let write = |chunk: &[(String, String)]| {
            let (key, chunk) = (key.clone(), chunk.to_vec());
            async move { self.load_put(lease, key, &chunk).await }
        };
        stream::iter(fields.chunks(FIELDS_PER_CALL))
            .map(write)
            .buffered(CALLS_IN_FLIGHT)
            .try_collect()
            .await
    }

    async fn load_reservations(
        &self,
        lease: &Lease,
        reservations: &[Reservation],
    ) -> Result<(), EngineError> {
        let mut claims: HashMap<String, ClaimFields> = HashMap::new();
        let mut seats: HashMap<String, Fields> = HashMap::new();
        // Each match counts by itself, as it goes on to do.
        let mut numbers: HashMap<MatchId, u64> = HashMap::new();
        for reservation in reservations {
            let user = reservation.user.key();
            let sold = reservation.status == ReservationStatus::Confirmed;
            let letter = if sold { 'O' } else { 'P' };
            let number = numbers.entry(reservation.match_id).or_default();
            *number += 1;
            let record = record(reservation, *number);
            let part = (reservation.match_id, reservation.seats.len());
            let fields = claims.entry(user.clone()).or_default();
            let field = fields.add(&user, reservation.id, part, record);
            let taken =
                reservation.seats.iter().map(|seat| (seat.to_string(), format!("{letter}{field}")));
            seats.entry(MatchKeys(reservation.match_id).seats()).or_default().extend(taken);
        }
        let claims = claims.into_values().flat_map(ClaimFields::texts);
        self.put(lease, PartitionKeys(lease.partition).claims(), claims.collect()).await?;
        for (key, fields) in seats {
            self.put(lease, key, fields).await?;
        }
        Ok(())
    }
}

/// The record that `lua/lib/record.lua` reads.
fn record(reservation: &Reservation, version: u64) -> String {
    let state = match (reservation.status, reservation.refunding) {
        (ReservationStatus::Confirmed, true) => ClaimState::Refunding,
        (ReservationStatus::Confirmed, false) => ClaimState::Confirmed,
        _ => ClaimState::Paying,
    };
    let (id, match_id) = (reservation.id.key(), reservation.match_id.key());
    let (state, seats) = (state.letter(), join_seats(&reservation.seats));
    let terms = reservation.refund_terms.as_ref().map(RefundTerms::text).unwrap_or_default();
    let amount = reservation.amount;
    let bill = reservation.bill.text();
    let head = format!("{id}|{state}|{match_id}|0|{seats}|{version}|{amount}|{terms}|{bill}");
    let Some(payment) = &reservation.payment else { return head };
    let state = match payment.status {
        PaymentStatus::Paid => PaymentState::Paid,
        // The process that began it may be gone, and only the reconciler goes on from here.
        _ => PaymentState::Asked,
    };
    let state = state.letter();
    let (id, method, key) = (payment.id.key(), &payment.method, &payment.key);
    format!("{head}|{id}|{method}|{state}|{key}|{}", payment.money.text())
}
