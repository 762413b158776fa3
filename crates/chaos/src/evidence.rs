//! What is left in the end: the tables of PostgreSQL, the books of the gateway, the maps.

use crate::apart::Recovered;
use crate::counts::{Count, read_counts};
use crate::database::connect;
use crate::fault::PROCESSES;
use crate::history::Call;
use crate::log::{MatchLog, read_logs};
use crate::sale::Sale;
use crate::steps::{self, Step};
use crate::watcher::View;
use crate::world::World;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// A reservation in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) fixture: String,
    pub(crate) user: String,
    pub(crate) status: String,
    pub(crate) seats: Vec<u32>,
    pub(crate) amount: i64,
}

/// A payment in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) reservation: String,
    pub(crate) status: String,
    pub(crate) amount: i64,
    pub(crate) refunding: bool,
    /// What went back to the buyer.
    pub(crate) refunded: i64,
    /// What the organiser kept of it.
    pub(crate) fees: i64,
}

/// A time in which something was not as usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// The matches whose server of Redis it was about; all matches when there is none.
    pub(crate) only: Option<BTreeSet<String>>,
}

/// A watcher sees a change within this time, with a debug build on a busy machine.
pub(crate) const FRAME_TIMEOUT: Duration = Duration::from_secs(3);

/// A partition is loaded within this time after a loss, also when the workers and PostgreSQL fail
/// meanwhile, one after the other. A later load has another reason.
const LOAD_MAX: Duration = Duration::from_secs(30);
/// A reservation that nobody pays is gone from the lists within this time after its end.
const LATE_MAX: Duration = Duration::from_secs(5);

/// A number at the first and at the last measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) what: String,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// Everything that the checks look at.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) calls: Vec<Call>,
    pub(crate) views: Vec<View>,
    /// The payments in the books of the gateway.
    pub(crate) ledger: Vec<Value>,
    /// By id.
    pub(crate) reservations: HashMap<String, Reservation>,
    /// By order id.
    pub(crate) payments: HashMap<String, Payment>,
    /// The reservation of each match and seat.
    pub(crate) claims: BTreeMap<(String, u32), String>,
    pub(crate) claims_have_a_key: bool,
    pub(crate) dead_letters: usize,
    /// Those of them that were not written by the breaker to be refused.
    pub(crate) refused_facts: usize,
    pub(crate) epochs: u64,
    /// The maps in the end, of each match and each node.
    pub(crate) maps: Vec<(String, usize, BTreeMap<u32, String>)>,
    /// The changes of each match, as Redis has them.
    pub(crate) logs: Vec<MatchLog>,
    /// The seats of users, as Redis counts them.
    pub(crate) counts: Vec<Count>,
    /// What nobody will remove from Redis, in words.
    pub(crate) leftovers: Vec<String>,
    /// The steps of all payments, as PostgreSQL has written them.
    pub(crate) steps: Vec<Step>,
    /// When the run began, in ms since 1970, as the ids of streams count.
    pub(crate) begun_ms: u64,
    /// When the ids of streams have no meaning as times, because the clock of Redis was set: from
    /// then to the end. The ids of a stream never go back, and those of another one may.
    pub(crate) clocks_set: Vec<Window>,
    /// Seats of reservations that still have time to pay: after a failure they get two minutes.
    pub(crate) pending: BTreeSet<(String, u32)>,
    /// When Redis may have forgotten what it had confirmed.
    pub(crate) forgets: Vec<Window>,
    /// When PostgreSQL lost what it had committed. What Redis still has is written back; a sale
    /// that was given back meanwhile is in the books of the gateway only.
    pub(crate) database_losses: Vec<Window>,
    /// When deadlines may be late: something happens to Redis, to a clock, or to the workers.
    pub(crate) deadlines: Vec<Window>,
    /// When a node may be silent for longer than it allows itself: it is frozen, its clock is
    /// wrong, or the network is broken between it and its clients.
    pub(crate) silences: Vec<Window>,
    /// When a watcher may see changes late: anything but PostgreSQL and the gateway fails.
    pub(crate) blinds: Vec<Window>,
    /// The seats of each match are 1 to this number.
    pub(crate) seats: u32,
    /// Processes that killed themselves at a failpoint.
    pub(crate) deaths: u32,
    /// How often a worker noticed that another one has its partition, as the logs say.
    pub(crate) lost_leases: usize,
    /// Partitions that a worker has taken over from a dead one.
    pub(crate) taken_over: usize,
    /// How often a node has refused new payments because the gateway did not reply, as the logs
    /// say.
    pub(crate) gateway_away: usize,
    /// Payments whose outcome was unknown until a process looked at the gateway, as the logs say.
    pub(crate) ended_for_others: usize,
    /// From the last fault until a purchase; none when nothing could be bought.
    pub(crate) recovery: Option<Duration>,
    /// The matches with a queue.
    pub(crate) queues: BTreeSet<String>,
    /// The matches of which a person may have one hold at a time.
    pub(crate) one_holds: BTreeSet<String>,
    /// When the sales of some matches ended.
    pub(crate) closes: HashMap<String, Duration>,
    /// The matches with a price list.
    pub(crate) listed: BTreeSet<String>,
    /// These matches have fees for refunds.
    pub(crate) fees: bool,
    /// What came after each fault, when they happened one at a time.
    pub(crate) recovered: Vec<Recovered>,
    /// What a run without faults had at first and at last.
    pub(crate) growths: Vec<Growth>,
    /// The longest time for which the breaker itself stood still.
    pub(crate) stalled: Duration,
    /// What `grandstand verify --gateway` found in the end; empty when all agree.
    pub(crate) verify: String,
    /// Entries of the journal that PostgreSQL did not have in the end.
    pub(crate) backlog: usize,
    /// Open files, threads and KB of memory of each process, before and after.
    pub(crate) sizes: Vec<(String, [u64; 3], [u64; 3])>,
}

const PAYMENTS: &str = "
    select p.order_id, p.reservation_id::text, p.status, p.amount, p.refunding,
        coalesce((select sum(amount) from refunds
            where payment_id = p.id and status = 'DONE'), 0)::bigint,
        coalesce((select sum(fee) from refunds
            where payment_id = p.id and status = 'DONE'), 0)::bigint
    from payments p";
const KEY: &str = "
    select count(*) from pg_index i where i.indrelid = 'claims'::regclass and i.indisprimary
        and i.indisvalid and i.indnkeyatts = 2";

impl Evidence {
    /// Reads what the servers have in the end.
    pub(crate) async fn collect(world: &World, sale: &Sale) -> Result<Self> {
        let mut evidence =
            Self { calls: sale.history.calls(), seats: sale.current().seats, ..Self::default() };
        evidence.begun_ms = sale.history.begun_ms();
        let queues = sale.fixtures.iter().filter(|fixture| fixture.queue);
        evidence.queues = queues.map(|fixture| fixture.id.clone()).collect();
        let listed = sale.fixtures.iter().filter(|fixture| fixture.listed);
        let one_holds = sale.fixtures.iter().filter(|fixture| fixture.one_hold);
        evidence.one_holds = one_holds.map(|fixture| fixture.id.clone()).collect();
        let closes = sale.fixtures.iter().filter_map(|it| Some((it.id.clone(), it.closes?)));
        evidence.closes = closes.collect();
        evidence.fees = sale.fees;
        evidence.listed = listed.map(|fixture| fixture.id.clone()).collect();
        evidence.read_tables(&world.postgres.url()).await?;
        let url = format!("{}/_emulator/ledger", world.gateway);
        let books: Value = reqwest::get(url).await?.json().await?;
        evidence.ledger = books["payments"].as_array().context("no books")?.clone();
        for person in sale.people.iter() {
            let over = jiff::Timestamp::now() - LATE_MAX - world.clock_error;
            evidence.pending.extend(pending(&person.reservations().await?, over));
        }
        for fixture in sale.fixtures.iter() {
            for node in 0..sale.doors.len() {
                let map = map(&sale.doors[node], &fixture.id).await?;
                evidence.maps.push((fixture.id.clone(), node, map));
            }
        }
        evidence.logs = read_logs(world, sale).await?;
        evidence.counts = read_counts(world).await?;
        Ok(evidence)
    }

    async fn read_tables(&mut self, url: &str) -> Result<()> {
        let client = connect(url).await?;
        let all = "select id::text, match_id::text, user_id::text, status, seats, amount
            from reservations";
        for row in client.query(all, &[]).await? {
            let seats: Vec<i32> = row.get(4);
            let reservation = Reservation {
                fixture: row.get(1),
                user: row.get(2),
                status: row.get(3),
                seats: seats.into_iter().map(i32::cast_unsigned).collect(),
                amount: row.get(5),
            };
            self.reservations.insert(row.get(0), reservation);
        }
        for row in client.query(PAYMENTS, &[]).await? {
            let payment = Payment {
                reservation: row.get(1),
                status: row.get(2),
                amount: row.get(3),
                refunding: row.get(4),
                refunded: row.get(5),
                fees: row.get(6),
            };
            self.payments.insert(row.get(0), payment);
        }
        let all = "select match_id::text, seat_id, reservation_id::text from claims";
        for row in client.query(all, &[]).await? {
            self.claims.insert((row.get(0), row.get::<_, i32>(1).cast_unsigned()), row.get(2));
        }
        self.steps = steps::read(&client).await?;
        let count =
            async |text: &str| -> Result<i64> { Ok(client.query_one(text, &[]).await?.get(0)) };
        self.claims_have_a_key = count(KEY).await? == 1;
        self.dead_letters = usize::try_from(count("select count(*) from dead_letters").await?)?;
        let facts = "select count(*) from dead_letters
            where fields ->> 'chaos' is distinct from 'poison'";
        self.refused_facts = usize::try_from(count(facts).await?)?;
        let epochs = count("select coalesce(max(epoch), 0)::bigint from partitions").await?;
        self.epochs = u64::try_from(epochs)?;
        Ok(())
    }

    /// A loss of Redis is over when the partition was loaded again, which waits for PostgreSQL:
    /// what was held between the loss and the load is lost too. A window is long enough for most
    /// loads. Of those that end later, the first one of each match is that of the loss.
    pub(crate) fn until_loaded(&mut self) {
        for window in &mut self.forgets {
            let end = window.to;
            let only = window.only.as_ref();
            let concerned = |view: &&View| only.is_none_or(|only| only.contains(&view.fixture));
            for view in self.views.iter().filter(concerned) {
                let own = view.loads.iter().find(|load| **load > end);
                if let Some(load) = own.filter(|load| **load <= end + LOAD_MAX) {
                    window.to = window.to.max(*load + FRAME_TIMEOUT);
                }
            }
        }
    }

    /// Whether something of this list happened to a match between two times.
    pub(crate) fn happened(
        windows: &[Window],
        fixture: &str,
        from: Duration,
        to: Duration,
    ) -> bool {
        let concerned = |window: &Window| {
            window.only.as_ref().is_none_or(|only| fixture.is_empty() || only.contains(fixture))
        };
        windows.iter().any(|window| window.from <= to && window.to >= from && concerned(window))
    }
}

/// Open files, threads and KB of memory of each process.
pub(crate) fn sizes(world: &World) -> Vec<(String, [u64; 3])> {
    let entries = |pid: u32, what: &str| {
        std::fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, |list| list.count() as u64)
    };
    let memory = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    };
    let size = |process| {
        let pid = world.process(process).pid();
        (format!("{process:?}"), [entries(pid, "fd"), entries(pid, "task"), memory(pid)])
    };
    PROCESSES.into_iter().map(size).collect()
}

/// The seats of those reservations that are waiting for their payments. One whose time to pay was
/// over before has no excuse to keep its seats.
fn pending(reservations: &Value, over: jiff::Timestamp) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for reservation in reservations["reservations"].as_array().into_iter().flatten() {
        let ends = reservation["expiresAt"].as_str().and_then(|text| text.parse().ok());
        let waits = ends.is_some_and(|ends: jiff::Timestamp| ends > over);
        if reservation["status"] == "PENDING" && waits {
            let fixture = reservation["matchId"].as_str().unwrap_or_default();
            for seat in reservation["seats"].as_array().into_iter().flatten() {
                let seat = seat["seatId"].as_u64().and_then(|seat| u32::try_from(seat).ok());
                found.extend(seat.map(|seat| (fixture.to_owned(), seat)));
            }
        }
    }
    found
}

/// The map of the match, as a node has it.
async fn map(door: &str, fixture: &str) -> Result<BTreeMap<u32, String>> {
    let url = format!("{door}/api/matches/{fixture}/blocks/1/seats");
    let reply: Value = reqwest::get(&url).await?.json().await?;
    let seats = reply["data"]["seats"].as_array().with_context(|| format!("{url}: {reply}"))?;
    let seat = |seat: &Value| {
        let id = u32::try_from(seat["id"].as_u64()?).ok()?;
        Some((id, seat["state"].as_str()?.to_owned()))
    };
    Ok(seats.iter().filter_map(seat).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reservation_waits_until_its_time_to_pay_is_over() {
        let now: jiff::Timestamp = "2026-11-28T12:00:00Z".parse().unwrap_or_default();
        for (ends, waits) in [
            (json!("2026-11-28T12:01:00Z"), true),
            (json!("2026-11-28T11:59:58Z"), true),
            (json!("2026-11-28T11:59:50Z"), false),
            (Value::Null, false),
        ] {
            let listed = json!({"reservations": [{"status": "PENDING", "matchId": "m",
                "expiresAt": ends, "seats": [{"seatId": 5}]}]});
            let wanted: Vec<_> = waits.then(|| ("m".to_owned(), 5)).into_iter().collect();
            assert_eq!(pending(&listed, now - LATE_MAX), wanted, "{ends}");
        }
    }

    #[test]
    fn a_loss_of_one_server_is_no_excuse_for_the_matches_of_others() {
        let s = Duration::from_secs;
        let only = Some(["m".to_owned()].into());
        let windows = [Window { from: s(10), to: s(18), only }];
        assert!(Evidence::happened(&windows, "m", s(9), s(10)));
        assert!(!Evidence::happened(&windows, "m", s(8), s(9)));
        assert!(!Evidence::happened(&windows, "other", s(9), s(20)));
        assert!(Evidence::happened(&windows, "", s(9), s(20)), "a call that is about no match");
        let view = |fixture: &str, load| View {
            fixture: fixture.to_owned(),
            loads: vec![s(load)],
            ..View::default()
        };
        let views = vec![view("m", 20), view("other", 30)];
        let mut evidence = Evidence { forgets: windows.into(), views, ..Evidence::default() };
        evidence.until_loaded();
        assert_eq!(evidence.forgets[0].to, s(20) + FRAME_TIMEOUT);
    }

    #[test]
    fn a_loss_lasts_until_its_own_load_and_not_until_any_later_one() {
        let s = Duration::from_secs;
        let of = |loads: &[u64]| {
            let window = Window { from: s(10), to: s(18), only: None };
            let loads = loads.iter().map(|at| s(*at)).collect();
            let view = View { loads, ..View::default() };
            let forgets = vec![window];
            let mut evidence = Evidence { forgets, views: vec![view], ..Evidence::default() };
            evidence.until_loaded();
            evidence.forgets[0].to
        };
        assert_eq!(of(&[12]), s(18));
        assert_eq!(of(&[25]), s(25) + FRAME_TIMEOUT);
        assert_eq!(of(&[25, 40]), s(25) + FRAME_TIMEOUT);
        assert_eq!(of(&[5, 90]), s(18), "it was loaded for another reason");
    }
}
