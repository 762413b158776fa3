//! Gives every seat and every payment an owner. A worker searches the partitions that it owns, and
//! compares Redis with PostgreSQL. A payment in Redis whose begin never reached PostgreSQL is
//! withdrawn. A fact that PostgreSQL has missed is written to the journal again. A seat that is
//! taken without a hold or reservation becomes free. The search only reads, and the scripts check
//! every step again.

use crate::checkout::EXTRA_TIME_MS;
use crate::domain::catalog::MatchStatus;
use crate::domain::claim::{Claim, ClaimState};
use crate::domain::ids::{MatchId, Partition, PaymentId, SeatId};
use crate::domain::money::Attempt;
use crate::domain::position::Position;
use crate::engine::command::{MissedStep, PaymentOutcome};
use crate::engine::payments::Settled;
use crate::store::payments::PaymentProgress;
use crate::store::status::PaymentRowStatus as Status;
use crate::workers::Workers;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// The time between two searches of a partition. Some findings count only when two searches in a
/// row make them, so they are settled within 40 s. A shorter interval reads the memory of Redis
/// more often.
pub const SEARCH_INTERVAL: Duration = Duration::from_secs(20);
/// How long a search waits until PostgreSQL has read the journal. After that it ends without a
/// finding, and the next search comes.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the position of PostgreSQL is read during that wait.
const DRAIN_INTERVAL: Duration = Duration::from_millis(50);
/// The pause between two pages. It lets the commands of buyers go first.
const PAGE_PAUSE: Duration = Duration::from_millis(2);
/// Payments or seats in one query to PostgreSQL.
const ROWS_PER_QUERY: usize = 1000;

/// What the searches of one partition remember.
#[derive(Debug, Default)]
pub struct Findings {
    /// The epoch in which all of this was found.
    epoch: u64,
    /// By match: sales up to this version are in PostgreSQL. It is the version that the search
    /// before the last has seen, because the last search may have missed a sale that was made
    /// while it ran.
    checked: HashMap<MatchId, u64>,
    /// By match: the greatest version of a sale that the last search has seen.
    seen: HashMap<MatchId, u64>,
    /// Payments and seats that the last search found without an owner. They count when the next
    /// search finds them too.
    payments: HashSet<(PaymentId, u32)>,
    seats: HashSet<(MatchId, SeatId, String)>,
    /// Payments whose facts were written again. If that did not help, an operator has to act.
    repeated: HashSet<(PaymentId, u32)>,
}

/// What one search has found in Redis.
#[derive(Default)]
struct Found {
    /// Claims that are PAYING, are refunded, or were sold since the last search.
    claims: Vec<Claim>,
    /// By match: the seats that holds and reservations have.
    named: HashMap<MatchId, HashSet<SeatId>>,
    /// By match: the greatest version of a sale.
    versions: HashMap<MatchId, u64>,
}

impl Workers {
    /// Searches a partition once; returns how many seats and payments it has settled.
    pub async fn orphans_once(
        &self,
        partition: Partition,
        findings: &mut Findings,
    ) -> anyhow::Result<usize> {
        let Some(epoch) = self.engine.epoch(partition).await? else { return Ok(0) };
        if findings.epoch != epoch {
            *findings = Findings { epoch, ..Findings::default() };
        }
        let found = self.search_claims(partition, findings).await?;
        let seats = self.search_seats(partition, &found.named).await?;
        // All that the search has read was written before this entry.
        let newest = Position { epoch, id: self.engine.journal_newest(partition).await? };
        let begun = Instant::now();
        while self.position(partition).await? < newest {
            if begun.elapsed() > DRAIN_TIMEOUT {
                return Ok(0);
            }
            tokio::time::sleep(DRAIN_INTERVAL).await;
        }
        if self.engine.epoch(partition).await? != Some(epoch) {
            return Ok(0);
        }
        let settled = self.settle_payments(found, findings).await?;
        let freed = self.free_seats(seats, findings).await?;
        let count = settled + freed;
        metrics::counter!("grandstand_orphans_total").increment(count as u64);
        Ok(count)
    }

    async fn search_claims(
        &self,
        partition: Partition,
        findings: &Findings,
    ) -> anyhow::Result<Found> {
        let (mut found, mut cursor) = (Found::default(), None);
        loop {
            let (claims, next) = self.engine.claims_page(partition, cursor).await?;
            for claim in claims {
                let named = found.named.entry(claim.match_id).or_default();
                named.extend(&claim.seats);
                let checked = findings.checked.get(&claim.match_id).copied().unwrap_or_default();
                let wanted = match claim.state {
                    ClaimState::Hold | ClaimState::Pending => false,
                    ClaimState::Paying | ClaimState::Refunding => true,
                    ClaimState::Confirmed => {
                        let version = found.versions.entry(claim.match_id).or_default();
                        *version = claim.version.max(*version);
                        claim.version > checked
                    }
                };
                if wanted {
                    found.claims.push(claim);
                }
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(found);
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
    }

    /// The taken seats of matches on sale that no hold or reservation has, with their values.
    async fn search_seats(
        &self,
        partition: Partition,
        named: &HashMap<MatchId, HashSet<SeatId>>,
    ) -> anyhow::Result<HashSet<(MatchId, SeatId, String)>> {
        let (mut found, (_, matches)) = (HashSet::new(), self.engine.catalog(partition).await?);
        for fixture in matches.iter().filter(|fixture| fixture.status == MatchStatus::Open) {
            let (named, mut cursor) = (named.get(&fixture.id), None);
            loop {
                let (seats, next) = self.engine.seats_page(fixture.id, cursor).await?;
                for (seat, value) in seats {
                    let owned = named.is_some_and(|named| named.contains(&seat));
                    if !owned && value.starts_with(['H', 'P', 'O']) {
                        found.insert((fixture.id, seat, value));
                    }
                }
                cursor = next;
                if cursor.is_none() {
                    break;
                }
                tokio::time::sleep(PAGE_PAUSE).await;
            }
        }
        Ok(found)
    }

    async fn settle_payments(
        &self,
        found: Found,
        findings: &mut Findings,
    ) -> anyhow::Result<usize> {
        let (mut settled, mut suspects) = (0, HashSet::new());
        for page in found.claims.chunks(ROWS_PER_QUERY) {
            let ids: Vec<PaymentId> =
                page.iter().filter_map(|claim| Some(claim.payment.as_ref()?.id)).collect();
            let kept = self.store.payment_progress(&ids).await?;
            for claim in page {
                let Some(attempt) = attempt_of(claim) else { continue };
                let kept = kept.get(&attempt.payment).copied();
                let done = match claim.state {
                    ClaimState::Paying => {
                        let suspect = (attempt.payment, attempt.number);
                        self.settle_paying(
                            &attempt,
                            kept,
                            findings.payments.contains(&suspect),
                            || {
                                suspects.insert(suspect);
                            },
                        )
                        .await?
                    }
                    ClaimState::Confirmed | ClaimState::Refunding => {
                        self.repeat_sale(claim, &attempt, kept, findings).await?
                    }
                    ClaimState::Hold | ClaimState::Pending => false,
                };
                settled += usize::from(done);
            }
        }
        findings.payments = suspects;
        findings.checked = std::mem::replace(&mut findings.seen, found.versions);
        Ok(settled)
    }

    /// Settles a payment that waits for its outcome in Redis, and not in PostgreSQL. The node that
    /// began it has long given up waiting for the row, and without the row it never asks the
    /// gateway. `again`: the last search found it too.
    async fn settle_paying(
        &self,
        attempt: &Attempt,
        kept: Option<PaymentProgress>,
        again: bool,
        suspect: impl FnOnce(),
    ) -> anyhow::Result<bool> {
        let outcome = match kept {
            // The reconciler acts on it.
            Some(PaymentProgress { status: Status::InProgress | Status::Lost, .. }) => {
                return Ok(false);
            }
            // Redis has lost the outcome.
            Some(PaymentProgress {
                status: Status::Paid | Status::Refunded,
                attempt: kept,
                ..
            }) if kept == attempt.number => PaymentOutcome::Approved,
            Some(_) | None => PaymentOutcome::Withdrawn(EXTRA_TIME_MS),
        };
        if !again {
            suspect();
            return Ok(false);
        }
        let settled = self.engine.settle_payment(attempt, outcome).await?;
        let payment = attempt.payment;
        tracing::warn!(%payment, ?settled, "a payment that only Redis waited for is settled");
        if settled == Settled::Asked {
            // The gateway may have been asked. PostgreSQL gets the begin of the payment, and then
            // the reconciler asks the gateway.
            self.engine.tell_again(attempt, MissedStep::Begin).await?;
        }
        Ok(true)
    }

    /// Writes a fact of a sale, or of its refund, again when PostgreSQL has missed it.
    async fn repeat_sale(
        &self,
        claim: &Claim,
        attempt: &Attempt,
        kept: Option<PaymentProgress>,
        findings: &mut Findings,
    ) -> anyhow::Result<bool> {
        let refund = claim.payment.as_ref().map_or(0, |payment| payment.money.refund);
        let what = match kept {
            None => MissedStep::Outcome,
            Some(kept) => match kept.status {
                Status::InProgress | Status::Lost => MissedStep::Outcome,
                Status::Paid | Status::Refunded
                    if claim.state == ClaimState::Refunding
                        && !kept.refunding
                        && kept.last_refund < refund =>
                {
                    MissedStep::Begin
                }
                Status::Paid | Status::Refunded => return Ok(false),
                Status::Failed | Status::Withdrawn => {
                    let payment = attempt.payment;
                    tracing::error!(%payment, "a sale in Redis is not paid in PostgreSQL");
                    return Ok(false);
                }
            },
        };
        if findings.repeated.contains(&(attempt.payment, refund)) {
            return Ok(false);
        }
        let told = self.engine.tell_again(attempt, what).await?;
        findings.repeated.insert((attempt.payment, refund));
        tracing::warn!(payment = %attempt.payment, told, "PostgreSQL had missed a fact of a sale");
        Ok(told)
    }

    /// Frees seats that have no owner, neither in Redis nor in PostgreSQL, when the last search
    /// found them too.
    async fn free_seats(
        &self,
        seats: HashSet<(MatchId, SeatId, String)>,
        findings: &mut Findings,
    ) -> anyhow::Result<usize> {
        let mut again: HashMap<(MatchId, &str), Vec<SeatId>> = HashMap::new();
        for (fixture, seat, value) in seats.intersection(&findings.seats) {
            again.entry((*fixture, value)).or_default().push(*seat);
        }
        let mut freed = 0;
        for ((fixture, value), seats) in again {
            for page in seats.chunks(ROWS_PER_QUERY) {
                let claimed = self.store.claimed_among(fixture, page).await?;
                let unowned: Vec<SeatId> =
                    page.iter().copied().filter(|seat| !claimed.contains(seat)).collect();
                let sold_to_one = value.starts_with('O') && value.len() > 1;
                if sold_to_one || !claimed.is_empty() {
                    let count = page.len();
                    tracing::error!(%fixture, count, "seats have no owner: grandstand verify");
                }
                if !sold_to_one && !unowned.is_empty() {
                    let (seats, count) = (&unowned, unowned.len());
                    tracing::warn!(%fixture, ?seats, "seats without an owner are free again");
                    if self.engine.free_seats(fixture, value, unowned).await? {
                        freed += count;
                    }
                }
            }
        }
        findings.seats = seats;
        Ok(freed)
    }
}

/// The attempt that a claim is on; `None` for one without a payment.
fn attempt_of(claim: &Claim) -> Option<Attempt> {
    let payment = claim.payment.as_ref()?;
    Some(Attempt {
        match_id: claim.match_id,
        user: claim.user,
        reservation: claim.id,
        payment: payment.id,
        number: payment.money.attempt,
        seats: claim.seats.clone(),
        amount: claim.amount,
        method: payment.method.clone(),
        payment_key: payment.key.clone(),
    })
}
