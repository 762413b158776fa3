//! The plots of a report: its course over time, and its latencies.

use crate::numbers::number;
use crate::report::plot::scale::Scale;
use crate::report::plot::{Line, Plot, color};
use crate::report::{Latency, Report};
use crate::tally::course::{ResponseSeries, StepSeries};
use crate::tally::{Kind, SEATS_LEFT};

/// Codes of refusals with a colour of their own. The others share the last one.
const CODES_MAX: usize = 6;
/// The gauge of the people in the waiting room.
const WAITING: &str = "waiting";

/// Returns the plots over time.
pub(crate) fn over_time(report: &Report) -> Vec<Plot> {
    let (about_map, others): (Vec<_>, Vec<_>) =
        report.series.steps.iter().partition(|step| is_about_map(step.step));
    let is_request =
        |step: &&StepSeries| report.series.responses.iter().any(|row| row.step == step.step);
    let requests = others.iter().copied().filter(is_request).collect::<Vec<_>>();
    let mut plots = Vec::new();
    if !requests.is_empty() {
        plots.push(throughput(report, &requests));
    }
    let note = "milliseconds, p99 strong and p50 pale";
    plots.extend(latency(report, "Latency", note, &others));
    plots.extend(gauge(report, SEATS_LEFT, "Seats left", "until the sale is sold out"));
    plots.extend(refusals(report));
    let note = "milliseconds from a change to its frame, p99 strong and p50 pale";
    plots.extend(latency(report, "Delay of the map", note, &about_map));
    plots.extend(gauge(report, WAITING, "The queue", "people in the waiting room"));
    let known = [SEATS_LEFT, WAITING];
    for name in report.series.gauges.iter().map(|gauge| gauge.name) {
        if !known.contains(&name) {
            let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
            plots.extend(gauge(report, name, &(first.to_uppercase() + rest), "at this moment"));
        }
    }
    plots
}

/// Whether a step is the time until a frame of the map arrived.
fn is_about_map(step: &str) -> bool {
    step.contains("frame") || step.contains("map")
}

/// Returns the middle of each period.
fn times(report: &Report) -> impl Fn(usize) -> f64 + use<> {
    let period = report.series.period_seconds;
    move |index| (index as f64 + 0.5) * period
}

/// Returns the axis of time. All plots over time have the same.
fn time(report: &Report) -> Scale {
    let periods = report.series.steps.iter().map(|step| step.count.len());
    let gauges = report.series.gauges.iter().map(|gauge| gauge.values.len());
    let periods = periods.chain(gauges).max().unwrap_or(1);
    Scale::time(periods as f64 * report.series.period_seconds)
}

/// Returns the rates of counts. The last period is left out, because it is not full.
fn rates(report: &Report, counts: impl ExactSizeIterator<Item = f64>) -> Vec<(f64, f64)> {
    let (at, period) = (times(report), report.series.period_seconds);
    let full = if counts.len() > 3 { counts.len() - 1 } else { counts.len() };
    counts.take(full).enumerate().map(|(index, count)| (at(index), count / period)).collect()
}

fn throughput(report: &Report, steps: &[&StepSeries]) -> Plot {
    let lines: Vec<_> = steps
        .iter()
        .map(|step| (step.step, rates(report, step.count.iter().map(|count| *count as f64))))
        .collect();
    let most = lines.iter().flat_map(|(_, rates)| rates).map(|(_, rate)| *rate).fold(0.0, f64::max);
    let mut plot = Plot::new(
        "Throughput",
        "successes and refusals per second",
        time(report),
        Scale::linear(most),
    );
    for (step, rates) in lines {
        let points = rates.into_iter().map(|(at, rate)| (at, Some(rate))).collect();
        plot.line(&Line { name: step.to_owned(), class: color_of(report, step), points });
    }
    plot
}

fn latency(report: &Report, title: &str, note: &str, steps: &[&StepSeries]) -> Option<Plot> {
    let values = || steps.iter().flat_map(|step| step.p50.iter().chain(&step.p99)).flatten();
    let least = values().copied().reduce(f64::min)?;
    let most = values().copied().fold(least, f64::max);
    let mut plot = Plot::new(title, note, time(report), Scale::latencies(least, most));
    let at = times(report);
    for step in steps {
        let class = color_of(report, step.step);
        let points = |values: &[Option<f64>]| {
            values.iter().enumerate().map(|(index, value)| (at(index), *value)).collect()
        };
        let p50 = Line {
            name: format!("{}, p50", step.step),
            class: format!("{class} thin"),
            points: points(&step.p50),
        };
        let p99 = Line { name: step.step.to_owned(), class, points: points(&step.p99) };
        plot.unnamed(&p50);
        plot.line(&p99);
    }
    Some(plot)
}

/// Plots a gauge. It keeps its value until the next change.
fn gauge(report: &Report, name: &str, title: &str, note: &str) -> Option<Plot> {
    let gauge = report.series.gauges.iter().find(|gauge| gauge.name == name)?;
    let at = times(report);
    let mut last = None;
    let kept = gauge.values.iter().enumerate().map(|(index, value)| {
        last = value.or(last);
        Some((at(index), last?))
    });
    let high: Vec<(f64, f64)> = kept.flatten().collect();
    let most = high.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let (first, end) = (high.first()?.0, high.last()?.0);
    let mut plot = Plot::new(title, note, time(report), Scale::linear(most));
    plot.area("c0", "", &[(first, 0.0), (end, 0.0)], &high);
    let points = high.iter().map(|(at, value)| (*at, Some(*value))).collect();
    plot.line(&Line { name: String::new(), class: "c0".to_owned(), points });
    Some(plot)
}

/// Plots everything that was no success, one code above the other.
fn refusals(report: &Report) -> Option<Plot> {
    let failed = |row: &&ResponseSeries| row.kind != Kind::Success.word();
    let mut codes: Vec<(&str, Vec<u64>)> = Vec::new();
    for row in report.series.responses.iter().filter(failed) {
        match codes.iter_mut().find(|(code, _)| *code == row.code) {
            Some((_, counts)) => add(counts, row.count.iter().map(|count| u64::from(*count))),
            None => codes.push((&row.code, row.count.iter().copied().map(u64::from).collect())),
        }
    }
    codes.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u64>()));
    if codes.len() > CODES_MAX {
        let rest = codes.split_off(CODES_MAX);
        let mut others = vec![0; rest[0].1.len()];
        rest.iter().for_each(|(_, counts)| add(&mut others, counts.iter().copied()));
        codes.push(("others", others));
    }
    let mut low: Vec<(f64, f64)> = rates(report, codes.first()?.1.iter().map(|_| 0.0));
    let mut areas = Vec::new();
    for (code, counts) in codes {
        let rates = rates(report, counts.iter().map(|count| *count as f64));
        let high: Vec<_> =
            low.iter().zip(rates).map(|(low, rate)| (low.0, low.1 + rate.1)).collect();
        let count = number(counts.iter().sum::<u64>() as f64);
        areas.push((format!("{code} ({count})"), std::mem::replace(&mut low, high)));
    }
    let most = low.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let note = "per second, one above the other";
    let mut plot = Plot::new("Refusals and failures", note, time(report), Scale::linear(most));
    let highs = areas.iter().skip(1).map(|(_, low)| low.clone()).chain([low]);
    for (index, ((name, low), high)) in areas.iter().zip(highs).enumerate() {
        plot.area(&color(index + 1), name, low, &high);
    }
    Some(plot)
}

fn add(sums: &mut [u64], counts: impl Iterator<Item = u64>) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

/// Plots the latency by the share of responses, with a curve per step.
pub(crate) fn percentiles(report: &Report) -> Plot {
    let steps = &report.latencies;
    let values = || steps.iter().flat_map(|step| step.percentiles.iter().map(|point| point.1));
    let least = values().fold(f64::INFINITY, f64::min);
    let count = steps.iter().map(|step| step.count).max().unwrap_or(0);
    let mut plot = Plot::new(
        "Latency by percentile",
        "milliseconds; each nine takes as much room",
        Scale::nines(count),
        Scale::latencies(least, values().fold(least, f64::max)),
    );
    for step in steps {
        let points = step.percentiles.iter().map(|(share, value)| (*share, Some(*value))).collect();
        let class = color_of(report, step.step);
        plot.line(&Line { name: step.step.to_owned(), class, points });
    }
    plot
}

/// Plots the number of responses by latency.
pub(crate) fn histogram(latency: &Latency) -> Plot {
    let bars = &latency.histogram;
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(1) as f64;
    let least = bars.first().map_or(0.01, |(bound, _)| bound / 1.25);
    let x = Scale::latencies(least, bars.last().map_or(1.0, |(bound, _)| *bound));
    let note =
        format!("responses by latency; p50 {:.1} ms, p99 {:.1} ms", latency.p50, latency.p99);
    let mut plot = Plot::new(latency.step, &note, x, Scale::linear(most));
    for (bound, count) in bars {
        let title = format!("up to {bound:.2} ms: {count}");
        plot.bar(bound / 1.25, *bound, *count as f64, &title);
    }
    plot
}

/// Returns the colour of a step, which is the same in all plots.
pub(crate) fn color_of(report: &Report, step: &str) -> String {
    color(report.latencies.iter().position(|latency| latency.step == step).unwrap_or(0))
}
