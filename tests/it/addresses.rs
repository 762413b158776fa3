//! Limits count each caller separately, however its address is written. They stop people who guess
//! a password, and not the owner of the account.

use crate::support::client::{Answer, Client};
use crate::support::node::{TestNode, eventually};
use grandstand::config::{Settings, parse_block};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// A guest behind a trusted proxy that forwards this address.
async fn sign_up_from(guest: &Client, forwarded: &str, email: &str) -> Answer {
    let body = json!({"email": email, "password": "a password of tests"});
    guest.post_from(forwarded, "/api/users/sign-up", &body).await
}

/// A guest behind a trusted proxy that forwards this address.
async fn log_in_from(guest: &Client, forwarded: &str, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    guest.post_from(forwarded, "/api/users/log-in", &body).await
}

fn behind_a_proxy(settings: &mut Settings) {
    settings.rates.rate_limits = "on".to_owned();
    settings.trusted_proxies = vec![parse_block("127.0.0.1").unwrap()];
}

/// An address is the same with a port or in brackets, as IPv6 or as IPv4. Two addresses behind one
/// proxy are two callers. A network of IPv6 that one person gets (/64) is one caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_one_address_however_it_is_written() {
    let node = TestNode::start_with(|settings| {
        behind_a_proxy(settings);
        settings.listen = "[::]:0".to_owned();
        settings.rates.account_calls_per_minute = 2;
    })
    .await;
    // The connection is then one of ::ffff:127.0.0.1.
    let guest = Client::new(format!("http://127.0.0.1:{}", node.running().address.port()), None);
    let try_from = async |forwarded: &str| {
        let answer = sign_up_from(&guest, forwarded, "no address").await;
        (answer.status, forwarded.to_owned())
    };
    let groups: [&[&str]; 4] = [
        &["1.2.3.4:1001", "1.2.3.4:1002", "1.2.3.4", "::ffff:1.2.3.4", "[::ffff:1.2.3.4]:99"],
        &["1.2.3.5:1001", "1.2.3.5", "1.2.3.5, 127.0.0.1", "9.9.9.9, 1.2.3.5:7"],
        &["2001:db8:0:1::1", "2001:DB8:0:1:0::1", "[2001:db8:0:1:ffff::2]:44", "[2001:db8:0:1::9]"],
        &["2001:db8:0:2::1", "[2001:db8:0:2::1]:1", "\"[2001:db8:0:2::1]:1\""],
    ];
    for group in groups {
        for (at, written) in group.iter().enumerate() {
            let expected = if at < 2 { 400 } else { 429 };
            assert_eq!(try_from(written).await, (expected, (*written).to_owned()));
        }
    }
    node.finish().await;
}

/// Somebody has 65,536 networks of IPv6 in a block. Each limit of an address counts for the block
/// too: of ten times as many sign-ups, mails, refreshes, webhooks and parts of the page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_of_addresses_has_limits_of_its_own() {
    let node = TestNode::start_with(|settings| {
        behind_a_proxy(settings);
        settings.rates.account_calls_per_minute = 2;
    })
    .await;
    let guest = node.guest();
    let ask = async |from: &str| {
        let body = json!({"email": "no address"});
        guest.post_from(from, "/api/users/password-reset", &body).await
    };
    let mut refused = 0;
    for network in 0..30 {
        refused += u32::from(ask(&format!("2001:db8:7:{network:x}::1")).await.status == 429);
    }
    assert!((5..=10).contains(&refused), "{refused} of 30 networks of one block");
    assert_ne!(ask("2001:db8:8::1").await.status, 429, "another block");
    let answer = ask("2001:db8:7:ff::1").await;
    let policy = answer.headers["ratelimit-policy"].to_str().unwrap();
    assert_eq!(policy, "\"account_calls\";q=2;w=60, \"account_calls_of_block\";q=20;w=60");
    answer.refused(429, "TOO_MANY_REQUESTS");
    node.finish().await;
}

/// A log line for each request would hide everything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_forwarded_header_is_logged_once() {
    let node = TestNode::start().await;
    let mut command = node.binary(&["serve", "--role", "api"]);
    command.env("GRANDSTAND_TRUSTED_PROXIES", "127.0.0.1").env("GRANDSTAND_LOG", "warn");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("the node listens");
    let guest = Client::new(line.strip_prefix("listening on ").unwrap().to_owned(), None);
    for forwarded in ["1.2.3.4", "unknown", "_hidden", "1.2.3.4:x", "unknown"] {
        let request = guest.request(Method::GET, "/api/matches");
        request.header("x-forwarded-for", forwarded).send().await.unwrap();
    }
    process.start_kill().unwrap();
    let mut errors = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    while let Some(line) = errors.next_line().await.unwrap() {
        told.extend(line.contains("X-Forwarded-For").then_some(line));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("127.0.0.1") && told[0].contains("unknown"), "{told:?}");
    node.finish().await;
}

/// The owner logs in all the while, also from an address from which others guess.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guesser_is_stopped_and_the_owner_is_not() {
    let node = TestNode::start_with(|settings| {
        behind_a_proxy(settings);
        settings.rates.account_calls_per_minute = 1000;
    })
    .await;
    let guest = node.guest();
    node.user("owner").await;
    let owner = async |from: &str| {
        log_in_from(&guest, from, "owner@test.example", "a password of tests").await.status
    };
    let mut stopped = 0;
    for guess in 0..30 {
        let password = format!("guess number {guess}");
        let answer = log_in_from(&guest, "1.1.1.1", "owner@test.example", &password).await;
        if answer.status == 429 {
            assert!(answer.headers.contains_key("retry-after"));
            answer.refused(429, "TOO_MANY_REQUESTS");
            stopped += 1;
        }
        assert_eq!(owner("2.2.2.2").await, 200, "after {guess} guesses of somebody else");
    }
    assert!(stopped >= 18, "{stopped} of 30 guesses were stopped");
    assert_eq!(owner("1.1.1.1").await, 429, "the guesser is not told which guess is right");
    // An address that tries many accounts is stopped, but not for users who have logged in there.
    assert_eq!(owner("3.3.3.3").await, 200);
    let mut stopped = 0;
    for number in 0..130 {
        let email = format!("nobody-{number}@test.example");
        let answer = log_in_from(&guest, "3.3.3.3", &email, "a wrong one").await;
        stopped += u32::from(answer.status == 429);
    }
    assert!(stopped >= 25, "{stopped} of 130");
    assert_eq!(owner("3.3.3.3").await, 200);
    node.finish().await;
}

/// Many addresses that guess at one account get one guess each, so the owner can log in from an
/// address that nobody has used before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_guessers_do_not_lock_the_owner_out() {
    let node = TestNode::start_with(|settings| {
        behind_a_proxy(settings);
        settings.rates.log_ins_per_minute = 3;
    })
    .await;
    let guest = node.guest();
    node.user("owner").await;
    let (mut first, mut second) = (0, 0);
    for address in 0..40 {
        let from = format!("10.1.0.{address}");
        for stopped in [&mut first, &mut second] {
            let answer = log_in_from(&guest, &from, "owner@test.example", "a wrong one").await;
            *stopped += u32::from(answer.status == 429);
        }
    }
    assert_eq!(first, 0, "somebody who has not guessed yet may be the owner");
    assert!(second >= 20, "{second} of 40 second guesses were stopped");
    let owner = log_in_from(&guest, "10.2.0.1", "owner@test.example", "a password of tests").await;
    owner.expect(200);
    // A refresh is not a guess, so it does not count.
    eventually("the session goes on", || async {
        let body = json!({"refreshToken": "nothing"});
        let answer = guest.post("/api/users/refresh", &body).await;
        (answer.status == 401 && answer.body["code"] != Value::Null).then_some(())
    })
    .await;
    node.finish().await;
}

/// A client that opens connections without end uses up those of its own address only. A trusted
/// proxy has more, because it stands for many people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_does_not_take_all_connections() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.connections_per_address = 5;
        settings.trusted_proxies = vec![parse_block("127.0.0.3").unwrap()];
    })
    .await;
    let address = node.running().address;
    let connect = async |from: &str| -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(address).await.unwrap()
    };
    /// Whether the node closes a connection without a request.
    async fn is_refused(stream: &mut TcpStream) -> bool {
        let mut answer = [0; 12];
        let read = stream.read_exact(&mut answer);
        // A connection without a request ends after 5 s, and this test must be faster than that.
        let read = tokio::time::timeout(std::time::Duration::from_millis(200), read).await;
        read.is_ok_and(|read| read.is_ok() && &answer == b"HTTP/1.1 503")
    }
    let mut rude = Vec::new();
    for at in 0..8 {
        let mut stream = connect("127.0.0.2").await;
        assert_eq!(is_refused(&mut stream).await, at >= 5, "connection {at}");
        rude.push(stream);
    }
    node.guest().get("/api/matches").await.expect(200);
    for _ in 0..8 {
        let mut stream = connect("127.0.0.3").await;
        assert!(!is_refused(&mut stream).await);
        rude.push(stream);
    }
    drop(rude);
    eventually("the places are free again", || async {
        let mut stream = connect("127.0.0.2").await;
        (!is_refused(&mut stream).await).then_some(())
    })
    .await;
    node.finish().await;
}
