//! A running node: its parts are built here, its tasks are started, and they stop in order.

mod administrator;
mod build;

pub(crate) use build::build;

use crate::api::serve::Listening;
use crate::api::tls::TlsListener;
use crate::api::{self, Services, health, hints, operations, serve, socket, worker_routes};
use crate::config::Settings;
use crate::live::refresh::Refresh;
use crate::live::slots::ConnectionSlots;
use crate::node::administrator::first_administrator;
use crate::node::build::{Waiting, wait_until_loaded};
use crate::stream::backlog::MEASURE_INTERVAL;
use crate::stream::tail::{Listener, Notice, Tail};
use crate::workers::Workers;
use anyhow::Context as _;
use clap::ValueEnum;
use metrics::Gauge;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The most connections of the operations listener: some collectors of metrics, and some probes.
const OPS_CONNECTIONS_MAX: u32 = 64;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NodeRole {
    /// API and worker.
    All,
    Api,
    Worker,
}

/// A running node. Its parts stop one after the other, because each needs the next: requests need
/// the worker, and the worker needs the readers of the streams.
pub struct Node {
    pub services: Arc<Services>,
    pub workers: Arc<Workers>,
    pub address: SocketAddr,
    /// The address of the operations listener.
    pub ops_address: SocketAddr,
    is_encrypted: bool,
    requests: Part,
    work: Part,
    readers: Part,
    /// How long requests are still accepted after a stop was asked for.
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
    /// Connects everything, starts the tasks, and listens. Redis must reply. PostgreSQL may come
    /// later, but not at the very first start.
    pub async fn start(settings: &Settings, role: NodeRole) -> anyhow::Result<Self> {
        crate::telemetry::metrics();
        settings.tell_digest();
        let tls = listener_tls(settings)?;
        let peer_timeout = Duration::from_millis(settings.peer_timeout_ms.into());
        let public = socket::bind(&settings.listen, peer_timeout).await?;
        let operations = socket::bind(&settings.ops_listen, peer_timeout).await?;
        let (address, ops_address) = (public.local_addr()?, operations.local_addr()?);
        let [mut requests, mut work, mut readers] =
            [(); 3].map(|()| Part::new(CancellationToken::new()));
        let (services, workers) = build(settings, role, &requests.stop).await?;
        services.hub.set_tail(Tail::start(
            services.engine.redis(),
            settings.partitions,
            &listener(&services),
            &readers.stop,
        ));
        readers.tasks.push(tokio::spawn(tidy(services.clone(), readers.stop.clone())));
        readers.tasks.push(tokio::spawn(measure_backlogs(services.clone(), readers.stop.clone())));
        if role != NodeRole::Api {
            services.health.works(role == NodeRole::Worker);
            work.tasks.extend(workers.clone().start(work.stop.clone()));
        }
        let routes = match role {
            NodeRole::Worker => worker_routes(services.clone()),
            NodeRole::All | NodeRole::Api => api::routes(services.clone(), settings.docs),
        };
        wait_until_loaded(&services, Waiting::Node(role)).await?;
        first_administrator(&services, settings).await?;
        services.health.look(&services).await;
        if !services.mails.is_on() && role != NodeRole::Worker {
            tracing::warn!(
                "GRANDSTAND_SMTP_URL is not set: nobody can reset a forgotten password by mail"
            );
        }
        if role != NodeRole::Worker {
            readers.tasks.push(tokio::spawn(hints::watch(services.clone(), readers.stop.clone())));
        }
        readers.tasks.push(tokio::spawn(health::watch(services.clone(), readers.stop.clone())));
        requests.tasks.extend(services.hub.shards.start(&requests.stop));
        let (slots, stop) = (services.limits.connections.clone(), requests.stop.clone());
        if let Some(tls) = &tls {
            requests.tasks.push(tokio::spawn(tls.clone().keep(stop.clone())));
        }
        let is_encrypted = tls.is_some();
        let public = Listening { socket: public, tls, slots };
        let serving = serve::serve(public, routes, services.clone(), peer_timeout, stop);
        requests.tasks.push(tokio::spawn(serving));
        let most = OPS_CONNECTIONS_MAX;
        let slots = Arc::new(ConnectionSlots::new(most, most, Gauge::noop()));
        readers.tasks.push(tokio::spawn(serve::serve(
            Listening { socket: operations, tls: None, slots },
            operations::routes(services.clone()),
            services.clone(),
            peer_timeout,
            readers.stop.clone(),
        )));
        let drain = Duration::from_millis(settings.drain_ms);
        Ok(Self {
            services,
            workers,
            address,
            ops_address,
            is_encrypted,
            requests,
            work,
            readers,
            drain,
        })
    }

    /// The base URL of the node.
    pub fn url(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The base URL of its operations listener.
    pub fn ops_url(&self) -> String {
        format!("http://{}", self.ops_address)
    }

    /// Stops in this order: the load balancer gets time to notice that the node is not ready, open
    /// requests and confirmations end, the worker gives its partitions up, the readers end.
    pub async fn stop(self) {
        self.services.health.stopping();
        tokio::time::sleep(self.drain).await;
        self.requests.end().await;
        let Services { checkout, steps, .. } = &*self.services;
        let (confirmed, ended) =
            tokio::join!(checkout.finish(CHECKOUT_TIMEOUT), steps.finish(CHECKOUT_TIMEOUT));
        if !confirmed {
            tracing::warn!("some confirmations did not end in time: the reconciler ends them");
        }
        if !ended {
            tracing::warn!("some calls of administrators did not end in time");
        }
        self.work.end().await;
        self.readers.end().await;
    }
}

/// The certificate of the listener, if the settings name one.
fn listener_tls(settings: &Settings) -> anyhow::Result<Option<Arc<TlsListener>>> {
    match (&settings.tls_cert_file, &settings.tls_key_file) {
        (Some(certificate), Some(key)) => {
            let opened = TlsListener::open(certificate.clone(), key.clone());
            Ok(Some(Arc::new(opened.context("the certificate of the listener")?)))
        }
        (None, None) => Ok(None),
        _ => anyhow::bail!(
            "GRANDSTAND_TLS_CERT_FILE and GRANDSTAND_TLS_KEY_FILE go together: set both or none"
        ),
    }
}

/// The parts of a node without its tasks, for a command on a running installation. Waits until a
/// worker has loaded the partitions, and tells the user that it waits.
pub async fn connect(settings: &Settings) -> anyhow::Result<Arc<Services>> {
    let (services, _) = build(settings, NodeRole::All, &CancellationToken::new()).await?;
    let timeout = Duration::from_millis(settings.command_wait_ms);
    wait_until_loaded(&services, Waiting::Command(timeout)).await?;
    Ok(services)
}

/// The same without the wait, for a command that must work while partitions are not loaded.
pub async fn connect_at_once(settings: &Settings) -> anyhow::Result<Arc<Services>> {
    let (services, _) = build(settings, NodeRole::All, &CancellationToken::new()).await?;
    Ok(services)
}

/// How long a stop waits for confirmations and cancellations under way. It must be longer than
/// claim, gateway and outcome take together.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(20);

/// Hands everything that the streams tell to the part that needs it.
fn listener(services: &Arc<Services>) -> Listener {
    let services = services.clone();
    let refresh =
        Refresh::new(services.catalog.clone(), services.hub.clone(), services.stop.clone());
    Arc::new(move |told| match told {
        Notice::Changes(id, at, fields) => services.hub.take_entry(id, at, fields),
        Notice::Persisted(partition, fields) => {
            services.persisted.take_announcement(partition, &fields)
        }
        Notice::SessionEnded(session) => services.tokens.end(session),
        Notice::AccountChanged(user, version) => services.tokens.outdate(user, version),
        Notice::SiteChanged(id) => refresh.site(id),
        Notice::MatchChanged(id) => refresh.fixture(id),
        Notice::Lost(id) => services.hub.restart(id),
        Notice::Epoch(partition, epoch) => {
            services.persisted.forget(partition);
            services.tokens.begin_again(partition);
            if let Some(epoch) = epoch {
                refresh.partition(partition);
                services.hub.reset(partition, epoch);
            }
        }
    })
}

/// Frees memory that nobody needs any more, every ten seconds.
async fn tidy(services: Arc<Services>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(10)) => {}
            () = stop.cancelled() => return,
        }
        services.hub.drop_idle();
        services.limits.tidy();
        if let Err(error) = services.engine.keep_functions().await {
            tracing::warn!(%error, "the use of the functions was not noted");
        }
        // Histograms keep every sample until then, and perhaps nobody reads the metrics.
        crate::telemetry::metrics().run_upkeep();
        metrics::gauge!("grandstand_live_maps").set(services.hub.running() as f64);
    }
}

/// Measures how far the journals are ahead of PostgreSQL.
async fn measure_backlogs(services: Arc<Services>, stop: CancellationToken) {
    loop {
        if let Err(error) = services.backlogs.measure_once().await {
            tracing::warn!(%error, "the journals can't be measured");
        }
        tokio::select! {
            () = tokio::time::sleep(MEASURE_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}
