//! The fields of the hash of claims, as `lua/lib/claims.lua` and `lua/lib/summary.lua` write them.
//! The first claim of a user is in the field of the user, and each further claim in the field of
//! its bucket.

use crate::domain::claim::Claim;
use crate::domain::ids::{MatchId, ReservationId, UserId};
use std::collections::BTreeMap;

/// Characters of an id in Redis.
pub(super) const ID_LENGTH: usize = 22;
/// The place in its id of the character that is the bucket of a claim: `BUCKET_AT` in
/// `lua/lib/record.lua`, which counts from 1.
pub(super) const BUCKET_PLACE: usize = 20;
/// All buckets.
pub(super) const BUCKETS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// What the summary of a user begins with.
pub(super) const SUMMARY_MARK: char = '#';
/// What the line begins with that says how a user has held seats, as `lua/lib/conduct.lua` writes
/// it.
pub(super) const CONDUCT_MARK: char = '~';
/// For this time holds are counted.
pub(super) const HOLDS_WINDOW_MS: i64 = 600_000;
/// For this time unpaid ends are remembered after the last one.
pub(super) const UNPAID_KEPT_MS: i64 = 3_600_000;

/// The field of a claim that is not the first one of its user.
pub(super) fn bucket_field(user: &str, id: ReservationId) -> String {
    format!("{user}{}", &id.key()[BUCKET_PLACE..=BUCKET_PLACE])
}

/// All fields in which claims of this user can be, that of the user first.
pub(super) fn fields_of(user: &str) -> Vec<String> {
    let buckets = BUCKETS.chars().map(|bucket| format!("{user}{bucket}"));
    std::iter::once(user.to_owned()).chain(buckets).collect()
}

/// Whether the user of this text has, or had, several claims.
pub(super) fn has_summary(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with(SUMMARY_MARK))
}

/// The claims of a field. A record that cannot be read is left out, and logged.
pub(super) fn readable(field: &str, text: Option<&str>) -> Vec<Claim> {
    let owner = field.get(..ID_LENGTH).and_then(UserId::from_key);
    let read = |record: &str| {
        let claim = owner.and_then(|owner| Claim::parse(owner, record));
        if claim.is_none() {
            tracing::error!(field, record, "a claim that can't be read: see grandstand verify");
        }
        claim
    };
    let lines = text.unwrap_or_default().lines();
    lines.filter(|line| !line.starts_with([SUMMARY_MARK, CONDUCT_MARK])).filter_map(read).collect()
}

/// The matches for which the conduct of the user of this text is old at a time in ms. The script
/// looks at it again.
pub(super) fn old_conduct(text: &str, now: i64) -> Vec<MatchId> {
    let line = text.lines().take(2).find_map(|line| line.strip_prefix(CONDUCT_MARK));
    let is_old = |entry: &&str| {
        let number = |place| entry.split(':').nth(place).and_then(|text| text.parse::<i64>().ok());
        let since = number(2).unwrap_or_default();
        let is_past = |place| number(place).is_none_or(|last| now >= last + UNPAID_KEPT_MS);
        now >= since + HOLDS_WINDOW_MS && is_past(4) && is_past(6)
    };
    let entries = line.unwrap_or_default().split(',').filter(is_old);
    entries.filter_map(|entry| MatchId::from_key(entry.split(':').next()?)).collect()
}

/// The fields of one user while a partition is loaded.
#[derive(Debug, Default)]
pub(super) struct ClaimFields {
    records: BTreeMap<String, Vec<String>>,
    /// Seats of all claims by match.
    seats: BTreeMap<MatchId, usize>,
}

impl ClaimFields {
    /// Adds a claim with its record, and returns its field.
    pub(super) fn add(
        &mut self,
        user: &str,
        id: ReservationId,
        (match_id, seats): (MatchId, usize),
        record: String,
    ) -> String {
        *self.seats.entry(match_id).or_default() += seats;
        let first = self.records.is_empty();
        let field = if first { user.to_owned() } else { bucket_field(user, id) };
        self.records.entry(field.clone()).or_default().push(record);
        field
    }

    /// The fields with their texts.
    pub(super) fn texts(self) -> impl Iterator<Item = (String, String)> {
        let summary = (self.records.len() > 1).then(|| summary_text(&self.seats));
        self.records.into_iter().map(move |(field, records)| {
            let line = summary.as_ref().filter(|_| field.len() == ID_LENGTH);
            let lines: Vec<String> = line.cloned().into_iter().chain(records).collect();
            (field, lines.join("\n"))
        })
    }
}

/// The summary of a user with these seats by match.
fn summary_text(seats: &BTreeMap<MatchId, usize>) -> String {
    let entries = seats.iter().map(|(id, count)| format!("{}:{count},", id.key()));
    std::iter::once(SUMMARY_MARK.to_string()).chain(entries).collect()
}
