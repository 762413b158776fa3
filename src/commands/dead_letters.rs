//! `grandstand dead-letters list | replay | drop`: facts that PostgreSQL has refused.

use crate::api::Services;
use crate::config::Settings;
use crate::domain::position::Position;
use crate::engine::Engine;
use crate::node::connect;
use crate::store::Store;
use crate::store::dead_letters::DeadLetter;
use crate::stream::journal::Journal;
use anyhow::{Context as _, ensure};
use clap::Subcommand;
use grandstand_embedded::tell;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A worker must take the replayed facts within this timeout. It waits for a worker that starts,
/// and it fails soon when none is running.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// What to do with dead letters.
#[derive(Subcommand)]
pub enum DeadLettersCommand {
    /// Lists the dead letters with their reasons. The exit status is 1 when there are any.
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Puts dead letters back into the journal. The exit status is 1 when one is refused again.
    Replay {
        /// Names of dead letters, as `list` shows them.
        #[arg(required_unless_present = "all")]
        letters: Vec<String>,
        /// All dead letters.
        #[arg(long, conflicts_with = "letters")]
        all: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Deletes dead letters. Their facts will never be in PostgreSQL.
    Drop {
        /// Names of dead letters, as `list` shows them.
        #[arg(required = true)]
        letters: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

impl DeadLettersCommand {
    /// The settings that it runs with.
    pub fn settings(&self) -> &Settings {
        match self {
            Self::List { settings }
            | Self::Replay { settings, .. }
            | Self::Drop { settings, .. } => settings,
        }
    }

    /// Runs the command. Returns what it says, and whether all is well.
    ///
    /// # Errors
    /// Redis or PostgreSQL can't be reached, or a name is that of no letter.
    pub async fn run(self) -> anyhow::Result<(String, bool)> {
        match self {
            Self::List { settings } => {
                let found = Store::new(&settings.database_url, 2)?.dead_letters().await?;
                Ok((table(&found), found.is_empty()))
            }
            Self::Replay { letters, settings, .. } => {
                let replayed = replay(&*connect(&settings).await?, &letters).await?;
                let mut text = format!("{} dead letters are in PostgreSQL now\n", replayed.taken);
                if !replayed.refused.is_empty() {
                    text.push_str("refused again:\n");
                    text.push_str(&table(&replayed.refused));
                }
                Ok((text, replayed.refused.is_empty()))
            }
            Self::Drop { letters, settings } => {
                let dropped = drop(&*connect(&settings).await?, &letters).await?;
                Ok((format!("{dropped} dead letters are forgotten\n"), true))
            }
        }
    }
}

/// Returns the name of a letter: partition, epoch and journal id.
pub fn name_of(letter: &DeadLetter) -> String {
    format!("{}/{}/{}", letter.partition, letter.position.epoch, letter.position.id)
}

/// Returns a table for people, with a line per letter.
pub fn table(letters: &[DeadLetter]) -> String {
    let mut text = String::new();
    if !letters.is_empty() {
        let head = ("letter", "since", "kind");
        text.push_str(&format!("{:<26} {:<21} {:<18} reason\n", head.0, head.1, head.2));
    }
    for letter in letters {
        let kind = letter.fields.get("t").map_or("?", String::as_str);
        let since = letter.since.strftime("%Y-%m-%d %H:%M:%SZ");
        let name = name_of(letter);
        let line = format!("{name:<26} {since:<21} {kind:<18} {}\n", letter.reason);
        text.push_str(&line);
    }
    text.push_str(&format!("{} dead letters\n", letters.len()));
    text
}

/// The result of a replay.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Number of letters that PostgreSQL has taken.
    pub taken: usize,
    /// Letters that PostgreSQL has refused again, with their new names.
    pub refused: Vec<DeadLetter>,
}

/// Puts letters back into their journals, with their current fields in the table, and waits until a
/// worker has taken them. No names mean all letters.
pub async fn replay(services: &Services, names: &[String]) -> anyhow::Result<Replayed> {
    let before = services.store.dead_letters().await?;
    let all = end(services, &before, names, End::Replay).await?;
    let after = services.store.dead_letters().await?;
    let old: HashSet<String> = before.iter().map(name_of).collect();
    let is_new = |letter: &DeadLetter| !old.contains(&name_of(letter));
    let refused: Vec<DeadLetter> = after.into_iter().filter(is_new).collect();
    Ok(Replayed { taken: all.saturating_sub(refused.len()), refused })
}

/// Deletes letters, and returns how many. Their facts will never be in PostgreSQL.
pub async fn drop(services: &Services, names: &[String]) -> anyhow::Result<usize> {
    let before = services.store.dead_letters().await?;
    end(services, &before, names, End::Drop).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Replay,
    Drop,
}

/// Ends these letters, and returns how many. No names mean all letters.
async fn end(
    services: &Services,
    before: &[DeadLetter],
    names: &[String],
    end_as: End,
) -> anyhow::Result<usize> {
    let wanted: Vec<DeadLetter> = before
        .iter()
        .filter(|letter| names.is_empty() || names.contains(&name_of(letter)))
        .cloned()
        .collect();
    for name in names {
        let is_known = wanted.iter().any(|letter| name_of(letter) == *name);
        ensure!(is_known, "there is no dead letter {name}: see `grandstand dead-letters list`");
    }
    let mut journals: Vec<(Journal, Vec<DeadLetter>)> = Vec::new();
    for letter in wanted {
        let journal =
            journals.iter_mut().find(|(_, letters)| letters[0].partition == letter.partition);
        match journal {
            Some((_, letters)) => letters.push(letter),
            None => {
                let journal = Journal::open(services.engine.redis(), letter.partition).await?;
                journals.push((journal, vec![letter]));
            }
        }
    }
    for (journal, letters) in &journals {
        end_in(&services.engine, &services.store, journal, letters, end_as).await?;
    }
    Ok(journals.iter().map(|(_, letters)| letters.len()).sum())
}

async fn end_in(
    engine: &Engine,
    store: &Store,
    journal: &Journal,
    letters: &[DeadLetter],
    end_as: End,
) -> anyhow::Result<()> {
    let partition = letters[0].partition;
    // The journal must be empty first. A letter that was replayed a moment ago stays in the table
    // until a worker has taken it, and would look like a letter that Redis has lost.
    drained(engine, store, letters).await?;
    let mut in_redis = journal.dead_letters().await?;
    let in_table = store.dead_letters().await?;
    for letter in letters.iter().filter(|letter| in_table.contains(letter)) {
        let position: Position = letter.position;
        let id = match in_redis.remove(&position) {
            Some(id) => id,
            None => journal.keep_dead_letter(position, &letter.fields, &letter.reason).await?,
        };
        match end_as {
            End::Replay => {
                engine.replay_dead_letter(partition, &id, position, &letter.fields).await?
            }
            End::Drop => engine.drop_dead_letter(partition, &id, position).await?,
        };
    }
    drained(engine, store, letters).await
}

/// Waits until PostgreSQL has the journal as it is now.
async fn drained(engine: &Engine, store: &Store, letters: &[DeadLetter]) -> anyhow::Result<()> {
    let partition = letters[0].partition;
    let newest = engine.journal_newest(partition).await?;
    let (mut is_announced, begun) = (false, Instant::now());
    loop {
        let position = store.position(partition).await?;
        let position =
            position.with_context(|| format!("partition {partition} has no position yet"))?;
        let epoch = engine.epoch(partition).await?;
        if position.id >= newest || epoch != Some(position.epoch) {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < DRAIN_TIMEOUT,
            "no worker takes the journal of partition {partition}: is a worker running? The \
             replayed letters wait in the journal"
        );
        if !std::mem::replace(&mut is_announced, true) {
            let seconds = DRAIN_TIMEOUT.as_secs();
            tell(format_args!(
                "waiting at most {seconds} s for a worker to take the journal of {partition}\n"
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
