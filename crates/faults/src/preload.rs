//! Small libraries that change what a server sees of the system: they are compiled with `cc` and
//! preloaded into it. Linux only.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Adds what makes a program use another library, too.
pub fn add(environment: &mut Vec<(String, OsString)>, more: Vec<(String, OsString)>) {
    for (name, value) in more {
        match environment.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => {
                values.push(":");
                values.push(value);
            }
            None => environment.push((name, value)),
        }
    }
}

/// Compiles the text of a library into this directory; where it is.
pub(crate) fn compile(name: &str, source: &str, dir: &Path) -> PathBuf {
    let text = dir.join(format!("{name}.c"));
    std::fs::write(&text, source).unwrap();
    let library = dir.join(format!("{name}.so"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
        .args([&library, &text])
        .output()
        .expect("this needs a C compiler with the name `cc`");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}
