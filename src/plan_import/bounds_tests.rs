//! What is too large for a plan is refused when it is read, with a fault that says how much may be.

use super::*;
use std::fmt::Write as _;

const HEADER: &str = "section,block,floor,row,seat,x,y,grade,id";

/// A file with this many seats. `line` has section, block, floor, row, seat, x, y, grade and id.
fn file(seats: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = HEADER.to_owned();
    for at in 0..seats {
        let _ = write!(text, "\n{}", line(at));
    }
    text
}

/// The faults without a place in the file.
fn faults(text: &str) -> Vec<String> {
    let read = import_plan(PlanForm::Csv, text, &ImportOptions::default());
    let faults = read.err().unwrap_or_default();
    assert!(faults.iter().all(|fault| fault.pointer.is_empty()), "{faults:?}");
    faults.into_iter().map(|fault| fault.message).collect()
}

#[test]
fn a_file_has_at_most_100_grades() {
    let text = |grades| file(grades, |at| format!("A,,,{at},1,0,{at},G{at},"));
    assert_eq!(faults(&text(100)), [""; 0]);
    assert_eq!(faults(&text(101)), ["A site has at most 100 grades, not 101."]);
}

#[test]
fn a_file_has_at_most_20_floors() {
    let text = |floors| file(floors, |at| format!("A,B{at},F{at},1,1,{at},0,G,"));
    assert_eq!(faults(&text(20)), [""; 0]);
    assert_eq!(faults(&text(21)), ["A site has at most 20 floors, not 21."]);
}

#[test]
fn a_file_has_at_most_5000_blocks() {
    let text = |blocks| file(blocks, |at| format!("A,B{at},,1,1,{at},0,G,"));
    assert_eq!(faults(&text(5_001)), ["A site has at most 5000 blocks, not 5001."]);
}

#[test]
fn a_file_has_at_most_200000_seats() {
    let text =
        file(200_001, |at| format!("A,,,{},{},{},{},G,", at / 100, at % 100, at % 100, at / 100));
    assert_eq!(faults(&text), ["A site has at most 200000 seats, not 200001."]);
}

/// Each of these seats has an id of 50 characters.
#[test]
fn a_file_that_would_be_too_large_for_the_api_is_refused() {
    let text = file(90_000, |at| {
        format!(
            "A,B{},,{},{},{},{},G,{at:0>50}",
            at / 9_000,
            at / 100,
            at % 100,
            at % 100,
            at / 100
        )
    });
    let faults = faults(&text);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("A plan has at most 4194304 bytes"), "{faults:?}");
}
