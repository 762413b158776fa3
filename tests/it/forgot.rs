//! A PostgreSQL that has lost data: an old backup was put back, or the database is empty. Redis
//! still has the data, so no sold seat is free, and payments wait for the restore.

use crate::refund_terms::set_terms;
use crate::support::client::Client;
use crate::support::node::eventually;
use crate::support::postgres::sql;
use crate::support::sale::Sale;
use grandstand::checkout::settle::{Rumour, Settlement, Verdict};
use grandstand::config::Settings;
use grandstand::domain::ids::PaymentId;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

async fn start() -> Sale {
    let change = |settings: &mut Settings| {
        settings.max_seats_per_user = 25;
        settings.reconcile_after_ms = 300;
    };
    Sale::with(change).own_postgres().start().await
}

impl Sale {
    /// Copies the files of PostgreSQL as they are this moment, as a backup does.
    async fn back_up(&mut self) -> PathBuf {
        self.node.verify().await;
        let backup = self.dir.path().join("backup");
        self.postgres().kill().await;
        copy(&self.dir.path().join("postgres"), &backup);
        self.postgres().restart().await.unwrap();
        backup
    }

    async fn put_back(&mut self, backup: &Path) {
        self.node.verify().await;
        let data = self.dir.path().join("postgres");
        self.postgres().kill().await;
        std::fs::remove_dir_all(&data).unwrap();
        copy(backup, &data);
        self.postgres().restart().await.unwrap();
    }

    async fn buy(&self, seats: &[u32]) -> Value {
        let reservation = self.fan.reserve(&self.fixture.id, seats).await;
        self.pay(&reservation).await;
        reservation
    }

    async fn pay(&self, reservation: &Value) {
        let payment = self.fan.request_payment(reservation).await;
        let key = self.node.pay_at_gateway(&payment, "approve").await;
        eventually("the payment is kept", || async {
            (self.fan.confirm(&payment, &key).await.status == 200).then_some(())
        })
        .await;
    }

    async fn cancel_until_done(&self, reservation: &Value, seats: &Value) {
        eventually("the money is back", || async {
            (self.cancel(reservation, seats).await.status == 200).then_some(())
        })
        .await;
    }

    /// What PostgreSQL has lost, as Redis says.
    async fn halted(&self) -> Option<String> {
        self.engine().partition_state(self.partition()).await.unwrap().halted
    }

    async fn is_halted(&self) {
        eventually("the loss is noticed", || self.halted()).await;
    }

    async fn goes_on(&self) {
        eventually("payments go on", || async { self.halted().await.is_none().then_some(()) })
            .await;
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Payments stop and everything else goes on, until the restore writes what Redis has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_backup_of_postgresql_frees_no_sold_seat() {
    let mut sale = start().await;
    sale.buy(&[1]).await;
    let given_back = sale.buy(&[2]).await;
    let part = sale.buy(&[3, 4]).await;
    let backup = sale.back_up().await;
    // The backup has none of these: sales, refunds, a blocked seat, an account.
    sale.buy(&[5, 6]).await;
    sale.cancel_until_done(&given_back, &Value::Null).await;
    sale.buy(&[2]).await;
    sale.cancel_until_done(&part, &json!({"seatIds": [4]})).await;
    sale.buy(&[4]).await;
    let seats = json!({"seatIds": [20]});
    sale.node
        .admin()
        .await
        .post(&format!("/api/admin/matches/{}/block", sale.fixture.id), &seats)
        .await
        .expect(200);
    let newcomer = sale.node.user("newcomer").await;
    sale.put_back(&backup).await;

    sale.is_halted().await;
    eventually("readiness names the partition", || async {
        let ready = sale.node.operator().get("/health/ready").await.expect(200);
        let mut states = ready["partitions"].as_array()?.iter();
        states.find(|partition| {
            partition["state"].as_str().is_some_and(|text| text.contains("lost"))
        })?;
        Some(())
    })
    .await;
    // The seats stay sold after a restart too, and a rebuild is refused.
    sale.restart_node().await;
    sale.is_halted().await;
    let (code, text) = sale.node.run(&["rebuild"]).await;
    assert!(code == 1 && text.contains("grandstand restore"), "{code}: {text}");
    let newcomer = Client::new(sale.node.url(), newcomer.token);
    let lost =
        newcomer.hold(&sale.fixture.id, &[1, 2, 3, 4, 5, 6, 20]).await.refused(409, "SEAT_TAKEN");
    assert_eq!(lost["lost"], json!([1, 2, 3, 4, 5, 6, 20]));
    // Holds go on, and nobody is charged.
    let reservation = sale.fan.reserve(&sale.fixture.id, &[10]).await;
    let payment = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.fan.confirm(&payment, &key).await.refused(503, "PAYMENTS_PAUSED");

    let (code, dry) = sale.node.run(&["restore", "--dry-run"]).await;
    assert_eq!(code, 0, "{dry}");
    for wanted in ["reservation", "account", "newcomer@test.example", "1 seats blocked"] {
        assert!(dry.contains(wanted), "no {wanted} in {dry}");
    }
    assert!(sale.halted().await.is_some(), "a dry run writes nothing");
    let (code, text) = sale.node.run(&["restore"]).await;
    assert_eq!(code, 0, "{text}");
    sale.goes_on().await;
    eventually("the payment goes on", || async {
        (sale.fan.confirm(&payment, &key).await.status == 200).then_some(())
    })
    .await;
    let statuses = sale.node.wait_for_books().await;
    assert_eq!(statuses.iter().filter(|status| *status == "PAID").count(), 6, "{statuses:?}");
    let (code, text) = sale.node.run(&["restore"]).await;
    assert!(code == 0 && text == "0 partitions restored\n", "{code}: {text}");
    sale.finish().await;
}

/// The node does not take it for a first start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_filled_from_redis() {
    let mut sale = start().await;
    sale.buy(&[1, 2]).await;
    let other = sale.node.user("other").await;
    sale.node.verify().await;
    sale.node.stop_node().await;
    let tables = "select string_agg(tablename, ', ') from pg_tables
        where schemaname = 'public' and tablename <> 'refinery_schema_history'";
    let tables = sql(&sale.node.settings.database_url, tables).await;
    let empty = format!("alter table trail disable trigger user; truncate {}", tables[0][0]);
    sql(&sale.node.settings.database_url, &empty).await;
    sale.start_node().await;
    sale.is_halted().await;
    let other = Client::new(sale.node.url(), other.token);
    other.hold(&sale.fixture.id, &[1]).await.refused(409, "SEAT_TAKEN");
    let (code, text) = sale.node.run(&["restore"]).await;
    assert_eq!(code, 0, "{text}");
    sale.goes_on().await;
    sale.buy(&[3]).await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID", "PAID"]);
    sale.finish().await;
}

/// PostgreSQL has forgotten its claim. It ends as a sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_under_way_is_restored() {
    let mut sale = start().await;
    let backup = sale.back_up().await;
    let reservation = sale.fan.reserve(&sale.fixture.id, &[1]).await;
    let payment = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.node.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    sale.node.fault(&json!({"call": "lookup", "kind": "errorBefore"})).await;
    eventually("it is under way", || async {
        (sale.fan.confirm(&payment, &key).await.status == 202).then_some(())
    })
    .await;
    sale.put_back(&backup).await;
    sale.is_halted().await;
    let (code, text) = sale.node.run(&["restore"]).await;
    assert!(code == 0 && text.contains("PAYING"), "{code}: {text}");
    sale.node.clear_faults().await;
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    sale.finish().await;
}

/// Every command of docs/OPERATIONS.md is run as it stands there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_restore_drill_works_as_it_is_written() {
    let mut sale = start().await;
    let backup = sale.back_up().await;
    sale.buy(&[1, 2]).await;
    sale.put_back(&backup).await;
    sale.is_halted().await;
    let page = include_str!("../../docs/OPERATIONS.md");
    let drill = page.split("### The restore drill").nth(1).expect("the drill is on the page");
    let drill = drill.split("\n#").next().unwrap();
    let commands = drill.lines().filter_map(|line| line.strip_prefix("target/release/grandstand "));
    let mut ran = Vec::new();
    for line in commands {
        let line = line.split('#').next().unwrap();
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let (code, text) = sale.node.run(&arguments).await;
        // Before the restore `verify` ends with status 1.
        let restored = ran.contains(&"restore".to_owned());
        let expected = i32::from(arguments[0] == "verify" && !restored);
        assert_eq!(code, expected, "{line}: {text}");
        ran.push(arguments.join(" "));
        if arguments == ["restore"] {
            sale.goes_on().await;
            sale.node.verify().await;
        }
    }
    assert_eq!(ran, ["verify", "restore --dry-run", "restore", "verify", "verify --gateway"]);
    sale.finish().await;
}

/// How far each refund is, in the order of their numbers.
const REFUNDS: &str = "select number, status, amount, fee from refunds order by number";

/// A refund from before the backup keeps its row, and the fee of the later one stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_refund_that_postgresql_has_lost_keeps_its_fee() {
    let mut sale = start().await;
    let admin = sale.node.admin().await;
    let until = "2030-05-05T05:00:00Z";
    let terms = json!({"refundFees": [{"until": until, "percent": 30}]});
    set_terms(&sale, &admin, terms).await;
    let reservation = sale.buy(&[3, 4]).await;
    let id = reservation["id"].as_str().unwrap();
    let waived = json!({"seatIds": [4], "waiveFee": true});
    admin.post(&format!("/api/admin/reservations/{id}/cancel"), &waived).await.expect(200);
    let backup = sale.back_up().await;
    sale.cancel_until_done(&reservation, &json!({"seatIds": [3]})).await;
    sale.put_back(&backup).await;
    sale.is_halted().await;
    let (code, text) = sale.node.run(&["restore"]).await;
    assert!(code == 0 && text.contains("with a fee"), "{code}: {text}");
    sale.goes_on().await;
    let url = &sale.node.settings.database_url;
    let both = [["1", "DONE", "10000", "0"], ["2", "DONE", "7000", "3000"]];
    assert_eq!(sql(url, REFUNDS).await, both);
    // What the sweep does when the gateway lists this payment.
    let payment = PaymentId(sql(url, "select id from payments").await[0][0].parse().unwrap());
    let services = sale.node.services();
    let settlement = Settlement::new(&services.engine, &services.store, &services.toss);
    let row = settlement.rows(&[payment]).await.unwrap().remove(&payment).unwrap();
    let rumour = Rumour { payment, payment_key: None, status: None };
    assert_eq!(settlement.look(&row, &rumour).await.unwrap(), Verdict::Agrees);
    assert_eq!(sale.node.ledger_entries().await[0]["balanceAmount"], 3_000);
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    sale.finish().await;
}

/// It was under way in the backup. Its end is written, so that only the next one is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_was_refused_since_is_under_way_no_more() {
    let mut sale = start().await;
    let reservation = sale.buy(&[3, 4]).await;
    sale.node.fault(&json!({"call": "cancel", "kind": "errorBefore"})).await;
    assert_eq!(sale.cancel(&reservation, &json!({"seatIds": [4]})).await.status, 202);
    let backup = sale.back_up().await;
    sale.node.clear_faults().await;
    let refuse = json!({"call": "cancel", "kind": "refuse", "code": "EXCEED_MAX_REFUND_DUE",
        "count": 1});
    sale.node.fault(&refuse).await;
    let url = sale.node.settings.database_url.clone();
    eventually("the gateway has refused it", || async {
        (sql(&url, REFUNDS).await[0][1] == "REFUSED").then_some(())
    })
    .await;
    sale.put_back(&backup).await;
    sale.is_halted().await;
    let (code, text) = sale.node.run(&["restore"]).await;
    assert_eq!(code, 0, "{text}");
    sale.goes_on().await;
    assert_eq!(sql(&url, REFUNDS).await, [["1", "REFUSED", "10000", "0"]]);
    // The next one is interrupted, and the reconciler ends it.
    sale.node.fault(&json!({"call": "cancel", "kind": "errorBefore", "count": 1})).await;
    assert_eq!(sale.cancel(&reservation, &json!({"seatIds": [3]})).await.status, 202);
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    let both = [["1", "REFUSED", "10000", "0"], ["2", "DONE", "10000", "0"]];
    assert_eq!(sql(&url, REFUNDS).await, both);
    sale.finish().await;
}
