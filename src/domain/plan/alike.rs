//! Finds seats for which a ticket would have the same text, because then nobody could tell which
//! seat belongs to whom. Texts that look the same are the same (`domain::text`).

use super::{LANGUAGES, PlanFault, SitePlan};
use crate::domain::text::canonical_name;
use std::collections::HashMap;
use std::rc::Rc;

/// One fault for each row with a seat that has the same label, in some language, as a seat in an
/// earlier block. The check of labels finds equal rows of one block.
pub(super) fn alike(plan: &SitePlan) -> Vec<PlanFault> {
    let mut faults = Vec::new();
    let mut seen: HashMap<String, HashMap<u32, Rc<str>>> = HashMap::new();
    for (area, area_at) in plan.areas.iter().zip(0..) {
        for (section, section_at) in area.sections.iter().zip(0..) {
            for (block, block_at) in section.blocks.iter().zip(0..) {
                let place = format!("/areas/{area_at}/sections/{section_at}/blocks/{block_at}");
                let place: Rc<str> = place.into();
                let texts = LANGUAGES.map(|language| language.block_text(area, section, block));
                for (row, row_at) in block.rows.iter().zip(0..) {
                    let mut met = None;
                    for (language, text) in LANGUAGES.iter().zip(&texts) {
                        let label = |number| language.label(text, &row.label, number);
                        let numbers = seen.entry(canonical_name(&label(0))).or_default();
                        for number in (0..row.seats).map(|offset| row.number(offset)) {
                            let first = numbers.entry(number).or_insert_with(|| place.clone());
                            if *first != place && met.is_none() {
                                met = Some((label(number), first.clone()));
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
