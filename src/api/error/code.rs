//! Every code that a problem document can have, with its status, when it is sent, and a sentence
//! for people. The OpenAPI document, docs/API.md and the list of the page follow this table.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[doc = $when:literal])+ $name:ident = $status:literal $(after $seconds:literal)?:
        $detail:literal,)+) => {
        /// The kind of a refusal, for programs. A code never changes its meaning.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
        )]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum ErrorCode {
            $($(#[doc = $when])+ $name,)+
        }

        impl ErrorCode {
            /// All codes, by status.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $status,)+
                }
            }

            /// When it is sent, in a sentence.
            pub fn when(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($when,)+).trim_ascii(),)+
                }
            }

            /// After how many seconds a client should try again. `None` when it should not, or when
            /// the limit itself says.
            pub fn retry_after_seconds(self) -> Option<u64> {
                let seconds: &[u64] = match self {
                    $(Self::$name => &[$($seconds)?],)+
                };
                seconds.first().copied()
            }

            /// The sentence for people when there is no more exact one: what happened, and what to
            /// do.
            pub fn detail(self) -> &'static str {
                match self {
                    $(Self::$name => $detail,)+
                }
            }
        }
    };
}

codes! {
    /// A field is missing or wrong; `errors` names each.
    Validation = 400: "A field is wrong; nothing was changed.",
    /// The body is not JSON, or the head of the request can't be read.
    Malformed = 400: "The body is not JSON.",
    /// There is no token, it is too old, or the session has ended.
    Unauthorized = 401: "The session has ended. Log in again.",
    /// E-mail or password is wrong; the response does not say which.
    BadCredentials = 401: "E-mail or password is not right. Check both, or sign up.",
    /// The password is right, and the account has a second factor: send its `code` too.
    SecondFactorRequired = 401: "Enter the code of your authenticator app, too.",
    /// The gateway refused for good; `gatewayCode` says why (`VIRTUAL_ACCOUNT_NOT_ACCEPTED`: seats
    /// don't wait for a deposit).
    PaymentDeclined = 402: "The payment was declined. Request a new payment to try again.",
    /// The role of the caller does not allow this, or not at this site.
    Forbidden = 403: "Your role does not allow this.",
    /// The caller has an API key without the scope of this call, or the call is for people only.
    ScopeMissing = 403: "The API key does not allow this. An administrator can make another key.",
    /// An administrator has disabled the account.
    AccountDisabled = 403: "This account is disabled. Please ask the organiser.",
    /// A caller who is logged in gave a wrong password.
    WrongPassword = 403: "The password is not right.",
    /// The code of the second factor is wrong, too old, or was used before.
    WrongSecondFactor = 403:
        "The code is not right, or was used before. Wait for the next code of your app.",
    /// People with a role need a second factor here, and the caller has none.
    SecondFactorMissing = 403:
        "Your role needs a second factor here. Set one up in your account, then log in again.",
    /// The match has a queue, and the caller has no valid pass.
    PassRequired = 403:
        "This match has a waiting room. Join the queue and wait for your pass.",
    /// The match sells only to users whose e-mail is verified.
    EmailNotVerified = 403:
        "Confirm your e-mail address first: this match sells only to people who have done so.",
    /// The waiting room asks for the solution of `challenge`; an old solution, or one that does not
    /// fit, gets a new challenge.
    ChallengeRequired = 403: "Solve the challenge before you join this waiting room.",
    /// The caller does not hold the seats.
    NotYours = 403: "These seats are not held by you.",
    /// There is no such address.
    NotFound = 404: "There is nothing at this address. /api-docs/openapi.json lists all addresses.",
    /// There is no such match, or it is a draft and the caller is no administrator.
    MatchNotFound = 404: "There is no match with this id.",
    /// There is no such account.
    AccountNotFound = 404: "There is no account with this id.",
    /// There is no such API key, or somebody has deleted it.
    ApiKeyNotFound = 404: "There is no API key with this id.",
    /// The caller has no such session, or it has ended.
    SessionNotFound = 404: "You have no session with this id.",
    /// No node has made this code for this match.
    CodeNotFound = 404: "This is no ticket of this match.",
    /// There is no such site.
    SiteNotFound = 404: "There is no site with this id.",
    /// The site has no such area.
    AreaNotFound = 404: "The site has no area with this id.",
    /// The site has no such section.
    SectionNotFound = 404: "The site has no section with this id.",
    /// The site has no such block.
    BlockNotFound = 404: "The site has no block with this id.",
    /// The site has no such seats; `seatIds` names them.
    SeatNotFound = 404: "Not all of these seats exist at the site of this match.",
    /// No hold of this match ever had this id. (Releasing an ended hold returns 204, and so does
    /// releasing a hold that became a reservation more than about 10 minutes ago.)
    HoldNotFound = 404: "There is no hold with this id.",
    /// The caller has no such reservation.
    ReservationNotFound = 404: "You have no reservation with this id.",
    /// The caller has no such payment.
    PaymentNotFound = 404:
        "You have no payment with this id. If a later request for the same reservation has taken \
         its place, nothing was charged for it.",
    /// The caller has not joined the queue.
    NotInQueue = 404: "You are not in the queue: join it first.",
    /// People of this match are served in the order in which they join.
    NoDraw = 404: "This match has no draw: people are served in the order in which they join.",
    /// The address has other methods; the header `Allow` lists them.
    MethodNotAllowed = 405:
        "This address does not have this method. The header allow lists the methods that it has.",
    /// The body did not come within 10 seconds.
    BodyTooSlow = 408: "The body of the request did not come in time. Send it again.",
    /// The account is the last administrator, and an installation needs one.
    LastAdministrator = 409: "This is the last administrator. Make another one first.",
    /// The caller holds some of these seats: `seatIds`, in the hold `holdId`. Nobody else has any
    /// of them.
    AlreadyHeld = 409:
        "You hold these seats already. Reserve them, or give them back to choose others.",
    /// Someone was faster; `lost` names the seats, and a hold also gets `alternatives`.
    SeatTaken = 409: "Some of these seats are not free any more.",
    /// No seats are left that fit `bestAvailable`, or no seats at all for a user who joins a
    /// queue.
    SoldOut = 409: "There are no such seats any more. Seats may come back.",
    /// The match has `orphanRule`, and the choice leaves the seats in `orphans` alone, although the
    /// same number of free seats side by side there leaves no seat alone.
    OrphanSeat = 409: "This choice would leave a single seat alone. Move it by one seat.",
    /// The call names a part of a unit that is sold only as a whole (a table, a couple seat);
    /// `seatIds` names the other seats.
    UnitIncomplete = 409: "These seats are sold only as a whole. Take the other seats too.",
    /// Seats for companions would have no accessible seat of their own; `seatIds` names them.
    AccessibleOnly = 409:
        "These seats are for companions of somebody in an accessible place. Choose that place too.",
    /// An area without seats has fewer places than are wanted; `left` says how many.
    AreaFull = 409: "This area has not so many places left.",
    /// The link of a mail was used before, is too old, or a later mail has replaced it.
    LinkExpired = 409: "The link was used before or is too old. Ask for a new mail.",
    /// The match allows one open hold per user; `holdId` or `reservationId` is what is not paid
    /// yet.
    OneHoldOnly = 409:
        "You have seats of this match that are not paid yet. Pay for them, or give them back \
         first.",
    /// These would be more seats than one person may have in a match.
    SeatLimit = 409: "This would be more seats than one person may have in a match.",
    /// The hold has more seats of a ticket type than the price list allows, as `detail` says.
    TypeLimit = 409: "This would be more seats of a ticket type than one hold may have.",
    /// The match is not on sale yet, or not any more, as `detail` says.
    MatchNotOpen = 409: "Tickets of this match are not on sale at the moment.",
    /// The hold has become a reservation; a caller whose own reservation has the seats also gets
    /// `reservationId` and `seatIds`.
    AlreadyReserved = 409: "These seats are part of a reservation already.",
    /// It is too late to reserve; `lost` names the seats when seats were given.
    HoldExpired = 409: "The time of the hold is over. Choose your seats again.",
    /// The seats were held at other prices than this node has; they stay held.
    PriceChanged = 409:
        "The price of these seats is not the one they were held at. The seats stay yours: look up \
         your holds, and try again in a moment.",
    /// It is too late to pay; nothing was charged.
    ReservationExpired = 409:
        "The time to pay is over and the seats are free again. Nothing was charged.",
    /// The money came when the seats were not the buyer's any more; all of it goes back.
    PaidTooLate = 409:
        "The payment came through when the seats were not yours any more. The money goes back in \
         full.",
    /// The reservation is paid, being paid or cancelled, or this payment was replaced by a later
    /// request or declined before, as `detail` says.
    ReservationNotPending = 409: "This reservation is not waiting for a payment.",
    /// A payment is under way, the reservation has ended, or `seatIds` names a part of a
    /// reservation that is not paid yet, as `detail` says.
    NotCancellable = 409:
        "This reservation can't be cancelled, or not in this way: before it is paid it is \
         cancelled whole, without seatIds.",
    /// The money of other seats of the reservation is on its way back.
    RefundUnderWay = 409:
        "The money of other seats of this reservation is on its way back. Try again when it has \
         arrived.",
    /// It is later than `refund.until` of the reservation, or somebody has entered with one of the
    /// seats; only an organiser can cancel it now.
    RefundClosed = 409:
        "These tickets can't be given back any more. Ask the organiser.",
    /// The seat of the code was given back, or is being given back.
    NotConfirmed = 409: "This ticket does not count any more: it was given back.",
    /// Somebody has entered with this code at `checkedInAt`.
    CheckedInBefore = 409: "Somebody has entered with this ticket before.",
    /// The gateway keeps the money; the reservation stays.
    RefundRefused = 409:
        "The card company refuses to give the money back; the reservation stays yours. Ask the \
         organiser.",
    /// PostgreSQL has an earlier sale of the seats in `lost`; nothing was charged.
    SeatSold = 409:
        "These seats belong to an earlier sale. Nothing was charged; please choose others.",
    /// The first call with this `Idempotency-Key` has no response yet.
    IdempotencyKeyInUse = 409 after 1:
        "A call with this Idempotency-Key is under way. Repeat in a moment.",
    /// There is an account with this e-mail.
    EmailTaken = 409: "There is an account with this e-mail. Log in instead.",
    /// The account has a second factor; remove it before you set up another.
    SecondFactorOn = 409: "Your account has a second factor. Remove it first.",
    /// The match has no queue.
    QueueOff = 409: "This match has no waiting room: just choose your seats.",
    /// Somebody else changed the document.
    ChangedMeanwhile = 409:
        "Someone else has changed it in the meantime. Read it again, then repeat.",
    /// A match that is not DRAFT uses the site, or, for deleting, any match.
    SiteInUse = 409: "A match uses this site: it can't change under the buyers. Make a new site.",
    /// A draft has blocked seats that it would lose with its plan or its site; `seatIds` names
    /// them.
    SeatsBlocked = 409: "Seats of a draft are blocked. Unblock them first.",
    /// The match is not a draft any more.
    MatchOnSale = 409: "The match is announced, or it is or was on sale.",
    /// The match is on sale.
    MatchAlreadyOpen = 409: "The match is on sale already.",
    /// The match is long over: there is no seat map, no cancellation, no opening.
    MatchArchived = 410: "This match is over, and its sale is closed for good.",
    /// The document has another version than `If-Match` says.
    VersionMismatch = 412:
        "It has changed since you have read it. Read it again, and see whether your change still \
         fits.",
    /// The body is above the limit.
    TooLarge = 413: "The body is too large.",
    /// The body is not `application/json`.
    UnsupportedMediaType = 415:
        "The body must be JSON: send the header content-type: application/json.",
    /// The `Idempotency-Key` was used with another body.
    IdempotencyKeyReused = 422: "This Idempotency-Key was used with another body. Use a new key.",
    /// Order or amount is not that of the payment; nothing was charged.
    AmountMismatch = 422: "Order or amount is not that of this payment. Nothing was charged.",
    /// The caller is above a rate limit.
    TooManyRequests = 429: "Too many of these at once. Try again in a moment.",
    /// Too many holds of the caller have ended unpaid, or have begun in a short time; `until` is
    /// when they may hold seats of this match again.
    CoolDown = 429: "You have held seats many times without buying. Try again a little later.",
    /// There are too many event streams from one address.
    TooManyStreams = 429: "Too many of these at once. Try again in a moment.",
    /// The head of the request has more than 16 KiB or 100 lines.
    HeadTooLarge = 431: "The address or the headers are too long. Send fewer of them.",
    /// The server has a bug.
    Internal = 500: "Something went wrong on our side. Give the requestId when you ask for help.",
    /// This is more than this node can serve now.
    Overloaded = 503 after 1: "More people are here than can be served this second. Try again.",
    /// Redis does not reply, or is out of memory.
    Unavailable = 503 after 2:
        "The seats can't be reached at the moment. Repeat with the same Idempotency-Key: nothing \
         happens twice.",
    /// The seats of the match are being loaded.
    NotLoaded = 503 after 2: "The seats of this match are being loaded. Try again in a moment.",
    /// There was no response within 15 seconds.
    Timeout = 503 after 2:
        "This took too long. Repeat with the same Idempotency-Key: nothing happens twice.",
    /// PostgreSQL or the gateway is away; nothing was charged, and the time to pay was extended.
    PaymentsPaused = 503 after 5:
        "Payments are paused for a moment. Nothing was charged, and your seats stay yours: the \
         time to pay has been extended. Try again.",
    /// PostgreSQL is away, and only PostgreSQL has this.
    HistoryUnavailable = 503 after 5:
        "Earlier purchases can't be read at the moment. Try again.",
    /// The process can't serve.
    NotReady = 503 after 2: "This process can't serve at the moment.",
}

impl ErrorCode {
    /// The status that it is sent with.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// As it is sent: `SEAT_TAKEN`.
impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_of_failure_and_two_sentences() {
        for code in ErrorCode::ALL {
            let status = code.status();
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            assert_eq!(status.as_u16(), code.number());
            for text in [code.when(), code.detail()] {
                assert!(text.ends_with(['.', ')']), "{code}: {text}");
            }
        }
        assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.number()));
        assert_eq!(ErrorCode::IdempotencyKeyInUse.to_string(), "IDEMPOTENCY_KEY_IN_USE");
    }
}
