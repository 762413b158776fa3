//! Writes the data of one partition that only Redis still has into PostgreSQL, in one transaction.
//! Called by `grandstand restore` alone.

use crate::domain::fact::{Fact, PaymentFact, PaymentStep};
use crate::domain::ids::{Partition, ReservationId};
use crate::domain::position::{Position, StreamId};
use crate::store::apply::{LOCK_POSITION, PositionedFact, write};
use crate::store::claims::{Fold, read_holders};
use crate::store::columns::position_in;
use crate::store::guard::{Guard, JournalStep};
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use uuid::Uuid;

const SET_POSITION: &str = "
    insert into partitions (number, epoch, journal_ms, journal_seq) values ($1, $2, $3, $4)
    on conflict (number) do update set epoch = excluded.epoch, journal_ms = excluded.journal_ms,
        journal_seq = excluded.journal_seq, updated_at = now()";

const RELEASE: &str = "delete from claims where reservation_id = any ($1)";

const CANCEL: &str = "
    update reservations set status = 'CANCELLED', updated_at = now() where id = any ($1)";

/// What is written about one partition.
#[derive(Debug, Default)]
pub struct Restore {
    /// Accounts, sites, matches and blocked seats.
    pub documents: Vec<Fact>,
    /// Reservations that no longer have their seats. The reconciler asks the gateway how their
    /// payments ended.
    pub over: Vec<ReservationId>,
    /// Payments, as the steps that lead to their state.
    pub payments: Vec<(PaymentStep, PaymentFact)>,
    /// Refunds of these payments, done or under way.
    pub refunds: Vec<(PaymentStep, PaymentFact)>,
}

impl Store {
    /// Writes what Redis has and moves the position of the partition from `found` to `upto`.
    ///
    /// # Errors
    /// `Moved` when the position is no longer `found`; `Refused` when a seat is claimed by a
    /// reservation that the restore does not know. Nothing is written then.
    pub async fn restore(
        &self,
        partition: Partition,
        found: Option<Position>,
        upto: Position,
        restore: &Restore,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let transaction = connection.transaction().await?;
        let number = i32::from(partition.0);
        let row = transaction.query_opt(LOCK_POSITION, &[&number]).await?;
        let position = row.as_ref().map(position_in);
        if position != found {
            return Err(StoreError::Moved { expected: upto, found: position });
        }
        let documents: Vec<PositionedFact<'_>> =
            restore.documents.iter().map(|fact| (upto, fact)).collect();
        write(&transaction, partition, &documents).await?;
        // All claims go first, because another reservation may have the seats by now.
        let paying = restore.payments.iter().map(|(_, fact)| fact.reservation);
        let all: Vec<Uuid> = restore.over.iter().copied().chain(paying).map(|id| id.0).collect();
        transaction.execute(RELEASE, &[&all]).await?;
        let over: Vec<Uuid> = restore.over.iter().map(|id| id.0).collect();
        transaction.execute(CANCEL, &[&over]).await?;
        // Payments before refunds: a payment first gets its row, with all that was charged.
        write_steps(&transaction, upto, &restore.payments).await?;
        write_steps(&transaction, upto, &restore.refunds).await?;
        let Position { epoch, id } = upto;
        let (epoch, ms, seq) = (epoch as i64, id.ms as i64, id.seq as i64);
        transaction.execute(SET_POSITION, &[&number, &epoch, &ms, &seq]).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Writes steps without asking what PostgreSQL knows of these payments, because it has lost that.
async fn write_steps(
    transaction: &Transaction<'_>,
    upto: Position,
    steps: &[(PaymentStep, PaymentFact)],
) -> Result<(), StoreError> {
    let count = steps.len() as u64;
    let positions = (0..count).map(|number| match number + 1 == count {
        true => upto,
        // The others only have to be in order, and before the entries behind `upto`.
        false => {
            Position { id: StreamId { ms: upto.id.ms.saturating_sub(1), seq: number }, ..upto }
        }
    });
    let steps: Vec<JournalStep<'_>> = steps
        .iter()
        .zip(positions)
        .map(|((step, fact), position)| JournalStep { step: *step, fact, position })
        .collect();
    let holders = read_holders(transaction, &steps).await?;
    let fold = Fold::of(&steps, holders, Guard::default())?;
    if let Some((payment, seats)) = fold.lost.first() {
        let text = format!("payment {payment}: seats {seats:?} are claimed by another reservation");
        return Err(StoreError::Refused(text));
    }
    fold.write(transaction).await
}
