//! The match that a path names. A DRAFT match is only for people with a role at its site: to
//! everybody else it does not exist.

use crate::api::Services;
use crate::api::auth::{Identity, User};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::Path;
use crate::api::staff::{Reader, has_site};
use crate::domain::api_key::Scope;
use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::ids::MatchId;
use crate::live::catalog::KnownSite;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::sync::Arc;

/// Who looks, where no token is needed. A token that is not valid counts as none.
pub struct Viewer {
    staff: Option<User>,
}

impl Viewer {
    /// Whether it is somebody with a role.
    pub fn is_staff(&self) -> bool {
        self.staff.is_some()
    }

    /// Whether the match exists for this caller.
    pub fn sees(&self, fixture: &Match) -> bool {
        let has_site = |user: &User| has_site(user, fixture.site_id);
        fixture.status != MatchStatus::Draft || self.staff.as_ref().is_some_and(has_site)
    }
}

impl FromRequestParts<Arc<Services>> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, Infallible> {
        let identity = Identity::from_request_parts(parts, services).await?;
        let user = identity.found.and_then(Result::ok);
        let reads = |user: &User| {
            Reader::ROLES.contains(&user.role) && user.has_scope(Scope::CatalogueRead)
        };
        Ok(Self { staff: user.filter(reads) })
    }
}

/// The match of the path parameter `{match}`, which must be the only parameter of the path. A
/// handler takes it last, because everything in front of it is refused first.
pub struct KnownMatch(pub Arc<Match>);

impl FromRequestParts<Arc<Services>> for KnownMatch {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let Path(id) = Path::from_request_parts(parts, services).await?;
        let Ok(viewer) = Viewer::from_request_parts(parts, services).await;
        services.fixture_for(&viewer, id).map(Self)
    }
}

/// Everybody, without a token.
const EVERYBODY: Viewer = Viewer { staff: None };

impl Services {
    /// A match that everybody sees. A handler calls this where it refuses something else first,
    /// such as a wrong body.
    pub fn fixture(&self, id: MatchId) -> ApiResult<Arc<Match>> {
        self.fixture_for(&EVERYBODY, id)
    }

    /// A match that this caller sees.
    pub fn fixture_for(&self, viewer: &Viewer, id: MatchId) -> ApiResult<Arc<Match>> {
        let fixture = self.catalog.fixture(id).filter(|fixture| viewer.sees(fixture));
        fixture.ok_or_else(|| ErrorCode::MatchNotFound.into())
    }

    /// A match that everybody sees, with its site.
    pub fn fixture_with_site(&self, id: MatchId) -> ApiResult<(Arc<Match>, Arc<KnownSite>)> {
        let found = self.catalog.fixture_with_site(id);
        let found = found.filter(|(fixture, _)| EVERYBODY.sees(fixture));
        found.ok_or_else(|| ErrorCode::MatchNotFound.into())
    }
}
