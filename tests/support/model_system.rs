//! Runs the commands of the model on the scripts of a real Redis. The clock moves by moving all
//! deadlines, because nothing else in Redis is an absolute time.

use crate::support::model_effect::Ran;
use fred::prelude::*;
use grandstand::domain::bill::{Bill, BillLine, Charge};
use grandstand::domain::catalog::{Match, MatchStatus};
use grandstand::domain::ids::{
    HoldId, MatchId, Partition, PaymentId, ReservationId, SeatId, SiteId, UserId,
};
use grandstand::domain::model::{self, Bounds, Command, EXTRA_MS, Fee, Model, Outcome};
use grandstand::domain::money::{Attempt, Refund};
use grandstand::domain::queue::QueueSettings;
use grandstand::domain::refund::RefundFee;
use grandstand::engine::cancellation::{Cancellation, Extent, Right};
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::limits::Limits;
use grandstand::engine::operation::Operation;
use grandstand::engine::payments::{Begun, Settled};
use grandstand::engine::remains::Remains;
use grandstand::engine::reservations::{Cancelled, Source};
use grandstand::engine::{Engine, EngineSettings};
use grandstand::redis::Link;
use grandstand::redis::keys::MatchKeys;
use grandstand::workers::expiry::expire_due;
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// Of all matches together.
pub const SEATS: u32 = 20;
pub const SEATS_PER_MATCH: u32 = 10;
pub const USERS: usize = 4;
/// Much longer than a case takes, so that only steps of the clock let anything expire.
pub const HOLD_TTL_MS: i64 = 1_000_000;
pub const PAYMENT_TTL_MS: i64 = 2_000_000;
pub const SEATS_PER_USER: usize = 5;
/// The fees of all matches. Their times are between the sums of the steps of the clock (multiples
/// of 100 s), with room for the time that a case takes.
pub const FEES: [Fee; 2] = [
    Fee { until: 2_490_000, percent: 10, per_seat: 300 },
    Fee { until: 5_490_000, percent: 33, per_seat: 2_000 },
];

/// The bounds of a case with cool-downs.
pub const BOUNDS: Bounds = Bounds { holds_per_ten_minutes: 6, cool_down_after: 3 };

/// The scripts on a real Redis, with the ids behind the numbers of the model.
pub struct System {
    /// Without and with cool-downs.
    engines: [Engine; 2],
    bounded: bool,
    pub raw: Link,
    pub matches: Vec<MatchId>,
    pub users: Vec<UserId>,
    pub claims: Vec<ReservationId>,
    pub payments: Vec<PaymentId>,
    /// The seats as the streams of changes tell them.
    pub folded: BTreeMap<SeatId, u8>,
    /// By match: the last entry of its changes that was applied.
    pub folded_upto: Vec<String>,
    _redis: PrivateRedis,
    _dir: TempDir,
}

impl System {
    pub async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let settings = RedisSettings { fsync: Fsync::Never };
        let redis = PrivateRedis::start(dir.path(), settings).await.unwrap();
        let limits = Limits {
            hold_ttl_ms: HOLD_TTL_MS as u64,
            payment_ttl_ms: PAYMENT_TTL_MS as u64,
            seats_per_user: SEATS_PER_USER as u32,
            holds_per_ten_minutes: 0,
            cool_down_after: 0,
        };
        let bounded = Limits {
            holds_per_ten_minutes: BOUNDS.holds_per_ten_minutes as u32,
            cool_down_after: BOUNDS.cool_down_after,
            ..limits
        };
        let connect = async |limits| {
            let settings = EngineSettings { redis_url: redis.url(), partitions: 1, limits };
            Engine::connect(settings).await.unwrap()
        };
        let engines = [connect(limits).await, connect(bounded).await];
        let raw = grandstand::redis::connect(&redis.url()).await.unwrap();
        let users = (0..USERS).map(|_| UserId::new(Partition(0))).collect();
        Self {
            engines,
            bounded: false,
            raw,
            matches: vec![],
            users,
            claims: vec![],
            payments: vec![],
            folded: BTreeMap::new(),
            folded_upto: vec![],
            _redis: redis,
            _dir: dir,
        }
    }

    /// The engine of this case.
    pub fn engine(&self) -> &Engine {
        &self.engines[usize::from(self.bounded)]
    }

    /// New matches for each case.
    pub async fn begin(&mut self, bounded: bool) {
        self.bounded = bounded;
        let _: () = self.raw.flushall(false).await.unwrap();
        crate::support::partition::open_partition(self.engine(), 1).await;
        let count = SEATS / SEATS_PER_MATCH;
        self.matches = (0..count).map(|_| MatchId::new(Partition(0))).collect();
        let now = self.engine().now_ms(Partition(0)).await.unwrap();
        for id in &self.matches {
            self.engine().put_match(&fixture(*id, now), Default::default()).await.unwrap();
        }
        self.claims.clear();
        self.payments.clear();
        self.folded.clear();
        self.folded_upto = vec!["0-0".to_owned(); self.matches.len()];
    }

    pub async fn advance(&self, ms: i64) {
        // Times in ms are the only numbers of 13 digits.
        let script = "local function earlier(text) \
              return (text:gsub('%d+', function(number) return #number == 13 \
                and string.format('%.0f', number - ARGV[1]) or nil end)) end \
            for _, user in ipairs(redis.call('HKEYS', KEYS[1])) do \
            local text = redis.call('HGET', KEYS[1], user); \
            redis.call('HSET', KEYS[1], user, earlier(text)) end \
            for number = 3, #KEYS do redis.call('HSET', KEYS[number], 'refund_terms', \
              earlier(redis.call('HGET', KEYS[number], 'refund_terms'))) end \
            local due = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'); \
            redis.call('DEL', KEYS[2]); \
            for place = 1, #due, 2 do \
              local time = string.format('%.0f', math.max(0, due[place + 1] - ARGV[1])); \
              redis.call('ZADD', KEYS[2], time, time .. due[place]:match(' .*')) end return 1";
        let mut keys = vec!["{0}:claims".to_owned(), "{0}:due".to_owned()];
        keys.extend(self.matches.iter().map(|id| MatchKeys(*id).meta()));
        let _: i64 = self.raw.eval(script, keys, vec![ms.to_string()]).await.unwrap();
        if self.bounded {
            expire_due(self.engine(), Partition(0)).await.unwrap();
        }
    }

    /// The match that a command is about.
    fn match_of(&self, command: &Command, model: &Model) -> MatchId {
        self.matches[match command {
            Command::Hold { seats, .. }
            | Command::ReserveSeats { seats, .. }
            | Command::Block { seats }
            | Command::Unblock { seats } => model.match_of(seats[0]),
            Command::ReleaseSeat { seat, .. } => model.match_of(*seat),
            Command::Release { claim, .. }
            | Command::ReserveHold { hold: claim, .. }
            | Command::Request { claim, .. }
            | Command::Cancel { claim, .. }
            | Command::Expire { claim } => model.match_of_claim(*claim),
            Command::Begin { payment, .. }
            | Command::Ask { payment, .. }
            | Command::Outcome { payment, .. }
            | Command::Refund { payment, .. } => model.match_of_claim(model.claim_of(*payment)),
        }]
    }

    pub async fn run(
        &self,
        command: &Command,
        prices: &BTreeMap<SeatId, i64>,
        model: &Model,
    ) -> Ran {
        let (engine, id) = (self.engine(), self.match_of(command, model));
        let user = |number: &usize| self.users[*number];
        let price = |seats: &[SeatId]| seats.iter().map(|seat| prices[seat]).sum::<i64>();
        match command {
            Command::Hold { user: who, seats, cost } => {
                let charge = cost.map_or(Charge::from(price(seats)), |cost| listed(seats, cost));
                let held = engine
                    .hold(id, user(who), seats.clone(), charge, &[], Default::default())
                    .await;
                Ran::of(held, |(hold, granted)| {
                    Ran::made("held", ReservationId(hold.0), granted.seats)
                })
            }
            Command::Release { user: who, claim } => {
                let hold = HoldId(self.claims[*claim].0);
                Ran::of(engine.release(id, user(who), hold).await, |()| Ran::word("released"))
            }
            Command::ReleaseSeat { user: who, seat, remains } => {
                let released = engine
                    .release_seat(id, user(who), *seat, prices[seat], given(remains.as_ref()))
                    .await;
                Ran::of(released, |()| Ran::word("released"))
            }
            Command::ReserveHold { user: who, hold } => {
                let source = Source::Hold(HoldId(self.claims[*hold].0));
                let reserved = engine.reserve(id, user(who), source, Default::default()).await;
                Ran::of(reserved, |(reservation, granted)| {
                    Ran::made("reserved", reservation, granted.seats)
                })
            }
            Command::ReserveSeats { user: who, seats, remains } => {
                let priced = seats.iter().map(|seat| (*seat, prices[seat])).collect();
                let source = Source::Seats(priced, given(remains.as_ref()));
                let reserved = engine.reserve(id, user(who), source, Default::default()).await;
                Ran::of(reserved, |(reservation, granted)| {
                    Ran::made("reserved", reservation, granted.seats)
                })
            }
            Command::Block { seats } => {
                Ran::of(engine.block(id, seats.clone()).await, |()| Ran::word("done"))
            }
            Command::Unblock { seats } => {
                Ran::of(engine.unblock(id, seats.clone()).await, |()| Ran::word("done"))
            }
            Command::Expire { claim } => {
                let (who, reservation) =
                    (self.users[model.claims[*claim].user], self.claims[*claim]);
                Ran::of(engine.expire(id, who, reservation).await, |gone| {
                    Ran::word(if gone { "expired" } else { "kept" })
                })
            }
            Command::Cancel { .. } => self.run_cancel(command, model).await,
            _ => self.run_payment(command, model).await,
        }
    }

    async fn run_cancel(&self, command: &Command, model: &Model) -> Ran {
        let Command::Cancel { user, claim, seats, right, remains } = command else {
            panic!("not a cancellation: {command:?}");
        };
        let costs = |seat: &SeatId| (*seat, model.cost(*claim, &[*seat]));
        let named = if seats.is_empty() { &model.claims[*claim].seats } else { seats };
        let extent = if seats.is_empty() { Extent::All } else { Extent::These };
        let seats = named.iter().map(costs).collect();
        let (right, remains) = (right_of(*right), given(remains.as_ref()));
        let cancellation = Cancellation { extent, seats, right, remains };
        let (id, reservation) = (self.match_of(command, model), self.claims[*claim]);
        let (user, operation) = (self.users[*user], Operation::default());
        let done = self.engine().cancel(id, user, reservation, cancellation, operation).await;
        Ran::of(done, |done| {
            Ran::word(if done == Cancelled::Now { "cancelled" } else { "refunding" })
        })
    }

    async fn run_payment(&self, command: &Command, model: &Model) -> Ran {
        let (engine, id) = (self.engine(), self.match_of(command, model));
        let claim = |payment: &usize| self.claims[model.claim_of(*payment)];
        match command {
            Command::Request { user, claim } => {
                let payment = PaymentId::new(Partition(0));
                let (who, reservation) = (self.users[*user], self.claims[*claim]);
                let method = "CARD".to_owned();
                let requested = engine
                    .request_payment(id, who, reservation, payment, method, Default::default())
                    .await;
                Ran::of(requested, |payment| Ran { payment: Some(payment), ..Ran::word("ready") })
            }
            Command::Begin { user, payment, wrong_amount, key } => {
                let amount = model.charged(model.claim_of(*payment));
                let amount = if *wrong_amount { amount + 1 } else { amount };
                let (who, reservation) = (self.users[*user], claim(payment));
                let paying = self.payments[*payment];
                let key = format!("key-{payment}-{key}");
                Ran::of(
                    engine.begin_payment(id, who, reservation, paying, amount, &key).await,
                    |begun| {
                        Ran::word(match begun {
                            Begun::Now { .. } => "begun",
                            Begun::InProgress => "in_progress",
                            Begun::Paid => "paid",
                        })
                    },
                )
            }
            Command::Ask { payment, attempt } => {
                let attempt = self.attempt(*payment, *attempt, model);
                Ran::of(engine.mark_asked(&attempt).await, |asked| {
                    Ran::word(if asked { "asked" } else { "over" })
                })
            }
            Command::Outcome { payment, attempt, outcome } => {
                let outcome = match outcome {
                    Outcome::Approved => PaymentOutcome::Approved,
                    Outcome::Declined => PaymentOutcome::Declined("CODE".to_owned()),
                    Outcome::Withdrawn => PaymentOutcome::Withdrawn(EXTRA_MS as u64),
                };
                let attempt = self.attempt(*payment, *attempt, model);
                Ran::of(engine.settle_payment(&attempt, outcome).await, |settled| {
                    Ran::word(match settled {
                        Settled::Confirmed(_) => "confirmed",
                        Settled::Pending(_) => "pending",
                        Settled::Over => "over",
                        Settled::Asked => "asked",
                        Settled::Owed => "owed",
                    })
                })
            }
            Command::Refund { payment, number, given } => {
                let refused = (!given).then(|| "CODE".to_owned());
                let refund =
                    Refund { payment: self.payments[*payment], number: *number, amount: None };
                let who = self.users[model.claims[model.claim_of(*payment)].user];
                let settled = engine.settle_refund(id, who, claim(payment), &refund, refused);
                Ran::of(settled.await, |noted| {
                    Ran::word(if noted.is_some() { "noted" } else { "unchanged" })
                })
            }
            other => panic!("not a payment: {other:?}"),
        }
    }

    fn attempt(&self, payment: usize, number: u32, model: &Model) -> Attempt {
        let claim = model.claim_of(payment);
        Attempt {
            match_id: self.matches[model.match_of_claim(claim)],
            user: self.users[model.claims[claim].user],
            reservation: self.claims[claim],
            payment: self.payments[payment],
            number,
            seats: model.claims[claim].seats.clone(),
            amount: model.claims[claim].amount,
            method: "CARD".to_owned(),
            payment_key: "key".to_owned(),
        }
    }
}

fn given(remains: Option<&model::Remains>) -> Option<Remains> {
    remains.map(|claims| Remains(claims.clone()))
}

fn right_of(right: model::Right) -> Right {
    match right {
        model::Right::Fan => Right::Fan,
        model::Right::Organiser => Right::Organiser,
        model::Right::Waived => Right::Waived,
    }
}

/// What seats cost by a price list that asks the same for each.
fn listed(seats: &[SeatId], cost: i64) -> Charge {
    let (ticket_type, service_fee) = ("ADULT".to_owned(), 0);
    let line = |seat| BillLine { seat, cost, ticket_type: ticket_type.clone(), service_fee };
    Bill(seats.iter().copied().map(line).collect()).into()
}

/// A match on sale.
fn fixture(id: MatchId, now: i64) -> Match {
    let at = |ms: i64| jiff::Timestamp::from_millisecond(now + ms).unwrap();
    let fee = |fee: Fee| RefundFee {
        until: at(fee.until),
        percent: fee.percent as u8,
        per_seat: fee.per_seat,
    };
    Match {
        id,
        version: 1,
        site_id: SiteId::new(Partition(0)),
        stadium: "Model".to_owned(),
        home_team: "A".to_owned(),
        away_team: "B".to_owned(),
        starts_at: jiff::Timestamp::UNIX_EPOCH,
        status: MatchStatus::Open,
        queue: QueueSettings::default(),
        sale_opens_at: None,
        sale_closes_at: None,
        draw_seed: None,
        drawn: None,
        orphan_rule: false,
        moved: false,
        refundable_until: FEES.last().map(|last| at(last.until)),
        refund_fees: FEES.map(fee).to_vec(),
        one_hold_per_user: false,
        holds_need_verified_email: false,
        prices: None,
        archived: false,
    }
}
