//! Holding one of several choices that this node proposes. The script takes the first choice whose
//! seats are all free, so that nobody loses a race between the look and the hold.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::choice::{hold_error, refuse_early};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::views::HoldView;
use crate::domain::bill::Charge;
use crate::domain::catalog::Match;
use crate::domain::ids::{HoldId, MatchId, SeatId};
use crate::domain::orphans::possible_orphans;
use crate::engine::error::EngineError;
use crate::engine::operation::Operation;
use crate::engine::reply::Granted;
use crate::live::catalog::KnownSite;
use crate::live::match_feed::MatchFeed;
use std::sync::Arc;
use std::time::Duration;

/// The most choices of one call. Fewer: in a crowd all of them are taken. More: too many seats for
/// one batch.
pub const CHOICES_MAX: usize = 12;
/// The most rounds against a crowd. More: the buyer waits longer before being told to try again.
const ROUNDS_MAX: usize = 8;
/// How long a round waits for the map of this node to catch up with Redis.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(500);

/// Choices of equally many seats, each with what it costs.
pub type Choices = Vec<(Charge, Vec<SeatId>)>;

/// Who wants how many seats of which match.
pub struct Want<'a> {
    pub services: &'a Services,
    pub user: &'a User,
    pub id: MatchId,
    pub fixture: Arc<Match>,
    pub site: Arc<KnownSite>,
    pub count: usize,
    /// The seats that every choice has, because the caller names them.
    pub named: Vec<SeatId>,
    pub operation: Operation,
}

impl Want<'_> {
    /// Holds the first free choice. `propose` looks for choices on the map; an error of `propose`
    /// ends the search. `none_left` is the refusal when the map has none, and Redis has not changed
    /// since.
    pub async fn hold(
        &self,
        mut propose: impl FnMut(&MatchFeed) -> ApiResult<Choices>,
        none_left: impl Fn(&MatchFeed) -> ApiError,
    ) -> ApiResult<HoldView> {
        let Self { services, id, site, count, operation, .. } = self;
        // Without a choice the script only says whether the match is on sale, and returns the seats
        // of an earlier call under the same key.
        if !refuse_early(services, *id, *count, operation).await?
            && let Ok(view) = self.hold_first(&[]).await?
        {
            return Ok(view);
        }
        let feed = services.hub.feed(*id).await?;
        // The wish was checked with the plan of the catalogue. Numbers of grades are of one plan.
        if feed.site().site.version != site.site.version {
            return Err(ErrorCode::Overloaded.into());
        }
        for _ in 0..ROUNDS_MAX {
            // Read before the look, so that the map is at least as new.
            let known = feed.version();
            let choices = propose(&feed)?;
            let held = match choices.first() {
                Some(choice) if !self.named.is_empty() => self.hold_named(choice).await?,
                _ => self.hold_first(&choices).await?,
            };
            let version = match held {
                Ok(view) => return Ok(view),
                Err(version) => version,
            };
            if choices.is_empty() && known >= version {
                return Err(none_left(&feed));
            }
            feed.wait_for_version(version, CATCH_UP_TIMEOUT).await;
        }
        Err(ErrorCode::Overloaded.into())
    }

    /// `Err` is the version of the match at which no choice was free.
    async fn hold_first(
        &self,
        choices: &[(Charge, Vec<SeatId>)],
    ) -> ApiResult<Result<HoldView, u64>> {
        let (engine, operation) = (&self.services.engine, self.operation.clone());
        let held = engine.hold_best(self.id, self.user.id, self.count, choices, operation).await;
        self.view(held)
    }

    /// The same for a choice whose first seats are those that the caller names. Refusals are about
    /// them only.
    async fn hold_named(
        &self,
        (charge, seats): &(Charge, Vec<SeatId>),
    ) -> ApiResult<Result<HoldView, u64>> {
        let (engine, operation) = (&self.services.engine, self.operation.clone());
        let orphans = match self.fixture.orphan_rule {
            true => possible_orphans(&self.site.index, &self.named),
            false => vec![],
        };
        let (user, charge) = (self.user.id, charge.clone());
        let seats = (seats.clone(), self.named.len());
        let held = engine.hold_named(self.id, user, seats, charge, &orphans, operation).await;
        self.view(held)
    }

    fn view(
        &self,
        held: Result<Result<(HoldId, Granted), u64>, EngineError>,
    ) -> ApiResult<Result<HoldView, u64>> {
        match held.map_err(|error| hold_error(&self.fixture, error))? {
            Ok((hold_id, granted)) => {
                HoldView::granted(&self.fixture, &self.site, hold_id, &granted).map(Ok)
            }
            Err(version) => Ok(Err(version)),
        }
    }
}
