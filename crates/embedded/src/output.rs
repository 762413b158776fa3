//! What the programs of this repository print.

use std::fmt::Display;
use std::io::{Write as _, stdout};

/// Prints to the standard output. A reader that has seen enough (`| head`) closes it, and a program
/// then goes on: `print!` would panic, and a program that writes files must still write them.
pub fn print(text: impl Display) {
    let mut out = stdout().lock();
    // There is nobody to tell.
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
