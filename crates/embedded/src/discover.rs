//! Finds the programs of the servers: by a setting, on PATH, or in the usual places.

use anyhow::{Result, bail};
use std::env;
use std::fs::read_dir;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Folders of PostgreSQL with a version in their name: parent, start of the name, inner folder.
const POSTGRES_VERSIONED: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];
const USUAL: &[&str] = &["/usr/bin", "/opt/homebrew/bin", "/usr/local/bin"];
const POSTGRES_USUAL: &[&str] =
    &["/usr/bin", "/opt/homebrew/bin", "/usr/local/bin", "/usr/local/pgsql/bin"];

/// Package managers, and how they install Redis and PostgreSQL.
const INSTALLERS: &[(&str, &str, &str)] = &[
    ("apt-get", "sudo apt-get install redis-server", "sudo apt-get install postgresql"),
    ("dnf", "sudo dnf install valkey", "sudo dnf install postgresql-server"),
    ("pacman", "sudo pacman -S valkey", "sudo pacman -S postgresql"),
    ("apk", "apk add redis", "apk add postgresql"),
    ("brew", "brew install redis", "brew install postgresql@17"),
];

/// Returns the program of Redis, or of Valkey, which works as well. The error says how to install
/// it.
pub(crate) fn redis_server() -> Result<PathBuf> {
    let path = search_path();
    if let Some(program) = env::var_os("GRANDSTAND_REDIS_SERVER").map(PathBuf::from) {
        if is_program(&program) {
            return Ok(program);
        }
        bail!("GRANDSTAND_REDIS_SERVER names {}, which is not a program", program.display());
    }
    let places: Vec<PathBuf> = path.iter().cloned().chain(USUAL.iter().map(Into::into)).collect();
    match redis_among(&places) {
        Some(program) => Ok(program),
        None => bail!("Redis is not installed. {}", advice(&path, |(_, redis, _)| redis)),
    }
}

/// Returns the folder that holds `postgres` and `initdb`. The error says how to install them.
pub(crate) fn postgres_folder() -> Result<PathBuf> {
    let path = search_path();
    if let Some(folder) = env::var_os("GRANDSTAND_POSTGRES_BIN").map(PathBuf::from) {
        return match postgres_in(&folder) {
            Some(folder) => Ok(folder),
            None => bail!(
                "GRANDSTAND_POSTGRES_BIN names {}, which does not hold `postgres` and `initdb`",
                folder.display()
            ),
        };
    }
    let versioned = POSTGRES_VERSIONED.iter().flat_map(|(parent, start, inside)| {
        newest_first(Path::new(parent), start).into_iter().map(move |folder| folder.join(inside))
    });
    let places = path.iter().cloned().chain(versioned).chain(POSTGRES_USUAL.iter().map(Into::into));
    match places.into_iter().find_map(|place| postgres_in(&place)) {
        Some(folder) => Ok(folder),
        None => {
            bail!("PostgreSQL is not installed. {}", advice(&path, |(_, _, postgres)| postgres))
        }
    }
}

fn search_path() -> Vec<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect()
}

/// Returns the program in the first place that has it. In the same place, Redis comes before
/// Valkey.
pub(crate) fn redis_among(places: &[PathBuf]) -> Option<PathBuf> {
    let names = ["redis-server", "valkey-server"];
    let mut programs = places.iter().flat_map(|place| names.map(|name| place.join(name)));
    programs.find(|program| is_program(program))
}

/// Follows a link, because a folder on PATH may have a link to `postgres` without its neighbours.
pub(crate) fn postgres_in(folder: &Path) -> Option<PathBuf> {
    let holds_both =
        |place: &Path| ["postgres", "initdb"].iter().all(|name| is_program(&place.join(name)));
    let real = folder.join("postgres").canonicalize().ok()?;
    let real = real.parent()?;
    if holds_both(real) {
        return Some(real.to_owned());
    }
    holds_both(folder).then(|| folder.to_owned())
}

/// Returns the folders whose name is this start and a version, the highest version first.
pub(crate) fn newest_first(parent: &Path, start: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(start)?;
            let numbers = version.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            Some((numbers, entry.path()))
        })
        .collect();
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, path)| path).collect()
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn advice(path: &[PathBuf], of: fn(&(&str, &'static str, &'static str)) -> &'static str) -> String {
    let installer = INSTALLERS
        .iter()
        .find(|(tool, _, _)| path.iter().any(|place| is_program(&place.join(tool))));
    match installer {
        Some(installer) => format!("Install it with: {}", of(installer)),
        None => "Install it with the package manager of this system".to_owned(),
    }
}
