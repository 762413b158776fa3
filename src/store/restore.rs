//! Writes what Redis still knows of one partition into a PostgreSQL that has lost it, in one
//! transaction. Called by `grandstand restore` alone.

use crate::domain::fact::{Fact, PaymentFact, PaymentStep};
use crate::domain::ids::{Partition, ReservationId};
use crate::domain::position::{Position, StreamId};
use crate::store::apply::{LOCK_POSITION, Placed, position_in, write};
use crate::store::claims::{Fold, read_holders};
use crate::store::guard::{Guard, Told};
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use uuid::Uuid;

const PLACE: &str = "
    insert into partitions (number, epoch, journal_ms, journal_seq) values ($1, $2, $3, $4)
    on conflict (number) do update set epoch = excluded.epoch, journal_ms = excluded.journal_ms,
        journal_seq = excluded.journal_seq, updated_at = now()";

const RELEASE: &str = "delete from claims where reservation_id = any ($1)";

const CANCEL: &str = "
    update reservations set status = 'CANCELLED', updated_at = now() where id = any ($1)";

/// What PostgreSQL is told of one partition.
#[derive(Debug, Default)]
pub struct Restore {
    /// Accounts, sites, matches and blocked seats.
    pub documents: Vec<Fact>,
    /// Reservations that have their seats no more. What became of their payments is asked of the
    /// gateway by the reconciler.
    pub over: Vec<ReservationId>,
    /// How payments stand, as the steps that lead there.
    pub payments: Vec<(PaymentStep, PaymentFact)>,
    /// Refunds of them, done or under way.
    pub refunds: Vec<(PaymentStep, PaymentFact)>,
}

impl Store {
    /// Writes what Redis knows and moves the place in the journal from `found` to `told`.
    ///
    /// # Errors
    /// `Moved` when the place is not `found` any more; `Refused` when a seat is claimed by a
    /// reservation that the restore does not know. Nothing is written then.
    pub async fn restore(
        &self,
        partition: Partition,
        found: Option<Position>,
        told: Position,
        restore: &Restore,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let transaction = connection.transaction().await?;
        let number = i32::from(partition.0);
        let row = transaction.query_opt(LOCK_POSITION, &[&number]).await?;
        let place = row.as_ref().map(position_in);
        if place != found {
            return Err(StoreError::Moved { expected: told, found: place });
        }
        let documents: Vec<Placed<'_>> =
            restore.documents.iter().map(|fact| (told, fact)).collect();
        write(&transaction, partition, &documents).await?;
        // No reservation keeps what it had here: others may have it by now.
        let told_of = restore.payments.iter().map(|(_, fact)| fact.reservation);
        let all: Vec<Uuid> = restore.over.iter().copied().chain(told_of).map(|id| id.0).collect();
        transaction.execute(RELEASE, &[&all]).await?;
        let over: Vec<Uuid> = restore.over.iter().map(|id| id.0).collect();
        transaction.execute(CANCEL, &[&over]).await?;
        // A payment first gets its row, with all that was charged, and then what went back of it.
        write_steps(&transaction, told, &restore.payments).await?;
        write_steps(&transaction, told, &restore.refunds).await?;
        let Position { epoch, id } = told;
        let (epoch, ms, seq) = (epoch as i64, id.ms as i64, id.seq as i64);
        transaction.execute(PLACE, &[&number, &epoch, &ms, &seq]).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Writes steps whatever PostgreSQL knows of these payments, because it is the one that forgot.
async fn write_steps(
    transaction: &Transaction<'_>,
    told: Position,
    steps: &[(PaymentStep, PaymentFact)],
) -> Result<(), StoreError> {
    let count = steps.len() as u64;
    let places = (0..count).map(|number| match number + 1 == count {
        true => told,
        // They only have to be in order, and before what the journal has behind `told`.
        false => {
            Position { id: StreamId { ms: told.id.ms.saturating_sub(1), seq: number }, ..told }
        }
    });
    let steps: Vec<Told<'_>> = steps
        .iter()
        .zip(places)
        .map(|((step, fact), place)| Told { step: *step, fact, place })
        .collect();
    let holders = read_holders(transaction, &steps).await?;
    let fold = Fold::of(&steps, holders, Guard::default())?;
    if let Some((payment, seats)) = fold.lost.first() {
        let text = format!("payment {payment}: seats {seats:?} are claimed by another reservation");
        return Err(StoreError::Refused(text));
    }
    fold.write(transaction).await
}
