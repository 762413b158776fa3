//! An engine on a Redis of its own, without a node: matches in any state, and what Redis has.

pub use crate::support::given::{all, limits, seats, these};
use crate::support::partition::open_partition;
use fred::prelude::*;
use grandstand::domain::catalog::{Match, MatchStatus};
use grandstand::domain::claim::{Claim, ClaimState};
use grandstand::domain::fact::Fields;
use grandstand::domain::ids::{
    HoldId, MatchId, Partition, PaymentId, ReservationId, SeatId, SiteId, UserId,
};
use grandstand::domain::money::{Attempt, Refund as Refunding};
use grandstand::domain::queue::QueueSettings;
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::limits::Limits;
use grandstand::engine::operation::Operation;
use grandstand::engine::reservations::Source;
use grandstand::engine::{Engine, EngineSettings};
use grandstand::redis::Link;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use tempfile::TempDir;

/// The partition of all matches and users of these tests.
pub const PARTITION: Partition = Partition(0);
/// What each seat costs, in KRW.
pub const PRICE: i64 = 10_000;
/// The gateway's key of every payment.
pub const KEY: &str = "key-of-the-gateway";

/// Engines on one Redis.
pub struct TestEngine {
    pub engine: Engine,
    /// Its holds and reservations expire after a millisecond.
    pub hasty: Engine,
    pub raw: Link,
    pub redis: PrivateRedis,
    _dir: TempDir,
}

impl TestEngine {
    pub async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let settings = RedisSettings { fsync: Fsync::Never };
        let redis = PrivateRedis::start(dir.path(), settings).await.unwrap();
        let engine = connect(&redis, limits()).await;
        let hasty = Limits { hold_ttl_ms: 1, payment_ttl_ms: 1, ..limits() };
        let hasty = connect(&redis, hasty).await;
        open_partition(&engine, 1).await;
        let raw = grandstand::redis::connect(&redis.url()).await.unwrap();
        Self { engine, hasty, raw, redis, _dir: dir }
    }

    /// Another engine on the same Redis, with connections and batchers of its own.
    pub async fn another(&self, limits: Limits) -> Engine {
        connect(&self.redis, limits).await
    }

    /// A match on sale.
    pub async fn open_match(&self) -> MatchId {
        let fixture = fixture(MatchStatus::Open, false);
        self.engine.put_match(&fixture, Operation::default()).await.unwrap()
    }

    /// A match in which the steps have been taken.
    pub async fn at(&self, steps: &[Step]) -> Scene<'_> {
        let fixture = fixture(MatchStatus::Open, false);
        self.engine.put_match(&fixture, Operation::default()).await.unwrap();
        let mut scene = Scene {
            bed: self,
            fixture,
            me: UserId::new(PARTITION),
            other: UserId::new(PARTITION),
            hold: HoldId::new(PARTITION),
            reservation: ReservationId::new(PARTITION),
            payment: PaymentId::new(PARTITION),
        };
        for step in steps {
            scene.step(*step).await;
        }
        scene
    }

    /// The seats of a match in Redis, `1H 2P`.
    pub async fn seats(&self, id: MatchId) -> String {
        let found = self.hash(MatchKeys(id).seats()).await.into_iter();
        let found: BTreeMap<u32, String> =
            found.map(|(seat, value)| (seat.parse().unwrap(), value)).collect();
        let parts: Vec<String> =
            found.iter().map(|(seat, value)| format!("{seat}{}", &value[..1])).collect();
        parts.join(" ")
    }

    /// The entries in the changes of a match.
    pub async fn changes(&self, id: MatchId) -> Vec<String> {
        let entries = self.stream(MatchKeys(id).changes()).await;
        // Sorted, because the script has no order.
        let in_order = |part: &str| {
            let mut seats: Vec<&str> = part[1..].split(',').collect();
            seats.sort_by_key(|seat| seat.parse::<u32>().unwrap());
            format!("{}{}", &part[..1], seats.join(","))
        };
        let sorted = |text: &String| {
            let parts = text.split(';').filter(|part| !part.is_empty());
            let mut parts: Vec<String> = parts.map(in_order).collect();
            parts.sort();
            parts.join(";")
        };
        let said =
            |fields: &Fields| fields.get("d").map(sorted).or(fields.get("q").cloned()).unwrap();
        entries.iter().map(said).collect()
    }

    /// The entries of the journal that are about a match.
    pub async fn journal(&self, id: MatchId) -> Vec<Fields> {
        let mut entries = self.stream(PartitionKeys(PARTITION).journal()).await;
        entries.retain(|entry| entry.get("match") == Some(&id.key()));
        entries
    }

    async fn stream(&self, key: String) -> Vec<Fields> {
        let entries: Vec<(String, Fields)> =
            self.raw.xrange_values(key, "-", "+", None).await.unwrap();
        entries.into_iter().map(|(_, fields)| fields).collect()
    }

    /// Each claim has its seats and its deadline.
    pub async fn assert_sound(&self) {
        let due: Vec<(String, f64)> = self
            .raw
            .zrange(PartitionKeys(PARTITION).due(), 0, -1, None, false, None, true)
            .await
            .unwrap();
        let mut deadlines: HashSet<(String, i64)> = HashSet::new();
        for (entry, ms) in due {
            let (time, fields) = entry.split_once(' ').unwrap();
            assert_eq!(time, ms.to_string(), "an entry begins with its time");
            deadlines.extend(fields.split(',').map(|field| (field.to_owned(), ms as i64)));
        }
        for (field, claim) in self.claims_by_field().await {
            let letter = match claim.state {
                ClaimState::Hold => 'H',
                ClaimState::Pending | ClaimState::Paying => 'P',
                ClaimState::Confirmed | ClaimState::Refunding => 'O',
            };
            let waits = [ClaimState::Hold, ClaimState::Pending].contains(&claim.state);
            let deadline = (field.clone(), claim.deadline);
            assert!(!waits || deadlines.contains(&deadline), "{claim:?} would never end");
            let seats = self.hash(MatchKeys(claim.match_id).seats()).await;
            let value = format!("{letter}{field}");
            for seat in &claim.seats {
                assert_eq!(seats.get(&seat.to_string()), Some(&value), "seat {seat}");
            }
        }
    }

    /// Each taken seat of a match is in exactly one claim.
    pub async fn assert_owned(&self, id: MatchId) {
        let claims = self.claims().await;
        for (seat, value) in self.hash(MatchKeys(id).seats()).await {
            // `O` alone is a seat that was sold to a user whom only PostgreSQL knows.
            if !["B", "O"].contains(&value.as_str()) {
                let has = |claim: &&Claim| {
                    claim.match_id == id
                        && value[1..].starts_with(&claim.user.key())
                        && claim.seats.iter().any(|id| id.to_string() == seat)
                };
                assert_eq!(claims.iter().filter(has).count(), 1, "{seat}: {value}");
            }
        }
    }
}

/// The first attempt to pay seats 1 and 2.
pub fn attempt(
    match_id: MatchId,
    user: UserId,
    reservation: ReservationId,
    payment: PaymentId,
) -> Attempt {
    Attempt {
        match_id,
        user,
        reservation,
        payment,
        number: 1,
        seats: seats(&[1, 2]),
        amount: 2 * PRICE,
        method: "CARD".to_owned(),
        payment_key: KEY.to_owned(),
    }
}

async fn connect(redis: &PrivateRedis, limits: Limits) -> Engine {
    let settings = EngineSettings { redis_url: redis.url(), partitions: 1, limits };
    Engine::connect(settings).await.unwrap()
}

/// A match in a status.
pub fn fixture(status: MatchStatus, queue: bool) -> Match {
    Match {
        id: MatchId::new(PARTITION),
        version: 1,
        site_id: SiteId::new(PARTITION),
        stadium: "Test Ground".to_owned(),
        home_team: "LG Twins".to_owned(),
        away_team: "Doosan Bears".to_owned(),
        starts_at: "2030-05-05T05:00:00Z".parse().unwrap(),
        status,
        queue: QueueSettings { enabled: queue, ..QueueSettings::default() },
        sale_opens_at: None,
        sale_closes_at: None,
        draw_seed: None,
        drawn: None,
        orphan_rule: false,
        moved: false,
        refundable_until: None,
        refund_fees: vec![],
        one_hold_per_user: false,
        holds_need_verified_email: false,
        prices: None,
        archived: false,
    }
}

/// A step that a scene has taken; those with seats or claims are of the scene's own user.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// An administrator takes seat 1 out of the sale.
    Block,
    /// Seats 1 and 2.
    Hold,
    /// The same with a deadline that is over.
    HoldLate,
    Release,
    Reserve,
    /// The same with a deadline that is over.
    ReserveLate,
    Request,
    Begin,
    Approve,
    Decline,
    Withdraw,
    Lose,
    /// The reconciler is about to ask for the money of attempt 1.
    Ask,
    Cancel,
    /// Seat 1 alone.
    CancelPart,
    Refund,
    RefuseRefund,
    Close,
    /// The match allows one open hold per user.
    OneHold,
    Queue,
    /// The scene's own user gets a pass.
    Pass,
    /// The run-time fields of the match are gone.
    Forget,
}

/// A match in some state, with the ids of what happened in it.
pub struct Scene<'a> {
    pub bed: &'a TestEngine,
    pub fixture: Match,
    pub me: UserId,
    pub other: UserId,
    pub hold: HoldId,
    pub reservation: ReservationId,
    pub payment: PaymentId,
}

impl Scene<'_> {
    pub fn id(&self) -> MatchId {
        self.fixture.id
    }

    /// The attempt with this number to pay the two seats of the scene.
    pub fn attempt(&self, number: u32) -> Attempt {
        Attempt { number, ..attempt(self.id(), self.me, self.reservation, self.payment) }
    }

    /// What the two seats of the scene cost.
    pub fn amount(&self) -> i64 {
        2 * PRICE
    }

    pub async fn step(&mut self, step: Step) {
        let engine = &self.bed.engine;
        match step {
            Step::Block => engine.block(self.id(), seats(&[1])).await.unwrap(),
            Step::Hold => self.make_hold(engine).await,
            Step::HoldLate => {
                self.make_hold(&self.bed.hasty).await;
                self.let_time_pass().await;
            }
            Step::Release => engine.release(self.id(), self.me, self.hold).await.unwrap(),
            Step::Reserve => self.make_reservation(engine).await,
            Step::ReserveLate => {
                self.make_reservation(&self.bed.hasty).await;
                self.let_time_pass().await;
            }
            Step::Cancel => {
                engine
                    .cancel(self.id(), self.me, self.reservation, all(), Operation::default())
                    .await
                    .unwrap();
            }
            Step::CancelPart => {
                let part = [(SeatId(1), PRICE)];
                engine
                    .cancel(
                        self.id(),
                        self.me,
                        self.reservation,
                        these(&part),
                        Operation::default(),
                    )
                    .await
                    .unwrap();
            }
            Step::Close => self.change(|fixture| fixture.status = MatchStatus::Closed).await,
            Step::OneHold => self.change(|fixture| fixture.one_hold_per_user = true).await,
            Step::Queue => self.change(|fixture| fixture.queue.enabled = true).await,
            Step::Pass => {
                let until = engine.now_ms(PARTITION).await.unwrap() + 60_000;
                let pass = (until as f64, self.me.key());
                let key = MatchKeys(self.id()).passes();
                let _: i64 = self.bed.raw.zadd(key, None, None, false, false, pass).await.unwrap();
            }
            Step::Forget => {
                let _: i64 = self.bed.raw.del(MatchKeys(self.id()).meta()).await.unwrap();
            }
            payment => self.pay(payment).await,
        }
    }

    async fn pay(&self, step: Step) {
        let (engine, id) = (&self.bed.engine, self.id());
        let (reservation, payment) = (self.reservation, self.payment);
        let attempt = self.attempt(1);
        let settle = |outcome| engine.settle_payment(&attempt, outcome);
        let refund = Refunding { payment, number: 1, amount: None };
        match step {
            Step::Request => {
                let (method, operation) = ("CARD".to_owned(), Operation::default());
                let request =
                    engine.request_payment(id, self.me, reservation, payment, method, operation);
                request.await.unwrap();
            }
            Step::Begin => {
                let amount = self.amount();
                engine.begin_payment(id, self.me, reservation, payment, amount, KEY).await.unwrap();
            }
            Step::Approve => drop(settle(PaymentOutcome::Approved).await.unwrap()),
            Step::Decline => drop(settle(PaymentOutcome::Declined("NO".to_owned())).await.unwrap()),
            Step::Withdraw => drop(settle(PaymentOutcome::Withdrawn(1000)).await.unwrap()),
            Step::Lose => drop(settle(PaymentOutcome::Lost(seats(&[1]))).await.unwrap()),
            Step::Ask => assert!(engine.mark_asked(&attempt).await.unwrap()),
            Step::Refund => {
                engine.settle_refund(id, self.me, reservation, &refund, None).await.unwrap();
            }
            Step::RefuseRefund => {
                let code = Some("NO".to_owned());
                engine.settle_refund(id, self.me, reservation, &refund, code).await.unwrap();
            }
            other => panic!("{other:?} is no step of a payment"),
        }
    }

    async fn make_hold(&mut self, engine: &Engine) {
        let (operation, seats) = (Operation::default(), seats(&[1, 2]));
        let held = engine.hold(self.id(), self.me, seats, self.amount(), &[], operation).await;
        self.hold = held.unwrap().0;
    }

    async fn make_reservation(&mut self, engine: &Engine) {
        let source = Source::Hold(self.hold);
        let made = engine.reserve(self.id(), self.me, source, Operation::default()).await;
        self.reservation = made.unwrap().0;
    }

    /// Waits until the deadlines of the hasty engine have passed.
    pub async fn let_time_pass(&self) {
        let until = self.bed.engine.now_ms(PARTITION).await.unwrap() + 2;
        while self.bed.engine.now_ms(PARTITION).await.unwrap() <= until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub async fn change(&mut self, edit: impl FnOnce(&mut Match)) {
        edit(&mut self.fixture);
        self.fixture.version += 1;
        self.bed.engine.put_match(&self.fixture, Operation::default()).await.unwrap();
    }
}
