//! `fanout`: the cost of event streams, their lateness, and how they reconnect. The measured node
//! is a separate process. It takes turns with the plain loop of writes with which it is compared.

pub(crate) mod crowd;
pub(crate) mod floor;
pub(crate) mod node;
pub(crate) mod sale;

use crate::arguments::LoadArguments;
use crate::crew::Findings;
use crate::report::Report;
use crate::tally::Tally;
use anyhow::Context as _;
use crowd::{Crowd, Seen, Target};
use grandstand::commands::dev::Dev;
use grandstand_embedded::tell;
use node::MeasuredNode;
use sale::Sale;
use std::time::{Duration, Instant};

/// Rounds in which the streams and the plain loop take turns. The median counts.
const ROUNDS: usize = 3;
/// The node rests for this long before its memory is read, and after a crowd has left.
const REST_PAUSE: Duration = Duration::from_secs(3);
/// Requests for the whole map.
const SNAPSHOT_REQUESTS: usize = 2000;
/// Seats per second that are taken without watchers, and with a crowd.
const BUSY_SEATS_PER_SECOND: f64 = 1000.0;
const BUSY_PERIOD: Duration = Duration::from_secs(5);
/// Seats per second that are taken with a single watcher. Below 20, a node sends each change at
/// once.
const LONE_SEATS_PER_SECOND: f64 = 15.0;
const LONE_PERIOD: Duration = Duration::from_secs(30);

struct Run<'a> {
    dev: &'a Dev,
    streams: usize,
    rate: f64,
    each: Duration,
    sale: Sale,
    tally: Tally,
    findings: Findings,
}

/// Makes all measurements, one after the other.
pub(crate) async fn run(dev: &Dev, arguments: &LoadArguments) -> anyhow::Result<Report> {
    let numbers = arguments.numbers();
    let begun = Instant::now();
    let mut run = Run {
        dev,
        streams: numbers.people,
        rate: numbers.rate,
        each: numbers.duration,
        sale: Sale::new(dev)?,
        tally: Tally::default(),
        findings: Findings::default(),
    };
    let node = MeasuredNode::start(dev, 0).await?;
    run.unwatched(&node).await?;
    run.snapshot(&node).await?;
    run.lone(&node).await?;
    run.memory(&node).await?;
    run.cost(&node).await?;
    run.lateness(&node).await?;
    run.reconnect(node).await?;
    let Run { tally, findings, .. } = run;
    let mut report = Report::without_people(arguments, &tally, findings, None, begun.elapsed());
    report.target = "a separate node, beside a private installation".to_owned();
    Ok(report)
}

impl Run<'_> {
    fn target(&self, node: &MeasuredNode) -> Target {
        let path = format!("/api/matches/{}/seats/events", self.sale.id);
        Target { server: node.server.clone(), path, site: self.sale.site.clone() }
    }

    /// Measures the node without watchers while seats are taken. Then takes seats until half are
    /// left.
    async fn unwatched(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        tell("nobody watches\n");
        let before = node.cpu_seconds();
        self.sale.take(BUSY_SEATS_PER_SECOND, BUSY_PERIOD).await?;
        let share = (node.cpu_seconds() - before) / BUSY_PERIOD.as_secs_f64();
        self.findings.result("unwatched, 1,000 holds/s: node", share * 100.0, "% of a core");
        self.sale.take_until_half_is_left().await
    }

    /// Measures the requests for the whole map, of which half is sold at random.
    async fn snapshot(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        tell("the whole map\n");
        let path = format!("/api/matches/{}/seats", self.sale.id);
        let (plain, packed) = sale::map_bytes(&node.server, &path).await?;
        let before = node.cpu_seconds();
        for _ in 0..SNAPSHOT_REQUESTS {
            sale::map_bytes(&node.server, &path).await?;
        }
        // Each round requests both forms.
        let each = (node.cpu_seconds() - before) / (2 * SNAPSHOT_REQUESTS) as f64;
        self.findings.result("whole map", plain as f64, "bytes");
        self.findings.result("whole map, gzip", packed as f64, "bytes");
        self.findings.result("whole map: node", each * 1e6, "µs per response");
        Ok(())
    }

    async fn lone(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        tell("one watcher\n");
        let (crowd, _) = Crowd::gather(&self.target(node), 1).await?;
        self.sale.take(LONE_SEATS_PER_SECOND, LONE_PERIOD).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seen = leave(crowd).await?;
        self.sale.lateness(&seen, "lone watcher", &self.tally).await?;
        self.check("the map of the lone watcher equals the map of Redis", &seen).await
    }

    async fn memory(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        tell(format_args!("{} idle streams\n", self.streams));
        tokio::time::sleep(REST_PAUSE).await;
        let before = node.memory();
        let (crowd, took) = Crowd::gather(&self.target(node), self.streams).await?;
        tokio::time::sleep(REST_PAUSE).await;
        let each = (node.memory() - before) / self.streams as f64 / 1024.0;
        self.findings.result("all streams open after", took.as_secs_f64() * 1e3, "ms");
        self.findings.result("memory of an idle stream", each, "KiB");
        let before = node.cpu_seconds();
        tokio::time::sleep(self.each).await;
        let share = (node.cpu_seconds() - before) / self.each.as_secs_f64();
        self.findings.result("idle streams: node", share * 100.0, "% of a core");
        leave(crowd).await?;
        Ok(())
    }

    async fn cost(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        let (mut ours, mut floors, mut ratios) = (vec![], vec![], vec![]);
        for round in 1..=ROUNDS {
            tell(format_args!("round {round} of {ROUNDS}: streams, then plain writes\n"));
            let (crowd, _) = Crowd::gather(&self.target(node), self.streams).await?;
            // The first frames meet cold buffers of the connections, so they do not count.
            self.sale.take(self.rate, Duration::from_secs(1)).await?;
            let (cpu, frames) = (node.cpu_seconds(), crowd.frames());
            self.sale.take(self.rate, self.each).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let frames = crowd.frames() - frames;
            let each = (node.cpu_seconds() - cpu) * 1e6 / frames as f64;
            let seen = leave(crowd).await?;
            self.check("nothing is lost at a steady rate", &seen).await?;
            let floor = floor::measure(self.streams, self.rate, self.each).await?;
            tell(format_args!("  {each:.2} µs per frame of {frames}, plain {floor:.2} µs\n"));
            ours.push(each);
            floors.push(floor);
            ratios.push(each / floor);
        }
        self.findings.result("processor time per frame", median(ours), "µs");
        self.findings.result("plain loop of write()", median(floors), "µs");
        self.findings.result("streams against the plain loop", median(ratios), "times");
        Ok(())
    }

    async fn lateness(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        tell(format_args!(
            "{} streams, {BUSY_SEATS_PER_SECOND} changes per second\n",
            self.streams
        ));
        let (crowd, _) = Crowd::gather(&self.target(node), self.streams).await?;
        let cpu = node.cpu_seconds();
        self.sale.take(BUSY_SEATS_PER_SECOND, BUSY_PERIOD).await?;
        let share = (node.cpu_seconds() - cpu) / BUSY_PERIOD.as_secs_f64();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let frames = crowd.frames() as f64 / self.streams as f64 / BUSY_PERIOD.as_secs_f64();
        let seen = leave(crowd).await?;
        self.findings.result("busy: frames per stream", frames, "per second");
        self.findings.result("busy: node", share * 100.0, "% of a core");
        self.sale.lateness(&seen, "busy", &self.tally).await?;
        self.check("nothing is lost under load", &seen).await
    }

    /// The node restarts under its streams, and all of them return at once.
    async fn reconnect(&mut self, node: MeasuredNode) -> anyhow::Result<()> {
        tell(format_args!("a restart under {} streams\n", self.streams));
        let (crowd, _) = Crowd::gather(&self.target(&node), self.streams).await?;
        let port = node.server.address.port();
        let stopped = node.stop().await?;
        let seen = crowd.ended().await?;
        self.findings.result("stop with all streams open", stopped.as_secs_f64() * 1e3, "ms");
        // Each stream has missed changes now.
        self.sale.take(100.0, Duration::from_millis(500)).await?;
        let node = MeasuredNode::start(self.dev, port).await?;
        let from = seen.into_iter().map(|stream| (stream.sum, stream.last_id)).collect();
        let crowd = Crowd::open(&self.target(&node), from);
        let took = crowd.ready().await?;
        let seen = leave(crowd).await?;
        let result = "all back after a restart, with ids";
        self.findings.result(result, took.as_secs_f64() * 1e3, "ms");
        self.check("all have the state again, from their ids", &seen).await?;
        node.stop().await?;
        let node = MeasuredNode::start(self.dev, port).await?;
        let (crowd, took) = Crowd::gather(&self.target(&node), self.streams).await?;
        let result = "all back after a restart, without ids";
        self.findings.result(result, took.as_secs_f64() * 1e3, "ms");
        let seen = leave(crowd).await?;
        self.check("all have the state again, from the start", &seen).await?;
        node.stop().await?;
        Ok(())
    }

    async fn check(&mut self, condition: &str, seen: &[Seen]) -> anyhow::Result<()> {
        let truth = self.sale.sum().await.context("the map of Redis")?;
        let right = seen.iter().filter(|stream| stream.sum == truth && !stream.failed).count();
        let detail = format!("{right} of {} maps equal the map of Redis", seen.len());
        self.findings.check(condition, right == seen.len(), detail);
        Ok(())
    }
}

/// Ends the streams, and waits until the node has noticed, because it has room for one crowd only.
async fn leave(crowd: Crowd) -> anyhow::Result<Vec<Seen>> {
    let seen = crowd.leave().await?;
    tokio::time::sleep(REST_PAUSE).await;
    Ok(seen)
}

fn median(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(0.0)
}
