//! The durable facts that scripts append to the journal, and their form as stream fields.
//! Field `v` is the version of the form: a release reads all versions up to its own, and one it
//! does not know goes to the dead letters instead of being guessed.

use crate::domain::account::Account;
use crate::domain::catalog::{Match, Site};
use crate::domain::claim::parse_seats;
use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, SiteId, UserId};
use crate::domain::money::Money;
use std::collections::HashMap;

/// One durable fact.
#[derive(Debug, Clone)]
pub enum Fact {
    Account(Account),
    Site(Box<Site>),
    SiteDeleted(SiteId),
    Match(Box<Match>),
    MatchDeleted(MatchId),
    /// Seats taken out of the sale (`true`) or given back.
    SeatsBlocked(MatchId, Vec<SeatId>, bool),
    Payment(PaymentStep, Box<PaymentFact>),
}

/// What happened to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStep {
    Begun,
    Approved,
    Declined,
    /// Taken back before the gateway was asked.
    Withdrawn,
    /// PostgreSQL has an earlier sale of one of its seats.
    Lost,
    /// Money was taken for what can't be given: it goes back.
    RefundOwed,
    RefundBegun,
    /// The gateway will not give the money back: the sale stands.
    RefundRefused,
    /// The money of some seats is back; the others stay sold.
    RefundDone,
    /// All money is back.
    Refunded,
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
    /// Attempt and refund that the step is about; nothing in entries of before there were any.
    pub money: Money,
}

/// Why an entry of the journal can't be read.
#[derive(Debug, thiserror::Error)]
pub enum BadFact {
    #[error("form {0:?} is newer than this release")]
    Version(String),
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
    /// Reads the fields of a journal entry.
    pub fn parse(fields: &Fields) -> Result<Self, BadFact> {
        let version = text(fields, "v")?;
        if version != "1" {
            return Err(BadFact::Version(version.to_owned()));
        }
        let kind = text(fields, "t")?;
        let document = || text(fields, "doc");
        let step = match kind {
            "account" => return Ok(Self::Account(serde_json::from_str(document()?)?)),
            "site" => return Ok(Self::Site(serde_json::from_str(document()?)?)),
            "match" => return Ok(Self::Match(serde_json::from_str(document()?)?)),
            "site_deleted" => {
                return Ok(Self::SiteDeleted(key(fields, "id", SiteId::from_key)?));
            }
            "match_deleted" => {
                return Ok(Self::MatchDeleted(key(fields, "id", MatchId::from_key)?));
            }
            "seats_blocked" | "seats_unblocked" => {
                let seats = parse_seats(text(fields, "seats")?).ok_or(BadFact::Field("seats"))?;
                let event = key(fields, "match", MatchId::from_key)?;
                return Ok(Self::SeatsBlocked(event, seats, kind == "seats_blocked"));
            }
            "payment_begun" => PaymentStep::Begun,
            "payment_approved" => PaymentStep::Approved,
            "payment_declined" => PaymentStep::Declined,
            "payment_withdrawn" => PaymentStep::Withdrawn,
            "payment_lost" => PaymentStep::Lost,
            "refund_owed" => PaymentStep::RefundOwed,
            "refund_done" => PaymentStep::RefundDone,
            "refund_begun" => PaymentStep::RefundBegun,
            "refund_refused" => PaymentStep::RefundRefused,
            "payment_refunded" => PaymentStep::Refunded,
            other => return Err(BadFact::Kind(other.to_owned())),
        };
        Ok(Self::Payment(step, Box::new(PaymentFact::parse(fields)?)))
    }
}

impl PaymentFact {
    fn parse(fields: &Fields) -> Result<Self, BadFact> {
        Ok(Self {
            payment: key(fields, "payment", PaymentId::from_key)?,
            reservation: key(fields, "reservation", ReservationId::from_key)?,
            match_id: key(fields, "match", MatchId::from_key)?,
            user: key(fields, "user", UserId::from_key)?,
            seats: parse_seats(text(fields, "seats")?).ok_or(BadFact::Field("seats"))?,
            amount: number(fields, "amount")?,
            method: text(fields, "method")?.to_owned(),
            key: text(fields, "key")?.to_owned(),
            version: number(fields, "version")?,
            at: number(fields, "at")?,
            code: fields.get("code").cloned(),
            money: Money::parse(fields.get("money").map_or("", String::as_str))
                .ok_or(BadFact::Field("money"))?,
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
