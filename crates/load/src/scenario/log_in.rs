//! `log-in`: people log in at a rate that a node can't take, because each log-in costs a password
//! hash of about 20 ms. It measures how many get in, and how fast the others are refused.

use crate::crew::{Findings, SharedCrew, all};
use crate::schedule::{Plan, Schedule};
use crate::sessions;
use crate::tally::Kind;
use crate::wire::Connection;
use anyhow::ensure;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Each log-in must have a response after this time: a session, or a refusal. A node that lets all
/// log-ins wait needs longer.
const RESPONSE_TIME_MAX: Duration = Duration::from_secs(2);

/// Signs a few people up, and logs them in again and again.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let accounts = sessions::accounts(&crew.server, crew.numbers.people).await?;
    ensure!(!accounts.is_empty(), "nobody has signed up");
    let accounts = Arc::new(accounts);
    let schedule = Schedule::start(Plan {
        rate: crew.numbers.rate,
        duration: crew.numbers.duration,
        arrivals: crew.arguments.arrivals,
        count_max: u64::MAX,
    })?;
    let work = all(crew.numbers.connections, |_| {
        let (crew, schedule, accounts) = (crew.clone(), schedule.clone(), accounts.clone());
        async move {
            let mut connection = Connection::new(crew.server.clone());
            while let Some(arrival) = schedule.next().await {
                let account = &accounts[arrival.number as usize % accounts.len()];
                let sent = Instant::now();
                let result = sessions::log_in(&mut connection, account).await;
                let step = match crew.tally.record_response("log-in", arrival.at, result) {
                    Ok(_) => "sent to session",
                    Err((Kind::Unknown, _)) => "sent to nothing",
                    Err(_) => "sent to refusal",
                };
                crew.tally.record(step, sent.elapsed());
            }
        }
    });
    crew.measure(work).await?;
    let (time, _) = crew.measured();
    let mut findings = Findings::default();
    let granted = crew.tally.count("log-in", Kind::Success);
    findings.result("log-ins", granted as f64 / time.as_secs_f64(), "per second");
    findings.result("turned away by the client", schedule.turned_away() as f64, "people");
    let slowest = crew.tally.latencies().into_iter().filter(|(step, _)| step.starts_with("sent"));
    let slowest = slowest.map(|(_, times)| Duration::from_micros(times.max())).max();
    let slowest = slowest.unwrap_or_default();
    let detail = format!("the slowest response took {slowest:.1?}, {RESPONSE_TIME_MAX:?} allowed");
    findings.check(
        "each log-in was granted or refused at once",
        slowest <= RESPONSE_TIME_MAX,
        detail,
    );
    Ok(findings)
}
