//! Carries out the faults of a schedule, each with its end.

use crate::fault::{Fault, Ground, PROCESSES, Process, Server};
use crate::inject_redis;
use crate::leases::{Leases, leases, taken};
use crate::postgres;
use crate::sale::Sale;
use crate::schedule::{Schedule, Step};
use crate::wires::{apply, heal};
use crate::world::World;
use anyhow::{Context as _, Result};
use grandstand_embedded::PrivatePostgres;
use grandstand_faults::proxy::Proxy;
use grandstand_faults::wire::ask;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

/// What the faults that are going on need at their ends.
#[derive(Default)]
pub(crate) struct Going {
    /// The server that was killed, frozen, or cut off.
    server: Option<usize>,
    lock: Option<JoinHandle<()>>,
    standby: Option<PrivatePostgres>,
    crowds: Vec<AbortOnDropHandle<()>>,
    /// The leases before a worker was killed.
    leases: Leases,
}

/// A fault and the times when it really began and ended: a busy machine is late.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub(crate) fault: Fault,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// The partitions of the server that it was about; all when there is none.
    pub(crate) partitions: Option<BTreeSet<u16>>,
    /// Redis has forgotten nothing by this fault, although it might have.
    pub(crate) kept: bool,
}

/// Carries out a schedule; what happened, in the order of the beginnings.
pub(crate) async fn inject(
    world: &mut World,
    sale: &Sale,
    schedule: &Schedule,
) -> Result<Vec<Happened>> {
    let mut times: Vec<(u64, bool, usize)> = Vec::new();
    let mut happened = Vec::new();
    for (number, step) in schedule.steps.iter().enumerate() {
        times.push((step.at_ms, true, number));
        times.push((step.end_ms(), false, number));
        let (from, to) = (Duration::ZERO, Duration::MAX);
        let (fault, partitions) = (step.fault.clone(), None);
        happened.push(Happened { fault, from, to, partitions, kept: false });
    }
    times.sort_unstable_by_key(|(at, begins, _)| (*at, *begins));
    let mut going: HashMap<usize, Going> = HashMap::new();
    // How much later everything happens, because a fault that must be alone took its time.
    let mut shift = Duration::ZERO;
    for (at, begins, number) in times {
        let step = &schedule.steps[number];
        let at = Duration::from_millis(at);
        tokio::time::sleep((at + shift).saturating_sub(sale.history.now())).await;
        let done = if begins {
            happened[number].partitions = concerned(world, schedule, &step.fault).await;
            happened[number].from = sale.history.now();
            let begun = begin(world, sale, schedule, &step.fault).await;
            begun.map(|state| drop(going.insert(number, state)))
        } else {
            let ended = end(world, step, going.remove(&number).unwrap_or_default()).await;
            happened[number].to = sale.history.now();
            ended.map(|kept| happened[number].kept = kept)
        };
        let word = if begins { "begins" } else { "ends" };
        done.with_context(|| format!("the fault `{}` {word}", step.fault.name()))?;
        // Its end may wait for a failover, and meanwhile nothing else begins or ends.
        let waits = !begins && step.fault.ground() == Some(Ground::Redis);
        if waits || step.fault.is_alone() {
            shift = shift.max(sale.history.now().saturating_sub(at));
        }
    }
    Ok(happened)
}

/// The partitions of the server that a fault takes away: a master of a cluster has only some.
pub(crate) async fn concerned(
    world: &World,
    schedule: &Schedule,
    fault: &Fault,
) -> Option<BTreeSet<u16>> {
    match fault {
        Fault::KillRedis
        | Fault::KillReplica
        | Fault::FreezeRedis
        | Fault::RedisWire(..)
        | Fault::RedisLosesPower
        | Fault::RedisLosesDisk
        | Fault::RedisDiskFull
        | Fault::RedisDiskSlow(_)
        | Fault::RedisClock(_)
        | Fault::FailoverWithLoss
        | Fault::TwoMasters => world.servers.beside(schedule.partition()).await,
        Fault::MoveSlot(partition) => Some([*partition].into()),
        _ => None,
    }
}

/// Begins a fault.
pub(crate) async fn begin(
    world: &mut World,
    sale: &Sale,
    schedule: &Schedule,
    fault: &Fault,
) -> Result<Going> {
    let mut going = Going::default();
    match fault {
        Fault::Kill(process) => {
            if matches!(process, Process::Worker(_)) {
                going.leases = leases(world).await;
            }
            world.process(*process).kill();
        }
        Fault::Freeze(process) => world.process(*process).freeze(),
        Fault::Replace(process) => world.process(*process).replace(),
        Fault::DieAt(process, place) => world.process(*process).die_at(place),
        Fault::Clock(process, ahead_s) => world.process(*process).set_clock(*ahead_s),
        Fault::Edge(process, server, wire) => {
            for proxy in world.edges(*process, *server) {
                apply(proxy, *wire);
            }
        }
        Fault::Clients(node, wire) => apply(&world.doors[*node], *wire),
        Fault::Gateway(text) => emulator(world, Some(text)).await?,
        Fault::KillGateway => world.emulator.kill(),
        Fault::FreezeGateway => world.emulator.freeze(),
        Fault::PoisonJournal(partition) => poison(world, *partition).await,
        Fault::Storm => going.crowds = ends_with_fault(crate::crowd::storm(sale)),
        Fault::Overload => going.crowds = ends_with_fault(crate::crowd::overload(sale)),
        Fault::SlowWatchers => {
            going.crowds = ends_with_fault(crate::crowd::slow_watchers(sale, &world.nodes));
        }
        Fault::KillPostgres => world.postgres.kill().await,
        Fault::KillBackend => postgres::kill_backend(&world.postgres),
        Fault::FreezePostgres => world.postgres.freeze(),
        Fault::LockPostgres => {
            going.lock = Some(postgres::lock_claims(&world.postgres.url()).await?)
        }
        Fault::PostgresDiskFull => world.space.fill(),
        Fault::PostgresDiskSlow(ms) => world.disk.set_delay_us(u32::from(*ms) * 1_000),
        Fault::PostgresMemoryFull => postgres::limit_memory(&world.postgres),
        Fault::PostgresForgets => postgres::back_up(world).await?,
        Fault::PostgresFailover => going.standby = Some(postgres::lagging_standby(world).await?),
        _ => going.server = inject_redis::begin(world, schedule, fault).await?,
    }
    Ok(going)
}

/// A crowd leaves when its fault ends, also when the run does.
fn ends_with_fault(crowd: Vec<JoinHandle<()>>) -> Vec<AbortOnDropHandle<()>> {
    crowd.into_iter().map(AbortOnDropHandle::new).collect()
}

/// Ends a fault that has begun; whether Redis has surely forgotten nothing by it.
pub(crate) async fn end(world: &mut World, step: &Step, going: Going) -> Result<bool> {
    drop(going.crowds);
    if let Some(lock) = going.lock {
        lock.abort();
    }
    match &step.fault {
        Fault::Kill(process) => {
            if matches!(process, Process::Worker(_)) {
                world.taken_over += taken(&going.leases, &leases(world).await);
            }
            world.process(*process).start_again();
        }
        Fault::DieAt(process, _) => {
            // It may not have come to that place, and must not die there later.
            world.process(*process).kill();
            world.process(*process).start_again();
        }
        Fault::Freeze(process) => world.process(*process).thaw(),
        Fault::Clock(process, _) => world.process(*process).set_clock(0),
        Fault::Edge(process, server, wire) => {
            for proxy in world.edges(*process, *server) {
                heal(proxy, *wire);
            }
        }
        Fault::Clients(node, wire) => heal(&world.doors[*node], *wire),
        Fault::Gateway(_) => emulator(world, None).await?,
        Fault::KillGateway => {
            world.emulator.start_again();
            world.ask_for_webhooks().await?;
        }
        Fault::FreezeGateway => world.emulator.thaw(),
        Fault::KillPostgres => world.postgres.restart().await?,
        Fault::FreezePostgres => world.postgres.thaw(),
        Fault::PostgresDiskFull => {
            world.space.free();
            postgres::restart_if_dead(world).await?;
        }
        Fault::PostgresDiskSlow(_) => world.disk.set_delay_us(0),
        Fault::PostgresMemoryFull => {
            postgres::free_memory(&world.postgres);
            postgres::restart_if_dead(world).await?;
        }
        Fault::PostgresForgets => postgres::put_back(world).await?,
        Fault::PostgresFailover => {
            postgres::take_over(world, going.standby.context("there is no standby")?).await?;
        }
        Fault::RedisWire(role, wire) => {
            let server = going.server.context("there is no server")?;
            return inject_redis::connect_again(&world.servers, server, *role, *wire).await;
        }
        // Only the end of a fault of Redis waits for the cluster.
        fault if fault.ground() == Some(Ground::Redis) => {
            return inject_redis::end(world, fault, going.server).await;
        }
        _ => {}
    }
    Ok(false)
}

async fn emulator(world: &World, fault: Option<&str>) -> Result<()> {
    let url = format!("{}/_emulator/faults", world.gateway);
    let http = reqwest::Client::new();
    let request = match fault {
        Some(text) => {
            http.post(url).header("content-type", "application/json").body(text.to_owned())
        }
        None => http.delete(url),
    };
    let status = request.send().await?.status();
    anyhow::ensure!(status == 204, "the emulator refuses {fault:?}: {status}");
    Ok(())
}

/// Writes an entry that no worker can read. It may fail when Redis fails at the same time.
async fn poison(world: &World, partition: u16) {
    let port = world.servers.port_of(partition).await;
    let journal = format!("{{{partition}}}:journal");
    let _ = ask(port, &["XADD", &journal, "*", "t", "no-such-fact", "chaos", "poison"]).await;
}

/// Ends whatever is still going on, so that all can heal.
pub(crate) fn heal_all(world: &World) {
    for process in PROCESSES {
        let supervised = world.process(process);
        supervised.thaw();
        supervised.start_again();
        supervised.set_clock(0);
        for server in [Server::Redis, Server::Postgres, Server::Gateway] {
            world.edges(process, server).into_iter().for_each(Proxy::resume);
        }
    }
    if let Some(front) = world.servers.front() {
        front.all().for_each(Proxy::resume);
    }
    world.emulator.thaw();
    world.emulator.start_again();
    world.disk.set_delay_us(0);
    world.doors.iter().for_each(Proxy::resume);
}
