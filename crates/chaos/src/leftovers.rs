//! What Redis has in the end that nobody will ever remove, and deadlines that nobody will look at.

use crate::schedule::PARTITIONS;
use crate::world::World;
use anyhow::{Context as _, Result};
use grandstand_faults::wire::{Reply, ask};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Keys of a partition that stay, keys that must expire, and keys of a match: docs/REDIS.md.
const STAY: [&str; 11] = [
    "partition",
    "claims",
    "due",
    "journal",
    "dead_letters",
    "persisted",
    "notices",
    "accounts",
    "sites",
    "matches",
    "functions",
];
const EXPIRE: [&str; 9] = [
    "operations",
    "sessions",
    "reset",
    "verification",
    "mails",
    "administrators_lock",
    "permits",
    "holders",
    "lease",
];
const OF_A_MATCH: [&str; 6] = ["meta", "seats", "queue", "passes", "check_ins", "changes"];
/// A worker looks at a deadline within this time, in ms.
const LOOK_MS: i64 = 2_000;
/// What is wrong only because something ends at this moment is right again within this time.
const REST_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// How far the clock of a partition runs on without a tick, in ms (`lua/lib/clock.lua`).
const CLOCK_RUNS_MS: i64 = 10_000;

/// What a partition has.
#[derive(Debug, Default)]
struct Content {
    /// The names behind the partition, with the ms until they expire, or -1.
    keys: BTreeMap<String, i64>,
    /// The ids of the matches that have a document.
    matches: BTreeSet<String>,
    /// Open claims: the field, and the deadline in ms.
    open: Vec<(String, i64)>,
    /// The deadlines: the time in ms, and the fields.
    due: Vec<(i64, String)>,
    /// By the clock of the partition, in ms.
    now: i64,
}

/// What is left in all partitions, in words; nothing when all is well.
///
/// # Errors
/// A server does not reply, or what it has is not in the form of the product.
pub(crate) async fn leftovers(world: &World) -> Result<Vec<String>> {
    let begun = Instant::now();
    loop {
        let mut all = Vec::new();
        for partition in 0..PARTITIONS {
            let port = world.servers.port_of(partition).await;
            let content = read(port, partition).await?;
            all.extend(wrong(&content).into_iter().map(|what| format!("{{{partition}}}:{what}")));
        }
        if all.is_empty() || begun.elapsed() > REST_TIMEOUT {
            return Ok(all);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn wrong(content: &Content) -> Vec<String> {
    let mut all = Vec::new();
    for (name, expires_in_ms) in &content.keys {
        let parts: Vec<&str> = name.split(':').collect();
        match parts[..] {
            ["m", id, kind] if OF_A_MATCH.contains(&kind) => {
                if !content.matches.contains(id) {
                    all.push(format!("{name} belongs to no match"));
                }
            }
            [kind] if STAY.contains(&kind) => {}
            [kind, ..] if EXPIRE.contains(&kind) => {
                if *expires_in_ms < 0 {
                    all.push(format!("{name} never expires"));
                }
            }
            _ => all.push(format!("{name} is no key of the product")),
        }
    }
    for (at, fields) in &content.due {
        if *at + LOOK_MS < content.now {
            let late = content.now - at;
            all.push(format!("due has {fields}, which nobody looked at for {late} ms"));
        }
    }
    for (field, deadline) in &content.open {
        let has = |fields: &str| {
            fields.split_once(' ').is_some_and(|(_, list)| list.split(',').any(|it| it == field))
        };
        if !content.due.iter().any(|(at, fields)| at == deadline && has(fields)) {
            all.push(format!("due has no deadline for the claim of {field} until {deadline}"));
        }
    }
    all
}

async fn read(port: u16, partition: u16) -> Result<Content> {
    let ask = async |words: &[&str]| ask(port, words).await.map_err(anyhow::Error::msg);
    let key = |name: &str| format!("{{{partition}}}:{name}");
    let mut content = Content::default();
    let mut cursor = "0".to_owned();
    loop {
        let page = ask(&["SCAN", &cursor, "MATCH", &key("*"), "COUNT", "1000"]).await?;
        let Reply::List(page) = page else { anyhow::bail!("SCAN: {page:?}") };
        for name in page.get(1).map(Reply::texts).unwrap_or_default() {
            let Reply::Number(ms) = ask(&["PTTL", &name]).await? else { continue };
            // -2: it has expired since.
            if ms != -2 {
                content.keys.insert(name[key("").len()..].to_owned(), ms);
            }
        }
        cursor = page.first().map(Reply::text).context("SCAN has no cursor")?;
        if cursor == "0" {
            break;
        }
    }
    content.matches = ask(&["HKEYS", &key("matches")]).await?.texts().into_iter().collect();
    let claims = ask(&["HGETALL", &key("claims")]).await?.texts();
    content.open = open(&claims).with_context(|| format!("{}: {claims:?}", key("claims")))?;
    let due = ask(&["ZRANGE", &key("due"), "0", "-1", "WITHSCORES"]).await?.texts();
    for pair in due.chunks_exact(2) {
        content.due.push((pair[1].parse()?, pair[0].clone()));
    }
    let clock = ["HMGET", &key("partition"), "clock_time", "clock_shift", "clock_floor"];
    let clock = ask(&clock).await?.texts();
    let clock: Vec<i64> = clock.iter().map(|text| text.parse().unwrap_or(0)).collect();
    let time = ask(&["TIME"]).await?.texts();
    let redis_ms = time[0].parse::<i64>()? * 1000 + time[1].parse::<i64>()? / 1000;
    content.now = now(redis_ms, [clock[0], clock[1], clock[2]]);
    Ok(content)
}

/// The clock of a partition: the time of the last tick, the shift, and the floor. The time of the
/// last tick is 0 before the first one.
fn now(redis_ms: i64, [ticked, shift, floor]: [i64; 3]) -> i64 {
    if ticked == 0 {
        return redis_ms;
    }
    (ticked + shift + (redis_ms - ticked).clamp(0, CLOCK_RUNS_MS)).max(floor)
}

/// The holds, and the reservations without a payment, of all users. The form of the fields is in
/// lua/README.md.
fn open(fields: &[String]) -> Option<Vec<(String, i64)>> {
    let mut all = Vec::new();
    for pair in fields.chunks_exact(2) {
        for record in pair[1].lines().filter(|line| !line.starts_with(['#', '~'])) {
            let mut parts = record.split('|').skip(1);
            let (state, deadline) = (parts.next()?, parts.nth(1)?);
            if matches!(state, "H" | "P") {
                all.push((pair[0].clone(), deadline.parse().ok()?));
            }
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100_000;

    fn fair() -> Content {
        let keys = [("claims", -1), ("m:M:seats", -1), ("lease", 500), ("permits:a:b:c", 9)];
        Content {
            keys: keys.map(|(name, ms)| (name.to_owned(), ms)).into(),
            matches: ["M".to_owned()].into(),
            open: vec![("uQ".to_owned(), NOW + 5)],
            due: vec![(NOW - 5, "99995 v".to_owned()), (NOW + 5, "100005 u,uQ".to_owned())],
            now: NOW,
        }
    }

    #[test]
    fn what_belongs_to_somebody_or_will_expire_is_not_left() {
        assert_eq!(wrong(&fair()), Vec::<String>::new());
    }

    #[test]
    fn keys_and_deadlines_of_nobody_are_found() {
        type Change = fn(&mut Content);
        let changes: [(&str, Change); 7] = [
            ("belongs to no match", |it| it.matches.clear()),
            ("never expires", |it| *it.keys.get_mut("lease").unwrap() = -1),
            ("never expires", |it| *it.keys.get_mut("permits:a:b:c").unwrap() = -1),
            ("is no key of the product", |it| _ = it.keys.insert("m:M:other".to_owned(), -1)),
            ("nobody looked at", |it| it.due[0].0 = NOW - LOOK_MS - 1),
            ("has no deadline", |it| it.open.push(("w".to_owned(), NOW + 5))),
            ("has no deadline", |it| it.open[0].1 = NOW + 6),
        ];
        for (words, change) in changes {
            let mut content = fair();
            change(&mut content);
            let found = wrong(&content);
            assert_eq!(found.len(), 1, "{words}: {found:?}");
            assert!(found[0].contains(words), "{found:?}");
        }
    }

    #[test]
    fn the_clock_of_a_partition_is_that_of_the_scripts() {
        assert_eq!(now(50_000, [0, 0, 0]), 50_000);
        assert_eq!(now(50_000, [49_000, -100, 0]), 49_900);
        assert_eq!(now(90_000, [49_000, 0, 0]), 59_000, "nobody ticks");
        assert_eq!(now(40_000, [49_000, 0, 0]), 49_000, "TIME went back");
        assert_eq!(now(50_000, [49_000, 0, 70_000]), 70_000);
    }

    #[test]
    fn holds_and_reservations_without_a_payment_are_open() {
        let record = |state: &str, deadline: i64| format!("id|{state}|m|{deadline}|4|7|10000||");
        let fields = [
            "u".to_owned(),
            format!("#m:3,\n~m:1:2:0:0:0:0,\n{}\n{}", record("H", 7), record("C", 0)),
            "uQ".to_owned(),
            record("P", 9),
        ];
        let wanted = [("u".to_owned(), 7), ("uQ".to_owned(), 9)];
        assert_eq!(open(&fields), Some(wanted.to_vec()));
        assert_eq!(open(&["u".to_owned(), "short".to_owned()]), None);
    }
}
