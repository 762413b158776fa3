//! The report as a page that is complete in itself: no script, no font, no other host.

use crate::crew::Check;
use crate::report::plot::{escape, histogram, percentiles};
use crate::report::text::number;
use crate::report::{Latency, Report, Responses};

const STYLE: &str = include_str!("page.css");

/// Returns the whole page.
pub(crate) fn page(report: &Report) -> String {
    let title = format!("{}: load test of Grandstand", escape(&report.scenario));
    let verdict = match (report.checks.is_empty(), report.passed()) {
        (true, _) => "",
        (false, true) => "<span class=\"badge good\">all checks passed</span>",
        (false, false) => "<span class=\"badge bad\">a check failed</span>",
    };
    let parts = [
        header(report, verdict),
        tiles(report),
        latencies(&report.latencies),
        responses(report),
        usage(report),
        checks(report),
    ]
    .concat();
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><main>{parts}</main></body>\
         </html>\n"
    )
}

fn header(report: &Report, verdict: &str) -> String {
    let machine = &report.machine;
    let settings =
        report.settings.iter().map(|setting| format!("{} {}", setting.name, setting.value));
    let settings = escape(&settings.collect::<Vec<_>>().join(" · "));
    let versions = [&machine.redis, &machine.postgres].map(|version| escape(version)).join(" · ");
    let at = report.at.strftime("%Y-%m-%d %H:%M UTC");
    let (name, version, build) = (escape(&report.scenario), &machine.grandstand, machine.build);
    let (target, line) = (escape(&report.target), escape(&machine.line()));
    format!(
        "<header><h1>{name} {verdict}</h1><p>{target}</p><p class=dim>{at} · Grandstand {version} \
         ({build} build) · {versions}<br>{line}<br>{settings} · took {:.1} s</p></header>\n",
        report.seconds
    )
}

fn tiles(report: &Report) -> String {
    let tile = |name: &str, value: f64, unit: &str| {
        let (name, value, unit) = (escape(name), number(value), escape(unit));
        format!("<div class=tile><b>{value}</b> <span>{unit}</span><small>{name}</small></div>")
    };
    let tiles: String = report
        .results
        .iter()
        .map(|result| tile(&result.name, result.number, result.unit))
        .collect();
    if tiles.is_empty() { tiles } else { format!("<section class=tiles>{tiles}</section>\n") }
}

fn latencies(latencies: &[Latency]) -> String {
    if latencies.is_empty() {
        return String::new();
    }
    let row = |(index, latency): (usize, &Latency)| {
        let Latency { mean, p50, p90, p99, p999, max, .. } = latency;
        let cells: String = [mean, p50, p90, p99, p999, max]
            .iter()
            .map(|value| format!("<td>{value:.2}</td>"))
            .collect();
        let (step, count, color) = (escape(latency.step), number(latency.count as f64), index % 6);
        format!("<tr><th><i class=\"dot c{color}\"></i>{step}</th><td>{count}</td>{cells}</tr>")
    };
    let rows: String = latencies.iter().enumerate().map(row).collect();
    let figures = latencies.iter().map(|latency| {
        let (plot, step) = (histogram(latency), escape(latency.step));
        format!("<figure>{plot}<figcaption>{step}: responses by latency</figcaption></figure>")
    });
    let figures: String = figures.collect();
    format!(
        "<section><h2>Latency</h2><p class=dim>Milliseconds from the intended start, so the time \
         of a stalled server counts.</p><div class=wide><table><tr><th>step<th>count<th>mean<th>p50\
         <th>p90<th>p99<th>p99.9<th>max</tr>{rows}</table></div><div class=plots><figure>{}\
         <figcaption>all steps: latency by percentile</figcaption></figure>{figures}</div>\
         </section>\n",
        percentiles(latencies)
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

fn checks(report: &Report) -> String {
    if report.checks.is_empty() {
        return String::new();
    }
    let row = |check: &Check| {
        let (class, word) = if check.passed { ("good", "passed") } else { ("bad", "failed") };
        let (condition, detail) = (escape(&check.condition), escape(&check.detail));
        format!(
            "<li><span class=\"badge {class}\">{word}</span> {condition} \
             <small>{detail}</small></li>"
        )
    };
    let rows: String = report.checks.iter().map(row).collect();
    format!("<section><h2>Checks</h2><ul class=checks>{rows}</ul></section>\n")
}
