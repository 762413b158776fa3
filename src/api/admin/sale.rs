//! The sale of a match: opens and closes it, blocks seats.

use crate::api::Services;
use crate::api::admin::matches::{changed, on_sale, read, retried};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, Okay, Path};
use crate::api::matches::MatchView;
use crate::api::staff::{Manager, Seller, Staff};
use crate::api::trail::match_state;
use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::ids::{MatchId, SeatId};
use crate::domain::plan::PlanIndex;
use crate::domain::trail::{Act, match_target};
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::live::catalog::KnownSite;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// The most seats to block or unblock in one call. All of them change in one step, in which Redis
/// serves nobody else: 6 to 10 ms for this number.
const BLOCKED_SEATS_MAX: usize = 4_000;

/// Seats.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatsInput {
    /// All of them or none.
    #[schema(min_items = 1, max_items = 4000)]
    seat_ids: Vec<SeatId>,
}

/// How many seats were changed.
#[derive(Serialize, ToSchema)]
pub struct SeatsDone {
    seats: usize,
}

/// Announces a DRAFT match: everybody sees it. It opens at its `saleOpensAt`, or by hand.
#[utoipa::path(post, path = "/api/admin/matches/{match}/announce",
    operation_id = "announceMatch", tag = "administration",
    params(("match" = uuid::Uuid, Path)), security(("manager" = [])),
    responses((status = 200, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteNotFound, ErrorCode::MatchOnSale, ErrorCode::ChangedMeanwhile]))))]
pub async fn announce(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    Path(id): Path<MatchId>,
) -> ApiResult<Okay<MatchView>> {
    let steps = {
        let services = services.clone();
        async move { retried(|| announce_once(&services, &user, id)).await }
    };
    services.steps.run(steps).await
}

async fn announce_once(
    services: &Services,
    user: &Staff,
    id: MatchId,
) -> ApiResult<Okay<MatchView>> {
    let fixture = read(services, id).await?;
    if fixture.status != MatchStatus::Draft {
        return Err(on_sale("Only a draft can be announced."));
    }
    let announced = Match { status: MatchStatus::Announced, ..fixture.clone() };
    put_on_sale(services, (user, Act::MatchAnnounced), fixture, announced).await
}

/// Opens the sale of a match that is DRAFT, ANNOUNCED or CLOSED, until its `saleClosesAt`.
#[utoipa::path(post, path = "/api/admin/matches/{match}/open",
    operation_id = "openSale", tag = "administration",
    params(("match" = uuid::Uuid, Path)), security(("manager" = [])),
    responses((status = 200, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteNotFound, ErrorCode::MatchAlreadyOpen, ErrorCode::MatchNotOpen,
        ErrorCode::MatchArchived, ErrorCode::ChangedMeanwhile]))))]
pub async fn open(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    Path(id): Path<MatchId>,
) -> ApiResult<Okay<MatchView>> {
    let steps = {
        let services = services.clone();
        async move { retried(|| open_once(&services, &user, id)).await }
    };
    services.steps.run(steps).await
}

async fn open_once(services: &Services, user: &Staff, id: MatchId) -> ApiResult<Okay<MatchView>> {
    let fixture = read(services, id).await?;
    if fixture.status == MatchStatus::Open {
        return Err(ApiError::new(ErrorCode::MatchAlreadyOpen, "The match is on sale already."));
    }
    if fixture.archived {
        return Err(Refusal::Archived.into());
    }
    let opened = Match { status: MatchStatus::Open, ..fixture.clone() };
    // It would end again at once.
    if opened.status_at(services.engine.now_ms(id.partition()).await?) != MatchStatus::Open {
        let detail = format!(
            "The sale of this match has ended at {}. Move its saleClosesAt to a later time first.",
            opened.closes_at()
        );
        return Err(ApiError::new(ErrorCode::MatchNotOpen, detail));
    }
    put_on_sale(services, (user, Act::SaleOpened), fixture, opened).await
}

/// From here on the plan of the site does not change any more. The second look must come although
/// the client is gone.
async fn put_on_sale(
    services: &Services,
    (user, act): (&Staff, Act),
    old: Match,
    new: Match,
) -> ApiResult<Okay<MatchView>> {
    refuse_unpriced(services, &old).await?;
    let status = new.status;
    let done = change(services, (user, act), old.clone(), |fixture| *fixture = new).await?;
    // The plan may have been replaced since the first look. Whichever came first, one of the two
    // looks sees the new plan, or replacing it sees the sale.
    if let Err(error) = refuse_unpriced(services, &old).await {
        let (id, back) = (old.id, retried(|| take_back(services, user, &old, status)).await);
        if let Err(failure) = back {
            tracing::error!(r#match = %id, failure = ?failure.code(),
                "the sale is not compared with the plan, and could not be taken back: close it");
        }
        return Err(error);
    }
    Ok(done)
}

/// Gives a match back the status that it had, unless somebody has given it another one than
/// `status` since.
async fn take_back(
    services: &Services,
    user: &Staff,
    old: &Match,
    status: MatchStatus,
) -> ApiResult<()> {
    let now = read(services, old.id).await?;
    // Its time may have come since: then it has opened or ended by itself.
    let ours = Match { status, ..now.clone() };
    if now.status == ours.status_at(services.engine.now_ms(old.id.partition()).await?) {
        let back = |fixture: &mut Match| fixture.status = old.status;
        change(services, (user, Act::MatchChanged), now, back).await?;
    }
    Ok(())
}

/// Refuses a match without a site, and one whose price list does not fit the plan: the plan may
/// have been replaced after the list was set.
async fn refuse_unpriced(services: &Services, fixture: &Match) -> ApiResult<()> {
    let site = services.engine.site(fixture.site_id).await?.ok_or(ErrorCode::SiteNotFound)?;
    let faults = fixture.prices.as_ref().map(|list| list.faults(&site.plan.grades));
    match faults.unwrap_or_default() {
        faults if faults.is_empty() => Ok(()),
        faults => {
            let first = faults.first().map_or("", |fault| &fault.message);
            let detail = format!(
                "The price list of this match does not fit the plan of its site: {first} Set the \
                 list again first."
            );
            Err(ApiError::plan(faults).with_detail(detail))
        }
    }
}

/// Closes the sale: seats that are only held come back, and seats that are reserved may still be
/// paid in time. An ANNOUNCED match is called off: it does not open by itself any more.
#[utoipa::path(post, path = "/api/admin/matches/{match}/close",
    operation_id = "closeSale", tag = "administration",
    params(("match" = uuid::Uuid, Path)), security(("manager" = [])),
    responses((status = 200, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([ErrorCode::MatchNotOpen, ErrorCode::ChangedMeanwhile]))))]
pub async fn close(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    Path(id): Path<MatchId>,
) -> ApiResult<Okay<MatchView>> {
    retried(|| close_once(&services, &user, id)).await
}

async fn close_once(services: &Services, user: &Staff, id: MatchId) -> ApiResult<Okay<MatchView>> {
    let fixture = read(services, id).await?;
    match fixture.status {
        MatchStatus::Announced | MatchStatus::Open => {}
        MatchStatus::Draft | MatchStatus::Closed => {
            return Err(ApiError::new(ErrorCode::MatchNotOpen, "The match is not on sale."));
        }
    }
    change(services, (user, Act::SaleClosed), fixture, |fixture| {
        fixture.status = MatchStatus::Closed;
    })
    .await
}

/// Takes seats out of the sale. Seats that are held or sold are refused.
#[utoipa::path(post, path = "/api/admin/matches/{match}/block",
    operation_id = "blockSeats", tag = "administration",
    params(("match" = uuid::Uuid, Path)), request_body = SeatsInput, security(("seller" = [])),
    responses((status = 200, body = Envelope<SeatsDone>)),
    extensions(("x-codes" = json!([
        ErrorCode::SeatNotFound, ErrorCode::SeatTaken, ErrorCode::ChangedMeanwhile,
        ErrorCode::MatchArchived]))))]
pub async fn block(
    State(services): State<Arc<Services>>,
    Seller(user): Seller,
    Path(id): Path<MatchId>,
    input: Input<SeatsInput>,
) -> ApiResult<Okay<SeatsDone>> {
    let steps = block_seats(services.clone(), user, id, input.value.seat_ids);
    services.steps.run(steps).await
}

async fn block_seats(
    services: Arc<Services>,
    user: Staff,
    id: MatchId,
    seats: Vec<SeatId>,
) -> ApiResult<Okay<SeatsDone>> {
    let (site, seats, unknown) = named(&services, id, seats)?;
    if !unknown.is_empty() {
        return Err(ApiError::seats_not_found(unknown));
    }
    let count = seats.len();
    let entry = user.act(Act::SeatsBlocked, match_target(id)).with(json!({"seatIds": &seats}));
    services.note(id.partition(), &entry).await?;
    let blocked = services.engine.block(id, seats.clone()).await;
    blocked.map_err(|error| taken(error, "Seats that are held or sold can't be blocked."))?;
    let lost = lost_seats(&services, id, &site, seats).await?;
    if !lost.is_empty() {
        services.engine.unblock(id, lost).await?;
        return Err(ErrorCode::ChangedMeanwhile.into());
    }
    Ok(Okay(SeatsDone { seats: count }))
}

/// Those of some seats that a draft has lost since `site` was read, because it has got another site
/// or another plan. Whichever came first, this look sees the change, or the change sees the seats.
async fn lost_seats(
    services: &Services,
    id: MatchId,
    site: &KnownSite,
    mut seats: Vec<SeatId>,
) -> ApiResult<Vec<SeatId>> {
    let fixture = services.engine.fixture(id).await?.ok_or(ErrorCode::MatchNotFound)?;
    if fixture.site_id != site.site.id {
        return Ok(seats);
    }
    if fixture.status != MatchStatus::Draft {
        return Ok(vec![]);
    }
    let now = services.engine.site(fixture.site_id).await?.ok_or(ErrorCode::SiteNotFound)?;
    if now.version == site.site.version {
        return Ok(vec![]);
    }
    let index = PlanIndex::new(&now.plan);
    seats.retain(|seat| index.position(*seat).is_none());
    Ok(seats)
}

/// Puts blocked seats back on sale.
#[utoipa::path(post, path = "/api/admin/matches/{match}/unblock",
    operation_id = "unblockSeats", tag = "administration",
    params(("match" = uuid::Uuid, Path)), request_body = SeatsInput, security(("seller" = [])),
    responses((status = 200, body = Envelope<SeatsDone>)),
    extensions(("x-codes" = json!([
        ErrorCode::SeatNotFound, ErrorCode::SeatTaken, ErrorCode::MatchArchived]))))]
pub async fn unblock(
    State(services): State<Arc<Services>>,
    Seller(user): Seller,
    Path(id): Path<MatchId>,
    input: Input<SeatsInput>,
) -> ApiResult<Okay<SeatsDone>> {
    let (_, seats, mut unknown) = named(&services, id, input.value.seat_ids)?;
    if !unknown.is_empty() {
        // An earlier release let a plan lose seats that were blocked.
        let blocked = services.engine.blocked(id).await?;
        unknown.retain(|seat| blocked.binary_search(seat).is_err());
    }
    if !unknown.is_empty() {
        return Err(ApiError::seats_not_found(unknown));
    }
    let count = seats.len();
    let entry = user.act(Act::SeatsUnblocked, match_target(id)).with(json!({"seatIds": &seats}));
    services.note(id.partition(), &entry).await?;
    let unblocked = services.engine.unblock(id, seats).await;
    unblocked.map_err(|error| taken(error, "These seats are not blocked: somebody has them."))?;
    Ok(Okay(SeatsDone { seats: count }))
}

/// Changes a match, with an entry in the audit trail.
pub(super) async fn change(
    services: &Services,
    (staff, act): (&Staff, Act),
    old: Match,
    edit: impl FnOnce(&mut Match),
) -> ApiResult<Okay<MatchView>> {
    let before = match_state(&old);
    let mut fixture = old;
    let version = fixture.version + 1;
    edit(&mut fixture);
    fixture.version = version;
    let entry = staff.act(act, match_target(fixture.id));
    let entry = entry.changing(before, match_state(&fixture));
    services.engine.put_match(&fixture, Operation::default().with_trail(entry)).await?;
    changed(services, fixture.id).await.map(Okay)
}

fn taken(error: EngineError, detail: &'static str) -> ApiError {
    match error {
        EngineError::Refused(Refusal::Taken(lost)) => ApiError::taken(lost, detail),
        other => other.into(),
    }
}

/// The seats that a call names, each of them once; those of them that the site does not have; and
/// the site.
fn named(
    services: &Services,
    id: MatchId,
    mut seats: Vec<SeatId>,
) -> ApiResult<(Arc<KnownSite>, Vec<SeatId>, Vec<SeatId>)> {
    let (_, site) = services.catalog.fixture_with_site(id).ok_or(ErrorCode::MatchNotFound)?;
    if seats.is_empty() || seats.len() > BLOCKED_SEATS_MAX {
        return Err(ApiError::field(
            "seatIds",
            format!("must name 1 to {BLOCKED_SEATS_MAX} seats"),
        ));
    }
    let mut seen = HashSet::new();
    seats.retain(|seat| seen.insert(*seat));
    let is_unknown = |seat: &SeatId| site.index.position(*seat).is_none();
    let unknown = seats.iter().copied().filter(is_unknown).collect();
    Ok((site, seats, unknown))
}
