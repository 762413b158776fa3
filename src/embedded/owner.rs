//! The user that PostgreSQL runs as, because it refuses to run as root.
use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

/// A user and a group, by number.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Owner {
    /// Nobody else when this process is not root. Else the owner of data that is already there,
    /// else the user `postgres`, else `nobody`.
    ///
    /// # Errors
    /// This process is root and there is no such user.
    pub(super) fn of(data: &Path) -> Result<Option<Self>> {
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

/// What `id` says of this user. Not /etc/passwd: macOS and directory services keep users elsewhere.
fn number(what: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([what, name]).output().ok()?;
    let number = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    (output.status.success() && number != 0).then_some(number)
}
