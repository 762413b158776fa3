//! The user that PostgreSQL runs as, because it refuses to run as root.

use anyhow::{Result, bail};
use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// A user and a group, by number.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Owner {
    /// Returns `None` when this process is not root. Otherwise returns the owner of existing data,
    /// or the user `postgres`, or `nobody`. Fails when none of them exists.
    pub(crate) fn of(data: &Path) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if let Ok(data) = metadata(data)
            && data.uid() != 0
        {
            return Ok(Some(Self { uid: data.uid(), gid: data.gid() }));
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (number("-u", name), number("-g", name)) {
                return Ok(Some(Self { uid, gid }));
            }
        }
        bail!(
            "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`: \
             use another account, or add one with `useradd --system postgres`"
        )
    }
}

/// Asks `id` for a number of this user. It does not read /etc/passwd, because macOS and directory
/// services keep users elsewhere.
fn number(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).output().ok()?;
    let number = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    (output.status.success() && number != 0).then_some(number)
}
