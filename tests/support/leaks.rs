//! Counts of open files, threads, tasks and connections.

use crate::support::postgres::sql;
use crate::support::wire::done;

/// Open file descriptors of a process. Linux only.
pub fn files(pid: u32) -> usize {
    entries(pid, "fd")
}

/// Threads of a process. Linux only.
pub fn threads(pid: u32) -> usize {
    entries(pid, "task")
}

/// Tasks of the runtime of this test. Other tests of the same process have runtimes of their own.
pub fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Connections to the Redis on this port, without the one that asks.
pub async fn redis_clients(port: u16) -> usize {
    let list = done(port, &["CLIENT", "LIST"]).await.text();
    list.lines().count().saturating_sub(1)
}

/// Connections to this database of PostgreSQL, without the one that asks.
pub async fn backends(url: &str) -> usize {
    let count = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    sql(url, count).await[0][0].parse().unwrap()
}

fn entries(pid: u32, what: &str) -> usize {
    let path = format!("/proc/{pid}/{what}");
    let found = std::fs::read_dir(&path);
    found.unwrap_or_else(|error| panic!("this test needs Linux: {path}: {error}")).count()
}
