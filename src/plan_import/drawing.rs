//! A plan as other programs draw it: seats with points, names and categories.

use crate::domain::plan::PlanFault;

/// The most grades of a plan.
pub(super) const GRADES_MAX: usize = 100;

/// A point in the units of the file.
pub(super) type Spot = [f64; 2];

/// The most faults that an import lists.
const FAULTS_MAX: usize = 200;

/// A plan of another program.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    pub(super) name: String,
    pub(super) focus: Option<Spot>,
    pub(super) grades: Vec<DrawnGrade>,
    pub(super) blocks: Vec<DrawnBlock>,
    pub(super) shapes: Vec<DrawnShape>,
    pub(super) texts: Vec<DrawnText>,
    pub(super) notes: Vec<String>,
    /// How many units are half a metre where no neighbours show it. `None`: the file is in metres.
    pub(super) half_metre: Option<f64>,
}

/// A category of seats.
#[derive(Debug, Default, Clone)]
pub(super) struct DrawnGrade {
    /// The name by which seats refer to it.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) color: Option<String>,
    pub(super) price: Option<i64>,
}

/// A block, with rows or with places.
#[derive(Debug, Default)]
pub(super) struct DrawnBlock {
    /// Where it is in the file.
    pub(super) place: String,
    pub(super) area: String,
    pub(super) section: String,
    pub(super) name: String,
    /// Name of its floor; empty in a house without floors.
    pub(super) floor: String,
    /// Empty: around its seats.
    pub(super) outline: Vec<Spot>,
    pub(super) rows: Vec<DrawnRow>,
    pub(super) places: Option<DrawnPlaces>,
}

/// Places without seats.
#[derive(Debug)]
pub(super) struct DrawnPlaces {
    pub(super) count: u32,
    /// Index of the grade.
    pub(super) grade: usize,
    pub(super) first_id: Option<u32>,
}

/// A row, or the seats around a table.
#[derive(Debug, Default)]
pub(super) struct DrawnRow {
    /// Where it is in the file.
    pub(super) place: String,
    pub(super) label: String,
    /// Its seats are in their order around a table, not from one end of a line to the other.
    pub(super) is_table: bool,
    pub(super) seats: Vec<DrawnSeat>,
}

/// A seat.
#[derive(Debug, Default, Clone)]
pub(super) struct DrawnSeat {
    pub(super) name: String,
    pub(super) at: Spot,
    /// Index of the grade.
    pub(super) grade: usize,
    pub(super) attributes: Vec<String>,
    pub(super) external_id: String,
    /// The id that the seat must have.
    pub(super) id: Option<u32>,
    /// Seats of a row with different runs have an aisle between them. `None`: distances decide.
    pub(super) run: Option<String>,
    /// Seats of a row with the same unit are sold together.
    pub(super) unit: Option<String>,
}

/// A shape under the seats.
#[derive(Debug)]
pub(super) struct DrawnShape {
    pub(super) kind: &'static str,
    pub(super) form: Form,
    pub(super) color: Option<String>,
    pub(super) floor: String,
}

/// The form of a shape.
#[derive(Debug)]
pub(super) enum Form {
    Outline(Vec<Spot>),
    Circle { center: Spot, radius: f64 },
}

/// A text on the map.
#[derive(Debug)]
pub(super) struct DrawnText {
    pub(super) text: String,
    pub(super) at: Spot,
    pub(super) size: f64,
    pub(super) angle: f64,
    pub(super) color: Option<String>,
    pub(super) floor: String,
}

/// The faults of a file.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<PlanFault>,
    unlisted: usize,
}

impl Faults {
    pub(super) fn add(&mut self, place: &str, message: impl Into<String>) {
        if self.list.len() < FAULTS_MAX {
            self.list.push(PlanFault { pointer: place.to_owned(), message: message.into() });
        } else {
            self.unlisted += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_list(mut self) -> Vec<PlanFault> {
        if self.unlisted > 0 {
            let message = format!(
                "There are {} more faults; mend those above, then import again.",
                self.unlisted
            );
            self.list.push(PlanFault { pointer: String::new(), message });
        }
        self.list
    }
}

impl Drawing {
    /// The index of the grade that seats call by this key. A key that is not known yet makes a
    /// grade of that name.
    pub(super) fn grade(&mut self, key: &str) -> usize {
        let known = self.grades.iter().position(|grade| grade.key == key);
        known.unwrap_or_else(|| {
            // The file has too many grades, which is a fault in the end. Nobody needs the others.
            if self.grades.len() > GRADES_MAX {
                return self.grades.len() - 1;
            }
            let (key, name) = (key.to_owned(), key.to_owned());
            self.grades.push(DrawnGrade { key, name, color: None, price: None });
            self.grades.len() - 1
        })
    }
}
