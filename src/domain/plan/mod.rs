//! The plan of a site: areas ▸ sections ▸ blocks ▸ rows ▸ seats, with geometry, grades and prices.
//! One JSON document (docs/SITE-PLAN.md), posted whole by an administrator.

mod alike;
mod arc;
mod check;
#[cfg(test)]
mod check_tests;
mod fault;
mod index;
#[cfg(test)]
mod index_tests;
mod label;
mod schema;

pub use fault::PlanFault;
pub use index::{PlanIndex, RowSeat};
pub use label::{LANGUAGES, Label, LabelWords, Language};

use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A point of the plan, `[x, y]` in metres; x grows to the right, y grows downwards.
pub type Point = [f32; 2];

/// The plan of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SitePlan {
    /// Name of the stadium, 1 to 100 characters.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// The point where everybody looks. "Best" is measured from here.
    #[schema(value_type = schema::PlanPoint)]
    pub focus: Point,
    /// Shapes to draw under the seats (grass, infield, stage); not clickable.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub shapes: Vec<Shape>,
    /// Grades of seats with their prices.
    #[schema(min_items = 1, max_items = 100)]
    pub grades: Vec<Grade>,
    /// Areas of the site.
    #[schema(min_items = 1)]
    pub areas: Vec<Area>,
}

/// A shape to draw under the seats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// The kind of shape: `grass`, `dirt`, `line`, `stage`, `wall`; later shapes lie over earlier
    /// ones.
    #[schema(pattern = "^(grass|dirt|line|stage|wall)$")]
    pub kind: String,
    /// A closed polygon of three points or more.
    #[schema(value_type = Vec<schema::PlanPoint>, min_items = 3, max_items = 200)]
    pub outline: Vec<Point>,
}

/// A grade of seats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grade {
    /// Short stable name, unique within the plan: 1 to 20 of `A-Z0-9_`.
    #[schema(pattern = "^[A-Z0-9_]{1,20}$")]
    pub code: String,
    /// Name for people.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// Price of a seat in KRW, 0 to 10,000,000.
    #[schema(minimum = 0, maximum = 10_000_000)]
    pub price: i64,
    /// Colour on the map, `#rrggbb`.
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    pub color: String,
}

/// An area: infield, outfield.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Area {
    /// Unique among the areas of the site, 1 or more.
    pub id: AreaId,
    /// Name for people, 1 to 100 characters.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// Sections of the area.
    #[schema(min_items = 1)]
    pub sections: Vec<Section>,
}

/// A section of an area: home, away, left, right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    /// Unique among the sections of the site, 1 or more.
    pub id: SectionId,
    /// Name for people, 1 to 100 characters.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// Blocks of the section.
    #[schema(min_items = 1)]
    pub blocks: Vec<Block>,
}

/// A block of a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// Unique among the blocks of the site, 1 or more.
    pub id: BlockId,
    /// Name for people, 1 to 100 characters: `101`.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// Code of the grade of its seats.
    pub grade: String,
    /// A closed polygon of three points or more.
    #[schema(value_type = Vec<schema::PlanPoint>, min_items = 3, max_items = 200)]
    pub outline: Vec<Point>,
    /// Rows; the row nearest to the focus comes first.
    #[schema(min_items = 1)]
    pub rows: Vec<Row>,
}

/// A row: seats with consecutive ids on a line or an arc.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The name of the row on the ticket: `1`, `A`; 1 to 10 characters, unique in its block.
    #[schema(value_type = schema::Label)]
    pub label: String,
    /// Id of the first seat; the others follow by one.
    pub first_seat_id: SeatId,
    /// How many seats, 1 to 200.
    #[schema(minimum = 1, maximum = 200)]
    pub seats: u32,
    /// Number of the first seat.
    #[serde(default = "default_one")]
    pub first_number: u32,
    /// Step from number to number (2 for odd or even rows).
    #[serde(default = "default_one")]
    #[schema(minimum = 1)]
    pub number_step: u32,
    /// Grade of this row where it differs from that of its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    /// Centre of the first seat.
    #[schema(value_type = schema::PlanPoint)]
    pub from: Point,
    /// Centre of the last seat.
    #[schema(value_type = schema::PlanPoint)]
    pub to: Point,
    /// Height of the arc over the chord in metres, 0 for a straight row; the arc lies to the right
    /// of someone who walks from `from` to `to` when positive. At most half the chord.
    #[serde(default)]
    pub bow: f32,
}

impl Row {
    /// The number of the seat at a place in the row, from 0.
    pub fn number(&self, offset: u32) -> u32 {
        self.first_number.saturating_add(offset.saturating_mul(self.number_step))
    }
}

fn default_one() -> u32 {
    1
}
