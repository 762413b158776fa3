//! TLS to Redis, to PostgreSQL and on the listener, with real servers and an authority of the
//! test's own. A server is always verified.

use crate::support::certificates::{Authority, Certificate};
use crate::support::node::{RedisChoice, TestNode, eventually, eventually_within};
use crate::support::postgres::{private, sql};
use crate::support::wire::done;
use grandstand::domain::ids::Partition;
use grandstand::store::{Store, StoreError};
use grandstand_embedded::{CLUSTER_BUS_BELOW, RedisSettings};
use grandstand_embedded::{Fsync, PrivatePostgres, PrivateRedis, RedisExtras, RedisKind};
use grandstand_emulator::EmulatorSettings;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

/// A Redis that also listens with TLS.
struct SecureRedis {
    redis: PrivateRedis,
    port: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl SecureRedis {
    async fn start(
        dir: &Path,
        authority: &Authority,
        certificate: &Certificate,
        kind: RedisKind,
        more: &[&str],
    ) -> Self {
        let port = free_port();
        let text = |path: &Path| path.display().to_string();
        let mut arguments = vec!["--tls-port".to_owned(), port.to_string()];
        for (name, path) in [
            ("--tls-ca-cert-file", &authority.file),
            ("--tls-cert-file", &certificate.certificate),
            ("--tls-key-file", &certificate.key),
        ] {
            arguments.extend([name.to_owned(), text(path)]);
        }
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        let extras = RedisExtras { kind, arguments, ..RedisExtras::default() };
        let settings = RedisSettings { fsync: Fsync::Never };
        let redis = PrivateRedis::start_with(dir, settings, extras).await.unwrap();
        Self { redis, port }
    }
}

/// Turns TLS on in a running PostgreSQL, and plain connections by TCP off.
async fn secure(postgres: &PrivatePostgres, dir: &Path, certificate: &Certificate) {
    let data = dir.join("postgres/data");
    let owner = std::fs::metadata(&data).unwrap();
    for (from, name) in [(&certificate.certificate, "server.crt"), (&certificate.key, "server.key")]
    {
        let to = data.join(name);
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    std::fs::write(data.join("pg_hba.conf"), "hostssl all all all trust\n").unwrap();
    sql(&postgres.url(), "alter system set ssl = on").await;
    sql(&postgres.url(), "select pg_reload_conf()").await;
}

/// The URL of a secured PostgreSQL, with another host and more parameters.
fn secure_url(postgres: &PrivatePostgres, host: &str, parameters: &str) -> String {
    format!("{}?{parameters}", postgres.url().replace("127.0.0.1", host))
}

async fn refused_start(settings: &grandstand::config::Settings) -> String {
    let started = grandstand::node::Node::start(settings, grandstand::node::NodeRole::All).await;
    format!("{:#}", started.err().expect("the node must not start"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_runs_with_tls_to_redis_and_postgresql() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let other = Authority::new(dir.path(), "other");
    let certificate = authority.sign("server", &["localhost"]);
    let redis_dir = dir.path().join("redis");
    let plain = RedisKind::Server;
    let redis = SecureRedis::start(&redis_dir, &authority, &certificate, plain, &[]).await;
    let postgres = private(dir.path()).await;
    secure(&postgres, dir.path(), &certificate).await;
    let client = authority.sign("client", &["grandstand"]);
    let shown = format!("sslcert={}&sslkey={}", client.certificate.display(), client.key.display());
    let (good, wrong) = (authority.path(), other.path());
    let redis_url = |host: &str, root: &str, rest: &str| {
        format!("rediss://{host}:{}?sslrootcert={root}{rest}", redis.port)
    };
    let verified = format!("sslmode=verify-full&sslrootcert={good}");
    let database = secure_url(&postgres, "localhost", &verified);
    let choice = RedisChoice::At(redis_url("localhost", &good, &format!("&{shown}")));
    let node = TestNode::start_all(database, choice, |_| {}, EmulatorSettings::default()).await;
    let (fixture, fan) = (node.open_match().await, node.user("fan").await);
    node.buy(&fan, &fixture, 1).await;
    node.verify().await;

    let mut settings = node.settings.clone();
    for (url, reason) in [
        (redis_url("localhost", &wrong, &format!("&{shown}")), "UnknownIssuer"),
        (redis_url("127.0.0.1", &good, &format!("&{shown}")), "NotValidForName"),
        (redis_url("localhost", &good, ""), ""),
        (format!("redis://localhost:{}", redis.port), ""),
    ] {
        settings.redis_url.clone_from(&url);
        let refused = refused_start(&settings).await;
        assert!(refused.contains("GRANDSTAND_REDIS_URL") && refused.contains(reason), "{refused}");
    }
    settings.redis_url.clone_from(&node.settings.redis_url);
    for (host, parameters, reason) in [
        ("localhost", format!("sslmode=verify-full&sslrootcert={wrong}"), "UnknownIssuer"),
        ("127.0.0.1", verified.clone(), "not valid for name"),
        ("localhost", "sslmode=require".to_owned(), "does not verify the server"),
        ("localhost", "sslmode=verify-ca".to_owned(), "does not verify the server"),
        ("localhost", "sslmode=disable".to_owned(), "no encryption"),
    ] {
        settings.database_url = secure_url(&postgres, host, &parameters);
        let refused = refused_start(&settings).await;
        assert!(refused.contains(reason), "{parameters}: {refused}");
        assert!(!refused.contains("is away"), "{refused}");
    }
    node.finish().await;
    drop(redis.redis);
    postgres.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_without_tls_is_refused_when_tls_is_wanted() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let postgres = private(dir.path()).await;
    let verified = format!("sslmode=verify-full&sslrootcert={}", authority.path());
    let store = Store::new(&secure_url(&postgres, "localhost", &verified), 1).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(matches!(&error, StoreError::Access(_)), "{error}");
    assert!(error.to_string().contains("does not support TLS"), "{error}");
    postgres.stop().await.unwrap();
}

/// The servers of a cluster are verified by the name that they announce.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_with_tls_is_verified_by_announced_names() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let certificate = authority.sign("server", &["localhost"]);
    let more = [
        "--tls-cluster",
        "yes",
        "--tls-auth-clients",
        "no",
        "--cluster-announce-hostname",
        "localhost",
        "--cluster-config-file",
        "nodes.conf",
    ];
    let kind = RedisKind::ClusterServer;
    let redis_dir = dir.path().join("redis");
    let redis = SecureRedis::start(&redis_dir, &authority, &certificate, kind, &more).await;
    done(redis.redis.port(), &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    // Until it hears from others, a server does not know its own address.
    assert!(redis.redis.port() > CLUSTER_BUS_BELOW);
    let url = format!("rediss-cluster://localhost:{}?sslrootcert={}", redis.port, authority.path());
    let node = TestNode::start_on_redis(url, |_| {}).await;
    let (fixture, fan) = (node.open_match().await, node.user("fan").await);
    node.buy(&fan, &fixture, 1).await;
    assert!(node.engine().epoch(Partition(0)).await.unwrap().is_some());
    node.finish().await;
}

pub(crate) fn browser(authority: &Authority) -> reqwest::ClientBuilder {
    let pem = std::fs::read(&authority.file).unwrap();
    let root = reqwest::Certificate::from_pem(&pem).unwrap();
    reqwest::Client::builder().tls_certs_only([root])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_speaks_tls_and_takes_a_renewed_certificate() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let other = Authority::new(dir.path(), "other");
    let certificate = authority.sign("server", &["localhost"]);
    let node = TestNode::start_with(|settings| {
        settings.tls_cert_file = Some(certificate.certificate.clone());
        settings.tls_key_file = Some(certificate.key.clone());
    })
    .await;
    let url = |path: &str| format!("{}{path}", node.url().replace("127.0.0.1", "localhost"));
    let live = url("/health/live");
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-sS", "--cacert", &authority.path(), "-w", "%{http_code} %{http_version}", "-o"]);
    let output = curl.args(["/dev/null", &live]).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200 2", "{output:?}");
    let first = browser(&authority).build().unwrap();
    let response = first.get(&live).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_11));
    let missing = url("/api/matches/00000000-0000-7000-8000-000000000000/events");
    assert!(first.get(missing).send().await.unwrap().status().is_client_error());

    assert!(browser(&other).build().unwrap().get(&live).send().await.is_err(), "wrong authority");
    let by_address = node.url() + "/health/live";
    let refused = browser(&authority).build().unwrap().get(by_address).send().await;
    assert!(refused.is_err(), "the certificate has another name");
    let plain = live.replace("https://", "http://");
    assert!(reqwest::get(&plain).await.is_err(), "a connection without TLS is refused");
    node.finish().await;
}

/// The connections of a listener that a process has, by the table of the kernel. Linux only.
fn established(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("this test needs Linux");
    let local = format!(":{port:04X}");
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.by_ref().filter(|row| row.len() > 3 && row[1].ends_with(&local) && row[3] == "01").count()
}

/// TLS keeps up to 64 KiB of its own beside what the kernel keeps. The clients ask for more than
/// the kernel takes, from a little more to more than TLS takes, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_inside_tls_that_do_not_read_lose_their_connection() {
    use tokio_rustls::rustls::pki_types::ServerName;
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let certificate = authority.sign("server", &["localhost"]);
    let node = TestNode::start_with(|settings| {
        settings.tls_cert_file = Some(certificate.certificate.clone());
        settings.tls_key_file = Some(certificate.key.clone());
    })
    .await;
    let https = browser(&authority).build().unwrap();
    let page = https.get(node.url().replace("127.0.0.1", "localhost")).send().await.unwrap();
    let heads: usize =
        page.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let bytes = heads + page.bytes().await.unwrap().len();
    assert!(bytes < 8 * 1024, "{bytes}");
    drop(https);
    let connector = authority.connector(&[]);
    let address = node.running().address;
    let mut clients = Vec::new();
    for number in 0..24_usize {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        let stream = socket.connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let wanted = 200 * 1024 + number * 8 * 1024;
        let requests = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(wanted.div_ceil(bytes));
        stream.write_all(requests.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        clients.push(stream);
    }
    eventually("all are served", async || (established(address.port()) >= 24).then_some(())).await;
    let wait = std::time::Duration::from_secs(20);
    eventually_within(wait, "the node ends their connections", async || {
        (established(address.port()) == 0).then_some(())
    })
    .await;
    drop(clients);
    node.finish().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    use grandstand::api::tls::TlsListener;
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let files = authority.sign("server", &["localhost"]);
    let listener = TlsListener::open(files.certificate.clone(), files.key.clone()).unwrap();
    assert!(!listener.reload_once().unwrap(), "nothing has changed");
    let key = std::fs::read(&files.key).unwrap();
    authority.sign("server", &["localhost"]);
    let new_key = std::fs::read(&files.key).unwrap();
    std::fs::write(&files.key, key).unwrap();
    assert!(listener.reload_once().is_err(), "the key is that of the former certificate");
    std::fs::write(&files.key, new_key).unwrap();
    assert!(listener.reload_once().unwrap());
    assert!(!listener.reload_once().unwrap());
    // Both forms of a time: two digits for the year until 2049, and four from then on.
    for (year, date) in [(2041, "2041-01-01T00:00:00Z"), (2100, "2100-01-01T00:00:00Z")] {
        authority.sign_until("server", &["localhost"], year);
        let end: jiff::Timestamp = date.parse().unwrap();
        let left = end.as_second() - jiff::Timestamp::now().as_second();
        assert!((left - listener.ends_in_s().unwrap()).abs() < 5, "{year}");
    }
    std::fs::write(&files.certificate, "no certificate").unwrap();
    assert!(listener.reload_once().is_err() && listener.ends_in_s().is_err());
    assert!(TlsListener::open(files.certificate, files.key).is_err());
}
