//! How the faults of Redis begin and end.

use crate::fault::{Fault, Role, Wire};
use crate::schedule::Schedule;
use crate::servers::Servers;
use crate::wires::{apply, heal};
use crate::world::World;
use anyhow::{Context as _, Result, bail};
use grandstand_embedded::PrivateRedis;
use grandstand_faults::machine::Machine;

/// Begins a fault of Redis; the number of the server that it is about.
pub(crate) async fn begin(
    world: &mut World,
    schedule: &Schedule,
    fault: &Fault,
) -> Result<Option<usize>> {
    let servers = &mut world.servers;
    let partition = schedule.partition();
    match fault {
        Fault::KillRedis => return Ok(Some(servers.kill(partition).await)),
        Fault::KillReplica => return servers.kill_replica(partition).await.map(Some),
        Fault::RedisWire(role, wire) => {
            let server = servers.server_of(partition, *role).await;
            servers.proxies_of(server).iter().for_each(|proxy| apply(proxy, *wire));
            return Ok(Some(server));
        }
        Fault::KillSentinel(number) => servers.sentinel()?.kill_sentinel(*number).await,
        Fault::FreezeRedis | Fault::TwoMasters => {
            return Ok(Some(servers.freeze(partition).await));
        }
        Fault::FlushAll => servers.tell_all(&["FLUSHALL"]).await,
        Fault::FlushFunctions => servers.tell_all(&["FUNCTION", "FLUSH"]).await,
        Fault::RedisMemoryFull => servers.tell_all(&["CONFIG", "SET", "maxmemory", "1"]).await,
        Fault::MoveSlot(partition) => {
            if let Servers::Cluster(cluster) = servers {
                let slot = grandstand_faults::cluster::PrivateCluster::slot_of(partition);
                let owner = cluster.owner_of(slot).await;
                let masters = cluster.masters().await;
                let other = masters.into_iter().find(|master| *master != owner);
                cluster.migrate_slot(slot, other.context("a cluster has several masters")?).await;
            }
        }
        Fault::Failover => {
            let old = servers.sentinel()?.order_failover().await;
            servers.wait_for_another_master(old).await;
        }
        Fault::FailoverWithLoss => return servers.cut_replicas(partition).await.map(Some),
        _ => {
            let server = servers.master_of(partition).await;
            let (redis, machine) = servers.on_machine(server);
            machine_fails(redis, machine, fault).await?;
            return Ok(Some(server));
        }
    }
    Ok(None)
}

/// Begins a fault of a machine.
async fn machine_fails(redis: &mut PrivateRedis, machine: &Machine, fault: &Fault) -> Result<()> {
    match fault {
        Fault::RedisLosesPower => {
            machine.lose_power(redis).await;
        }
        Fault::RedisLosesDisk => machine.lose_disk(redis).await,
        Fault::RedisDiskFull => machine.fill_disk(),
        Fault::RedisDiskSlow(ms) => machine.slow_disk(*ms),
        Fault::RedisClock(ahead_s) => machine.set_clock(*ahead_s),
        _ => bail!("this fault is not one of Redis"),
    }
    Ok(())
}

/// Ends a fault of Redis; whether it has surely forgotten nothing.
pub(crate) async fn end(world: &mut World, fault: &Fault, server: Option<usize>) -> Result<bool> {
    let (servers, mut keeps) = (&mut world.servers, false);
    match fault {
        Fault::KillRedis => servers.restart(server.unwrap_or(0)).await?,
        Fault::KillReplica => {
            let replica = server.context("there is no replica")?;
            servers.restart(replica).await?;
            servers.wait_until_it_follows(replica).await;
        }
        Fault::KillSentinel(number) => servers.sentinel()?.restart_sentinel(*number).await,
        Fault::FreezeRedis => servers.thaw(server.unwrap_or(0)),
        Fault::TwoMasters => {
            let old = server.unwrap_or(0);
            servers.wait_for_another_master(old).await;
            servers.thaw(old);
            servers.wait_until_it_follows(old).await;
        }
        Fault::RedisMemoryFull => servers.tell_all(&["CONFIG", "SET", "maxmemory", "0"]).await,
        Fault::FailoverWithLoss => {
            servers.replace_by_old(server.context("there is no master")?).await?;
        }
        _ => keeps = machine_heals(servers, server.unwrap_or(0), fault).await?,
    }
    if let Servers::Cluster(cluster) = servers {
        cluster.wait_until_well().await;
    }
    Ok(keeps)
}

/// Ends a fault of a machine; nothing for other faults. When a server was away, it waits until a
/// failover is over; whether a server that stands alone has kept all that it had confirmed.
async fn machine_heals(servers: &mut Servers, server: usize, fault: &Fault) -> Result<bool> {
    let (redis, machine) = servers.on_machine(server);
    let keeps = match fault {
        Fault::RedisLosesPower | Fault::RedisLosesDisk => {
            redis.restart().await?;
            false
        }
        Fault::RedisDiskFull => !machine.free_disk(redis).await,
        other => {
            match other {
                Fault::RedisDiskSlow(_) => machine.slow_disk(0),
                Fault::RedisClock(_) => machine.set_clock(0),
                _ => {}
            }
            return Ok(false);
        }
    };
    // Sentinels and a cluster may take a master for dead that is back, a moment later.
    let _ = servers.wait_until_settled().await;
    Ok(keeps && matches!(servers, Servers::Single(_)))
}

/// Ends a fault of the connections to a server, and waits until a failover is over; whether a
/// master has kept its place.
pub(crate) async fn connect_again(
    servers: &Servers,
    server: usize,
    role: Role,
    wire: Wire,
) -> Result<bool> {
    servers.proxies_of(server).iter().for_each(|proxy| heal(proxy, wire));
    let settled = servers.wait_until_settled().await;
    Ok(settled && servers.role_of(server).await == role)
}
