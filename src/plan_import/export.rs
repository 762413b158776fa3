//! Writes the seats of a plan as CSV, as the import reads it.

use crate::domain::plan::{Block, Grade, Row, SitePlan};
use ::csv::{Writer, WriterBuilder};
use std::collections::HashMap;

/// The columns in their order.
const COLUMNS: [&str; 18] = [
    "area",
    "section",
    "block",
    "floor",
    "row",
    "seat",
    "x",
    "y",
    "grade",
    "attributes",
    "id",
    "seatId",
    "run",
    "unit",
    "places",
    "gradeName",
    "price",
    "color",
];

/// The seats and places of a plan as CSV. Shapes, texts, images and outlines are not in it.
pub fn plan_as_csv(plan: &SitePlan) -> String {
    let grades = plan.grades.iter().map(|grade| (grade.code.as_str(), grade)).collect();
    let floors: HashMap<u32, &str> =
        plan.floors.iter().map(|floor| (floor.id, floor.name.as_str())).collect();
    let mut lines = Lines { writer: WriterBuilder::new().from_writer(vec![]), grades };
    lines.write(&COLUMNS);
    for (area, section, block) in plan.blocks() {
        let floor = block.floor.and_then(|floor| floors.get(&floor)).copied().unwrap_or_default();
        lines.block([&area.name, &section.name, &block.name, floor], block);
    }
    let bytes = lines.writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

struct Lines<'a> {
    writer: Writer<Vec<u8>>,
    grades: HashMap<&'a str, &'a Grade>,
}

impl Lines<'_> {
    /// Writing into memory can't fail.
    fn write(&mut self, fields: &[&str]) {
        let _ = self.writer.write_record(fields);
    }

    fn block(&mut self, names: [&str; 4], block: &Block) {
        if let Some(places) = &block.places {
            let outline = &block.outline;
            let middle = [0, 1].map(|axis| {
                let along = outline.iter().map(|point| f64::from(point[axis]));
                let (least, most) = along.fold((f64::MAX, f64::MIN), |(least, most), metres| {
                    (least.min(metres), most.max(metres))
                });
                metres(f64::midpoint(least, most))
            });
            let [x, y] = &middle;
            let (id, count) = (places.first_seat_id.0.to_string(), places.count.to_string());
            let grade = self.grade(&block.grade);
            let [area, section, name, floor] = names;
            self.write(&[
                area,
                section,
                name,
                floor,
                "",
                "",
                x,
                y,
                &block.grade,
                "",
                "",
                &id,
                "",
                "",
                &count,
                &grade[0],
                &grade[1],
                &grade[2],
            ]);
        }
        let mut attributes: HashMap<u32, Vec<&str>> = HashMap::new();
        for (attribute, seats) in &block.attributes {
            for seat in seats {
                attributes.entry(seat.0).or_default().push(attribute);
            }
        }
        for (at, row) in block.rows.iter().enumerate() {
            self.row(names, block, &attributes, row, at);
        }
    }

    fn row(
        &mut self,
        names: [&str; 4],
        block: &Block,
        attributes: &HashMap<u32, Vec<&str>>,
        row: &Row,
        row_at: usize,
    ) {
        let [area, section, name, floor] = names;
        let (mut aisles, mut units) = (0, 0);
        for (at, run) in row.runs.iter().enumerate() {
            aisles += u32::from(at == 0 || !run.joined);
            let number = match row.label.is_empty() {
                true => format!("{}.{aisles}", row_at + 1),
                false => aisles.to_string(),
            };
            let code = block.grade_of(row, run);
            let grade = self.grade(code);
            for offset in 0..run.seats {
                let [x, y] = run.point(offset).map(|at| metres(f64::from(at)));
                units += u32::from(offset % run.unit_seats.max(1) == 0);
                let unit = if run.unit_seats > 1 { units.to_string() } else { String::new() };
                let id = run.first_seat_id.0.saturating_add(offset);
                let with = attributes.get(&id).map(|names| names.join(" ")).unwrap_or_default();
                self.write(&[
                    area,
                    section,
                    name,
                    floor,
                    &row.label,
                    &run.name(offset),
                    &x,
                    &y,
                    code,
                    &with,
                    run.external_id(offset).unwrap_or_default(),
                    &id.to_string(),
                    &number,
                    &unit,
                    "",
                    &grade[0],
                    &grade[1],
                    &grade[2],
                ]);
            }
        }
    }

    /// Name, price and colour of a grade.
    fn grade(&self, code: &str) -> [String; 3] {
        match self.grades.get(code) {
            Some(grade) => [grade.name.clone(), grade.price.to_string(), grade.color.clone()],
            None => Default::default(),
        }
    }
}

/// Metres with at most two places behind the point.
fn metres(metres: f64) -> String {
    let rounded = (metres * 100.0).round() / 100.0;
    // Without the sign of a zero.
    (rounded + 0.0).to_string()
}
