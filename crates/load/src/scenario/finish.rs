//! All checks after a run of people: those that the client makes, and those that need the servers
//! of a private installation.

use crate::crew::{Crew, Findings, SharedCrew};
use crate::scenario::checks::{Violations, map, money, order, sales, seats};
use crate::scenario::history::{Claim, History};
use crate::scenario::maps::Maps;
use crate::scenario::person::Person;
use crate::sessions;
use crate::target::Private;
use crate::venue::map_of;
use grandstand::commands::verify::verify;
use grandstand::domain::ids::MatchId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The map must show what the responses promised after this timeout.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Makes the checks that need only responses: of the API, and of the payment emulator.
pub(crate) async fn of_responses(
    findings: &mut Findings,
    crew: &SharedCrew,
    history: &History,
) -> anyhow::Result<()> {
    let claims = history.claims.lock().clone();
    if !claims.is_empty() {
        holds(findings, crew, history, &claims);
    }
    let sightings = std::mem::take(&mut *history.sightings.lock());
    if !sightings.is_empty() {
        let compared = format!("{} looks at a place", sightings.len());
        order::out_of_order(&sightings).report(
            findings,
            "people were let in by the order of their numbers",
            &compared,
        );
    }
    ledger(findings, crew, history, &claims).await?;
    if !crew.private && claims.iter().any(sales::has_sale) {
        let found = over_api(crew, &claims).await;
        let compared = format!("{} sales looked up", found.len());
        sales::wrong_sales(history, &claims, &found, |_| None).report(
            findings,
            "the API returns each confirmed sale",
            &compared,
        );
    }
    Ok(())
}

fn holds(findings: &mut Findings, crew: &Crew, history: &History, claims: &[Claim]) {
    let holds = format!("{} holds", claims.len());
    seats::other_seats(history, claims).report(
        findings,
        "each hold has all the seats that were asked for",
        &holds,
    );
    let granted: usize = claims.iter().map(|claim| claim.seats.len()).sum();
    seats::granted_twice(history, claims).report(
        findings,
        "no seat was granted twice",
        &format!("{granted} seats granted"),
    );
    let limit = crew.venue.rules.seats_per_user;
    seats::over_limit(history, claims, limit).report(
        findings,
        "nobody had more seats than the limit",
        &format!("{holds}, at most {limit} seats each"),
    );
}

async fn ledger(
    findings: &mut Findings,
    crew: &Crew,
    history: &History,
    claims: &[Claim],
) -> anyhow::Result<()> {
    let emulator = crew.emulator.lock().clone();
    let Some(emulator) = emulator else { return Ok(()) };
    let charges = money::ledger(emulator).await?;
    money::wrong_charges(history, claims, &charges).report(
        findings,
        "everybody who paid has the seats or the money",
        &format!("{} payments in the ledger of the emulator", charges.len()),
    );
    Ok(())
}

async fn over_api(crew: &SharedCrew, claims: &[Claim]) -> HashMap<String, sales::Sale> {
    let mut person = Person::new(crew, 0);
    let mut found = HashMap::new();
    for claim in claims.iter().filter(|claim| sales::has_sale(claim)) {
        let Some(id) = &claim.reservation else { continue };
        person.number = claim.person as usize;
        if let Ok(kept) = person.look_up(id).await {
            let seats = kept.seats.iter().map(|seat| seat.seat_id).collect();
            let (status, amount) = (kept.status, kept.amount);
            let sale = sales::Sale { user: None, status, seats, amount };
            found.insert(id.clone(), sale);
        }
    }
    found
}

/// Checks that all event streams show the same map.
pub(crate) async fn equal_maps(
    findings: &mut Findings,
    crew: &Crew,
    history: &History,
    maps: &Maps,
) -> anyhow::Result<()> {
    let (truth, differ) = maps.settle().await?;
    let mut violations = Violations::default();
    for number in differ {
        let name = format!("stream {number}");
        maps.look(number, |seen, _| {
            let pair = (truth.as_slice(), seen.letters());
            map::different(history, &crew.venue.index, pair, &name, &mut violations);
        });
    }
    let compared = format!("{} streams", maps.streams());
    violations.report(findings, "the map of each stream equals the snapshot", &compared);
    Ok(())
}

/// Compares the map with the map before the run and with these claims. Other people of a running
/// installation change the map too, so this needs a private one.
pub(crate) async fn compare_map(
    findings: &mut Findings,
    crew: &Crew,
    history: &History,
    (before, claims): (&[u8], &[Claim]),
    condition: &str,
) -> anyhow::Result<()> {
    // A hold with an unknown outcome and unknown seats may have taken any seat.
    if !crew.private || history.unsure().1 {
        return Ok(());
    }
    let begun = Instant::now();
    loop {
        let (_, after) = map_of(&crew.server, &crew.venue.matches[0]).await?;
        let pair = (before, after.as_slice());
        let wrong = map::wrong_letters(history, &crew.venue.index, claims, pair, history.now());
        // The map follows the stream, so it can be a tick behind the last response.
        if wrong.sentences.is_empty() || begun.elapsed() > SETTLE_TIMEOUT {
            let compared = format!("{} seats compared", after.len());
            wrong.report(findings, condition, &compared);
            return Ok(());
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Makes the checks that need the servers of a private installation: Redis and PostgreSQL.
pub(crate) async fn of_servers(
    findings: &mut Findings,
    crew: &Crew,
    private: &Private,
    history: Option<&History>,
) -> anyhow::Result<()> {
    let services = &private.dev.node.services;
    audit(findings, private).await?;
    let Some(history) = history else { return Ok(()) };
    let claims = history.claims.lock().clone();
    if claims.iter().any(sales::has_sale) {
        let stored = sales::stored(&services.store, &claims).await?;
        let compared = format!("{} sales in PostgreSQL", stored.len());
        let user_of = |person| sessions::user_of(crew.token(person as usize));
        sales::wrong_sales(history, &claims, &stored, user_of).report(
            findings,
            "each confirmed sale is in PostgreSQL",
            &compared,
        );
    }
    let id: MatchId = crew.venue.matches[0].parse()?;
    let (_, shown) = map_of(&crew.server, &crew.venue.matches[0]).await?;
    let mut kept = vec![b'A'; shown.len()];
    for (seat, letter) in services.engine.snapshot(id).await?.taken {
        if let Some(position) = crew.venue.index.position(seat) {
            kept[position as usize] = letter;
        }
    }
    let mut violations = Violations::default();
    let pair = (shown.as_slice(), kept.as_slice());
    map::different(history, &crew.venue.index, pair, "Redis", &mut violations);
    let compared = format!("{} seats compared", kept.len());
    violations.report(findings, "the snapshot equals Redis", &compared);
    Ok(())
}

/// Checks that Redis and PostgreSQL agree, once the journal is empty.
async fn audit(findings: &mut Findings, private: &Private) -> anyhow::Result<()> {
    let services = &private.dev.node.services;
    let mut found = verify(&services.engine, &services.store).await?;
    for _ in 0..100 {
        if found.backlog == 0 {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
        found = verify(&services.engine, &services.store).await?;
    }
    let wrong = found.disagreements.len();
    let detail = format!("{} taken seats compared, {wrong} disagree", found.seats);
    let lines = found.disagreements.iter();
    let lines = lines.map(|found| format!("{} {}: {}", found.kind, found.about, found.what));
    let passed = wrong == 0 && found.backlog == 0;
    findings.check_with_history("Redis and PostgreSQL agree", passed, detail, lines.collect());
    Ok(())
}
