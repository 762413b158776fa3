//! The machine of a private Redis: its disk loses power, fills up, becomes slow or is replaced, and
//! its clock is wrong. Linux only.

use crate::clock::Clock;
use crate::disk::SmallDisk;
use crate::eventually;
use crate::power::Disk;
use crate::preload;
use crate::wire::ask;
use grandstand_embedded::{Fsync, PrivateRedis, RedisExtras, RedisSettings};
use std::path::{Path, PathBuf};

/// A machine for one server.
pub struct Machine {
    space: SmallDisk,
    disk: Disk,
    clock: Clock,
    fsync: Fsync,
}

impl Machine {
    /// A machine that is well, with a disk of this size. `fsync` says when its Redis writes to the
    /// disk.
    pub fn new(megabytes: u32, fsync: Fsync) -> Self {
        let (space, disk, clock) = (SmallDisk::mount(megabytes), Disk::new(), Clock::new());
        Self { space, disk, clock, fsync }
    }

    /// Starts its Redis; `extras` has what such a server needs on any machine.
    pub async fn start(&self, extras: RedisExtras) -> PrivateRedis {
        let mut own = self.disk.extras();
        preload::add(&mut own.environment, self.clock.environment());
        preload::add(&mut own.environment, extras.environment);
        own.arguments.extend(extras.arguments);
        let settings = RedisSettings { fsync: self.fsync };
        let extras = RedisExtras { kind: extras.kind, ..own };
        PrivateRedis::start_with(&self.dir(), settings, extras).await.unwrap()
    }

    /// Kills its Redis and takes away what was not on the disk; how many bytes.
    pub async fn lose_power(&self, redis: &mut PrivateRedis) -> u64 {
        self.disk.lose_power(redis, &self.dir()).await
    }

    /// Kills its Redis and takes away all its data. A server of a cluster keeps `nodes.conf`.
    pub async fn lose_disk(&self, redis: &mut PrivateRedis) {
        redis.kill().await;
        std::fs::remove_dir_all(self.dir().join("appendonlydir")).unwrap();
    }

    /// Fills the disk to the last byte.
    pub fn fill_disk(&self) {
        self.space.fill();
    }

    /// Gives the space back. A Redis that ended because it could not write is started again;
    /// whether that was so. One that went on writes its file from the start, as docs/OPERATIONS.md
    /// says: Redis 7.0 takes a piece back that it could write only in part, and then may write on
    /// behind it. The zeros between would keep it from starting again.
    pub async fn free_disk(&self, redis: &mut PrivateRedis) -> bool {
        self.space.free();
        let port = redis.port();
        let lives = eventually("Redis begins to write its file from the start", || async {
            match ask(port, &["BGREWRITEAOF"]).await {
                Ok(_) => Some(true),
                Err(error) if error.contains("refused") => Some(false),
                // It is loading, or writes already.
                Err(_) => None,
            }
        })
        .await;
        if !lives {
            redis.restart().await.unwrap();
            return true;
        }
        eventually("Redis has written its file from the start", || async {
            let info = ask(port, &["INFO", "persistence"]).await.ok()?.text();
            let wanted = [
                "aof_rewrite_in_progress:0",
                "aof_rewrite_scheduled:0",
                "aof_last_bgrewrite_status:ok",
            ];
            wanted.iter().all(|line| info.contains(line)).then_some(())
        })
        .await;
        false
    }

    /// From now on each write to the disk takes this many ms longer.
    pub fn slow_disk(&self, ms: u16) {
        self.disk.set_delay_us(u32::from(ms) * 1_000);
    }

    /// Sets how many seconds the clock is ahead of the right time; a negative number is behind it.
    pub fn set_clock(&self, ahead_s: i32) {
        self.clock.set_ahead_ms(i64::from(ahead_s) * 1_000);
    }

    fn dir(&self) -> PathBuf {
        self.space.path().join("redis")
    }
}

/// Starts the server with this number: on its machine, or below `dir` when there are no machines.
pub(crate) async fn start(
    machines: &[Machine],
    number: usize,
    dir: &Path,
    extras: RedisExtras,
) -> PrivateRedis {
    match machines.get(number) {
        Some(machine) => machine.start(extras).await,
        None => {
            let settings = RedisSettings { fsync: Fsync::Never };
            let dir = dir.join(number.to_string());
            PrivateRedis::start_with(&dir, settings, extras).await.unwrap()
        }
    }
}
