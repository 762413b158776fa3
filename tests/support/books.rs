//! Compares the gateway's own books with PostgreSQL: a charged buyer has the seats or the money.

use crate::support::node::{TestNode, eventually_within};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// A payment as PostgreSQL keeps it.
struct Kept {
    status: String,
    amount: i64,
    back: i64,
    /// What the organiser keeps of what was cancelled.
    fees: i64,
    /// What is left of its reservation, in KRW.
    left: i64,
    /// Its reservation, and how many claims that has.
    reservation: String,
    seats: i64,
    claims: i64,
}

const KEPT: &str = "
    select p.order_id, p.status, p.amount,
        coalesce((select sum(amount) from refunds
            where payment_id = p.id and status = 'DONE'), 0)::bigint,
        r.status, cardinality(r.seats)::bigint,
        (select count(*) from claims where reservation_id = r.id), p.refunding,
        coalesce((select sum(fee) from refunds
            where payment_id = p.id and status = 'DONE'), 0)::bigint, r.amount
    from payments p join reservations r on r.id = p.reservation_id";

impl TestNode {
    /// Waits until every payment is settled, and the books of the gateway, of PostgreSQL and of
    /// Redis say the same; the status of each payment in PostgreSQL.
    pub async fn wait_for_books(&self) -> Vec<String> {
        // The promise for the reconciler is a minute.
        let minute = Duration::from_secs(60);
        let statuses = eventually_within(minute, "all payments are settled", || async {
            let kept = self.kept().await?;
            let open =
                kept.values().any(|payment| ["IN_PROGRESS", "LOST"].contains(&&*payment.status));
            (!open).then(|| kept.into_values().map(|payment| payment.status).collect::<Vec<_>>())
        })
        .await;
        let found = self.verify().await;
        assert_eq!(found.disagreements, vec![], "Redis and PostgreSQL disagree");
        let kept = self.kept().await.expect("a refund has begun meanwhile");
        for payment in self.ledger_entries().await {
            agree(&payment, kept.get(payment["orderId"].as_str().unwrap()));
        }
        statuses
    }

    /// The payments in PostgreSQL by order; `None` while money is on its way back.
    async fn kept(&self) -> Option<HashMap<String, Kept>> {
        let url = &self.settings.database_url;
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.ok()?;
        let connection = tokio::spawn(connection);
        let rows = client.query(KEPT, &[]).await.ok()?;
        drop(client);
        connection.await.ok()?.ok()?;
        if rows.iter().any(|row| row.get(7)) {
            return None;
        }
        let kept = rows.iter().map(|row| {
            let kept = Kept {
                status: row.get(1),
                amount: row.get(2),
                back: row.get(3),
                reservation: row.get(4),
                seats: row.get(5),
                claims: row.get(6),
                fees: row.get(8),
                left: row.get(9),
            };
            (row.get(0), kept)
        });
        Some(kept.collect())
    }
}

fn agree(payment: &Value, kept: Option<&Kept>) {
    let number = |name: &str| payment[name].as_i64().unwrap();
    let (total, balance) = (number("totalAmount"), number("balanceAmount"));
    let taken = ["DONE", "PARTIAL_CANCELED", "CANCELED"];
    if !taken.contains(&payment["status"].as_str().unwrap()) {
        let paid = kept.is_some_and(|payment| ["PAID", "REFUNDED"].contains(&&*payment.status));
        assert!(!paid, "paid in PostgreSQL, not at the gateway: {payment}");
        return;
    }
    let kept = kept.unwrap_or_else(|| panic!("charged, and PostgreSQL knows nothing: {payment}"));
    assert_eq!(kept.amount, total, "{payment}");
    if kept.status != "FAILED" {
        assert_eq!(kept.amount - kept.back, balance, "{payment}");
    }
    let left = if kept.status == "PAID" { kept.left } else { 0 };
    if ["PAID", "REFUNDED"].contains(&&*kept.status) {
        assert_eq!(kept.amount, left + kept.back + kept.fees, "no won is lost: {payment}");
    }
    if kept.status == "REFUNDED" && balance > 0 {
        assert_eq!(balance, kept.fees, "only the fee stays: {payment}");
        assert_eq!((&*kept.reservation, kept.claims), ("CANCELLED", 0), "{payment}");
    } else if balance == 0 && kept.status == "PAID" {
        // All that is left of the sale are seats that cost nothing.
        assert_eq!((&*kept.reservation, kept.claims), ("CONFIRMED", kept.seats), "{payment}");
    } else if balance == 0 && kept.status == "FAILED" {
        assert!(!payment["virtualAccount"].is_null(), "only an account is closed: {payment}");
    } else if balance == 0 {
        // The reservation may have been sold by another payment.
        let sold = kept.reservation == "CONFIRMED";
        assert_eq!((&*kept.status, kept.claims > 0), ("REFUNDED", sold), "{payment}");
    } else {
        assert_eq!((&*kept.status, &*kept.reservation), ("PAID", "CONFIRMED"), "{payment}");
        assert_eq!(kept.claims, kept.seats, "{payment}");
    }
}
