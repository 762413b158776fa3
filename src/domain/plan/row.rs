//! A row of seats, which has one run of seats or several.

use super::{Point, schema};
use crate::domain::ids::SeatId;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// A row of seats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RowForm", into = "RowForm")]
pub struct Row {
    /// The name of the row on the ticket, up to 10 characters; empty for a row without a name.
    pub label: String,
    /// Grade of this row where it differs from that of its block.
    pub grade: Option<String>,
    /// From one end of the row to the other, at least one.
    pub runs: Vec<Run>,
    /// The document has the fields of the only run in the row itself.
    pub flat: bool,
}

/// Seats with consecutive ids side by side: on a line, on an arc, or each at a point of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Id of the first seat; the others follow by one.
    pub first_seat_id: SeatId,
    /// How many seats, 1 to 200.
    #[schema(minimum = 1, maximum = 200)]
    pub seats: u32,
    /// Number of the first seat.
    #[serde(default = "default_one", skip_serializing_if = "is_one")]
    pub first_number: u32,
    /// Step from number to number (2 for odd or even rows); below 0 where numbers fall.
    #[serde(default = "default_step", skip_serializing_if = "is_step_one")]
    pub number_step: i32,
    /// Names of the seats in their order, where they are no such numbers: 1 to 10 characters each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Label>, max_items = 200)]
    pub names: Vec<String>,
    /// The seats have neither names nor numbers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unnumbered: bool,
    /// The organiser's own ids in the order of the seats, each unique in the site; an empty text
    /// for a seat without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 200)]
    pub external_ids: Vec<String>,
    /// Grade of these seats where it differs from that of the row or the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    /// Centre of the first seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PlanPoint>)]
    pub from: Option<Point>,
    /// Centre of the last seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PlanPoint>)]
    pub to: Option<Point>,
    /// Height of the arc over the chord in metres, 0 for a straight row; the arc lies to the right
    /// of someone who walks from `from` to `to` when positive. At most half the chord.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bow: f32,
    /// Centres of all seats in their order, instead of `from`, `to` and `bow`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::PlanPoint>, max_items = 200)]
    pub points: Vec<Point>,
    /// Seats are held and sold only together with all seats of their unit, so many at a time: 2 for
    /// couple seats, all seats of the run for a table or a box.
    #[serde(default = "default_one", skip_serializing_if = "is_one")]
    #[schema(minimum = 1, maximum = 200)]
    pub unit_seats: u32,
    /// Its first seat is beside the last seat of the run before it, behind a pillar or a hole, or
    /// where numbers turn. Otherwise an aisle is between them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub joined: bool,
}

impl Run {
    /// The number of the seat at a place in the run, from 0.
    pub fn number(&self, offset: u32) -> i64 {
        i64::from(self.first_number) + i64::from(offset) * i64::from(self.number_step)
    }

    /// The name of the seat at a place in the run, from 0; empty for a seat without a name.
    pub fn name(&self, offset: u32) -> Cow<'_, str> {
        match self.names.get(offset as usize) {
            Some(name) => Cow::Borrowed(name),
            None if self.unnumbered => Cow::Borrowed(""),
            None => Cow::Owned(self.number(offset).to_string()),
        }
    }

    /// The organiser's own id of the seat at a place in the run, from 0.
    pub fn external_id(&self, offset: u32) -> Option<&str> {
        let id = self.external_ids.get(offset as usize)?;
        (!id.is_empty()).then_some(id)
    }

    /// The ids of its seats.
    pub fn seat_ids(&self) -> impl Iterator<Item = SeatId> + use<> {
        let first = self.first_seat_id.0;
        (first..first.saturating_add(self.seats)).map(SeatId)
    }
}

/// A row as the document has it: either the fields of its only run, or `runs`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Row)]
#[serde(rename_all = "camelCase")]
pub(super) struct RowForm {
    /// The name of the row on the ticket: `1`, `A`; 1 to 10 characters, unique in its block. Absent
    /// for a row without a name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(value_type = schema::Label, required = false)]
    label: String,
    /// Grade of this row where it differs from that of its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grade: Option<String>,
    /// The runs of the row from one end to the other. A row without them is a single run and has
    /// its fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    runs: Vec<Run>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_seat_id: Option<SeatId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 200)]
    seats: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_number: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number_step: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::Label>, max_items = 200)]
    names: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unnumbered: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 200)]
    external_ids: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PlanPoint>)]
    from: Option<Point>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PlanPoint>)]
    to: Option<Point>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bow: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::PlanPoint>, max_items = 200)]
    points: Option<Vec<Point>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 200)]
    unit_seats: Option<u32>,
}

impl RowForm {
    fn is_a_run_too(&self) -> bool {
        let numbers = self.first_number.is_some() || self.number_step.is_some();
        let names =
            self.names.is_some() || self.unnumbered.is_some() || self.external_ids.is_some();
        let points = self.from.is_some() || self.to.is_some() || self.points.is_some();
        let seats = self.first_seat_id.is_some() || self.seats.is_some();
        numbers || names || points || seats || self.bow.is_some() || self.unit_seats.is_some()
    }
}

impl TryFrom<RowForm> for Row {
    type Error = String;

    fn try_from(form: RowForm) -> Result<Self, String> {
        if !form.runs.is_empty() {
            if form.is_a_run_too() {
                return Err("a row has either `runs`, or the fields of a run".to_owned());
            }
            let RowForm { label, grade, runs, .. } = form;
            return Ok(Self { label, grade, runs, flat: false });
        }
        let (label, grade) = (form.label, form.grade);
        let run = Run {
            first_seat_id: form.first_seat_id.ok_or("missing field `firstSeatId`")?,
            seats: form.seats.ok_or("missing field `seats`")?,
            first_number: form.first_number.unwrap_or(1),
            number_step: form.number_step.unwrap_or(1),
            names: form.names.unwrap_or_default(),
            unnumbered: form.unnumbered.unwrap_or_default(),
            external_ids: form.external_ids.unwrap_or_default(),
            grade: None,
            from: form.from,
            to: form.to,
            bow: form.bow.unwrap_or_default(),
            points: form.points.unwrap_or_default(),
            unit_seats: form.unit_seats.unwrap_or(1),
            joined: false,
        };
        Ok(Self { label, grade, runs: vec![run], flat: true })
    }
}

impl From<Row> for RowForm {
    fn from(row: Row) -> Self {
        let Row { label, grade, mut runs, flat } = row;
        let Some(run) = (flat && runs.len() == 1).then(|| runs.remove(0)) else {
            return Self { label, grade, runs, ..Self::default() };
        };
        Self {
            label,
            grade: run.grade.or(grade),
            runs: vec![],
            first_seat_id: Some(run.first_seat_id),
            seats: Some(run.seats),
            first_number: Some(run.first_number),
            number_step: Some(run.number_step),
            names: some(run.names),
            unnumbered: run.unnumbered.then_some(true),
            external_ids: some(run.external_ids),
            from: run.from,
            to: run.to,
            bow: Some(run.bow),
            points: some(run.points),
            unit_seats: Some(run.unit_seats).filter(|seats| *seats != 1),
        }
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn default_one() -> u32 {
    1
}

fn default_step() -> i32 {
    1
}

// serde passes references.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_one(number: &u32) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_step_one(step: &i32) -> bool {
    *step == 1
}

#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_zero(metres: &f32) -> bool {
    *metres == 0.0
}
