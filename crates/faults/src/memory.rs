//! Processes that get no more memory from the system. Linux only, with `prlimit` of util-linux.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// From now on the process can have this many KB more than it has now, and what it starts begins
/// with the same limit.
pub fn limit_memory(process: u32, room_kb: u64) {
    if let Some(has_kb) = virtual_kb(process) {
        set_limit(process, &((has_kb + room_kb) * 1_024).to_string());
    }
}

/// The process may have as much memory as the system has.
pub fn free_memory(process: u32) {
    set_limit(process, "unlimited");
}

/// Does nothing when the process has just ended.
fn set_limit(process: u32, bytes: &str) {
    let Ok(owner) = std::fs::metadata(format!("/proc/{process}")) else { return };
    // Even root may change only its own processes in a container, so the owner does it. The limit
    // that a process can lift again comes before the colon.
    let mut prlimit = Command::new("prlimit");
    prlimit.uid(owner.uid()).gid(owner.gid());
    let (process, limit) = (process.to_string(), format!("--as={bytes}:"));
    let done = prlimit.args(["--pid", &process, &limit]).output().expect("this needs `prlimit`");
    let has_ended = !std::path::Path::new("/proc").join(&process).exists();
    assert!(done.status.success() || has_ended, "prlimit: {done:?}");
}

/// The size of its address space.
fn virtual_kb(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
