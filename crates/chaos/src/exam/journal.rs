//! Entries of the journal that come late, because a dead letter was replayed or a log was repaired
//! by hand. What has happened since stays as it is.

use super::fan::{Broken, FIRST, ROOMY, SECOND, Verdict, check, id_of};
use super::hall::Hall;
use crate::database::connect;
use crate::fixture::{Fixture, short};
use crate::world::World;
use grandstand_faults::wire::ask;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::{Client, Row};

/// What PostgreSQL has of the payments of a reservation, the newest first.
const PAYMENTS: &str = "
    select p.id::text, r.id::text as reservation, r.match_id::text, r.user_id::text,
        array_to_string(r.seats, ',') as seats, p.amount::text, p.method, p.payment_key, p.status,
        p.attempt::text, p.refunding, array_to_string(p.last_place, '-') as place, r.status as of,
        (select count(*) from claims where reservation_id = r.id) as claims
    from payments p join reservations r on r.id = p.reservation_id
    where r.id::text = $1 order by p.begun_place desc";

/// A look into PostgreSQL, and a pen for the journal.
struct Books<'a> {
    world: &'a World,
    database: Client,
}

impl<'a> Books<'a> {
    async fn open(world: &'a World) -> Verdict<Self> {
        let database = connect(&world.postgres.url()).await;
        let database = database.map_err(|error| Broken(format!("PostgreSQL: {error:#}")))?;
        Ok(Self { world, database })
    }

    /// The payments of a reservation, the newest first.
    async fn payments(&self, reservation: &Value) -> Verdict<Vec<Row>> {
        let rows = self.database.query(PAYMENTS, &[&id_of(reservation)]).await;
        rows.map_err(|error| Broken(format!("the payments: {error}")))
    }

    /// Writes an entry about a payment as if it had first been written at `place`.
    async fn write(&self, row: &Row, kind: &str, place: &str) -> Verdict {
        let id = row.get::<_, String>("match_id");
        let wrong = |error: anyhow::Error| Broken(format!("{error:#}"));
        let partition = Fixture::named(&id).partition().map_err(wrong)?;
        let port = self.world.servers.port_of(partition).await;
        let journal = format!("{{{partition}}}:journal");
        let text = |column: &str| row.get::<_, String>(column);
        let key = |column: &str| short(&text(column));
        let (payment, reservation, user) = (key("id"), key("reservation"), key("user_id"));
        let (seats, amount, attempt) = (text("seats"), text("amount"), text("attempt"));
        let entry = [
            ["t", kind],
            ["was", place],
            ["payment", &payment],
            ["reservation", &reservation],
            ["match", &short(&id)],
            ["user", &user],
            ["seats", &seats],
            ["amount", &amount],
            ["method", &text("method")],
            ["key", &text("payment_key")],
            ["money", &attempt],
        ];
        let words = ["XADD", &journal, "*"].into_iter().chain(entry.into_iter().flatten());
        ask(port, &words.collect::<Vec<_>>()).await.map(drop).map_err(Broken)
    }
}

/// Buys one more seat. PostgreSQL has taken the whole journal of the partition up to there.
async fn sells(hall: &Hall, id: &str, seat: u32) -> Verdict {
    let fan = hall.fan(17);
    let hold = fan.take(ROOMY, id, &[seat]).await.expect(201)?;
    hall.buy(fan, SECOND, id, &hold).await.map(drop)
}

/// A sale whose first payment was refused stands, whatever the journal says again about its
/// payments. A refund that is under way stays so when an earlier one ends a second time.
pub(super) async fn late_entries(hall: &Hall, world: &World) -> Verdict {
    let (fan, id) = (hall.fan(13), hall.on_sale(json!({})).await?);
    let hold = fan.take(ROOMY, &id, &[1, 2, 3]).await.expect(201)?;
    let reservation = fan.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let payment = fan.request(FIRST, &reservation).await?;
    let key = hall.pay(&payment, "decline").await?;
    fan.confirm(FIRST, &payment, &key).await.refused("PAYMENT_DECLINED")?;
    hall.buy_reserved(fan, SECOND, &reservation).await?;
    let books = Books::open(world).await?;
    let rows = books.payments(&reservation).await?;
    check(rows.len() == 2, format!("{} of two payments are in PostgreSQL", rows.len()))?;
    let (sale, declined) = (&rows[0], &rows[1]);
    let place: String = declined.get("place");
    for (row, kind) in [
        (declined, "payment_begun"),
        (declined, "payment_declined"),
        (sale, "payment_begun"),
        (sale, "payment_withdrawn"),
    ] {
        books.write(row, kind, &place).await?;
    }
    sells(hall, &id, 11).await?;
    let rows = books.payments(&reservation).await?;
    let now = |row: &Row| (row.get("status"), row.get("of"), row.get("claims"));
    let found: Vec<(String, String, i64)> = rows.iter().map(now).collect();
    let text = format!("late entries have changed a sale of three seats: {found:?}");
    check(found[0] == ("PAID".to_owned(), "CONFIRMED".to_owned(), 3), &text)?;
    check(found[1].0 == "FAILED", text)?;
    let away = json!({"call": "cancel", "kind": "errorBefore"});
    let under_way = async {
        fan.cancel(FIRST, &reservation, json!({"seatIds": [1]})).await.expect(200)?;
        let before = books.payments(&reservation).await?;
        hall.gateway(Method::POST, "faults", away).await?;
        let (path, second) =
            (format!("/api/reservations/{}/cancel", id_of(&reservation)), json!({"seatIds": [2]}));
        let begun = fan.once(SECOND, Method::POST, &path, &second, "").await;
        check(begun.status == 202, format!("a refund while the gateway is away: {begun}"))?;
        // The first releases gave refunds no number.
        books.write(&before[0], "refund_refused", &before[0].get::<_, String>("place")).await?;
        sells(hall, &id, 12).await?;
        let goes_on = books.payments(&reservation).await?[0].get::<_, bool>("refunding");
        check(goes_on, "the late end of a refund has ended the next one")
    }
    .await;
    hall.gateway(Method::DELETE, "faults", Value::Null).await?;
    under_way?;
    fan.cancel(SECOND, &reservation, json!({"seatIds": [2]})).await.expect(200)?;
    fan.cancel(FIRST, &reservation, Value::Null).await.expect(200)?;
    hall.wait(&id, &[1, 2, 3], "AVAILABLE").await
}
