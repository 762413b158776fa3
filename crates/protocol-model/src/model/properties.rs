//! What must be true in each state, and in each state in which nothing is left to do.

use crate::model::{Action, World};
use crate::state::call::{At, Call, Turn};
use crate::state::postgres::{Reservation, Status};
use crate::state::reconciler::Reconciler;
use crate::state::redis::{ClaimState, Seat};
use crate::state::worker::{Agreement, Work};
use crate::state::{BUYERS, Money, State};
use stateright::{Model, Property};

/// All promises.
pub fn all() -> Vec<Property<World>> {
    vec![
        Property::<World>::always("no seat is sold twice", |_, state| sold_once(state)),
        Property::<World>::always("a promised sale stays", |_, state| promises_stand(state)),
        Property::<World>::always("a seat is never free while its payment is open", |_, state| {
            paying_has_its_seat(state) && claimed_is_taken(state) && !state.ghost.stray_charge
        }),
        Property::<World>::always("payments halt only after a loss", |_, state| {
            !state.redis.halted || state.ghost.database_went_back
        }),
        Property::<World>::always("no fact contradicts the rows", |world, state| {
            let may_be_late = world.may_lose_seat && state.ghost.redis_went_back;
            state.postgres.dead_letters == 0 && (state.postgres.unclaimed == 0 || may_be_late)
        }),
        Property::<World>::always("what is at rest is settled", |world, state| {
            !is_at_rest(world, state) || is_settled(state)
        }),
    ]
}

/// A promised sale that nobody has cancelled.
fn is_promised(state: &State, buyer: usize) -> bool {
    state.ghost.promised[buyer] && !state.ghost.cancelled[buyer]
}

fn sold_once(state: &State) -> bool {
    let confirmed = |buyer: usize| {
        let row = state.postgres.rows[buyer];
        row.is_some_and(|row| row.reservation == Reservation::Confirmed)
    };
    let in_database = (0..BUYERS).filter(|buyer| confirmed(*buyer)).count();
    let promised = (0..BUYERS).filter(|buyer| is_promised(state, *buyer)).count();
    let claims = state.postgres.claims.iter().filter(|claim| **claim).count();
    in_database <= 1 && promised <= 1 && claims <= 1
}

/// Redis has gone back, and a comparison shows it: a worker will load the partition. A failover
/// that has lost nothing which PostgreSQL knows is no excuse.
fn redis_is_behind(state: &State) -> bool {
    state.ghost.redis_lost && state.agreement(None) != Agreement::Same
}

/// PostgreSQL has gone back, and does not have all that Redis has told: it will be restored, or
/// gets the rest from the journal.
fn database_is_behind(state: &State) -> bool {
    state.ghost.database_lost && !state.has_all_facts()
}

/// PostgreSQL has what was promised, unless it has lost commits that nobody has restored yet.
fn promises_stand(state: &State) -> bool {
    (0..BUYERS).filter(|buyer| is_promised(state, *buyer)).all(|buyer| {
        let row = state.postgres.rows[buyer];
        let is_paid = row.is_some_and(|row| row.status == Status::Paid);
        is_paid && state.postgres.claims[buyer] || database_is_behind(state)
    })
}

fn paying_has_its_seat(state: &State) -> bool {
    let redis = &state.redis;
    (0..BUYERS).all(|buyer| {
        let is_open = redis.claims[buyer].is_some_and(|claim| claim.state != ClaimState::Pending);
        !is_open || redis.seat == Seat::Of(buyer)
    })
}

/// A seat that PostgreSQL has claimed is taken in Redis for the same buyer, or the journal says
/// what has become of it since. A server that has lost data is loaded or restored first.
fn claimed_is_taken(state: &State) -> bool {
    let position = state.postgres.position.unwrap_or_default();
    let is_lost = redis_is_behind(state) || database_is_behind(state);
    let behind = state.redis.read(position.id);
    let is_told = |buyer: usize| behind.iter().any(|entry| entry.fact.buyer == buyer);
    let is_taken = |buyer: usize| state.redis.seat == Seat::Of(buyer) || is_told(buyer);
    is_lost || (0..BUYERS).all(|buyer| !state.postgres.claims[buyer] || is_taken(buyer))
}

/// Nothing is left to do, unless something else goes wrong.
fn is_at_rest(world: &World, state: &State) -> bool {
    let is_over =
        |call: &Call| matches!(call.at, At::Confirm | At::Cancel | At::Answered | At::Dead);
    let waits = |work: &Work| matches!(work, Work::Idle | Work::Owner | Work::Ready { .. });
    if !state.calls.iter().all(is_over)
        || !state.workers.iter().all(|worker| waits(&worker.work))
        || state.reconcilers.iter().any(|run| *run != Reconciler::Idle)
    {
        return false;
    }
    let mut steps = vec![];
    world.steps(state, &mut steps);
    steps.into_iter().all(|step| match step {
        Action::Reconcile(run, _) | Action::Sweep(run, _) => {
            changes_nothing(world, state, step, run)
        }
        _ => false,
    })
}

/// Whether a run of the reconciler ends where it began. It is repeated for ever then, so it is no
/// progress.
fn changes_nothing(world: &World, state: &State, step: Action, run: usize) -> bool {
    let mut after = world.next_state(state, step);
    while let Some(next) = &after
        && next.reconcilers[run] != Reconciler::Idle
    {
        after = world.next_state(next, Action::Resume(run, Turn::Go));
    }
    after.as_ref() == Some(state)
}

/// All money and the seat have an owner, and Redis and PostgreSQL agree about it.
fn is_settled(state: &State) -> bool {
    let (redis, postgres) = (&state.redis, &state.postgres);
    let position = postgres.position.unwrap_or_default();
    let has_all = position.epoch == redis.epoch && position.id >= redis.newest();
    let has_seat = redis.seat != Seat::Free;
    has_all
        && redis.open
        && !redis.halted
        && has_seat == postgres.claims.contains(&true)
        && (0..BUYERS).all(|buyer| is_settled_for(state, buyer))
}

fn is_settled_for(state: &State, buyer: usize) -> bool {
    let claim = state.redis.claims[buyer].map(|claim| claim.state);
    let row = state.postgres.rows[buyer];
    let status = row.filter(|row| !row.refunding).map(|row| row.status);
    match state.gateway.money[buyer] {
        Money::Charged => {
            claim == Some(ClaimState::Confirmed)
                && state.redis.seat == Seat::Of(buyer)
                && status == Some(Status::Paid)
                && state.postgres.claims[buyer]
        }
        Money::Back => {
            claim.is_none()
                && status == Some(Status::Refunded)
                && !state.postgres.claims[buyer]
                && !is_promised(state, buyer)
        }
        Money::Agreed | Money::Declined => {
            let ended = matches!(status, None | Some(Status::Failed | Status::Withdrawn));
            let no_refund = row.is_none_or(|row| !row.refunding);
            claim.is_none()
                && ended
                && no_refund
                && !state.postgres.claims[buyer]
                && !is_promised(state, buyer)
        }
    }
}
