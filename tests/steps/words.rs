//! Words of the scenarios that stand for values: each word is named here, so an unknown one fails
//! the step.

use cucumber::Parameter;
use grandstand::api::error::ErrorCode;
use std::str::FromStr;
use std::time::Duration;

/// `3`, `3 and 4`, `3, 4 and 5`.
#[derive(Debug, Parameter)]
#[param(name = "seats", regex = r"\d+(?:(?:, | and )\d+)*")]
pub struct Seats(pub Vec<u32>);

/// `20,000 won`.
#[derive(Debug, Parameter)]
#[param(name = "won", regex = r"[\d,]+ won")]
pub struct Won(pub i64);

/// `Mina`, `Mina and Jun`, `Mina, Jun and Sora`.
#[derive(Debug, Parameter)]
#[param(name = "people", regex = r"[A-Z][a-z]+(?:(?:, | and )[A-Z][a-z]+)*")]
pub struct People(pub Vec<String>);

/// Why something was refused.
#[derive(Debug, Parameter)]
#[param(name = "reason", regex = r"[a-z].*")]
pub struct Reason(pub ErrorCode);

/// The state of a seat, in the word of the API.
#[derive(Debug, Parameter)]
#[param(name = "state", regex = r"[a-z]+")]
pub struct State(pub &'static str);

/// The status of a reservation or of a payment, in the word of the API.
#[derive(Debug, Parameter)]
#[param(name = "status", regex = r"[a-z]+")]
pub struct Status(pub &'static str);

/// Whether matches are on sale, in the word of the API.
#[derive(Debug, Parameter)]
#[param(name = "sale", regex = r"a draft|announced|on sale|closed")]
pub struct Sale(pub &'static str);

impl FromStr for Seats {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parts(text).map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Won {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim_end_matches(" won").replace(',', "").parse().map(Self)
    }
}

impl FromStr for People {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(parts(text).map(str::to_owned).collect()))
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = match text {
            "a field is wrong" => ErrorCode::Validation,
            "he is not logged in" | "the session has ended" => ErrorCode::Unauthorized,
            "the e-mail or the password is wrong" => ErrorCode::BadCredentials,
            "she is no administrator" => ErrorCode::Forbidden,
            "a pass is needed to hold seats" => ErrorCode::PassRequired,
            "these are not her seats" | "these are not his seats" => ErrorCode::NotYours,
            "there is no such match" => ErrorCode::MatchNotFound,
            "the site has no such seat" => ErrorCode::SeatNotFound,
            "he has no such reservation" => ErrorCode::ReservationNotFound,
            "he has no such payment" => ErrorCode::PaymentNotFound,
            "she is not in the queue" => ErrorCode::NotInQueue,
            "she already holds one of the seats" => ErrorCode::AlreadyHeld,
            "a seat is taken" => ErrorCode::SeatTaken,
            "these would be too many seats" => ErrorCode::SeatLimit,
            "one hold may not have so many seats of the type" => ErrorCode::TypeLimit,
            "the match is not on sale" => ErrorCode::MatchNotOpen,
            "all seats are taken" => ErrorCode::SoldOut,
            "the seats are already reserved" => ErrorCode::AlreadyReserved,
            "the hold has expired" => ErrorCode::HoldExpired,
            "the time to pay is over" => ErrorCode::ReservationExpired,
            "the reservation is not waiting for a payment" => ErrorCode::ReservationNotPending,
            "the reservation cannot be cancelled like this" => ErrorCode::NotCancellable,
            "the e-mail already has an account" => ErrorCode::EmailTaken,
            "the match has no waiting room" => ErrorCode::QueueOff,
            "a match uses the site" => ErrorCode::SiteInUse,
            "the match is no draft any more" => ErrorCode::MatchOnSale,
            "the match is already on sale" => ErrorCode::MatchAlreadyOpen,
            "the key belongs to another request" => ErrorCode::IdempotencyKeyReused,
            "the order or the amount is wrong" => ErrorCode::AmountMismatch,
            "tickets cannot be given back any more" => ErrorCode::RefundClosed,
            "it is no ticket of the match" => ErrorCode::CodeNotFound,
            "somebody has entered with the code before" => ErrorCode::CheckedInBefore,
            "too many holds ended unpaid" => ErrorCode::CoolDown,
            "there were too many attempts" => ErrorCode::TooManyRequests,
            unknown => return Err(format!("no error code has the reason \"{unknown}\"")),
        };
        Ok(Self(code))
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = match text {
            "free" => "AVAILABLE",
            "held" => "HOLD",
            "reserved" => "PENDING",
            "sold" => "OCCUPIED",
            "blocked" => "BLOCKED",
            unknown => return Err(format!("no seat is \"{unknown}\"")),
        };
        Ok(Self(word))
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = match text {
            "pending" => "PENDING",
            "confirmed" => "CONFIRMED",
            "cancelled" => "CANCELLED",
            "paid" => "PAID",
            "refunded" => "REFUNDED",
            unknown => return Err(format!("nothing is \"{unknown}\"")),
        };
        Ok(Self(word))
    }
}

impl FromStr for Sale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = match text {
            "a draft" => "DRAFT",
            "announced" => "ANNOUNCED",
            "on sale" => "OPEN",
            "closed" => "CLOSED",
            unknown => return Err(format!("no match is \"{unknown}\"")),
        };
        Ok(Self(word))
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(", ").flat_map(|part| part.split(" and "))
}

/// A time of a scenario as the settings have it.
pub fn milliseconds(seconds: f64) -> u64 {
    let time = Duration::from_secs_f64(seconds);
    u64::try_from(time.as_millis()).expect("a time of a scenario")
}
