//! Sites: the whole plan, and its hierarchy level by level. Clients may cache them, with an ETag.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Path};
use crate::api::shared::shared;
use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId, SiteId};
use crate::domain::plan::{
    Area, Block, Label, LabelWords, Language, PlanIndex, Row, Run, Section, SitePlan,
};
use crate::live::catalog::{KnownSite, SitePart};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
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
    /// Empty for a row without a name.
    row: String,
    /// Null for a seat whose name is no number.
    number: Option<u32>,
    /// Empty for a seat without a name.
    name: String,
    grade: String,
    /// In KRW, without a price list of a match.
    price: i64,
    /// The organiser's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    attributes: Vec<String>,
    /// The seats that are sold only together with it, with itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unit_seat_ids: Vec<SeatId>,
}

/// Seats of a block. A block with places has none.
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
    respond(&headers, &known, SitePart::Plan, || {
        let site = &known.site;
        let en = SeatLabels::of(&known, Language::English);
        let labels = SiteLabels { en, ko: SeatLabels::of(&known, Language::Korean) };
        Ok(SiteView { id: site.id, version: site.version, plan: &site.plan, labels })
    })
}

/// Areas of a site.
#[utoipa::path(get, path = "/api/sites/{site}/areas",
    operation_id = "listAreas", tag = "sites",
    params(("site" = uuid::Uuid, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Envelope<Areas>), (status = 304)))]
pub async fn areas(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path(id): Path<SiteId>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    respond(&headers, &known, SitePart::Areas, || {
        let areas = known.site.plan.areas.iter();
        let areas = areas.map(|area| Named { id: area.id.0, name: area.name.clone() }).collect();
        Ok(Areas { areas })
    })
}

/// Sections of an area.
#[utoipa::path(get, path = "/api/sites/{site}/areas/{area}/sections",
    operation_id = "listSections", tag = "sites",
    params(("site" = uuid::Uuid, Path), ("area" = u32, Path),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Envelope<Sections>), (status = 304)))]
pub async fn sections(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path((id, area)): Path<(SiteId, AreaId)>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    respond(&headers, &known, SitePart::Sections(area), || {
        let mut areas = known.site.plan.areas.iter();
        let area: &Area = areas.find(|known| known.id == area).ok_or(ErrorCode::AreaNotFound)?;
        let named = |section: &Section| Named { id: section.id.0, name: section.name.clone() };
        Ok(Sections { sections: area.sections.iter().map(named).collect() })
    })
}

/// Blocks of a section.
#[utoipa::path(get, path = "/api/sites/{site}/sections/{section}/blocks",
    operation_id = "listBlocks", tag = "sites",
    params(("site" = uuid::Uuid, Path), ("section" = u32, Path),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Envelope<Blocks>), (status = 304)))]
pub async fn blocks(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path((id, section)): Path<(SiteId, SectionId)>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    respond(&headers, &known, SitePart::Blocks(section), || {
        let section = sections_of(&known).find(|known| known.id == section);
        let section = section.ok_or(ErrorCode::SectionNotFound)?;
        let named = |block: &Block| Named { id: block.id.0, name: block.name.clone() };
        Ok(Blocks { blocks: section.blocks.iter().map(named).collect() })
    })
}

/// Seats of a block, with row, number, grade and price.
#[utoipa::path(get, path = "/api/sites/{site}/blocks/{block}/seats",
    operation_id = "listSeats", tag = "sites",
    params(("site" = uuid::Uuid, Path), ("block" = u32, Path),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Envelope<Seats>), (status = 304)))]
pub async fn seats(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Path((id, block)): Path<(SiteId, BlockId)>,
) -> ApiResult<Response> {
    let known = find(&services, id)?;
    respond(&headers, &known, SitePart::Seats(block), || seats_of(&known, block))
}

fn seats_of(known: &KnownSite, block: BlockId) -> ApiResult<Seats> {
    let block: &Block = sections_of(known)
        .flat_map(|section| &section.blocks)
        .find(|known| known.id == block)
        .ok_or(ErrorCode::BlockNotFound)?;
    let mut seats = Vec::new();
    for row in &block.rows {
        for run in &row.runs {
            for (id, offset) in run.seat_ids().zip(0..) {
                let grade = block.grade_of(row, run);
                seats.push(seat_view(&known.index, id, (row, run, offset), grade)?);
            }
        }
    }
    Ok(Seats { seats })
}

fn seat_view(
    index: &PlanIndex,
    id: SeatId,
    (row, run, offset): (&Row, &Run, u32),
    grade: &str,
) -> ApiResult<SeatView> {
    let found = index.price(id).zip(index.label(id));
    let (price, label) = found.ok_or_else(|| ApiError::seats_not_found(vec![id]))?;
    let Label { english: label, korean: label_ko } = label;
    let has_number = run.names.is_empty() && !run.unnumbered;
    let unit = index.unit_of(id).filter(|unit| unit.len() > 1).into_iter().flatten();
    Ok(SeatView {
        id,
        label,
        label_ko,
        row: row.label.clone(),
        number: has_number.then(|| run.number(offset)).and_then(|at| at.try_into().ok()),
        name: run.name(offset).into_owned(),
        grade: grade.to_owned(),
        price,
        external_id: run.external_id(offset).map(str::to_owned),
        attributes: index.attributes_of(id).map(str::to_owned).collect(),
        unit_seat_ids: unit.map(|position| index.seat_at(position)).collect(),
    })
}

fn find(services: &Services, id: SiteId) -> ApiResult<Arc<KnownSite>> {
    services.catalog.site(id).ok_or_else(|| ErrorCode::SiteNotFound.into())
}

fn sections_of(known: &KnownSite) -> impl Iterator<Item = &Section> {
    known.site.plan.areas.iter().flat_map(|area| &area.sections)
}

/// The version of the form of the responses. It must rise when the form of a plan changes, because
/// clients keep what they have while the ETag is the same.
const FORM_VERSION: u32 = 3;

/// A part of a site. It changes only by a new version of the site, so the version is its ETag, and
/// its bytes are made once.
fn respond<T: Serialize>(
    headers: &HeaderMap,
    known: &KnownSite,
    part: SitePart,
    make: impl FnOnce() -> ApiResult<T>,
) -> ApiResult<Response> {
    let packed = known.part(part, || {
        serde_json::to_vec(&Envelope { status: 200, data: make()? }).map_err(ApiError::internal)
    })?;
    let tag = format!("{}-{}-{FORM_VERSION}", known.site.id.key(), known.site.version);
    Ok(shared(headers, &packed, &tag, "public, max-age=0, must-revalidate"))
}
