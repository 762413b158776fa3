//! Seeded bugs: the protocol with a single rule removed. The checker must refuse each of them, or
//! else it would not notice when the code loses the rule.

/// A rule that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// PostgreSQL allows two claims on a seat.
    NoPrimaryKey,
    /// A worker announces entries before it commits them.
    AnnouncesFirst,
    /// A node takes an unknown outcome for a refusal, so the seat becomes free.
    UnknownIsDeclined,
    /// PostgreSQL does not compare the position.
    NoPosition,
    /// Redis does not check the lease.
    NoFence,
    /// A worker loads a partition from a PostgreSQL that has lost commits.
    LoadsWhatIsBehind,
    /// The reconciler charges without a mark in Redis.
    NoMarkAsked,
    /// An attempt is withdrawn although the reconciler has asked for its money.
    AskedIsWithdrawn,
    /// A loaded attempt can be withdrawn.
    LoadedIsNotAsked,
    /// A refund that is owed is not written to the journal.
    RefundLost,
    /// The gateway is asked before PostgreSQL has the claim.
    ChargesBeforeClaim,
    /// A node believes an announcement and does not read the row.
    TrustsAnnouncement,
    /// A response is 200 before PostgreSQL has the sale.
    PromisesBeforeCommit,
    /// The worker does not look whether the journal it has read from is still the same.
    NoLookAtTheJournal,
    /// A load takes no sales to Redis.
    LoadsNoClaims,
    /// A message about an earlier attempt settles a later one.
    AnyAttemptSettles,
    /// Money goes back before PostgreSQL has the refund.
    RefundBeforeRow,
    /// The reconciler gives money back that is owed before PostgreSQL has the refund.
    RefundsAtOnce,
    /// `grandstand restore` writes a sale as a payment that is under way.
    RestoreAsksAgain,
    /// A seat and the journal have different slots, so a failover loses writes of the seat alone.
    SeatsApart,
    /// A load reads PostgreSQL before it begins the epoch there.
    EpochAfterLoad,
}
