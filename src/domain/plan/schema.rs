//! The rules of `check.rs` that a schema can express, for the OpenAPI document. Only the schemas of
//! these types are used; a plan itself has plain texts and points.

use std::borrow::Cow;
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems, Object, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A name for people.
pub(super) struct Name;
/// The label of a row.
pub(super) struct Label;
/// `[x, y]` in metres.
pub(super) struct PlanPoint;

/// A text without control characters, and without spaces at its ends.
fn text(most: usize) -> Object {
    let inside = r"[^\u0000-\u001f\u007f-\u009f]";
    let end = r"[^\s\u0000-\u001f\u007f-\u009f]";
    let pattern = format!("^{end}({inside}*{end})?$");
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!(
            "1 to {most} characters, no control characters, no space at either end."
        )))
        .min_length(Some(1))
        .max_length(Some(most))
        .pattern(Some(pattern))
        .build()
}

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        text(100).into()
    }
}

impl PartialSchema for Label {
    fn schema() -> RefOr<Schema> {
        text(10).into()
    }
}

impl PartialSchema for PlanPoint {
    fn schema() -> RefOr<Schema> {
        let metres = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(-10_000))
            .maximum(Some(10_000))
            .build();
        ArrayBuilder::new()
            .description(Some("A point of the plan, [x, y] in metres."))
            .items(ArrayItems::False)
            .prefix_items([metres.clone(), metres])
            .min_items(Some(2))
            .max_items(Some(2))
            .into()
    }
}

impl ToSchema for Name {
    fn name() -> Cow<'static, str> {
        "Name".into()
    }
}

impl ToSchema for Label {
    fn name() -> Cow<'static, str> {
        "Label".into()
    }
}

impl ToSchema for PlanPoint {
    fn name() -> Cow<'static, str> {
        "PlanPoint".into()
    }
}
