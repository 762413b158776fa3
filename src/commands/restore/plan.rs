//! Finds the data of a partition that Redis has and PostgreSQL does not have.

use crate::api::Services;
use crate::commands::restore::Line;
use crate::domain::fact::Fact;
use crate::domain::ids::{MatchId, Partition, SeatId};
use crate::store::restore::Restore;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Display;

/// The changes of a partition, and their lines for people.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) restore: Restore,
    pub(super) lines: Vec<Line>,
}

impl Plan {
    /// Compares accounts, sites, matches and blocked seats. Returns the matches whose sales Redis
    /// has.
    pub(super) async fn compare_documents(
        &mut self,
        services: &Services,
        partition: Partition,
    ) -> anyhow::Result<HashSet<MatchId>> {
        self.accounts(services, partition).await?;
        let matches = self.catalogue(services, partition).await?;
        self.blocked(services, partition, &matches).await?;
        Ok(matches)
    }

    pub(super) fn add_line(&mut self, kind: &'static str, about: impl Display, what: &str) {
        self.lines.push(Line { kind, about: about.to_string(), what: what.to_owned() });
    }

    async fn accounts(&mut self, services: &Services, partition: Partition) -> anyhow::Result<()> {
        let kept = services.store.accounts(partition).await?;
        let versions: HashMap<_, _> =
            kept.iter().map(|account| (account.id, account.version)).collect();
        let accounts = services.engine.accounts_of(partition).await?;
        let known: HashSet<_> = accounts.iter().map(|account| account.id).collect();
        for account in accounts {
            if versions.get(&account.id).is_none_or(|kept| *kept < account.version) {
                self.add_line("account", account.id, &account.email);
                self.restore.documents.push(Fact::Account(account));
            }
        }
        for account in kept.iter().filter(|account| !known.contains(&account.id)) {
            self.add_line("account", account.id, "was deleted since");
            self.restore.documents.push(Fact::AccountDeleted(account.id));
        }
        Ok(())
    }

    /// Compares sites and matches. Returns the matches whose sales Redis has: the sales of an
    /// archived match are in PostgreSQL only.
    async fn catalogue(
        &mut self,
        services: &Services,
        partition: Partition,
    ) -> anyhow::Result<HashSet<MatchId>> {
        let (sites, matches) = services.engine.catalog(partition).await?;
        let (kept_sites, kept_matches) = services.store.catalog(partition).await?;
        let known: HashSet<_> = sites.iter().map(|site| site.id).collect();
        let versions: HashMap<_, _> =
            kept_sites.iter().map(|site| (site.id, site.version)).collect();
        for site in sites {
            if versions.get(&site.id).is_none_or(|kept| *kept < site.version) {
                self.add_line("site", site.id, &site.plan.name);
                self.restore.documents.push(Fact::Site(Box::new(site)));
            }
        }
        for site in kept_sites.iter().filter(|site| !known.contains(&site.id)) {
            self.add_line("site", site.id, "was deleted since");
            self.restore.documents.push(Fact::SiteDeleted(site.id));
        }
        let known: HashSet<_> = matches.iter().map(|fixture| fixture.id).collect();
        let live = matches.iter().filter(|fixture| !fixture.archived);
        let live: HashSet<_> = live.map(|fixture| fixture.id).collect();
        let versions: HashMap<_, _> =
            kept_matches.iter().map(|fixture| (fixture.id, fixture.version)).collect();
        for fixture in matches {
            if versions.get(&fixture.id).is_none_or(|kept| *kept < fixture.version) {
                self.add_line("match", fixture.id, fixture.status.word());
                self.restore.documents.push(Fact::Match(Box::new(fixture)));
            }
        }
        for fixture in kept_matches.iter().filter(|fixture| !known.contains(&fixture.id)) {
            self.add_line("match", fixture.id, "was deleted since");
            self.restore.documents.push(Fact::MatchDeleted(fixture.id));
        }
        Ok(live)
    }

    async fn blocked(
        &mut self,
        services: &Services,
        partition: Partition,
        matches: &HashSet<MatchId>,
    ) -> anyhow::Result<()> {
        let mut kept: HashMap<MatchId, BTreeSet<SeatId>> = HashMap::new();
        for (match_id, seat) in services.store.blocked_seats(partition).await? {
            kept.entry(match_id).or_default().insert(seat);
        }
        for id in matches {
            let taken = services.engine.snapshot(*id).await?.taken.into_iter();
            let now: BTreeSet<SeatId> =
                taken.filter(|(_, letter)| *letter == b'B').map(|(seat, _)| seat).collect();
            let before = kept.remove(id).unwrap_or_default();
            for (seats, blocked) in [(&now - &before, true), (&before - &now, false)] {
                if !seats.is_empty() {
                    let word = if blocked { "seats blocked" } else { "seats given back" };
                    self.add_line("match", id, &format!("{} {word}", seats.len()));
                    let seats = seats.into_iter().collect();
                    self.restore.documents.push(Fact::SeatsBlocked(*id, seats, blocked));
                }
            }
        }
        Ok(())
    }
}
