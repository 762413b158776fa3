//! Loads a partition that Redis does not have. It counts as loaded only when `open_partition` says
//! so: until then every match in it answers `NotLoaded`.

use crate::domain::account::Account;
use crate::domain::catalog::{Match, Site};
use crate::domain::claim::{PaymentStatus, Reservation, ReservationStatus, join_seats};
use crate::domain::ids::{MatchId, Partition, SeatId};
use crate::engine::Engine;
use crate::engine::accounts::encode;
use crate::engine::error::EngineError;
use crate::redis::keys::{MatchKeys, PartitionKeys};
use fred::prelude::*;
use std::collections::HashMap;

/// What PostgreSQL knows of one partition.
pub struct Load {
    pub accounts: Vec<Account>,
    pub sites: Vec<Site>,
    pub matches: Vec<Match>,
    /// PAYING and CONFIRMED only.
    pub reservations: Vec<Reservation>,
    pub blocked: Vec<(MatchId, SeatId)>,
}

type Fields = Vec<(String, String)>;

impl Engine {
    /// Writes a partition from nothing.
    pub async fn load_partition(
        &self,
        partition: Partition,
        load: Load,
    ) -> Result<(), EngineError> {
        let client = self.client(partition)?;
        let keys = PartitionKeys(partition);
        // What an earlier attempt or a lost tail left behind.
        for key in [keys.claims(), keys.due(), keys.payments(), keys.journal()] {
            let _: i64 = client.del(key).await?;
        }
        let accounts = load
            .accounts
            .iter()
            .map(|account| Ok((account.email.clone(), encode(account)?)))
            .collect::<Result<Fields, EngineError>>()?;
        put(client, keys.accounts(), accounts).await?;
        let sites = load
            .sites
            .iter()
            .map(|site| Ok((site.id.key(), encode(site)?)))
            .collect::<Result<Fields, EngineError>>()?;
        put(client, keys.sites(), sites).await?;
        let mut documents = Fields::new();
        for event in &load.matches {
            for key in MatchKeys(event.id).all() {
                let _: i64 = client.del(key).await?;
            }
            let mut meta: Fields =
                event.meta().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let versions = load.reservations.iter().filter(|one| one.match_id == event.id);
            meta.push(("version".to_owned(), versions.count().to_string()));
            put(client, MatchKeys(event.id).meta(), meta).await?;
            documents.push((event.id.key(), encode(event)?));
        }
        let mut blocked: HashMap<MatchId, Fields> = HashMap::new();
        for (event, seat) in load.blocked {
            blocked.entry(event).or_default().push((seat.to_string(), "B".to_owned()));
        }
        for (event, seats) in blocked {
            put(client, MatchKeys(event).seats(), seats).await?;
        }
        self.load_reservations(partition, &load.reservations).await?;
        put(client, keys.matches(), documents).await
    }

    async fn load_reservations(
        &self,
        partition: Partition,
        reservations: &[Reservation],
    ) -> Result<(), EngineError> {
        let client = self.client(partition)?;
        let keys = PartitionKeys(partition);
        let (mut claims, mut payments) = (Fields::new(), Fields::new());
        let mut seats: HashMap<String, Fields> = HashMap::new();
        let mut users: HashMap<(String, String), Vec<String>> = HashMap::new();
        for (number, one) in reservations.iter().enumerate() {
            let id = one.id.key();
            let sold = one.status == ReservationStatus::Confirmed;
            claims.push((id.clone(), record(one, number as u64)));
            if let Some(payment) = &one.payment {
                payments.push((payment.id.key(), id.clone()));
            }
            let of = MatchKeys(one.match_id);
            let letter = if sold { 'O' } else { 'P' };
            let taken = one.seats.iter().map(|seat| (seat.to_string(), format!("{letter}{id}")));
            seats.entry(of.seats()).or_default().extend(taken);
            users.entry((of.users(), one.user.key())).or_default().push(id);
        }
        put(client, keys.claims(), claims).await?;
        put(client, keys.payments(), payments).await?;
        for (key, fields) in seats {
            put(client, key, fields).await?;
        }
        for ((key, user), ids) in users {
            put(client, key, vec![(user, ids.join(","))]).await?;
        }
        Ok(())
    }
}

/// The record that `lua/lib/claim.lua` reads.
fn record(one: &Reservation, version: u64) -> String {
    let sold = one.status == ReservationStatus::Confirmed;
    let (payment, method, key) = match &one.payment {
        Some(payment) => (payment.id.key(), payment.method.as_str(), payment.key.as_str()),
        None => (String::new(), "", ""),
    };
    let paid = match one.payment.as_ref().map(|payment| payment.status) {
        Some(PaymentStatus::Paid) => "P",
        Some(_) => "I",
        None => "",
    };
    [
        match (sold, one.refunding) {
            (true, true) => "R",
            (true, false) => "C",
            (false, _) => "Y",
        },
        &one.match_id.key(),
        &one.user.key(),
        "0",
        &join_seats(&one.seats),
        &version.to_string(),
        &one.amount.to_string(),
        &payment,
        method,
        paid,
        key,
        &one.created_at.to_string(),
    ]
    .join("|")
}

async fn put(client: &Client, key: String, fields: Fields) -> Result<(), EngineError> {
    for chunk in fields.chunks(1000) {
        let _: i64 = client.hset(key.clone(), chunk.to_vec()).await?;
    }
    Ok(())
}
