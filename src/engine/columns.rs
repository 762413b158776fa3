//! The commands of one call in MessagePack, column by column, as `lua/lib/batch.lua` reads them. A
//! script reads a column without going through the commands, and a column that no command of the
//! call has costs nothing.

use crate::domain::ids::{MatchId, ReservationId, SeatId, UserId};
use crate::engine::limits::Limits;
use crate::engine::remains::Remains;
use rmp::encode;
use uuid::Uuid;

/// The columns with a value for every command, in the order of `batch_open` in `lua/lib/batch.lua`.
pub(super) const COLUMNS: [&str; 6] = ["name", "match", "id", "user", "seat_count", "seats_before"];

macro_rules! arguments {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// An argument that only some commands have; each is a column of its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Argument { $($(#[$doc])* $name),* }

        impl Argument {
            /// All arguments, in the order of `ARGUMENTS` in `lua/lib/batch.lua`.
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];

            /// The name of the column.
            pub(super) fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

arguments! {
    /// Name of the Idempotency-Key: a hash of the key, the user and the route.
    Operation = "operation",
    /// Hash of the body that was sent with it.
    Fingerprint = "fingerprint",
    /// In KRW.
    Amount = "amount",
    /// In KRW, by comma: one per choice.
    Amounts = "amounts",
    /// Seats of a choice.
    ChoiceSize = "choice_size",
    /// How many of the first seats the buyer named.
    Named = "named",
    /// Seats that must not be left alone.
    Orphans = "orphans",
    /// In KRW, by comma: one per seat.
    Prices = "prices",
    /// What each seat costs, as `domain/bill.rs` writes it; of several choices with `;` between.
    Bill = "bill",
    Hold = "hold",
    Payment = "payment",
    Method = "method",
    /// The gateway's key of a payment.
    PaymentKey = "payment_key",
    /// What `domain/money.rs` writes.
    Money = "money",
    /// Number of the attempt to pay.
    Attempt = "attempt",
    /// What has become of a payment or of a refund.
    Outcome = "outcome",
    /// The gateway's code of a refusal.
    Code = "code",
    /// In milliseconds.
    ExtraMs = "extra_ms",
    /// Kind of a fact in the journal.
    Fact = "fact",
    /// Which step of a payment is told again.
    Step = "step",
    /// Number of the refund.
    Refund = "refund",
    /// What Redis has under a seat.
    SeatValue = "seat_value",
    /// By whose right something is cancelled.
    Right = "right",
    /// Whether a cancel is about all seats.
    Extent = "extent",
    /// The seats that must remain of claims, as `engine/remains.rs` writes it.
    Remains = "remains",
}

/// Values of a list or map that is still growing, and their number.
#[derive(Debug, Clone, Default)]
struct Values {
    packed: Vec<u8>,
    count: u32,
}

/// Writing to a list in memory takes all that is written.
const IN_MEMORY: &str = "a list in memory takes all that is written";

impl Values {
    fn with_capacity(bytes: usize) -> Self {
        Self { packed: Vec::with_capacity(bytes), count: 0 }
    }

    fn text(&mut self, value: &str) {
        encode::write_str(&mut self.packed, value).expect(IN_MEMORY);
        self.count += 1;
    }

    fn number(&mut self, value: u64) {
        encode::write_uint(&mut self.packed, value).expect(IN_MEMORY);
        self.count += 1;
    }
}

/// The first value of ARGV: what holds for all commands of a call, as `batch_open` reads it.
pub(super) fn settings(limits: Limits, matches: &[MatchId]) -> Vec<u8> {
    let mut values = Values::with_capacity(16 + 24 * matches.len());
    values.number(limits.hold_ttl_ms);
    values.number(limits.payment_ttl_ms);
    values.number(u64::from(limits.seats_per_user));
    values.number(u64::from(limits.holds_per_ten_minutes));
    values.number(u64::from(limits.cool_down_after));
    let mut buffer = [0; 22];
    for id in matches {
        values.text(id.key_in(&mut buffer));
    }
    values.packed
}

/// The columns of one call.
pub(super) struct Columns {
    /// By their place in `COLUMNS`.
    dense: [Values; COLUMNS.len()],
    /// By their place in `Argument::ALL`: pairs of a command's number and its value.
    sparse: Vec<Values>,
    /// By match: the seats that its commands name.
    seats: Vec<Values>,
}

impl Columns {
    /// For a call with so many commands on so many matches.
    pub(super) fn new(commands: usize, matches: usize) -> Self {
        let [text, number] = [24, 2].map(|bytes| Values::with_capacity(commands * bytes));
        let dense = [&text, &number, &text, &text, &number, &number].map(Clone::clone);
        Self {
            dense,
            sparse: vec![Values::default(); Argument::ALL.len()],
            seats: vec![Values::default(); matches],
        }
    }

    /// Adds a command on the match at this place of the call; its arguments follow.
    pub(super) fn add(&mut self, name: &str, place: usize) -> Row<'_> {
        let seats_before = self.seats[place].count;
        self.dense[0].text(name);
        self.dense[1].number(place as u64 + 1);
        Row { number: u64::from(self.dense[0].count), place, seats_before, columns: self }
    }

    /// How many values each dense column has.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [u32; COLUMNS.len()] {
        self.dense.each_ref().map(|values| values.count)
    }

    /// The other values of ARGV: the dense columns, the sparse ones, and the seats of each match.
    pub(super) fn finish(self) -> impl Iterator<Item = Vec<u8>> {
        let used = Argument::ALL.iter().zip(&self.sparse).filter(|(_, values)| values.count > 0);
        let mut sparse = Vec::with_capacity(256);
        encode::write_map_len(&mut sparse, used.clone().count() as u32).expect(IN_MEMORY);
        for (argument, values) in used {
            encode::write_str(&mut sparse, argument.word()).expect(IN_MEMORY);
            encode::write_map_len(&mut sparse, values.count / 2).expect(IN_MEMORY);
            sparse.extend_from_slice(&values.packed);
        }
        let mut seats = Vec::with_capacity(256);
        encode::write_array_len(&mut seats, self.seats.len() as u32).expect(IN_MEMORY);
        for values in &self.seats {
            encode::write_array_len(&mut seats, values.count).expect(IN_MEMORY);
            seats.extend_from_slice(&values.packed);
        }
        self.dense.into_iter().map(|values| values.packed).chain([sparse, seats])
    }
}

/// One command in the columns, which is written by `SeatCommand::encode`.
pub(super) struct Row<'a> {
    columns: &'a mut Columns,
    /// From 1 on.
    number: u64,
    /// Of its match in the call.
    place: usize,
    seats_before: u32,
}

impl Row<'_> {
    /// The claim that the command is about, a hold or a reservation, and its user.
    pub(super) fn claim(&mut self, id: Uuid, user: UserId) -> &mut Self {
        let (mut id_buffer, mut user_buffer) = ([0; 22], [0; 22]);
        self.names(ReservationId(id).key_in(&mut id_buffer), user.key_in(&mut user_buffer))
    }

    /// The claim and the user of a command that may have none of them; then the text is empty.
    pub(super) fn names(&mut self, id: &str, user: &str) -> &mut Self {
        self.columns.dense[2].text(id);
        self.columns.dense[3].text(user);
        self
    }

    /// An amount in KRW.
    pub(super) fn amount(&mut self, argument: Argument, amount: i64) -> &mut Self {
        self.text(argument, itoa::Buffer::new().format(amount))
    }

    /// One more seat that the command names.
    pub(super) fn seat(&mut self, seat: SeatId) -> &mut Self {
        let mut digits = itoa::Buffer::new();
        self.columns.seats[self.place].text(digits.format(seat.0));
        self
    }

    /// More seats that the command names.
    pub(super) fn seats<'s>(&mut self, seats: impl IntoIterator<Item = &'s SeatId>) -> &mut Self {
        for seat in seats {
            self.seat(*seat);
        }
        self
    }

    /// What must remain of claims. The argument is missing where the plan has no rule about that.
    pub(super) fn remains(&mut self, remains: Option<&Remains>) -> &mut Self {
        match remains {
            None => self,
            Some(remains) => self.text(Argument::Remains, &remains.text()),
        }
    }

    /// An argument that is text in the scripts.
    pub(super) fn text(&mut self, argument: Argument, value: &str) -> &mut Self {
        let column = &mut self.columns.sparse[argument as usize];
        column.number(self.number);
        column.text(value);
        self
    }

    /// An argument that the scripts calculate with.
    pub(super) fn number(&mut self, argument: Argument, value: u64) -> &mut Self {
        let column = &mut self.columns.sparse[argument as usize];
        column.number(self.number);
        column.number(value);
        self
    }

    /// The buyer named the first seats of these many, if not all of them.
    pub(super) fn named(&mut self, named: usize, of: usize) -> &mut Self {
        if named < of {
            self.number(Argument::Named, named as u64);
        }
        self
    }

    /// The command has named all its seats.
    pub(super) fn end(self) {
        let count = self.columns.seats[self.place].count - self.seats_before;
        self.columns.dense[4].number(u64::from(count));
        self.columns.dense[5].number(u64::from(self.seats_before));
    }
}
