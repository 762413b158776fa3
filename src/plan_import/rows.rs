//! The order of the seats of a row, its aisles, and its runs.

use super::drawing::{DrawnRow, DrawnSeat, Faults, Spot};
use super::geometry::distance;
use crate::domain::ids::SeatId;
use crate::domain::plan::{Point, Row, Run};

/// A gap wider than so many usual gaps of its row is an aisle. Between smaller numbers, rows with
/// uneven seats would fall into pieces; with larger ones, narrow aisles would be overlooked.
const AISLE_GAPS: f64 = 1.6;
/// A gap wider than so many usual gaps of the whole plan is an aisle, too, because a short row has
/// no usual gap.
const AISLE_PLAN_GAPS: f64 = 3.0;
/// A run is a line when no seat is farther from its place on the line, in metres. Coordinates are
/// rounded to a centimetre, which moves a seat by up to 0.7 cm.
const LINE_METRES: f64 = 0.015;
/// The seats stay in the order of the file unless another order makes a row that is shorter by this
/// factor.
const SHORTER: f64 = 0.99;
/// The most seats of a run of a plan.
const RUN_SEATS_MAX: usize = 200;

/// Puts the seats of a row into the order in which they stand, because a file may list them by
/// their numbers, and numbers may turn in the middle of a row.
pub(super) fn order(row: &mut DrawnRow) {
    let seats = &mut row.seats;
    let unit = seats.first().and_then(|seat| seat.unit.clone());
    let is_unit = unit.is_some() && seats.iter().all(|seat| seat.unit == unit);
    if row.is_table || is_unit || seats.len() < 3 {
        return;
    }
    let count = seats.len() as f64;
    let middle = [0, 1].map(|axis| seats.iter().map(|seat| seat.at[axis]).sum::<f64>() / count);
    let first = farthest(seats, middle);
    let last = farthest(seats, first);
    let along = |seat: &DrawnSeat| {
        (seat.at[0] - first[0]) * (last[0] - first[0])
            + (seat.at[1] - first[1]) * (last[1] - first[1])
    };
    let mut order: Vec<usize> = (0..seats.len()).collect();
    order.sort_by(|a, b| along(&seats[*a]).total_cmp(&along(&seats[*b])));
    if order.iter().position(|at| *at == 0) > Some(seats.len() / 2) {
        order.reverse();
    }
    let path = |order: &mut dyn Iterator<Item = usize>| {
        let mut sum = 0.0;
        let mut before = None;
        for at in order {
            sum += before.map_or(0.0, |before| distance(before, seats[at].at));
            before = Some(seats[at].at);
        }
        sum
    };
    let as_listed = path(&mut (0..seats.len()));
    if path(&mut order.iter().copied()) < as_listed * SHORTER {
        *seats = order.iter().map(|at| seats[*at].clone()).collect();
    }
}

/// The seat that is farthest from a point. The order of the file must not matter.
fn farthest(seats: &[DrawnSeat], from: Spot) -> Spot {
    let spots = seats.iter().map(|seat| seat.at);
    let farther = |a: &Spot, b: &Spot| {
        let (near, far) = (distance(*a, from), distance(*b, from));
        near.total_cmp(&far).then(a[0].total_cmp(&b[0])).then(a[1].total_cmp(&b[1]))
    };
    spots.max_by(farther).unwrap_or(from)
}

/// The usual gap between neighbours: the median, the lower one of two. `None` without neighbours.
pub(super) fn usual_gap<'a>(rows: impl Iterator<Item = &'a DrawnRow>) -> Option<f64> {
    let mut gaps: Vec<f64> = rows.filter(|row| !row.is_table).flat_map(gaps).collect();
    gaps.retain(|gap| *gap > 0.0);
    gaps.sort_by(f64::total_cmp);
    gaps.get(gaps.len().saturating_sub(1) / 2).copied()
}

fn gaps(row: &DrawnRow) -> impl Iterator<Item = f64> {
    row.seats.windows(2).map(|pair| distance(pair[0].at, pair[1].at))
}

/// The row of the plan. All seats have ids, and the codes of the grades are those of the plan.
pub(super) fn row(drawn: &DrawnRow, plan_gap: f64, codes: &[String], faults: &mut Faults) -> Row {
    let row_gap = usual_gap(std::iter::once(drawn)).unwrap_or(f64::INFINITY);
    let is_aisle = |before: &DrawnSeat, seat: &DrawnSeat| match (&before.run, &seat.run) {
        (Some(before), Some(run)) => before != run,
        _ if drawn.is_table => false,
        _ => {
            let gap = distance(before.at, seat.at);
            gap > row_gap * AISLE_GAPS || gap > plan_gap * AISLE_PLAN_GAPS
        }
    };
    let mut runs: Vec<Draft> = Vec::new();
    for unit in units(drawn, faults) {
        let behind = runs.last().and_then(|run| run.seats.last());
        let aisle = behind.is_some_and(|before| is_aisle(before, &unit[0]));
        match runs.last_mut() {
            Some(run) if !aisle && run.takes(unit) => run.seats.extend(unit),
            last => {
                let joined = last.is_some() && !aisle;
                runs.push(Draft { seats: unit.iter().collect(), unit: unit.len(), joined });
            }
        }
    }
    let runs: Vec<Run> = runs.iter().map(|run| run.finish(codes)).collect();
    let flat = runs.len() == 1;
    let mut row = Row { label: drawn.label.clone(), grade: None, runs, flat };
    if row.runs.iter().all(|run| run.grade == row.runs[0].grade) {
        row.grade = row.runs.first().and_then(|run| run.grade.clone());
        row.runs.iter_mut().for_each(|run| run.grade = None);
    }
    row
}

/// The units of a row in their order; a seat that is sold alone is a unit of one.
fn units<'a>(row: &'a DrawnRow, faults: &mut Faults) -> Vec<&'a [DrawnSeat]> {
    let same = |a: &DrawnSeat, b: &DrawnSeat| a.unit.is_some() && a.unit == b.unit;
    let units: Vec<&[DrawnSeat]> = row.seats.chunk_by(same).collect();
    let mut seen = std::collections::HashSet::new();
    for unit in &units {
        let Some(name) = &unit[0].unit else { continue };
        if !seen.insert(name) {
            let message = format!("The seats of the unit {name:?} are not side by side.");
            faults.add(&row.place, message);
        }
        if unit.iter().any(|seat| seat.grade != unit[0].grade) {
            let message = format!("The seats of the unit {name:?} must have one grade.");
            faults.add(&row.place, message);
        }
        if unit.windows(2).any(|pair| !follows(&pair[0], &pair[1])) {
            let message = format!("The ids of the unit {name:?} must follow each other.");
            faults.add(&row.place, message);
        }
    }
    units
}

/// Whether the id of a seat is the one behind that of another.
fn follows(before: &DrawnSeat, seat: &DrawnSeat) -> bool {
    before.id.zip(seat.id).is_some_and(|(before, id)| before.checked_add(1) == Some(id))
}

/// A run that is being collected.
struct Draft<'a> {
    seats: Vec<&'a DrawnSeat>,
    unit: usize,
    joined: bool,
}

impl Draft<'_> {
    fn takes(&self, unit: &[DrawnSeat]) -> bool {
        self.unit == unit.len()
            && self.seats.len() + unit.len() <= RUN_SEATS_MAX
            && self.seats.last().is_some_and(|before| {
                before.grade == unit[0].grade
                    && before.name.is_empty() == unit[0].name.is_empty()
                    && follows(before, &unit[0])
            })
    }

    fn finish(&self, codes: &[String]) -> Run {
        let seats = &self.seats;
        let first = seats[0];
        let points: Vec<Point> = seats.iter().map(|seat| seat.at.map(|at| at as f32)).collect();
        let is_line = is_line(seats);
        let (first_number, number_step, names) = numbers(seats);
        let mut external_ids: Vec<String> =
            seats.iter().map(|seat| seat.external_id.clone()).collect();
        if external_ids.iter().all(String::is_empty) {
            external_ids.clear();
        }
        Run {
            first_seat_id: SeatId(first.id.unwrap_or_default()),
            seats: seats.len() as u32,
            first_number,
            number_step,
            names,
            unnumbered: first.name.is_empty(),
            external_ids,
            grade: Some(codes[first.grade].clone()),
            from: is_line.then(|| points[0]),
            to: is_line.then(|| points[points.len() - 1]),
            bow: 0.0,
            points: if is_line { vec![] } else { points },
            unit_seats: self.unit as u32,
            joined: self.joined,
        }
    }
}

/// Whether seats are on a line at equal distances.
fn is_line(seats: &[&DrawnSeat]) -> bool {
    let (first, last) = (seats[0].at, seats[seats.len() - 1].at);
    let steps = (seats.len() - 1).max(1) as f64;
    seats.iter().enumerate().all(|(at, seat)| {
        let share = at as f64 / steps;
        let place = [0, 1].map(|axis| first[axis] + (last[axis] - first[axis]) * share);
        distance(place, seat.at) <= LINE_METRES
    }) && (seats.len() == 1 || first != last)
}

/// First number and step of seats whose names are such numbers, or else their names.
fn numbers(seats: &[&DrawnSeat]) -> (u32, i32, Vec<String>) {
    if seats[0].name.is_empty() {
        return (1, 1, vec![]);
    }
    let number = |seat: &&DrawnSeat| {
        // A number with zeros in front is a name.
        let number: i64 = seat.name.parse().ok()?;
        ((0..=i64::from(i32::MAX)).contains(&number) && number.to_string() == seat.name)
            .then_some(number)
    };
    let numbers: Option<Vec<i64>> = seats.iter().map(number).collect();
    if let Some(numbers) = numbers {
        let step = numbers.get(1).map_or(1, |second| second - numbers[0]);
        let is_even = step != 0 && numbers.windows(2).all(|pair| pair[1] - pair[0] == step);
        let (first, step) = (u32::try_from(numbers[0]), i32::try_from(step));
        if let (true, Ok(first), Ok(step)) = (is_even, first, step) {
            return (first, step, vec![]);
        }
    }
    (1, 1, seats.iter().map(|seat| seat.name.clone()).collect())
}
