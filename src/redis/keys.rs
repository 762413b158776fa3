//! The name of every key. All keys of a partition have its hash tag, so that one script may use
//! them together on Redis Cluster too (docs/REDIS.md lists them with their types).

use crate::domain::ids::{MatchId, Partition, UserId};

/// The keys of one partition.
#[derive(Debug, Clone, Copy)]
pub struct PartitionKeys(pub Partition);

impl PartitionKeys {
    fn key(self, name: &str) -> String {
        format!("{{{}}}:{name}", self.0)
    }

    /// HASH `epoch`, `partitions`, `layout`, and the clock. The partition is loaded when the key
    /// exists and has a layout.
    pub fn partition(self) -> String {
        self.key("partition")
    }

    /// HASH user → records of the claims.
    pub fn claims(self) -> String {
        self.key("claims")
    }

    /// ZSET by time in ms: one entry per batch and deadline, with the users whose claims may end
    /// then.
    pub fn due(self) -> String {
        self.key("due")
    }

    /// STREAM of durable facts; trimmed only up to the position that PostgreSQL has committed.
    pub fn journal(self) -> String {
        self.key("journal")
    }

    /// STREAM of journal entries that could not be applied; never trimmed.
    pub fn dead_letters(self) -> String {
        self.key("dead_letters")
    }

    /// STREAM of announcements how far PostgreSQL has committed the journal; trimmed by length.
    pub fn persisted(self) -> String {
        self.key("persisted")
    }

    /// STREAM of changes to the catalogue and of ended sessions; trimmed by age.
    pub fn notices(self) -> String {
        self.key("notices")
    }

    /// HASHES, used in turn, of results under an Idempotency-Key and of ended claims.
    pub fn operations(self) -> [String; 3] {
        [self.key("operations:0"), self.key("operations:1"), self.key("operations:2")]
    }

    /// HASH e-mail → account.
    pub fn accounts(self) -> String {
        self.key("accounts")
    }

    /// HASH site → document.
    pub fn sites(self) -> String {
        self.key("sites")
    }

    /// HASH match → document.
    pub fn matches(self) -> String {
        self.key("matches")
    }

    /// STRING: how many permits of a limit were taken; it expires with its window.
    pub fn permits(self, counter: &str) -> String {
        self.key(&format!("permits:{counter}"))
    }

    /// ZSET of the users without a verified e-mail address who hold seats from a block of
    /// addresses, by the end of their note in ms.
    pub fn holders(self, block: &str) -> String {
        self.key(&format!("holders:{block}"))
    }

    /// STRING: the worker that owns the partition.
    pub fn lease(self) -> String {
        self.key("lease")
    }
}

/// HASH: the sessions of an account.
pub fn sessions(user: UserId) -> String {
    PartitionKeys(user.partition()).key(&format!("sessions:{}", user.key()))
}

/// STRING: the hash of the last token that was sent to the owner of an account, of this kind.
pub fn mailed_token(user: UserId, kind: &str) -> String {
    PartitionKeys(user.partition()).key(&format!("{kind}:{}", user.key()))
}

/// STRING: how many mails were sent to the owner of an account in this hour.
pub fn mails(user: UserId) -> String {
    PartitionKeys(user.partition()).key(&format!("mails:{}", user.key()))
}

/// STRING: held while the role of an administrator may be taken away.
pub fn administrators_lock() -> String {
    PartitionKeys(Partition(0)).key("administrators_lock")
}

/// ZSET of the libraries of functions by the time in ms at which a process has used them last.
pub fn functions() -> String {
    PartitionKeys(Partition(0)).key("functions")
}

/// The keys of one match.
#[derive(Debug, Clone)]
pub struct MatchKeys(pub MatchId);

impl MatchKeys {
    fn key(&self, name: &str) -> String {
        PartitionKeys(self.0.partition()).key(&format!("m:{}:{name}", self.0.key()))
    }

    /// HASH of run-time fields; a match without this key is not loaded.
    pub fn meta(&self) -> String {
        self.key("meta")
    }

    /// HASH seat → state letter and user, for seats that are not AVAILABLE.
    pub fn seats(&self) -> String {
        self.key("seats")
    }

    /// ZSET user by the end of the pass in ms.
    pub fn passes(&self) -> String {
        self.key("passes")
    }

    /// ZSET user by number in the queue.
    pub fn queue(&self) -> String {
        self.key("queue")
    }

    /// STREAM of changes; trimmed by length.
    pub fn changes(&self) -> String {
        self.key("changes")
    }

    /// HASH seat → reservation and time in ms, for seats with which somebody has entered.
    pub fn check_ins(&self) -> String {
        self.key("check_ins")
    }

    /// All keys of the match, for its deletion.
    pub fn all(&self) -> Vec<String> {
        let (seats, changes) = (self.seats(), self.changes());
        vec![self.meta(), seats, self.passes(), self.queue(), changes, self.check_ins()]
    }
}

/// The match that a stream of changes belongs to.
pub fn match_of_changes(key: &str) -> Option<MatchId> {
    let id = key.split_once(":m:")?.1.strip_suffix(":changes")?;
    MatchId::from_key(id)
}
