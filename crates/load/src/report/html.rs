//! The report as a page that is complete in itself: no script, no font, no other host.

use crate::crew::Check;
use crate::numbers::number;
use crate::report::charts::{color_of, histogram, over_time, percentiles};
use crate::report::plot::{Plot, escape};
use crate::report::{Latency, Report, Responses};

const STYLE: &str = include_str!("page.css");

/// Returns the whole page.
pub(crate) fn page(report: &Report) -> String {
    let title = format!("{}: load test of Grandstand", escape(&report.scenario));
    let parts = [
        header(report),
        tiles(report),
        checks(report),
        course(report),
        latencies(report),
        responses(report),
        usage(report),
        circumstances(report),
    ]
    .concat();
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><main>{parts}</main></body>\
         </html>\n"
    )
}

fn header(report: &Report) -> String {
    let verdict = match (report.checks.len(), report.violations) {
        (0, _) => String::new(),
        (all, 0) => format!("<span class=\"badge good\">all {all} checks passed</span>"),
        (all, wrong) => format!("<span class=\"badge bad\">{wrong} of {all} checks failed</span>"),
    };
    let at = report.at.strftime("%Y-%m-%d %H:%M UTC");
    let (name, target) = (escape(&report.scenario), escape(&report.target));
    format!(
        "<header><p class=dim>Load test of Grandstand</p><h1>{name}</h1>{verdict}\
         <p class=dim>{target}<br>{at}, {:.1} seconds</p></header>\n",
        report.seconds
    )
}

fn tiles(report: &Report) -> String {
    let tile = |name: &str, value: f64, unit: &str| {
        let (name, value, unit) = (escape(name), number(value), escape(unit));
        format!("<div class=tile><small>{name}</small><b>{value}</b> <span>{unit}</span></div>")
    };
    let tiles: String = report
        .results
        .iter()
        .map(|result| tile(&result.name, result.number, result.unit))
        .collect();
    if tiles.is_empty() { tiles } else { format!("<section class=tiles>{tiles}</section>\n") }
}

fn checks(report: &Report) -> String {
    if report.checks.is_empty() {
        return String::new();
    }
    let row = |check: &Check| {
        let (class, word) = if check.passed { ("good", "passed") } else { ("bad", "failed") };
        let (condition, detail) = (escape(&check.condition), escape(&check.detail));
        let lines = check.history.iter().map(|line| format!("<li>{}</li>", escape(line)));
        let lines: String = lines.collect();
        let history = match check.passed || lines.is_empty() {
            true => String::new(),
            false => format!("<details open><summary>History</summary><ol>{lines}</ol></details>"),
        };
        format!(
            "<li><span class=\"badge {class}\">{word}</span><div>{condition}\
             <small>{detail}</small>{history}</div></li>"
        )
    };
    // What failed comes first.
    let (passed, failed): (Vec<_>, Vec<_>) = report.checks.iter().partition(|check| check.passed);
    let rows: String = failed.into_iter().chain(passed).map(row).collect();
    format!("<section><h2>Checks</h2><ul class=checks>{rows}</ul></section>\n")
}

fn course(report: &Report) -> String {
    let plots: String = over_time(report).iter().map(Plot::html).collect();
    if plots.is_empty() {
        return plots;
    }
    format!("<section><h2>Over time</h2><div class=plots>{plots}</div></section>\n")
}

fn latencies(report: &Report) -> String {
    if report.latencies.is_empty() {
        return String::new();
    }
    let row = |latency: &Latency| {
        let Latency { mean, p50, p90, p99, p999, max, .. } = latency;
        let cells: String = [p50, p90, p99, p999, max, mean]
            .iter()
            .map(|value| format!("<td>{value:.2}</td>"))
            .collect();
        let (step, count) = (escape(latency.step), number(latency.count as f64));
        let color = color_of(report, latency.step);
        format!("<tr><th><i class=\"dot {color}\"></i>{step}</th>{cells}<td>{count}</td></tr>")
    };
    let rows: String = report.latencies.iter().map(row).collect();
    let each: String = report.latencies.iter().map(|latency| histogram(latency).html()).collect();
    format!(
        "<section><h2>Latency</h2><p class=dim>Milliseconds from the intended start, so the time \
         of a stalled server counts.</p><div class=plots>{}</div>\
         <div class=wide><table><tr><th>step<th>p50<th>p90<th>p99<th>p99.9<th>max<th>mean<th>count\
         </tr>{rows}</table></div><details><summary>Responses by latency, for each step</summary>\
         <div class=plots>{each}</div></details></section>\n",
        percentiles(report).html()
    )
}

fn responses(report: &Report) -> String {
    if report.responses.is_empty() {
        return String::new();
    }
    let row = |Responses { step, kind, code, count }: &Responses| {
        let (step, code, count) = (escape(step), escape(code), number(*count as f64));
        format!(
            "<tr class={kind}><th>{step}</th><td>{kind}</td><td>{count}</td><td>{code}</td></tr>"
        )
    };
    let rows: String = report.responses.iter().map(row).collect();
    format!(
        "<section><h2>Responses</h2><div class=wide><table class=words><tr><th>step<th>kind\
         <th>count<th>response</tr>{rows}</table></div></section>\n"
    )
}

fn usage(report: &Report) -> String {
    let Some(usage) = &report.usage else { return String::new() };
    let parts = [
        ("client", Some(usage.client)),
        ("server", usage.server),
        ("Redis", usage.redis),
        ("PostgreSQL", usage.postgres),
    ];
    let cores = report.machine.cores as f64;
    let bar = |(name, used): (&str, Option<f64>)| {
        let used = used?;
        let share = (used / cores * 100.0).min(100.0);
        Some(format!(
            "<tr><th>{name}</th><td>{used:.2}</td><td class=meter><i style=\"width:{share:.0}%\">\
             </i></td></tr>"
        ))
    };
    let rows: String = parts.into_iter().filter_map(bar).collect();
    format!(
        "<section><h2>Processors in use</h2><p class=dim>On average, of {cores} cores.</p>\
         <table class=use>{rows}</table></section>\n"
    )
}

fn circumstances(report: &Report) -> String {
    let machine = &report.machine;
    let version = format!("{} ({} build)", machine.grandstand, machine.build);
    let facts = [
        ("machine", machine.line()),
        ("Grandstand", version),
        ("Redis", machine.redis.clone()),
        ("PostgreSQL", machine.postgres.clone()),
        ("time", format!("{}, {:.1} s", report.at.strftime("%F %T UTC"), report.seconds)),
    ];
    let settings = report.settings.iter().map(|setting| (setting.name, setting.value.clone()));
    let row = |(name, value): (&str, String)| {
        format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value))
    };
    let rows: String = facts.into_iter().chain(settings).map(row).collect();
    format!("<section><h2>Machine, versions and settings</h2><dl>{rows}</dl></section>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::invented::report as test_report;

    #[test]
    fn the_page_shows_the_course_and_the_history_of_a_failed_check() {
        let page = page(&test_report(60));
        let parts = [
            "1 of 2 checks failed",
            "<li>12.3 ms: seat 17 was held by person 4</li>",
            "<b>Throughput</b>",
            "<b>Seats left</b>",
            "<b>The queue</b>",
            "<b>People under way</b>",
            "<b>Delay of the map</b>",
            "409 SEAT_TAKEN (",
            "&lt;b&gt;",
        ];
        for part in parts {
            assert!(page.contains(part), "{part} is missing");
        }
        assert!(!page.contains("NaN") && !page.contains("inf"), "a place that is no number");
        for outside in ["http:", "https:", "<script", "url(", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_run_without_responses_has_a_page() {
        assert!(page(&test_report(0)).contains("Machine"));
    }
}
