//! A small file system in memory, which a test can fill to the last byte.

use std::fs::{File, create_dir, metadata, read_dir, remove_dir};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// How the directories of these disks begin: the process id and a number follow.
const PREFIX: &str = "grandstand-test-disk-";

/// A mounted file system. It is unmounted when it is dropped, also while something uses it.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts a file system of this size, which everybody may enter.
    pub fn mount(megabytes: u32) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        unmount_those_of_the_dead();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{PREFIX}{}-{number}", std::process::id()));
        create_dir(&path).unwrap();
        let options = format!("size={megabytes}m,mode=0755");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        let failure = match mounted {
            Ok(output) if output.status.success() => return Self { path },
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let _ = remove_dir(&path);
        panic!(
            "this test needs Linux and the right to mount a tmpfs (be root, or run it in a \
             container that was started with --cap-add SYS_ADMIN): {failure}"
        );
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory on it.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        create_dir(&path).unwrap();
        path
    }

    /// A directory on it for the user who owns something else: PostgreSQL runs as another user
    /// when the test is root.
    pub fn directory_for_owner_of(&self, other: &Path, name: &str) -> PathBuf {
        let (path, owner) = (self.directory(name), metadata(other).unwrap());
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        path
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            loop {
                match filler.write_all(&vec![0; size]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Gives the space back that `fill` took.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

fn unmount(path: &Path) {
    // Lazily: a server that a failed test left may still be ending.
    let _ = Command::new("umount").arg("-l").arg(path).output();
    let _ = remove_dir(path);
}

/// A test process that was killed could not unmount its own.
fn unmount_those_of_the_dead() {
    for entry in read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let pid = process.and_then(|pid| pid.parse::<i32>().ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        if pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_err()) {
            unmount(&entry.path());
        }
    }
}
