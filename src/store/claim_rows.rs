//! The claim of a payment as it is committed: the last word before money moves. Every confirmation
//! asks for it, so the ones that wait are asked for together: no timer, one question at a time, and
//! whatever came meanwhile goes into the next.

use crate::domain::ids::{PaymentId, SeatId};
use crate::store::reservations::seat_ids;
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// An answer takes milliseconds; without one the caller says that payments pause.
const ANSWER: Duration = Duration::from_secs(3);

const CLAIM_ROWS: &str = "
    select t.id, p.attempt, p.status, case when p.status = 'LOST' then array(
        select seat_id from claims
        where match_id = p.match_id and seat_id = any (p.seats)
            and reservation_id <> p.reservation_id) end
    from unnest($1::uuid[]) as t (id)
    cross join lateral (
        select x.status, x.attempt, r.match_id, r.seats, x.reservation_id
        from payments x join lateral (
            select match_id, seats from reservations where id = x.reservation_id limit 1
        ) r on true
        where x.id = t.id limit 1) p";

/// What PostgreSQL says of the claim of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRow {
    /// The seats are claimed for it, and it has no outcome yet: it may be charged.
    Standing,
    /// An earlier sale has these seats.
    Lost(Vec<SeatId>),
    /// No such attempt, or one that has ended: it must not be charged.
    Missing,
}

type Answer = Result<ClaimRow, StoreError>;

/// Who waits for an answer, and whether somebody is asking.
#[derive(Default)]
pub(super) struct Waiting {
    line: Vec<(PaymentId, u32, oneshot::Sender<Answer>)>,
    asking: bool,
}

pub(super) type SharedWaiting = std::sync::Arc<Mutex<Waiting>>;

impl Store {
    /// The claim of one attempt to pay as it is committed.
    pub async fn claim_row(&self, payment: PaymentId, attempt: u32) -> Answer {
        let (sender, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.claim_rows.lock();
            waiting.line.push((payment, attempt, sender));
            !std::mem::replace(&mut waiting.asking, true)
        };
        if first {
            // Not in the caller: it may go away, and the others wait.
            tokio::spawn(self.clone().answer_all());
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Away("nobody asked".to_owned())))
    }

    async fn answer_all(self) {
        loop {
            let line = {
                let mut waiting = self.claim_rows.lock();
                waiting.asking = !waiting.line.is_empty();
                std::mem::take(&mut waiting.line)
            };
            if line.is_empty() {
                return;
            }
            let ids: Vec<Uuid> = line.iter().map(|(payment, _, _)| payment.0).collect();
            // Whoever comes meanwhile waits for this answer: it must not be waited for for ever.
            let asked = tokio::time::timeout(ANSWER, self.read_claim_rows(&ids)).await;
            match asked.unwrap_or_else(|_| Err(StoreError::Away("no answer".to_owned()))) {
                Ok(rows) => {
                    for (payment, attempt, sender) in line {
                        let row = match rows.get(&payment.0) {
                            Some((kept, row)) if *kept == attempt => row.clone(),
                            _ => ClaimRow::Missing,
                        };
                        let _ = sender.send(Ok(row));
                    }
                }
                Err(error) => {
                    for (_, _, sender) in line {
                        let _ = sender.send(Err(StoreError::Away(error.to_string())));
                    }
                }
            }
        }
    }

    async fn read_claim_rows(
        &self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, (u32, ClaimRow)>, StoreError> {
        let connection = self.connection().await?;
        let statement = connection.prepare_cached(CLAIM_ROWS).await?;
        let rows = connection.query(&statement, &[&ids]).await?;
        let claims = rows.iter().map(|row| {
            let claim = match row.get(2) {
                "IN_PROGRESS" => ClaimRow::Standing,
                "LOST" => ClaimRow::Lost(seat_ids(row.get(3))),
                _ => ClaimRow::Missing,
            };
            (row.get(0), (row.get::<_, i32>(1) as u32, claim))
        });
        Ok(claims.collect())
    }
}
