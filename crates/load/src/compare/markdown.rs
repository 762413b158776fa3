//! The comparison as Markdown. In an existing document, only the part between two marks is
//! replaced, so that the text around it stays.

use crate::compare::{Comparison, Way};
use crate::report::text::number;

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Returns the table, with the circumstances of its measurement.
pub(crate) fn table(compared: &Comparison) -> String {
    let Comparison { naive, row_locks, engine, engine_four, rest_holds, .. } = compared;
    let row = |how: &'static str, way: &Way, unit: &str| {
        (how, format!("{} {unit}", number(way.rate)), format!("{:.2}×", way.against))
    };
    let operations = "seat operations/s";
    let rows = [
        row(
            "one script per seat, nothing kept on disk (`redis-benchmark -P 16 -c 50`)",
            naive,
            operations,
        ),
        row("engine: batches, durable, journal and stream on, 1 to 4 seats", engine, operations),
        row("engine: the same, 4 seats a hold", engine_four, operations),
        row("REST, everything on: holds, and as many releases", rest_holds, "holds/s"),
        row(
            "REST, everything on: seats held and given back",
            &compared.rest_seat_operations,
            operations,
        ),
        row(
            "row locks in PostgreSQL, without any HTTP (`pgbench`, 32 clients)",
            row_locks,
            "transactions/s",
        ),
        (
            "a lone hold through REST, p50 (p99)",
            format!("{:.2} ms ({:.2} ms)", compared.lone_p50, compared.lone_p99),
            String::new(),
        ),
    ];
    let mut text =
        String::from("| how | measured | against the first line |\n| --- | ---: | ---: |\n");
    for (how, measured, against) in rows {
        text.push_str(&format!("| {how} | {measured} | {against} |\n"));
    }
    let machine = &compared.machine;
    let at = compared.at.strftime("%Y-%m-%d %H:%M UTC");
    let (rounds, each, build) = (compared.rounds, compared.seconds_each, machine.build);
    let (line, redis, postgres) = (machine.line(), &machine.redis, &machine.postgres);
    text + &format!(
        "\n{at}; {line}; {redis}; {postgres}; Grandstand {} ({build} build). Medians of {rounds} \
         rounds of {each:.0} s in turns, ratios within a round; client and servers share the \
         cores.\n",
        machine.grandstand
    )
}

/// Returns the document with the new table.
pub(crate) fn updated(before: &str, compared: &Comparison) -> String {
    let part = format!("{BEGIN}\n{}{END}", table(compared));
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
