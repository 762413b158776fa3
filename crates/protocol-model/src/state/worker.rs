//! A worker of write-behind: it takes the lease, compares, loads, reads, commits and announces. It
//! follows `src/workers/{mod,rebuild,write_behind}.rs`. A worker whose lease has ended goes on with
//! the step that it is at, whenever it wakes.

use crate::mutants::Mutant;
use crate::state::redis::{Claim, Seat};
use crate::state::{BUYERS, Entry, Position, Seen, State};

/// One worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Worker {
    /// The token of its last lease.
    pub token: u8,
    pub work: Work,
}

/// What a worker does next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Work {
    /// It asks for the lease.
    Idle,
    /// It compares Redis with PostgreSQL.
    Owner,
    /// The partition is closed. It reads the rest of the journal. `known`: the epoch of Redis.
    Closed { known: u8 },
    /// PostgreSQL has the whole journal.
    Drained { epoch: u8 },
    /// It has read what PostgreSQL keeps.
    Kept { epoch: u8, kept: [Option<Claim>; BUYERS] },
    /// Redis has what PostgreSQL keeps.
    Written { epoch: u8 },
    /// PostgreSQL has the new epoch.
    Begun { epoch: u8 },
    /// It waits for entries behind this position.
    Ready { position: Position },
    /// It has read entries.
    Read { position: Position, entries: Vec<Entry> },
    /// The journal still had the entry at its position after the read.
    Checked { position: Position, entries: Vec<Entry> },
    /// A mutant has announced them.
    Told { position: Position, entries: Vec<Entry> },
    /// PostgreSQL has them.
    Committed { position: Position, lost: [bool; BUYERS] },
}

/// `Agreement`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    Same,
    NotLoaded,
    RedisLost,
    DatabaseLost { announced: Position },
}

impl State {
    /// `Workers::agreement`.
    pub fn agreement(&self, mutant: Option<Mutant>) -> Agreement {
        let position = self.postgres.position;
        if let Some(announced) = self.redis.told()
            && position.is_none_or(|position| position < announced)
        {
            return match mutant {
                Some(Mutant::LoadsWhatIsBehind) => Agreement::RedisLost,
                _ => Agreement::DatabaseLost { announced },
            };
        }
        match position {
            _ if !self.redis.open => Agreement::NotLoaded,
            Some(at) if self.redis.epoch != at.epoch || !self.redis.journal_has(at.id) => {
                Agreement::RedisLost
            }
            Some(_) | None => Agreement::Same,
        }
    }

    /// Whether the worker has something to do.
    pub fn can_work(&self, worker: usize, mutant: Option<Mutant>) -> bool {
        let Worker { token, work } = &self.workers[worker];
        match work {
            Work::Idle => self.redis.lease == 0,
            Work::Owner | Work::Ready { .. } if *token != self.redis.lease => true,
            Work::Owner => match self.agreement(mutant) {
                Agreement::DatabaseLost { .. } => !self.redis.halted,
                Agreement::Same | Agreement::NotLoaded | Agreement::RedisLost => true,
            },
            Work::Ready { position } => {
                self.redis.newest() > position.id
                    || self.agreement(mutant) != Agreement::Same
                    || self.postgres.position != Some(*position)
            }
            Work::Closed { .. }
            | Work::Drained { .. }
            | Work::Kept { .. }
            | Work::Written { .. }
            | Work::Begun { .. }
            | Work::Read { .. }
            | Work::Checked { .. }
            | Work::Told { .. }
            | Work::Committed { .. } => true,
        }
    }

    /// Whether a worker that has the lease has something to do.
    pub fn is_working(&self, worker: usize, mutant: Option<Mutant>) -> bool {
        self.workers[worker].work != Work::Idle && self.can_work(worker, mutant)
    }

    /// The next step of a worker.
    pub fn work(&mut self, worker: usize, mutant: Option<Mutant>) {
        let Worker { token, work } = self.workers[worker].clone();
        let next = match work {
            Work::Idle => {
                self.tokens += 1;
                self.redis.lease = self.tokens;
                self.workers[worker].token = self.tokens;
                Work::Owner
            }
            // A renewal finds that the lease has ended.
            Work::Owner if token != self.redis.lease => Work::Idle,
            Work::Ready { position }
                if token != self.redis.lease && self.redis.newest() <= position.id =>
            {
                Work::Idle
            }
            Work::Owner => self.compare(token, mutant),
            Work::Closed { .. }
            | Work::Drained { .. }
            | Work::Kept { .. }
            | Work::Written { .. }
            | Work::Begun { .. } => self.load(token, work, mutant),
            Work::Ready { position } => match self.redis.read(position.id) {
                entries if entries.is_empty() => Work::Owner,
                entries if mutant == Some(Mutant::NoLookAtTheJournal) => {
                    Work::Checked { position, entries }
                }
                entries => Work::Read { position, entries },
            },
            Work::Read { position, entries } => match self.redis.journal_has(position.id) {
                true => Work::Checked { position, entries },
                false => {
                    self.see(Seen::Hole);
                    Work::Owner
                }
            },
            Work::Checked { position, entries } if mutant == Some(Mutant::AnnouncesFirst) => {
                let last = entries.last().map_or(0, |entry| entry.id);
                match self.announce(
                    token,
                    Position { id: last, ..position },
                    Default::default(),
                    mutant,
                ) {
                    true => Work::Told { position, entries },
                    false => Work::Owner,
                }
            }
            Work::Checked { position, entries } | Work::Told { position, entries } => {
                let last = entries.last().map_or(0, |entry| entry.id);
                match self.apply(position, &entries, position.epoch, mutant) {
                    Some(lost) => {
                        Work::Committed { position: Position { id: last, ..position }, lost }
                    }
                    None => Work::Owner,
                }
            }
            Work::Committed { position, lost } => {
                match self.announce(token, position, lost, mutant) {
                    true => Work::Ready { position },
                    false => Work::Owner,
                }
            }
        };
        self.workers[worker].work = next;
    }

    /// `load_once`, up to the first write.
    fn compare(&mut self, token: u8, mutant: Option<Mutant>) -> Work {
        match self.agreement(mutant) {
            Agreement::DatabaseLost { .. } => {
                self.redis.halted = true;
                self.see(Seen::Halted);
                Work::Owner
            }
            Agreement::Same => {
                self.redis.halted = false;
                let position = self.postgres.position.expect("a position");
                match self.announce(token, position, Default::default(), mutant) {
                    true => Work::Ready { position },
                    false => Work::Owner,
                }
            }
            Agreement::NotLoaded | Agreement::RedisLost => {
                self.redis.open = false;
                Work::Closed { known: self.redis.epoch }
            }
        }
    }

    /// The steps of a load.
    fn load(&mut self, token: u8, work: Work, mutant: Option<Mutant>) -> Work {
        let epoch_last = mutant == Some(Mutant::EpochAfterLoad);
        match work {
            Work::Closed { known } => {
                let epoch = self.drain(known, mutant);
                epoch.map_or(Work::Owner, |epoch| Work::Drained { epoch })
            }
            Work::Drained { epoch } if epoch_last => {
                Work::Kept { epoch, kept: self.postgres.kept(mutant) }
            }
            Work::Drained { epoch } => {
                self.begin_epoch(epoch);
                Work::Begun { epoch }
            }
            Work::Begun { epoch } if epoch_last => self.open(token, epoch, mutant),
            Work::Begun { epoch } => Work::Kept { epoch, kept: self.postgres.kept(mutant) },
            Work::Kept { epoch, kept } => {
                if !self.may_load(token, mutant) {
                    return Work::Owner;
                }
                self.redis.journal = vec![];
                self.redis.claims = kept;
                let owner = (0..BUYERS).find(|buyer| kept[*buyer].is_some());
                self.redis.seat = owner.map_or(Seat::Free, Seat::Of);
                Work::Written { epoch }
            }
            Work::Written { epoch } if epoch_last => {
                self.begin_epoch(epoch);
                Work::Begun { epoch }
            }
            Work::Written { epoch } => self.open(token, epoch, mutant),
            other => other,
        }
    }

    /// `fenced`, and the partition is still closed.
    fn may_load(&mut self, token: u8, mutant: Option<Mutant>) -> bool {
        let may = self.redis.lease == token && !self.redis.open || mutant == Some(Mutant::NoFence);
        if !may {
            self.see(Seen::Fenced);
        }
        may
    }

    fn open(&mut self, token: u8, epoch: u8, mutant: Option<Mutant>) -> Work {
        if self.may_load(token, mutant) {
            self.redis.open = true;
            self.redis.halted = false;
            self.redis.epoch = epoch;
            self.redis.committed = 0;
            self.ghost.redis_lost = false;
            self.see(Seen::Loaded);
        }
        Work::Owner
    }

    /// `drain_all`: takes all that the journal has to PostgreSQL. Returns the next epoch.
    fn drain(&mut self, known: u8, mutant: Option<Mutant>) -> Option<u8> {
        let position = self.postgres.position.unwrap_or_default();
        let epoch = if known == 0 { position.epoch } else { known };
        let same = epoch == position.epoch && self.redis.journal_has(position.id);
        let entries = self.redis.read(if same { position.id } else { 0 });
        if !entries.is_empty() {
            self.apply(position, &entries, epoch, mutant)?;
        }
        Some(known.max(position.epoch) + 1)
    }
}
