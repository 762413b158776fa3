//! What the programs of this repository print.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

/// Prints to the standard output. A reader that has seen enough (`| head`) closes it, and a program
/// then goes on: `print!` would panic, and a program that writes files must still write them.
pub fn print(text: impl Display) {
    write_to(stdout().lock(), text);
}

/// Prints to the standard error, which `2>&1 | head` closes too: what a program is doing, or why it
/// ends, and not its result.
pub fn tell(text: impl Display) {
    write_to(stderr().lock(), text);
}

fn write_to(mut out: impl Write, text: impl Display) {
    // There is nobody to tell.
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
