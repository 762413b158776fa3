//! `rush`: N people and S seats of an open match. Everybody wants the best seats in the same
//! second. Afterwards the responses are compared with the map: no seat was granted twice.

use crate::crew::{Findings, SharedCrew, all};
use crate::dice::Dice;
use crate::scenario::person::{Hold, Person};
use crate::schedule::{Plan, Schedule};
use crate::tally::Kind;
use crate::venue::{PERSON_SEATS_MAX, map_of};
use grandstand::domain::ids::SeatId;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A person leaves after this many tries.
const TRIES_MAX: usize = 4;
/// The default number of seats: a seat for every fifth person of the default crowd.
const SEATS_DEFAULT: usize = 1000;

/// The seats that a person got.
struct Grant {
    person: usize,
    asked: Vec<SeatId>,
    hold: Hold,
}

/// The results, as the responses report them.
#[derive(Default)]
struct Outcome {
    grants: Vec<Grant>,
    /// Seats of requests without a response.
    unsure: HashSet<SeatId>,
    losers: usize,
    /// When the last seat was granted.
    sold_out_at: Option<Instant>,
}

/// Runs the rush and its checks.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let best = Arc::new(crew.venue.best(crew.numbers.seats.unwrap_or(SEATS_DEFAULT)));
    let (_, before) = map_of(&crew.server, &crew.venue.matches[0]).await?;
    let people = crew.numbers.people;
    let schedule = Schedule::start(Plan {
        rate: people as f64,
        duration: crew.numbers.duration,
        arrivals: crew.arguments.arrivals,
        count_max: people as u64,
    })?;
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let begun = Instant::now();
    let work = all(crew.numbers.connections, |_| {
        rush(crew.clone(), schedule.clone(), best.clone(), outcome.clone())
    });
    crew.measure(work).await?;
    let outcome = std::mem::take(&mut *outcome.lock());
    let mut findings = Findings::default();
    report(&mut findings, crew, &outcome, begun, best.len());
    findings.result("turned away by the client", schedule.turned_away() as f64, "people");
    check(&mut findings, crew, &outcome, &before).await?;
    give_back(&mut findings, crew, outcome, &before).await?;
    Ok(findings)
}

/// Serves people over a connection, one after the other, as they arrive.
async fn rush(
    crew: SharedCrew,
    schedule: Arc<Schedule>,
    best: Arc<Vec<SeatId>>,
    outcome: Arc<Mutex<Outcome>>,
) {
    let mut person = Person::new(&crew, 0);
    while let Some(arrival) = schedule.next().await {
        person.number = arrival.number as usize;
        let mut dice = Dice::new(arrival.number);
        let mut since = arrival.at;
        let mut won = false;
        for _ in 0..TRIES_MAX {
            let asked = wish(&best, &mut dice);
            match person.hold(&crew.venue.matches[0], &asked, since).await {
                Ok(hold) => {
                    let mut outcome = outcome.lock();
                    outcome.grants.push(Grant { person: person.number, asked, hold });
                    outcome.sold_out_at = Some(Instant::now());
                    won = true;
                    break;
                }
                Err(Kind::Unknown) => outcome.lock().unsure.extend(asked),
                Err(Kind::Refusal | Kind::Error | Kind::Success) => {}
            }
            since = Instant::now();
        }
        outcome.lock().losers += usize::from(!won);
    }
}

/// Returns one to four consecutive seats of the ranking. More people want the better seats.
fn wish(best: &[SeatId], dice: &mut Dice) -> Vec<SeatId> {
    let count = (1 + dice.below(PERSON_SEATS_MAX)).min(best.len());
    let first = (dice.share().powi(2) * (best.len() - count + 1) as f64) as usize;
    let first = first.min(best.len() - count);
    best[first..first + count].to_vec()
}

fn report(
    findings: &mut Findings,
    crew: &SharedCrew,
    outcome: &Outcome,
    begun: Instant,
    seats: usize,
) {
    let granted: usize = outcome.grants.iter().map(|grant| grant.hold.seats.len()).sum();
    let responses =
        crew.tally.count("hold", Kind::Success) + crew.tally.count("hold", Kind::Refusal);
    let (time, _) = crew.measured();
    findings.result("responses", responses as f64 / time.as_secs_f64(), "per second");
    findings.result("people with seats", outcome.grants.len() as f64, "people");
    findings.result("people without seats", outcome.losers as f64, "people");
    findings.result("seats granted", granted as f64, "seats");
    findings.result("seats wanted by all", seats as f64, "seats");
    if let Some(at) = outcome.sold_out_at {
        let seconds = at.duration_since(begun).as_secs_f64();
        findings.result("last seat granted after", seconds * 1000.0, "ms");
    }
}

async fn check(
    findings: &mut Findings,
    crew: &SharedCrew,
    outcome: &Outcome,
    before: &[u8],
) -> anyhow::Result<()> {
    let wrong = outcome.grants.iter().filter(|grant| seats_of(&grant.hold) != grant.asked).count();
    let detail = format!("{} holds, {wrong} of them with other seats", outcome.grants.len());
    findings.check("each hold has all the seats that were asked for", wrong == 0, detail);
    let mut owners: HashMap<SeatId, Vec<usize>> = HashMap::new();
    for grant in &outcome.grants {
        for seat in seats_of(&grant.hold) {
            owners.entry(seat).or_default().push(grant.person);
        }
    }
    let twice: Vec<_> = owners.iter().filter(|(_, people)| people.len() > 1).collect();
    let detail = format!("{} seats, granted twice: {twice:?}", owners.len());
    findings.check("no seat was granted twice", twice.is_empty(), detail);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (_, after) = map_of(&crew.server, &crew.venue.matches[0]).await?;
    let mut differ = 0;
    for (position, (was, is)) in before.iter().zip(&after).enumerate() {
        let seat = crew.venue.index.seat_at(position as u32);
        let expected = if owners.contains_key(&seat) { b'H' } else { *was };
        differ += usize::from(*is != expected && !outcome.unsure.contains(&seat));
    }
    let fits = differ == 0 && before.len() == after.len();
    let detail = format!("{} seats compared, {differ} differ", after.len());
    findings.check("the map shows exactly the seats that were granted", fits, detail);
    Ok(())
}

fn seats_of(hold: &Hold) -> Vec<SeatId> {
    hold.seats.iter().map(|seat| seat.seat_id).collect()
}

async fn give_back(
    findings: &mut Findings,
    crew: &SharedCrew,
    outcome: Outcome,
    before: &[u8],
) -> anyhow::Result<()> {
    let unsure = outcome.unsure.len();
    let grants = Arc::new(Mutex::new(outcome.grants));
    all(crew.numbers.connections, |_| {
        let (crew, grants) = (crew.clone(), grants.clone());
        async move {
            let mut person = Person::new(&crew, 0);
            loop {
                let Some(grant) = grants.lock().pop() else { return };
                person.number = grant.person;
                let _ = person.release(&crew.venue.matches[0], &grant.hold.hold_id).await;
            }
        }
    })
    .await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (_, after) = map_of(&crew.server, &crew.venue.matches[0]).await?;
    if unsure == 0 {
        let differ = before.iter().zip(&after).filter(|(was, is)| was != is).count();
        let detail = format!("{differ} seats differ");
        findings.check("after all seats are given back, the map is as before", differ == 0, detail);
    }
    Ok(())
}
