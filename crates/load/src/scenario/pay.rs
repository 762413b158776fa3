//! `pay`: only the confirmations. Everybody holds, reserves and pays for two seats before the clock
//! starts. Then people confirm on a schedule, or with `--saturate` as fast as the connections
//! allow. The node itself measures the lag of the journal.

use crate::crew::{Findings, SharedCrew, all};
use crate::scenario::finish;
use crate::scenario::history::{Claim, History, Stage};
use crate::scenario::person::{Confirmed, Payment, Person};
use crate::schedule::{Plan, Schedule};
use crate::tally::Kind;
use crate::wire::{Connection, Method};
use grandstand::domain::ids::SeatId;
use grandstand_embedded::tell;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seats of a sale.
const SALE_SEATS: usize = 2;

/// A person who only has to confirm.
struct Ready {
    claim: Claim,
    payment: Payment,
    key: String,
}

/// Prepares everybody, then measures the confirmations.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<(Findings, Arc<History>)> {
    let history = Arc::new(History::begin());
    let ready = everybody(crew, &history).await?;
    let people = ready.len() as u64;
    let before = scrape(crew).await?;
    let ready = Arc::new(Mutex::new(ready));
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
        let (ready, history) = (ready.clone(), history.clone());
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
                let claim = confirm(&mut person, &history, next, since).await;
                history.claims.lock().push(claim);
            }
        }
    });
    crew.measure(work).await?;
    let sold = |claim: &&Claim| claim.stage == Stage::Ticket;
    let sales = history.claims.lock().iter().filter(sold).count();
    let (time, _) = crew.measured();
    let mut findings = Findings::default();
    findings.result("confirmations", sales as f64 / time.as_secs_f64(), "per second");
    findings.result("all sales", sales as f64, "sales");
    let turned_away = schedule.map_or(0, |schedule| schedule.turned_away());
    findings.result("turned away by the client", turned_away as f64, "people");
    if let Some((before, after)) = before.zip(scrape(crew).await?)
        && let Some(lag) = percentile_99(&before, &after)
    {
        findings.result("lag of the journal, p99 below", lag, "s");
    }
    finish::of_responses(&mut findings, crew, &history).await?;
    Ok((findings, history))
}

/// Makes the last step. `since` is its intended start.
async fn confirm(person: &mut Person, history: &History, ready: Ready, since: Instant) -> Claim {
    let Ready { mut claim, payment, key } = ready;
    person.number = claim.person as usize;
    let invoked = history.now();
    let result = person.confirm(&payment, &key, since).await;
    history.add(person.number, "confirm", &claim.seats, invoked, &result);
    claim.stage = match result {
        Ok(Confirmed { persisted: true }) => Stage::Ticket,
        Err(refused) if refused.kind == Kind::Refusal => Stage::Reserved,
        Ok(Confirmed { persisted: false }) | Err(_) => Stage::Unsure,
    };
    claim
}

/// Holds, reserves and pays for all people for whom there are seats.
async fn everybody(crew: &SharedCrew, history: &Arc<History>) -> anyhow::Result<Vec<Ready>> {
    let (groups, matches) = (crew.venue.groups(SALE_SEATS), crew.venue.matches.len());
    let people = crew.numbers.people.min(groups.len() * matches);
    let work = Arc::new(Mutex::new(0..people));
    let (ready, groups) = (Arc::new(Mutex::new(Vec::new())), Arc::new(groups));
    all(crew.numbers.connections, |_| {
        let (crew, groups, history) = (crew.clone(), groups.clone(), history.clone());
        let (work, ready) = (work.clone(), ready.clone());
        async move {
            let mut person = Person::new(&crew, 0);
            loop {
                let next = work.lock().next();
                let Some(number) = next else { return };
                person.number = number;
                let match_id = &crew.venue.matches[number % matches];
                let seats = &groups[number / matches];
                let done = prepare(&mut person, &history, match_id, seats).await;
                ready.lock().extend(done);
            }
        }
    })
    .await?;
    let ready = std::mem::take(&mut *ready.lock());
    anyhow::ensure!(!ready.is_empty(), "nobody got as far as the confirmation");
    tell(format_args!("  {} of {people} people are ready to confirm\n", ready.len()));
    Ok(ready)
}

/// Makes the steps of a person up to the payment key: hold, reserve, request, pay.
async fn prepare(
    person: &mut Person,
    history: &History,
    match_id: &str,
    seats: &[SeatId],
) -> Option<Ready> {
    let invoked = history.now();
    let result = person.hold(match_id, seats, Instant::now()).await;
    history.add(person.number, "hold", seats, invoked, &result);
    let hold = result.ok()?;
    let done = history.now();
    let reservation = person.reserve(match_id, &hold.hold_id, Instant::now()).await.ok()?;
    let payment = person.request(&reservation.id, Instant::now()).await.ok()?;
    let key = person.pay(&payment, Instant::now()).await.ok()?;
    let claim = Claim {
        person: person.number as u32,
        asked: seats.to_vec(),
        seats: hold.seat_ids(),
        hold_id: hold.hold_id,
        amount: hold.amount,
        done,
        expires: Duration::MAX,
        ended: None,
        reservation: Some(reservation.id),
        order: Some(payment.order_id.clone()),
        stage: Stage::Reserved,
    };
    Some(Ready { claim, payment, key })
}

/// Reads the cumulative buckets of the lag from the metrics of the node: bound in seconds, count.
/// `None` for a running installation, whose operations listener is not known.
async fn scrape(crew: &SharedCrew) -> anyhow::Result<Option<Vec<(f64, f64)>>> {
    let Some(operations) = crew.operations.clone() else { return Ok(None) };
    let mut connection = Connection::new(operations);
    let response = connection.call(Method::Get, "/metrics", None, None).await?;
    let text = String::from_utf8_lossy(&response.body).into_owned();
    let bucket = |line: &str| {
        let rest = line.strip_prefix("grandstand_journal_lag_seconds_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"} ")?;
        Some((bound.replace("+Inf", "inf").parse().ok()?, count.parse().ok()?))
    };
    Ok(Some(text.lines().filter_map(bucket).collect()))
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
