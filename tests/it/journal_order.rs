//! The order of the journal decides in PostgreSQL. Neither a clock nor the moment of reading does.

use crate::journal::{JournalWriter, PARTITION, ids, sale};
use crate::support::postgres::sql;
use grandstand::domain::fact::{Fact, PaymentFact, PaymentStep};
use grandstand::domain::ids::{MatchId, PaymentId, SeatId};
use grandstand::domain::money::Money;
use grandstand::store::StoreError;
use serde_json::json;

/// What a refund of one seat says of its money.
fn part_of(fact: &PaymentFact, refund: u32, seat: u32) -> Money {
    let part_seats = vec![SeatId(seat)];
    Money { attempt: 1, refund, part: fact.amount / 2, part_seats, ..Money::default() }
}

/// Every step still has its effect, and the newest payment is the payment that began last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_changes_no_order() {
    use PaymentStep::{Approved, Begun, Declined, RefundBegun, RefundDone, Refunded, Withdrawn};
    let mut writer = JournalWriter::start().await;
    let table: &[(&[PaymentStep], [&str; 3])] = &[
        (&[Begun, Declined], ["PENDING", "FAILED", "0"]),
        (&[Begun, Withdrawn, Begun], ["PAYING", "IN_PROGRESS", "2"]),
        (&[Begun, Approved, RefundBegun, Refunded], ["CANCELLED", "REFUNDED", "0"]),
        (&[Begun, Approved, RefundBegun, RefundDone], ["CONFIRMED", "PAID", "1"]),
    ];
    for (number, (steps, wanted)) in table.iter().enumerate() {
        let seats = [2 * number as u32 + 1, 2 * number as u32 + 2];
        let fact = sale(MatchId::new(PARTITION), &seats, 1_000_000);
        for (number, step) in steps.iter().enumerate() {
            let mut fact = PaymentFact { at: fact.at - 1000 * number as i64, ..fact.clone() };
            if matches!(step, RefundBegun | RefundDone) && steps.contains(&RefundDone) {
                fact.money = part_of(&fact, 1, seats[0]);
            }
            if *step == RefundDone {
                fact.seats.remove(0);
            }
            writer.step(*step, &fact).await.unwrap();
        }
        assert_eq!(writer.stands(&fact).await, *wanted, "{steps:?}");
    }
    let first = sale(MatchId::new(PARTITION), &[101, 102], 2_000_000);
    let second = PaymentFact { payment: PaymentId::new(PARTITION), at: 1_000_000, ..first.clone() };
    for (step, fact) in [(Begun, &first), (Declined, &first), (Begun, &second)] {
        writer.step(step, fact).await.unwrap();
    }
    writer.step(Approved, &second).await.unwrap();
    assert_eq!(writer.stands(&second).await, ["CONFIRMED", "PAID", "2"], "the newest payment");
    let kept = writer.store.reservation(first.reservation).await.unwrap().unwrap();
    assert_eq!(kept.payment.unwrap().id, second.payment);
}

/// Redis may have lost the first refund, and give its number to other seats. For the same seats it
/// is the refund that PostgreSQL knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_a_refund_is_used_once() {
    use PaymentStep::{Approved, Begun, RefundBegun, RefundDone, RefundRefused};
    let mut writer = JournalWriter::start().await;
    for (end, seat) in [(RefundRefused, 1), (RefundDone, 3), (RefundBegun, 5)] {
        let fact = sale(MatchId::new(PARTITION), &[seat, seat + 1], 1_000_000);
        writer.steps(&fact, &[Begun, Approved]).await;
        let part = |seat| PaymentFact { money: part_of(&fact, 1, seat), ..fact.clone() };
        writer.steps(&part(seat), &[RefundBegun, end]).await;
        let refused = writer.step(RefundBegun, &part(seat + 1)).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{end:?}: {refused:?}");
        writer.step(RefundBegun, &part(seat)).await.unwrap();
        let rows = format!(
            "select p.refunding, r.number, array_to_string(r.seats, ',')
             from payments p join refunds r on r.payment_id = p.id where p.id = '{}'",
            fact.payment
        );
        let under_way = if end == RefundBegun { "t" } else { "f" };
        assert_eq!(sql(&writer.url, &rows).await, [[under_way, "1", &seat.to_string()]], "{end:?}");
    }
}

/// It comes out of a dead letter after another payment of the reservation has begun and ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_begin_of_an_earlier_payment_claims_nothing() {
    use PaymentStep::{Begun, Declined};
    let mut writer = JournalWriter::start().await;
    let first = sale(MatchId::new(PARTITION), &[1, 2], 1_000);
    let second = PaymentFact { payment: PaymentId::new(PARTITION), ..first.clone() };
    let lost = writer.next();
    writer
        .entry(Fact::Late(lost, Box::new(Fact::SeatsBlocked(first.match_id, vec![], true))))
        .await
        .unwrap();
    writer.steps(&second, &[Begun, Declined]).await;
    writer.late(lost, Begun, &first).await.unwrap();
    assert_eq!(writer.stands(&second).await, ["PENDING", "FAILED", "0"]);
    assert_eq!(writer.stands(&first).await, [""; 3], "no row");
}

/// It comes after later facts about the same blocked seat or deleted match.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_does_not_undo_later_facts() {
    let mut writer = JournalWriter::start().await;
    let fixture = MatchId::new(PARTITION);
    let blocked = |seats: &[u32], blocked| Fact::SeatsBlocked(fixture, ids(seats), blocked);
    let document = json!({"id": fixture.0, "siteId": fixture.0, "stadium": "S", "homeTeam": "A",
        "awayTeam": "B", "startsAt": "2030-05-05T05:00:00Z", "status": "DRAFT", "queue": {},
        "version": 1});
    let made = || Fact::Match(Box::new(serde_json::from_value(document.clone()).unwrap()));
    let first = writer.next();
    for fact in [blocked(&[1, 2], true), blocked(&[2, 3], false), blocked(&[3], true)] {
        writer.entry(fact).await.unwrap();
    }
    writer.entry(made()).await.unwrap();
    writer.entry(Fact::MatchDeleted(fixture)).await.unwrap();
    let seats = "select string_agg(seat_id::text, ',' order by seat_id) from blocked_seats";
    let table = [
        (blocked(&[2, 3], false), "1,3"),
        (blocked(&[2], true), "1,3"),
        (blocked(&[4], true), "1,3,4"),
        (made(), "1,3,4"),
    ];
    for (fact, wanted) in table {
        writer.entry(Fact::Late(first, Box::new(fact.clone()))).await.unwrap();
        assert_eq!(sql(&writer.url, seats).await, [[wanted]], "{fact:?}");
    }
    assert_eq!(sql(&writer.url, "select count(*) from matches").await, [["0"]]);
}
