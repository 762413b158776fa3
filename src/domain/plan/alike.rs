//! Finds seats for which a ticket would have the same text, because then nobody could tell which
//! seat belongs to whom. Texts that look the same are the same (`domain::text`).

use super::{LANGUAGES, PlanFault, Row, SitePlan};
use crate::domain::text::canonical_name;
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// One fault for each row with a seat that has the same label, in some language, as a seat in an
/// earlier block. The check of labels finds equal rows of one block.
pub(super) fn alike(plan: &SitePlan) -> Vec<PlanFault> {
    let mut faults = Vec::new();
    let mut seen: HashMap<String, HashMap<String, Rc<str>>> = HashMap::new();
    for (area, area_at) in plan.areas.iter().zip(0..) {
        for (section, section_at) in area.sections.iter().zip(0..) {
            for (block, block_at) in section.blocks.iter().zip(0..) {
                let place = format!("/areas/{area_at}/sections/{section_at}/blocks/{block_at}");
                let place: Rc<str> = place.into();
                let texts = LANGUAGES.map(|language| language.block_text(area, section, block));
                for (row, row_at) in block.rows.iter().zip(0..) {
                    let mut met = None;
                    for (language, text) in LANGUAGES.iter().zip(&texts) {
                        let label = |name: &str| language.label(text, &row.label, name);
                        let names = seen.entry(canonical_name(&label("0"))).or_default();
                        for name in named(row) {
                            let key = canonical_name(&name);
                            let first = names.entry(key).or_insert_with(|| place.clone());
                            if *first != place && met.is_none() {
                                met = Some((label(&name), first.clone()));
                            }
                        }
                    }
                    faults.extend(met.map(|(label, first)| PlanFault {
                        pointer: format!("{place}/rows/{row_at}"),
                        message: format!(
                            "A ticket would say {label:?} for a seat of this row and for one of \
                             {first}; give area, section or block another name."
                        ),
                    }));
                }
            }
        }
    }
    faults
}

/// The names of the seats of a row, without those that have none.
fn named(row: &Row) -> impl Iterator<Item = Cow<'_, str>> {
    let names = row.runs.iter().flat_map(|run| (0..run.seats).map(|offset| run.name(offset)));
    names.filter(|name| !name.is_empty())
}
