//! A long run without faults: what the processes and servers have must not grow (invariant 26).

use crate::database::connect;
use crate::evidence::{Growth, sizes};
use crate::sale::Sale;
use crate::world::World;
use anyhow::{Context as _, Result};
use grandstand_faults::wire::ask;
use std::collections::BTreeMap;
use std::time::Duration;

/// Caches, pools and allocators get warm in this part of the run, which does not count.
const WARM_PARTS: u32 = 4;
/// Each number is the median of this many.
const SAMPLES: usize = 9;
const SAMPLE_PAUSE: Duration = Duration::from_secs(3);

/// Lets people buy for this time.
pub(crate) async fn soak(world: &World, sale: &Sale, length: Duration) -> Result<Vec<Growth>> {
    tokio::time::sleep(length / WARM_PARTS).await;
    let before = measure(world).await?;
    let samples = SAMPLE_PAUSE * SAMPLES as u32;
    tokio::time::sleep((length - samples).saturating_sub(sale.history.now())).await;
    let after = measure(world).await?;
    let growth = |(what, before): (String, u64)| {
        let after = after.get(&what).copied().unwrap_or(0);
        Growth { what, before, after }
    };
    Ok(before.into_iter().map(growth).collect())
}

/// The median of each number, because connections come and go.
async fn measure(world: &World) -> Result<BTreeMap<String, u64>> {
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for _ in 0..SAMPLES {
        for (what, number) in sample(world).await? {
            all.entry(what).or_default().push(number);
        }
        tokio::time::sleep(SAMPLE_PAUSE).await;
    }
    let median = |mut numbers: Vec<u64>| {
        numbers.sort_unstable();
        numbers[numbers.len() / 2]
    };
    Ok(all.into_iter().map(|(what, numbers)| (what, median(numbers))).collect())
}

async fn sample(world: &World) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for (process, [files, threads, kb]) in sizes(world) {
        found.push((format!("{process}: open files"), files));
        found.push((format!("{process}: threads"), threads));
        found.push((format!("{process}: KB of memory"), kb));
    }
    let (mut clients, mut journal, mut longest) = (0, 0, 0);
    for port in world.servers.ports() {
        let info = ask(port, &["INFO"]).await.map_err(anyhow::Error::msg)?.text();
        let line = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
        clients +=
            line.context("Redis does not say how many clients it has")?.trim().parse::<u64>()?;
        if info.contains("role:slave") {
            continue;
        }
        for (stream, entries) in streams(port).await? {
            if stream.ends_with(":journal") {
                journal += entries;
            }
            longest = longest.max(entries);
        }
    }
    found.push(("Redis: connections".to_owned(), clients));
    found.push(("Redis: entries of the journals".to_owned(), journal));
    found.push(("Redis: entries of the longest stream".to_owned(), longest));
    let client = connect(&world.postgres.url()).await?;
    let row = client.query_one("select count(*) from pg_stat_activity", &[]).await?;
    found.push(("PostgreSQL: connections".to_owned(), u64::try_from(row.get::<_, i64>(0))?));
    Ok(found)
}

/// The streams of a server, and how many entries each has.
async fn streams(port: u16) -> Result<Vec<(String, u64)>> {
    let say = |words: Vec<String>| async move {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ask(port, &words).await.map_err(anyhow::Error::msg)
    };
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    loop {
        let scan = ["SCAN", &cursor, "COUNT", "1000", "TYPE", "stream"].map(str::to_owned).to_vec();
        let grandstand_faults::wire::Reply::List(reply) = say(scan).await? else {
            anyhow::bail!("SCAN has no list");
        };
        for stream in reply.get(1).map(|keys| keys.texts()).unwrap_or_default() {
            let length = say(vec!["XLEN".to_owned(), stream.clone()]).await?.text();
            found.push((stream, length.parse()?));
        }
        cursor = reply.first().map(|next| next.text()).unwrap_or_default();
        if cursor == "0" {
            return Ok(found);
        }
    }
}
