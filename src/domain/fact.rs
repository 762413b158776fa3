//! The durable facts that scripts append to the journal, and their form as stream fields.
//!
//! Two releases may write and read one journal at the same time. Field `v` is the form, `MAJOR` or
//! `MAJOR.MINOR`. An addition (a field, a kind) raises the minor number: an older release ignores
//! fields that it does not know, and a newer release has a value for fields that are missing. A
//! change of meaning raises the major number. An entry of a newer major form or of an unknown kind
//! goes to the dead letters, and a newer release replays it. So new workers start before new nodes
//! of the API.

use crate::domain::account::Account;
use crate::domain::bill::Bill;
use crate::domain::catalog::{Match, Site};
use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, SiteId, UserId};
use crate::domain::money::Money;
use crate::domain::position::{Position, StreamId};
use crate::domain::refund::RefundTerms;
use crate::domain::seat::parse_seats;
use crate::domain::trail::TrailEntry;
use std::collections::HashMap;

/// One durable fact.
#[derive(Debug, Clone)]
pub enum Fact {
    Account(Account),
    AccountDeleted(UserId),
    Site(Box<Site>),
    SiteDeleted(SiteId),
    Match(Box<Match>),
    MatchDeleted(MatchId),
    /// Seats taken out of the sale (`true`) or given back.
    SeatsBlocked(MatchId, Vec<SeatId>, bool),
    Payment(PaymentStep, Box<PaymentFact>),
    /// An entry of the audit trail.
    Trail(Box<TrailEntry>),
    /// A fact out of a dead letter, with its first position in the journal. It counts as if it were
    /// still there, because other facts may have come since.
    Late(Position, Box<Fact>),
    /// The entry before this one was a dead letter, stored under this position.
    DeadLetterReplayed(Position),
}

/// The greatest major form that this release reads; it writes the same.
const FORM: u32 = 1;

/// The field that replaces values which are no text (`stream/journal.rs`).
pub const NOT_TEXT: &str = "not text";

/// What happened to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStep {
    Begun,
    Approved,
    Declined,
    /// Withdrawn before the gateway was asked.
    Withdrawn,
    /// PostgreSQL has an earlier sale of one of its seats.
    Lost,
    /// Money was charged for seats that are gone, so it goes back.
    RefundOwed,
    RefundBegun,
    /// The gateway will not give the money back, so the sale stands.
    RefundRefused,
    /// The money of some seats is back; the others stay sold.
    RefundDone,
    /// All money is back.
    Refunded,
}

impl PaymentStep {
    /// All steps.
    pub const ALL: [Self; 10] = [
        Self::Begun,
        Self::Approved,
        Self::Declined,
        Self::Withdrawn,
        Self::Lost,
        Self::RefundOwed,
        Self::RefundBegun,
        Self::RefundRefused,
        Self::RefundDone,
        Self::Refunded,
    ];

    /// The kind of its fact in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Begun => "payment_begun",
            Self::Approved => "payment_approved",
            Self::Declined => "payment_declined",
            Self::Withdrawn => "payment_withdrawn",
            Self::Lost => "payment_lost",
            Self::RefundOwed => "refund_owed",
            Self::RefundBegun => "refund_begun",
            Self::RefundRefused => "refund_refused",
            Self::RefundDone => "refund_done",
            Self::Refunded => "payment_refunded",
        }
    }

    /// Reads the kind; `None` for a fact that is not about a payment.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == word)
    }
}

/// A payment at the moment of a step.
#[derive(Debug, Clone)]
pub struct PaymentFact {
    pub payment: PaymentId,
    pub reservation: ReservationId,
    pub match_id: MatchId,
    pub user: UserId,
    pub seats: Vec<SeatId>,
    /// In KRW.
    pub amount: i64,
    pub method: String,
    pub key: String,
    pub version: i64,
    /// Milliseconds of Redis.
    pub at: i64,
    /// The gateway's code when it refused.
    pub code: Option<String>,
    /// The attempt and the refund that the step is about; empty in entries of the first releases.
    pub money: Money,
    /// The terms of refunds that the sale is made under; none when the writer did not know them.
    pub terms: Option<RefundTerms>,
    /// What the seats cost; empty when the plan says so, or the writer did not know it.
    pub bill: Bill,
}

/// Why an entry of the journal can't be read.
#[derive(Debug, thiserror::Error)]
pub enum BadFact {
    #[error("form {0:?} is newer than this release")]
    Version(String),
    #[error("it holds bytes that are no text")]
    NotText,
    #[error("unknown kind {0:?}")]
    Kind(String),
    #[error("field {0} is missing or wrong")]
    Field(&'static str),
    #[error("the document can't be read: {0}")]
    Document(#[from] serde_json::Error),
}

/// Fields of one stream entry.
pub type Fields = HashMap<String, String>;

impl Fact {
    /// Reads the fields of a journal entry. Its id has the time at which it was written.
    pub fn parse(id: StreamId, fields: &Fields) -> Result<Self, BadFact> {
        if fields.contains_key(NOT_TEXT) {
            return Err(BadFact::NotText);
        }
        // The first form had no number.
        let version = fields.get("v").map_or("1", String::as_str);
        let major = version.split('.').next().unwrap_or_default();
        if !major.parse().is_ok_and(|major: u32| major <= FORM) {
            return Err(BadFact::Version(version.to_owned()));
        }
        let fact = Self::parse_kind(id, fields)?;
        match fields.get("was") {
            None => Ok(fact),
            Some(place) => {
                let place = place.parse().map_err(|_| BadFact::Field("was"))?;
                Ok(Self::Late(place, Box::new(fact)))
            }
        }
    }

    fn parse_kind(id: StreamId, fields: &Fields) -> Result<Self, BadFact> {
        let kind = text(fields, "t")?;
        let document = || text(fields, "doc");
        let step = match kind {
            "account" => return Ok(Self::Account(serde_json::from_str(document()?)?)),
            "site" => return Ok(Self::Site(serde_json::from_str(document()?)?)),
            "match" => return Ok(Self::Match(serde_json::from_str(document()?)?)),
            "trail" => return Ok(Self::Trail(serde_json::from_str(document()?)?)),
            "account_deleted" => {
                return Ok(Self::AccountDeleted(key(fields, "id", UserId::from_key)?));
            }
            "site_deleted" => {
                return Ok(Self::SiteDeleted(key(fields, "id", SiteId::from_key)?));
            }
            "match_deleted" => {
                return Ok(Self::MatchDeleted(key(fields, "id", MatchId::from_key)?));
            }
            "seats_blocked" | "seats_unblocked" => {
                let seats = parse_seats(text(fields, "seats")?).ok_or(BadFact::Field("seats"))?;
                let fixture = key(fields, "match", MatchId::from_key)?;
                return Ok(Self::SeatsBlocked(fixture, seats, kind == "seats_blocked"));
            }
            "dead_letter_replayed" => {
                let id = text(fields, "entry")?.parse().map_err(|_| BadFact::Field("entry"))?;
                let epoch = number(fields, "epoch")? as u64;
                return Ok(Self::DeadLetterReplayed(Position { epoch, id }));
            }
            other => {
                PaymentStep::from_word(other).ok_or_else(|| BadFact::Kind(other.to_owned()))?
            }
        };
        Ok(Self::Payment(step, Box::new(PaymentFact::parse(id, fields)?)))
    }
}

impl PaymentFact {
    fn parse(id: StreamId, fields: &Fields) -> Result<Self, BadFact> {
        let optional = |name| fields.get(name).cloned().unwrap_or_default();
        let or = |name, value| match fields.get(name).map(String::as_str) {
            None | Some("") => Ok(value),
            Some(_) => number(fields, name),
        };
        let at = or("at", id.ms as i64)?;
        Ok(Self {
            payment: key(fields, "payment", PaymentId::from_key)?,
            reservation: key(fields, "reservation", ReservationId::from_key)?,
            match_id: key(fields, "match", MatchId::from_key)?,
            user: key(fields, "user", UserId::from_key)?,
            seats: parse_seats(text(fields, "seats")?).ok_or(BadFact::Field("seats"))?,
            amount: number(fields, "amount")?,
            method: optional("method"),
            key: optional("key"),
            version: or("version", 0)?,
            at,
            code: fields.get("code").cloned(),
            money: Money::parse(fields.get("money").map_or("", String::as_str))
                .ok_or(BadFact::Field("money"))?,
            terms: match fields.get("terms") {
                Some(terms) => Some(RefundTerms::parse(terms).ok_or(BadFact::Field("terms"))?),
                None => None,
            },
            bill: Bill::parse(fields.get("bill").map_or("", String::as_str))
                .ok_or(BadFact::Field("bill"))?,
        })
    }
}

fn text<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a str, BadFact> {
    fields.get(name).map(String::as_str).ok_or(BadFact::Field(name))
}

fn number(fields: &Fields, name: &'static str) -> Result<i64, BadFact> {
    text(fields, name)?.parse().map_err(|_| BadFact::Field(name))
}

fn key<T>(fields: &Fields, name: &'static str, read: fn(&str) -> Option<T>) -> Result<T, BadFact> {
    read(text(fields, name)?).ok_or(BadFact::Field(name))
}
