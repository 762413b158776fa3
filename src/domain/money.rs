//! How far the payment of a reservation has come: attempts to pay, and refunds.

use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::seat::{join_seats, parse_seats};

/// The smallest amount that the gateway takes by card or by an easy payment, in KRW (Toss Payments,
/// error `BELOW_MINIMUM_AMOUNT`).
pub const CHARGE_MIN: i64 = 100;
/// The same for a transfer from an account.
pub const TRANSFER_MIN: i64 = 200;

/// The attempts and refunds of a claim, in the form of `lua/lib/money.lua`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Money {
    /// Rises with each begin of a payment; 0 before the first.
    pub attempt: u32,
    /// Number of the last refund; 0 before the first.
    pub refund: u32,
    /// The amount of that refund, in KRW; 0 when it is done, and for seats that cost nothing.
    pub part: i64,
    /// The seats of that refund; none when it is done.
    pub part_seats: Vec<SeatId>,
    /// The amount of all earlier refunds, in KRW.
    pub back: i64,
    pub back_seats: Vec<SeatId>,
    /// The fee of that refund, in KRW: with `part` it is what its seats have cost.
    pub part_fee: i64,
    /// The fees of all earlier refunds, in KRW.
    pub back_fees: i64,
}

impl Money {
    /// Reads the text at the end of a record and in facts. The empty text is a claim without a
    /// payment. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let field: Vec<&str> = text.split(';').collect();
        let attempt = field[0].parse().ok()?;
        Some(match field[1..] {
            [] => Self { attempt, ..Self::default() },
            [refund, part, part_seats, back, back_seats, ref fees @ ..] => Self {
                attempt,
                refund: refund.parse().ok()?,
                part: part.parse().ok()?,
                part_seats: parse_seats(part_seats)?,
                back: back.parse().ok()?,
                back_seats: parse_seats(back_seats)?,
                // Refunds of earlier releases, and those without a fee, say nothing about it.
                part_fee: fees.first().map_or(Ok(0), |fee| fee.parse()).ok()?,
                back_fees: fees.get(1).map_or(Ok(0), |fees| fees.parse()).ok()?,
            },
            _ => return None,
        })
    }

    /// The form that `parse` reads.
    pub fn text(&self) -> String {
        if self.refund == 0 && self.part_seats.is_empty() {
            return self.attempt.to_string();
        }
        let Self { attempt, refund, part, back, .. } = self;
        let (part_seats, back_seats) = (join_seats(&self.part_seats), join_seats(&self.back_seats));
        let text = format!("{attempt};{refund};{part};{part_seats};{back};{back_seats}");
        match (self.part_fee, self.back_fees) {
            (0, 0) => text,
            (part_fee, back_fees) => format!("{text};{part_fee};{back_fees}"),
        }
    }

    /// What earlier refunds took out of the sale, in KRW: with what is left it is what was charged.
    pub fn taken_out(&self) -> i64 {
        self.back + self.back_fees
    }
}

/// One attempt to pay for a reservation, with everything that its later steps need when Redis has
/// forgotten the reservation.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub match_id: MatchId,
    pub user: UserId,
    pub reservation: ReservationId,
    pub payment: PaymentId,
    /// An outcome of an attempt changes nothing once a later one has begun.
    pub number: u32,
    /// The seats that are (still) paid for.
    pub seats: Vec<SeatId>,
    /// In KRW.
    pub amount: i64,
    pub method: String,
    /// The gateway's key.
    pub payment_key: String,
}

/// Money on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub payment: PaymentId,
    /// From 1 on; 0 for money that was charged although the seats were gone.
    pub number: u32,
    /// In KRW; `None` for all that the gateway has.
    pub amount: Option<i64>,
}

impl Refund {
    /// The Idempotency-Key of this refund at the gateway. It is the same for every process, so the
    /// money goes back once.
    pub fn intent(&self) -> String {
        format!("refund-{}-{}", self.payment.key(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_as_it_is_written() {
        let seats = |numbers: &[u32]| numbers.iter().copied().map(SeatId).collect::<Vec<_>>();
        let begun = Money { attempt: 3, ..Money::default() };
        let refunding =
            Money { refund: 2, part: 20_000, part_seats: seats(&[7, 8]), ..begun.clone() };
        let back = Money { back: 10_000, back_seats: seats(&[9]), ..refunding.clone() };
        let fee = Money { part_fee: 2_000, back_fees: 1_000, ..back.clone() };
        let free = Money { part_seats: seats(&[7]), ..begun.clone() };
        for (money, text) in [
            (begun, "3"),
            (refunding, "3;2;20000;7,8;0;"),
            (back, "3;2;20000;7,8;10000;9"),
            (fee, "3;2;20000;7,8;10000;9;2000;1000"),
            (free, "3;0;0;7;0;"),
        ] {
            assert_eq!(money.text(), text);
            assert_eq!(Money::parse(text), Some(money));
        }
        assert_eq!(Money::parse(""), Some(Money::default()));
        assert_eq!((Money::parse("x"), Money::parse("1;2")), (None, None));
    }
}
