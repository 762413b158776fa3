//! Sites: the whole plan, and its hierarchy level by level. Clients may cache them, with an ETag.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, NotModified, Okay, Path};
use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId, SiteId};
use crate::domain::plan::{Area, Block, Label, LabelWords, Language, Section, SitePlan};
use crate::live::catalog::KnownSite;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A site with its plan.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteView<'a> {
    #[schema(value_type = uuid::Uuid)]
    pub id: SiteId,
    pub version: u64,
    #[serde(flatten)]
    pub plan: &'a SitePlan,
    pub labels: SiteLabels<'a>,
}

/// The labels of the seats of a site on tickets, in each language.
#[derive(Serialize, ToSchema)]
pub struct SiteLabels<'a> {
    en: SeatLabels<'a>,
    ko: SeatLabels<'a>,
}

/// The label of a seat is the text of its block, `row`, the label of its row, `seat`, its number
/// and `end`.
#[derive(Serialize, ToSchema)]
pub struct SeatLabels<'a> {
    /// In the order of the plan.
    blocks: Vec<&'a str>,
    #[serde(flatten)]
    words: LabelWords,
}

impl<'a> SeatLabels<'a> {
    fn of(known: &'a KnownSite, language: Language) -> Self {
        let blocks = known.index.block_texts(language).collect();
        Self { blocks, words: language.words() }
    }
}

/// Something with an id and a name.
#[derive(Serialize, ToSchema)]
pub struct Named {
    id: u32,
    name: String,
}

/// Areas of a site.
#[derive(Serialize, ToSchema)]
pub struct Areas {
    areas: Vec<Named>,
}

/// Sections of an area.
#[derive(Serialize, ToSchema)]
pub struct Sections {
    sections: Vec<Named>,
}

/// Blocks of a section.
#[derive(Serialize, ToSchema)]
pub struct Blocks {
    blocks: Vec<Named>,
}

/// A seat with its row, number, grade and price.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatView {
    id: SeatId,
    /// The label on its ticket, in English.
    label: String,
    /// The same in Korean.
    label_ko: String,
    row: String,
    number: u32,
    grade: String,
    /// In KRW.
    price: i64,
}

/// Seats of a block.
#[derive(Serialize, ToSchema)]
pub struct Seats {
    seats: Vec<SeatView>,
}

/// The whole plan with geometry, grades and prices.
#[utoipa::path(get, path = "/api/sites/{site}",
    operation_id = "getSite", tag = "sites",
    params(("site" = uuid::Uuid, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Envelope<SiteView>),
        (status = 304)))]
pub async fn plan(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path(id): Path<SiteId>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    let site = &known.site;
    let en = SeatLabels::of(&known, Language::English);
    let labels = SiteLabels { en, ko: SeatLabels::of(&known, Language::Korean) };
    let data = SiteView { id: site.id, version: site.version, plan: &site.plan, labels };
    Ok(tagged(&headers, &known, data))
}

/// Areas of a site.
#[utoipa::path(get, path = "/api/sites/{site}/areas",
    operation_id = "listAreas", tag = "sites",
    params(("site" = uuid::Uuid, Path)),
    responses((status = 200, body = Envelope<Areas>)))]
pub async fn areas(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path(id): Path<SiteId>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    let areas = known.site.plan.areas.iter();
    let areas = areas.map(|area| Named { id: area.id.0, name: area.name.clone() }).collect();
    Ok(tagged(&headers, &known, Areas { areas }))
}

/// Sections of an area.
#[utoipa::path(get, path = "/api/sites/{site}/areas/{area}/sections",
    operation_id = "listSections", tag = "sites",
    params(("site" = uuid::Uuid, Path), ("area" = u32, Path)),
    responses((status = 200, body = Envelope<Sections>)))]
pub async fn sections(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path((id, area)): Path<(SiteId, AreaId)>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    let mut areas = known.site.plan.areas.iter();
    let area: &Area = areas.find(|known| known.id == area).ok_or(ErrorCode::AreaNotFound)?;
    let sections = area.sections.iter();
    let named = |section: &Section| Named { id: section.id.0, name: section.name.clone() };
    let sections = sections.map(named).collect();
    Ok(tagged(&headers, &known, Sections { sections }))
}

/// Blocks of a section.
#[utoipa::path(get, path = "/api/sites/{site}/sections/{section}/blocks",
    operation_id = "listBlocks", tag = "sites",
    params(("site" = uuid::Uuid, Path), ("section" = u32, Path)),
    responses((status = 200, body = Envelope<Blocks>)))]
pub async fn blocks(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path((id, section)): Path<(SiteId, SectionId)>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    let mut sections = sections_of(&known);
    let section = sections.find(|known| known.id == section).ok_or(ErrorCode::SectionNotFound)?;
    let blocks = section.blocks.iter();
    let blocks = blocks.map(|block| Named { id: block.id.0, name: block.name.clone() }).collect();
    Ok(tagged(&headers, &known, Blocks { blocks }))
}

/// Seats of a block, with row, number, grade and price.
#[utoipa::path(get, path = "/api/sites/{site}/blocks/{block}/seats",
    operation_id = "listSeats", tag = "sites",
    params(("site" = uuid::Uuid, Path), ("block" = u32, Path)),
    responses((status = 200, body = Envelope<Seats>)))]
pub async fn seats(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path((id, block)): Path<(SiteId, BlockId)>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    let block: &Block = sections_of(&known)
        .flat_map(|section| &section.blocks)
        .find(|known| known.id == block)
        .ok_or(ErrorCode::BlockNotFound)?;
    let mut seats = Vec::new();
    for row in &block.rows {
        for offset in 0..row.seats {
            let id = SeatId(row.first_seat_id.0 + offset);
            let found = known.index.price(id).zip(known.index.label(id));
            let (price, label) = found.ok_or_else(|| ApiError::seats_not_found(vec![id]))?;
            let Label { english: label, korean: label_ko } = label;
            seats.push(SeatView {
                id,
                label,
                label_ko,
                row: row.label.clone(),
                number: row.number(offset),
                grade: row.grade.clone().unwrap_or_else(|| block.grade.clone()),
                price,
            });
        }
    }
    Ok(tagged(&headers, &known, Seats { seats }))
}

fn find(services: &Services, id: SiteId) -> ApiResult<Arc<KnownSite>> {
    services.catalog.site(id).ok_or_else(|| ErrorCode::SiteNotFound.into())
}

fn sections_of(known: &KnownSite) -> impl Iterator<Item = &Section> {
    known.site.plan.areas.iter().flat_map(|area| &area.sections)
}

/// The version of the form of the responses. It must rise when the form of a plan changes, because
/// clients keep what they have while the ETag is the same.
const FORM_VERSION: u32 = 2;

/// A site changes only by a new version, so the version is the ETag of everything below it.
fn tagged<T: Serialize>(headers: &HeaderMap, known: &KnownSite, data: T) -> Response {
    let tag = format!("\"{}-{}-{FORM_VERSION}\"", known.site.id.key(), known.site.version);
    let asked = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let same = asked.is_some_and(|asked| {
        asked.split(',').any(|value| value.trim().trim_start_matches("W/") == tag)
    });
    let mut response = if same { NotModified.into_response() } else { Okay(data).into_response() };
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    let caching = HeaderValue::from_static("public, max-age=0, must-revalidate");
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    response
}
