//! The model as the checker explores it: the actions of a state, and what each does.

pub mod properties;

use crate::mutants::Mutant;
use crate::state::call::{At, Call, Turn};
use crate::state::postgres::{Postgres, Reservation, Row, Status};
use crate::state::reconciler::Reconciler;
use crate::state::redis::{Claim, ClaimState, PaymentState, Redis, Seat};
use crate::state::worker::{Agreement, Work, Worker};
use crate::state::{BUYERS, Faults, Gateway, Ghost, Heard, Money, Position, Seen, State};
use stateright::{Model, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is explored: who takes part, from which state, and which faults may happen.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// By call: the buyer, and how often the call may be repeated.
    pub confirmations: Vec<(usize, u8)>,
    /// Buyers who cancel.
    pub cancellations: Vec<usize>,
    pub workers: usize,
    /// A worker takes all its steps at once, because this world is not about them.
    pub quick_workers: bool,
    pub reconcilers: usize,
    /// A run of the reconciler takes all its steps at once.
    pub quick_reconcilers: bool,
    pub faults: Faults,
    /// After a failover, an approval may find that another sale has its seat (docs/MODEL.md, "What
    /// it has found", 4). It becomes a dead letter, and its money must go back.
    pub may_lose_seat: bool,
    /// The first buyer has bought the seat before.
    pub sold: bool,
    pub mutant: Option<Mutant>,
    /// What any run has seen.
    pub seen: Arc<AtomicU32>,
}

/// A step of one party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A buyer reserves the seat.
    Reserve(usize),
    /// A PENDING reservation ends.
    Expire(usize),
    /// A step of a call.
    Call(usize, Turn),
    /// A step of a worker.
    Work(usize),
    /// A lease ends that no worker has any more.
    LeaseEnds,
    /// A run of the reconciler begins: the run and the buyer.
    Reconcile(usize, usize),
    /// The comparison of charges finds a payment: the run and the buyer.
    Sweep(usize, usize),
    /// A step of a run.
    Resume(usize, Turn),
    /// A search for orphans settles the payment of a buyer.
    Orphan(usize),
    /// A search for orphans frees the seat.
    FreeSeat,
    /// An operator runs `grandstand restore`.
    Restore,
    Fault(Fault),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The lease of a living worker ends.
    LeaseLost,
    /// The node of a call is killed.
    Kill(usize),
    /// From here on the replica gets no more writes.
    ReplicaCut,
    /// The replica becomes the master. `behind`: its clock is behind.
    Failover { behind: bool },
    /// Redis loses everything.
    Wipe,
    /// From here on the standby gets no more commits.
    StandbyCut,
    /// The standby becomes the database.
    Promotion,
}

impl World {
    /// Whether any run has seen this.
    pub fn has_seen(&self, seen: Seen) -> bool {
        self.seen.load(Ordering::Relaxed) & 1 << seen as u32 != 0
    }

    /// Whether the buyers could change places: each has one call, and may repeat it as often.
    fn are_alike(&self) -> bool {
        let mut repeats = self.confirmations.iter().map(|(_, left)| left);
        let first = repeats.next();
        self.cancellations.is_empty() && repeats.all(|left| Some(left) == first)
    }

    /// The steps that are not faults.
    pub fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        let redis = &state.redis;
        for buyer in 0..BUYERS {
            let wants = |call: &Call| call.buyer == buyer && call.at == At::Confirm;
            // Of buyers who are alike it does not matter which one begins.
            let is_turn = buyer == 0 || state.ghost.reserved[0] || !self.are_alike();
            let may = !state.ghost.reserved[buyer] && is_turn;
            let is_free = redis.open && redis.seat == Seat::Free;
            if is_free && may && state.calls.iter().any(wants) {
                actions.push(Action::Reserve(buyer));
            }
            let is_pending =
                redis.claims[buyer].is_some_and(|claim| claim.state == ClaimState::Pending);
            if redis.open && is_pending {
                actions.push(Action::Expire(buyer));
            }
            if state.is_orphan(buyer) {
                actions.push(Action::Orphan(buyer));
            }
        }
        for call in 0..state.calls.len() {
            actions.extend(state.turns(call).into_iter().map(|turn| Action::Call(call, turn)));
        }
        for worker in 0..state.workers.len() {
            if state.can_work(worker, self.mutant) {
                actions.push(Action::Work(worker));
            }
        }
        let has_owner = |worker: &Worker| worker.token == redis.lease && worker.work != Work::Idle;
        if redis.lease > 0 && !state.workers.iter().any(has_owner) {
            actions.push(Action::LeaseEnds);
        }
        self.reconciling(state, actions);
        if state.is_unowned_seat() {
            actions.push(Action::FreeSeat);
        }
        let lost = matches!(state.agreement(None), Agreement::DatabaseLost { .. });
        if redis.open && redis.halted && lost {
            actions.push(Action::Restore);
        }
    }

    fn reconciling(&self, state: &State, actions: &mut Vec<Action>) {
        for (run, reconciler) in state.reconcilers.iter().enumerate() {
            actions
                .extend(state.resume_turns(run).into_iter().map(|turn| Action::Resume(run, turn)));
            if *reconciler != Reconciler::Idle {
                continue;
            }
            for buyer in 0..BUYERS {
                if state.reconcilable(buyer) {
                    actions.push(Action::Reconcile(run, buyer));
                }
                if state.sweepable(buyer) {
                    actions.push(Action::Sweep(run, buyer));
                }
            }
        }
    }

    fn faults(&self, state: &State, actions: &mut Vec<Action>) {
        let mut may = |condition: bool, fault: Fault| {
            if condition {
                actions.push(Action::Fault(fault));
            }
        };
        let left = &state.faults;
        may(left.leases > 0 && state.redis.lease > 0, Fault::LeaseLost);
        for (number, call) in state.calls.iter().enumerate() {
            let is_running = !matches!(call.at, At::Confirm | At::Cancel | At::Answered | At::Dead);
            may(left.kills > 0 && is_running, Fault::Kill(number));
        }
        match &state.replica {
            None => may(left.failovers > 0, Fault::ReplicaCut),
            Some(replica) if **replica != state.redis => {
                may(true, Fault::Failover { behind: false });
                may(left.clock_behind, Fault::Failover { behind: true });
            }
            Some(_) => {}
        }
        may(left.wipes > 0, Fault::Wipe);
        match &state.standby {
            None => may(left.database_losses > 0, Fault::StandbyCut),
            Some(standby) => may(**standby != state.postgres, Fault::Promotion),
        }
    }

    fn hurry(&self, state: &mut State, run: usize) {
        while self.quick_reconcilers && state.reconcilers[run] != Reconciler::Idle {
            state.resume(run, Turn::Go, self.mutant);
        }
    }

    fn take(&self, state: &mut State, action: Action) {
        let mutant = self.mutant;
        match action {
            Action::Reserve(buyer) => state.reserve(buyer),
            Action::Expire(buyer) => state.expire(buyer),
            Action::Call(call, turn) => state.call(call, turn, mutant),
            Action::Work(worker) => {
                state.work(worker, mutant);
                while self.quick_workers && state.is_working(worker, mutant) {
                    state.work(worker, mutant);
                }
            }
            Action::LeaseEnds => state.redis.lease = 0,
            Action::Reconcile(run, buyer) => {
                state.reconcile(run, buyer);
                self.hurry(state, run);
            }
            Action::Sweep(run, buyer) => {
                state.sweep(run, buyer);
                self.hurry(state, run);
            }
            Action::Resume(run, turn) => state.resume(run, turn, mutant),
            Action::Orphan(buyer) => state.search_orphans(buyer, mutant),
            Action::FreeSeat => state.redis.seat = Seat::Free,
            Action::Restore => {
                if let Agreement::DatabaseLost { announced } = state.agreement(None) {
                    state.restore(announced, mutant);
                }
            }
            Action::Fault(fault) => fail(state, fault, mutant),
        }
    }
}

fn fail(state: &mut State, fault: Fault, mutant: Option<Mutant>) {
    match fault {
        Fault::LeaseLost => {
            state.faults.leases -= 1;
            state.redis.lease = 0;
        }
        Fault::Kill(call) => {
            state.faults.kills -= 1;
            state.calls[call].at = At::Dead;
        }
        Fault::ReplicaCut => {
            state.faults.failovers -= 1;
            state.replica = Some(Box::new(state.redis.clone()));
        }
        Fault::Failover { behind } => {
            if let Some(replica) = state.replica.take() {
                let newer = std::mem::replace(&mut state.redis, *replica);
                if mutant == Some(Mutant::SeatsApart) {
                    let kept = (newer.journal, newer.epoch, newer.committed);
                    (state.redis.journal, state.redis.epoch, state.redis.committed) = kept;
                }
                state.redis.behind = behind.then(|| state.redis.newest());
                (state.ghost.redis_lost, state.ghost.redis_went_back) = (true, true);
            }
        }
        Fault::Wipe => {
            state.faults.wipes -= 1;
            state.redis = Redis::empty();
            state.ghost.redis_lost = true;
        }
        Fault::StandbyCut => {
            state.faults.database_losses -= 1;
            state.standby = Some(Box::new(state.postgres.clone()));
        }
        Fault::Promotion => {
            if let Some(standby) = state.standby.take() {
                state.postgres = *standby;
                (state.ghost.database_lost, state.ghost.database_went_back) = (true, true);
            }
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut redis = Redis { open: true, epoch: 1, ..Redis::empty() };
        let position = Some(Position { epoch: 1, id: 0 });
        let mut postgres = Postgres { position, ..Postgres::default() };
        let mut gateway = Gateway { money: [Money::Agreed; BUYERS], approved: [0; BUYERS] };
        let mut ghost = Ghost::default();
        if self.sold {
            let (state, payment) = (ClaimState::Confirmed, PaymentState::Paid);
            redis.claims[0] = Some(Claim { state, payment, attempt: 1, refund: 0 });
            redis.seat = Seat::Of(0);
            postgres.claims[0] = true;
            let (status, reservation) = (Status::Paid, Reservation::Confirmed);
            let last = Position { epoch: 1, id: 0 };
            let refunds = [None; 2];
            postgres.rows[0] =
                Some(Row { status, refunding: false, attempt: 1, last, reservation, refunds });
            gateway.money[0] = Money::Charged;
            gateway.approved[0] = 1 << 1;
            (ghost.reserved[0], ghost.promised[0]) = (true, true);
        }
        let confirm =
            |(buyer, left): &(usize, u8)| Call { buyer: *buyer, left: *left, at: At::Confirm };
        let cancel = |buyer: &usize| Call { buyer: *buyer, left: 0, at: At::Cancel };
        let calls = self.confirmations.iter().map(confirm);
        vec![State {
            time: 0,
            tokens: 0,
            redis,
            replica: None,
            postgres,
            standby: None,
            gateway,
            heard: Heard::default(),
            calls: calls.chain(self.cancellations.iter().map(cancel)).collect(),
            workers: vec![Worker { token: 0, work: Work::Idle }; self.workers],
            reconcilers: vec![Reconciler::Idle; self.reconcilers],
            faults: self.faults,
            ghost,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.faults(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.take(&mut next, action);
        self.seen.fetch_or(std::mem::take(&mut next.ghost.seen), Ordering::Relaxed);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
