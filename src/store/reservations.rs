//! Reservations as rows. PostgreSQL has those whose payment has begun.

use crate::domain::bill::Bill;
use crate::domain::claim::{ClaimPayment, Reservation, ReservationStatus};
use crate::domain::fact::PaymentFact;
use crate::domain::ids::{MatchId, Partition, PaymentId, ReservationId, UserId};
use crate::domain::money::Money;
use crate::domain::refund::RefundTerms;
use crate::domain::seat::{join_seats, parse_seats};
use crate::store::columns::{number_in, seats_in};
use crate::store::status::PaymentRowStatus;
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use std::collections::HashSet;
use tokio_postgres::Row;
use uuid::Uuid;

const SELECT: &str = "
    select r.id, r.match_id, r.user_id, r.status, r.seats, r.amount, r.refund_terms,
        r.bill,
        (extract(epoch from r.created_at) * 1000)::bigint as created_at,
        p.id as payment_id, p.method, p.status as payment_status, p.payment_key,
        coalesce(p.refunding, false) as refunding, p.amount as payment_amount, p.attempt,
        f.last_refund, f.part, f.part_seats, f.back, f.back_seats, f.part_fee, f.back_fees
    from reservations r
    left join lateral (
        select * from payments where reservation_id = r.id
        order by begun_place desc, begun_at desc, id desc limit 1
    ) p on true
    left join lateral (
        select coalesce(max(number), 0) as last_refund,
            coalesce(sum(amount) filter (where status = 'BEGUN'), 0)::bigint as part,
            string_agg(array_to_string(seats, ','), ',') filter (where status = 'BEGUN')
                as part_seats,
            coalesce(sum(fee) filter (where status = 'BEGUN'), 0)::bigint as part_fee,
            coalesce(sum(fee) filter (where status = 'DONE'), 0)::bigint as back_fees,
            coalesce(sum(amount) filter (where status = 'DONE'), 0)::bigint as back,
            string_agg(array_to_string(seats, ','), ',') filter (where status = 'DONE')
                as back_seats
        from refunds where payment_id = p.id
    ) f on true";

// A late fact does not know the terms and the bill of its sale, and does not change them.
// Seats travel as text because `unnest` would flatten an array of arrays.
const WRITE: &str = "
    insert into reservations
        (id, match_id, user_id, status, seats, amount, version, created_at, updated_at,
            refund_terms, bill)
    select id, match_id, user_id, status, string_to_array(seats, ',')::int[], amount, version,
        to_timestamp(made / 1000.0), to_timestamp(at / 1000.0), terms, bill
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
        $7::bigint[], $8::float8[], $9::float8[], $10::text[], $11::text[])
        as t (id, match_id, user_id, status, seats, amount, version, made, at, terms, bill)
    on conflict (id) do update set status = excluded.status, seats = excluded.seats,
        amount = excluded.amount, version = excluded.version, updated_at = excluded.updated_at,
        refund_terms = case excluded.refund_terms when '' then reservations.refund_terms
            else excluded.refund_terms end,
        bill = case excluded.bill when '' then reservations.bill else excluded.bill end";

impl Store {
    /// Up to `count` reservations of a user that are older than `before` (in ms, and for equal
    /// times by id), newest first.
    pub async fn reservations_of(
        &self,
        user: UserId,
        before: (i64, ReservationId),
        count: i64,
    ) -> Result<Vec<Reservation>, StoreError> {
        let connection = self.connection().await?;
        let text = format!(
            "{SELECT} where r.user_id = $1
                and (r.created_at, r.id) < (to_timestamp($2::float8 / 1000.0), $3)
            order by r.created_at desc, r.id desc limit $4"
        );
        let statement = connection.prepare_cached(&text).await?;
        let (ms, id) = before;
        let rows = connection.query(&statement, &[&user.0, &(ms as f64), &id.0, &count]).await?;
        rows.iter().map(from_row).collect()
    }

    /// One reservation.
    pub async fn reservation(&self, id: ReservationId) -> Result<Option<Reservation>, StoreError> {
        let connection = self.connection().await?;
        let statement = connection.prepare_cached(&format!("{SELECT} where r.id = $1")).await?;
        connection.query_opt(&statement, &[&id.0]).await?.as_ref().map(from_row).transpose()
    }

    /// The reservations of a partition that have claims, PAYING and CONFIRMED, without those of
    /// archived matches.
    pub async fn claimed_reservations(
        &self,
        partition: Partition,
    ) -> Result<Vec<Reservation>, StoreError> {
        let matches = self.claimed_matches(partition).await?;
        let connection = self.connection().await?;
        let text =
            format!("{SELECT} where r.match_id = any ($1) and r.status in ('PAYING', 'CONFIRMED')");
        connection.query(&text, &[&matches]).await?.iter().map(from_row).collect()
    }

    /// The CONFIRMED reservations among `ids`.
    pub async fn confirmed(
        &self,
        ids: &[ReservationId],
    ) -> Result<HashSet<ReservationId>, StoreError> {
        let connection = self.connection().await?;
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let text = "select id from reservations where id = any ($1) and status = 'CONFIRMED'";
        let rows = connection.query(text, &[&ids]).await?;
        Ok(rows.iter().map(|row| ReservationId(row.get("id"))).collect())
    }
}

fn from_row(row: &Row) -> Result<Reservation, StoreError> {
    let id = ReservationId(row.get("id"));
    let damaged = |column: &str, text: &str| {
        let what = format!("the reservation {id} has {text:?} in the column {column}");
        StoreError::Damaged(what)
    };
    // Without its terms or its bill, a sale would be given back for less or for more.
    let (terms, bill): (&str, &str) = (row.get("refund_terms"), row.get("bill"));
    let refund_terms = match terms {
        "" => None,
        text => Some(RefundTerms::parse(text).ok_or_else(|| damaged("refund_terms", text))?),
    };
    let bill = Bill::parse(bill).ok_or_else(|| damaged("bill", bill))?;
    let payment = row.get::<_, Option<Uuid>>("payment_id").map(|id| ClaimPayment {
        id: PaymentId(id),
        method: row.get("method"),
        status: row.get::<_, PaymentRowStatus>("payment_status").shown(),
        key: row.get("payment_key"),
        amount: row.get("payment_amount"),
        money: money_in(row),
    });
    Ok(Reservation {
        id,
        match_id: MatchId(row.get("match_id")),
        user: UserId(row.get("user_id")),
        status: match row.get("status") {
            // A PENDING reservation lives in Redis alone. When Redis does not have it, it is over,
            // and callers use this row only then.
            ReservationStatus::Pending => ReservationStatus::Expired,
            status => status,
        },
        seats: seats_in(row, "seats"),
        amount: row.get("amount"),
        expires_at: None,
        created_at: row.get("created_at"),
        payment,
        refund_terms,
        bill,
        refunding: row.get("refunding"),
    })
}

fn money_in(row: &Row) -> Money {
    let seats = |column: &str| {
        parse_seats(row.get::<_, Option<&str>>(column).unwrap_or_default()).unwrap_or_default()
    };
    Money {
        attempt: number_in(row, "attempt"),
        refund: number_in(row, "last_refund"),
        part: row.get("part"),
        part_seats: seats("part_seats"),
        back: row.get("back"),
        back_seats: seats("back_seats"),
        part_fee: row.get("part_fee"),
        back_fees: row.get("back_fees"),
    }
}

/// Writes the reservations of a batch: each with its status and the last fact about it.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    rows: &[(ReservationStatus, &PaymentFact)],
) -> Result<(), StoreError> {
    let facts = || rows.iter().map(|(_, fact)| fact);
    let ids: Vec<Uuid> = facts().map(|fact| fact.reservation.0).collect();
    let matches: Vec<Uuid> = facts().map(|fact| fact.match_id.0).collect();
    let users: Vec<Uuid> = facts().map(|fact| fact.user.0).collect();
    let status: Vec<&str> = rows.iter().map(|(status, _)| status.word()).collect();
    let seats: Vec<String> = facts().map(|fact| join_seats(&fact.seats)).collect();
    let amounts: Vec<i64> = facts().map(|fact| fact.amount).collect();
    let versions: Vec<i64> = facts().map(|fact| fact.version).collect();
    let terms: Vec<String> = facts()
        .map(|fact| fact.terms.as_ref().map(RefundTerms::text).unwrap_or_default())
        .collect();
    let bills: Vec<String> = facts().map(|fact| fact.bill.text()).collect();
    let made: Vec<f64> = facts().map(|fact| fact.reservation.made_at() as f64).collect();
    let at: Vec<f64> = facts().map(|fact| fact.at as f64).collect();
    let statement = transaction.prepare_cached(WRITE).await?;
    transaction
        .execute(
            &statement,
            &[
                &ids, &matches, &users, &status, &seats, &amounts, &versions, &made, &at, &terms,
                &bills,
            ],
        )
        .await?;
    Ok(())
}
