//! The live view: progress, rates, latencies, gauges and refusals, redrawn in place on the terminal
//! while people are under way. It reads the tally a few times a second from a thread of its own,
//! and draws nothing when stderr is not a terminal.

use crate::numbers::number;
use crate::tally::glance::Glance;
use crate::tally::{Kind, SEATS_LEFT, Tally};
use console::{Term, measure_text_width, style, truncate_str};
use std::ops::RangeInclusive;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The pause between two pictures. Shorter costs processor time, and nobody can read faster.
const REDRAW_INTERVAL: Duration = Duration::from_millis(250);
/// Rates and percentiles are those of this last part of the run.
const GLANCE_WINDOW: Duration = Duration::from_secs(2);
/// The widths of the bar and of the names of the steps, where the terminal has room for them.
const BAR_CHARS: RangeInclusive<usize> = 6..=24;
const STEP_CHARS: RangeInclusive<usize> = 9..=20;

/// A measured part that is under way. Its end is that of this value.
pub(crate) struct Live {
    tally: Tally,
    view: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Live {
    /// Starts the course of the tally, and draws it. `planned` is the time in which people arrive.
    pub(crate) fn start(tally: &Tally, name: &str, planned: Duration) -> Self {
        tally.keep_course(true);
        let term = Term::buffered_stderr();
        if !term.is_term() {
            return Self { tally: tally.clone(), view: None };
        }
        let (stop, stopped) = channel();
        let (name, shown) = (name.to_owned(), tally.clone());
        let draw = move || {
            let mut view = View { term, begun: Instant::now(), name, planned, drawn: vec![] };
            while stopped.recv_timeout(REDRAW_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                // A terminal that has gone away ends the view, and not the run.
                if view.draw(&shown.glance(GLANCE_WINDOW)).is_err() {
                    return;
                }
            }
            let _ = view.clear();
        };
        let thread = std::thread::Builder::new().name("load-view".to_owned()).spawn(draw);
        Self { tally: tally.clone(), view: thread.ok().map(|thread| (stop, thread)) }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.tally.keep_course(false);
        if let Some((stop, thread)) = self.view.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

struct View {
    term: Term,
    begun: Instant,
    name: String,
    planned: Duration,
    /// The lines on the terminal.
    drawn: Vec<String>,
}

impl View {
    fn draw(&mut self, glance: &Glance) -> std::io::Result<()> {
        self.clear()?;
        let (height, width) = self.term.size();
        // A line as wide as the terminal would make some terminals begin another one.
        let width = usize::from(width).saturating_sub(1);
        let mut lines = lines(glance, &self.name, self.begun.elapsed(), self.planned, width);
        lines.truncate(usize::from(height).saturating_sub(1));
        for line in &mut lines {
            *line = truncate_str(line, width, "…").into_owned();
            self.term.write_line(line)?;
        }
        self.drawn = lines;
        self.term.flush()
    }

    /// Removes the last picture. A terminal that has become narrower has wrapped its lines.
    fn clear(&mut self) -> std::io::Result<()> {
        let width = usize::from(self.term.size().1).max(1);
        let rows = |line: &String| measure_text_width(line).div_ceil(width).max(1);
        let rows = self.drawn.drain(..).map(|line| rows(&line)).sum();
        self.term.clear_last_lines(rows)?;
        self.term.flush()
    }
}

/// Returns the picture for a terminal of this width.
fn lines(
    glance: &Glance,
    name: &str,
    elapsed: Duration,
    planned: Duration,
    width: usize,
) -> Vec<String> {
    let bar = fitting(width, 40, &BAR_CHARS);
    let step_chars = fitting(width, 42, &STEP_CHARS);
    let row = |columns| row(step_chars, columns);
    let mut lines = vec![progress(glance, name, elapsed, planned, bar), String::new()];
    let head = ["step", "per second", "p50 ms", "p99 ms", "total"];
    lines.push(dim(&row(head.map(str::to_owned))));
    for step in &glance.steps {
        let ms = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
        lines.push(row([
            step.name.to_owned(),
            number(step.per_second.round()),
            ms(step.p50),
            ms(step.p99),
            number(step.count as f64),
        ]));
    }
    let gauges = glance.gauges.iter().map(|gauge| format!("{} {}", gauge.name, number(gauge.last)));
    let of_kind = |wanted: &[Kind]| {
        let some = glance.responses.iter().filter(|(kind, ..)| wanted.contains(kind));
        let all: Vec<_> = some.map(|(_, code, count)| (code, number(*count as f64))).collect();
        all.iter().map(|(code, count)| format!("{code} {count}")).collect::<Vec<_>>().join(" · ")
    };
    let refused = of_kind(&[Kind::Refusal]);
    let failed = of_kind(&[Kind::Error, Kind::Unknown]);
    let gauges = gauges.collect::<Vec<_>>().join(" · ");
    lines.push(String::new());
    for (label, text) in [("now", gauges), ("refused", refused), ("failed", failed)] {
        if !text.is_empty() {
            let label = dim(&format!("  {label:<8}"));
            let text = style(text).for_stderr();
            let text = if label.contains("failed") { text.red() } else { text };
            lines.push(format!("{label} {text}"));
        }
    }
    lines
}

/// Returns the first line. The share is that of the seats that are gone, if the scenario tells how
/// many are left, and that of the planned time otherwise.
fn progress(
    glance: &Glance,
    name: &str,
    elapsed: Duration,
    planned: Duration,
    bar: usize,
) -> String {
    let seats = glance.gauges.iter().find(|gauge| gauge.name == SEATS_LEFT && gauge.most > 0.0);
    let share = match seats {
        Some(gauge) => 1.0 - gauge.last / gauge.most,
        None => elapsed.as_secs_f64() / planned.as_secs_f64().max(0.001),
    };
    let share = share.clamp(0.0, 1.0);
    let full = (share * bar as f64).round() as usize;
    let (done, rest) = ("━".repeat(full), "━".repeat(bar - full));
    let (done, rest) = (style(done).for_stderr().cyan(), dim(&rest));
    let name = style(name).for_stderr().bold();
    let rate: f64 = glance.steps.iter().map(|step| step.per_second).sum();
    let (seconds, rate) = (elapsed.as_secs_f64(), number(rate.round()));
    format!("{name} {done}{rest} {:3.0} % · {seconds:.0} s · {rate} responses/s", share * 100.0)
}

/// Returns the room that is left beside the other columns, within the bounds.
fn fitting(width: usize, others: usize, bounds: &RangeInclusive<usize>) -> usize {
    width.saturating_sub(others).clamp(*bounds.start(), *bounds.end())
}

fn row(step_chars: usize, [step, rate, p50, p99, total]: [String; 5]) -> String {
    let step = truncate_str(&step, step_chars, "…");
    format!("  {step:<step_chars$} {rate:>10} {p50:>8} {p99:>8} {total:>10}")
}

fn dim(text: &str) -> String {
    style(text).for_stderr().dim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Response;

    #[test]
    fn the_picture_shows_progress_latencies_gauges_and_refusals() {
        let tally = Tally::default();
        let body = || bytes::Bytes::from_static(b"{\"code\":\"SEAT_TAKEN\"}");
        for status in [201, 409, 409, 503] {
            let response = Response { status, body: body() };
            let _ = tally.record_response("hold", Instant::now(), Ok(response));
        }
        tally.gauge(SEATS_LEFT, 400.0);
        tally.gauge(SEATS_LEFT, 100.0);
        let second = Duration::from_secs(1);
        let picture = lines(&tally.glance(second), "rush", second, 9 * second, 79).join("\n");
        let plain = console::strip_ansi_codes(&picture);
        for part in ["rush ━", " 75 % · 1 s", "seats left 100", "409 SEAT_TAKEN 2", "503"] {
            assert!(plain.contains(part), "{part} is missing in:\n{plain}");
        }
        assert!(plain.contains("hold") && plain.contains('3'), "{plain}");
        let narrow = lines(&tally.glance(second), "rush", second, 9 * second, 30);
        let bar = console::strip_ansi_codes(&narrow[0]).chars().filter(|char| *char == '━').count();
        assert_eq!(bar, *BAR_CHARS.start());
    }
}
