//! Each step of each payment, as PostgreSQL has written it: the row of a payment has only the last.

use crate::database::connect;
use crate::history::Position;
use anyhow::Result;
use tokio_postgres::{Client, Row};

const KEEP: &str = "
    create table chaos_steps (
        number bigint generated always as identity primary key,
        payment text not null, reservation text not null, status text not null,
        begun bigint[] not null, last bigint[] not null);
    create function chaos_step() returns trigger language plpgsql as $$
    begin
        insert into chaos_steps (payment, reservation, status, begun, last) values
            (new.id::text, new.reservation_id::text, new.status, new.begun_place, new.last_place);
        return null;
    end $$;
    create trigger chaos_step after insert or update on payments
        for each row execute function chaos_step()";
const READ: &str = "
    select payment, reservation, status, begun, last from chaos_steps order by number";

/// A row of a payment after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) payment: String,
    pub(crate) reservation: String,
    pub(crate) status: String,
    /// Where its last attempt begins in the journal; none when no attempt was told of.
    pub(crate) begun: Option<Position>,
    /// Where the step is in the journal.
    pub(crate) last: Option<Position>,
}

/// From now on PostgreSQL keeps the steps.
pub(crate) async fn keep(url: &str) -> Result<()> {
    Ok(connect(url).await?.batch_execute(KEEP).await?)
}

/// All steps in the order of their commits.
pub(crate) async fn read(client: &Client) -> Result<Vec<Step>> {
    let rows = client.query(READ, &[]).await?;
    Ok(rows.iter().map(step).collect())
}

fn step(row: &Row) -> Step {
    Step {
        payment: row.get(0),
        reservation: row.get(1),
        status: row.get(2),
        begun: place(&row.get::<_, Vec<i64>>(3)),
        last: place(&row.get::<_, Vec<i64>>(4)),
    }
}

fn place(numbers: &[i64]) -> Option<Position> {
    let &[epoch, ms, number] = numbers else { return None };
    Some((epoch.cast_unsigned(), ms.cast_unsigned(), number.cast_unsigned()))
}
