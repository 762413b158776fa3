//! The times of a sale in the scripts, with a clock that stands.

use crate::support::engine::{PARTITION, PRICE, TestEngine, fixture, seats};
use fred::prelude::*;
use grandstand::domain::catalog::{Match, MatchStatus};
use grandstand::domain::ids::UserId;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::redis::keys::PartitionKeys;

/// A time in the year 2030, in ms, at which a sale opens. It ends a second later.
const OPENS_MS: i64 = 1_900_000_000_000;
const ENDS_MS: i64 = OPENS_MS + 1000;

fn moment(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).unwrap()
}

/// Stops the clock of the partition at this time.
async fn stand_at(bed: &TestEngine, ms: i64) {
    let fields = vec![("clock_time", 1), ("clock_shift", 0), ("clock_floor", ms)];
    let _: i64 = bed.raw.hset(PartitionKeys(PARTITION).partition(), fields).await.unwrap();
    assert_eq!(bed.engine.now_ms(PARTITION).await.unwrap(), ms);
}

/// A hold of these seats, and one of the best seats, by a new fan each: both have the same end.
async fn sells(bed: &TestEngine, fixture: &Match) -> Result<(), Refusal> {
    let (engine, id) = (&bed.engine, fixture.id);
    let none = Operation::default;
    let held = engine.hold(id, UserId::new(PARTITION), seats(&[1]), PRICE, &[], none()).await;
    let choice = [(PRICE, seats(&[2]))];
    let best = engine.hold_best(id, UserId::new(PARTITION), 1, &choice, none()).await;
    match (held, best) {
        (Ok(_), Ok(Ok(_))) => Ok(()),
        (Err(EngineError::Refused(why)), Err(EngineError::Refused(same))) => {
            assert_eq!(why, same);
            Err(why)
        }
        other => panic!("{other:?}"),
    }
}

/// The script needs no worker for that, and the worker decides the same.
#[tokio::test]
async fn seats_are_held_from_the_ms_of_the_opening_to_the_ms_of_the_end() {
    let bed = TestEngine::start().await;
    let announced = async |now_ms| {
        stand_at(&bed, now_ms).await;
        let mut fixture = fixture(MatchStatus::Announced, false);
        fixture.sale_opens_at = Some(moment(OPENS_MS));
        fixture.sale_closes_at = Some(moment(ENDS_MS));
        bed.engine.put_match(&fixture, Operation::default()).await.unwrap();
        sells(&bed, &fixture).await
    };
    assert_eq!(announced(OPENS_MS - 1).await, Err(Refusal::NotOpen { ended: false }));
    assert_eq!(announced(OPENS_MS).await, Ok(()));
    assert_eq!(announced(ENDS_MS - 1).await, Ok(()));
    assert_eq!(announced(ENDS_MS).await, Err(Refusal::NotOpen { ended: true }));
    bed.assert_sound().await;
}

#[tokio::test]
async fn the_script_and_the_worker_agree_on_every_status_at_every_time() {
    let bed = TestEngine::start().await;
    let all = [MatchStatus::Draft, MatchStatus::Announced, MatchStatus::Open, MatchStatus::Closed];
    for now_ms in [OPENS_MS - 1, OPENS_MS, ENDS_MS - 1, ENDS_MS] {
        stand_at(&bed, now_ms).await;
        for status in all {
            for sale_opens_at in [None, Some(moment(OPENS_MS))] {
                for sale_closes_at in [None, Some(moment(ENDS_MS)), Some(moment(0))] {
                    let starts_at = moment(ENDS_MS);
                    let fixture = Match {
                        sale_opens_at,
                        sale_closes_at,
                        starts_at,
                        ..fixture(status, false)
                    };
                    bed.engine.put_match(&fixture, Operation::default()).await.unwrap();
                    let expected = match fixture.status_at(now_ms) {
                        MatchStatus::Open => Ok(()),
                        MatchStatus::Closed => Err(Refusal::NotOpen { ended: true }),
                        MatchStatus::Draft | MatchStatus::Announced => {
                            Err(Refusal::NotOpen { ended: false })
                        }
                    };
                    assert_eq!(sells(&bed, &fixture).await, expected, "{now_ms} {fixture:?}");
                }
            }
        }
    }
}
