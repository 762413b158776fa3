//! The plan of a site: areas ▸ sections ▸ blocks ▸ rows ▸ seats, with geometry, grades and prices.
//! One JSON document (docs/SITE-PLAN.md), posted whole by an administrator.

mod alike;
mod arc;
mod check;
mod check_drawing;
#[cfg(test)]
mod check_parts_tests;
mod check_rows;
#[cfg(test)]
mod check_tests;
mod drawing;
mod fault;
mod groups;
mod index;
#[cfg(test)]
mod index_tests;
mod label;
mod row;
mod schema;

pub use drawing::{Circle, Floor, Image, MapText, Shape};
pub use fault::PlanFault;
pub use groups::Group;
pub use index::PlanIndex;
pub use label::{LANGUAGES, Label, LabelWords, Language};
pub use row::{Row, Run};

use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The largest plan, in bytes of JSON without spaces: 200,000 seats in rows are about 2 MB.
pub const PLAN_BYTES_MAX: usize = 4 * 1024 * 1024;

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
    /// Floors of the house, the lowest first; without them it has a single floor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub floors: Vec<Floor>,
    /// Texts on the map.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub texts: Vec<MapText>,
    /// Images under the shapes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub images: Vec<Image>,
    /// Grades of seats with their prices.
    #[schema(min_items = 1, max_items = 100)]
    pub grades: Vec<Grade>,
    /// Areas of the site.
    #[schema(min_items = 1)]
    pub areas: Vec<Area>,
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
    /// More closed polygons of the same block, for example behind an aisle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Vec<schema::PlanPoint>>, max_items = 20)]
    pub more_outlines: Vec<Vec<Point>>,
    /// The floor that it is on; absent in a house without floors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub floor: Option<u32>,
    /// Rows; the row nearest to the focus comes first. Absent for a block with `places`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<row::RowForm>)]
    pub rows: Vec<Row>,
    /// Places without seats: standing, lawn, dance floor. People hold a number of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Places>,
    /// Attributes, each with the ids of its seats: `accessible`, `companion`, `restrictedView`,
    /// `aisle`, and others of your own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<SeatId>>,
}

/// Places without seats. Each has an id that nobody chooses, so that everything that protects a
/// seat protects a place too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Places {
    /// Id of the first place; the others follow by one.
    pub first_seat_id: SeatId,
    /// How many people may be there, 1 to 200,000.
    #[schema(minimum = 1, maximum = 200_000)]
    pub count: u32,
}

/// The attribute of a place for a wheelchair or for somebody who can't climb stairs.
pub const ACCESSIBLE: &str = "accessible";
/// The attribute of a seat for the companion of somebody in an accessible place.
pub const COMPANION: &str = "companion";

impl SitePlan {
    /// All blocks with their area and section, in plan order.
    pub fn blocks(&self) -> impl Iterator<Item = (&Area, &Section, &Block)> {
        let sections = self
            .areas
            .iter()
            .flat_map(|area| area.sections.iter().map(move |section| (area, section)));
        sections.flat_map(|(area, section)| {
            section.blocks.iter().map(move |block| (area, section, block))
        })
    }
}

impl Block {
    /// The grade of a run of one of its rows.
    pub fn grade_of<'a>(&'a self, row: &'a Row, run: &'a Run) -> &'a str {
        run.grade.as_ref().or(row.grade.as_ref()).unwrap_or(&self.grade)
    }
}
