//! The composition root: builds the parts of a node, starts its tasks, stops them in order.

mod build;
mod rebuild;

pub use rebuild::rebuild;

use crate::api::{App, health, hints, router, serve, worker_router};
use crate::app::build::{Waiting, build, first_administrator, wait_until_loaded};
use crate::config::Settings;
use crate::live::refresh::Refresh;
use crate::stream::backlog::MEASURE_EVERY;
use crate::stream::tail::{Listener, Tail, Told};
use crate::workers::Workers;
use clap::ValueEnum;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NodeRole {
    /// API and worker.
    All,
    Api,
    Worker,
}

/// A running node. Its parts stop one after the other, because each needs those behind it: requests
/// need the worker, which needs the readers of the streams.
pub struct Node {
    pub app: Arc<App>,
    pub workers: Arc<Workers>,
    pub address: SocketAddr,
    requests: Part,
    work: Part,
    readers: Part,
    /// How long requests are still taken after a stop was asked for.
    drain: Duration,
}

/// Tasks that stop together.
struct Part {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Part {
    fn new(stop: CancellationToken) -> Self {
        Self { stop, tasks: Vec::new() }
    }

    async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

impl Node {
    /// Connects everything, starts the tasks, and listens. Redis must answer; PostgreSQL may come
    /// later, but not at the very first start.
    pub async fn start(settings: &Settings, role: NodeRole) -> anyhow::Result<Self> {
        crate::telemetry::metrics();
        let peer_timeout = Duration::from_millis(settings.peer_timeout_ms.into());
        let socket = serve::bind(&settings.listen, peer_timeout).await?;
        let address = socket.local_addr()?;
        let mut requests = Part::new(CancellationToken::new());
        let mut work = Part::new(CancellationToken::new());
        let mut readers = Part::new(CancellationToken::new());
        let (app, workers) = build(settings, &requests.stop).await?;
        let redis = app.engine.redis();
        app.hub.set_tail(Tail::start(redis, settings.partitions, &listener(&app), &readers.stop));
        readers.tasks.push(tokio::spawn(tidy(app.clone(), readers.stop.clone())));
        readers.tasks.push(tokio::spawn(measure_backlogs(app.clone(), readers.stop.clone())));
        if role != NodeRole::Api {
            work.tasks.extend(workers.clone().start(work.stop.clone()));
        }
        let routes = match role {
            NodeRole::Worker => worker_router(app.clone()),
            NodeRole::All | NodeRole::Api => router(app.clone()),
        };
        wait_until_loaded(&app, Waiting::Node(role)).await?;
        first_administrator(&app, settings).await?;
        app.health.look(&app).await;
        if role != NodeRole::Worker {
            readers.tasks.push(tokio::spawn(hints::watch(app.clone(), readers.stop.clone())));
        }
        readers.tasks.push(tokio::spawn(health::watch(app.clone(), readers.stop.clone())));
        requests.tasks.extend(app.hub.shards.start(&requests.stop));
        let stop = requests.stop.clone();
        let serving = serve::serve(socket, routes, app.clone(), peer_timeout, stop);
        requests.tasks.push(tokio::spawn(serving));
        let drain = Duration::from_millis(settings.drain_ms);
        Ok(Self { app, workers, address, requests, work, readers, drain })
    }

    /// The base URL of the node.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends in this order: the load balancer gets its time to notice that the node is not ready;
    /// requests and confirmations in flight end; the worker gives its partitions up; the readers
    /// end.
    pub async fn stop(self) {
        self.app.health.stopping();
        tokio::time::sleep(self.drain).await;
        self.requests.end().await;
        self.app.checkouts.close();
        if tokio::time::timeout(CHECKOUTS, self.app.checkouts.wait()).await.is_err() {
            tracing::warn!("some confirmations did not end in time: the reconciler goes on");
        }
        self.work.end().await;
        self.readers.end().await;
    }
}

/// The parts of a node without its tasks, for one command on a running installation. Waits until a
/// worker has loaded the partitions, and says so.
pub async fn connect(settings: &Settings) -> anyhow::Result<Arc<App>> {
    let (app, _) = build(settings, &CancellationToken::new()).await?;
    let most = Duration::from_millis(settings.command_wait_ms);
    wait_until_loaded(&app, Waiting::Command(most)).await?;
    Ok(app)
}

/// The same for a command that must also work while partitions are not loaded.
pub async fn connect_at_once(settings: &Settings) -> anyhow::Result<Arc<App>> {
    let (app, _) = build(settings, &CancellationToken::new()).await?;
    Ok(app)
}

/// Confirmations in flight get this time at a stop: more than claim, gateway and outcome take
/// together.
const CHECKOUTS: Duration = Duration::from_secs(20);

fn listener(app: &Arc<App>) -> Listener {
    let app = app.clone();
    let refresh = Refresh::new(app.catalog.clone(), app.hub.clone(), app.stop.clone());
    Arc::new(move |told| match told {
        Told::Changes(id, at, fields) => app.hub.hear(id, at, fields),
        Told::Persisted(partition, fields) => app.persisted.hear(partition, &fields),
        Told::SessionEnded(session) => app.tokens.end(session),
        Told::SiteChanged(id) => refresh.site(id),
        Told::MatchChanged(id) => refresh.event(id),
        Told::Lost(id) => app.hub.restart(id),
        Told::Epoch(partition, epoch) => {
            app.persisted.forget(partition);
            if let Some(epoch) = epoch {
                refresh.partition(partition);
                app.hub.reset(partition, epoch);
            }
        }
    })
}

async fn tidy(app: Arc<App>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(10)) => {}
            () = stop.cancelled() => return,
        }
        app.hub.drop_idle();
        app.limits.tidy();
        metrics::gauge!("grandstand_live_maps").set(app.hub.running() as f64);
    }
}

async fn measure_backlogs(app: Arc<App>, stop: CancellationToken) {
    loop {
        if let Err(error) = app.backlogs.measure_once().await {
            tracing::warn!(%error, "the journals can't be measured");
        }
        tokio::select! {
            () = tokio::time::sleep(MEASURE_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
