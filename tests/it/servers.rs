//! The servers of `tests/support` do what the other tests rely on: a cluster moves slots and fails
//! over, Sentinels choose a new master, a clock is set, a proxy stops bytes, a disk is full.

use crate::support::clock::Clock;
use crate::support::cluster::PrivateCluster;
use crate::support::disk::SmallDisk;
use crate::support::front::{Clients, Front};
use crate::support::leaks;
use crate::support::node::eventually;
use crate::support::proxy::Proxy;
use crate::support::sentinel::PrivateSentinel;
use crate::support::wire::{Role, ask, done, role};
use grandstand::domain::ids::Partition;
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const SETTINGS: RedisSettings = RedisSettings { fsync: Fsync::Never };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_moves_with_its_keys_in_one_go_and_in_steps() {
    let cluster = PrivateCluster::start(3, 0).await;
    let slot = PrivateCluster::slot_of(Partition(1));
    assert_eq!(slot, 9842, "as CLUSTER KEYSLOT says of {{1}}");
    let owner = cluster.owner(Partition(1)).await;
    assert_eq!(owner, 1);
    for n in 0..25 {
        done(cluster.port(owner), &["SET", &format!("{{1}}:key:{n}"), "here"]).await;
    }
    cluster.migrate_slot(slot, 2).await;
    assert_eq!(cluster.owner_of(slot).await, 2);
    let count = ["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()];
    assert_eq!(done(cluster.port(2), &count).await.text(), "25");
    let refused = ask(cluster.port(owner), &["GET", "{1}:key:0"]).await.unwrap_err();
    assert_eq!(refused, format!("MOVED {slot} 127.0.0.1:{}", cluster.port(2)));

    cluster.begin_move(slot, 2, 0).await;
    assert_eq!(cluster.move_some_keys(slot, 2, 0).await, 3);
    assert_eq!(done(cluster.port(2), &count).await.text(), "22");
    cluster.move_keys(&["{1}:key:24".to_owned(), "{1}:key:0".to_owned()], 2, 0).await;
    let refused = ask(cluster.port(2), &["GET", "{1}:key:24"]).await.unwrap_err();
    assert!(refused.starts_with("ASK "), "{refused}");
    cluster.give_up_move(slot, 2, 0).await;
    assert_eq!(cluster.owner_of(slot).await, 2);
    assert_eq!(done(cluster.port(2), &["GET", "{1}:key:24"]).await.text(), "");
    cluster.stop().await;
}

/// Waits until this many replicas have all that a master has. WAIT would not do, because it counts
/// the writes of its own connection only, and each command here has a connection of its own.
pub(crate) async fn replicated(port: u16, replicas: usize) {
    eventually("the replicas have all", || async {
        let info = done(port, &["INFO", "replication"]).await.text();
        let offset = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"))?;
        let offset = format!("offset={},", offset.trim());
        let of_replicas = info.lines().filter(|line| line.starts_with("slave"));
        (of_replicas.filter(|line| line.contains(&offset)).count() == replicas).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_the_place_of_a_dead_master_of_a_cluster() {
    let mut cluster = PrivateCluster::start(3, 3).await;
    let partition = Partition(3);
    let dead = cluster.owner(partition).await;
    done(cluster.port(dead), &["SET", "{3}:key", "here"]).await;
    replicated(cluster.port(dead), 1).await;
    cluster.kill(dead).await;
    let new = eventually("a replica is the master", || async {
        let owner = cluster.owner(partition).await;
        (owner != dead).then_some(owner)
    })
    .await;
    assert_eq!(new, dead + 3);
    cluster.wait_until_well().await;
    assert_eq!(done(cluster.port(new), &["GET", "{3}:key"]).await.text(), "here");
    cluster.restart(dead).await;
    eventually("the old master is a replica", || async {
        let role = ask(cluster.port(dead), &["ROLE"]).await.ok()?;
        (role.texts()[0] == "slave").then_some(())
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_choose_a_master_that_lacks_what_never_reached_it() {
    let mut bed = PrivateSentinel::start().await;
    let first = bed.servers[0].port();
    done(first, &["SET", "key", "kept"]).await;
    replicated(first, 2).await;
    bed.cut_replicas().await;
    done(first, &["SET", "key", "lost"]).await;
    assert_eq!(bed.kill_master().await, 0);
    bed.thaw_replicas();
    let second = bed.wait_for_another_master(0).await;
    assert_eq!(done(bed.servers[second].port(), &["GET", "key"]).await.text(), "kept");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_sends_clients_to_its_proxies_and_does_not_need_them_itself() {
    let front = Front::start(6, 0).await;
    let cluster = PrivateCluster::start_behind(front, 3, 3).await;
    let owner = cluster.owner(Partition(1)).await;
    let (own, announced) = (cluster.port(owner), cluster.announced(owner));
    assert_ne!(own, announced);
    let other = cluster.announced((owner + 1) % 3);
    let refused = ask(other, &["GET", "{1}:key"]).await.unwrap_err();
    assert_eq!(refused, format!("MOVED 9842 127.0.0.1:{announced}"));
    done(announced, &["SET", "{1}:key", "here"]).await;
    cluster.front.of_server(owner).iter().for_each(Proxy::cut);
    eventually("its replica has lost it", || async { (!cluster.is_settled().await).then_some(()) })
        .await;
    ask(announced, &["GET", "{1}:key"]).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(3)).await; // twice the time for a failover
    assert_eq!(cluster.owner(Partition(1)).await, owner);
    assert_eq!(done(own, &["GET", "{1}:key"]).await.text(), "here");
    cluster.front.all().for_each(Proxy::resume);
    eventually("its replica follows again", || async { cluster.is_settled().await.then_some(()) })
        .await;
    assert_eq!(done(announced, &["GET", "{1}:key"]).await.text(), "here");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_cut_off_is_replaced_and_goes_on_and_a_client_alone_is_not_missed() {
    let clients = Clients::new();
    let bed = PrivateSentinel::start_behind(Front::start(3, 2).await).await;
    let (own, announced) = (bed.servers[0].port(), bed.announced(0));
    done(announced, &["SET", "key", "1"]).await;
    // The connections of a client.
    let pong = |client| ping_of_a_program(&clients, client, announced);
    assert_eq!([pong(0), pong(1)], ["+PONG", "+PONG"]);
    bed.front.of_client(1).for_each(Proxy::cut);
    assert_eq!([pong(0), pong(1)], ["+PONG", ""]);
    assert_eq!(done(announced, &["GET", "key"]).await.text(), "1");
    bed.front.of_client(1).for_each(Proxy::resume);
    assert_eq!([pong(0), pong(1)], ["+PONG", "+PONG"]);
    // The connections of everybody.
    bed.front.of_server(0).iter().for_each(Proxy::cut);
    let new = bed.wait_for_another_master(0).await;
    done(own, &["SET", "key", "2"]).await;
    assert_eq!(done(bed.announced(new), &["GET", "key"]).await.text(), "1");
    assert_eq!(role(own).await, Role::Master);
    bed.front.all().for_each(Proxy::resume);
    eventually("all follow the new master", || async { bed.is_settled().await.then_some(()) })
        .await;
    assert_eq!(role(own).await, Role::Follower);
    assert_eq!(done(own, &["GET", "key"]).await.text(), "1");
    bed.stop().await;
}

/// What a program that is the client with this number gets from a server; nothing when it is cut
/// off.
fn ping_of_a_program(clients: &Clients, client: usize, port: u16) -> String {
    let script = "exec 3<>/dev/tcp/127.0.0.1/$0 && echo PING >&3 && read -t 5 reply <&3; \
                  echo -n ${reply%?}";
    let program = Command::new("bash")
        .args(["-c", script, &port.to_string()])
        .envs(clients.environment(client))
        .output()
        .unwrap();
    String::from_utf8(program.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wall_clock_of_redis_is_set_and_its_monotonic_clock_stays() {
    let (clock, dir) = (Clock::new(), TempDir::new().unwrap());
    let redis = PrivateRedis::start_with(dir.path(), SETTINGS, clock.extras()).await.unwrap();
    let port = redis.port();
    let ahead_s = || async move {
        let time: i64 = done(port, &["TIME"]).await.texts()[0].parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        time - i64::try_from(now.as_secs()).unwrap()
    };
    assert!(ahead_s().await.abs() <= 1);
    for hours in [1, -1] {
        clock.set_ahead_ms(hours * 3_600_000 + 1);
        let ahead = ahead_s().await;
        assert!((ahead - hours * 3600).abs() <= 1, "{ahead}");
    }
    redis.stop().await.unwrap();

    clock.set_ahead_ms(0);
    let (before, _) = clocks_of_a_program(&clock, dir.path());
    clock.set_ahead_ms(86_400_000);
    let (monotonic, wall) = clocks_of_a_program(&clock, dir.path());
    assert!(monotonic - before < 60, "the monotonic clock has moved");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(wall - i64::try_from(now.as_secs()).unwrap() > 86_000, "the wall clock has not");
}

/// Prints its monotonic clock and its wall clock, in seconds.
const CLOCKS: &str = r#"
#include <stdio.h>
#include <time.h>
int main(void) {
    struct timespec monotonic;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    printf("%ld %ld", (long)monotonic.tv_sec, (long)time(NULL));
}
"#;

fn clocks_of_a_program(clock: &Clock, dir: &Path) -> (i64, i64) {
    let (source, program) = (dir.join("clocks.c"), dir.join("clocks"));
    std::fs::write(&source, CLOCKS).unwrap();
    assert!(Command::new("cc").arg(source).arg("-o").arg(&program).status().unwrap().success());
    let output = Command::new(program).envs(clock.environment()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (monotonic, wall) = text.split_once(' ').unwrap();
    (monotonic.parse().unwrap(), wall.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_cuts_and_stops_bytes_in_one_direction() {
    let dir = TempDir::new().unwrap();
    let redis = PrivateRedis::start(dir.path(), SETTINGS).await.unwrap();
    let proxy = Proxy::start(redis.port()).await;
    assert_eq!(done(proxy.port(), &["SET", "key", "1"]).await.text(), "OK");
    proxy.cut();
    ask(proxy.port(), &["GET", "key"]).await.unwrap_err();
    eventually("its connections are closed", || async {
        (leaks::redis_clients(redis.port()).await == 0).then_some(())
    })
    .await;
    proxy.deafen_clients();
    let silent = async |words: &[&str]| {
        let asked = ask(proxy.port(), words);
        tokio::time::timeout(Duration::from_millis(300), asked).await.unwrap_err();
    };
    silent(&["SET", "key", "2"]).await;
    assert_eq!(done(redis.port(), &["GET", "key"]).await.text(), "2");
    proxy.deafen_server();
    silent(&["SET", "key", "3"]).await;
    assert_eq!(done(redis.port(), &["GET", "key"]).await.text(), "2");
    proxy.resume();
    eventually("what was on its way arrives", || async {
        let value = done(proxy.port(), &["GET", "key"]).await.text();
        (value == "3").then_some(())
    })
    .await;
    redis.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_on_a_full_disk_refuses_writes_until_there_is_space() {
    let disk = SmallDisk::mount(4);
    let settings = RedisSettings { fsync: Fsync::EverySecond };
    let redis = PrivateRedis::start(&disk.directory("redis"), settings).await.unwrap();
    let set = || ask(redis.port(), &["SET", "key", "a value that is longer than nothing"]);
    set().await.unwrap();
    disk.fill();
    eventually("writes are refused", || async {
        set().await.err().filter(|error| error.starts_with("MISCONF"))
    })
    .await;
    disk.free();
    eventually("writes are taken", || async { set().await.ok() }).await;
    redis.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_connections_files_and_threads_are_counted() {
    let before = leaks::tasks();
    let task = tokio::spawn(std::future::pending::<()>());
    assert_eq!(leaks::tasks(), before + 1);
    task.abort();
    let dir = TempDir::new().unwrap();
    let redis = PrivateRedis::start(dir.path(), SETTINGS).await.unwrap();
    eventually("nobody is connected", || async {
        (leaks::redis_clients(redis.port()).await == 0).then_some(())
    })
    .await;
    let (files, threads) = (leaks::files(redis.pid()), leaks::threads(redis.pid()));
    assert!(files > 5 && threads > 1, "{files} files, {threads} threads");
    let connect = || tokio::net::TcpStream::connect(("127.0.0.1", redis.port()));
    let open = futures::future::join_all((0..9).map(|_| connect())).await;
    eventually("Redis has the connections", || async {
        (leaks::redis_clients(redis.port()).await == 9).then_some(())
    })
    .await;
    // Earlier connections of this test may not be closed yet.
    let more = leaks::files(redis.pid()) - files;
    assert!((7..=11).contains(&more), "{more}");
    drop(open);
    let url = crate::support::postgres::database().await;
    eventually("the connection that made the database is closed", || async {
        (leaks::backends(&url).await == 0).then_some(())
    })
    .await;
    redis.stop().await.unwrap();
}
