//! A chart drawing of seats.io: rows, tables, booths and areas, in sections and on floors. The
//! charts in the tests of its public SDKs show the form. The seats of a section are drawn relative
//! to its upper left corner.

use crate::domain::plan::{ACCESSIBLE, COMPANION};
use crate::plan_import::colors::color;
use crate::plan_import::drawing::{
    Drawing, DrawnBlock, DrawnGrade, DrawnPlaces, DrawnRow, DrawnSeat, DrawnShape, DrawnText,
    Faults, Form, Spot,
};
use crate::plan_import::foreign::{Position, Text, first_name, is_sound, is_stage, name, parse};
use crate::plan_import::geometry::{centered, ellipse};
use chart::{Chart, Figure, Object, Part, Row, Seat, Table};

mod chart;

/// Units of half a metre where no neighbours show it.
const HALF_METRE_UNITS: f64 = 20.0;
/// The height of a text without a size, in units.
const TEXT_UNITS: f64 = 20.0;
/// The longest id of a seat that a plan may have, in characters.
const EXTERNAL_ID_CHARACTERS_MAX: usize = 50;

pub(super) fn read(text: &str, faults: &mut Faults) -> Option<Drawing> {
    let chart: Chart = parse(text, faults)?;
    let mut drawing = Drawing {
        name: first_name(&[&chart.name, "seats.io"]),
        half_metre: Some(HALF_METRE_UNITS),
        ..Drawing::default()
    };
    for category in &chart.categories.list {
        drawing.grades.push(DrawnGrade {
            key: category.key.0.clone(),
            name: first_name(&[&category.label.0, &category.key.0]),
            color: category.color.clone(),
            price: None,
        });
    }
    let is_accessible =
        chart.categories.list.iter().map(|category| category.accessible.unwrap_or(false)).collect();
    let mut reader = Reader { drawing, faults, is_accessible, images: 0 };
    if let Some(part) = &chart.sub_chart {
        reader.floor("/subChart", part, "");
    }
    for (at, part) in chart.sub_chart_floors.iter().enumerate() {
        let number = format!("Floor {}", at + 1);
        let name = first_name(&[&part.floor_display_name.0, &part.floor_name.0, &number]);
        reader.floor(&format!("/subChartFloors/{at}"), part, &name);
    }
    let Reader { mut drawing, images, .. } = reader;
    if images > 0 {
        let note =
            format!("Images and icons were left out ({images}): a chart only has their addresses.");
        drawing.notes.push(note);
    }
    Some(drawing)
}

struct Reader<'a> {
    drawing: Drawing,
    faults: &'a mut Faults,
    /// For each category of the chart.
    is_accessible: Vec<bool>,
    images: usize,
}

/// Where objects are, and what they have in common.
struct Around<'a> {
    place: &'a str,
    offset: Spot,
    /// Name of the floor, or empty.
    floor: &'a str,
    /// Name of the section, or empty.
    section: &'a str,
    /// Key of the category of objects without one, or empty.
    category: &'a str,
}

impl Reader<'_> {
    fn floor(&mut self, place: &str, part: &Part, floor: &str) {
        if self.drawing.focus.is_none() {
            self.drawing.focus = part.focal_point.map(|point| point.from([0.0; 2]));
        }
        let around = Around { place, offset: [0.0; 2], floor, section: "", category: "" };
        self.part(part, &around, vec![]);
        for (at, section) in part.sections.iter().enumerate() {
            let place = format!("{place}/sections/{at}/subChart");
            let offset = section.top_left.unwrap_or_default().from([0.0; 2]);
            let outline = section.points.iter().map(|point| point.from([0.0; 2])).collect();
            let (name, category) = (name(&section.label.0), &section.category_key.0);
            let around = Around { place: &place, offset, floor, section: &name, category };
            match &section.sub_chart {
                Some(part) => self.part(part, &around, outline),
                None => self.drawing.notes.push(format!("The section {name:?} is empty.")),
            }
        }
    }

    /// Everything that is drawn on a floor or in a section.
    fn part(&mut self, part: &Part, around: &Around<'_>, outline: Vec<Spot>) {
        self.images += part.image_objects.len() + part.icons.len();
        self.images += usize::from(part.background_image.is_some());
        let mut rows = Vec::new();
        for (at, row) in part.rows.iter().enumerate() {
            rows.extend(self.row(row, around, &format!("{}/rows/{at}", around.place)));
        }
        for (at, table) in part.tables.iter().enumerate() {
            rows.extend(self.table(table, around, &format!("{}/tables/{at}", around.place)));
        }
        for (at, booth) in part.booths.iter().enumerate() {
            rows.extend(self.booth(booth, around, &format!("{}/booths/{at}", around.place)));
        }
        if !rows.is_empty() {
            let name = first_name(&[around.section, &self.drawing.name]);
            let mut block = block(around, around.place, &name, outline);
            block.rows = rows;
            self.drawing.blocks.push(block);
        }
        for (at, area) in part.general_admission_areas.iter().enumerate() {
            let place = format!("{}/generalAdmissionAreas/{at}", around.place);
            self.places(area, around, &place);
        }
        for shape in &part.shapes {
            self.shape(shape, around);
        }
        for text in &part.texts {
            self.text(text, around);
        }
    }

    fn row(&mut self, row: &Row, around: &Around<'_>, place: &str) -> Option<DrawnRow> {
        let seats = self.seats(&row.seats, &row.object, around, place, None)?;
        let label = row.object.shown();
        Some(DrawnRow { place: place.to_owned(), label, is_table: false, seats })
    }

    fn table(&mut self, table: &Table, around: &Around<'_>, place: &str) -> Option<DrawnRow> {
        self.figure("table", &table.figure, around, None);
        let whole = table.book_as_a_whole.unwrap_or(false) && table.seats.len() > 1;
        let unit = whole.then(|| "table".to_owned());
        let seats =
            self.seats(&table.seats, &table.figure.object, around, place, unit.as_deref())?;
        let label = table.figure.object.shown();
        Some(DrawnRow { place: place.to_owned(), label, is_table: true, seats })
    }

    /// A booth is a place of its own, without a row.
    fn booth(&mut self, booth: &Figure, around: &Around<'_>, place: &str) -> Option<DrawnRow> {
        self.figure("area", booth, around, None);
        let grade = self.category(&booth.object.category_key, around, place)?;
        let at = booth.center.unwrap_or_default().from(around.offset);
        let external_id = external_id([around.section, "", &booth.object.label.0], "");
        let name = booth.object.shown();
        let seat = DrawnSeat { name, at, grade, external_id, ..DrawnSeat::default() };
        let (place, label) = (place.to_owned(), String::new());
        Some(DrawnRow { place, label, is_table: true, seats: vec![seat] })
    }

    fn seats(
        &mut self,
        seats: &[Seat],
        object: &Object,
        around: &Around<'_>,
        place: &str,
        unit: Option<&str>,
    ) -> Option<Vec<DrawnSeat>> {
        let mut read = Vec::new();
        for (at, seat) in seats.iter().enumerate() {
            let place = format!("{place}/seats/{at}");
            let own = &seat.object.category_key;
            let category = if own.0.is_empty() { &object.category_key } else { own };
            let Some(grade) = self.category(category, around, &place) else { continue };
            let at = seat.position.from(around.offset);
            if !is_sound(at) {
                self.faults.add(&place, "This position is too far away for a plan.");
                continue;
            }
            let of_category = self.is_accessible.get(grade).copied().unwrap_or(false);
            let of_category = of_category || seat.category_accessible.unwrap_or(false);
            let attributes = [
                (seat.accessible.unwrap_or(of_category), ACCESSIBLE),
                (seat.companion_seat.unwrap_or(false), COMPANION),
                (seat.restricted_view.unwrap_or(false), "restrictedView"),
            ];
            let labels = [around.section, object.label.0.as_str(), seat.object.label.0.as_str()];
            read.push(DrawnSeat {
                name: seat.object.shown(),
                at,
                grade,
                attributes: attributes
                    .iter()
                    .filter(|(has, _)| *has)
                    .map(|(_, name)| (*name).to_owned())
                    .collect(),
                external_id: external_id(labels, &seat.uuid.0),
                unit: unit.map(str::to_owned),
                ..DrawnSeat::default()
            });
        }
        (!read.is_empty()).then_some(read)
    }

    /// The index of a category, or of that of the section. Without both there is a fault.
    fn category(&mut self, key: &Text, around: &Around<'_>, place: &str) -> Option<usize> {
        let key = if key.0.is_empty() { around.category } else { &key.0 };
        let found = self.drawing.grades.iter().position(|grade| grade.key == key);
        if found.is_none() {
            let message = match key.is_empty() {
                true => "This has no category, and neither has its section.".to_owned(),
                false => format!("There is no category with the key {key:?} in /categories/list."),
            };
            self.faults.add(place, message);
        }
        found
    }

    /// A general admission area is a block of its own.
    fn places(&mut self, area: &Figure, around: &Around<'_>, place: &str) {
        let Some(grade) = self.category(&area.object.category_key, around, place) else { return };
        let Some(count) = area.capacity.filter(|count| *count > 0) else {
            return self.faults.add(&format!("{place}/capacity"), "This area has no capacity.");
        };
        let outline = match area.form(around.offset) {
            Some(Form::Outline(outline)) => outline,
            Some(Form::Circle { center, radius }) => ellipse(center, [radius, radius], 0.0),
            None => return self.faults.add(place, "This area has no points and no centre."),
        };
        let name = first_name(&[&area.object.shown(), around.section, &self.drawing.name]);
        let mut block = block(around, place, &name, outline);
        block.places = Some(DrawnPlaces { count, grade, first_id: None });
        self.drawing.blocks.push(block);
    }

    fn shape(&mut self, shape: &Figure, around: &Around<'_>) {
        let label = name(&shape.object.label.0);
        let kind = if is_stage(&label) { "stage" } else { "area" };
        self.figure(kind, shape, around, shape.fill_color.as_deref().and_then(color));
    }

    fn figure(
        &mut self,
        kind: &'static str,
        figure: &Figure,
        around: &Around<'_>,
        color: Option<String>,
    ) {
        if let Some(form) = figure.form(around.offset) {
            let floor = around.floor.to_owned();
            self.drawing.shapes.push(DrawnShape { kind, form, color, floor });
        }
    }

    fn text(&mut self, text: &chart::MapText, around: &Around<'_>) {
        let shown = first_name(&[&text.text.0, &text.label.0]);
        if shown.is_empty() {
            return;
        }
        let at = text.center.unwrap_or(Position { x: text.x, y: text.y });
        self.drawing.texts.push(DrawnText {
            text: shown,
            at: at.from(around.offset),
            size: text.font_size.unwrap_or(TEXT_UNITS),
            angle: text.rotation_angle,
            color: text.text_color.as_deref().or(text.color.as_deref()).and_then(color),
            floor: around.floor.to_owned(),
        });
    }
}

fn block(around: &Around<'_>, place: &str, name: &str, outline: Vec<Spot>) -> DrawnBlock {
    let section = first_name(&[around.section, name]);
    DrawnBlock {
        place: place.to_owned(),
        area: first_name(&[around.floor, &section]),
        section,
        name: name.to_owned(),
        floor: around.floor.to_owned(),
        outline,
        ..DrawnBlock::default()
    }
}

/// The name by which the API of seats.io knows a seat: section, row and seat. One that is too long
/// for a plan is replaced by the id of the drawing.
fn external_id(labels: [&str; 3], uuid: &str) -> String {
    let labels: Vec<&str> = labels.into_iter().filter(|label| !label.is_empty()).collect();
    let id = labels.join("-");
    if id.chars().count() > EXTERNAL_ID_CHARACTERS_MAX { uuid.to_owned() } else { id }
}

impl Object {
    /// The label that people see.
    fn shown(&self) -> String {
        first_name(&[&self.display_label.0, &self.label.0])
    }
}

impl Figure {
    /// The outline or circle; `None` for a figure of another kind.
    fn form(&self, offset: Spot) -> Option<Form> {
        let angle = self.rotation_angle;
        let center = self.center.map(|center| center.from(offset));
        if self.points.len() >= 3 {
            let outline = self.points.iter().map(|point| point.from(offset)).collect();
            return Some(Form::Outline(outline));
        }
        let radii = self.radius.map(|radius| [radius, radius]);
        let radii = radii.or(self.radius1.zip(self.radius2).map(|(along, across)| [along, across]));
        if let Some((center, [along, across])) = center.zip(radii)
            && self.kind != "rectangular"
        {
            return Some(match along == across {
                true => Form::Circle { center, radius: along },
                false => Form::Outline(ellipse(center, [along, across], angle)),
            });
        }
        let size = self.width.zip(self.height).map(|(width, height)| [width, height])?;
        let corner = self.top_left.map(|corner| corner.from(offset));
        let corner = corner.or_else(|| Some([offset[0] + self.x?, offset[1] + self.y?]));
        let of_corner = |[x, y]: Spot| [x + size[0] / 2.0, y + size[1] / 2.0];
        let center = center.or_else(|| corner.map(of_corner))?;
        Some(Form::Outline(centered(center, size, angle)))
    }
}
