//! The JSON of a chart drawing, as far as it is read. Absent fields and `null` mean the same.

use crate::plan_import::foreign::{Position, Text, or_default};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chart {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) categories: Categories,
    #[serde(default)]
    pub(super) sub_chart: Option<Part>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) sub_chart_floors: Vec<Part>,
}

#[derive(Default, Deserialize)]
pub(super) struct Categories {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) list: Vec<Category>,
}

#[derive(Deserialize)]
pub(super) struct Category {
    /// A number or a text.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) key: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) label: Text,
    #[serde(default)]
    pub(super) color: Option<String>,
    #[serde(default)]
    pub(super) accessible: Option<bool>,
}

/// A floor, or the inside of a section.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) rows: Vec<Row>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) tables: Vec<Table>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) booths: Vec<Figure>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) general_admission_areas: Vec<Figure>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) shapes: Vec<Figure>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) texts: Vec<MapText>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) sections: Vec<Section>,
    #[serde(default)]
    pub(super) focal_point: Option<Position>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) floor_display_name: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) floor_name: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) image_objects: Vec<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) icons: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(super) background_image: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Section {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) label: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) points: Vec<Position>,
    #[serde(default)]
    pub(super) top_left: Option<Position>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) category_key: Text,
    #[serde(default)]
    pub(super) sub_chart: Option<Part>,
}

/// What rows, seats, tables, booths and areas have in common.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) label: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) display_label: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) category_key: Text,
}

#[derive(Deserialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) object: Object,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) seats: Vec<Seat>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    #[serde(flatten)]
    pub(super) figure: Figure,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) seats: Vec<Seat>,
    #[serde(default)]
    pub(super) book_as_a_whole: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seat {
    #[serde(flatten)]
    pub(super) object: Object,
    #[serde(flatten)]
    pub(super) position: Position,
    #[serde(default)]
    pub(super) accessible: Option<bool>,
    #[serde(default)]
    pub(super) category_accessible: Option<bool>,
    #[serde(default)]
    pub(super) companion_seat: Option<bool>,
    #[serde(default)]
    pub(super) restricted_view: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) uuid: Text,
}

/// A circle, an ellipse, a rectangle or a polygon: of a table, a booth, an area or a shape.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    #[serde(flatten)]
    pub(super) object: Object,
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) center: Option<Position>,
    #[serde(default)]
    pub(super) radius: Option<f64>,
    #[serde(default)]
    pub(super) radius1: Option<f64>,
    #[serde(default)]
    pub(super) radius2: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) rotation_angle: f64,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) points: Vec<Position>,
    #[serde(default)]
    pub(super) top_left: Option<Position>,
    #[serde(default)]
    pub(super) x: Option<f64>,
    #[serde(default)]
    pub(super) y: Option<f64>,
    #[serde(default)]
    pub(super) width: Option<f64>,
    #[serde(default)]
    pub(super) height: Option<f64>,
    #[serde(default)]
    pub(super) fill_color: Option<String>,
    #[serde(default)]
    pub(super) capacity: Option<u32>,
}

/// A text on the map.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MapText {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) text: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) label: Text,
    #[serde(default)]
    pub(super) center: Option<Position>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) x: f64,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) y: f64,
    #[serde(default)]
    pub(super) font_size: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) rotation_angle: f64,
    #[serde(default)]
    pub(super) color: Option<String>,
    #[serde(default)]
    pub(super) text_color: Option<String>,
}
