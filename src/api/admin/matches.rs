//! Creates, changes and deletes matches.

use crate::api::Services;
use crate::api::admin::sites::partition_for;
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::api::extract::{Created, Envelope, IdempotencyKey, Input, NoContent, Okay, Path, Query};
use crate::api::idempotency::Repeatable;
use crate::api::if_match::IfMatch;
use crate::api::matches::{ListQuery, MatchPage, MatchView, page};
use crate::api::staff::{Manager, Reader, Staff, has_site, refuse_other_site};
use crate::api::trail::match_state;
use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::ids::{MatchId, SiteId};
use crate::domain::queue::QueueSettings;
use crate::domain::refund::{FEE_ROWS_MAX, RefundFee};
use crate::domain::text::is_invisible;
use crate::domain::trail::{Act, match_target};
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// How often a change of a match is tried. Fewer: an organiser is told to try again when a worker
/// and another organiser change the match in the same moment. More: a call takes longer before it
/// gives up.
const CHANGE_TRIES_MAX: usize = 8;

/// A match as an administrator gives it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatchInput {
    #[schema(value_type = uuid::Uuid)]
    pub(super) site_id: SiteId,
    /// 1 to 100 characters, none of them a control character; spaces around it are removed.
    #[schema(schema_with = team)]
    pub(super) home_team: String,
    /// As `homeTeam`.
    #[schema(schema_with = team)]
    pub(super) away_team: String,
    pub(super) starts_at: jiff::Timestamp,
    /// When the match opens by itself once it is announced. Without it, an administrator opens it.
    pub(super) sale_opens_at: Option<jiff::Timestamp>,
    /// When the sale ends by itself; default: when the match starts.
    pub(super) sale_closes_at: Option<jiff::Timestamp>,
    /// Until when buyers may give tickets back; default: until the match starts.
    pub(super) refundable_until: Option<jiff::Timestamp>,
    /// What giving them back costs, by the time, in order. Each row counts before its `until`, and
    /// the last one must reach the end of refunds. Without rows it costs nothing. A sale keeps the
    /// terms that it was made under, and a buyer has the better ones when they change.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub(super) refund_fees: Vec<RefundFee>,
    /// Whether a user may have only one hold or unpaid reservation of the match at a time; default
    /// false.
    #[serde(default)]
    pub(super) one_hold_per_user: bool,
    /// Whether only users whose e-mail is verified may hold seats; default false.
    #[serde(default)]
    pub(super) holds_need_verified_email: bool,
    /// Whether a choice by hand is refused when it would leave a single seat alone; default false.
    #[serde(default)]
    pub(super) orphan_rule: bool,
}

impl MatchInput {
    /// What an administrator would give for this match.
    pub(super) fn of(fixture: &Match) -> Self {
        Self {
            site_id: fixture.site_id,
            home_team: fixture.home_team.clone(),
            away_team: fixture.away_team.clone(),
            starts_at: fixture.starts_at,
            sale_opens_at: fixture.sale_opens_at,
            sale_closes_at: fixture.sale_closes_at,
            refundable_until: fixture.refundable_until,
            refund_fees: fixture.refund_fees.clone(),
            one_hold_per_user: fixture.one_hold_per_user,
            holds_need_verified_email: fixture.holds_need_verified_email,
            orphan_rule: fixture.orphan_rule,
        }
    }
}

/// A name that is not only spaces.
fn team() -> Object {
    let inside = r"[^\u0000-\u001f\u007f-\u009f]";
    let pattern = format!(r"^{inside}*[^\s\u0000-\u001f\u007f-\u009f]{inside}*$");
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "1 to 100 characters, no control characters; spaces around it are removed.",
        ))
        .max_length(Some(100))
        .pattern(Some(pattern))
        .build()
}

/// Creates a DRAFT match.
#[utoipa::path(post, path = "/api/admin/matches",
    operation_id = "createMatch", tag = "administration",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = MatchInput,
    security(("manager" = [])),
    responses((status = 201, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([ErrorCode::SiteNotFound]))))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    key: IdempotencyKey,
    input: Input<MatchInput>,
) -> ApiResult<Repeatable<Created<MatchView>>> {
    refuse_other_site(&user, input.value.site_id)?;
    let stadium = check(&services, &input.value)?;
    let operation = key.operation(&user.id.key(), "create match", &input);
    let partition = partition_for(&services, &operation.key);
    let given = input.value;
    let fixture = Match {
        id: MatchId::new(partition),
        version: 1,
        site_id: given.site_id,
        stadium,
        home_team: given.home_team.trim().to_owned(),
        away_team: given.away_team.trim().to_owned(),
        starts_at: given.starts_at,
        status: MatchStatus::Draft,
        queue: QueueSettings::default(),
        sale_opens_at: given.sale_opens_at,
        sale_closes_at: given.sale_closes_at,
        refundable_until: given.refundable_until,
        refund_fees: given.refund_fees,
        prices: None,
        one_hold_per_user: given.one_hold_per_user,
        holds_need_verified_email: given.holds_need_verified_email,
        draw_seed: None,
        drawn: None,
        orphan_rule: given.orphan_rule,
        moved: false,
        archived: false,
    };
    let entry = user.act(Act::MatchCreated, match_target(fixture.id));
    let operation = operation.with_trail(entry.with(match_state(&fixture)));
    let id = services.engine.put_match(&fixture, operation).await?;
    let response = Created(changed(&services, id).await?);
    Ok(Repeatable { response, replayed: id != fixture.id })
}

/// The matches at the sites of the caller, also DRAFT ones, in the order in which they start.
#[utoipa::path(get, path = "/api/admin/matches",
    operation_id = "listAllMatches", tag = "administration", params(ListQuery),
    security(("reader" = [])), responses((status = 200, body = Envelope<MatchPage>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    Reader(user): Reader,
    Query(query): Query<ListQuery>,
) -> ApiResult<Okay<MatchPage>> {
    page(&services, query, |fixture| has_site(&user, fixture.site_id)).await.map(Okay)
}

/// Changes a match. A field that is left out gets its default; PATCH changes single fields. With
/// `If-Match`, the match must have the version that you have read. The site can only be changed
/// while the match is DRAFT and none of its seats is blocked. `saleOpensAt` does nothing to a match
/// that is on sale already.
#[utoipa::path(put, path = "/api/admin/matches/{match}",
    operation_id = "replaceMatch", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body = MatchInput, security(("manager" = [])),
    responses((status = 200, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteNotFound, ErrorCode::MatchOnSale, ErrorCode::SeatsBlocked,
        ErrorCode::ChangedMeanwhile, ErrorCode::VersionMismatch]))))]
pub async fn replace(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    Path(id): Path<MatchId>,
    seen: IfMatch,
    input: Input<MatchInput>,
) -> ApiResult<Okay<MatchView>> {
    refuse_other_site(&user, input.value.site_id)?;
    let stadium = check(&services, &input.value)?;
    retried(|| async {
        let old = read(&services, id).await?;
        seen.check(old.version)?;
        store(&services, &user, old, (&stadium, &input.value)).await
    })
    .await
}

/// Stores a match as it is given.
pub(super) async fn store(
    services: &Services,
    user: &Staff,
    old: Match,
    (stadium, given): (&str, &MatchInput),
) -> ApiResult<Okay<MatchView>> {
    let (id, before) = (old.id, match_state(&old));
    let is_moved = old.site_id != given.site_id;
    if old.status != MatchStatus::Draft && is_moved {
        return Err(on_sale("Its site can't be changed any more."));
    }
    let fixture = Match {
        version: old.version + 1,
        site_id: given.site_id,
        stadium: stadium.to_owned(),
        home_team: given.home_team.trim().to_owned(),
        away_team: given.away_team.trim().to_owned(),
        starts_at: given.starts_at,
        sale_opens_at: given.sale_opens_at,
        sale_closes_at: given.sale_closes_at,
        refundable_until: given.refundable_until,
        refund_fees: given.refund_fees.clone(),
        one_hold_per_user: given.one_hold_per_user,
        holds_need_verified_email: given.holds_need_verified_email,
        orphan_rule: given.orphan_rule,
        moved: old.moved || is_moved,
        // The grades of its prices are those of the site before.
        prices: old.prices.filter(|_| !is_moved),
        ..old
    };
    let entry = user.act(Act::MatchChanged, match_target(id));
    let entry = entry.changing(before, match_state(&fixture));
    let operation = Operation::default().with_trail(entry);
    let stored = match is_moved {
        true => services.engine.move_match(&fixture, operation).await,
        false => services.engine.put_match(&fixture, operation).await,
    };
    if let Err(EngineError::Refused(Refusal::SeatsBlocked)) = stored {
        return Err(ApiError::seats_blocked(id, services.engine.blocked(id).await?));
    }
    stored?;
    changed(services, id).await.map(Okay)
}

/// Deletes a DRAFT match.
#[utoipa::path(delete, path = "/api/admin/matches/{match}",
    operation_id = "deleteMatch", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    security(("manager" = [])), responses((status = 204)),
    extensions(("x-codes" = json!([
        ErrorCode::MatchOnSale, ErrorCode::ChangedMeanwhile, ErrorCode::VersionMismatch]))))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    Path(id): Path<MatchId>,
    seen: IfMatch,
) -> ApiResult<NoContent> {
    retried(|| delete_once(&services, &user, id, seen)).await
}

async fn delete_once(
    services: &Services,
    user: &Staff,
    id: MatchId,
    seen: IfMatch,
) -> ApiResult<NoContent> {
    let fixture = read(services, id).await?;
    seen.check(fixture.version)?;
    if fixture.status != MatchStatus::Draft {
        return Err(on_sale("Close it instead."));
    }
    let entry = user.act(Act::MatchDeleted, match_target(id));
    let entry = entry.changing(match_state(&fixture), Value::Null);
    let operation = Operation::default().with_trail(entry);
    services.engine.delete_match(&fixture, operation).await?;
    services.catalog.refresh_match(id).await?;
    Ok(NoContent)
}

/// Makes a change of a match again when somebody else has changed the match in between: a worker
/// that opens or ends the sale or counts a draw, or another organiser. The change reads the match
/// from Redis each time, and refuses what does not fit any more, as if the call had come a moment
/// later.
///
/// # Errors
/// `ChangedMeanwhile` when the match changes all the time, and the errors of the change.
pub async fn retried<T, F: Future<Output = ApiResult<T>>>(change: impl Fn() -> F) -> ApiResult<T> {
    for _ in 1..CHANGE_TRIES_MAX {
        match change().await {
            Err(error) if error.code() == ErrorCode::ChangedMeanwhile => {}
            done => return done,
        }
    }
    change().await
}

/// The refusal of a match that is not a draft any more.
pub fn on_sale(advice: &str) -> ApiError {
    let detail = format!("The match is announced, or it is or was on sale. {advice}");
    ApiError::new(ErrorCode::MatchOnSale, detail)
}

/// A match as Redis has it now, because a change must not start from a cache. Its status is that of
/// the clock: a change of an announced match whose time has come also opens the match.
pub async fn read(services: &Services, id: MatchId) -> ApiResult<Match> {
    let fixture = services.engine.fixture(id).await?.ok_or(ErrorCode::MatchNotFound)?;
    let now_ms = services.engine.now_ms(id.partition()).await?;
    Ok(Match { status: fixture.status_at(now_ms), ..fixture })
}

/// The match after a change.
pub async fn changed(services: &Services, id: MatchId) -> ApiResult<MatchView> {
    services.catalog.refresh_match(id).await?;
    let fixture = services.catalog.fixture(id).ok_or(ErrorCode::MatchNotFound)?;
    Ok(MatchView::of(services, &fixture).await)
}

/// Refuses wrong fields. Returns the name of the stadium.
pub(super) fn check(services: &Services, input: &MatchInput) -> ApiResult<String> {
    let hidden = |letter: char| letter.is_control() || is_invisible(letter);
    // Two invisible characters are allowed, because they join emoji.
    let joins_emoji = |letter: char| matches!(letter, '\u{200d}' | '\u{fe0f}');
    let mut errors = Vec::new();
    for (field, text) in [("homeTeam", &input.home_team), ("awayTeam", &input.away_team)] {
        let is_seen = text.chars().any(|letter| !letter.is_whitespace() && !hidden(letter));
        let is_hidden = text.chars().any(|letter| hidden(letter) && !joins_emoji(letter));
        if !is_seen || is_hidden || text.chars().count() > 100 {
            let message = "must have 1 to 100 characters, all of which can be seen".to_owned();
            errors.push(FieldError { field: field.to_owned(), message });
        }
    }
    errors.extend(early_times(input));
    let closes_at = input.sale_closes_at.unwrap_or(input.starts_at);
    if input.sale_opens_at.is_some_and(|opens_at| opens_at >= closes_at) {
        let message = match input.sale_closes_at {
            Some(_) => "must be before saleClosesAt",
            None => "must be before startsAt, when the sale ends without saleClosesAt",
        };
        let field = "saleOpensAt".to_owned();
        errors.push(FieldError { field, message: message.to_owned() });
    }
    errors.extend(wrong_fees(input));
    if !errors.is_empty() {
        return Err(ApiError::fields(errors));
    }
    let site = services.catalog.site(input.site_id).ok_or(ErrorCode::SiteNotFound)?;
    Ok(site.site.plan.name.clone())
}

/// The times that are not after the start of 1970. The scripts take them for times that never come.
fn early_times(input: &MatchInput) -> impl Iterator<Item = FieldError> {
    let times = [
        ("startsAt", Some(input.starts_at)),
        ("saleOpensAt", input.sale_opens_at),
        ("saleClosesAt", input.sale_closes_at),
        ("refundableUntil", input.refundable_until),
    ];
    let is_early = |at: jiff::Timestamp| at.as_millisecond() <= 0;
    let early = times.into_iter().filter(move |(_, at)| at.is_some_and(is_early));
    early.map(|(field, _)| FieldError {
        field: field.to_owned(),
        message: "must be after 1970".to_owned(),
    })
}

/// The largest fee of a seat besides the percentage, in KRW.
const PER_SEAT_MAX: i64 = 10_000_000;

/// What is wrong with the fee table of a match.
fn wrong_fees(input: &MatchInput) -> Vec<FieldError> {
    let rows = &input.refund_fees;
    let wrong = |field: String, message: &str| FieldError { field, message: message.to_owned() };
    let mut errors = Vec::new();
    if rows.len() > FEE_ROWS_MAX {
        errors.push(wrong("refundFees".to_owned(), "must have at most 10 rows"));
    }
    let ends_at = input.refundable_until.unwrap_or(input.starts_at);
    if rows.last().is_some_and(|last| last.until < ends_at) {
        let message = "must reach refundableUntil (default: startsAt), so that each time has a fee";
        errors.push(wrong(format!("refundFees[{}].until", rows.len() - 1), message));
    }
    for (number, row) in rows.iter().enumerate() {
        let field = |name: &str| format!("refundFees[{number}].{name}");
        if number > 0 && rows[number - 1].until >= row.until {
            errors.push(wrong(field("until"), "must be after the row before"));
        }
        if row.until.as_millisecond() <= 0 {
            errors.push(wrong(field("until"), "must be after 1970"));
        }
        if row.percent > 100 {
            errors.push(wrong(field("percent"), "must be 0 to 100"));
        }
        if !(0..=PER_SEAT_MAX).contains(&row.per_seat) {
            errors.push(wrong(field("perSeat"), "must be 0 to 10000000"));
        }
    }
    errors
}
