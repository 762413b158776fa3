//! A seat is never sold twice.

use crate::support::engine::{KEY, PARTITION, PRICE, TestEngine, attempt, seats};
use crate::support::given::wide_limits;
use grandstand::domain::ids::{MatchId, PaymentId, UserId};
use grandstand::engine::Engine;
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::operation::Operation;
use grandstand::engine::payments::Settled;
use grandstand::engine::reservations::Source;
use std::collections::HashMap;
use std::sync::Arc;

const SEATS: u32 = 64;
const TASKS: u32 = 256;
const ROUNDS: usize = 3;

/// Tries one seat after another from its own start, buys all it can get; what it bought, and
/// who it is.
async fn buy(engine: Arc<Engine>, id: MatchId, number: u32) -> Vec<(u32, UserId)> {
    let me = UserId::new(PARTITION);
    let mut bought = Vec::new();
    for step in 0..SEATS {
        let seat = (number * 7 + step) % SEATS + 1;
        let operation = Operation::default();
        let Ok((hold, _)) =
            engine.hold(id, me, seats(&[seat]), PRICE, &[], operation.clone()).await
        else {
            continue;
        };
        let source = Source::Hold(hold);
        let (reservation, _) = engine.reserve(id, me, source, operation.clone()).await.unwrap();
        let payment = PaymentId::new(PARTITION);
        let method = "CARD".to_owned();
        engine.request_payment(id, me, reservation, payment, method, operation).await.unwrap();
        engine.begin_payment(id, me, reservation, payment, PRICE, KEY).await.unwrap();
        let attempt = attempt(id, me, reservation, payment);
        let settled = engine.settle_payment(&attempt, PaymentOutcome::Approved).await.unwrap();
        assert!(matches!(settled, Settled::Confirmed(Some(_))), "{settled:?}");
        bought.push((seat, me));
    }
    bought
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_64_seats_is_sold_once_to_256_buyers_on_four_nodes() {
    let bed = TestEngine::start().await;
    let wide = wide_limits(SEATS);
    let mut engines = Vec::new();
    for _ in 0..4 {
        engines.push(Arc::new(bed.another(wide).await));
    }
    for round in 0..ROUNDS {
        let id = bed.open_match().await;
        let tasks = (0..TASKS).map(|number| {
            let engine = engines[number as usize % engines.len()].clone();
            tokio::spawn(buy(engine, id, number))
        });
        let bought = futures::future::join_all(tasks).await;
        let mut winners: HashMap<u32, UserId> = HashMap::new();
        for (seat, buyer) in bought.into_iter().flat_map(|task| task.unwrap()) {
            let earlier = winners.insert(seat, buyer);
            assert_eq!(earlier, None, "round {round}: seat {seat} was sold twice");
        }
        assert_eq!(winners.len() as u32, SEATS, "round {round}");
        let stored = bed.hash(grandstand::redis::keys::MatchKeys(id).seats()).await;
        for (seat, winner) in winners {
            // A user with many claims has several fields, whose names go on with a letter.
            let (owner, of_seat) = (format!("O{}", winner.key()), &stored[&seat.to_string()]);
            let rest = of_seat.strip_prefix(&owner).unwrap_or_else(|| panic!("{of_seat} {owner}"));
            assert!(rest.len() <= 1, "{of_seat} {owner}");
        }
        bed.assert_sound().await;
    }
}
