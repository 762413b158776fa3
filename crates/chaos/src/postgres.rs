//! What happens to PostgreSQL: a lock, an old backup, and a standby that lags.

use crate::database::{SMALL_LOG, connect};
use crate::fault::{PROCESSES, Server};
use crate::world::{World, port_of};
use anyhow::{Context as _, Result};
use grandstand_embedded::PrivatePostgres;
use grandstand_faults::memory;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// `grandstand restore` must succeed within this time.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(60);
/// A standby follows within this time.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(30);
/// What each process of a PostgreSQL without memory may still get.
const ROOM_KB: u64 = 1_024;
const LOOK_PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn lock_claims(url: &str) -> Result<JoinHandle<()>> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute("begin; lock table claims in access exclusive mode").await?;
    Ok(tokio::spawn(async move {
        let _client = client; // the lock ends with the connection
        let _ = connection.await;
    }))
}

/// Kills a child of the postmaster, which then ends all of them and recovers.
pub(crate) fn kill_backend(postgres: &PrivatePostgres) {
    // The last one is a connection of a client, if there is any.
    let last = postgres.children().into_iter().max();
    if let Some(pid) = last.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// PostgreSQL gets no more memory from the system, nor does a new connection. The postmaster comes
/// first, because a child has the limit that the postmaster had at its start.
pub(crate) fn limit_memory(postgres: &PrivatePostgres) {
    memory::limit_memory(postgres.pid(), ROOM_KB);
    for child in postgres.children() {
        memory::limit_memory(child, ROOM_KB);
    }
}

pub(crate) fn free_memory(postgres: &PrivatePostgres) {
    memory::free_memory(postgres.pid());
    postgres.children().into_iter().for_each(memory::free_memory);
}

/// Starts PostgreSQL again when its postmaster has ended.
pub(crate) async fn restart_if_dead(world: &mut World) -> Result<()> {
    match connect(&world.postgres.url()).await {
        Ok(_) => Ok(()),
        Err(_) => world.postgres.restart().await,
    }
}

/// Copies the files of PostgreSQL as they are at this moment.
pub(crate) async fn back_up(world: &mut World) -> Result<()> {
    let backup = world.dir.join("backup");
    let _ = std::fs::remove_dir_all(&backup);
    copy_to(world, &backup).await
}

/// Puts the copy back, and writes back what Redis has.
pub(crate) async fn put_back(world: &mut World) -> Result<()> {
    world.postgres.kill().await;
    let data = world.postgres_dir.join("data");
    std::fs::remove_dir_all(&data)?;
    copy(&world.dir.join("backup"), &data).await?;
    world.postgres.restart().await?;
    restore(world).await
}

/// Starts a standby, and takes the address of the primary from it as soon as it follows: what is
/// committed from now on is missing there.
pub(crate) async fn lagging_standby(world: &mut World) -> Result<PrivatePostgres> {
    world.postgres_number += 1;
    let dir = world.space.path().join(format!("postgres-{}", world.postgres_number));
    std::fs::create_dir(&dir)?;
    let data = dir.join("data");
    copy_to(world, &data).await?;
    std::fs::write(data.join("standby.signal"), "")?;
    let primary = port_of(&world.postgres.url())?;
    let settings = format!(
        "{SMALL_LOG}\nprimary_conninfo = 'host=127.0.0.1 port={primary} user=grandstand'\n"
    );
    std::fs::write(data.join("postgresql.auto.conf"), settings)?;
    let standby = world.start_postgres(&dir).await?;
    let client = connect(&standby.url()).await?;
    let follows = async {
        let status = "select 1 from pg_stat_wal_receiver where status = 'streaming'";
        while client.query_opt(status, &[]).await?.is_none() {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        anyhow::Ok(())
    };
    let followed = tokio::time::timeout(FOLLOW_TIMEOUT, follows).await;
    followed.context("the standby does not follow the primary")??;
    client.batch_execute("alter system set primary_conninfo = ''").await?;
    client.batch_execute("select pg_reload_conf()").await?;
    Ok(standby)
}

/// The primary dies, and the standby takes its place. What it lacks is written back.
pub(crate) async fn take_over(world: &mut World, standby: PrivatePostgres) -> Result<()> {
    world.postgres.kill().await;
    let port = port_of(&standby.url())?;
    let promoted = connect(&standby.url()).await?.batch_execute("select pg_promote()").await;
    promoted.context("the standby does not take over")?;
    std::fs::remove_dir_all(&world.postgres_dir)?;
    world.postgres = standby;
    world.postgres_dir = world.space.path().join(format!("postgres-{}", world.postgres_number));
    for process in PROCESSES {
        world.edges(process, Server::Postgres).into_iter().for_each(|edge| edge.lead_to(port));
    }
    world.set_database_url();
    restore(world).await
}

async fn restore(world: &World) -> Result<()> {
    let begun = Instant::now();
    loop {
        match world.command(&["restore"]).await {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > RESTORE_TIMEOUT => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}

/// Files of a server that runs can't be copied, so it is away for a moment.
async fn copy_to(world: &mut World, to: &Path) -> Result<()> {
    world.postgres.kill().await;
    copy(&world.postgres_dir.join("data"), to).await?;
    world.postgres.restart().await
}

/// The proxies go on meanwhile.
async fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = tokio::process::Command::new("cp").arg("-a").arg(from).arg(to).status().await?;
    anyhow::ensure!(copied.success(), "the files of PostgreSQL can't be copied");
    Ok(())
}
