//! What the map shows beside seats: shapes, texts, images, and the floors of a house.

use super::{Point, schema};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A shape to draw under the seats: an outline or a circle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// The kind of shape: `grass`, `dirt`, `line`, `stage`, `wall`, `pillar`, `table`, `area`.
    /// Later shapes lie over earlier ones.
    #[schema(pattern = "^(grass|dirt|line|stage|wall|pillar|table|area)$")]
    pub kind: String,
    /// A closed polygon of three points or more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::PlanPoint>, max_items = 200)]
    pub outline: Vec<Point>,
    /// Instead of an outline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circle: Option<Circle>,
    /// `#rrggbb`, where it differs from the colour of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    pub color: Option<String>,
    /// The floor that it is on; absent: on all floors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub floor: Option<u32>,
}

/// A circle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Circle {
    #[schema(value_type = schema::PlanPoint)]
    pub center: Point,
    /// In metres, more than 0.
    pub radius: f32,
}

/// A floor of a house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Floor {
    /// Unique among the floors of the site, 1 or more.
    #[schema(minimum = 1)]
    pub id: u32,
    /// Name for people, 1 to 100 characters.
    #[schema(value_type = schema::Name)]
    pub name: String,
}

/// A text on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MapText {
    /// 1 to 100 characters.
    #[schema(value_type = schema::Name)]
    pub text: String,
    /// The middle of the text.
    #[schema(value_type = schema::PlanPoint)]
    pub at: Point,
    /// Height of its letters in metres, 0.1 to 100.
    #[schema(minimum = 0.1, maximum = 100)]
    pub size: f32,
    /// In degrees, clockwise, -360 to 360.
    #[serde(default)]
    #[schema(minimum = -360, maximum = 360)]
    pub angle: f32,
    /// `#rrggbb`; absent: the colour of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    pub color: Option<String>,
    /// The floor that it is on; absent: on all floors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub floor: Option<u32>,
}

/// An image under the shapes. The document carries it, so that the page loads nothing from others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// `data:image/png;base64,…`; also jpeg and webp. At most 262,144 characters.
    #[schema(
        pattern = "^data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}$",
        max_length = 262_144
    )]
    pub href: String,
    /// The middle of the image.
    #[schema(value_type = schema::PlanPoint)]
    pub at: Point,
    /// In metres, more than 0.
    pub width: f32,
    /// In metres, more than 0.
    pub height: f32,
    /// The floor that it is on; absent: on all floors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub floor: Option<u32>,
}
