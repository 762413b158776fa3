//! The states that columns keep as words.

use crate::domain::account::Role;
use crate::domain::claim::{PaymentStatus, ReservationStatus};
use std::error::Error;
use tokio_postgres::types::{FromSql, Type};

/// The status of a row of `payments`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentRowStatus {
    /// It has its claim, and no outcome yet.
    InProgress,
    /// An earlier sale has some of its seats. Redis may not know that yet.
    Lost,
    Paid,
    Failed,
    /// It was taken back before the gateway was asked.
    Withdrawn,
    /// All of its money went back.
    Refunded,
}

impl PaymentRowStatus {
    /// The word in the column.
    pub fn word(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Lost => "LOST",
            Self::Paid => "PAID",
            Self::Failed => "FAILED",
            Self::Withdrawn => "WITHDRAWN",
            Self::Refunded => "REFUNDED",
        }
    }

    /// The status that the API shows.
    pub(super) fn shown(self) -> PaymentStatus {
        match self {
            Self::InProgress => PaymentStatus::InProgress,
            Self::Paid => PaymentStatus::Paid,
            Self::Refunded => PaymentStatus::Refunded,
            Self::Lost | Self::Failed | Self::Withdrawn => PaymentStatus::Failed,
        }
    }
}

/// The status of a row of `refunds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundRowStatus {
    Begun,
    Done,
    /// The gateway will not give the money back.
    Refused,
}

impl RefundRowStatus {
    /// The word in the column.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Begun => "BEGUN",
            Self::Done => "DONE",
            Self::Refused => "REFUSED",
        }
    }
}

/// Lets `Row::get` read a state. A word that is not listed can't be in a column, because a
/// constraint of the table allows no other.
macro_rules! read_by_word {
    ($state:ty: $($variant:ident)*) => {
        impl<'a> FromSql<'a> for $state {
            fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
                let word = <&str>::from_sql(kind, raw)?;
                let found = [$(Self::$variant),*].into_iter().find(|state| state.word() == word);
                found.ok_or_else(|| format!("unknown {} {word:?}", stringify!($state)).into())
            }

            fn accepts(kind: &Type) -> bool {
                <&str as FromSql>::accepts(kind)
            }
        }
    };
}

read_by_word!(PaymentRowStatus: InProgress Lost Paid Failed Withdrawn Refunded);
read_by_word!(RefundRowStatus: Begun Done Refused);
read_by_word!(ReservationStatus: Pending Paying Confirmed Cancelled);
read_by_word!(Role: User Admin);
