//! What each form becomes, which faults are found, and that an exported plan is the same when it
//! is read again.

use super::*;
use crate::domain::plan::{Block, Row, Run};
use proptest::prelude::*;
use std::fmt::Write as _;

const PRETIX: &str = include_str!("../../tests/plans/theatre.pretix.json");
const SEATSIO: &str = include_str!("../../tests/plans/club.seatsio.json");
const CSV: &str = include_str!("../../tests/plans/hall.csv");
const HEADER: &str = "section,row,seat,x,y,grade";

fn import(form: PlanForm, text: &str) -> SitePlan {
    match import_plan(form, text, &ImportOptions::default()) {
        Ok(imported) => imported.plan,
        Err(faults) => panic!("{faults:?}\n{text}"),
    }
}

fn faults(form: PlanForm, text: &str) -> Vec<String> {
    let faults =
        import_plan(form, text, &ImportOptions::default()).expect_err("a plan with faults");
    faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect()
}

fn csv(lines: &[&str]) -> SitePlan {
    import(PlanForm::Csv, &lines.join("\n"))
}

fn block<'a>(plan: &'a SitePlan, name: &str) -> &'a Block {
    plan.blocks().map(|(_, _, block)| block).find(|block| block.name == name).expect(name)
}

fn row<'a>(block: &'a Block, label: &str) -> &'a Row {
    block.rows.iter().find(|row| row.label == label).expect(label)
}

fn names(run: &Run) -> Vec<String> {
    (0..run.seats).map(|offset| run.name(offset).into_owned()).collect()
}

/// The names of each run of a row.
fn runs(row: &Row) -> Vec<String> {
    row.runs.iter().map(|run| names(run).join(" ")).collect()
}

#[test]
fn a_theatre_of_pretix_keeps_its_rows_numbers_and_aisles() {
    let plan = import(PlanForm::Pretix, PRETIX);
    assert_eq!(plan.name, "Kleines Haus");
    let stalls = block(&plan, "Parkett");
    assert_eq!(runs(row(stalls, "1")), ["9 7", "5 3 1 2 4 6", "8 10"]);
    assert!(row(stalls, "1").runs.iter().all(|run| !run.joined), "aisles");
    // Two rows of the file with the same number are one row with an aisle.
    assert_eq!(runs(row(stalls, "3")), ["1 2 3 4 5", "6 7 8 9 10"]);
    let arc = row(stalls, "4");
    assert_eq!(runs(arc), ["1", "2 3 4 5 6 7", "8"], "the ends have another grade");
    assert!(arc.runs[1].joined && arc.runs[2].joined, "and are side by side with the others");
    assert_eq!(arc.runs[1].points.len(), 6);
    let ends = [arc.runs[0].first_seat_id, arc.runs[2].first_seat_id];
    assert_eq!(stalls.attributes["accessible"], ends);
    assert_eq!(arc.runs[0].external_ids, ["P-4-1"]);
    let balcony = block(&plan, "Balkon");
    assert_eq!(runs(row(balcony, "A")), ["A1 A2 A3 A4 A5 A6"]);
    assert!(row(balcony, "B").flat && row(balcony, "B").runs[0].names.is_empty());
}

#[test]
fn a_theatre_of_pretix_keeps_its_stage_texts_and_colours() {
    let plan = import(PlanForm::Pretix, PRETIX);
    let kinds: Vec<&str> = plan.shapes.iter().map(|shape| shape.kind.as_str()).collect();
    assert_eq!(kinds, ["stage", "area", "area", "area"]);
    assert!(plan.shapes[1].circle.is_some(), "a pillar");
    let texts: Vec<&str> = plan.texts.iter().map(|text| text.text.as_str()).collect();
    assert_eq!(texts, ["Bühne", "Eingang"]);
    // Neighbours of 24 pixels are half a metre apart, and the middle of the stage is at (420, 60).
    let [x, y] = plan.focus;
    assert!((x - 420.0 / 48.0).abs() < 0.011 && (y - 60.0 / 48.0).abs() < 0.011, "{x} {y}");
    let grades: Vec<(&str, &str)> =
        plan.grades.iter().map(|grade| (grade.code.as_str(), grade.color.as_str())).collect();
    let expected = [("PARKETT", "#00aa77"), ("ROLLSTUHL", "#800080"), ("BALKON", "#c8500a")];
    assert_eq!(grades, expected, "the category without seats is left out");
}

#[test]
fn a_club_of_seatsio_keeps_its_tables_areas_and_floors() {
    let plan = import(PlanForm::Seatsio, SEATSIO);
    let floors: Vec<&str> = plan.floors.iter().map(|floor| floor.name.as_str()).collect();
    assert_eq!(floors, ["Ground floor", "Gallery"]);
    let club = block(&plan, "Night club");
    let table = |label: &str| &row(club, label).runs[0];
    assert_eq!([table("T1").unit_seats, table("T2").unit_seats, table("T3").unit_seats], [6, 1, 4]);
    assert_eq!(table("T1").points.len(), 6);
    assert_eq!(table("").name(0), "Bar 1", "a booth");
    let dance_floor = block(&plan, "Dance floor");
    assert_eq!(dance_floor.places.as_ref().map(|places| places.count), Some(150));
    assert_eq!((dance_floor.grade.as_str(), dance_floor.floor), ("STD", Some(1)));
    let side = block(&plan, "Side");
    let [first, second, sixth] = [0, 1, 5].map(|at| row(side, "A").runs[0].first_seat_id.0 + at);
    let with = |name: &str| side.attributes[name].iter().map(|seat| seat.0).collect::<Vec<_>>();
    assert_eq!(with("accessible"), [first]);
    assert_eq!(with("companion"), [second]);
    assert_eq!(with("restrictedView"), [sixth]);
    assert_eq!(row(side, "A").runs[0].external_ids[0], "Side-A-1");
    assert_eq!(runs(row(side, "B")), ["1 2 3", "4 5 6"], "an aisle");
    // The section is drawn relative to its corner at (20, 80), and 20 units are half a metre.
    assert_eq!(row(side, "A").runs[0].from, Some([1.0, 2.75]));
    assert_eq!(plan.focus, [7.5, 0.25]);
}

#[test]
fn a_hall_of_csv_keeps_units_places_and_the_order_of_its_seats() {
    let plan = import(PlanForm::Csv, CSV);
    let centre = block(&plan, "Centre");
    assert_eq!(runs(row(centre, "1")), ["1 2 3 4 5 6", "7 8 9 10 11 12"]);
    // The file lists these seats by their numbers.
    assert_eq!(runs(row(centre, "3")), ["7 5 3 1 2 4 6 8"]);
    assert_eq!(row(block(&plan, "Left"), "B").runs[0].unit_seats, 3);
    assert_eq!(runs(row(block(&plan, "Left"), "B")), ["D1 D2 1_DA"]);
    let sofas = row(block(&plan, "Sofas"), "S");
    assert_eq!((sofas.runs.len(), sofas.runs[0].unit_seats), (1, 2), "two couple seats");
    let lawn = block(&plan, "Lawn");
    assert_eq!(lawn.places.as_ref().map(|places| places.count), Some(300));
    let bench = &block(&plan, "Bench").rows[0];
    assert!(bench.label.is_empty() && bench.runs[0].unnumbered);
    let prices: Vec<(&str, i64)> =
        plan.grades.iter().map(|grade| (grade.code.as_str(), grade.price)).collect();
    assert_eq!(prices, [("GOLD", 50_000), ("SILVER", 30_000), ("BOX", 0), ("LAWN", 10_000)]);
}

#[test]
fn semicolons_tabs_and_decimal_commas_are_read() {
    let usual = csv(&[HEADER, "Stalls,1,1,0.5,1,A", "Stalls,1,2,1,1,A"]);
    let header = HEADER.replace(',', ";").to_uppercase();
    let semicolons = [header.as_str(), "Stalls;1;1;0,5;1,0;A", "Stalls;1;2;1;1;A"];
    assert_eq!(csv(&semicolons), usual);
    let tabs =
        [HEADER, "Stalls,1,1,0.5,1,A", "Stalls,1,2,1,1,A"].map(|line| line.replace(',', "\t"));
    assert_eq!(import(PlanForm::Csv, &format!("\u{feff}{}", tabs.join("\r\n"))), usual);
}

#[test]
fn the_spacing_scales_a_plan_and_prices_are_set() {
    let lines = [HEADER, "Stalls,1,1,100,40,Gold seats", "Stalls,1,2,140,40,Gold seats"].join("\n");
    let prices = vec![("Gold seats".to_owned(), 20_000)];
    let options = ImportOptions { name: Some("Hall".to_owned()), prices, spacing: Some(0.5) };
    let plan = import_plan(PlanForm::Csv, &lines, &options).expect("a plan").plan;
    assert_eq!(plan.name, "Hall");
    assert_eq!((plan.grades[0].code.as_str(), plan.grades[0].price), ("GOLD_SEATS", 20_000));
    let run = &block(&plan, "Stalls").rows[0].runs[0];
    assert_eq!((run.from, run.to), (Some([1.25, 0.5]), Some([1.75, 0.5])));
    let prices = vec![("SILVER".to_owned(), 20_000)];
    let refused = import_plan(PlanForm::Csv, &lines, &ImportOptions { prices, ..options });
    assert!(refused.expect_err("no such grade")[0].message.contains("SILVER"));
}

#[test]
fn given_ids_stay_and_other_seats_get_ids_behind_them() {
    let header = format!("{HEADER},seatId");
    let lines = ["Stalls,1,1,0,0,A,70", "Stalls,1,2,0.5,0,A,", "Stalls,1,3,1,0,A,71"];
    let plan = csv(&[header.as_str(), lines[0], lines[1], lines[2]]);
    let row = &block(&plan, "Stalls").rows[0];
    let ids: Vec<u32> = row.runs.iter().flat_map(|run| run.seat_ids().map(|seat| seat.0)).collect();
    assert_eq!(ids, [70, 72, 71]);
    assert!(row.runs[1].joined && row.runs[2].joined, "still side by side");
}

#[test]
fn each_fault_of_csv_has_its_line() {
    let header = format!("{HEADER},unit,price");
    let lines = [
        header.as_str(),
        "Stalls,1,1,0,zero,A,,",
        "Stalls,1,2,0,1",
        "Stalls,2,1,0,1,,,",
        "Stalls,3,1,1e99,1,A,,",
        "Stalls,4,1,0,1,A,,100",
        "Stalls,4,2,1,1,A,,200",
    ];
    let found = faults(PlanForm::Csv, &lines.join("\n"));
    let expected = [
        "line 2: The column y needs a number, not \"zero\".",
        "line 3: The line has 5 fields, but the first line names 8 columns.",
        "line 4: The column grade is empty.",
        "line 5: The columns x and y are too large, or no numbers.",
        "line 7: The price of \"A\" is 100 before, and 200 here.",
    ];
    assert_eq!(found, expected);
    let found = faults(PlanForm::Csv, "section,row,seat,x\nStalls,1,1,0");
    assert_eq!(found, ["line 1: The first line lacks the columns y, grade."]);
    let twice = [HEADER, "Stalls,1,7,0,1,A", "Stalls,1,7,1,1,A"].join("\n");
    let found = faults(PlanForm::Csv, &twice);
    assert!(found[0].starts_with("line 2: Two seats have the name \"7\""), "{found:?}");
}

#[test]
fn each_fault_of_json_has_its_pointer() {
    let wrong = PRETIX.replacen("\"category\": \"Parkett\"", "\"category\": \"Rang\"", 1);
    let found = faults(PlanForm::Pretix, &wrong);
    assert!(found[0].starts_with("/zones/0/rows/0/seats/0/category: There is no"), "{found:?}");
    let found = faults(PlanForm::Pretix, r#"{"zones": [{"rows": [{"seats": [7]}]}]}"#);
    assert!(found[0].starts_with("/zones/0/rows/0/seats/0: "), "{found:?}");
    let found =
        faults(PlanForm::Seatsio, &SEATSIO.replacen("\"capacity\": 150", "\"capacity\": 0", 1));
    let place = "/subChartFloors/0/generalAdmissionAreas/0/capacity: This area has no capacity.";
    assert_eq!(found, [place]);
    for form in [PlanForm::Pretix, PlanForm::Seatsio, PlanForm::Csv] {
        assert_eq!(faults(form, "").len(), 1);
    }
    assert_eq!(faults(PlanForm::Seatsio, "{}"), [": The file has no seats and no places."]);
}

#[test]
fn a_plan_that_was_exported_is_read_with_the_same_seats() {
    for (form, text) in
        [(PlanForm::Pretix, PRETIX), (PlanForm::Seatsio, SEATSIO), (PlanForm::Csv, CSV)]
    {
        let exported = plan_as_csv(&import(form, text));
        let again = import(PlanForm::Csv, &exported);
        assert_eq!(plan_as_csv(&again), exported, "{form:?}");
        assert_eq!(import(PlanForm::Csv, &plan_as_csv(&again)), again, "{form:?}");
    }
}

/// A row of a made-up plan.
#[derive(Debug, Clone)]
struct MadeRow {
    seats: u32,
    /// 0: from 1, 1: odd numbers fall, 2: from the middle, 3: with letters, 4: none.
    names: u8,
    has_label: bool,
    /// Behind so many seats there is an aisle.
    aisle: u32,
    bow: f64,
    grade: u8,
    /// Seats of a unit, or 1.
    unit: u32,
    accessible: bool,
    has_ids: bool,
    is_backwards: bool,
}

fn made_row() -> impl Strategy<Value = MadeRow> {
    let shape = (1..30_u32, 0..5_u8, any::<bool>(), 1..12_u32, -0.2..0.2_f64);
    let rest = (0..4_u8, prop_oneof![Just(1), Just(1), 2..5_u32], any::<[bool; 3]>());
    (shape, rest).prop_map(|((seats, names, has_label, aisle, bow), (grade, unit, flags))| {
        let [accessible, has_ids, is_backwards] = flags;
        let bow = if bow.abs() < 0.05 { 0.0 } else { bow };
        MadeRow {
            seats,
            names,
            has_label,
            aisle,
            bow,
            grade,
            unit,
            accessible,
            has_ids,
            is_backwards,
        }
    })
}

impl MadeRow {
    fn name(&self, at: u32, row: usize) -> String {
        let turned = if at.is_multiple_of(2) { self.seats + at } else { self.seats - at };
        match self.names {
            0 => (at + 1).to_string(),
            1 => (99 - at * 2).to_string(),
            2 => turned.to_string(),
            3 => format!("{}{}", ["D", "1_", "가"][row % 3], at),
            _ => String::new(),
        }
    }

    fn lines(&self, text: &mut String, block: usize, row: usize) {
        let mut lines = Vec::new();
        for at in 0..self.seats {
            // Rows without a label share their names.
            let name = if self.has_label { self.name(at, row) } else { String::new() };
            let gap = f64::from(at / self.aisle / self.unit) * 1.3;
            let x = f64::from(at) * 0.52 + gap;
            let y = row as f64 + self.bow * (x - 6.0) * (x - 6.0) / 10.0 + block as f64 * 40.0;
            let label = if self.has_label { format!("R{row}") } else { String::new() };
            let run = if self.has_label { String::new() } else { format!("{row}.1") };
            let unit = match self.unit {
                1 => String::new(),
                unit => format!("u{}", at / unit),
            };
            let id = if self.has_ids { format!("{block}-{row}-{at}") } else { String::new() };
            let with = if self.accessible && at == 0 { "accessible own" } else { "" };
            let grade = ["GOLD", "Silver", "싼 자리", "7"][usize::from(self.grade)];
            let section = block % 2;
            lines.push(format!(
                "\"Hall, {section}\",B{block},{label},{name},{x:.3},{y:.3},{grade},{with},{id},\
                 {run},{unit}"
            ));
        }
        if self.is_backwards {
            lines.reverse();
        }
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
}

proptest! {
    #[test]
    fn an_exported_plan_is_imported_as_the_same_plan(
        blocks in proptest::collection::vec(proptest::collection::vec(made_row(), 1..6), 1..4)
    ) {
        let mut text = "section,block,row,seat,x,y,grade,attributes,id,run,unit\n".to_owned();
        for (block, rows) in blocks.iter().enumerate() {
            for (at, row) in rows.iter().enumerate() {
                row.lines(&mut text, block, at);
            }
        }
        let plan = import(PlanForm::Csv, &text);
        let seats: u32 = blocks.iter().flatten().map(|row| row.seats).sum();
        let runs = plan.blocks().flat_map(|(_, _, block)| &block.rows).flat_map(|row| &row.runs);
        prop_assert_eq!(runs.map(|run| run.seats).sum::<u32>(), seats);
        let exported = plan_as_csv(&plan);
        prop_assert_eq!(import(PlanForm::Csv, &exported), plan, "{}", exported);
    }
}
