//! `grandstand plan check`: all faults of a plan, or else how large it is.

use super::Outcome;
use crate::domain::plan::{PlanFault, SitePlan};
use anyhow::bail;
use serde_path_to_error::{Segment, Track};
use std::fmt::Write as _;

/// Lists the faults of a plan, or sums it up.
pub(super) fn check(text: &str) -> Outcome {
    match faults(text) {
        Ok(plan) => Outcome { text: summary(&plan), is_good: true, ..Outcome::default() },
        Err(faults) => Outcome { text: lines(&faults), ..Outcome::default() },
    }
}

/// A plan without faults.
///
/// # Errors
/// The faults.
pub(super) fn sound_plan(text: &str) -> anyhow::Result<SitePlan> {
    match faults(text) {
        Ok(plan) => Ok(plan),
        Err(faults) => bail!("the plan has faults:\n{}", lines(&faults).trim_end()),
    }
}

fn faults(text: &str) -> Result<SitePlan, Vec<PlanFault>> {
    let (plan, unknown) = parse(text).map_err(|fault| vec![fault])?;
    let message = "A plan has no field of this name. Is it misspelt?";
    let unknown = unknown.into_iter().map(|pointer| fault(pointer, message));
    let faults: Vec<PlanFault> = unknown.chain(plan.check()).collect();
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}

/// The plan, and the pointers of fields that a plan does not have.
fn parse(text: &str) -> Result<(SitePlan, Vec<String>), PlanFault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| {
        unknown.push(format!("/{}", path.to_string().replace('.', "/")));
    };
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let plan = match serde_ignored::deserialize(tracked, &mut note) {
        Ok(plan) => plan,
        Err(error) => {
            let mut pointer = String::new();
            for segment in &track.path() {
                let _ = match segment {
                    Segment::Seq { index } => write!(pointer, "/{index}"),
                    Segment::Map { key } => write!(pointer, "/{key}"),
                    Segment::Enum { variant } => write!(pointer, "/{variant}"),
                    Segment::Unknown => Ok(()),
                };
            }
            return Err(fault(pointer, &format!("This can't be read: {error}.")));
        }
    };
    reader.end().map_err(|error| fault(String::new(), &format!("This can't be read: {error}.")))?;
    Ok((plan, unknown))
}

fn fault(pointer: String, message: &str) -> PlanFault {
    PlanFault { pointer, message: message.to_owned() }
}

/// A line per fault.
pub(super) fn lines(faults: &[PlanFault]) -> String {
    let line = |fault: &PlanFault| match fault.pointer.is_empty() {
        true => format!("{}\n", fault.message),
        false => format!("{}: {}\n", fault.pointer, fault.message),
    };
    faults.iter().map(line).collect()
}

/// How large a plan is, in one line.
pub(super) fn summary(plan: &SitePlan) -> String {
    let blocks = || plan.blocks().map(|(_, _, block)| block);
    let runs = blocks().flat_map(|block| &block.rows).flat_map(|row| &row.runs);
    let seats: u64 = runs.map(|run| u64::from(run.seats)).sum();
    let places: u64 =
        blocks().filter_map(|block| block.places.as_ref()).map(|area| u64::from(area.count)).sum();
    let counts = [
        (seats, "seat"),
        (places, "place without a seat"),
        (blocks().count() as u64, "block"),
        (plan.floors.len().max(1) as u64, "floor"),
        (plan.grades.len() as u64, "grade"),
    ];
    let counts = counts.map(|(count, noun)| match (count, noun) {
        (1, noun) => format!("1 {noun}"),
        (count, "place without a seat") => format!("{count} places without seats"),
        (count, noun) => format!("{count} {noun}s"),
    });
    format!("{}: {}\n", plan.name, counts.join(", "))
}
