//! The match that a path names.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::Path;
use crate::domain::catalog::Match;
use crate::domain::ids::MatchId;
use crate::live::catalog::KnownSite;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;

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
        services.fixture(id).map(Self)
    }
}

impl Services {
    /// A match of the catalogue. A handler calls this where it refuses something else first, such
    /// as a wrong body.
    pub fn fixture(&self, id: MatchId) -> ApiResult<Arc<Match>> {
        self.catalog.fixture(id).ok_or_else(|| ErrorCode::MatchNotFound.into())
    }

    /// A match with its site.
    pub fn fixture_with_site(&self, id: MatchId) -> ApiResult<(Arc<Match>, Arc<KnownSite>)> {
        self.catalog.fixture_with_site(id).ok_or_else(|| ErrorCode::MatchNotFound.into())
    }
}
