//! What each seat of a claim costs. A node computes it once, when the seats are held. From then on
//! it stays with the claim, and no later price list changes it.

use crate::domain::ids::SeatId;

/// The lines of a claim. Without lines, its seats cost what the plan says. A bill may have lines of
/// seats that have left the claim, because nothing ever changes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill(pub Vec<BillLine>);

/// What a seat costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillLine {
    pub seat: SeatId,
    /// Price and service fee together, in KRW.
    pub cost: i64,
    /// The code of the ticket type.
    pub ticket_type: String,
    /// The part of the cost that is the service fee, in KRW.
    pub service_fee: i64,
}

impl BillLine {
    /// The cost without the service fee, in KRW.
    pub fn price(&self) -> i64 {
        self.cost - self.service_fee
    }
}

impl Bill {
    /// The line of a seat.
    pub fn line(&self, seat: SeatId) -> Option<&BillLine> {
        self.0.iter().find(|line| line.seat == seat)
    }

    /// The service fee of these seats together, in KRW.
    pub fn service_fee(&self, seats: &[SeatId]) -> i64 {
        seats.iter().filter_map(|seat| self.line(*seat)).map(|line| line.service_fee).sum()
    }

    /// Reads the text of a record, of the journal and of PostgreSQL. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let line = |line: &str| {
            let mut field = line.split(':');
            let line = BillLine {
                seat: SeatId(field.next()?.parse().ok()?),
                cost: field.next()?.parse().ok()?,
                ticket_type: field.next()?.to_owned(),
                service_fee: field.next().map_or(Ok(0), str::parse).ok()?,
            };
            field.next().is_none().then_some(line)
        };
        text.split(',').filter(|part| !part.is_empty()).map(line).collect::<Option<_>>().map(Self)
    }

    /// The form that `parse` reads: `101:31000:CHILD:1000`, by comma. `lua/lib/bill.lua` reads seat
    /// and cost.
    pub fn text(&self) -> String {
        let line = |line: &BillLine| {
            let BillLine { seat, cost, ticket_type, service_fee } = line;
            match service_fee {
                0 => format!("{seat}:{cost}:{ticket_type}"),
                fee => format!("{seat}:{cost}:{ticket_type}:{fee}"),
            }
        };
        self.0.iter().map(line).collect::<Vec<String>>().join(",")
    }
}

/// What a claim costs as a whole, and by seat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Charge {
    /// In KRW.
    pub amount: i64,
    pub bill: Bill,
}

/// An amount in KRW without a bill: the seats cost what the plan says.
impl From<i64> for Charge {
    fn from(amount: i64) -> Self {
        Self { amount, bill: Bill::default() }
    }
}

impl From<Bill> for Charge {
    fn from(bill: Bill) -> Self {
        Self { amount: bill.0.iter().map(|line| line.cost).sum(), bill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_reads_as_it_is_written() {
        for text in ["", "101:30000:ADULT", "101:31000:ADULT:1000,7:0:CHILD"] {
            assert_eq!(Bill::parse(text).unwrap().text(), text);
        }
        for text in ["x", "101", "101:3", "101:x:ADULT", "101:3:ADULT:x", "101:3:ADULT:1:2"] {
            assert_eq!(Bill::parse(text), None, "{text}");
        }
        let bill = Bill::parse("101:31000:ADULT:1000,7:500:CHILD").unwrap();
        assert_eq!(bill.line(SeatId(101)).map(BillLine::price), Some(30_000));
        assert_eq!(Charge::from(bill).amount, 31_500);
    }
}
