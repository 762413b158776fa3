//! Nodes that stop in the middle of a call, and go on when others have done something meanwhile.

use super::ROOMY as SETTINGS;
use super::fan::{Broken, FIRST, Fan, Reply, Verdict};
use super::hall::eventually;
use crate::process::Supervised;
use crate::world::{World, port_of, with_port};
use grandstand_faults::proxy::Proxy;
use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

/// A node that stops at a place of the code, which has a line to PostgreSQL of its own.
pub(super) struct Sleeper {
    node: Supervised,
    door: String,
    line: Proxy,
}

impl Sleeper {
    pub(super) async fn start(world: &World, place: &str) -> Verdict<Self> {
        let wrong = |error: anyhow::Error| Broken(format!("{error:#}"));
        let url = world.postgres.url();
        let line = Proxy::start(port_of(&url).map_err(wrong)?).await;
        let (url, place) = (with_port(&url, line.port()), format!("pause:{place}"));
        let mut settings = SETTINGS.to_vec();
        settings.push(("GRANDSTAND_DATABASE_URL", &url));
        settings.push(("GRANDSTAND_DIE_AT", &place));
        let (node, door) = world.another_node("api-sleeper", &settings).await.map_err(wrong)?;
        Ok(Self { node, door, line })
    }

    pub(super) fn door(&self) -> &str {
        &self.door
    }

    /// From now on it can't reach PostgreSQL.
    pub(super) fn cut(&self) {
        self.line.cut();
    }

    pub(super) async fn end(self) {
        self.node.end().await;
    }

    /// Begins a call under an idempotency key, or without one when it is empty. The node stops in
    /// the middle of it.
    pub(super) async fn begin(
        &self,
        fan: &Fan,
        path: &str,
        body: Value,
        key: &str,
    ) -> Verdict<JoinHandle<Reply>> {
        let (fan, path, key) = (fan.at(&self.door), path.to_owned(), key.to_owned());
        let call = async move { fan.once(FIRST, Method::POST, &path, &body, &key).await };
        let call = tokio::spawn(call);
        stopped(&self.node).await?;
        Ok(call)
    }

    /// Lets it go on; what its call ends with.
    pub(super) async fn wake(&self, call: JoinHandle<Reply>) -> Verdict<Reply> {
        self.node.thaw();
        call.await.map_err(|error| Broken(format!("a call of a node that woke up: {error}")))
    }
}

/// Waits until a process has stopped.
pub(super) async fn stopped(process: &Supervised) -> Verdict {
    eventually("a process stops where it should", async || {
        // The state of a process is the first letter behind its name.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid()));
        let stat = stat.unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("", |(_, state)| state);
        Ok(state.starts_with('T').then_some(()))
    })
    .await
}

/// Plays a scenario with some nodes that stop at the same place, and ends them.
pub(super) async fn with_sleepers(
    world: &World,
    place: &str,
    count: usize,
    scenario: impl AsyncFnOnce(&[Sleeper]) -> Verdict,
) -> Verdict {
    let (mut nodes, mut told) = (Vec::new(), Ok(()));
    while nodes.len() < count && told.is_ok() {
        match Sleeper::start(world, place).await {
            Ok(node) => nodes.push(node),
            Err(broken) => told = Err(broken),
        }
    }
    if told.is_ok() {
        told = scenario(&nodes).await;
    }
    for node in nodes {
        node.end().await;
    }
    told
}
