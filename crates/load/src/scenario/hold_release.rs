//! `hold-release`: each person holds one to four neighbouring seats at random, and gives them back.

use crate::crew::{Findings, SharedCrew, all};
use crate::dice::Dice;
use crate::scenario::person::Person;
use crate::schedule::{Plan, Schedule};
use crate::tally::Kind;
use crate::venue::map_of;
use grandstand_embedded::tell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Numbers of requests in flight for which `--saturate` measures the rate: from a few to as many as
/// two calls of a batcher carry.
const IN_FLIGHT: [usize; 4] = [16, 64, 256, 512];

/// The name of the result of `--saturate`.
pub(crate) const GREATEST: &str = "greatest sustained";
/// A unit of this result: seats held plus seats given back.
pub(crate) const SEAT_OPERATIONS: &str = "seat operations/s";

/// Runs the open loop.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let schedule = Schedule::start(Plan {
        rate: crew.numbers.rate,
        duration: crew.numbers.duration,
        arrivals: crew.arguments.arrivals,
        count_max: u64::MAX,
    })?;
    let seats = Arc::new(AtomicU64::new(0));
    let work = all(crew.numbers.connections, |number| {
        arrive(crew.clone(), schedule.clone(), seats.clone(), number)
    });
    crew.measure(work).await?;
    let mut findings = Findings::default();
    let (time, _) = crew.measured();
    rates(crew, &mut findings, time, seats.load(Ordering::Relaxed));
    findings.result("turned away by the client", schedule.turned_away() as f64, "people");
    check_given_back(crew, &mut findings).await?;
    Ok(findings)
}

async fn arrive(crew: SharedCrew, schedule: Arc<Schedule>, seats: Arc<AtomicU64>, number: usize) {
    let (mut person, mut dice) = (Person::new(&crew, number), Dice::new(number as u64));
    while let Some(arrival) = schedule.next().await {
        let held = hold_and_release(&crew, &mut person, &mut dice, arrival.at).await;
        seats.fetch_add(held, Ordering::Relaxed);
    }
}

/// Returns how many seats it held.
async fn hold_and_release(
    crew: &SharedCrew,
    person: &mut Person,
    dice: &mut Dice,
    since: Instant,
) -> u64 {
    let match_id = &crew.venue.matches[dice.below(crew.venue.matches.len())];
    let wanted = crew.venue.pick(dice);
    let Ok(hold) = person.hold(match_id, &wanted, since).await else { return 0 };
    let _ = person.release(match_id, &hold.hold_id, Instant::now()).await;
    hold.seats.len() as u64
}

/// Runs closed loops with more and more people, and finds the greatest rate that the server
/// sustains.
pub(crate) async fn saturate(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let connections = crew.numbers.connections;
    let mut levels: Vec<usize> =
        IN_FLIGHT.into_iter().filter(|level| *level < connections).collect();
    levels.push(connections);
    let each = crew.numbers.duration / levels.len() as u32;
    let mut best = (0.0, 0.0);
    for level in levels {
        let (holds, seats) = with_in_flight(crew, level, each).await?;
        findings.result(&format!("with {level} requests in flight"), holds, "holds/s");
        if let (_, Some(usage)) = crew.measured() {
            tell(format_args!("  {level} in flight: {holds:.0} holds/s, {}\n", usage.line()));
        }
        if holds > best.0 {
            best = (holds, seats);
        }
    }
    findings.result(GREATEST, best.0, "holds/s");
    findings.result(GREATEST, best.0 * 2.0, "calls/s (holds and releases)");
    findings.result(GREATEST, best.1 * 2.0, SEAT_OPERATIONS);
    check_given_back(crew, &mut findings).await?;
    Ok(findings)
}

/// Returns the holds and the seats per second with this number of requests in flight.
async fn with_in_flight(
    crew: &SharedCrew,
    level: usize,
    time: Duration,
) -> anyhow::Result<(f64, f64)> {
    let held_before = crew.tally.count("hold", Kind::Success);
    let seats = Arc::new(AtomicU64::new(0));
    let ends_at = Instant::now() + time;
    let people = |number| insist(crew.clone(), seats.clone(), number, ends_at);
    crew.measure(all(level, people)).await?;
    let (took, _) = crew.measured();
    let held = crew.tally.count("hold", Kind::Success) - held_before;
    let per_second = |count: u64| count as f64 / took.as_secs_f64();
    Ok((per_second(held), per_second(seats.load(Ordering::Relaxed))))
}

async fn insist(crew: SharedCrew, seats: Arc<AtomicU64>, number: usize, ends_at: Instant) {
    let (mut person, mut dice) = (Person::new(&crew, number), Dice::new(number as u64));
    while Instant::now() < ends_at {
        let held = hold_and_release(&crew, &mut person, &mut dice, Instant::now()).await;
        seats.fetch_add(held, Ordering::Relaxed);
        if held == 0 {
            // A pause, so that a server that refuses everything is not flooded.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn rates(crew: &SharedCrew, findings: &mut Findings, time: Duration, seats: u64) {
    let seconds = time.as_secs_f64();
    let holds = crew.tally.count("hold", Kind::Success) as f64;
    let releases = crew.tally.count("release", Kind::Success) as f64;
    findings.result("holds", holds / seconds, "per second");
    findings.result("all calls", (holds + releases) / seconds, "per second");
    findings.result("seats held", seats as f64 / seconds, "per second");
}

/// Checks that all seats are free again, if every outcome is known and nobody else uses the server.
async fn check_given_back(crew: &SharedCrew, findings: &mut Findings) -> anyhow::Result<()> {
    let failed = [Kind::Unknown, Kind::Error];
    let unsure: u64 = ["hold", "release"]
        .iter()
        .flat_map(|step| failed.map(|kind| crew.tally.count(step, kind)))
        .sum();
    if unsure > 0 || !crew.private {
        return Ok(());
    }
    // The map follows the stream, so it can be a tick behind the last response.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut held = 0;
    for match_id in &crew.venue.matches {
        let (_, letters) = map_of(&crew.server, match_id).await?;
        held += letters.iter().filter(|letter| **letter == b'H').count();
    }
    findings.check("every seat was given back", held == 0, format!("{held} seats are still held"));
    Ok(())
}
