//! `confirm`: only the confirmations. Everybody holds, reserves and pays for two seats before the
//! clock starts. Then people confirm on a schedule, or with `--saturate` as fast as the connections
//! allow. The node itself measures the lag of the journal.

use crate::crew::{Findings, SharedCrew, all};
use crate::scenario::person::Person;
use crate::scenario::purchase::{Prepared, check, confirm, prepare};
use crate::schedule::{Plan, Schedule};
use crate::wire::{Connection, Method};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;

/// Seats of a sale.
const SALE_SEATS: usize = 2;

/// Prepares everybody, then measures the confirmations.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let ready = everybody(crew).await?;
    let people = ready.len() as u64;
    let before = scrape(crew).await?;
    let ready = Arc::new(Mutex::new(ready));
    let sales = Arc::new(Mutex::new(Vec::new()));
    let numbers = &crew.numbers;
    let schedule = match crew.arguments.saturate {
        true => None,
        false => Some(Schedule::start(Plan {
            rate: numbers.rate,
            duration: numbers.duration,
            arrivals: crew.arguments.arrivals,
            count_max: people,
        })?),
    };
    let work = all(numbers.connections, |_| {
        let (crew, schedule) = (crew.clone(), schedule.clone());
        let (ready, sales) = (ready.clone(), sales.clone());
        async move {
            let mut person = Person::new(&crew, 0);
            loop {
                let since = match &schedule {
                    None => Instant::now(),
                    Some(schedule) => match schedule.next().await {
                        Some(arrival) => arrival.at,
                        None => return,
                    },
                };
                let next = ready.lock().pop();
                let Some(next) = next else { return };
                let sale = confirm(&mut person, next, since).await;
                sales.lock().extend(sale);
            }
        }
    });
    crew.measure(work).await?;
    let sales = std::mem::take(&mut *sales.lock());
    let (time, _) = crew.measured();
    let mut findings = Findings::default();
    findings.result("confirmations", sales.len() as f64 / time.as_secs_f64(), "per second");
    findings.result("all sales", sales.len() as f64, "sales");
    let turned_away = schedule.map_or(0, |schedule| schedule.turned_away());
    findings.result("turned away by the client", turned_away as f64, "people");
    if let Some(lag) = percentile_99(&before, &scrape(crew).await?) {
        findings.result("lag of the journal, p99 below", lag, "s");
    }
    check(crew, &mut findings, &sales).await?;
    Ok(findings)
}

/// Holds, reserves and pays for all people for whom there are seats.
async fn everybody(crew: &SharedCrew) -> anyhow::Result<Vec<Prepared>> {
    let (groups, matches) = (crew.venue.groups(SALE_SEATS), crew.venue.matches.len());
    let people = crew.numbers.people.min(groups.len() * matches);
    let work = Arc::new(Mutex::new(0..people));
    let (ready, groups) = (Arc::new(Mutex::new(Vec::new())), Arc::new(groups));
    all(crew.numbers.connections, |_| {
        let (crew, groups) = (crew.clone(), groups.clone());
        let (work, ready) = (work.clone(), ready.clone());
        async move {
            let (mut person, mut gateway): (_, Option<Connection>) = (Person::new(&crew, 0), None);
            loop {
                let next = work.lock().next();
                let Some(number) = next else { return };
                person.number = number;
                let seats = (number % matches, groups[number / matches].clone());
                let done = prepare(&crew, &mut person, &mut gateway, seats, Instant::now()).await;
                ready.lock().extend(done);
            }
        }
    })
    .await?;
    let ready = std::mem::take(&mut *ready.lock());
    anyhow::ensure!(!ready.is_empty(), "nobody got as far as the confirmation");
    eprintln!("  {} of {people} people are ready to confirm", ready.len());
    Ok(ready)
}

/// Reads the cumulative buckets of the lag from the metrics of the node: bound in seconds, count.
async fn scrape(crew: &SharedCrew) -> anyhow::Result<Vec<(f64, f64)>> {
    let mut connection = Connection::new(crew.server.clone());
    let response = connection.call(Method::Get, "/metrics", None, None).await?;
    let text = String::from_utf8_lossy(&response.body).into_owned();
    let bucket = |line: &str| {
        let rest = line.strip_prefix("grandstand_journal_lag_seconds_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"} ")?;
        Some((bound.replace("+Inf", "inf").parse().ok()?, count.parse().ok()?))
    };
    Ok(text.lines().filter_map(bucket).collect())
}

/// Returns the lowest bound that holds 99 % of the entries between two scrapes.
fn percentile_99(before: &[(f64, f64)], after: &[(f64, f64)]) -> Option<f64> {
    let earlier = |number: usize| before.get(number).map_or(0.0, |(_, count)| *count);
    let all = after.last()?.1 - earlier(after.len() - 1);
    let enough =
        |(number, (_, count)): &(usize, &(f64, f64))| *count - earlier(*number) >= all * 0.99;
    after.iter().enumerate().find(enough).map(|(_, (bound, _))| *bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_counts_the_entries_between_two_scrapes() {
        let before = [(0.1, 50.0), (0.5, 50.0), (1.0, 50.0), (f64::INFINITY, 50.0)];
        let after = [(0.1, 60.0), (0.5, 149.0), (1.0, 150.0), (f64::INFINITY, 150.0)];
        assert_eq!(percentile_99(&before, &after), Some(0.5));
        assert_eq!(percentile_99(&[], &after), Some(0.5));
        assert_eq!(percentile_99(&[], &[]), None);
    }
}
