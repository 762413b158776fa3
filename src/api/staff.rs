//! People with a role. Each extractor is a proof: a handler that takes a `Manager` can't be reached
//! by anybody who may not run the sale of the match or site in the path.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::auth::{User, refuse_ended};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::trail::entry;
use crate::domain::account::{Role, SITES_MAX};
use crate::domain::ids::{MatchId, SiteId};
use crate::domain::trail::{Act, TrailEntry};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::Method;
use axum::http::request::Parts;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

macro_rules! staff {
    ($($(#[$doc:meta])* $name:ident: $($role:ident)|+;)+) => { $(
        $(#[$doc])*
        pub struct $name(pub Staff);

        impl $name {
            /// The roles that the extractor accepts.
            pub const ROLES: &[Role] = &[$(Role::$role),+];
        }

        impl FromRequestParts<Arc<Services>> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(
                parts: &mut Parts,
                services: &Arc<Services>,
            ) -> Result<Self, ApiError> {
                allowed(parts, services, Self::ROLES).await.map(Self)
            }
        }
    )+ };
}

staff! {
    /// An administrator.
    Admin: Admin;
    /// Someone who may change matches, their sales and waiting rooms, and plans.
    Manager: Admin | Organiser;
    /// Someone who may block seats, and let people in or send them away.
    Seller: Admin | Organiser | BoxOffice;
    /// Someone who may read what only people with a role see.
    Reader: Admin | Organiser | BoxOffice | Support;
}

/// Who acts, and from where.
#[derive(Debug, Clone)]
pub struct Staff {
    pub user: User,
    /// The address of the caller.
    pub address: IpAddr,
}

impl Deref for Staff {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

impl Staff {
    /// An act of this person, for the audit trail.
    pub fn act(&self, act: Act, target: String) -> TrailEntry {
        entry(Some((self.id, self.role)), self.address, act, target)
    }
}

/// The caller, if the role is one of these, and if the match or site in the path is one of theirs.
async fn allowed(
    parts: &mut Parts,
    services: &Arc<Services>,
    roles: &[Role],
) -> Result<Staff, ApiError> {
    let user = User::from_request_parts(parts, services).await?;
    let Caller(address) = Caller::from_request_parts(parts, services).await?;
    if !roles.contains(&user.role) {
        return Err(ErrorCode::Forbidden.into());
    }
    if parts.method != Method::GET {
        refuse_ended(services, &user).await?;
    }
    if services.staff_need_second_factor && !user.second_factor {
        return Err(ErrorCode::SecondFactorMissing.into());
    }
    if user.role.is_of_sites() {
        let parameters = RawPathParams::from_request_parts(parts, services).await;
        for (name, text) in &parameters.map_err(ApiError::internal)? {
            if let Some(site) = site_of(services, name, text).await? {
                refuse_other_site(&user, site)?;
            }
        }
    }
    Ok(Staff { user, address })
}

/// The site that a parameter of the path belongs to. The handler refuses an id that nothing has.
///
/// A match is read from Redis, because this node may not know yet that another node has made or
/// moved it.
async fn site_of(services: &Services, name: &str, text: &str) -> ApiResult<Option<SiteId>> {
    match name {
        "match" => {
            let Ok(id) = text.parse::<MatchId>() else { return Ok(None) };
            Ok(services.engine.fixture(id).await?.map(|fixture| fixture.site_id))
        }
        "site" => Ok(text.parse().ok()),
        _ => Ok(None),
    }
}

/// Refuses what belongs to a site at which the role of the caller does not count.
pub fn refuse_other_site(user: &User, site: SiteId) -> ApiResult<()> {
    if has_site(user, site) {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::Forbidden, "Your role does not count at this site."))
}

/// Whether the role of the caller counts at this site.
pub fn has_site(user: &User, site: SiteId) -> bool {
    !user.role.is_of_sites() || user.sites.contains(&site)
}

/// The sites at which a role counts, each once and in order.
///
/// # Errors
/// `Validation`: the role is not one of sites, there are too many, or a site does not exist.
pub fn checked_sites(
    services: &Services,
    role: Role,
    mut sites: Vec<SiteId>,
) -> ApiResult<Vec<SiteId>> {
    sites.sort_unstable();
    sites.dedup();
    if !sites.is_empty() && !role.is_of_sites() {
        return Err(ApiError::field("sites", "only ORGANISER and BOX_OFFICE have sites"));
    }
    if sites.len() > SITES_MAX {
        return Err(ApiError::field("sites", format!("must be {SITES_MAX} sites at most")));
    }
    match sites.iter().find(|site| services.catalog.site(**site).is_none()) {
        Some(unknown) => Err(ApiError::field("sites", format!("there is no site {unknown}"))),
        None => Ok(sites),
    }
}
