//! The replies of the seat batch: a word, and what follows it, with blanks between.

use crate::domain::bill::Bill;
use crate::domain::claim::{Claim, ClaimState, EndReason};
use crate::domain::ids::{HoldId, HoldOwner, MatchId, ReservationId, SeatId, UserId};
use crate::domain::refund::RefundTerms;
use crate::domain::seat::parse_seats;
use crate::engine::error::{EngineError, NotCancellable, NotPending, Noun, OpenClaim, Refusal};
use uuid::Uuid;

/// Seats that a claim has: a hold or a reservation as the script returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The id of the hold or reservation. Under an Idempotency-Key it is that of the first call.
    pub claim: ReservationId,
    /// Whether it is the claim of an earlier call under the same Idempotency-Key.
    pub replayed: bool,
    /// Milliseconds of the clock of the partition.
    pub deadline: i64,
    pub version: u64,
    /// In KRW.
    pub amount: i64,
    pub seats: Vec<SeatId>,
    /// What the buyer is promised; none for a hold.
    pub refund_terms: Option<RefundTerms>,
    pub bill: Bill,
}

/// A reply that no release of this engine gives.
pub(super) fn bad(reply: &str) -> EngineError {
    EngineError::BadReply(reply.to_owned())
}

/// A reply that consists of this word alone.
pub(super) fn done(reply: &str, word: &str, noun: Noun) -> Result<(), EngineError> {
    if reply == word { Ok(()) } else { Err(refusal(reply, noun)) }
}

/// A reply that begins with this word.
pub(super) fn done_with(reply: &str, word: &str, noun: Noun) -> Result<(), EngineError> {
    if first_word(reply) == word { Ok(()) } else { Err(refusal(reply, noun)) }
}

/// A reply that has the record of a claim behind this word. `made` is the id that this call has
/// made: a claim under another id is that of an earlier call.
pub(super) fn granted(
    reply: &str,
    word: &str,
    (user, made): (UserId, Option<Uuid>),
    noun: Noun,
) -> Result<Granted, EngineError> {
    let Some(record) = reply.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')) else {
        return Err(refusal(reply, noun));
    };
    let Claim { id, deadline, version, amount, seats, refund_terms, bill, .. } =
        Claim::parse(user, record).ok_or_else(|| bad(reply))?;
    let replayed = made != Some(id.0);
    Ok(Granted { claim: id, replayed, deadline, version, amount, seats, refund_terms, bill })
}

/// The word at the beginning.
pub(super) fn first_word(reply: &str) -> &str {
    reply.split(' ').next().unwrap_or_default()
}

/// Refuses a hold that cannot be this user's in this match. The scripts rely on this check: they
/// cannot tell a hold of another user from one that is over (`find_hold` in `lua/lib/claims.lua`).
/// For seats that are named without a hold, `not_yours` in `lua/seat` is the same refusal.
pub(super) fn owned(hold: HoldId, match_id: MatchId, user: UserId) -> Result<(), EngineError> {
    match hold.owner(user) {
        HoldOwner::User if hold.partition() != match_id.partition() => {
            Err(Refusal::NotFound(Noun::Hold).into())
        }
        HoldOwner::User => Ok(()),
        HoldOwner::Another => Err(Refusal::NotYours.into()),
        HoldOwner::Nobody => Err(Refusal::NotFound(Noun::Hold).into()),
    }
}

/// The refusals of `seat_batch.lua`. `noun` is what the command was about: `not_found` means that.
pub(super) fn refusal(reply: &str, noun: Noun) -> EngineError {
    let (word, rest) = reply.split_once(' ').unwrap_or((reply, ""));
    let seats = || parse_seats(rest);
    let refusal = match word {
        "not_loaded" => return EngineError::NotLoaded,
        "exists_different" => Some(Refusal::ExistsDifferent),
        "not_open" => Some(Refusal::NotOpen { ended: !matches!(rest, "DRAFT" | "ANNOUNCED") }),
        "archived" => Some(Refusal::Archived),
        "pass_required" => Some(Refusal::PassRequired),
        "cool_down" => cool_down(rest),
        "one_hold" => open_claim(rest).map(Refusal::OneHold),
        "seat_limit" => Some(Refusal::SeatLimit),
        "taken" => seats().map(Refusal::Taken),
        "orphan" => seats().map(Refusal::Orphan),
        "not_found" => Some(Refusal::NotFound(noun)),
        "not_yours" => Some(Refusal::NotYours),
        "already_held" => {
            claimed(rest).map(|(id, seats)| Refusal::AlreadyHeld(HoldId(id.0), seats))
        }
        "already_reserved" if rest.is_empty() => Some(Refusal::AlreadyReserved),
        "already_reserved" => claimed(rest).map(|(id, seats)| Refusal::ReservedByYou(id, seats)),
        "expired" => seats().map(Refusal::HoldExpired),
        "not_pending" => not_pending(rest).map(Refusal::NotPending),
        "ended" => EndReason::from_word(rest).map(Refusal::ReservationEnded),
        "amount_mismatch" => Some(Refusal::AmountMismatch),
        "price_changed" => Some(Refusal::PriceChanged),
        "changed" => Some(Refusal::Changed),
        "failed" => Some(Refusal::PaymentFailed),
        "halted" => Some(Refusal::PaymentsHalted),
        "paying" => Some(Refusal::Paying),
        "too_late" => Some(Refusal::RefundClosed),
        "not_cancellable" => not_cancellable(rest),
        _ => None,
    };
    refusal.map_or_else(|| bad(reply), EngineError::from)
}

/// The end of a cool-down and the time of the refusal, in ms.
fn cool_down(text: &str) -> Option<Refusal> {
    let (until, now) = text.split_once(' ')?;
    Some(Refusal::CoolDown { until: until.parse().ok()?, now: now.parse().ok()? })
}

fn open_claim(text: &str) -> Option<OpenClaim> {
    let (letter, id) = text.split_once(' ')?;
    let id = ReservationId::from_key(id)?;
    Some(match ClaimState::from_letter(letter)? {
        ClaimState::Hold => OpenClaim::Hold(HoldId(id.0)),
        _ => OpenClaim::Reservation(id),
    })
}

/// A claim and some of its seats.
fn claimed(text: &str) -> Option<(ReservationId, Vec<SeatId>)> {
    let (id, seats) = text.split_once(' ')?;
    Some((ReservationId::from_key(id)?, parse_seats(seats)?))
}

/// By the letter of the state that the claim is in.
fn not_pending(letter: &str) -> Option<NotPending> {
    match letter {
        // A hold waits for no payment either.
        "P" | "H" => Some(NotPending::Replaced),
        "Y" => Some(NotPending::Paying),
        "C" => Some(NotPending::Paid),
        "R" => Some(NotPending::Refunding),
        _ => None,
    }
}

fn not_cancellable(reason: &str) -> Option<Refusal> {
    match reason {
        "REFUNDING" => Some(Refusal::RefundUnderWay),
        "AMOUNT" => Some(Refusal::PriceChanged),
        "PENDING" => Some(Refusal::NotCancellable(NotCancellable::PartOfUnpaid)),
        reason => {
            let ended = EndReason::from_word(reason)?;
            Some(Refusal::NotCancellable(NotCancellable::Ended(Some(ended))))
        }
    }
}
