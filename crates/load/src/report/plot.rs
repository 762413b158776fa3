//! Plots as inline SVG: a histogram and a curve of percentiles. The page sets the colours, so the
//! plots follow its light and dark mode.

use crate::report::Latency;
use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// A logarithmic scale of latencies, in whole powers of ten.
struct Scale {
    first: f64,
    last: f64,
}

impl Scale {
    fn of(smallest: f64, largest: f64) -> Self {
        let first = smallest.max(0.001).log10().floor();
        let last = largest.max(0.001).log10().ceil().max(first + 1.0);
        Self { first, last }
    }

    fn share(&self, value: f64) -> f64 {
        let share = (value.max(0.001).log10() - self.first) / (self.last - self.first);
        share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        (self.first as i32..=self.last as i32).map(|power| 10_f64.powi(power)).collect()
    }
}

fn across(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn down(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

/// Plots the number of responses by latency.
pub(crate) fn histogram(latency: &Latency) -> String {
    let bars = &latency.histogram;
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1) as f64;
    let least = bars.first().map_or(0.01, |(bound, _)| bound / 1.25);
    let scale = Scale::of(least, bars.last().map_or(1.0, |(bound, _)| *bound));
    let mut svg = begin(&format!("Histogram of the latency of {}", latency.step));
    for share in [0.0, 0.5, 1.0] {
        horizontal(&mut svg, share, &short(share * most));
    }
    for (bound, count) in bars {
        let (from, to) = (across(scale.share(bound / 1.25)), across(scale.share(*bound)));
        let top = down(*count as f64 / most);
        let (width, height) = ((to - from - 1.0).max(0.5), down(0.0) - top);
        let _ = write!(
            svg,
            "<rect class=bar x={from:.1} y={top:.1} width={width:.1} height={height:.1}>\
             <title>up to {bound:.2} ms: {count}</title></rect>"
        );
    }
    for (name, value) in [("p50", latency.p50), ("p99", latency.p99)] {
        let x = across(scale.share(value));
        let (top, bottom) = (down(1.0), down(0.0));
        let _ = write!(
            svg,
            "<line class=mark x1={x:.1} x2={x:.1} y1={top:.1} y2={bottom:.1} />\
             <text class=mark x={:.1} y={:.1}>{name}</text>",
            x + 3.0,
            top + 9.0
        );
    }
    for tick in scale.ticks() {
        label_below(&mut svg, across(scale.share(tick)), &milliseconds(tick));
    }
    svg + "</svg>"
}

/// Plots the latency by the share of responses, with a curve per step.
pub(crate) fn percentiles(latencies: &[Latency]) -> String {
    let values = || latencies.iter().flat_map(|step| step.percentiles.iter().map(|point| point.1));
    let least = values().fold(f64::INFINITY, f64::min);
    let scale = Scale::of(least.min(1e6), values().fold(0.01, f64::max));
    let counts = latencies.iter().map(|latency| latency.count as f64);
    let nines = counts.fold(100.0, f64::max).log10().ceil();
    let share_of = |share: f64| (-(1.0 - share).max(1e-12).log10() / nines).clamp(0.0, 1.0);
    let mut svg = begin("Latency by percentile");
    for tick in scale.ticks() {
        horizontal(&mut svg, scale.share(tick), &milliseconds(tick));
    }
    for (number, latency) in latencies.iter().enumerate() {
        let points = latency.percentiles.iter().map(|(share, value)| {
            format!("{:.1},{:.1}", across(share_of(*share)), down(scale.share(*value)))
        });
        let points = points.collect::<Vec<_>>().join(" ");
        let step = escape(latency.step);
        let color = number % 6;
        let _ = write!(
            svg,
            "<polyline class=\"line c{color}\" points=\"{points}\"><title>{step}</title></polyline>"
        );
    }
    label_below(&mut svg, across(0.0), "0%");
    label_below(&mut svg, across(share_of(0.5)), "50%");
    for power in 1..=nines as i32 {
        let share = 1.0 - 10_f64.powi(-power);
        let digits = (power - 2).max(0) as usize;
        label_below(&mut svg, across(share_of(share)), &format!("{:.digits$}%", share * 100.0));
    }
    svg + "</svg>"
}

fn begin(title: &str) -> String {
    let title = escape(title);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{title}\">\
         <title>{title}</title>"
    )
}

fn horizontal(svg: &mut String, share: f64, label: &str) {
    let y = down(share);
    let (from, to) = (across(0.0), across(1.0));
    let _ = write!(
        svg,
        "<line class=grid x1={from:.1} x2={to:.1} y1={y:.1} y2={y:.1} />\
         <text class=left x={:.1} y={:.1}>{label}</text>",
        from - 6.0,
        y + 3.5
    );
}

fn label_below(svg: &mut String, x: f64, label: &str) {
    let y = HEIGHT - BOTTOM + 16.0;
    let _ = write!(svg, "<text class=below x={x:.1} y={y:.1}>{label}</text>");
}

fn milliseconds(value: f64) -> String {
    if value >= 1000.0 { format!("{} s", value / 1000.0) } else { format!("{value} ms") }
}

fn short(count: f64) -> String {
    match count {
        large if large >= 1e6 => format!("{:.1}M", large / 1e6),
        large if large >= 1e4 => format!("{:.0}k", large / 1e3),
        small => format!("{small:.0}"),
    }
}

/// Escapes a text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
