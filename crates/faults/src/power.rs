//! A disk that loses power, or becomes slow: a small library is preloaded into Redis (`power.c`)
//! and remembers what was written to the disk. Linux only.

use crate::preload::compile;
use grandstand_embedded::{PrivateRedis, RedisExtras};
use std::ffi::OsString;
use std::fs::{File, Permissions, read_dir, read_to_string};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The disk of a private Redis.
pub struct Disk {
    dir: TempDir,
    library: PathBuf,
}

impl Disk {
    /// A disk as fast as that of the machine.
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let library = compile("power", include_str!("power.c"), dir.path());
        let disk = Self { dir, library };
        std::fs::write(disk.file(), 0_i64.to_ne_bytes()).unwrap();
        disk
    }

    /// What makes a private PostgreSQL use this disk. It can become slow, but not lose power.
    pub fn slow_environment(&self) -> Vec<(String, OsString)> {
        // PostgreSQL runs as another user when the test is root.
        std::fs::set_permissions(self.dir.path(), Permissions::from_mode(0o755)).unwrap();
        let mut environment = self.environment();
        environment.push(("FAULTS_DISK_NOTES".to_owned(), OsString::from("off")));
        environment
    }

    fn environment(&self) -> Vec<(String, OsString)> {
        vec![
            ("LD_PRELOAD".to_owned(), self.library.as_os_str().to_owned()),
            ("FAULTS_DISK_FILE".to_owned(), OsString::from(self.file())),
        ]
    }

    /// What makes a private Redis use this disk. Redis does not write its file from the start by
    /// itself, because only appended files can be cut.
    pub fn extras(&self) -> RedisExtras {
        let environment = self.environment();
        let arguments = vec!["--auto-aof-rewrite-percentage".to_owned(), "0".to_owned()];
        RedisExtras { environment, arguments, ..RedisExtras::default() }
    }

    /// From now on each write to the disk takes this much longer.
    pub fn set_delay_us(&self, us: u32) {
        // One write in place: the servers have this very file in their memory.
        let file = File::options().write(true).open(self.file()).unwrap();
        file.write_all_at(&i64::from(us).to_ne_bytes(), 0).unwrap();
    }

    /// Kills a server that uses this disk and cuts its files, which are in `dir`, to what was on
    /// the disk; how many bytes were lost.
    pub async fn lose_power(&self, redis: &mut PrivateRedis, dir: &Path) -> u64 {
        redis.kill().await;
        let mut lost = 0;
        for entry in read_dir(dir.join("appendonlydir")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "aof") {
                lost += cut(&path);
            }
        }
        lost
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("delay-us")
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

/// Cuts a file to what was on the disk. The file that Redis begins with is renamed after it was
/// written to the disk, so only files that were appended to have a note.
fn cut(path: &Path) -> u64 {
    let mut note = path.as_os_str().to_owned();
    note.push(".on-disk");
    let Ok(text) = read_to_string(&note) else { return 0 };
    let kept: u64 = text.trim().parse().unwrap();
    let file = File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    if kept < length {
        file.set_len(kept).unwrap();
    }
    length.saturating_sub(kept)
}
