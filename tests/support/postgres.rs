//! One PostgreSQL for the whole binary; each test gets a copy of a migrated database.

use grandstand::store::Store;
use grandstand_embedded::{PostgresSettings, PrivatePostgres};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Server {
    postgres: PrivatePostgres,
    databases: AtomicU32,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// A fresh, migrated database; its URL.
pub async fn database() -> String {
    // The server outlives the runtime of the test that happens to come first.
    let server = tokio::task::spawn_blocking(|| SERVER.get_or_init(start)).await.unwrap();
    let number = server.databases.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{number}");
    execute(server, &format!("create database {name} template migrated")).await;
    server.postgres.url_of(&name)
}

/// A migrated PostgreSQL of a test's own, to be killed and restarted.
pub async fn private(dir: &std::path::Path) -> PrivatePostgres {
    let settings = PostgresSettings { durable: false, max_connections: 60 };
    let postgres = PrivatePostgres::start(&dir.join("postgres"), settings).await.unwrap();
    Store::new(&postgres.url(), 1).unwrap().migrate().await.unwrap();
    postgres
}

/// Runs statements on a database; the rows of all of them, as text.
pub async fn sql(url: &str, statements: &str) -> Vec<Vec<String>> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(statements).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let rows = messages.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            let cell = |at| row.get(at).unwrap_or_default().to_owned();
            Some((0..row.len()).map(cell).collect())
        }
        _ => None,
    });
    rows.collect()
}

fn start() -> Server {
    let runtime = Box::leak(Box::new(tokio::runtime::Runtime::new().unwrap()));
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                runtime.block_on(async {
                    let settings = PostgresSettings { durable: false, max_connections: 500 };
                    let postgres = PrivatePostgres::start(&directory(), settings).await.unwrap();
                    let server = Server { postgres, databases: AtomicU32::new(0) };
                    execute(&server, "create database migrated").await;
                    let store = Store::new(&server.postgres.url_of("migrated"), 1).unwrap();
                    store.migrate().await.unwrap();
                    server
                })
            })
            .join()
            .unwrap()
    })
}

async fn execute(server: &Server, statement: &str) {
    // A template can't be copied while another test copies it: PostgreSQL asks to try again.
    for _ in 0..200 {
        let (client, connection) =
            tokio_postgres::connect(&server.postgres.url(), tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let done = client.batch_execute(statement).await;
        drop(client);
        connection.await.unwrap().unwrap();
        match done {
            Ok(()) => return,
            Err(error) if error.code().is_some_and(|code| code.code() == "55006") => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{statement}: {error:?}"),
        }
    }
    panic!("{statement}: the template stayed in use");
}

/// A directory of this process; those of processes that have ended are removed.
fn directory() -> PathBuf {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgres");
    std::fs::create_dir_all(&base).unwrap();
    for entry in std::fs::read_dir(&base).unwrap().flatten() {
        let pid = entry.file_name().to_string_lossy().parse::<i32>().ok();
        let alive = pid
            .and_then(rustix::process::Pid::from_raw)
            .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        if !alive {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    base.join(std::process::id().to_string())
}
