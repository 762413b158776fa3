//! Hoarding: how often a user may hold seats of a match, with a clock that stands.

use crate::support::engine::Step::{Approve, Begin, Close, Hold, OneHold, Request, Reserve};
use crate::support::engine::{KEY, PARTITION, PRICE, TestEngine, attempt, limits, seats};
use crate::support::table::{Reply, case, check, one_hold, one_reservation};
use crate::support::{calls::Call, calls::Who::Me, calls::Who::Other};
use fred::prelude::*;
use grandstand::domain::ids::{HoldId, MatchId, PaymentId, ReservationId, SeatId, UserId};
use grandstand::engine::cancellation::{Cancellation, Extent, Right};
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::reservations::Source;
use grandstand::redis::keys::PartitionKeys;
use grandstand::workers::expiry::expire_due;

/// A time in the year 2030, in ms, at which a test begins; no match has started by then.
const BEGIN_MS: i64 = 1_890_000_000_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// One fan on one match, and the clock of the partition.
struct Scene {
    bed: TestEngine,
    id: MatchId,
    fan: UserId,
    now_ms: i64,
}

impl Scene {
    async fn start() -> Self {
        let bed = TestEngine::start().await;
        let id = bed.open_match().await;
        let mut scene = Self { bed, id, fan: UserId::new(PARTITION), now_ms: 0 };
        scene.stand_at(BEGIN_MS).await;
        scene
    }

    async fn stand_at(&mut self, ms: i64) {
        let fields = vec![("clock_time", 1), ("clock_shift", 0), ("clock_floor", ms)];
        let key = PartitionKeys(PARTITION).partition();
        let _: i64 = self.bed.raw.hset(key, fields).await.unwrap();
        self.now_ms = ms;
    }

    async fn hold_in(&self, id: MatchId, fan: UserId, seat: u32) -> Result<HoldId, Refusal> {
        let none = Operation::default();
        match self.bed.engine.hold(id, fan, seats(&[seat]), PRICE, &[], none).await {
            Ok((hold, _)) => Ok(hold),
            Err(EngineError::Refused(why)) => Err(why),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn hold(&self, seat: u32) -> Result<HoldId, Refusal> {
        self.hold_in(self.id, self.fan, seat).await
    }

    fn cool_down(&self, until: i64) -> Refusal {
        Refusal::CoolDown { until, now: self.now_ms }
    }

    /// A hold that nobody pays; returns its deadline, at which the clock stands then.
    async fn expire_one(&mut self, seat: u32) -> i64 {
        self.hold(seat).await.unwrap();
        let deadline = self.now_ms + limits().hold_ttl_ms as i64;
        self.stand_at(deadline).await;
        assert_eq!(self.sweep().await, 1);
        deadline
    }

    async fn sweep(&self) -> usize {
        expire_due(&self.bed.engine, PARTITION).await.unwrap()
    }

    async fn reserve(&self, hold: HoldId) -> ReservationId {
        let (source, none) = (Source::Hold(hold), Operation::default());
        self.bed.engine.reserve(self.id, self.fan, source, none).await.unwrap().0
    }

    async fn cancel(&self, reservation: ReservationId, right: Right) {
        let seats = vec![(SeatId(1), PRICE)];
        let all = Cancellation { extent: Extent::All, seats, right, remains: None };
        let (engine, none) = (&self.bed.engine, Operation::default());
        engine.cancel(self.id, self.fan, reservation, all, none).await.unwrap();
    }

    /// What Redis still has of users and deadlines.
    async fn left(&self) -> (u64, u64) {
        let keys = PartitionKeys(PARTITION);
        let claims: u64 = self.bed.raw.hlen(keys.claims()).await.unwrap();
        let due: u64 = self.bed.raw.zcard(keys.due()).await.unwrap();
        (claims, due)
    }
}

#[tokio::test]
async fn a_fan_begins_twenty_holds_in_ten_minutes_and_no_more() {
    let mut scene = Scene::start().await;
    for number in 0..20 {
        let hold = scene.hold(1).await.unwrap_or_else(|why| panic!("hold {number}: {why:?}"));
        scene.bed.engine.release(scene.id, scene.fan, hold).await.unwrap();
    }
    let until = BEGIN_MS + 10 * MINUTE_MS;
    assert_eq!(scene.hold(1).await, Err(scene.cool_down(until)));
    let choice = [(PRICE, seats(&[2]))];
    let none = Operation::default();
    let best = scene.bed.engine.hold_best(scene.id, scene.fan, 1, &choice, none).await;
    assert!(matches!(best, Err(EngineError::Refused(Refusal::CoolDown { .. }))), "{best:?}");
    // Of this fan and match only.
    let other = scene.bed.open_match().await;
    scene.hold_in(other, scene.fan, 1).await.unwrap();
    scene.hold_in(scene.id, UserId::new(PARTITION), 1).await.unwrap();
    scene.stand_at(until - 1).await;
    assert_eq!(scene.hold(2).await, Err(scene.cool_down(until)));
    scene.stand_at(until).await;
    scene.hold(2).await.unwrap();
}

/// By the deadlines, so it does not matter when somebody notices.
#[tokio::test]
async fn each_unpaid_end_from_the_third_on_doubles_the_cool_down_up_to_half_an_hour() {
    let mut scene = Scene::start().await;
    for _ in 0..2 {
        scene.expire_one(1).await;
        let hold = scene.hold(1).await.unwrap();
        scene.bed.engine.release(scene.id, scene.fan, hold).await.unwrap();
    }
    for minutes in [1, 2, 4, 8, 16, 30, 30] {
        let until = scene.expire_one(1).await + minutes * MINUTE_MS;
        assert_eq!(scene.hold(1).await, Err(scene.cool_down(until)));
        scene.stand_at(until - 1).await;
        assert_eq!(scene.hold(1).await, Err(scene.cool_down(until)));
        scene.stand_at(until).await;
    }
    // An hour after the last one all is forgotten.
    let until = scene.expire_one(1).await + HOUR_MS;
    scene.stand_at(until).await;
    scene.expire_one(1).await;
    scene.hold(1).await.unwrap();
}

/// Somebody who gives the seats back a second before each deadline hoards like somebody who does
/// not. `again` ends a hold in this way, and lets time pass.
async fn assert_hoarding_ends(scene: &mut Scene, again: impl AsyncFn(&mut Scene, HoldId)) {
    let mut held = 0;
    let until = loop {
        match scene.hold(1).await {
            Ok(hold) => again(scene, hold).await,
            Err(Refusal::CoolDown { until, .. }) => break until,
            Err(other) => panic!("{other:?}"),
        }
        held += 1;
        assert!(held < 10, "nobody stops this");
    };
    assert_eq!(held, 4, "the parts make three whole ones");
    assert_eq!(until, scene.now_ms + MINUTE_MS);
}

#[tokio::test]
async fn seats_that_are_given_back_count_by_the_time_for_which_they_were_held() {
    let mut scene = Scene::start().await;
    let almost = limits().hold_ttl_ms as i64 - 1_000;
    assert_hoarding_ends(&mut scene, async |scene, hold| {
        scene.stand_at(scene.now_ms + almost).await;
        scene.bed.engine.release(scene.id, scene.fan, hold).await.unwrap();
    })
    .await;
    let mut scene = Scene::start().await;
    assert_hoarding_ends(&mut scene, async |scene, _| {
        scene.stand_at(scene.now_ms + almost).await;
        let (id, fan) = (scene.id, scene.fan);
        scene.bed.engine.release_seat(id, fan, SeatId(1), PRICE, None).await.unwrap();
    })
    .await;
    let mut scene = Scene::start().await;
    assert_hoarding_ends(&mut scene, async |scene, hold| {
        let reservation = scene.reserve(hold).await;
        scene.stand_at(scene.now_ms + limits().payment_ttl_ms as i64 - 1_000).await;
        scene.cancel(reservation, Right::Fan).await;
    })
    .await;
}

/// Somebody who reserves just before the end of the hold, cancels, and holds again.
#[tokio::test]
async fn a_hold_that_is_reserved_and_cancelled_counts_by_its_time() {
    let mut scene = Scene::start().await;
    assert_hoarding_ends(&mut scene, async |scene, hold| {
        scene.stand_at(scene.now_ms + limits().hold_ttl_ms as i64 - 1_000).await;
        let reservation = scene.reserve(hold).await;
        scene.cancel(reservation, Right::Fan).await;
    })
    .await;
    // What an organiser cancels is not held against the fan.
    let mut scene = Scene::start().await;
    for _ in 0..6 {
        let hold = scene.hold(1).await.unwrap();
        let reservation = scene.reserve(hold).await;
        scene.stand_at(scene.now_ms + limits().payment_ttl_ms as i64 - 1_000).await;
        scene.cancel(reservation, Right::Organiser).await;
    }
}

/// Changing one's mind is no hoarding, and an hour later it is forgotten.
#[tokio::test]
async fn seats_that_are_given_back_soon_hardly_count() {
    let mut scene = Scene::start().await;
    for _ in 0..4 {
        for _ in 0..15 {
            let hold = scene.hold(1).await.unwrap();
            scene.stand_at(scene.now_ms + 10_000).await;
            scene.bed.engine.release(scene.id, scene.fan, hold).await.unwrap();
        }
        scene.stand_at(scene.now_ms + HOUR_MS - 1).await;
        scene.sweep().await;
        assert_eq!(scene.left().await.0, 1, "the time for which seats were held");
        // The worker looks in the minute after.
        scene.stand_at(scene.now_ms + MINUTE_MS).await;
        scene.sweep().await;
        assert_eq!(scene.left().await, (0, 0));
    }
}

#[tokio::test]
async fn a_reservation_that_expires_unpaid_counts_once_and_a_purchase_clears_all() {
    let mut scene = Scene::start().await;
    for _ in 0..2 {
        let hold = scene.hold(1).await.unwrap();
        scene.reserve(hold).await;
        scene.stand_at(scene.now_ms + limits().payment_ttl_ms as i64).await;
        assert_eq!(scene.sweep().await, 1);
    }
    let hold = scene.hold(1).await.unwrap();
    let reservation = scene.reserve(hold).await;
    let (id, fan, payment) = (scene.id, scene.fan, PaymentId::new(PARTITION));
    let engine = &scene.bed.engine;
    let method = "CARD".to_owned();
    let none = Operation::default();
    engine.request_payment(id, fan, reservation, payment, method, none).await.unwrap();
    engine.begin_payment(id, fan, reservation, payment, PRICE, KEY).await.unwrap();
    let mut paid = attempt(id, fan, reservation, payment);
    (paid.seats, paid.amount) = (seats(&[1]), PRICE);
    engine.settle_payment(&paid, PaymentOutcome::Approved).await.unwrap();
    // Without the purchase, the first of these would begin a cool-down.
    for _ in 0..2 {
        scene.expire_one(2).await;
    }
    scene.hold(2).await.unwrap();
}

#[tokio::test]
async fn what_is_old_leaves_redis() {
    let mut scene = Scene::start().await;
    let hold = scene.hold(1).await.unwrap();
    scene.bed.engine.release(scene.id, scene.fan, hold).await.unwrap();
    scene.stand_at(BEGIN_MS + 10 * MINUTE_MS - 1).await;
    scene.sweep().await;
    assert_eq!(scene.left().await, (1, 1), "the count of the holds");
    scene.stand_at(BEGIN_MS + 10 * MINUTE_MS).await;
    // As after a failover that has brought it back since a worker has forgotten it.
    let engine = &scene.bed.engine;
    let due = engine.due(PARTITION, scene.now_ms, 0, 10).await.unwrap();
    assert_eq!(engine.forget_due(PARTITION, due).await.unwrap(), 0);
    scene.sweep().await;
    assert_eq!(scene.left().await, (0, 0));
    // Two holds at once: the second one is in another field than the count.
    scene.hold(1).await.unwrap();
    scene.hold(2).await.unwrap();
    scene.stand_at(scene.now_ms + limits().hold_ttl_ms as i64).await;
    assert_eq!(scene.sweep().await, 2);
    scene.stand_at(scene.now_ms + HOUR_MS - 1).await;
    scene.sweep().await;
    assert_eq!(scene.left().await.0, 1, "the unpaid ends");
    scene.stand_at(scene.now_ms + 1).await;
    scene.sweep().await;
    assert_eq!(scene.left().await, (0, 0));
}

/// The order in which a worker looks at what is late decides nothing.
#[tokio::test]
async fn an_unpaid_end_that_nobody_has_noticed_keeps_the_earlier_ones() {
    let mut scene = Scene::start().await;
    scene.expire_one(1).await;
    let last = scene.expire_one(2).await;
    let limits = limits();
    let (to_hold, to_pay) = (limits.hold_ttl_ms as i64, limits.payment_ttl_ms as i64);
    scene.stand_at(last + HOUR_MS - to_hold - to_pay).await;
    let hold = scene.hold(3).await.unwrap();
    scene.stand_at(last + HOUR_MS - to_pay - 1).await;
    scene.reserve(hold).await;
    // No worker has looked since. The two ends are an hour old now, and the third is not.
    scene.stand_at(last + HOUR_MS).await;
    scene.bed.engine.forget_conduct(scene.id, scene.fan).await.unwrap();
    scene.sweep().await;
    let until = last + HOUR_MS - 1 + MINUTE_MS;
    assert_eq!(scene.hold(3).await, Err(scene.cool_down(until)));
}

/// To lose seats because the sale ends is not held against a fan.
#[tokio::test]
async fn only_deadlines_that_pass_during_the_sale_count() {
    let mut scene = Scene::start().await;
    let mut fixture = scene.bed.engine.fixture(scene.id).await.unwrap().unwrap();
    for _ in 0..4 {
        scene.hold(1).await.unwrap();
        let ends_at = scene.now_ms + MINUTE_MS;
        fixture.version += 1;
        fixture.sale_closes_at = Some(jiff::Timestamp::from_millisecond(ends_at).unwrap());
        scene.bed.engine.put_match(&fixture, Operation::default()).await.unwrap();
        // The deadline of this hold is the end of the sale, that of the other one is later.
        scene.hold(2).await.unwrap();
        let holds = scene.bed.engine.claims_of(PARTITION, scene.fan).await.unwrap();
        let deadlines: Vec<i64> = holds.iter().map(|hold| hold.deadline).collect();
        assert_eq!(deadlines, [scene.now_ms + limits().hold_ttl_ms as i64, ends_at]);
        scene.stand_at(ends_at).await;
        assert_eq!(scene.hold(3).await, Err(Refusal::NotOpen { ended: true }));
        fixture.version += 1;
        fixture.status = grandstand::domain::catalog::MatchStatus::Closed;
        scene.bed.engine.put_match(&fixture, Operation::default()).await.unwrap();
        scene.sweep().await;
        assert_eq!(scene.bed.seats(scene.id).await, "", "all holds have ended");
        fixture.version += 1;
        fixture.status = grandstand::domain::catalog::MatchStatus::Open;
        fixture.sale_closes_at = None;
        scene.bed.engine.put_match(&fixture, Operation::default()).await.unwrap();
    }
    scene.hold(1).await.unwrap();
}

/// The worker ends those of all users.
#[tokio::test]
async fn holds_end_when_an_organiser_closes_the_sale() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Hold]).await;
    let other = UserId::new(PARTITION);
    let none = Operation::default;
    let engine = &bed.engine;
    engine.hold(scene.id(), other, seats(&[3]), PRICE, &[], none()).await.unwrap();
    let (hold, _) = engine.hold(scene.id(), other, seats(&[4]), PRICE, &[], none()).await.unwrap();
    engine.reserve(scene.id(), other, Source::Hold(hold), none()).await.unwrap();
    scene.step(Close).await;
    assert_eq!(expire_due(engine, PARTITION).await.unwrap(), 2);
    assert_eq!(bed.seats(scene.id()).await, "4P", "a reservation keeps its time to pay");
    assert_eq!(bed.changes(scene.id()).await.last().unwrap(), "A1,2,3");
    bed.assert_sound().await;
}

#[tokio::test]
async fn a_match_may_allow_one_open_hold_per_user() {
    let hold = |who| Call::Hold(who, &[3]);
    #[rustfmt::skip] // A line of the table on one line, or two.
    let table = [
        case("held").given(&[OneHold, Hold]).command(hold(Me)).expect(one_hold()).seats("1H 2H"),
        case("best").given(&[OneHold, Hold]).command(Call::Best(Me, 1, &[&[3]]))
            .expect(one_hold()).seats("1H 2H"),
        case("reserved").given(&[OneHold, Hold, Reserve]).command(hold(Me))
            .expect(one_reservation()).seats("1P 2P"),
        case("paying").given(&[OneHold, Hold, Reserve, Request, Begin]).command(hold(Me))
            .expect(one_reservation()).seats("1P 2P"),
        case("sold").given(&[OneHold, Hold, Reserve, Request, Begin, Approve]).command(hold(Me))
            .expect(Reply::Held).seats("1O 2O 3H").changes(&["H3"]),
        case("of another").given(&[OneHold, Hold]).command(hold(Other))
            .expect(Reply::Held).seats("1H 2H 3H").changes(&["H3"]),
        case("as usual").given(&[Hold]).command(hold(Me))
            .expect(Reply::Held).seats("1H 2H 3H").changes(&["H3"]),
    ];
    check(&table).await;
}
