//! `fanout`: what event streams cost, how late they are, and how they come back. The node under
//! test is a process of its own; the plain loop that it is compared with takes turns with it.

pub mod crowd;
pub mod floor;
pub mod node;
pub mod sale;

use crate::commands::dev::Dev;
use crate::load::arguments::LoadArguments;
use crate::load::crew::Findings;
use crate::load::report::Report;
use crate::load::tally::Tally;
use anyhow::Context as _;
use crowd::{Crowd, Seen, Target};
use node::MeasuredNode;
use sale::Sale;
use std::time::{Duration, Instant};

/// The streams and the plain loop take turns so often; the median counts.
const ROUNDS: usize = 3;
/// The node is left alone for so long before its memory is looked at, and after a crowd has left.
const REST: Duration = Duration::from_secs(3);
/// Asked so often for the whole map.
const SNAPSHOTS: usize = 2000;
/// Seats that are taken while nobody watches, and while a crowd does, in this many per second.
const BUSY_RATE: f64 = 1000.0;
const BUSY: Duration = Duration::from_secs(5);
// Below the 20 per second from which on changes are told in steps.
const LONE_RATE: f64 = 15.0;
const LONE: Duration = Duration::from_secs(30);

struct Run<'a> {
    dev: &'a Dev,
    streams: usize,
    rate: f64,
    each: Duration,
    sale: Sale,
    tally: Tally,
    findings: Findings,
}

/// Measures everything in turn.
pub async fn run(dev: &Dev, arguments: &LoadArguments) -> anyhow::Result<Report> {
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
    run.back(node).await?;
    let Run { tally, findings, .. } = run;
    let mut report = Report::from_within(arguments, &tally, findings, None, begun.elapsed());
    report.target = "a node of its own, beside a private installation".to_owned();
    Ok(report)
}

impl Run<'_> {
    fn target(&self, node: &MeasuredNode) -> Target {
        let path = format!("/api/matches/{}/seats/events", self.sale.id);
        Target { place: node.place.clone(), path, site: self.sale.site.clone() }
    }

    /// Nobody watches: what the node does while seats are taken, and then half of them are.
    async fn unwatched(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        eprintln!("nobody watches");
        let before = node.cpu_seconds();
        self.sale.take(BUSY_RATE, BUSY).await?;
        let share = (node.cpu_seconds() - before) / BUSY.as_secs_f64();
        self.findings.result("unwatched, 1,000 holds/s: node", share * 100.0, "% of a core");
        self.sale.take_until_half_is_left().await
    }

    /// The whole map, half sold at random.
    async fn snapshot(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        eprintln!("the whole map");
        let path = format!("/api/matches/{}/seats", self.sale.id);
        let (plain, packed) = sale::map_bytes(&node.place, &path).await?;
        let before = node.cpu_seconds();
        for _ in 0..SNAPSHOTS {
            sale::map_bytes(&node.place, &path).await?;
        }
        // Each round asks for both forms.
        let each = (node.cpu_seconds() - before) / (2 * SNAPSHOTS) as f64;
        self.findings.result("whole map", plain as f64, "bytes");
        self.findings.result("whole map, gzip", packed as f64, "bytes");
        self.findings.result("whole map: node", each * 1e6, "µs per answer");
        Ok(())
    }

    async fn lone(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        eprintln!("one watcher");
        let (crowd, _) = Crowd::gather(&self.target(node), 1).await?;
        self.sale.take(LONE_RATE, LONE).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seen = leave(crowd).await?;
        self.sale.lateness(&seen, "lone watcher", &self.tally).await?;
        self.check("the lone watcher's map is that of Redis", &seen).await
    }

    async fn memory(&mut self, node: &MeasuredNode) -> anyhow::Result<()> {
        eprintln!("{} idle streams", self.streams);
        tokio::time::sleep(REST).await;
        let before = node.memory();
        let (crowd, took) = Crowd::gather(&self.target(node), self.streams).await?;
        tokio::time::sleep(REST).await;
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
            eprintln!("round {round} of {ROUNDS}: streams, then plain writes");
            let (crowd, _) = Crowd::gather(&self.target(node), self.streams).await?;
            // The first frames find the buffers of the connections cold.
            self.sale.take(self.rate, Duration::from_secs(1)).await?;
            let (cpu, frames) = (node.cpu_seconds(), crowd.frames());
            self.sale.take(self.rate, self.each).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let frames = crowd.frames() - frames;
            let each = (node.cpu_seconds() - cpu) * 1e6 / frames as f64;
            let seen = leave(crowd).await?;
            self.check("nothing is lost at a steady rate", &seen).await?;
            let floor = floor::measure(self.streams, self.rate, self.each).await?;
            eprintln!("  {each:.2} µs per frame of {frames}, plain {floor:.2} µs");
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
        eprintln!("{} streams, {BUSY_RATE} changes per second", self.streams);
        let (crowd, _) = Crowd::gather(&self.target(node), self.streams).await?;
        let cpu = node.cpu_seconds();
        self.sale.take(BUSY_RATE, BUSY).await?;
        let share = (node.cpu_seconds() - cpu) / BUSY.as_secs_f64();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let frames = crowd.frames() as f64 / self.streams as f64 / BUSY.as_secs_f64();
        let seen = leave(crowd).await?;
        self.findings.result("busy: frames per stream", frames, "per second");
        self.findings.result("busy: node", share * 100.0, "% of a core");
        self.sale.lateness(&seen, "busy", &self.tally).await?;
        self.check("nothing is lost under load", &seen).await
    }

    /// The node restarts under its streams, and all of them return at once.
    async fn back(&mut self, node: MeasuredNode) -> anyhow::Result<()> {
        eprintln!("a restart under {} streams", self.streams);
        let (crowd, _) = Crowd::gather(&self.target(&node), self.streams).await?;
        let port = node.place.address.port();
        let stopped = node.stop().await?;
        let seen = crowd.ended().await?;
        self.findings.result("stop with all streams open", stopped.as_secs_f64() * 1e3, "ms");
        // Each of them has missed something.
        self.sale.take(100.0, Duration::from_millis(500)).await?;
        let node = MeasuredNode::start(self.dev, port).await?;
        let from = seen.into_iter().map(|one| (one.sum, one.last_id)).collect();
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

    async fn check(&mut self, what: &str, seen: &[Seen]) -> anyhow::Result<()> {
        let truth = self.sale.sum().await.context("the map of Redis")?;
        let right = seen.iter().filter(|one| one.sum == truth && !one.failed).count();
        let detail = format!("{right} of {} maps are that of Redis", seen.len());
        self.findings.check(what, right == seen.len(), detail);
        Ok(())
    }
}

/// Ends the streams, and gives the node the time to notice: it has places for one crowd.
async fn leave(crowd: Crowd) -> anyhow::Result<Vec<Seen>> {
    let seen = crowd.leave().await?;
    tokio::time::sleep(REST).await;
    Ok(seen)
}

fn median(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(0.0)
}
