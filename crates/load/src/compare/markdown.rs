//! The comparison as Markdown. In an existing document, only the part between two marks is
//! replaced, so that the text around it stays.

use crate::compare::push::{MESSAGES_PER_SECOND, STREAMS};
use crate::compare::{Comparison, name};
use crate::numbers::number;

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// A way to sell seats: what it is, its calls per second, and its seat operations per second. The
/// last two are the same when a call has one seat.
const WAYS: [(&str, &str, &str); 6] = [
    (
        "a script per seat, nothing kept on disk (`redis-benchmark -P 16 -c 50`)",
        name::NAIVE,
        name::NAIVE,
    ),
    (
        "row locks in PostgreSQL, without any HTTP (`pgbench`, 32 clients)",
        name::ROW_LOCKS,
        name::ROW_LOCKS,
    ),
    (
        "engine: batches, durable, journal and stream on, 1 to 4 seats",
        name::ENGINE,
        name::ENGINE_SEATS,
    ),
    ("engine: the same, 4 seats a hold", name::ENGINE_FOUR, name::ENGINE_FOUR_SEATS),
    ("REST, everything on: holds and releases, 1 to 4 seats", name::REST, name::REST_SEATS),
    ("REST, everything on: holds and releases of single seats", name::CALM, name::CALM),
];

/// Returns the tables, with the circumstances of their measurement.
pub(crate) fn tables(compared: &Comparison) -> String {
    let mut text = format!("{}\n{}", ways(compared), contested(compared));
    let machine = &compared.machine;
    let at = compared.at.strftime("%Y-%m-%d %H:%M UTC");
    let (rounds, each, build) = (compared.rounds, compared.seconds_each, machine.build);
    let (line, redis, postgres) = (machine.line(), &machine.redis, &machine.postgres);
    let version = &machine.grandstand;
    text.push('\n');
    text + &wrapped(&format!(
        "{at}; {line}; {redis}; {postgres}; Grandstand {version} ({build} build). Medians of \
         {rounds} rounds in turns, {each:.1} s for each load, ratios within a round; client and \
         servers share the cores."
    ))
}

/// Returns the ways to sell seats, against the two obvious ones.
fn ways(compared: &Comparison) -> String {
    let sheet = &compared.sheet;
    let mut text = String::from(
        "| how | requests/s | seat operations/s | per request: script | per seat: script \
         | per request: row lock |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (how, calls, seats) in WAYS {
        let cells = [
            sheet.text(calls, number),
            sheet.text(seats, number),
            sheet.ratio(calls, name::NAIVE),
            sheet.ratio(seats, name::NAIVE),
            sheet.ratio(calls, name::ROW_LOCKS),
        ];
        text.push_str(&format!("| {how} | {} |\n", cells.join(" | ")));
    }
    text
}

/// Returns the numbers of the contested minute, and what is wanted.
fn contested(compared: &Comparison) -> String {
    let sheet = &compared.sheet;
    let ms = |value: f64| format!("{value:.1} ms");
    let cost = |value: f64| format!("{value:.2} µs");
    let rate = |value: f64| format!("{}/s", number(value));
    let of = |name: &str, against: &str| {
        let ratio = sheet.ratio(name, against);
        sheet.text(name, |value| format!("{ratio} ({}/s)", number(value)))
    };
    let pair = |first: String, second: &str| format!("{first}, {}", sheet.text(second, ms));
    let push = format!(
        "a frame of the map to {} watchers at {MESSAGES_PER_SECOND} frames/s against nginx with \
         nchan, processor time per frame",
        number(STREAMS as f64)
    );
    let frames = format!(
        "{} ({}, nchan {})",
        sheet.ratio(name::FRAME, name::NCHAN),
        sheet.text(name::FRAME, cost),
        sheet.text(name::NCHAN, cost)
    );
    let pages = [name::RUSH_LIST, name::RUSH_SNAPSHOT, name::RUSH_PLAN];
    let pages = pages.map(|page| sheet.text(page, ms)).join(", ");
    let rows = [
        (
            "responses in a rush, nearly all of them refusals with alternatives, against requests \
             of a calm sale of single seats",
            of(name::REFUSED, name::CALM),
            "1.2×",
        ),
        (
            "`load rush`, 5,000 people, 1,000 seats: p99 of a hold, last seat granted after",
            pair(sheet.text(name::RUSH_P99, ms), name::RUSH_LAST),
            "150 ms, 500 ms",
        ),
        (
            "the same rush: p99 of the list of matches, the snapshot of the map, the plan",
            pages,
            "50 ms",
        ),
        (
            "single seats through REST against the script per seat, per request and per seat",
            of(name::CALM, name::NAIVE),
            "0.5×",
        ),
        ("the same against the row lock, per request", of(name::CALM, name::ROW_LOCKS), "5×"),
        (
            "sell-out of 25,000 seats by 50,000 people: seats paid, confirmed, persisted; p99 of a \
             hold",
            pair(sheet.text(name::SELL_OUT, rate), name::SELL_OUT_P99),
            "6,000/s, 50 ms",
        ),
        (
            "a lone hold through REST, p50, p99",
            pair(sheet.text(name::LONE_P50, ms), name::LONE_P99),
            "",
        ),
        (push.as_str(), frames, ""),
    ];
    let mut text = String::from("| what | measured | wanted |\n| --- | ---: | ---: |\n");
    for (what, measured, wanted) in rows {
        text.push_str(&format!("| {what} | {measured} | {wanted} |\n"));
    }
    text
}

/// Returns the text in lines of at most 120 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if lines[last].chars().count() + word.chars().count() + 1 > 120 {
            lines.push(word.to_owned());
        } else {
            let space = if lines[last].is_empty() { "" } else { " " };
            lines[last].push_str(space);
            lines[last].push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

/// Returns the document with the new tables.
pub(crate) fn updated(before: &str, compared: &Comparison) -> String {
    let part = format!("{BEGIN}\n{}{END}", tables(compared));
    let old = before.split_once(BEGIN).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(END)?;
        Some((head, tail))
    });
    match old {
        Some((head, tail)) => format!("{head}{part}{tail}"),
        None if before.is_empty() => format!("# Benchmarks\n\n{part}\n"),
        None => format!("{}\n\n{part}\n", before.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::sheet::Sheet;
    use crate::machine::Machine;

    #[test]
    fn a_number_that_was_not_measured_keeps_its_row() {
        let mut sheet = Sheet::default();
        sheet.note([name::NAIVE], Ok([80_000.0]));
        sheet.note([name::CALM], Ok([40_000.0]));
        sheet.note([name::ROW_LOCKS], Err(anyhow::anyhow!("no pgbench")));
        let machine = Machine::this();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let compared = Comparison { at, machine, rounds: 1, seconds_each: 5.0, sheet };
        let text = updated(&format!("head\n{BEGIN}\nearlier tables\n{END}\ntail\n"), &compared);
        assert!(text.starts_with("head\n") && text.ends_with("tail\n"), "{text}");
        assert!(!text.contains("earlier"), "{text}");
        let row = |part: &str| text.lines().find(|line| line.contains(part)).unwrap().to_owned();
        assert!(row("single seats through REST").contains("| 0.50× (40,000/s) | 0.5× |"), "{text}");
        assert!(row("row locks in").contains("**failed**: no pgbench"), "{text}");
        assert!(row("sell-out").contains("**failed**: not measured"), "{text}");
    }
}
