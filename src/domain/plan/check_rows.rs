//! The rules of the rows, places and attributes of a block.

use super::check::{Check, ID_MAX, IdRange, SEATS_MAX};
use super::{Block, Places, Row, Run};
use crate::domain::text::canonical_name;
use std::collections::{HashMap, HashSet};

const RUN_SEATS_MAX: u32 = 200;
const RUNS_MAX: usize = 50;
/// Every attribute takes a bit per seat of the site on each node.
const ATTRIBUTES_MAX: usize = 50;
const NUMBER_MAX: i64 = u32::MAX as i64;

impl<'a> Check<'a> {
    pub(super) fn rows(&mut self, list: &str, block: &'a Block) {
        self.some(list, block.rows.len(), "A block needs at least one row, or places.");
        let mut labels = HashSet::new();
        for (at, row) in block.rows.iter().enumerate() {
            let place = format!("{list}/{at}");
            if !row.label.is_empty() && !labels.insert(canonical_name(&row.label)) {
                let message = "Another row of this block has the same label, or one that looks \
                    the same; a ticket needs one row, so give each its own.";
                self.fault(&format!("{place}/label"), message);
            }
            self.row(&place, row);
        }
        self.names_without_a_row(list, block);
    }

    /// Rows without a label share their names, because a ticket shows nothing else of them.
    fn names_without_a_row(&mut self, list: &str, block: &'a Block) {
        if self.seats > SEATS_MAX {
            return;
        }
        let mut names = HashSet::new();
        for (at, row) in block.rows.iter().enumerate() {
            let mut own = HashSet::new();
            let seen = if row.label.is_empty() { &mut names } else { &mut own };
            let of_run = |run: &'a Run| (0..run.seats.min(RUN_SEATS_MAX)).map(|at| run.name(at));
            // A step of 0 is a fault of its own.
            let sound = row.runs.iter().take(RUNS_MAX).filter(|run| run.number_step != 0);
            let twice = sound
                .flat_map(of_run)
                .find(|name| !name.is_empty() && !seen.insert(canonical_name(name)));
            if let Some(name) = twice {
                let message = format!(
                    "Two seats have the name {name:?} on their tickets; give each its own."
                );
                self.fault(&format!("{list}/{at}"), message);
            }
        }
    }

    fn row(&mut self, pointer: &str, row: &'a Row) {
        if !row.label.is_empty() {
            self.text(&format!("{pointer}/label"), "A row's label", &row.label, 10);
        }
        if let Some(grade) = &row.grade {
            self.grade_exists(pointer, grade);
        }
        if row.runs.len() > RUNS_MAX {
            self.fault(&format!("{pointer}/runs"), format!("A row has at most {RUNS_MAX} runs."));
        }
        for (at, run) in row.runs.iter().enumerate() {
            match row.flat {
                true => self.run(pointer, run),
                false => self.run(&format!("{pointer}/runs/{at}"), run),
            }
        }
    }

    fn run(&mut self, pointer: &str, run: &'a Run) {
        if let Some(grade) = &run.grade {
            self.grade_exists(pointer, grade);
        }
        self.run_numbers(pointer, run);
        self.run_names(pointer, run);
        if !run.points.is_empty() {
            self.one_each(pointer, "points", run.points.len(), run);
            for (at, point) in run.points.iter().enumerate() {
                self.point(&format!("{pointer}/points/{at}"), *point);
            }
            if run.from.is_some() || run.to.is_some() {
                let message = "Seats have points of their own, or a line from and to, not both.";
                self.fault(&format!("{pointer}/points"), message);
            }
            return;
        }
        let (Some(from), Some(to)) = (run.from, run.to) else {
            let message = "Seats need a line (`from` and `to`), or `points` of their own.";
            self.fault(&format!("{pointer}/from"), message);
            return;
        };
        let sound =
            self.point(&format!("{pointer}/from"), from) & self.point(&format!("{pointer}/to"), to);
        let chord = (to[0] - from[0]).hypot(to[1] - from[1]);
        if !sound {
            return;
        }
        if run.seats > 1 && chord == 0.0 {
            let message = "The first and the last seat stand on the same point; move one.";
            self.fault(&format!("{pointer}/to"), message);
        } else if !run.bow.is_finite() || run.bow.abs() > chord / 2.0 {
            let message = "A bow is at most half the distance between the first and the last \
                seat (that is half a circle); use 0 for a straight row.";
            self.fault(&format!("{pointer}/bow"), message);
        }
    }

    fn run_numbers(&mut self, pointer: &str, run: &Run) {
        if !(1..=RUN_SEATS_MAX).contains(&run.seats) {
            let message = format!(
                "A row, or a run of one, has 1 to {RUN_SEATS_MAX} seats, not {}.",
                run.seats
            );
            self.fault(&format!("{pointer}/seats"), message);
        }
        self.ids(pointer, "firstSeatId", run.first_seat_id.0, run.seats);
        if run.unit_seats < 1 || !run.seats.is_multiple_of(run.unit_seats.max(1)) {
            let message = format!(
                "The seats of a unit are 1 or more, and {} seats are a whole number of units.",
                run.seats
            );
            self.fault(&format!("{pointer}/unitSeats"), message);
        }
        if run.number_step == 0 {
            let message = "The step from seat number to seat number is not 0.";
            self.fault(&format!("{pointer}/numberStep"), message);
        }
        let last = run.number(run.seats.saturating_sub(1));
        if !(0..=NUMBER_MAX).contains(&last) {
            let message =
                format!("The last seat would have number {last}; numbers are 0 to {NUMBER_MAX}.");
            self.fault(&format!("{pointer}/firstNumber"), message);
        }
    }

    /// Notes which ids a row or places take.
    fn ids(&mut self, pointer: &str, field: &'static str, first: u32, count: u32) {
        self.seats += u64::from(count);
        let first = u64::from(first);
        let last = first + u64::from(count.saturating_sub(1));
        if first < 1 || last > ID_MAX {
            let message = format!("Seat ids are 1 to {ID_MAX}; this row has {first} to {last}.");
            self.fault(&format!("{pointer}/{field}"), message);
        }
        self.ranges.push(IdRange { first, last, pointer: pointer.to_owned(), field });
    }

    fn run_names(&mut self, pointer: &str, run: &'a Run) {
        if !run.names.is_empty() {
            self.one_each(pointer, "names", run.names.len(), run);
            if run.unnumbered {
                let message = "Seats have names or are without, not both.";
                self.fault(&format!("{pointer}/unnumbered"), message);
            }
        }
        for (at, name) in run.names.iter().enumerate() {
            self.text(&format!("{pointer}/names/{at}"), "A seat's name", name, 10);
        }
        if !run.external_ids.is_empty() {
            self.one_each(pointer, "externalIds", run.external_ids.len(), run);
        }
        let ids = run.external_ids.iter().enumerate().filter(|(_, id)| !id.is_empty());
        for (at, id) in ids {
            let place = format!("{pointer}/externalIds/{at}");
            self.text(&place, "An external id", id, 50);
            match self.external_ids.get(id.as_str()) {
                Some(first) => {
                    let message =
                        format!("External id {id:?} is used before, at {first}; give it another.");
                    self.fault(&place, message);
                }
                None => drop(self.external_ids.insert(id, place)),
            }
        }
    }

    fn one_each(&mut self, pointer: &str, field: &str, count: usize, run: &Run) {
        if count != run.seats as usize {
            let message =
                format!("The list has an entry for each seat: {}, not {count}.", run.seats);
            self.fault(&format!("{pointer}/{field}"), message);
        }
    }

    pub(super) fn places(&mut self, pointer: &str, block: &Block, places: &Places) {
        if !block.rows.is_empty() {
            let message = "A block has rows of seats or places without seats, not both.";
            self.fault(&format!("{pointer}/places"), message);
        }
        if places.count < 1 || u64::from(places.count) > SEATS_MAX {
            let message = format!("There are 1 to {SEATS_MAX} places, not {}.", places.count);
            self.fault(&format!("{pointer}/places/count"), message);
        }
        let (first, count) = (places.first_seat_id.0, places.count);
        self.ids(&format!("{pointer}/places"), "firstSeatId", first, count);
    }

    pub(super) fn attributes(&mut self, pointer: &str, block: &'a Block) {
        self.attributes
            .extend(block.attributes.keys().map(String::as_str).take(ATTRIBUTES_MAX + 1));
        if self.attributes.len() > ATTRIBUTES_MAX || block.attributes.len() > ATTRIBUTES_MAX {
            let message = format!("A site has at most {ATTRIBUTES_MAX} attributes.");
            self.fault(&format!("{pointer}/attributes"), message);
            return;
        }
        if self.seats > SEATS_MAX {
            return;
        }
        let mut seats: HashSet<u32> = HashSet::new();
        if !block.attributes.is_empty() {
            let runs = block.rows.iter().flat_map(|row| &row.runs);
            seats.extend(
                runs.flat_map(|run| run.seat_ids().take(RUN_SEATS_MAX as usize)).map(|seat| seat.0),
            );
        }
        let mut kinds: HashMap<u32, &str> = HashMap::new();
        for (name, ids) in &block.attributes {
            let place = format!("{pointer}/attributes/{name}");
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
            if !(1..=30).contains(&name.len()) || !name.bytes().all(is_plain) {
                let message = "An attribute's name is 1 to 30 of a-z, A-Z and 0-9.";
                self.fault(&format!("{pointer}/attributes"), message);
                continue;
            }
            for (at, id) in ids.iter().enumerate() {
                if !seats.contains(&id.0) {
                    let message = format!("This block has no seat {id}.");
                    self.fault(&format!("{place}/{at}"), message);
                }
                let is_for_two = [super::ACCESSIBLE, super::COMPANION].contains(&name.as_str());
                if is_for_two && kinds.insert(id.0, name).is_some() {
                    let message = format!("Seat {id} is accessible or for a companion, not both.");
                    self.fault(&format!("{place}/{at}"), message);
                }
            }
        }
    }
}
