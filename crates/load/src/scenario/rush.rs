//! `rush`, `hot`, `queue` and `soak`: people arrive on a schedule, and each goes through the sale.
//! Afterwards the responses are compared with the map, with PostgreSQL and with the ledger of the
//! emulator.

use crate::arguments::Scenario;
use crate::crew::{Findings, SharedCrew, all};
use crate::scenario::finish;
use crate::scenario::history::{Claim, History, Stage};
use crate::scenario::house::House;
use crate::scenario::journey::{Visit, go};
use crate::scenario::line::Line;
use crate::scenario::maps::Maps;
use crate::scenario::person::Person;
use crate::scenario::pool::Pool;
use crate::scenario::probes::Probes;
use crate::scenario::soak::Soak;
use crate::schedule::{Plan, Schedule};
use crate::settings::Until;
use crate::tally::Kind;
use crate::venue::{Venue, map_of};
use grandstand::domain::ids::SeatId;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that share an event stream of the map.
const STREAM_CONNECTIONS: usize = 64;
/// Time between two values of the quantities over time.
const GAUGE_INTERVAL: Duration = Duration::from_millis(100);

/// Returns the seats that the people want, the best first.
pub(crate) fn wanted(crew: &SharedCrew) -> Vec<SeatId> {
    wanted_of(&crew.venue, crew.arguments.scenario, crew.numbers.seats)
}

/// Returns the seats that the people of a scenario want, the best first.
pub(crate) fn wanted_of(venue: &Venue, scenario: Scenario, seats: Option<usize>) -> Vec<SeatId> {
    match scenario {
        Scenario::Hot => venue.best_row(),
        _ => venue.best(seats.unwrap_or(usize::MAX)),
    }
}

/// Runs the crowd and its checks.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<(Findings, Arc<History>)> {
    let cast = crew.arguments.cast();
    let house = Arc::new(House::new(&crew.venue, wanted(crew)));
    let (_, before) = map_of(&crew.server, &crew.venue.matches[0]).await?;
    let connections = crew.numbers.connections;
    let streams =
        if cast.looks_at_the_map() { connections.div_ceil(STREAM_CONNECTIONS) } else { 1 };
    let maps = Maps::open(crew, &house, streams).await;
    let visit = Arc::new(Visit {
        crew: crew.clone(),
        cast,
        pool: Pool::new(crew),
        maps,
        line: crew.venue.queue.then(|| Line::open(crew)),
        history: Arc::new(History::begin()),
        last: Mutex::default(),
    });
    let people = crew.numbers.people as u64;
    let has_end = matches!(crew.arguments.scenario, Scenario::Rush | Scenario::Queue);
    let schedule = Schedule::start(Plan {
        rate: crew.numbers.rate,
        duration: crew.numbers.duration,
        arrivals: crew.arguments.arrivals,
        count_max: if has_end { people } else { u64::MAX },
    })?;
    let begun = Instant::now();
    let gauges = tokio::spawn(gauges(visit.clone())).abort_handle();
    let probes = Probes::start(crew);
    let is_soak = crew.arguments.scenario == Scenario::Soak;
    let soak = is_soak.then(|| Soak::start(crew, &visit.history));
    let journey = |person, arrival| go(visit.clone(), person, arrival);
    crew.measure(visit.pool.serve(&schedule, journey)).await;
    drop(probes);
    gauges.abort();
    let mut findings = Findings::default();
    report(&mut findings, &visit, begun);
    if let Some(soak) = soak {
        soak.report(&mut findings);
    }
    findings.result("turned away by the client", schedule.turned_away() as f64, "people");
    let history = &visit.history;
    finish::of_responses(&mut findings, crew, history).await?;
    finish::equal_maps(&mut findings, crew, history, &visit.maps).await?;
    let claims = history.claims.lock().clone();
    if crew.arguments.scenario != Scenario::Queue && before.contains(&b'A') {
        let detail = format!("{} people have held seats", claims.len());
        findings.check("people got seats", !claims.is_empty(), detail);
    }
    let condition = "the map shows what the responses promised";
    let expected = (before.as_slice(), claims.as_slice());
    finish::compare_map(&mut findings, crew, history, expected, condition).await?;
    if visit.cast.until == Until::Hold {
        give_back(&mut findings, &visit, &before).await?;
    }
    visit.maps.close();
    if let Some(line) = &visit.line {
        line.close();
    }
    Ok((findings, visit.history.clone()))
}

/// Writes the quantities over time.
async fn gauges(visit: Arc<Visit>) {
    loop {
        let tally = &visit.crew.tally;
        tally.gauge("seats left", f64::from(visit.maps.look(0, |map, _| map.left())));
        tally.gauge("people under way", visit.pool.under_way.len() as f64);
        if let Some(line) = &visit.line {
            tally.gauge("waiting", line.waiting() as f64);
        }
        tokio::time::sleep(GAUGE_INTERVAL).await;
    }
}

fn report(findings: &mut Findings, visit: &Visit, begun: Instant) {
    let crew = &visit.crew;
    let claims = visit.history.claims.lock();
    let responses =
        crew.tally.count("hold", Kind::Success) + crew.tally.count("hold", Kind::Refusal);
    let (time, _) = crew.measured();
    let seats = |wanted: &dyn Fn(&Claim) -> bool| -> f64 {
        claims.iter().filter(|claim| wanted(claim)).map(|claim| claim.seats.len()).sum::<usize>()
            as f64
    };
    let is_sold = |claim: &Claim| matches!(claim.stage, Stage::Ticket | Stage::Refunded);
    let (last_hold, last_ticket) = *visit.last.lock();
    let since = |at: Instant| at.duration_since(begun).as_secs_f64();
    findings.result("responses", responses as f64 / time.as_secs_f64(), "per second");
    findings.result("people with seats", claims.len() as f64, "people");
    findings.result("seats granted", seats(&|_| true), "seats");
    findings.result("seats wanted by all", visit.maps.house.seat_count() as f64, "seats");
    findings.result(
        "seats left on the map",
        f64::from(visit.maps.look(0, |map, _| map.left())),
        "seats",
    );
    if let Some(at) = last_hold {
        findings.result("last seat granted after", since(at) * 1000.0, "ms");
    }
    if let Some(at) = last_ticket {
        let sold = seats(&is_sold);
        let tickets = claims.iter().filter(|claim| is_sold(claim)).count();
        findings.result("tickets", tickets as f64, "tickets");
        findings.result("seats sold", sold, "seats");
        findings.result("seats paid, confirmed, persisted", sold / since(at), "per second");
        findings.result("last ticket after", since(at) * 1000.0, "ms");
    }
    let unsure = claims.iter().filter(|claim| claim.stage == Stage::Unsure).count();
    findings.result("claims with an unknown outcome", unsure as f64, "claims");
}

/// Gives back what is still held, so that the match is as before.
async fn give_back(
    findings: &mut Findings,
    visit: &Arc<Visit>,
    before: &[u8],
) -> anyhow::Result<()> {
    let held: Vec<Claim> = visit.history.claims.lock().clone();
    let held = held.into_iter().filter(|claim| claim.stage == Stage::Held).collect::<Vec<_>>();
    let held = Arc::new(Mutex::new(held));
    all(visit.crew.numbers.connections, |_| {
        let (visit, held) = (visit.clone(), held.clone());
        async move {
            let mut person = Person::new(&visit.crew, 0);
            loop {
                let Some(claim) = held.lock().pop() else { return };
                person.number = claim.person as usize;
                let match_id = &visit.crew.venue.matches[0];
                let _ = person.release(match_id, &claim.hold_id, Instant::now()).await;
            }
        }
    })
    .await?;
    let condition = "after all seats are given back, the map is as before";
    let expected = (before, [].as_slice());
    finish::compare_map(findings, &visit.crew, &visit.history, expected, condition).await
}
