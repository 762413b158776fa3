//! Fields of a change (PATCH): those that are left out stay as they are.

use serde::{Deserialize, Deserializer};

/// Distinguishes null from a field that is left out.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Refuses null, which says nothing about a setting that must have a value.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}
