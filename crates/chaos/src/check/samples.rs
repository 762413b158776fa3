//! A run without a fault, from which the tests of the checks start.

use crate::evidence::{Evidence, Payment, Reservation, Window};
use crate::history::{Act, Call, Outcome};
use crate::watcher::View;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Person 0 has bought seats 1 and 2 of a match with ten seats.
pub(crate) fn fair() -> Evidence {
    let reserve = done(call(Act::Reserve, 0, "h1"), json!({"id": "r1"}));
    let row = Reservation {
        fixture: "m".to_owned(),
        user: "u0".to_owned(),
        status: "CONFIRMED".to_owned(),
        seats: vec![1, 2],
        amount: 20_000,
    };
    let payment = Payment {
        reservation: "r1".to_owned(),
        status: "PAID".to_owned(),
        amount: 20_000,
        refunding: false,
        refunded: 0,
        fees: 0,
    };
    let state = |seat: u32| if seat <= 2 { "OCCUPIED" } else { "AVAILABLE" };
    let map: BTreeMap<u32, String> = (1..=10).map(|seat| (seat, state(seat).to_owned())).collect();
    let view = View { fixture: "m".to_owned(), map: map.clone(), ..View::default() };
    let claim = |seat| (("m".to_owned(), seat), "r1".to_owned());
    Evidence {
        calls: vec![held(0, "h1", &[1, 2]), later(reserve, 100), confirmed(0, "r1", &[1, 2])],
        views: vec![view],
        ledger: vec![json!({"orderId": "o1", "status": "DONE", "totalAmount": 20_000,
            "balanceAmount": 20_000})],
        reservations: [("r1".to_owned(), row)].into(),
        payments: [("o1".to_owned(), payment)].into(),
        claims: [claim(1), claim(2)].into(),
        claims_have_a_key: true,
        maps: vec![("m".to_owned(), 0, map)],
        seats: 10,
        recovery: Some(Duration::from_secs(1)),
        ..Evidence::default()
    }
}

/// A call without a response yet, sent at 0.
pub(crate) fn call(act: Act, person: usize, about: &str) -> Call {
    Call {
        act,
        person,
        node: 0,
        fixture: "m".to_owned(),
        key: format!("{act:?} {person} {about}"),
        sent: Value::Null,
        about: about.to_owned(),
        begun: Duration::ZERO,
        ended: Duration::from_millis(10),
        outcome: Outcome::Unknown("lost".to_owned()),
        says_when: false,
    }
}

/// The same with a success.
pub(crate) fn done(call: Call, data: Value) -> Call {
    Call { outcome: Outcome::Done(data), ..call }
}

/// The same, later by some ms, and with a key of its own.
pub(crate) fn later(call: Call, ms: u64) -> Call {
    let by = Duration::from_millis(ms);
    let key = format!("{} {ms}", call.key);
    Call { begun: call.begun + by, ended: call.ended + by, key, ..call }
}

pub(crate) fn held(person: usize, id: &str, seats: &[u32]) -> Call {
    let list: Vec<Value> = seats.iter().map(|seat| json!({"seatId": seat})).collect();
    let mut hold = done(call(Act::Hold, person, ""), json!({"holdId": id, "seats": list}));
    hold.sent = json!({"seatIds": seats});
    hold.key = format!("hold {id}");
    hold
}

pub(crate) fn confirmed(person: usize, reservation: &str, seats: &[u32]) -> Call {
    let list: Vec<Value> = seats.iter().map(|seat| json!({"seatId": seat})).collect();
    let amount = 10_000 * seats.len();
    let data = json!({"persisted": true,
        "reservation": {"id": reservation, "seats": list, "amount": amount}});
    later(done(call(Act::Confirm, person, "p"), data), 200)
}

pub(crate) fn window(from_ms: u64, to_ms: u64) -> Window {
    Window { from: Duration::from_millis(from_ms), to: Duration::from_millis(to_ms), only: None }
}
