//! `grandstand demo`: the stadium, a season of matches and two accounts. All ids are fixed, so
//! loading the demo again changes nothing.

#[cfg(test)]
mod tests;

use crate::api::Services;
use crate::api::passwords::random_password;
use crate::api::trail::created;
use crate::api::users::new_account;
use crate::config::Settings;
use crate::domain::account::Role;
use crate::domain::catalog::{Match, MatchStatus, Site};
use crate::domain::ids::{MatchId, Partition, SiteId};
use crate::domain::queue::QueueSettings;
use crate::domain::text::canonical_email;
use crate::domain::trail::COMMAND_LINE;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use anyhow::Context as _;
use grandstand_demo::{ACCOUNTS, DemoAccount, Fixture, Sale, fixtures, stadium};
use uuid::Uuid;

/// 2026-01-01 in ms: the time in the ids of the demo.
const CREATED_AT_MS: u64 = 1_767_225_600_000;

/// The secret keys of Toss Payments with which money moves begin with this.
const LIVE_KEY_PREFIX: &str = "live_";

/// How many documents were created. A document that was there already does not count.
#[derive(Debug, Default, Clone)]
pub struct Loaded {
    pub sites: u32,
    pub matches: u32,
    /// E-mail and password of each new account.
    pub accounts: Vec<(&'static str, String)>,
}

impl Loaded {
    /// What a person must know, with the passwords of the new accounts.
    pub fn report(&self) -> String {
        let Self { sites, matches, accounts } = self;
        let count = accounts.len();
        let mut text = format!("created {sites} sites, {matches} matches, {count} accounts\n");
        for (email, password) in accounts {
            text.push_str(&format!("{email}  password, shown only now: {password}\n"));
        }
        text
    }
}

/// The passwords of the accounts of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passwords {
    /// Those of the documents, for an installation that only one machine can reach.
    Published,
    /// Random ones.
    Random,
}

/// Creates the parts of the demo that are missing.
pub async fn load(services: &Services, passwords: Passwords) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded::default();
    let count = services.engine.partition_count();
    let plan = serde_json::from_value(stadium()).context("the plan of the demo")?;
    let site = Site { id: SiteId(fixed_id(0, count)), version: 1, plan };
    loaded.sites +=
        u32::from(is_created(services.engine.put_site(&site, Default::default()).await)?);
    services.catalog.refresh_site(site.id).await?;
    let now = jiff::Timestamp::from_millisecond(services.engine.now_ms(Partition(0)).await?)?;
    let today = now
        .in_tz("Asia/Seoul")
        .map_or_else(|_| now.to_zoned(jiff::tz::TimeZone::UTC).date(), |zoned| zoned.date());
    for planned in fixtures(today) {
        let fixture = document_of(&planned, &site, count);
        let created = is_created(services.engine.put_match(&fixture, Default::default()).await)?;
        loaded.matches += u32::from(created);
        services.catalog.refresh_match(fixture.id).await?;
    }
    for DemoAccount { email, password, admin } in ACCOUNTS {
        if services.engine.account(email).await?.is_some() {
            continue;
        }
        let password = match passwords {
            Passwords::Published => password.to_owned(),
            Passwords::Random => random_password()?,
        };
        let role = if admin { Role::Admin } else { Role::User };
        let account = new_account(services, email.to_owned(), password.clone(), role).await;
        let account = account.map_err(|_| anyhow::anyhow!("could not create {email}"))?;
        let trail = admin.then(|| Box::new(created(&account, COMMAND_LINE)));
        services
            .engine
            .create_account(&account, Operation { trail, ..Operation::default() })
            .await?;
        loaded.accounts.push((email, password));
    }
    Ok(loaded)
}

/// Refuses a real installation: the demo makes an administrator, whom nobody there has asked for.
///
/// # Errors
/// The gateway has a live key, or there are accounts that are neither of the demo nor that of the
/// first administrator, whom the settings name.
pub async fn refuse_real_installation(
    services: &Services,
    settings: &Settings,
) -> anyhow::Result<()> {
    if settings.toss_secret_key.starts_with(LIVE_KEY_PREFIX) {
        anyhow::bail!("GRANDSTAND_TOSS_SECRET_KEY is a live key: the demo is for test keys only");
    }
    let first = canonical_email(&settings.admin_email).unwrap_or_default();
    for partition in services.engine.partitions() {
        for account in services.engine.accounts_of(partition).await? {
            let of_demo = ACCOUNTS.iter().any(|demo| demo.email == account.email);
            if !of_demo && account.email != first {
                anyhow::bail!(
                    "this installation has accounts that are not of the demo. Create matches with \
                     the API, and administrators with `grandstand admin create`"
                );
            }
        }
    }
    Ok(())
}

/// Returns the match of this fixture, as the catalogue keeps it.
fn document_of(fixture: &Fixture, site: &Site, partitions: u16) -> Match {
    let (status, sale_opens_at) = match fixture.sale {
        Sale::Open => (MatchStatus::Open, None),
        Sale::OpensAt(opens_at) => (MatchStatus::Announced, Some(opens_at)),
        Sale::Draft => (MatchStatus::Draft, None),
    };
    Match {
        id: MatchId(fixed_id(fixture.number, partitions)),
        version: 1,
        site_id: site.id,
        stadium: site.plan.name.clone(),
        home_team: fixture.home_team.to_owned(),
        away_team: fixture.away_team.to_owned(),
        starts_at: fixture.starts_at,
        status,
        queue: QueueSettings::default(),
        sale_opens_at,
        sale_closes_at: None,
        draw_seed: None,
        drawn: None,
        orphan_rule: false,
        moved: false,
        refundable_until: None,
        refund_fees: vec![],
        one_hold_per_user: false,
        holds_need_verified_email: false,
        prices: None,
        archived: false,
    }
}

/// Returns a UUIDv7 of the demo. Number 0 is the site. The other numbers are matches, and they are
/// spread over the partitions.
fn fixed_id(number: u32, partitions: u16) -> Uuid {
    let partition = (number % u32::from(partitions)) as u16;
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&CREATED_AT_MS.to_be_bytes()[2..]);
    bytes[6] = 0x70 | (partition >> 8) as u8;
    bytes[7] = partition as u8;
    bytes[8] = 0x80;
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Uuid::from_bytes(bytes)
}

/// Returns whether a document was created. `Stale` means that it was there already.
fn is_created<T>(put: Result<T, EngineError>) -> anyhow::Result<bool> {
    match put {
        Ok(_) => Ok(true),
        Err(EngineError::Refused(Refusal::Stale)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
