//! CSV: a line per seat. The first line names the columns (docs/PLAN-IMPORT.md has all of them).

use super::drawing::{
    Drawing, DrawnBlock, DrawnGrade, DrawnPlaces, DrawnRow, DrawnSeat, Faults, Spot,
};
use super::foreign::{first_name, is_sound, name};
use super::geometry::centered;
use ::csv::{ReaderBuilder, StringRecord, Trim};
use std::collections::HashMap;

/// The columns that each file has.
const NEEDED: [&str; 6] = ["section", "row", "seat", "x", "y", "grade"];
/// The columns that may be absent.
const OPTIONAL: [&str; 12] = [
    "area",
    "block",
    "floor",
    "attributes",
    "id",
    "seatid",
    "run",
    "unit",
    "places",
    "gradename",
    "price",
    "color",
];
/// How much of an area a person needs who stands, in square metres. An area of places is drawn as
/// large as that, because a line has no outline.
const STANDING_SQUARE_METRES: f64 = 0.5;

/// A line, with the positions of the columns.
struct Line<'a> {
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
    place: String,
}

impl Line<'_> {
    /// The text of a column; empty when the column is absent.
    fn get(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|at| self.record.get(*at)).unwrap_or_default()
    }

    /// The number of a column, or `None` with a fault. An empty text is no number.
    fn number<T: std::str::FromStr>(&self, column: &str, faults: &mut Faults) -> Option<T> {
        // Spreadsheets of many countries write a comma.
        let text = self.get(column).replace(',', ".");
        let number = text.parse().ok();
        if number.is_none() {
            let found = self.get(column);
            faults.add(&self.place, format!("The column {column} needs a number, not {found:?}."));
        }
        number
    }

    /// The number of a column that may be empty.
    fn number_or_none<T: std::str::FromStr>(&self, column: &str, faults: &mut Faults) -> Option<T> {
        if self.get(column).is_empty() { None } else { self.number(column, faults) }
    }

    fn spot(&self, faults: &mut Faults) -> Option<Spot> {
        let spot = self.number("x", faults).zip(self.number("y", faults)).map(|(x, y)| [x, y])?;
        if !is_sound(spot) {
            faults.add(&self.place, "The columns x and y are too large, or no numbers.");
            return None;
        }
        Some(spot)
    }
}

pub(super) fn read(text: &str, faults: &mut Faults) -> Option<Drawing> {
    let text = text.trim_start_matches('\u{feff}');
    let header = text.lines().next().unwrap_or_default();
    let delimiters = [b',', b';', b'\t'];
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    // The comma wins when no delimiter is there, because `max_by_key` returns the last.
    let delimiter = delimiters.into_iter().rev().max_by_key(count).unwrap_or(b',');
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut drawing = Drawing::default();
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => {
            faults.add("line 1", format!("This is no line of CSV: {error}."));
            return None;
        }
    };
    let columns = columns(&headers, &mut drawing, faults)?;
    let mut table = Table::default();
    let mut record = StringRecord::new();
    loop {
        let number = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                faults.add(&format!("line {number}"), format!("This is no line of CSV: {error}."));
                break;
            }
        }
        let number = record.position().map_or(number, ::csv::Position::line);
        let place = format!("line {number}");
        if record.len() != headers.len() {
            let message = format!(
                "The line has {} fields, but the first line names {} columns.",
                record.len(),
                headers.len()
            );
            faults.add(&place, message);
            continue;
        }
        let line = Line { columns: &columns, record: &record, place };
        table.take(&mut drawing, &line, faults);
    }
    drawing.blocks = table.blocks;
    let sections = drawing.blocks.iter().map(|block| block.section.as_str()).next();
    drawing.name = first_name(&[sections.unwrap_or_default(), "CSV"]);
    Some(drawing)
}

fn columns(
    headers: &StringRecord,
    drawing: &mut Drawing,
    faults: &mut Faults,
) -> Option<HashMap<String, usize>> {
    let mut columns = HashMap::new();
    for (at, header) in headers.iter().enumerate() {
        let column = header.to_lowercase();
        if !NEEDED.contains(&column.as_str()) && !OPTIONAL.contains(&column.as_str()) {
            drawing.notes.push(format!("The column {header:?} is not used."));
        } else if columns.insert(column, at).is_some() {
            faults.add("line 1", format!("The column {header:?} is there twice."));
        }
    }
    let missing: Vec<&str> =
        NEEDED.into_iter().filter(|column| !columns.contains_key(*column)).collect();
    if !missing.is_empty() {
        let message = format!("The first line lacks the columns {}.", missing.join(", "));
        faults.add("line 1", message);
    }
    faults.is_empty().then_some(columns)
}

/// Area, section, block and floor of a line.
type BlockKey = [String; 4];

/// The blocks and rows of the lines so far, in the order in which they were first named.
#[derive(Default)]
struct Table {
    blocks: Vec<DrawnBlock>,
    block_at: HashMap<BlockKey, usize>,
    /// The row of a block by its label, and for rows without a label by the part of `run` before
    /// the point.
    row_at: HashMap<(usize, String, String), usize>,
    grade_at: HashMap<String, usize>,
}

impl Table {
    fn take(&mut self, drawing: &mut Drawing, line: &Line<'_>, faults: &mut Faults) {
        let grade = self.grade(drawing, line, faults);
        let Some(at) = line.spot(faults) else { return };
        let block_at = self.block(line);
        if !line.get("places").is_empty() {
            let count = line.number("places", faults);
            let first_id = line.number_or_none("seatid", faults);
            let Some(count) = count else { return };
            let block = &mut self.blocks[block_at];
            if block.places.is_some() || !block.rows.is_empty() {
                let message = "A block has either one line with places, or seats; give the places \
                    a block of their own.";
                return faults.add(&line.place, message);
            }
            let side = (f64::from(count) * STANDING_SQUARE_METRES).sqrt();
            block.outline = centered(at, [side, side], 0.0);
            block.places = Some(DrawnPlaces { count, grade, first_id });
            return;
        }
        if self.blocks[block_at].places.is_some() {
            let message = "This block has places without seats; give the seats a block of their \
                own.";
            return faults.add(&line.place, message);
        }
        let some = |column: &str| Some(line.get(column).to_owned()).filter(|text| !text.is_empty());
        let attributes = line.get("attributes").split([' ', ';', ',', '|']);
        let seat = DrawnSeat {
            name: line.get("seat").to_owned(),
            at,
            grade,
            attributes: attributes.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            external_id: line.get("id").to_owned(),
            id: line.number_or_none("seatid", faults),
            run: some("run"),
            unit: some("unit"),
        };
        self.row(block_at, line).seats.push(seat);
    }

    fn block(&mut self, line: &Line<'_>) -> usize {
        let section = first_name(&[line.get("section"), line.get("area"), line.get("block"), "-"]);
        let floor = name(line.get("floor"));
        let area = first_name(&[line.get("area"), &floor, &section]);
        let block = first_name(&[line.get("block"), &section]);
        let key = [area, section, block, floor];
        *self.block_at.entry(key).or_insert_with_key(|key| {
            let [area, section, name, floor] = key.clone();
            let place = line.place.clone();
            self.blocks.push(DrawnBlock {
                place,
                area,
                section,
                name,
                floor,
                ..DrawnBlock::default()
            });
            self.blocks.len() - 1
        })
    }

    fn row(&mut self, block_at: usize, line: &Line<'_>) -> &mut DrawnRow {
        let label = line.get("row").to_owned();
        let part = match label.is_empty() {
            true => line.get("run").split('.').next().unwrap_or_default().to_owned(),
            false => String::new(),
        };
        let rows = &mut self.blocks[block_at].rows;
        let at = *self.row_at.entry((block_at, label, part)).or_insert_with_key(|(_, label, _)| {
            let (place, label) = (line.place.clone(), label.clone());
            rows.push(DrawnRow { place, label, ..DrawnRow::default() });
            rows.len() - 1
        });
        &mut rows[at]
    }

    /// The grade of a line. The first line of a grade that has a name, a price or a colour says it
    /// for all.
    fn grade(&mut self, drawing: &mut Drawing, line: &Line<'_>, faults: &mut Faults) -> usize {
        let key = line.get("grade");
        if key.is_empty() {
            faults.add(&line.place, "The column grade is empty.");
        }
        let at = *self.grade_at.entry(key.to_owned()).or_insert_with(|| {
            let (key, name) = (key.to_owned(), String::new());
            drawing.grades.push(DrawnGrade { key, name, color: None, price: None });
            drawing.grades.len() - 1
        });
        let price = line.number_or_none("price", faults);
        let grade = &mut drawing.grades[at];
        if let (Some(before), Some(price)) = (grade.price, price)
            && before != price
        {
            let message = format!("The price of {key:?} is {before} before, and {price} here.");
            faults.add(&line.place, message);
        }
        grade.price = grade.price.or(price);
        let text = |column: &str| Some(line.get(column)).filter(|text| !text.is_empty());
        if grade.color.is_none() {
            grade.color = text("color").map(str::to_owned);
        }
        if grade.name.is_empty() {
            grade.name = text("gradename").unwrap_or_default().to_owned();
        }
        at
    }
}
