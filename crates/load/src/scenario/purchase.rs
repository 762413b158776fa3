//! `purchase`: the whole purchase, with the emulator of the payment gateway in the place of the
//! buyer's card company. Afterwards each successful sale is looked up.

use crate::crew::{Findings, SharedCrew, all};
use crate::scenario::person::Person;
use crate::schedule::{Plan, Schedule};
use crate::tally::Kind;
use crate::venue::{PERSON_SEATS_MAX, map_of};
use crate::wire::{Connection, Method, ServerAddress};
use anyhow::Context as _;
use grandstand::domain::claim::ReservationStatus;
use grandstand::domain::ids::SeatId;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A sale with a successful response.
pub(crate) struct Sale {
    person: usize,
    match_number: usize,
    reservation: String,
    pub(crate) seats: Vec<SeatId>,
    persisted: bool,
}

/// Seats for which everything but the confirmation is done.
pub(crate) struct Prepared {
    person: usize,
    match_number: usize,
    reservation: String,
    seats: Vec<SeatId>,
    /// The body of the confirmation.
    body: String,
}

#[derive(Deserialize)]
struct Reservation {
    id: String,
    status: ReservationStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    id: String,
    order_id: String,
    amount: i64,
    checkout_url: Option<String>,
}

#[derive(Deserialize)]
struct Confirmed {
    persisted: bool,
}

/// Every person buys once, and nobody wants the seats of another person.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let groups = Arc::new(crew.venue.groups(PERSON_SEATS_MAX));
    let buyers = crew.numbers.people.min(groups.len());
    let schedule = Schedule::start(Plan {
        rate: crew.numbers.rate,
        duration: crew.numbers.duration,
        arrivals: crew.arguments.arrivals,
        count_max: buyers as u64,
    })?;
    let sales = Arc::new(Mutex::new(Vec::new()));
    let work = all(crew.numbers.connections, |_| {
        let (crew, schedule) = (crew.clone(), schedule.clone());
        let (groups, sales) = (groups.clone(), sales.clone());
        async move {
            let (mut person, mut gateway) = (Person::new(&crew, 0), None);
            while let Some(arrival) = schedule.next().await {
                let number = arrival.number as usize;
                person.number = number;
                let seats = groups[number].clone();
                let ready = prepare(&crew, &mut person, &mut gateway, (0, seats), arrival.at).await;
                let Some(ready) = ready else { continue };
                let sale = confirm(&mut person, ready, Instant::now()).await;
                if sale.is_some() {
                    crew.tally.record("purchase", arrival.at.elapsed());
                }
                sales.lock().extend(sale);
            }
        }
    });
    crew.measure(work).await?;
    let sales = std::mem::take(&mut *sales.lock());
    let mut findings = Findings::default();
    let (time, _) = crew.measured();
    let seats: usize = sales.iter().map(|sale| sale.seats.len()).sum();
    findings.result("sales", sales.len() as f64 / time.as_secs_f64(), "per second");
    findings.result("all sales", sales.len() as f64, "sales");
    findings.result("seats sold", seats as f64, "seats");
    findings.result("turned away by the client", schedule.turned_away() as f64, "people");
    check(crew, &mut findings, &sales).await?;
    Ok(findings)
}

/// Makes the steps of a person up to the payment key: hold, reserve, request, pay.
pub(crate) async fn prepare(
    crew: &SharedCrew,
    person: &mut Person,
    gateway: &mut Option<Connection>,
    (match_number, seats): (usize, Vec<SeatId>),
    since: Instant,
) -> Option<Prepared> {
    let match_id = &crew.venue.matches[match_number];
    let hold = person.hold(match_id, &seats, since).await.ok()?;
    let body = json!({"matchId": match_id, "holdId": hold.hold_id}).to_string();
    let path = "/api/reservations";
    let reservation: Reservation =
        person.post("reserve", path, &body, Instant::now()).await.ok()?;
    let body = json!({"reservationId": reservation.id, "method": "CARD"}).to_string();
    let path = "/api/payments/request";
    let payment: Payment = person.post("request", path, &body, Instant::now()).await.ok()?;
    let key = pay(crew, gateway, &payment).await?;
    let body = json!({"paymentId": payment.id, "paymentKey": key,
        "orderId": payment.order_id, "amount": payment.amount})
    .to_string();
    let reservation = reservation.id;
    Some(Prepared { person: person.number, match_number, reservation, seats, body })
}

/// Makes the last step. `since` is its intended start.
pub(crate) async fn confirm(person: &mut Person, ready: Prepared, since: Instant) -> Option<Sale> {
    let Prepared { person: number, match_number, reservation, seats, body } = ready;
    person.number = number;
    let confirmed = person.post("confirm", "/api/payments/confirm", &body, since).await;
    let Confirmed { persisted } = confirmed.ok()?;
    Some(Sale { person: number, match_number, reservation, seats, persisted })
}

/// Pays as the buyer does in the window of the gateway. The emulator returns the payment key at
/// once.
async fn pay(
    crew: &SharedCrew,
    gateway: &mut Option<Connection>,
    payment: &Payment,
) -> Option<String> {
    if gateway.is_none() {
        *gateway = gateway_of(payment).await.ok();
    }
    let Some(connection) = gateway else {
        crew.tally.record("no payment emulator", Duration::ZERO);
        return None;
    };
    let body = json!({"orderId": payment.order_id, "amount": payment.amount, "confirm": "approve"});
    let (body, since) = (body.to_string(), Instant::now());
    let path = "/_emulator/payments";
    let result = connection.call(Method::Post, path, None, Some(body.as_bytes())).await;
    let response = crew.tally.record_response("pay (emulator)", since, result).ok()?;
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    body["paymentKey"].as_str().map(str::to_owned)
}

async fn gateway_of(payment: &Payment) -> anyhow::Result<Connection> {
    let url = payment.checkout_url.as_deref().context("the target uses no payment emulator")?;
    let rest = url.strip_prefix("http://").context("the payment emulator must have http://")?;
    let host = rest.split('/').next().unwrap_or(rest).to_owned();
    let address = tokio::net::lookup_host(&host).await?.next().context("no address")?;
    Ok(Connection::new(ServerAddress { address, host }))
}

/// Checks that each successful sale is CONFIRMED, and that the maps show exactly their seats as
/// sold.
pub(crate) async fn check(
    crew: &SharedCrew,
    findings: &mut Findings,
    sales: &[Sale],
) -> anyhow::Result<()> {
    let persisted = sales.iter().filter(|sale| sale.persisted).count();
    let mut person = Person::new(crew, 0);
    let mut confirmed = 0;
    for sale in sales {
        person.number = sale.person;
        let path = format!("/api/reservations/{}", sale.reservation);
        let found: Result<Reservation, Kind> = person.get("look up", &path).await;
        let is_confirmed = |found: Reservation| found.status == ReservationStatus::Confirmed;
        confirmed += usize::from(found.is_ok_and(is_confirmed));
    }
    let detail =
        format!("{} sales, {persisted} of them persisted, {confirmed} are CONFIRMED", sales.len());
    findings.check("each successful sale is CONFIRMED", confirmed == sales.len(), detail);
    let position_of = |seat: &SeatId| crew.venue.index.position(*seat);
    let (mut missing, mut shown) = (0, 0);
    for (number, match_id) in crew.venue.matches.iter().enumerate() {
        let (_, letters) = map_of(&crew.server, match_id).await?;
        let here = sales.iter().filter(|sale| sale.match_number == number);
        let sold = here.flat_map(|sale| &sale.seats).filter_map(position_of);
        missing += sold.filter(|position| letters[*position as usize] != b'O').count();
        shown += letters.iter().filter(|letter| **letter == b'O').count();
    }
    let detail = format!("{missing} sold seats are not OCCUPIED");
    findings.check("the map shows each sold seat as OCCUPIED", missing == 0, detail);
    if crew.private && crew.tally.count("confirm", Kind::Unknown) == 0 {
        let seats: usize = sales.iter().map(|sale| sale.seats.len()).sum();
        let detail = format!("{shown} seats OCCUPIED, {seats} sold");
        findings.check("no other seat is OCCUPIED", shown == seats, detail);
    }
    Ok(())
}
