//! `grandstand load`: starts the program with the load tests. It is a program of its own, so that
//! the engine can be built without the load tests.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The program, which lies in the folder of this program.
const PROGRAM: &str = "grandstand-load";

/// Replaces this process by the program, with these arguments. Returns only when that fails.
pub fn run(arguments: &[OsString]) -> anyhow::Error {
    let program = match std::env::current_exe() {
        Ok(this) => this.with_file_name(PROGRAM),
        Err(error) => return error.into(),
    };
    let error = Command::new(&program).args(arguments).exec();
    anyhow::Error::new(error).context(format!(
        "cannot start {}: build it with `cargo build --release --workspace`",
        program.display()
    ))
}
