//! `grandstand plan preview`: a drawing of a plan, with each floor beside the others.

use crate::domain::plan::{ACCESSIBLE, Block, COMPANION, Image, MapText, Point, Shape, SitePlan};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// Space around each floor, in metres.
const MARGIN_METRES: f32 = 3.0;
/// A seat is drawn with this radius where the plan does not show that its seats are closer.
const SEAT_RADIUS_METRES: f32 = 0.24;
/// Paint of the kinds of shapes.
const PAINT: [(&str, &str); 8] = [
    ("grass", "#cfe3c4"),
    ("dirt", "#e6d6bd"),
    ("line", "#ffffff"),
    ("stage", "#c9c6d6"),
    ("wall", "#8d8d94"),
    ("pillar", "#77777d"),
    ("table", "#e0d2bb"),
    ("area", "#e6e8ec"),
];

/// The plan as SVG, in metres.
pub(super) fn svg(plan: &SitePlan) -> String {
    let mut floors: Vec<(Option<u32>, &str)> =
        plan.floors.iter().map(|floor| (Some(floor.id), floor.name.as_str())).collect();
    if floors.is_empty() {
        floors.push((None, ""));
    }
    let mut inside = String::new();
    let (mut width, mut height) = (0.0_f32, 0.0_f32);
    for (floor, name) in floors {
        let frame = Frame::of(plan, floor);
        let title = if name.is_empty() { 0.0 } else { frame.text_size() * 2.0 };
        let shift = [width - frame.least[0], title - frame.least[1]];
        let _ = writeln!(inside, r#"<g transform="translate({} {})">"#, shift[0], shift[1]);
        if !name.is_empty() {
            let at = [frame.middle()[0], frame.least[1]];
            label(&mut inside, name, at, frame.text_size(), "#33333a");
        }
        draw_floor(&mut inside, plan, floor, &frame);
        inside.push_str("</g>\n");
        width += frame.most[0] - frame.least[0];
        height = height.max(frame.most[1] - frame.least[1] + title);
    }
    let legend = legend(plan, width, height);
    let below = legend.height;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" \
         font-family=\"sans-serif\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#f7f7f8\"/>\n{inside}{}</svg>\n",
        height + below,
        escaped(&plan.name),
        legend.text,
    )
}

/// Everything that is on a floor. What names no floor is on all of them.
fn draw_floor(text: &mut String, plan: &SitePlan, floor: Option<u32>, frame: &Frame) {
    let here = |own: Option<u32>| own.is_none() || floor.is_none() || own == floor;
    for image in plan.images.iter().filter(|image| here(image.floor)) {
        draw_image(text, image);
    }
    for shape in plan.shapes.iter().filter(|shape| here(shape.floor)) {
        draw_shape(text, shape);
    }
    let colors: HashMap<&str, &str> =
        plan.grades.iter().map(|grade| (grade.code.as_str(), grade.color.as_str())).collect();
    let blocks = || plan.blocks().map(|(_, _, block)| block).filter(|block| here(block.floor));
    // Seats may be in the middle of an area without seats.
    for block in blocks().filter(|block| block.places.is_some()) {
        draw_block(text, block, &colors, frame);
    }
    for block in blocks().filter(|block| block.places.is_none()) {
        draw_block(text, block, &colors, frame);
    }
    for found in plan.texts.iter().filter(|text| here(text.floor)) {
        draw_text(text, found);
    }
    let [x, y] = plan.focus;
    let size = frame.text_size() / 3.0;
    let _ = writeln!(
        text,
        "<path d=\"M{} {y}h{}M{x} {}v{}\" stroke=\"#c0392b\" stroke-width=\"{}\"><title>focus\
         </title></path>",
        x - size,
        size * 2.0,
        y - size,
        size * 2.0,
        size / 6.0,
    );
}

fn draw_image(text: &mut String, image: &Image) {
    let [x, y] = [image.at[0] - image.width / 2.0, image.at[1] - image.height / 2.0];
    let _ = writeln!(
        text,
        r#"<image href="{}" x="{x}" y="{y}" width="{}" height="{}" preserveAspectRatio="none"/>"#,
        escaped(&image.href),
        image.width,
        image.height
    );
}

fn draw_shape(text: &mut String, shape: &Shape) {
    let paint = PAINT.iter().find(|(kind, _)| *kind == shape.kind);
    let paint = shape.color.as_deref().or(paint.map(|(_, paint)| *paint)).unwrap_or("#e6e8ec");
    let _ = match &shape.circle {
        Some(circle) => {
            let [x, y] = circle.center;
            writeln!(text, r#"<circle cx="{x}" cy="{y}" r="{}" fill="{paint}"/>"#, circle.radius)
        }
        None => writeln!(text, r#"<path d="{}" fill="{paint}"/>"#, path(&shape.outline)),
    };
}

fn draw_text(text: &mut String, found: &MapText) {
    let [x, y] = found.at;
    let _ = writeln!(
        text,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"middle\" \
         dominant-baseline=\"central\" transform=\"rotate({} {x} {y})\">{}</text>",
        found.size,
        found.color.as_deref().unwrap_or("#33333a"),
        found.angle,
        escaped(&found.text),
    );
}

fn draw_block(text: &mut String, block: &Block, colors: &HashMap<&str, &str>, frame: &Frame) {
    let color = |grade: &str| colors.get(grade).copied().unwrap_or("#777777");
    let opacity = if block.places.is_some() { 0.45 } else { 0.14 };
    for outline in std::iter::once(&block.outline).chain(&block.more_outlines) {
        let paint = color(&block.grade);
        let _ = writeln!(
            text,
            "<path d=\"{}\" fill=\"{paint}\" fill-opacity=\"{opacity}\" stroke=\"{paint}\" \
             stroke-width=\"0.05\"><title>{}</title></path>",
            path(outline),
            escaped(&block.name),
        );
    }
    if let Some(places) = &block.places {
        let bounds = Frame::around(block.outline.iter().copied());
        let size = frame.text_size().min((bounds.most[0] - bounds.least[0]) / 8.0);
        let [x, y] = bounds.middle();
        label(text, &block.name, [x, y - size * 0.6], size, "#1d1d22");
        label(text, &places.count.to_string(), [x, y + size * 0.7], size, "#1d1d22");
    }
    let with = |name: &str| -> HashSet<u32> {
        block.attributes.get(name).into_iter().flatten().map(|seat| seat.0).collect()
    };
    let marked = [(with(ACCESSIBLE), "♿"), (with(COMPANION), "+")];
    for row in &block.rows {
        for run in &row.runs {
            let paint = color(block.grade_of(row, run));
            for (offset, id) in (0..run.seats).zip(run.seat_ids()) {
                let mark = marked.iter().find(|(seats, _)| seats.contains(&id.0));
                let title = format!("{} {}", row.label, run.name(offset));
                let mark = mark.map_or("", |(_, mark)| *mark);
                draw_seat(text, run.point(offset), frame.seat, paint, (title.trim(), mark));
            }
        }
    }
}

/// A seat with its name, which a pointer over it shows, and with a mark if it has one.
fn draw_seat(text: &mut String, at: Point, radius: f32, paint: &str, (title, mark): (&str, &str)) {
    let [x, y] = at;
    let (fill, stroke) = if mark.is_empty() { (paint, "none") } else { ("#ffffff", paint) };
    let _ = writeln!(
        text,
        "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{stroke}\" \
         stroke-width=\"{}\"><title>{}</title></circle>",
        radius / 4.0,
        escaped(title),
    );
    if !mark.is_empty() {
        label(text, mark, at, radius * 1.5, paint);
    }
}

fn label(text: &mut String, words: &str, [x, y]: Point, size: f32, paint: &str) {
    let _ = writeln!(
        text,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{paint}\" text-anchor=\"middle\" \
         dominant-baseline=\"central\" pointer-events=\"none\">{}</text>",
        escaped(words),
    );
}

struct Legend {
    text: String,
    height: f32,
}

/// The grades with their prices, below the floors.
fn legend(plan: &SitePlan, width: f32, top: f32) -> Legend {
    let size = (width / 60.0).clamp(0.4, 20.0);
    let mut text = String::new();
    let line = size * 1.8;
    let mut y = top + line / 2.0;
    for grade in &plan.grades {
        let _ = writeln!(
            text,
            "<circle cx=\"{}\" cy=\"{y}\" r=\"{}\" fill=\"{}\"/><text x=\"{}\" y=\"{y}\" \
             font-size=\"{size}\" fill=\"#33333a\" dominant-baseline=\"central\">{}, {} KRW</text>",
            size * 1.5,
            size * 0.5,
            grade.color,
            size * 2.5,
            escaped(&grade.name),
            grade.price,
        );
        y += line;
    }
    Legend { text, height: line * (plan.grades.len() as f32 + 0.5) }
}

/// The part of the plan that a floor shows, and the radius of its seats.
struct Frame {
    least: Point,
    most: Point,
    seat: f32,
}

impl Frame {
    fn of(plan: &SitePlan, floor: Option<u32>) -> Self {
        let here = |own: Option<u32>| own.is_none() || floor.is_none() || own == floor;
        let blocks = || plan.blocks().map(|(_, _, block)| block).filter(|block| here(block.floor));
        let runs = || blocks().flat_map(|block| &block.rows).flat_map(|row| &row.runs);
        let seats = runs().flat_map(|run| (0..run.seats).map(|offset| run.point(offset)));
        let outlines = blocks().flat_map(|block| {
            block.outline.iter().chain(block.more_outlines.iter().flatten()).copied()
        });
        let shapes = plan.shapes.iter().filter(|shape| here(shape.floor)).flat_map(|shape| {
            let circle = shape.circle.iter().flat_map(|circle| {
                let ([x, y], r) = (circle.center, circle.radius);
                [[x - r, y - r], [x + r, y + r]]
            });
            shape.outline.iter().copied().chain(circle)
        });
        let texts = plan.texts.iter().filter(|text| here(text.floor)).map(|text| text.at);
        let focus = std::iter::once(plan.focus);
        let all = seats.chain(outlines).chain(shapes).chain(texts).chain(focus);
        let mut frame = Self::around(all);
        for axis in [0, 1] {
            frame.least[axis] -= MARGIN_METRES;
            frame.most[axis] += MARGIN_METRES;
        }
        for run in runs() {
            if run.seats > 1 {
                let [a, b] = [run.point(0), run.point(1)];
                let half = (a[0] - b[0]).hypot(a[1] - b[1]) * 0.46;
                frame.seat = frame.seat.min(half.max(0.05));
            }
        }
        frame
    }

    fn around(points: impl Iterator<Item = Point>) -> Self {
        let (mut least, mut most) = ([f32::MAX; 2], [f32::MIN; 2]);
        for point in points {
            for axis in [0, 1] {
                least[axis] = least[axis].min(point[axis]);
                most[axis] = most[axis].max(point[axis]);
            }
        }
        Self { least, most, seat: SEAT_RADIUS_METRES }
    }

    fn middle(&self) -> Point {
        [0, 1].map(|axis| f32::midpoint(self.least[axis], self.most[axis]))
    }

    /// The size of texts that can be read when the whole floor is in sight.
    fn text_size(&self) -> f32 {
        ((self.most[0] - self.least[0]) / 30.0).max(0.5)
    }
}

fn path(outline: &[Point]) -> String {
    let mut path = String::new();
    for (at, [x, y]) in outline.iter().enumerate() {
        let _ = write!(path, "{}{x} {y}", if at == 0 { "M" } else { "L" });
    }
    path + "Z"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
