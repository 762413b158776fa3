//! What the readers of foreign JSON share.

use super::drawing::{Faults, Spot};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;
use std::fmt::Write as _;

/// Coordinates beyond this are no plan, in whatever unit.
const COORDINATE_MAX: f64 = 1e7;
/// The longest name for people that a plan may have, in characters.
const NAME_CHARACTERS_MAX: usize = 100;
/// What people call the place that everybody looks at, in small letters.
const STAGES: [&str; 12] = [
    "stage",
    "bühne",
    "buehne",
    "scène",
    "scena",
    "escenario",
    "palco",
    "screen",
    "leinwand",
    "podium",
    "무대",
    "스크린",
];

/// Parses JSON. A fault has the pointer of the place that can't be read.
pub(super) fn parse<T: DeserializeOwned>(text: &str, faults: &mut Faults) -> Option<T> {
    let mut reader = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
    let read = serde_path_to_error::deserialize(&mut reader);
    let error = match read.map(|value| (value, reader.end())) {
        Ok((value, Ok(()))) => return Some(value),
        Ok((_, Err(error))) => return fail(faults, "", &error.to_string()),
        Err(error) => error,
    };
    let mut pointer = String::new();
    for segment in error.path() {
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } => write!(pointer, "/{key}"),
            Segment::Enum { variant } => write!(pointer, "/{variant}"),
            Segment::Unknown => Ok(()),
        };
    }
    fail(faults, &pointer, &error.inner().to_string())
}

fn fail<T>(faults: &mut Faults, pointer: &str, reason: &str) -> Option<T> {
    faults.add(pointer, format!("This is not what the form has here: {reason}."));
    None
}

/// `null` means the same as an absent field.
pub(super) fn or_default<'de, D, T>(reader: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(reader)?.unwrap_or_default())
}

/// A text, where some files have a number.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Number(serde_json::Number),
        }
        let found: Option<Either> = Option::deserialize(reader)?;
        Ok(Self(match found {
            Some(Either::Text(text)) => text,
            Some(Either::Number(number)) => number.to_string(),
            None => String::new(),
        }))
    }
}

/// A point.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(super) struct Position {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) x: f64,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) y: f64,
}

impl Position {
    /// The point, moved by an offset.
    pub(super) fn from(self, offset: Spot) -> Spot {
        [offset[0] + self.x, offset[1] + self.y]
    }
}

/// Whether a coordinate can be one of a plan.
pub(super) fn is_sound(at: Spot) -> bool {
    at.iter().all(|units| units.abs() <= COORDINATE_MAX)
}

/// A name for people: without control characters and without spaces at its ends, of 100 characters
/// at most.
pub(super) fn name(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let name: String = words.join(" ").chars().take(NAME_CHARACTERS_MAX).collect();
    name.trim_end().to_owned()
}

/// The first of these names that is not empty.
pub(super) fn first_name(names: &[&str]) -> String {
    names.iter().map(|text| name(text)).find(|name| !name.is_empty()).unwrap_or_default()
}

/// Whether a text names the place that everybody looks at.
pub(super) fn is_stage(text: &str) -> bool {
    let text = text.to_lowercase();
    STAGES.iter().any(|stage| text.contains(stage))
}
