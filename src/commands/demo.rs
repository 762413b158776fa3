//! `grandstand demo`: the stadium, a season of matches, two accounts. Ids are fixed, so loading it
//! again changes nothing.

use crate::api::Services;
use crate::api::users::new_account;
use crate::demo::{ACCOUNTS, Fixture, fixtures, stadium};
use crate::domain::account::Role;
use crate::domain::catalog::{Match, MatchStatus, QueueSettings, Site};
use crate::domain::ids::{MatchId, Partition, SiteId};
use crate::engine::error::{EngineError, Refusal};
use uuid::Uuid;

/// 2026-01-01 in ms: the time inside the ids of the demo.
const BORN_MS: u64 = 1_767_225_600_000;

/// What was made; zero where it was there already.
#[derive(Debug, Default, Clone, Copy)]
pub struct Loaded {
    pub sites: u32,
    pub matches: u32,
    pub accounts: u32,
}

/// Loads the demo.
pub async fn load(services: &Services) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded::default();
    let count = services.engine.partition_count();
    let site = Site { id: SiteId(fixed_id(0, count)), version: 1, plan: stadium() };
    loaded.sites += u32::from(made(services.engine.put_site(&site, Default::default()).await)?);
    services.catalog.refresh_site(site.id).await?;
    let now = jiff::Timestamp::from_millisecond(services.engine.now_ms(Partition(0)).await?)?;
    let today = now
        .in_tz("Asia/Seoul")
        .map_or_else(|_| now.to_zoned(jiff::tz::TimeZone::UTC).date(), |zoned| zoned.date());
    for fixture in fixtures(today) {
        let event = event(&fixture, &site, count);
        let new = made(services.engine.put_match(&event, Default::default()).await)?;
        loaded.matches += u32::from(new);
        services.catalog.refresh_match(event.id).await?;
    }
    for one in ACCOUNTS {
        if services.engine.account(one.email).await?.is_some() {
            continue;
        }
        let role = if one.admin { Role::Admin } else { Role::User };
        let account =
            new_account(services, one.email.to_owned(), one.password.to_owned(), role).await;
        let account = account.map_err(|_| anyhow::anyhow!("making {} failed", one.email))?;
        services.engine.create_account(&account, Default::default()).await?;
        loaded.accounts += 1;
    }
    Ok(loaded)
}

fn event(fixture: &Fixture, site: &Site, partitions: u16) -> Match {
    Match {
        id: MatchId(fixed_id(fixture.number, partitions)),
        version: 1,
        site_id: site.id,
        stadium: site.plan.name.clone(),
        home_team: fixture.home_team.to_owned(),
        away_team: fixture.away_team.to_owned(),
        starts_at: fixture.starts_at,
        status: if fixture.open { MatchStatus::Open } else { MatchStatus::Draft },
        queue: QueueSettings::default(),
        orphan_rule: false,
        moved: false,
        archived: false,
    }
}

/// A UUIDv7 of the demo: number 0 is the site, the others are matches, spread over the partitions.
fn fixed_id(number: u32, partitions: u16) -> Uuid {
    let partition = (number % u32::from(partitions)) as u16;
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&BORN_MS.to_be_bytes()[2..]);
    bytes[6] = 0x70 | (partition >> 8) as u8;
    bytes[7] = partition as u8;
    bytes[8] = 0x80;
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Uuid::from_bytes(bytes)
}

fn made<T>(put: Result<T, EngineError>) -> anyhow::Result<bool> {
    match put {
        Ok(_) => Ok(true),
        Err(EngineError::Refused(Refusal::Stale)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
