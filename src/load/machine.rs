//! The machine and the versions that numbers belong to.

use serde::Serialize;
use std::fs;
use std::process::Command;

/// Where and with what something was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub system: String,
    pub grandstand: String,
    pub build: &'static str,
    pub redis: String,
    pub postgres: String,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let cpu = line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
        let memory = line_of("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 = memory.split_whitespace().next().unwrap_or("0").parse().unwrap_or(0);
        Self {
            cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib / 1024,
            system: said_by("uname", &["-sr"]),
            grandstand: env!("CARGO_PKG_VERSION").to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            redis: redis_version(),
            postgres: said_by("psql", &["--version"]),
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let Machine { cpu, cores, memory_mib, system, .. } = self;
        format!("{cores} cores of {cpu}, {memory_mib} MiB, {system}")
    }
}

fn redis_version() -> String {
    let said = said_by("redis-server", &["--version"]);
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("v="));
    version.map_or(said.clone(), |version| format!("Redis {version}"))
}

fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What a program says, or "unknown" when there is none.
fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok().filter(|said| !said.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
