//! Until when a buyer may give tickets back, and the fee that stays with the organiser. The script
//! decides (`lua/lib/refund.lua`), and a node computes the same to show it beforehand.

use crate::domain::ids::SeatId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most rows of a fee table. Every sale keeps a copy of them, of about 20 bytes each.
pub const FEE_ROWS_MAX: usize = 10;

/// A row of the fee table of a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundFee {
    /// The fee of a cancellation before this time, and after the row before.
    pub until: jiff::Timestamp,
    /// Of the price of each seat, rounded down to whole won.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: u8,
    /// Besides, for each seat, in KRW. The fee of a seat is never more than its price.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10_000_000)]
    pub per_seat: i64,
}

/// The terms of refunds: those of a match now, or those that a sale keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundTerms {
    /// From this time on (ms) a buyer gets nothing back; 0: never.
    pub until: i64,
    /// In the order of their times. Without rows there is no fee.
    pub fees: Vec<FeeRow>,
}

/// A row of the fee table, with its time in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeRow {
    pub until: i64,
    pub percent: u8,
    pub per_seat: i64,
}

/// A fee without any amount.
const NO_FEE: FeeRow = FeeRow { until: 0, percent: 0, per_seat: 0 };

impl RefundTerms {
    /// Reads the text in Redis and in PostgreSQL: the time, then the rows. `None` for any other
    /// text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let until = parts.next()?.parse().ok()?;
        let row = |row: &str| {
            let mut field = row.split(':');
            let row = FeeRow {
                until: field.next()?.parse().ok()?,
                percent: field.next()?.parse().ok()?,
                per_seat: field.next()?.parse().ok()?,
            };
            field.next().is_none().then_some(row)
        };
        Some(Self { until, fees: parts.map(row).collect::<Option<_>>()? })
    }

    /// The form that `parse` reads.
    pub fn text(&self) -> String {
        let row = |row: &FeeRow| format!(";{}:{}:{}", row.until, row.percent, row.per_seat);
        std::iter::once(self.until.to_string()).chain(self.fees.iter().map(row)).collect()
    }

    fn is_open(&self, now_ms: i64) -> bool {
        self.until == 0 || now_ms < self.until
    }

    /// The first row whose time has not come. Behind the last row, that row goes on: only an
    /// organiser can cancel then.
    fn row_at(&self, now_ms: i64) -> FeeRow {
        let first = self.fees.iter().find(|row| now_ms < row.until);
        first.or(self.fees.last()).copied().unwrap_or(NO_FEE)
    }
}

impl FeeRow {
    fn of(self, price: i64) -> i64 {
        (price * i64::from(self.percent) / 100 + self.per_seat).min(price)
    }
}

/// What a buyer would get back now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The end of refunds in ms; 0: never.
    pub until: i64,
    /// Each seat with its price and its fee, in KRW.
    pub seats: Vec<(SeatId, i64, i64)>,
}

impl Quote {
    /// For seats with their prices. A buyer has what was promised at the purchase (`kept`), or what
    /// the match offers now if that is better. `None`: refunds have ended.
    pub fn now(
        kept: Option<&RefundTerms>,
        offered: Option<&RefundTerms>,
        now_ms: i64,
        prices: &[(SeatId, i64)],
    ) -> Option<Self> {
        let terms: Vec<&RefundTerms> = kept.into_iter().chain(offered).collect();
        let open: Vec<&RefundTerms> =
            terms.iter().copied().filter(|terms| terms.is_open(now_ms)).collect();
        let closed = open.is_empty() && !terms.is_empty();
        (!closed).then(|| Self::under(&open, now_ms, prices))
    }

    /// The same when an organiser cancels, who may do so at any time.
    pub fn of_organiser(
        kept: Option<&RefundTerms>,
        offered: &RefundTerms,
        now_ms: i64,
        prices: &[(SeatId, i64)],
    ) -> Self {
        let terms: Vec<&RefundTerms> = kept.into_iter().chain([offered]).collect();
        Self::now(kept, Some(offered), now_ms, prices)
            .unwrap_or_else(|| Self::under(&terms, now_ms, prices))
    }

    fn under(terms: &[&RefundTerms], now_ms: i64, prices: &[(SeatId, i64)]) -> Self {
        let rows: Vec<FeeRow> = terms.iter().map(|terms| terms.row_at(now_ms)).collect();
        let fee = |price| rows.iter().map(|row| row.of(price)).min().unwrap_or_default();
        let ends = terms.iter().map(|terms| terms.until);
        let until = if ends.clone().any(|until| until == 0) { 0 } else { ends.max().unwrap_or(0) };
        let seats = prices.iter().map(|(seat, price)| (*seat, *price, fee(*price))).collect();
        Self { until, seats }
    }

    /// What the organiser keeps, in KRW.
    pub fn fee(&self) -> i64 {
        self.seats.iter().map(|(_, _, fee)| fee).sum()
    }

    /// What goes back, in KRW.
    pub fn amount(&self) -> i64 {
        self.seats.iter().map(|(_, price, fee)| price - fee).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> RefundTerms {
        RefundTerms::parse(text).unwrap()
    }

    #[test]
    fn terms_read_as_they_are_written() {
        for text in ["0", "1790000000000", "1790000000000;1780000000000:0:0;1790000000000:15:500"] {
            assert_eq!(terms(text).text(), text);
        }
        for text in ["", "x", "1;", "1;2:3", "1;2:3:4:5", "1;2:300:4"] {
            assert_eq!(RefundTerms::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_fee_is_that_of_the_time_and_never_more_than_the_price() {
        let terms = terms("400;200:0:0;300:15:500;400:100:0");
        let prices = [(SeatId(1), 10_999), (SeatId(2), 300), (SeatId(3), 0)];
        let fees = |now| {
            let quote = Quote::now(Some(&terms), None, now, &prices)?;
            assert_eq!(quote.fee() + quote.amount(), 11_299);
            Some(quote.seats.iter().map(|(_, _, fee)| *fee).collect::<Vec<i64>>())
        };
        assert_eq!(fees(199), Some(vec![0, 0, 0]));
        assert_eq!(fees(200), Some(vec![2_149, 300, 0]), "1,649.85 is rounded down");
        assert_eq!(fees(399), Some(vec![10_999, 300, 0]));
        assert_eq!(fees(400), None);
    }

    #[test]
    fn a_buyer_has_the_better_of_two_terms() {
        let (kept, offered) = (terms("300;300:10:0"), terms("500;200:0:0;500:90:0"));
        let price = [(SeatId(1), 1_000)];
        let fee = |now| Quote::now(Some(&kept), Some(&offered), now, &price).map(|q| q.fee());
        assert_eq!([fee(199), fee(299), fee(300), fee(500)], [Some(0), Some(100), Some(900), None]);
        let never = terms("0");
        assert_eq!(Quote::now(Some(&kept), Some(&never), 400, &price).map(|q| q.until), Some(0));
        assert_eq!(Quote::now(None, None, 400, &price).map(|quote| quote.fee()), Some(0));
    }
}
