//! No seat and no money without an owner. A worker looks through the partitions that it owns, and
//! compares what Redis has with what PostgreSQL has: a payment in Redis whose begin PostgreSQL has
//! never taken is withdrawn, a fact that PostgreSQL has missed is told again, and a seat that
//! nobody has is free again. The look is read-only, and every step is checked again by the script.

use crate::domain::catalog::MatchStatus;
use crate::domain::claim::{Claim, ClaimState};
use crate::domain::ids::{MatchId, Partition, PaymentId, SeatId};
use crate::domain::money::Attempt;
use crate::domain::position::Position;
use crate::engine::command::MissedStep;
use crate::engine::payments::{Outcome, Settled};
use crate::store::orphans::{KeptState, KeptStatus};
use crate::workers::Workers;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// The time between two looks through a partition. Some findings count only when two looks in a row
/// make them, so they are settled within 40 s. A shorter time would read the memory of Redis more
/// often.
pub const LOOK_EVERY: Duration = Duration::from_secs(20);
/// PostgreSQL gets so long to read what the journal has; else the look ends, and the next one
/// comes.
const DRAIN: Duration = Duration::from_secs(5);
/// Between two pages, so that the commands of others go first.
const PAUSE: Duration = Duration::from_millis(2);
/// What a reservation gets when its payment is withdrawn, because the fault is ours, in ms.
const EXTRA_MS: u64 = 120_000;
/// Payments and seats per question to PostgreSQL.
const PAGE: usize = 1000;

/// What the looks at one partition remember.
#[derive(Debug, Default)]
pub struct Looks {
    /// The epoch that all this is about.
    epoch: u64,
    /// Sales up to this version of a match are in PostgreSQL: what the look before the last has
    /// seen. The last one may have passed over a sale that was made while it looked.
    checked: HashMap<MatchId, u64>,
    /// The greatest version of a sale that the last look has seen.
    seen: HashMap<MatchId, u64>,
    /// What the last look found without an owner: it counts when the next one finds it too.
    payments: HashSet<(PaymentId, u32)>,
    seats: HashSet<(MatchId, SeatId, String)>,
    /// Payments whose facts were told again: if that did not help, somebody has to look.
    told: HashSet<(PaymentId, u32)>,
}

/// What one look has found in Redis.
#[derive(Default)]
struct Found {
    /// PAYING, refunding, or sold since the last look.
    claims: Vec<Claim>,
    /// The seats that holds and reservations name.
    named: HashMap<MatchId, HashSet<SeatId>>,
    /// The greatest version of a sale in a match.
    versions: HashMap<MatchId, u64>,
}

impl Workers {
    /// Looks through a partition once, and returns how many seats, payments and facts without an
    /// owner it has seen to.
    pub async fn orphans_once(
        &self,
        partition: Partition,
        looks: &mut Looks,
    ) -> anyhow::Result<usize> {
        let Some(epoch) = self.engine.epoch(partition).await? else { return Ok(0) };
        if looks.epoch != epoch {
            *looks = Looks { epoch, ..Looks::default() };
        }
        let found = self.look_at_claims(partition, looks).await?;
        let seats = self.look_at_seats(partition, &found.named).await?;
        // All that was seen has been written before this entry.
        let newest = Position { epoch, id: self.engine.journal_newest(partition).await? };
        let begun = Instant::now();
        while self.place(partition).await? < newest {
            if begun.elapsed() > DRAIN {
                return Ok(0);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if self.engine.epoch(partition).await? != Some(epoch) {
            return Ok(0);
        }
        let settled = self.settle_payments(found, looks).await?;
        let freed = self.free_seats(seats, looks).await?;
        let count = settled + freed;
        metrics::counter!("grandstand_orphans_total").increment(count as u64);
        Ok(count)
    }

    async fn look_at_claims(&self, partition: Partition, looks: &Looks) -> anyhow::Result<Found> {
        let (mut found, mut cursor) = (Found::default(), None);
        loop {
            let (claims, next) = self.engine.claims_page(partition, cursor).await?;
            for claim in claims {
                let named = found.named.entry(claim.match_id).or_default();
                named.extend(&claim.seats);
                let checked = looks.checked.get(&claim.match_id).copied().unwrap_or_default();
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
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The seats of matches on sale that are taken, and that no hold or reservation names, with
    /// their values.
    async fn look_at_seats(
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
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(found)
    }

    async fn settle_payments(&self, found: Found, looks: &mut Looks) -> anyhow::Result<usize> {
        let (mut settled, mut suspects) = (0, HashSet::new());
        for page in found.claims.chunks(PAGE) {
            let ids: Vec<PaymentId> =
                page.iter().filter_map(|claim| Some(claim.payment.as_ref()?.id)).collect();
            let kept = self.store.payment_states(&ids).await?;
            for claim in page {
                let Some(attempt) = attempt_of(claim) else { continue };
                let kept = kept.get(&attempt.payment).copied();
                let done = match claim.state {
                    ClaimState::Paying => {
                        let suspect = (attempt.payment, attempt.number);
                        self.settle_paying(
                            &attempt,
                            kept,
                            looks.payments.contains(&suspect),
                            || {
                                suspects.insert(suspect);
                            },
                        )
                        .await?
                    }
                    ClaimState::Confirmed | ClaimState::Refunding => {
                        self.tell_sale(claim, &attempt, kept, looks).await?
                    }
                    ClaimState::Hold | ClaimState::Pending => false,
                };
                settled += usize::from(done);
            }
        }
        looks.payments = suspects;
        looks.checked = std::mem::replace(&mut looks.seen, found.versions);
        Ok(settled)
    }

    /// A payment that waits in Redis. If PostgreSQL does not wait for it, the node that began it
    /// has had much more time than it waits for the row, and never asks the gateway without the
    /// row.
    async fn settle_paying(
        &self,
        attempt: &Attempt,
        kept: Option<KeptState>,
        again: bool,
        suspect: impl FnOnce(),
    ) -> anyhow::Result<bool> {
        let outcome = match kept {
            Some(kept) if kept.status == KeptStatus::Waits => return Ok(false),
            // Redis has lost the outcome.
            Some(kept) if kept.status == KeptStatus::Paid && kept.attempt == attempt.number => {
                Outcome::Approved
            }
            Some(_) | None => Outcome::Withdrawn(EXTRA_MS),
        };
        if !again {
            suspect();
            return Ok(false);
        }
        let settled = self.engine.settle_payment(attempt, outcome).await?;
        let payment = attempt.payment;
        tracing::warn!(%payment, ?settled, "PostgreSQL did not wait for a payment");
        if settled == Settled::Asked {
            // The gateway may have been asked: PostgreSQL hears of the begin, and the reconciler
            // asks.
            self.engine.tell_again(attempt, MissedStep::Begin).await?;
        }
        Ok(true)
    }

    /// A sale in Redis, or one whose money is on its way back, of which PostgreSQL has missed a
    /// fact.
    async fn tell_sale(
        &self,
        claim: &Claim,
        attempt: &Attempt,
        kept: Option<KeptState>,
        looks: &mut Looks,
    ) -> anyhow::Result<bool> {
        let refund = claim.payment.as_ref().map_or(0, |payment| payment.money.refund);
        let what = match kept {
            None => MissedStep::Outcome,
            Some(kept) => match kept.status {
                KeptStatus::Waits => MissedStep::Outcome,
                KeptStatus::Paid
                    if claim.state == ClaimState::Refunding
                        && !kept.refunding
                        && kept.last_refund < refund =>
                {
                    MissedStep::Begin
                }
                KeptStatus::Paid => return Ok(false),
                KeptStatus::Ended => {
                    let payment = attempt.payment;
                    tracing::error!(%payment, "sold in Redis, and not paid in PostgreSQL");
                    return Ok(false);
                }
            },
        };
        if looks.told.contains(&(attempt.payment, refund)) {
            return Ok(false);
        }
        let told = self.engine.tell_again(attempt, what).await?;
        looks.told.insert((attempt.payment, refund));
        tracing::warn!(payment = %attempt.payment, told, "PostgreSQL had missed a fact of a sale");
        Ok(told)
    }

    /// Frees seats that nobody has, here and in PostgreSQL, when the look before found them as
    /// well.
    async fn free_seats(
        &self,
        seats: HashSet<(MatchId, SeatId, String)>,
        looks: &mut Looks,
    ) -> anyhow::Result<usize> {
        let mut again: HashMap<(MatchId, &str), Vec<SeatId>> = HashMap::new();
        for (fixture, seat, value) in seats.intersection(&looks.seats) {
            again.entry((*fixture, value)).or_default().push(*seat);
        }
        let mut freed = 0;
        for ((fixture, value), seats) in again {
            for page in seats.chunks(PAGE) {
                let claimed = self.store.claimed_among(fixture, page).await?;
                let nobodys: Vec<SeatId> =
                    page.iter().copied().filter(|seat| !claimed.contains(seat)).collect();
                let sold_to_one = value.starts_with('O') && value.len() > 1;
                if sold_to_one || !claimed.is_empty() {
                    let count = page.len();
                    tracing::error!(%fixture, count, "seats have no owner: grandstand verify");
                }
                if !sold_to_one && !nobodys.is_empty() {
                    tracing::warn!(%fixture, seats = ?nobodys, "seats of nobody are free again");
                    let count = nobodys.len();
                    if self.engine.free_seats(fixture, value, nobodys).await? {
                        freed += count;
                    }
                }
            }
        }
        looks.seats = seats;
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
