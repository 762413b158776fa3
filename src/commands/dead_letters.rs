//! `grandstand dead-letters list | replay | drop`: facts that PostgreSQL did not take.

use crate::api::Services;
use crate::domain::position::Position;
use crate::engine::Engine;
use crate::store::Store;
use crate::store::dead_letters::DeadLetter;
use crate::stream::journal::Journal;
use anyhow::{Context as _, ensure};
use std::time::{Duration, Instant};

/// A worker gets so long to take what was replayed.
const TAKEN_WITHIN: Duration = Duration::from_secs(15);

/// The name of a letter: partition, epoch and id of the journal.
pub fn name_of(letter: &DeadLetter) -> String {
    format!("{}/{}/{}", letter.partition, letter.position.epoch, letter.position.id)
}

/// For people: a line per letter.
pub fn table(letters: &[DeadLetter]) -> String {
    let mut text = String::new();
    if !letters.is_empty() {
        let head = ("letter", "since", "kind");
        text.push_str(&format!("{:<26} {:<21} {:<18} reason\n", head.0, head.1, head.2));
    }
    for one in letters {
        let kind = one.fields.get("t").map_or("?", String::as_str);
        let since = one.since.strftime("%Y-%m-%d %H:%M:%SZ");
        let line = format!("{:<26} {since:<21} {kind:<18} {}\n", name_of(one), one.reason);
        text.push_str(&line);
    }
    text.push_str(&format!("{} dead letters\n", letters.len()));
    text
}

/// What became of the letters that were asked for.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Letters that PostgreSQL has taken.
    pub taken: usize,
    /// Letters that it refused again, under their new names.
    pub refused: Vec<DeadLetter>,
}

/// Puts letters back into their journals, as they stand in the table now, and waits until a worker
/// has taken them. Without names: all.
pub async fn replay(services: &Services, names: &[String]) -> anyhow::Result<Replayed> {
    let before = services.store.dead_letters().await?;
    let all = end(services, &before, names, End::PutBack).await?;
    let after = services.store.dead_letters().await?;
    let known = |letter: &DeadLetter| before.iter().any(|one| name_of(one) == name_of(letter));
    let refused: Vec<DeadLetter> = after.into_iter().filter(|one| !known(one)).collect();
    Ok(Replayed { taken: all.saturating_sub(refused.len()), refused })
}

/// Forgets letters for good, and returns how many: their facts will never be in PostgreSQL.
pub async fn drop(services: &Services, names: &[String]) -> anyhow::Result<usize> {
    let before = services.store.dead_letters().await?;
    end(services, &before, names, End::Drop).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    PutBack,
    Drop,
}

/// Ends these letters, and returns how many they are. Without names: all.
async fn end(
    services: &Services,
    before: &[DeadLetter],
    names: &[String],
    way: End,
) -> anyhow::Result<usize> {
    let wanted: Vec<DeadLetter> = before
        .iter()
        .filter(|one| names.is_empty() || names.contains(&name_of(one)))
        .cloned()
        .collect();
    for name in names {
        let known = wanted.iter().any(|one| name_of(one) == *name);
        ensure!(known, "there is no dead letter {name}: see `grandstand dead-letters list`");
    }
    let mut journals: Vec<(Journal, Vec<DeadLetter>)> = Vec::new();
    for letter in wanted {
        match journals.iter_mut().find(|(_, of)| of[0].partition == letter.partition) {
            Some((_, of)) => of.push(letter),
            None => {
                let journal = Journal::open(services.engine.redis(), letter.partition).await?;
                journals.push((journal, vec![letter]));
            }
        }
    }
    for (journal, letters) in &journals {
        end_in(&services.engine, &services.store, journal, letters, way).await?;
    }
    Ok(journals.iter().map(|(_, letters)| letters.len()).sum())
}

async fn end_in(
    engine: &Engine,
    store: &Store,
    journal: &Journal,
    letters: &[DeadLetter],
    way: End,
) -> anyhow::Result<()> {
    let partition = letters[0].partition;
    // What is on its way must arrive first: a letter that was replayed a moment ago is in the table
    // until then, and would be taken for one that Redis has lost.
    drained(engine, store, journal, letters).await?;
    let mut waiting = journal.dead_letters().await?;
    let still = store.dead_letters().await?;
    for letter in letters.iter().filter(|one| still.contains(one)) {
        let place: Position = letter.position;
        let id = match waiting.remove(&place) {
            Some(id) => id,
            None => journal.keep_dead_letter(place, &letter.fields, &letter.reason).await?,
        };
        match way {
            End::PutBack => {
                engine.replay_dead_letter(partition, &id, place, &letter.fields).await?
            }
            End::Drop => engine.drop_dead_letter(partition, &id, place).await?,
        };
    }
    drained(engine, store, journal, letters).await
}

/// Waits until PostgreSQL has what the journal has now.
async fn drained(
    engine: &Engine,
    store: &Store,
    journal: &Journal,
    letters: &[DeadLetter],
) -> anyhow::Result<()> {
    let partition = letters[0].partition;
    let newest = journal.newest().await?;
    let (mut told, begun) = (false, Instant::now());
    loop {
        let place = store.position(partition).await?;
        let place = place.with_context(|| format!("partition {partition} has no position yet"))?;
        let epoch = engine.epoch(partition).await?;
        if place.id >= newest || epoch != Some(place.epoch) {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < TAKEN_WITHIN,
            "no worker takes the journal of partition {partition}: is one running? What was \
             replayed waits there"
        );
        if !std::mem::replace(&mut told, true) {
            let most = TAKEN_WITHIN.as_secs();
            eprintln!("waiting for a worker to take the journal of {partition}, at most {most} s");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
