//! The categories of other programs as grades.

use super::ImportOptions;
use super::colors::{PALETTE, color};
use super::drawing::{DrawnGrade, Faults};
use super::foreign::first_name;
use crate::domain::plan::Grade;
use std::collections::HashSet;

/// The most characters of a code of a plan.
const CODE_CHARACTERS_MAX: usize = 20;

/// The grades of the plan, in the order of the drawing.
pub(super) fn grades(
    drawn: &[DrawnGrade],
    options: &ImportOptions,
    faults: &mut Faults,
) -> Vec<Grade> {
    let mut taken = HashSet::new();
    let mut grades = Vec::new();
    for (at, grade) in drawn.iter().enumerate() {
        let code = code(&grade.key, &grade.name, at, &taken);
        taken.insert(code.clone());
        let palette = PALETTE[at % PALETTE.len()];
        let color = grade.color.as_deref().and_then(color).unwrap_or_else(|| palette.to_owned());
        let name = first_name(&[&grade.name, &grade.key, &code]);
        grades.push(Grade { code, name, price: grade.price.unwrap_or(0), color });
    }
    for (asked, price) in &options.prices {
        let mut found = false;
        for (grade, drawn) in grades.iter_mut().zip(drawn) {
            if grade.code == *asked || grade.name == *asked || drawn.key == *asked {
                grade.price = *price;
                found = true;
            }
        }
        if !found {
            let known: Vec<&str> = grades.iter().map(|grade| grade.code.as_str()).collect();
            let message =
                format!("There is no grade {asked:?} to set a price for, only {known:?}.");
            faults.add("", message);
        }
    }
    grades
}

/// A code of `A-Z0-9_` that no other grade has. A key that is such a code stays as it is.
fn code(key: &str, name: &str, at: usize, taken: &HashSet<String>) -> String {
    let is_code = |text: &str| {
        let letter = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
        (1..=CODE_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(letter)
    };
    let is_number = key.parse::<i64>().is_ok();
    let from_text = || {
        let text = if is_number { name } else { key };
        let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
        let code: String = letters.collect::<String>().to_ascii_uppercase();
        let words: Vec<&str> = code.split('_').filter(|word| !word.is_empty()).collect();
        words.join("_").chars().take(CODE_CHARACTERS_MAX).collect::<String>()
    };
    let code = if is_code(key) && !is_number { key.to_owned() } else { from_text() };
    let code = if code.is_empty() { format!("GRADE_{}", at + 1) } else { code };
    if !taken.contains(&code) {
        return code;
    }
    let mut number = 2;
    loop {
        let end = format!("_{number}");
        let begin: String = code.chars().take(CODE_CHARACTERS_MAX - end.len()).collect();
        let code = begin + &end;
        if !taken.contains(&code) {
            return code;
        }
        number += 1;
    }
}
