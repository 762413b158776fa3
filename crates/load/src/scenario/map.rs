//! `map`: N event streams on a match while people hold seats. It measures the time from the
//! response to a hold until the frame arrives at each client. At the end, every map must equal the
//! server's.

use crate::crew::{Findings, SharedCrew, all};
use crate::scenario::house::House;
use crate::scenario::maps::Maps;
use crate::scenario::person::Person;
use crate::schedule::{Plan, Schedule};
use std::sync::Arc;
use std::time::Instant;

/// Opens the streams, holds seats, and compares the maps.
pub(crate) async fn run(crew: &SharedCrew) -> anyhow::Result<Findings> {
    let house = Arc::new(House::new(&crew.venue, vec![]));
    let opening = Instant::now();
    let streams = crew.numbers.people;
    let maps = Maps::open(crew, &house, streams).await;
    let opened_ms = opening.elapsed().as_secs_f64() * 1000.0;
    let opened = maps.opened();
    let frames_before = maps.frames();
    crew.measure(hold_seats(crew, &maps)).await?;
    let (time, _) = crew.measured();
    let frames = maps.frames() - frames_before;
    let mut findings = Findings::default();
    findings.result("streams open", opened as f64, "streams");
    findings.result("all open after", opened_ms, "ms");
    findings.result("frames delivered", frames as f64 / time.as_secs_f64(), "per second");
    let (_, differ) = maps.settle().await?;
    let ended = maps.ended();
    let detail = format!("{opened} of {streams} opened, {ended} ended early");
    findings.check("every stream opened and stayed", opened == streams && ended == 0, detail);
    let detail = format!("{} of {streams} maps equal the server's", streams - differ.len());
    findings.check("every map ends equal to the server's", differ.is_empty(), detail);
    maps.close();
    Ok(findings)
}

/// Each person holds a seat that nobody has held before.
async fn hold_seats(crew: &SharedCrew, maps: &Arc<Maps>) -> anyhow::Result<()> {
    let groups = Arc::new(crew.venue.groups(1));
    let schedule = Schedule::start(Plan {
        rate: crew.numbers.rate,
        duration: crew.numbers.duration,
        arrivals: crew.arguments.arrivals,
        count_max: groups.len() as u64,
    })?;
    all(crew.numbers.connections, |_| {
        let (crew, maps) = (crew.clone(), maps.clone());
        let (schedule, groups) = (schedule.clone(), groups.clone());
        async move {
            let mut person = Person::new(&crew, 0);
            while let Some(arrival) = schedule.next().await {
                person.number = arrival.number as usize;
                let seats = &groups[person.number];
                if person.hold(&crew.venue.matches[0], seats, arrival.at).await.is_ok() {
                    maps.note_hold(seats);
                }
            }
        }
    })
    .await
}
