//! `grandstand queue check`: anybody checks a place of the draw of a waiting room. The command
//! needs no account, and with `--seed` no server either.

use crate::domain::draw::{place, seed_hash};
use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

const REPLY_TIMEOUT: Duration = Duration::from_secs(15);

/// The arguments of the command.
#[derive(Debug, clap::Args)]
pub struct QueueCheck {
    /// Address of the shop, such as https://tickets.example.
    #[arg(long, requires = "match_id", required_unless_present = "seed")]
    url: Option<String>,
    /// The match.
    #[arg(long = "match", value_name = "ID", requires = "url")]
    match_id: Option<Uuid>,
    /// The ticket: the number in the order of joining.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    ticket: u32,
    /// The number in the line that the shop shows for this ticket.
    #[arg(long)]
    number: Option<u32>,
    /// The hash of the seed as it was published before the draw.
    #[arg(long, value_name = "HEX")]
    seed_hash: Option<String>,
    /// Instead of the address: the seed as it was published after the draw.
    #[arg(long, requires = "drawn", conflicts_with = "url")]
    seed: Option<String>,
    /// With --seed: how many tickets were drawn.
    #[arg(long, requires = "seed")]
    drawn: Option<u32>,
}

/// A draw as it is published.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Draw {
    seed_hash: Option<String>,
    seed: Option<String>,
    drawn: Option<u32>,
}

#[derive(Deserialize)]
struct Reply {
    data: Option<Draw>,
    detail: Option<String>,
}

/// Returns the place of the ticket, for people.
///
/// # Errors
/// The server does not reply, the draw has not taken place, or something does not match.
pub async fn check(arguments: &QueueCheck) -> anyhow::Result<String> {
    let draw = match (&arguments.url, arguments.match_id) {
        (Some(url), Some(id)) => fetch(url, id).await?,
        _ => Draw { seed_hash: None, seed: arguments.seed.clone(), drawn: arguments.drawn },
    };
    verdict(&draw, arguments)
}

async fn fetch(url: &str, id: Uuid) -> anyhow::Result<Draw> {
    let url = format!("{}/api/matches/{id}/queue/draw", url.trim_end_matches('/'));
    let http = reqwest::Client::builder().timeout(REPLY_TIMEOUT).build()?;
    let response = http.get(&url).send().await.with_context(|| format!("no reply from {url}"))?;
    let status = response.status();
    let reply: Option<Reply> = response.json().await.ok();
    match reply {
        Some(Reply { data: Some(draw), .. }) if status.is_success() => Ok(draw),
        Some(Reply { detail: Some(detail), .. }) => {
            bail!("{} from {url}: {detail}", status.as_u16())
        }
        _ => bail!("{} from {url}: this is not the draw of a match", status.as_u16()),
    }
}

/// Compares everything that is known about the draw, and returns the place.
fn verdict(draw: &Draw, arguments: &QueueCheck) -> anyhow::Result<String> {
    let published = [("--seed-hash", &arguments.seed_hash), ("the server", &draw.seed_hash)];
    let (Some(seed), Some(drawn)) = (&draw.seed, draw.drawn) else {
        if let [(_, Some(before)), (_, Some(now))] = published {
            ensure!(is_same(before, now), "the hash of the seed was {before}, and now it is {now}");
        }
        let hash = draw.seed_hash.as_deref().unwrap_or("unknown");
        bail!("the draw has not taken place yet. Keep the hash of its seed: {hash}");
    };
    let hash = seed_hash(seed);
    for (whose, published) in published {
        let Some(published) = published else { continue };
        let what = "does not match: the SHA-256 of the seed is";
        ensure!(is_same(published, &hash), "the hash from {whose}, {published}, {what} {hash}");
    }
    let ticket = arguments.ticket;
    let number = place(seed, drawn, ticket).unwrap_or(ticket);
    if let Some(shown) = arguments.number {
        let what = format!("ticket {ticket} has the number {number}, not {shown}");
        ensure!(number == shown, "does not match: {what}");
    }
    let origin = match ticket <= drawn {
        true => format!("by the draw of {drawn} tickets"),
        false => format!("because it came after the {drawn} tickets of the draw"),
    };
    let mut text = format!("ticket {ticket} has the number {number}, {origin}\n");
    text.push_str(&format!("the SHA-256 of the seed is {hash}"));
    text.push_str(match (&arguments.seed_hash, &draw.seed_hash) {
        (Some(_), _) => ", which is the hash that you have from before the draw\n",
        (None, Some(_)) => ": compare it with the hash that you saw before the draw\n",
        (None, None) => "\n",
    });
    Ok(text)
}

fn is_same(left: &str, right: &str) -> bool {
    left.trim().eq_ignore_ascii_case(right.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `abc`. The order of five tickets is 3 2 4 1 5.
    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn asked(ticket: u32, number: Option<u32>, seed_hash: Option<&str>) -> QueueCheck {
        let seed_hash = seed_hash.map(str::to_owned);
        let (url, match_id, seed, drawn) = (None, None, None, None);
        QueueCheck { url, match_id, ticket, number, seed_hash, seed, drawn }
    }

    fn drawn() -> Draw {
        let (seed_hash, seed) = (Some(HASH.to_owned()), Some("abc".to_owned()));
        Draw { seed_hash, seed, drawn: Some(5) }
    }

    #[test]
    fn a_place_that_matches_is_said() {
        let text = verdict(&drawn(), &asked(1, Some(4), Some(HASH))).unwrap();
        assert!(text.contains("ticket 1 has the number 4, by the draw of 5 tickets"), "{text}");
        let upper = format!(" {}\n", HASH.to_uppercase());
        let text = verdict(&drawn(), &asked(6, Some(6), Some(&upper))).unwrap();
        assert!(text.contains("number 6, because it came after"), "{text}");
    }

    #[test]
    fn each_thing_that_does_not_match_is_named() {
        let refused =
            |draw: &Draw, arguments: &QueueCheck| verdict(draw, arguments).unwrap_err().to_string();
        let text = refused(&drawn(), &asked(1, Some(3), None));
        assert_eq!(text, "does not match: ticket 1 has the number 4, not 3");
        let text = refused(&drawn(), &asked(6, Some(2), None));
        assert_eq!(text, "does not match: ticket 6 has the number 6, not 2");
        let text = refused(&drawn(), &asked(1, None, Some("00")));
        assert!(text.starts_with("the hash from --seed-hash, 00, does not match"), "{text}");
        let other = Draw { seed: Some("abd".to_owned()), ..drawn() };
        let text = refused(&other, &asked(1, None, None));
        assert!(text.starts_with("the hash from the server, ba78"), "{text}");
    }

    #[test]
    fn before_the_draw_only_the_hash_can_be_compared() {
        let before = Draw { seed: None, drawn: None, ..drawn() };
        for published in [None, Some(HASH)] {
            let text = verdict(&before, &asked(1, None, published)).unwrap_err().to_string();
            assert!(text.ends_with(HASH) && text.contains("not taken place yet"), "{text}");
        }
        let text = verdict(&before, &asked(1, None, Some("00"))).unwrap_err().to_string();
        assert!(text.starts_with("the hash of the seed was 00, and now it is ba78"), "{text}");
    }
}
