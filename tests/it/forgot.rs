//! A PostgreSQL that has forgotten what it once had: a backup that was put back, an empty database.
//! Redis is the one that knows then: no sold seat is free, and payments wait for the restore.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use crate::support::postgres::{self, sql};
use grandstand::domain::ids::MatchId;
use grandstand::node::{Node, NodeRole};
use grandstand_embedded::{Fsync, PrivatePostgres};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Bed {
    app: TestNode,
    postgres: PrivatePostgres,
    event: TestMatch,
    fan: Client,
    dir: TempDir,
}

impl Bed {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let postgres = postgres::private(dir.path()).await;
        let app = TestNode::start_on(postgres.url(), Fsync::Never, |settings| {
            settings.max_seats_per_user = 25;
            settings.reconcile_after_ms = 300;
        })
        .await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        app.verify().await;
        Self { app, postgres, event, fan, dir }
    }

    /// Copies the files of PostgreSQL as they are this moment, as a backup does.
    async fn back_up(&mut self) -> PathBuf {
        self.app.verify().await;
        let backup = self.dir.path().join("backup");
        self.postgres.kill().await;
        copy(&self.dir.path().join("postgres"), &backup);
        self.postgres.restart().await.unwrap();
        backup
    }

    async fn put_back(&mut self, backup: &Path) {
        self.app.verify().await;
        let data = self.dir.path().join("postgres");
        self.postgres.kill().await;
        std::fs::remove_dir_all(&data).unwrap();
        copy(backup, &data);
        self.postgres.restart().await.unwrap();
    }

    async fn buy(&self, seats: &[u32]) -> Value {
        let reservation = self.fan.reserve(&self.event.id, seats).await;
        self.pay(&reservation).await;
        reservation
    }

    async fn pay(&self, reservation: &Value) {
        let payment = self.fan.request_payment(reservation).await;
        let key = self.app.pay_at_gateway(&payment, "approve").await;
        eventually("the payment is kept", || async {
            (self.fan.confirm(&payment, &key).await.status == 200).then_some(())
        })
        .await;
    }

    async fn cancel(&self, reservation: &Value, seats: &Value) {
        let path = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
        eventually("the money is back", || async {
            (self.fan.post(&path, seats).await.status == 200).then_some(())
        })
        .await;
    }

    /// What is lost, as Redis tells every node.
    async fn halted(&self) -> Option<String> {
        let id: MatchId = self.event.id.parse().unwrap();
        let engine = &self.app.node().services.engine;
        engine.partition_state(id.partition()).await.unwrap().halted
    }

    async fn is_halted(&self) {
        eventually("the loss is noticed", || self.halted()).await;
    }

    async fn goes_on(&self) {
        eventually("payments go on", || async { self.halted().await.is_none().then_some(()) })
            .await;
    }

    async fn restart_node(&mut self) {
        self.app.node.take().unwrap().stop().await;
        let node = Node::start(&self.app.settings, NodeRole::All).await.unwrap();
        self.fan = Client::new(node.url(), self.fan.token.clone());
        self.app.node = Some(node);
    }

    async fn finish(self) {
        self.app.finish().await;
        self.postgres.stop().await.unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// The rule: a sold seat is never free because PostgreSQL has forgotten the sale. Payments stop,
/// everything else goes on, and the restore writes again what Redis has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_put_back_frees_no_sold_seat() {
    let mut bed = Bed::start().await;
    bed.buy(&[1]).await;
    let given_back = bed.buy(&[2]).await;
    let part = bed.buy(&[3, 4]).await;
    let backup = bed.back_up().await;
    // What the backup does not have: sales, refunds, a blocked seat, an account.
    bed.buy(&[5, 6]).await;
    bed.cancel(&given_back, &Value::Null).await;
    bed.buy(&[2]).await;
    bed.cancel(&part, &json!({"seatIds": [4]})).await;
    bed.buy(&[4]).await;
    let seats = json!({"seatIds": [20]});
    bed.app.admin().await.post(&admin(&bed, "block"), &seats).await.expect(200);
    let newcomer = bed.app.user("newcomer").await;
    bed.put_back(&backup).await;

    bed.is_halted().await;
    eventually("readiness names the partition", || async {
        let ready = bed.app.guest().get("/health/ready").await.expect(200);
        let mut states = ready["partitions"].as_array()?.iter();
        states.find(|one| one["state"].as_str().is_some_and(|text| text.contains("lost")))?;
        Some(())
    })
    .await;
    // Also after a restart, and not by a rebuild: the seats stay as they were sold.
    bed.restart_node().await;
    bed.is_halted().await;
    let (code, text) = bed.app.run(&["rebuild"]).await;
    assert!(code == 1 && text.contains("grandstand restore"), "{code}: {text}");
    let newcomer = Client::new(bed.app.node().url(), newcomer.token);
    let lost =
        newcomer.hold(&bed.event.id, &[1, 2, 3, 4, 5, 6, 20]).await.refused(409, "SEAT_TAKEN");
    assert_eq!(lost["lost"], json!([1, 2, 3, 4, 5, 6, 20]));
    // Holds go on, and nobody is charged.
    let reservation = bed.fan.reserve(&bed.event.id, &[10]).await;
    let payment = bed.fan.request_payment(&reservation).await;
    let key = bed.app.pay_at_gateway(&payment, "approve").await;
    bed.fan.confirm(&payment, &key).await.refused(503, "PAYMENTS_PAUSED");

    let (code, dry) = bed.app.run(&["restore", "--dry-run"]).await;
    assert_eq!(code, 0, "{dry}");
    for wanted in ["reservation", "account", "newcomer@test.example", "1 seats blocked"] {
        assert!(dry.contains(wanted), "no {wanted} in {dry}");
    }
    assert!(bed.halted().await.is_some(), "a dry run writes nothing");
    let (code, text) = bed.app.run(&["restore"]).await;
    assert_eq!(code, 0, "{text}");
    bed.goes_on().await;
    eventually("the payment goes on", || async {
        (bed.fan.confirm(&payment, &key).await.status == 200).then_some(())
    })
    .await;
    let statuses = bed.app.wait_for_books().await;
    assert_eq!(statuses.iter().filter(|status| *status == "PAID").count(), 6, "{statuses:?}");
    let (code, text) = bed.app.run(&["restore"]).await;
    assert!(code == 0 && text == "0 partitions restored\n", "{code}: {text}");
    bed.finish().await;
}

/// The rule: an empty database in the place of the real one is not the first start of something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_filled_from_redis() {
    let mut bed = Bed::start().await;
    bed.buy(&[1, 2]).await;
    let other = bed.app.user("other").await;
    bed.app.verify().await;
    bed.app.node.take().unwrap().stop().await;
    let tables = "select string_agg(tablename, ', ') from pg_tables
        where schemaname = 'public' and tablename <> 'refinery_schema_history'";
    let tables = sql(&bed.app.settings.database_url, tables).await;
    sql(&bed.app.settings.database_url, &format!("truncate {}", tables[0][0])).await;
    let node = Node::start(&bed.app.settings, NodeRole::All).await.unwrap();
    bed.fan = Client::new(node.url(), bed.fan.token.clone());
    bed.app.node = Some(node);
    bed.is_halted().await;
    let other = Client::new(bed.app.node().url(), other.token);
    other.hold(&bed.event.id, &[1]).await.refused(409, "SEAT_TAKEN");
    let (code, text) = bed.app.run(&["restore"]).await;
    assert_eq!(code, 0, "{text}");
    bed.goes_on().await;
    bed.buy(&[3]).await;
    assert_eq!(bed.app.wait_for_books().await, ["PAID", "PAID"]);
    bed.finish().await;
}

/// The rule: a sale whose claim PostgreSQL forgot while it was being paid for ends as a sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_under_way_is_restored() {
    let mut bed = Bed::start().await;
    let backup = bed.back_up().await;
    let reservation = bed.fan.reserve(&bed.event.id, &[1]).await;
    let payment = bed.fan.request_payment(&reservation).await;
    let key = bed.app.pay_at_gateway(&payment, "approve").await;
    bed.app.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    bed.app.fault(&json!({"call": "lookup", "kind": "errorBefore"})).await;
    eventually("it is under way", || async {
        (bed.fan.confirm(&payment, &key).await.status == 202).then_some(())
    })
    .await;
    bed.put_back(&backup).await;
    bed.is_halted().await;
    let (code, text) = bed.app.run(&["restore"]).await;
    assert!(code == 0 && text.contains("PAYING"), "{code}: {text}");
    bed.app.clear_faults().await;
    bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    assert_eq!(bed.app.wait_for_books().await, ["PAID"]);
    bed.finish().await;
}

/// The rule: every command of the restore drill in docs/OPERATIONS.md works as it stands there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_restore_drill_works_as_it_is_written() {
    let mut bed = Bed::start().await;
    let backup = bed.back_up().await;
    bed.buy(&[1, 2]).await;
    bed.put_back(&backup).await;
    bed.is_halted().await;
    let page = include_str!("../../docs/OPERATIONS.md");
    let drill = page.split("### The restore drill").nth(1).expect("the drill is on the page");
    let drill = drill.split("\n#").next().unwrap();
    let commands = drill.lines().filter_map(|line| line.strip_prefix("target/release/grandstand "));
    let mut ran = Vec::new();
    for line in commands {
        let line = line.split('#').next().unwrap();
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let (code, text) = bed.app.run(&arguments).await;
        // Before the restore `verify` says what does not agree, with status 1.
        let restored = ran.contains(&"restore".to_owned());
        let expected = i32::from(arguments[0] == "verify" && !restored);
        assert_eq!(code, expected, "{line}: {text}");
        ran.push(arguments.join(" "));
        if arguments == ["restore"] {
            bed.goes_on().await;
            bed.app.verify().await;
        }
    }
    assert_eq!(ran, ["verify", "restore --dry-run", "restore", "verify", "verify --gateway"]);
    bed.finish().await;
}

fn admin(bed: &Bed, rest: &str) -> String {
    format!("/api/admin/matches/{}/{rest}", bed.event.id)
}
