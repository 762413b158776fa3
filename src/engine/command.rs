//! The commands of the seat batch. Each is decided in one step by a function of the same name in
//! `lua/seat`.

use crate::domain::bill::Charge;
use crate::domain::fact::PaymentStep;
use crate::domain::ids::{HoldId, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::{Attempt, Money};
use crate::domain::orphans::Orphan;
use crate::engine::cancellation::Cancellation;
use crate::engine::columns::{Argument, Row};
use crate::engine::remains::Remains;

/// A seat that is reserved by its name costs as much as this many seats, because it is looked up in
/// the claims of its user, and leaves one of them.
const COST_OF_RESERVED_SEAT: usize = 4;

/// A command on the seats or claims of one match. Amounts and prices are in KRW.
#[derive(Debug, Clone)]
pub enum SeatCommand {
    /// AVAILABLE → HOLD for all seats, or for none.
    Hold {
        id: HoldId,
        user: UserId,
        seats: Vec<SeatId>,
        /// How many of the first seats the buyer named. The node proposes the others.
        named: usize,
        charge: Charge,
        /// Seats that the choice could leave alone; empty where the match has no rule against it.
        orphans: Vec<Orphan>,
    },
    /// AVAILABLE → HOLD for the first choice of which all seats are free.
    HoldBest {
        id: HoldId,
        user: UserId,
        /// Seats of each choice.
        choice_size: usize,
        /// What each choice costs, and its seats, the best choice first. Either all choices have a
        /// bill, or none has.
        choices: Vec<(Charge, Vec<SeatId>)>,
    },
    /// HOLD → AVAILABLE for all seats of a hold.
    Release { hold: HoldId, user: UserId },
    /// HOLD → AVAILABLE for one seat, whichever hold of the user has it.
    ReleaseSeat { user: UserId, seat: SeatId, price: i64, remains: Option<Remains> },
    /// HOLD → PENDING for all seats of a hold.
    Reserve { id: ReservationId, user: UserId, hold: HoldId },
    /// HOLD → PENDING for seats out of any holds of the user, each with its price.
    ReserveSeats {
        id: ReservationId,
        user: UserId,
        seats: Vec<(SeatId, i64)>,
        remains: Option<Remains>,
    },
    /// A new payment for a PENDING reservation.
    RequestPayment { reservation: ReservationId, user: UserId, payment: PaymentId, method: String },
    /// PENDING → PAYING.
    BeginPayment {
        reservation: ReservationId,
        user: UserId,
        payment: PaymentId,
        amount: i64,
        payment_key: String,
    },
    /// Gives a PENDING reservation at least this many ms from now.
    Extend { reservation: ReservationId, user: UserId, extra_ms: u64 },
    /// From here on the attempt cannot be withdrawn, because the gateway is asked for its money.
    MarkAsked { attempt: Attempt },
    /// PAYING → OCCUPIED, or back to PENDING, or over.
    SettlePayment { attempt: Attempt, outcome: PaymentOutcome },
    /// Writes a fact to the journal about a payment whose reservation is gone or has moved on.
    RecordOrphan { attempt: Attempt, fact: PaymentStep, money: Money },
    /// Writes the fact of a step again, because PostgreSQL has missed it.
    TellAgain { attempt: Attempt, step: MissedStep },
    /// Ends a PENDING reservation, or begins the refund of a paid one.
    Cancel { reservation: ReservationId, user: UserId, cancellation: Cancellation },
    /// The money of a refund is back, or the gateway has refused it with this code.
    SettleRefund {
        reservation: ReservationId,
        user: UserId,
        payment: PaymentId,
        /// Number of the refund.
        refund: u32,
        refused: Option<String>,
    },
    /// Ends a claim whose deadline has passed.
    Expire { claim: ReservationId, user: UserId },
    /// The holds that the user has begun, and their unpaid ends, are old.
    Forget { user: UserId },
    /// AVAILABLE → BLOCKED for all seats, or for none.
    Block { seats: Vec<SeatId> },
    /// BLOCKED → AVAILABLE for all seats, or for none.
    Unblock { seats: Vec<SeatId> },
    /// Frees those seats that have this value in Redis although no claim names them.
    FreeSeats { value: String, seats: Vec<SeatId> },
    /// Takes the record of a sale out of Redis, because its match is archived.
    Archive { claim: ReservationId, user: UserId },
}

/// The outcome of a payment, as the gateway or the claim in PostgreSQL decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentOutcome {
    Approved,
    /// The gateway refused for good, with its code.
    Declined(String),
    /// The gateway was not asked. The reservation gets at least this many ms from now.
    Withdrawn(u64),
    /// PostgreSQL has an earlier sale of these seats.
    Lost(Vec<SeatId>),
}

/// A step that PostgreSQL has missed.
#[derive(Debug, Clone)]
pub enum MissedStep {
    /// The begin of a payment or of a refund, whichever is under way.
    Begin,
    /// The outcome of a payment, with the refunds since.
    Outcome,
    /// The end of this refund.
    Refund(Money),
}

impl SeatCommand {
    /// The name of its function in `lua/seat`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "hold",
            Self::HoldBest { .. } => "hold_best",
            Self::Release { .. } => "release",
            Self::ReleaseSeat { .. } => "release_seat",
            Self::Reserve { .. } => "reserve",
            Self::ReserveSeats { .. } => "reserve_seats",
            Self::RequestPayment { .. } => "request_payment",
            Self::BeginPayment { .. } => "begin_payment",
            Self::Extend { .. } => "extend",
            Self::MarkAsked { .. } => "mark_asked",
            Self::SettlePayment { .. } => "settle_payment",
            Self::RecordOrphan { .. } => "record_orphan",
            Self::TellAgain { .. } => "tell_again",
            Self::Cancel { .. } => "cancel",
            Self::SettleRefund { .. } => "settle_refund",
            Self::Expire { .. } => "expire",
            Self::Forget { .. } => "forget",
            Self::Block { .. } => "block",
            Self::Unblock { .. } => "unblock",
            Self::FreeSeats { .. } => "free_seats",
            Self::Archive { .. } => "archive",
        }
    }

    /// Whether the command only frees memory. Such commands still run when Redis has none left.
    pub(super) fn frees_memory(&self) -> bool {
        match self {
            Self::Release { .. }
            | Self::ReleaseSeat { .. }
            | Self::Expire { .. }
            | Self::Forget { .. }
            | Self::Cancel { .. }
            | Self::SettleRefund { .. }
            | Self::MarkAsked { .. }
            | Self::SettlePayment { .. }
            | Self::Unblock { .. }
            | Self::FreeSeats { .. }
            | Self::Archive { .. } => true,
            Self::Hold { .. }
            | Self::HoldBest { .. }
            | Self::Reserve { .. }
            | Self::ReserveSeats { .. }
            | Self::RequestPayment { .. }
            | Self::BeginPayment { .. }
            | Self::Extend { .. }
            | Self::RecordOrphan { .. }
            | Self::TellAgain { .. }
            | Self::Block { .. } => false,
        }
    }

    /// Whether the command goes before those that want seats. Commands that free seats or settle
    /// payments do, because a crowd must not keep seats from coming back, nor a charged payment
    /// from its outcome.
    pub(super) fn goes_first(&self) -> bool {
        let settles = matches!(self, Self::Extend { .. } | Self::RecordOrphan { .. });
        self.frees_memory() || settles
    }

    /// What the command costs in a call, in seats. The script itself counts the seats of a claim
    /// that is named by its id.
    pub(super) fn cost_in_seats(&self) -> usize {
        let seats = match self {
            Self::Hold { seats, .. }
            | Self::Block { seats }
            | Self::Unblock { seats }
            | Self::FreeSeats { seats, .. } => seats.len(),
            Self::HoldBest { choice_size, choices, .. } => choice_size * choices.len(),
            Self::ReserveSeats { seats, .. } => seats.len() * COST_OF_RESERVED_SEAT,
            Self::Cancel { cancellation, .. } => cancellation.seats.len(),
            Self::SettlePayment { attempt, outcome: PaymentOutcome::Approved } => {
                attempt.seats.len()
            }
            Self::SettlePayment { outcome: PaymentOutcome::Lost(seats), .. } => seats.len(),
            Self::RecordOrphan { attempt, .. }
            | Self::TellAgain { attempt, step: MissedStep::Refund(_) } => attempt.seats.len(),
            Self::Release { .. }
            | Self::ReleaseSeat { .. }
            | Self::Reserve { .. }
            | Self::RequestPayment { .. }
            | Self::BeginPayment { .. }
            | Self::Extend { .. }
            | Self::MarkAsked { .. }
            | Self::SettlePayment {
                outcome: PaymentOutcome::Declined(_) | PaymentOutcome::Withdrawn(_),
                ..
            }
            | Self::TellAgain { step: MissedStep::Begin | MissedStep::Outcome, .. }
            | Self::SettleRefund { .. }
            | Self::Expire { .. }
            | Self::Forget { .. }
            | Self::Archive { .. } => 1,
        };
        seats.max(1)
    }

    /// Writes the arguments that the header of its file in `lua/seat` lists.
    pub(super) fn encode(&self, row: &mut Row<'_>) {
        match self {
            Self::Hold { id, user, seats, named, charge, orphans } => {
                row.claim(id.0, *user).seats(seats).named(*named, seats.len());
                row.amount(Argument::Amount, charge.amount);
                billed(row, std::iter::once(charge));
                if !orphans.is_empty() {
                    row.text(Argument::Orphans, &orphan_text(orphans));
                }
            }
            Self::HoldBest { id, user, choice_size, choices } => {
                row.claim(id.0, *user).number(Argument::ChoiceSize, *choice_size as u64);
                encode_choices(row, choices);
            }
            Self::Release { hold, user } => {
                row.claim(hold.0, *user);
            }
            Self::ReleaseSeat { user, seat, price, remains } => {
                row.names("", &user.key()).seat(*seat).remains(remains.as_ref());
                row.amount(Argument::Prices, *price);
            }
            Self::Reserve { id, user, hold } => {
                row.claim(id.0, *user).text(Argument::Hold, &hold.key());
            }
            Self::RequestPayment { reservation, user, payment, method } => {
                row.claim(reservation.0, *user);
                row.text(Argument::Payment, &payment.key()).text(Argument::Method, method);
            }
            Self::BeginPayment { reservation, user, payment, amount, payment_key } => {
                row.claim(reservation.0, *user).amount(Argument::Amount, *amount);
                row.text(Argument::Payment, &payment.key()).text(Argument::PaymentKey, payment_key);
            }
            Self::Extend { reservation, user, extra_ms } => {
                row.claim(reservation.0, *user).number(Argument::ExtraMs, *extra_ms);
            }
            Self::MarkAsked { attempt } => {
                on_attempt(row, attempt);
            }
            Self::SettlePayment { attempt, outcome } => encode_outcome(row, attempt, outcome),
            Self::RecordOrphan { attempt, fact, money } => {
                on_payment(row, attempt).text(Argument::Fact, fact.word());
                with_money(row, attempt, money);
            }
            Self::TellAgain { attempt, step } => encode_missed(row, attempt, step),
            Self::ReserveSeats { id, user, seats, remains } => {
                priced(row.claim(id.0, *user).remains(remains.as_ref()), seats);
            }
            Self::Cancel { reservation, user, cancellation } => {
                encode_cancellation(row.claim(reservation.0, *user), cancellation);
            }
            Self::SettleRefund { reservation, user, payment, refund, refused } => {
                row.claim(reservation.0, *user).text(Argument::Payment, &payment.key());
                encode_refund(row, *refund, refused.as_deref());
            }
            Self::Expire { claim, user } | Self::Archive { claim, user } => {
                row.claim(claim.0, *user);
            }
            Self::Forget { user } => {
                row.names("", &user.key());
            }
            Self::Block { seats } | Self::Unblock { seats } => {
                row.names("", "").seats(seats);
            }
            Self::FreeSeats { value, seats } => {
                // Behind the letter of the state stands the field of the claim, if there is one.
                row.names("", value.get(1..).unwrap_or_default()).seats(seats);
                row.text(Argument::SeatValue, value);
            }
        }
    }
}

fn encode_choices(row: &mut Row<'_>, choices: &[(Charge, Vec<SeatId>)]) {
    row.seats(choices.iter().flat_map(|(_, seats)| seats));
    let charges = choices.iter().map(|(charge, _)| charge);
    row.text(Argument::Amounts, &joined(charges.clone().map(|charge| charge.amount)));
    billed(row, charges);
}

fn encode_cancellation(row: &mut Row<'_>, cancellation: &Cancellation) {
    let Cancellation { extent, seats, right, remains } = cancellation;
    priced(row, seats);
    row.remains(remains.as_ref());
    row.text(Argument::Extent, extent.word()).text(Argument::Right, right.word());
}

fn encode_outcome(row: &mut Row<'_>, attempt: &Attempt, outcome: &PaymentOutcome) {
    on_attempt(row, attempt);
    row.text(Argument::Outcome, outcome.word());
    match outcome {
        PaymentOutcome::Approved => {
            with_money(row, attempt, &Money { attempt: attempt.number, ..Money::default() });
        }
        PaymentOutcome::Declined(code) => {
            row.text(Argument::Code, code);
        }
        PaymentOutcome::Withdrawn(extra_ms) => {
            row.number(Argument::ExtraMs, *extra_ms);
        }
        PaymentOutcome::Lost(seats) => {
            row.seats(seats);
        }
    }
}

fn encode_refund(row: &mut Row<'_>, number: u32, refused: Option<&str>) {
    row.number(Argument::Refund, u64::from(number));
    match refused {
        None => row.text(Argument::Outcome, "done"),
        Some(code) => row.text(Argument::Outcome, "refused").text(Argument::Code, code),
    };
}

fn encode_missed(row: &mut Row<'_>, attempt: &Attempt, step: &MissedStep) {
    on_payment(row, attempt);
    match step {
        MissedStep::Begin => {
            row.text(Argument::Step, "begin");
        }
        MissedStep::Outcome => {
            row.text(Argument::Step, "outcome");
            row.number(Argument::Attempt, u64::from(attempt.number));
        }
        MissedStep::Refund(money) => {
            row.text(Argument::Step, "refund").number(Argument::Refund, u64::from(money.refund));
            with_money(row, attempt, money);
        }
    }
}

fn on_payment<'r, 'c>(row: &'r mut Row<'c>, attempt: &Attempt) -> &'r mut Row<'c> {
    row.claim(attempt.reservation.0, attempt.user);
    row.text(Argument::Payment, &attempt.payment.key())
}

fn on_attempt<'r, 'c>(row: &'r mut Row<'c>, attempt: &Attempt) -> &'r mut Row<'c> {
    on_payment(row, attempt).number(Argument::Attempt, u64::from(attempt.number))
}

/// The payment as PostgreSQL has it: `claim_from_arguments` in `lua/lib/money.lua` reads it.
fn with_money(row: &mut Row<'_>, attempt: &Attempt, money: &Money) {
    row.seats(&attempt.seats);
    row.amount(Argument::Amount, attempt.amount);
    row.text(Argument::Method, &attempt.method);
    row.text(Argument::PaymentKey, &attempt.payment_key);
    row.text(Argument::Money, &money.text());
}

fn priced(row: &mut Row<'_>, seats: &[(SeatId, i64)]) {
    row.seats(seats.iter().map(|(seat, _)| seat));
    row.text(Argument::Prices, &joined(seats.iter().map(|(_, price)| *price)));
}

/// The argument is missing where there is no price list, so that such calls are as short as before.
fn billed<'a>(row: &mut Row<'_>, charges: impl Iterator<Item = &'a Charge>) {
    let bills: Vec<String> = charges.map(|charge| charge.bill.text()).collect();
    if bills.iter().any(|bill| !bill.is_empty()) {
        row.text(Argument::Bill, &bills.join(";"));
    }
}

fn joined(amounts: impl Iterator<Item = i64>) -> String {
    amounts.map(|amount| amount.to_string()).collect::<Vec<String>>().join(",")
}

/// As `lua/seat/hold.lua` reads it: `302:301:304+305`.
fn orphan_text(orphans: &[Orphan]) -> String {
    let text = |Orphan { seat, near, beyond }: &Orphan| {
        let near = near.map_or_else(|| "-".to_owned(), |near| near.to_string());
        let beyond: Vec<String> = beyond.iter().map(ToString::to_string).collect();
        format!("{seat}:{near}:{}", beyond.join("+"))
    };
    orphans.iter().map(text).collect::<Vec<String>>().join(",")
}
