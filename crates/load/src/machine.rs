//! The machine and the versions of a measurement.

use serde::Serialize;
use std::fs;
use std::process::Command;

/// The machine and the versions of a measurement.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) system: String,
    pub(crate) grandstand: String,
    pub(crate) build: &'static str,
    pub(crate) redis: String,
    pub(crate) postgres: String,
}

impl Machine {
    /// Describes this machine.
    pub(crate) fn this() -> Self {
        let cpu = line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
        let memory = line_of("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 = memory.split_whitespace().next().unwrap_or("0").parse().unwrap_or(0);
        Self {
            cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib / 1024,
            system: output_of("uname", &["-sr"]),
            grandstand: env!("CARGO_PKG_VERSION").to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            redis: redis_version(),
            postgres: output_of("psql", &["--version"]),
        }
    }

    /// Returns the machine as a line for people.
    pub(crate) fn line(&self) -> String {
        let Machine { cpu, cores, memory_mib, system, .. } = self;
        format!("{cores} cores of {cpu}, {memory_mib} MiB, {system}")
    }
}

fn redis_version() -> String {
    let output = output_of("redis-server", &["--version"]);
    let version = output.split_whitespace().find_map(|word| word.strip_prefix("v="));
    version.map_or(output.clone(), |version| format!("Redis {version}"))
}

fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Returns the output of a program, or "unknown" when the program does not exist.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
