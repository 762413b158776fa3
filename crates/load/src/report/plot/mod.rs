//! Plots as inline SVG. The drawing stretches with the page, and its labels are text of the page,
//! so that both are readable on a phone. The style sheet sets the colours, for light and dark.

pub(crate) mod scale;

use scale::Scale;
use std::fmt::Write as _;

/// Both sides of the drawing. The page stretches it.
const SIDE: f64 = 1000.0;
/// Number of colours in the style sheet.
const COLORS: usize = 12;

/// A line or an area of a plot.
pub(crate) struct Line {
    pub(crate) name: String,
    /// The classes of the style sheet: `c0` to `c11`, and `thin` or `area`.
    pub(crate) class: String,
    /// Without a value the line has a gap.
    pub(crate) points: Vec<(f64, Option<f64>)>,
}

/// A plot.
pub(crate) struct Plot {
    pub(crate) title: String,
    /// The unit, and how to read it.
    pub(crate) note: String,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
    drawing: String,
    /// Class and name of each colour.
    legend: Vec<(String, String)>,
}

/// Returns the class of a colour.
pub(crate) fn color(number: usize) -> String {
    format!("c{}", number % COLORS)
}

impl Plot {
    /// Returns an empty plot.
    pub(crate) fn new(title: &str, note: &str, x: Scale, y: Scale) -> Self {
        let (title, note) = (title.to_owned(), note.to_owned());
        Self { title, note, x, y, drawing: String::new(), legend: vec![] }
    }

    /// Draws a line, and names it in the legend if it has a name.
    pub(crate) fn line(&mut self, line: &Line) {
        self.unnamed(line);
        self.name(&line.class, &line.name);
    }

    /// Draws a line that the legend does not name.
    pub(crate) fn unnamed(&mut self, line: &Line) {
        let (path, name) = (self.path(&line.points), escape(&line.name));
        let _ = write!(
            self.drawing,
            "<path class=\"line {}\" d=\"{path}\"><title>{name}</title></path>",
            line.class
        );
    }

    /// Draws the area between two curves with the same places on the x axis.
    pub(crate) fn area(
        &mut self,
        class: &str,
        name: &str,
        low: &[(f64, f64)],
        high: &[(f64, f64)],
    ) {
        let ends = |(at, value): &(f64, f64)| (*at, Some(*value));
        let mut path = self.path(&high.iter().map(ends).collect::<Vec<_>>());
        for (at, value) in low.iter().rev() {
            let _ = write!(path, "L{:.0} {:.0}", self.across(*at), self.down(*value));
        }
        let _ = write!(
            self.drawing,
            "<path class=\"area {class}\" d=\"{path}Z\"><title>{}</title></path>",
            escape(name)
        );
        self.name(class, name);
    }

    /// Draws a bar that stands on the x axis.
    pub(crate) fn bar(&mut self, from: f64, to: f64, value: f64, title: &str) {
        let (left, right) = (self.across(from), self.across(to));
        let top = self.down(value);
        let _ = write!(
            self.drawing,
            "<rect class=bar x={left:.1} y={top:.1} width={:.1} height={:.1}>\
             <title>{}</title></rect>",
            (right - left - 2.0).max(0.5),
            SIDE - top,
            escape(title)
        );
    }

    fn name(&mut self, class: &str, name: &str) {
        if !name.is_empty() && !self.legend.iter().any(|(known, _)| known == class) {
            self.legend.push((class.to_owned(), name.to_owned()));
        }
    }

    /// Returns the plot as HTML.
    pub(crate) fn html(&self) -> String {
        let (title, note) = (escape(&self.title), escape(&self.note));
        let (mut grid, mut labels) = (String::new(), String::new());
        for (value, label) in &self.y.ticks {
            let y = self.down(*value);
            let _ = write!(grid, "<line class=grid x1=0 x2={SIDE} y1={y:.1} y2={y:.1} />");
            let percent = self.y.share(*value) * 100.0;
            let _ = write!(labels, "<span class=y style=\"bottom:{percent:.1}%\">{label}</span>");
        }
        for (value, label) in &self.x.ticks {
            let percent = self.x.share(*value) * 100.0;
            let _ = write!(labels, "<span class=x style=\"left:{percent:.1}%\">{label}</span>");
        }
        let entry = |(class, name): &(String, String)| {
            format!("<span><i class=\"dot {class}\"></i>{}</span>", escape(name))
        };
        let legend: String = self.legend.iter().map(entry).collect();
        format!(
            "<figure><figcaption><b>{title}</b> {note}</figcaption>\
             <div class=plot role=img aria-label=\"{title}\">\
             <svg viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=none aria-hidden=true>{grid}{}\
             </svg>{labels}</div><div class=legend>{legend}</div></figure>",
            self.drawing
        )
    }

    fn across(&self, value: f64) -> f64 {
        self.x.share(value) * SIDE
    }

    fn down(&self, value: f64) -> f64 {
        (1.0 - self.y.share(value)) * SIDE
    }

    /// Returns a path through the points. A point between two gaps becomes a dot.
    fn path(&self, points: &[(f64, Option<f64>)]) -> String {
        let (mut path, mut pen_is_down) = (String::new(), false);
        for (at, value) in points {
            let Some(value) = value else {
                pen_is_down = false;
                continue;
            };
            let (x, y) = (self.across(*at), self.down(*value));
            let _ = match pen_is_down {
                true => write!(path, "L{x:.0} {y:.0}"),
                false => write!(path, "M{x:.0} {y:.0}h0"),
            };
            pen_is_down = true;
        }
        path
    }
}

/// Escapes a text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lifts_the_pen_and_names_are_escaped() {
        let mut plot = Plot::new("a < b", "", Scale::time(2.0), Scale::linear(4.0));
        let points = vec![(0.0, Some(4.0)), (1.0, None), (2.0, Some(0.0))];
        plot.line(&Line { name: "x & y".to_owned(), class: color(12), points });
        let html = plot.html();
        assert!(html.contains("d=\"M0 0h0M1000 1000h0\""), "{html}");
        assert!(html.contains("a &lt; b") && html.contains("x &amp; y"), "{html}");
        assert!(html.contains("dot c0"), "{html}");
    }
}
