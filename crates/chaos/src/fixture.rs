//! The matches of a run, and the house where they are.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// Seats of each match: few, so that people want the same ones.
pub(crate) const SEATS: u32 = 60;
const SEATS_OF_ROW: u32 = 20;
/// People who may choose and buy at once, in a match with a queue.
pub(crate) const ACTIVE_MAX: usize = 8;
/// The life of a pass of somebody without seats, in ms.
pub(crate) const PASS_MS: u64 = 10_000;
/// What a seat costs in a match without a price list, in KRW.
pub(crate) const PRICE: i64 = 10_000;
/// What a seat costs in a match with a price list, in KRW: the price of a grown-up and the service
/// fee. Odd numbers, so that a wrong rounding shows.
pub(crate) const LISTED_COST: i64 = LISTED_PRICE + SERVICE_FEE;
const LISTED_PRICE: i64 = 10_001;
const SERVICE_FEE: i64 = 333;
/// What the organiser keeps there of each seat that is given back, in KRW.
pub(crate) const REFUND_FEE: i64 = LISTED_COST * FEE_PERCENT / 100 + FEE_PER_SEAT;
const FEE_PERCENT: i64 = 15;
const FEE_PER_SEAT: i64 = 7;
pub(crate) const STARTS_AT: &str = "2035-05-05T05:00:00Z";

/// A match on sale.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    pub(crate) id: String,
    /// Seats 1 to this number, all in block 1.
    pub(crate) seats: u32,
    /// People must wait in line.
    pub(crate) queue: bool,
    /// It has a price list and a fee for refunds.
    pub(crate) listed: bool,
    /// A person may have one hold of it at a time.
    pub(crate) one_hold: bool,
    /// When its sale ends, if that is during the run: since the beginning of the history.
    pub(crate) closes: Option<Duration>,
}

impl Fixture {
    /// A match of which only the id matters.
    pub(crate) fn named(id: &str) -> Self {
        let id = id.to_owned();
        Self { id, seats: SEATS, queue: false, listed: false, one_hold: false, closes: None }
    }

    /// Its partition, which is in the three digits behind the version of the id.
    pub(crate) fn partition(&self) -> Result<u16> {
        let digits = self.id.get(15..18).context("an id of a match has 36 letters")?;
        Ok(u16::from_str_radix(digits, 16)?)
    }
}

/// The settings of a queue, in which passes end as soon as possible.
pub(crate) fn queue() -> Value {
    json!({"enabled": true, "admitPerMinute": 1_200, "maxActive": ACTIVE_MAX,
        "passTtlMs": PASS_MS, "admissionTtlMs": PASS_MS, "buyersPerFreeSeat": 2})
}

/// The price list of a match.
pub(crate) fn prices() -> Value {
    json!({"types": [{"code": "ADULT", "name": "Adult"}],
        "prices": [{"grade": "ALL", "type": "ADULT", "price": LISTED_PRICE}],
        "serviceFee": SERVICE_FEE})
}

/// The fees for refunds of a match, until it begins.
pub(crate) fn refund_fees() -> Value {
    json!([{"until": STARTS_AT, "percent": FEE_PERCENT, "perSeat": FEE_PER_SEAT}])
}

/// A house of one block, so that the map of the block is the map of the match.
pub(crate) fn plan() -> Value {
    let rows = SEATS / SEATS_OF_ROW;
    let end = f64::from(rows);
    let row = |number: u32| {
        let y = f64::from(number);
        json!({"label": (number + 1).to_string(), "firstSeatId": 1 + number * SEATS_OF_ROW,
            "seats": SEATS_OF_ROW, "from": [0.0, y], "to": [f64::from(SEATS_OF_ROW - 1), y]})
    };
    json!({
        "name": "Breaker Ground", "focus": [5.0, -2.0],
        "grades": [{"code": "ALL", "name": "All", "price": PRICE, "color": "#1144cc"}],
        "areas": [{"id": 1, "name": "All", "sections": [{"id": 1, "name": "All", "blocks": [
            {"id": 1, "name": "101", "grade": "ALL",
             "outline": [[-1.0, -1.0], [20.0, -1.0], [20.0, end], [-1.0, end]],
             "rows": (0..rows).map(row).collect::<Vec<_>>()}]}]}]
    })
}

/// The form of an id inside Redis: base64url.
pub(crate) fn short(id: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let number = u128::from_str_radix(&id.replace('-', ""), 16).unwrap_or(0);
    // 128 bits and four zeros are 22 times six bits.
    let letter = |place: u32| {
        let six = if place == 21 { number << 4 } else { number >> (122 - 6 * place) };
        char::from(LETTERS[(six & 63) as usize])
    };
    (0..22).map(letter).collect()
}
