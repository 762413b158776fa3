//! The waiting room of a match, for its organiser.

use crate::api::Services;
use crate::api::admin::matches::{read, retried};
use crate::api::admin::sale::change;
use crate::api::changes::{given, present};
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::api::extract::{Envelope, IdempotencyKey, Input, NoContent, Okay, Path};
use crate::api::idempotency::Repeatable;
use crate::api::if_match::IfMatch;
use crate::api::matches::MatchView;
use crate::api::queue::{PlaceView, view};
use crate::api::staff::{Manager, Reader, Seller, Staff};
use crate::domain::catalog::{Match, MatchStatus};
use crate::domain::draw::new_seed;
use crate::domain::ids::{MatchId, UserId};
use crate::domain::queue::QueueSettings;
use crate::domain::trail::{Act, match_target};
use crate::engine::error::Refusal;
use crate::engine::operation::Operation;
use crate::engine::queue::PlaceVerb;
use crate::live::line::LineView;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

/// The most people to let in by one call.
const ADMIT_MAX: u32 = 100_000;

/// Some of the settings of a waiting room. Those that are left out stay as they are.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QueueChange {
    #[serde(deserialize_with = "present")]
    enabled: Option<bool>,
    /// Null: people may join as soon as the sale is open.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<jiff::Timestamp>)]
    opens_at: Option<Option<jiff::Timestamp>>,
    #[serde(deserialize_with = "present")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    admit_per_minute: Option<u32>,
    #[serde(deserialize_with = "present")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    max_active: Option<u32>,
    #[serde(deserialize_with = "present")]
    #[schema(minimum = 10_000, maximum = 3_600_000)]
    pass_ttl_ms: Option<u64>,
    #[serde(deserialize_with = "present")]
    #[schema(minimum = 10_000, maximum = 3_600_000)]
    admission_ttl_ms: Option<u64>,
    #[serde(deserialize_with = "present")]
    #[schema(minimum = 0.1, maximum = 10)]
    buyers_per_free_seat: Option<f64>,
    #[serde(deserialize_with = "present")]
    random_pre_queue: Option<bool>,
    #[serde(deserialize_with = "present")]
    paused: Option<bool>,
    challenge: Option<bool>,
}

impl QueueChange {
    /// The settings with this change.
    fn applied(&self, mut queue: QueueSettings) -> QueueSettings {
        fn set<T: Copy>(field: &mut T, given: Option<T>) {
            if let Some(value) = given {
                *field = value;
            }
        }
        set(&mut queue.enabled, self.enabled);
        set(&mut queue.opens_at, self.opens_at);
        set(&mut queue.admit_per_minute, self.admit_per_minute);
        set(&mut queue.max_active, self.max_active);
        set(&mut queue.pass_ttl_ms, self.pass_ttl_ms);
        set(&mut queue.admission_ttl_ms, self.admission_ttl_ms);
        set(&mut queue.buyers_per_free_seat, self.buyers_per_free_seat);
        set(&mut queue.random_pre_queue, self.random_pre_queue);
        set(&mut queue.paused, self.paused);
        set(&mut queue.challenge, self.challenge);
        queue
    }
}

/// How many people are where.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueNow {
    /// What everybody sees.
    line: LineView,
    /// People who wait, as Redis has them now.
    waiting: u64,
    /// People who were let in and have not asked for their place yet.
    admitted: u64,
    /// People with a pass and without seats.
    choosing: u64,
    /// People with a pass and with seats that are not paid for.
    buying: u64,
    /// Free seats; null while the site is not known.
    #[schema(required)]
    seats_left: Option<u64>,
}

/// People to let in at once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdmitInput {
    #[schema(minimum = 1, maximum = 100_000)]
    count: u32,
}

/// How many people were let in.
#[derive(Serialize, ToSchema)]
pub struct AdmitDone {
    admitted: u64,
}

/// Sets the waiting room. A field that is left out gets its default, except `enabled`, which is
/// required. To change a part, use PATCH.
///
/// When the waiting room is switched off, everybody may hold seats at once, and its line ends.
#[utoipa::path(put, path = "/api/admin/matches/{match}/queue",
    operation_id = "setQueue", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body = QueueSettings, security(("manager" = [])),
    responses((status = 200, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([ErrorCode::ChangedMeanwhile, ErrorCode::VersionMismatch]))))]
pub async fn set_queue(
    State(services): State<Arc<Services>>,
    Manager(manager): Manager,
    Path(id): Path<MatchId>,
    seen: IfMatch,
    input: Input<QueueChange>,
) -> ApiResult<Okay<MatchView>> {
    if input.value.enabled.is_none() {
        return Err(ApiError::field("enabled", "is required; PATCH changes single settings"));
    }
    let given = &input.value;
    retried(|| async {
        let fixture = read(&services, id).await?;
        seen.check(fixture.version)?;
        let queue = given.applied(QueueSettings::default());
        store(&services, &manager, fixture, queue).await
    })
    .await
}

/// Changes some settings of the waiting room, and leaves the others as they are.
#[utoipa::path(patch, path = "/api/admin/matches/{match}/queue",
    operation_id = "changeQueue", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body = QueueChange, security(("manager" = [])),
    responses((status = 200, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([ErrorCode::ChangedMeanwhile, ErrorCode::VersionMismatch]))))]
pub async fn change_queue(
    State(services): State<Arc<Services>>,
    Manager(manager): Manager,
    Path(id): Path<MatchId>,
    seen: IfMatch,
    input: Input<QueueChange>,
) -> ApiResult<Okay<MatchView>> {
    let given = &input.value;
    retried(|| async {
        let fixture = read(&services, id).await?;
        seen.check(fixture.version)?;
        let queue = given.applied(fixture.queue.clone());
        store(&services, &manager, fixture, queue).await
    })
    .await
}

async fn store(
    services: &Services,
    manager: &Staff,
    fixture: Match,
    queue: QueueSettings,
) -> ApiResult<Okay<MatchView>> {
    check(&queue)?;
    let seed = match &fixture.draw_seed {
        None if queue.random_pre_queue => Some(new_seed().map_err(ApiError::internal)?),
        kept => kept.clone(),
    };
    change(services, (manager, Act::QueueChanged), fixture, |fixture| {
        fixture.queue = queue;
        fixture.draw_seed = seed;
    })
    .await
}

fn check(queue: &QueueSettings) -> ApiResult<()> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: &str| {
        errors.push(FieldError { field: field.to_owned(), message: message.to_owned() });
    };
    // The scripts take 0 for no time.
    if queue.opens_at.is_some_and(|at| at.as_millisecond() <= 0) {
        wrong("opensAt", "must be after 1970");
    }
    if !(1..=1_000_000).contains(&queue.admit_per_minute) {
        wrong("admitPerMinute", "must be 1 to 1,000,000 people");
    }
    if !(1..=1_000_000).contains(&queue.max_active) {
        wrong("maxActive", "must be 1 to 1,000,000 people");
    }
    if !(10_000..=3_600_000).contains(&queue.pass_ttl_ms) {
        wrong("passTtlMs", "must be 10,000 to 3,600,000 milliseconds");
    }
    if !(10_000..=3_600_000).contains(&queue.admission_ttl_ms) {
        wrong("admissionTtlMs", "must be 10,000 to 3,600,000 milliseconds");
    }
    if !(0.1..=10.0).contains(&queue.buyers_per_free_seat) {
        wrong("buyersPerFreeSeat", "must be 0.1 to 10");
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::fields(errors)) }
}

/// How many people wait, choose and buy.
#[utoipa::path(get, path = "/api/admin/matches/{match}/queue",
    operation_id = "getQueue", tag = "administration",
    params(("match" = uuid::Uuid, Path)), security(("reader" = [])),
    responses((status = 200, body = Envelope<QueueNow>)),
    extensions(("x-codes" = json!([ErrorCode::MatchArchived]))))]
pub async fn get_queue(
    State(services): State<Arc<Services>>,
    _: Reader,
    Path(id): Path<MatchId>,
) -> ApiResult<Okay<QueueNow>> {
    let line = services.hub.feed(id).await?.line();
    let counts = services.engine.queue_counts(id).await?;
    let seats = seat_count(&services, id);
    Ok(Okay(QueueNow {
        line,
        waiting: counts.waiting,
        admitted: counts.admitted,
        choosing: counts.choosing,
        buying: counts.buying,
        seats_left: seats.map(|seats| u64::from(seats).saturating_sub(counts.taken)),
    }))
}

fn seat_count(services: &Services, id: MatchId) -> Option<u32> {
    let (_, site) = services.catalog.fixture_with_site(id)?;
    Some(site.index.seat_count())
}

/// Lets the next people in at once, whatever the rate and the limits say, also while the waiting
/// room is paused. Nobody is let in before the sale is open. Fewer people are let in than asked for
/// when the line is shorter, or while most of it still waits for the draw. A call that is repeated
/// under the same `Idempotency-Key` lets nobody else in.
#[utoipa::path(post, path = "/api/admin/matches/{match}/queue/admit",
    operation_id = "admitNow", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = AdmitInput, security(("manager" = [])),
    responses((status = 200, body = Envelope<AdmitDone>)),
    extensions(("x-codes" = json!([ErrorCode::QueueOff, ErrorCode::MatchNotOpen]))))]
pub async fn admit(
    State(services): State<Arc<Services>>,
    Manager(manager): Manager,
    Path(id): Path<MatchId>,
    key: IdempotencyKey,
    input: Input<AdmitInput>,
) -> ApiResult<Repeatable<Okay<AdmitDone>>> {
    let count = input.value.count;
    if !(1..=ADMIT_MAX).contains(&count) {
        return Err(ApiError::field("count", "must be 1 to 100,000 people"));
    }
    let fixture = read(&services, id).await?;
    if !fixture.queue.enabled {
        return Err(Refusal::QueueOff.into());
    }
    if fixture.status != MatchStatus::Open {
        return Err(Refusal::NotOpen { ended: fixture.status == MatchStatus::Closed }.into());
    }
    let entry = manager.act(Act::PeopleLetIn, match_target(id)).with(json!({"count": count}));
    let whole = key.operation(&manager.id.key(), &format!("admit {id}"), &input);
    let steps = {
        let services = services.clone();
        async move {
            // The key is in use until all are in.
            let _key = key;
            let_people_in(&services, id, count, whole.with_trail(entry)).await
        }
    };
    services.steps.run(steps).await
}

async fn let_people_in(
    services: &Services,
    id: MatchId,
    count: u32,
    mut whole: Operation,
) -> ApiResult<Repeatable<Okay<AdmitDone>>> {
    // The first call writes it, unless it was made before under the same key.
    let mut trail = whole.trail.take();
    let seats = seat_count(services, id);
    let (mut admitted, mut call, mut replayed) = (0, 0, true);
    while admitted < u64::from(count) {
        // A repeated call takes the same steps, and each of them under its own key.
        let key =
            if whole.key.is_empty() { String::new() } else { format!("{}/{call}", whole.key) };
        let fingerprint = whole.fingerprint.clone();
        let operation = Operation { key, fingerprint, trail: trail.take() };
        let left = count - admitted as u32;
        let (people, before) = services.engine.admit_now(id, seats, left, operation).await?;
        admitted += people;
        replayed &= before;
        call += 1;
        if people == 0 {
            break;
        }
    }
    Ok(Repeatable { response: Okay(AdmitDone { admitted }), replayed })
}

/// The place of a user. Looking at it does not begin the pass.
#[utoipa::path(get, path = "/api/admin/matches/{match}/queue/people/{user}",
    operation_id = "getPlaceOf", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("user" = uuid::Uuid, Path)), security(("reader" = [])),
    responses((status = 200, body = Envelope<PlaceView>)),
    extensions(("x-codes" = json!([
        ErrorCode::NotInQueue, ErrorCode::QueueOff, ErrorCode::MatchNotOpen]))))]
pub async fn place_of(
    State(services): State<Arc<Services>>,
    Reader(reader): Reader,
    Path((id, user)): Path<(MatchId, UserId)>,
) -> ApiResult<Okay<PlaceView>> {
    let fixture = read(&services, id).await?;
    let feed = services.hub.feed(id).await?;
    let entry = reader.act(Act::PlaceRead, match_target(id)).with(json!({"user": user}));
    services.note(id.partition(), &entry).await?;
    let place = services.engine.queue_place(id, user, PlaceVerb::Peek).await?;
    Ok(Okay(view(&fixture, &feed, place.ok_or(ErrorCode::NotInQueue)?)))
}

/// Lets a user in at once, who need not be in the line.
#[utoipa::path(put, path = "/api/admin/matches/{match}/queue/people/{user}",
    operation_id = "letIn", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("user" = uuid::Uuid, Path)), security(("seller" = [])),
    responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::QueueOff, ErrorCode::MatchNotOpen]))))]
pub async fn let_in(
    State(services): State<Arc<Services>>,
    Seller(seller): Seller,
    Path((id, user)): Path<(MatchId, UserId)>,
) -> ApiResult<NoContent> {
    read(&services, id).await?;
    let entry = seller.act(Act::PersonLetIn, match_target(id)).with(json!({"user": user}));
    services.note(id.partition(), &entry).await?;
    services.engine.let_in(id, user).await?;
    Ok(NoContent)
}

/// Takes a user out of the line, and ends the user's pass. Seats that the user has stay as they
/// are.
#[utoipa::path(delete, path = "/api/admin/matches/{match}/queue/people/{user}",
    operation_id = "sendAway", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("user" = uuid::Uuid, Path)), security(("seller" = [])),
    responses((status = 204)),
    extensions(("x-codes" = json!([ErrorCode::NotInQueue]))))]
pub async fn send_away(
    State(services): State<Arc<Services>>,
    Seller(seller): Seller,
    Path((id, user)): Path<(MatchId, UserId)>,
) -> ApiResult<NoContent> {
    read(&services, id).await?;
    let entry = seller.act(Act::PersonSentAway, match_target(id)).with(json!({"user": user}));
    services.note(id.partition(), &entry).await?;
    match services.engine.leave_queue(id, user).await? {
        true => Ok(NoContent),
        false => Err(ErrorCode::NotInQueue.into()),
    }
}
