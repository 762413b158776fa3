//! Reads the plans of other programs: pretix, CSV, seats.io (docs/PLAN-IMPORT.md). Each form is
//! read into a drawing of seats, and the drawing becomes a site plan. The other way, a plan is
//! written as CSV.

#[cfg(test)]
mod bounds_tests;
mod build;
mod colors;
mod csv;
mod drawing;
mod export;
mod foreign;
mod geometry;
mod grades;
mod outlines;
mod pretix;
mod rows;
mod seatsio;
#[cfg(test)]
mod tests;

pub use export::plan_as_csv;

use crate::domain::plan::{PlanFault, SitePlan};
use drawing::{Drawing, Faults};
use serde::Deserialize;
use utoipa::ToSchema;

/// The forms of plans that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlanForm {
    /// The seating plan of pretix, a JSON file.
    Pretix,
    /// A line per seat.
    Csv,
    /// A chart drawing of seats.io, a JSON file.
    Seatsio,
}

/// What the file itself does not say.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The name of the site. Without it, the name in the file counts.
    pub name: Option<String>,
    /// Prices in KRW, each with the code or the name of its grade. All others are 0.
    pub prices: Vec<(String, i64)>,
    /// The distance of neighbours in metres. The whole plan is scaled to it. Without it, a CSV file
    /// is in metres, and neighbours of the other forms are 0.5 m apart.
    pub spacing: Option<f64>,
}

/// A plan that was read, without faults.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedPlan {
    pub plan: SitePlan,
    /// What was left out or guessed, in sentences for people.
    pub notes: Vec<String>,
}

/// Reads a plan.
///
/// # Errors
/// All faults, each with its place in the file: a line of CSV, a JSON pointer. A fault that
/// concerns no place of the file has a pointer into the plan, or none.
pub fn import_plan(
    form: PlanForm,
    text: &str,
    options: &ImportOptions,
) -> Result<ImportedPlan, Vec<PlanFault>> {
    let mut faults = Faults::default();
    let drawing: Option<Drawing> = match form {
        PlanForm::Pretix => pretix::read(text, &mut faults),
        PlanForm::Csv => csv::read(text, &mut faults),
        PlanForm::Seatsio => seatsio::read(text, &mut faults),
    };
    let built = drawing.and_then(|drawing| build::build(drawing, options, &mut faults));
    let faults = faults.into_list();
    match built {
        Some(imported) if faults.is_empty() => Ok(imported),
        _ => Err(faults),
    }
}
