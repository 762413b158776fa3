//! Every rule of a site plan, each shown by a plan that breaks it.

use super::{Block, PlanFault, Row, Run, SitePlan};
use crate::domain::ids::{AreaId, BlockId, SeatId, SectionId};
use serde_json::json;

/// A plan that is good: one block, two rows of three seats.
pub(super) fn good() -> SitePlan {
    let row = |label: &str, first: u32, y: f32| {
        json!({"label": label, "firstSeatId": first, "seats": 3,
            "from": [0.0, y], "to": [1.0, y], "bow": 0.1})
    };
    serde_json::from_value(json!({
        "name": "Small Park", "focus": [0.0, -5.0],
        "shapes": [{"kind": "grass", "outline": [[0, -2], [3, -2], [3, -5]]}],
        "grades": [{"code": "A_1", "name": "Best", "price": 1000, "color": "#0072b2"}],
        "areas": [{"id": 1, "name": "Infield", "sections": [{"id": 1, "name": "Home",
            "blocks": [{"id": 1, "name": "101", "grade": "A_1",
                "outline": [[-1, -1], [2, -1], [2, 3], [-1, 3]],
                "rows": [row("1", 1, 0.0), row("2", 4, 1.0)]}]}]}]
    }))
    .expect("the plan is one")
}

/// The place of the only block.
const BLOCK: &str = "/areas/0/sections/0/blocks/0";

fn block(plan: &mut SitePlan) -> &mut Block {
    &mut plan.areas[0].sections[0].blocks[0]
}

fn row(plan: &mut SitePlan) -> &mut Row {
    &mut block(plan).rows[0]
}

/// The only run of the first row.
fn run(plan: &mut SitePlan) -> &mut Run {
    &mut row(plan).runs[0]
}

fn faults(change: impl FnOnce(&mut SitePlan)) -> Vec<PlanFault> {
    let mut plan = good();
    change(&mut plan);
    plan.check()
}

/// The one fault of the changed plan is at `pointer` and says `words`.
#[track_caller]
fn refused(pointer: &str, words: &str, change: impl FnOnce(&mut SitePlan)) {
    let faults = faults(change);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].pointer, pointer);
    assert!(faults[0].message.contains(words), "{}", faults[0].message);
}

/// The same, where the place is inside the only block.
#[track_caller]
fn block_refused(inside: &str, words: &str, change: impl FnOnce(&mut SitePlan)) {
    refused(&format!("{BLOCK}{inside}"), words, change);
}

#[test]
fn a_good_plan_has_no_fault() {
    assert_eq!(good().check(), vec![]);
}

#[test]
fn each_error_gives_its_own_fault_in_the_order_of_the_plan() {
    let faults = faults(|plan| {
        plan.name.clear();
        run(plan).seats = 0;
    });
    let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(places, ["/name", &format!("{BLOCK}/rows/0/seats")]);
}

#[test]
fn after_200_faults_one_says_how_many_more() {
    let faults = faults(|plan| {
        let row = block(plan).rows[0].clone();
        block(plan).rows = (0..250)
            .map(|at| {
                let mut row = Row { label: format!("{at}"), ..row.clone() };
                row.runs[0].first_seat_id = SeatId(1 + at * 3);
                row.runs[0].number_step = 0;
                row
            })
            .collect();
    });
    assert_eq!(faults.len(), 201);
    assert!(faults[200].message.contains("50 more"), "{}", faults[200].message);
    assert_eq!(faults[200].pointer, "");
}

#[test]
fn names_are_1_to_100_trimmed_characters_without_control_characters() {
    refused("/name", "1 to 100", |plan| plan.name = "가".repeat(101));
    assert_eq!(faults(|plan| plan.name = "가".repeat(100)), vec![]);
    refused("/name", "trim", |plan| plan.name = " Park".into());
    refused("/grades/0/name", "control", |plan| plan.grades[0].name = "a\u{7}b".into());
    refused("/areas/0/name", "1 to 100", |plan| plan.areas[0].name.clear());
    refused("/areas/0/sections/0/name", "1 to 100", |plan| {
        plan.areas[0].sections[0].name.clear();
    });
    block_refused("/name", "1 to 100", |plan| block(plan).name.clear());
}

#[test]
fn nothing_is_empty() {
    refused("/areas", "at least one", |plan| plan.areas.clear());
    refused("/areas/0/sections", "at least one", |plan| plan.areas[0].sections.clear());
    refused("/areas/0/sections/0/blocks", "at least one", |plan| {
        plan.areas[0].sections[0].blocks.clear();
    });
    block_refused("/rows", "at least one", |plan| block(plan).rows.clear());
    let faults = faults(|plan| plan.grades.clear());
    assert_eq!(faults.len(), 2, "no grades, and the block's grade is not there: {faults:?}");
}

#[test]
fn grade_codes_are_short_plain_and_unique() {
    for code in ["", "a", "A-B", "ABCDEFGHIJKLMNOPQRSTU"] {
        refused("/grades/0/code", "1 to 20", |plan| {
            plan.grades[0].code = code.into();
            block(plan).grade = code.into();
        });
    }
    refused("/grades/1/code", "/grades/0", |plan| plan.grades.push(plan.grades[0].clone()));
    refused("/grades", "1 to 100", |plan| {
        for number in 0..100 {
            let mut grade = plan.grades[0].clone();
            grade.code = format!("G{number}");
            plan.grades.push(grade);
        }
    });
}

#[test]
fn prices_and_colours_keep_to_their_range() {
    refused("/grades/0/price", "-1", |plan| plan.grades[0].price = -1);
    // What the gateway does not take could be held, and never be paid.
    refused("/grades/0/price", "not 50", |plan| plan.grades[0].price = 50);
    refused("/grades/0/price", "not 99", |plan| plan.grades[0].price = 99);
    assert_eq!(faults(|plan| plan.grades[0].price = 100), vec![]);
    assert_eq!(faults(|plan| plan.grades[0].price = 0), vec![]);
    refused("/grades/0/price", "10000001", |plan| plan.grades[0].price = 10_000_001);
    assert_eq!(faults(|plan| plan.grades[0].price = 10_000_000), vec![]);
    for color in ["", "0072b2", "#0072b", "#0072bg", "#0072b2f", "red", "#가가"] {
        refused("/grades/0/color", "hexadecimal", |plan| plan.grades[0].color = color.into());
    }
}

#[test]
fn blocks_and_rows_use_grades_that_exist() {
    block_refused("/grade", "no grade \"VIP\"", |plan| block(plan).grade = "VIP".into());
    block_refused("/rows/0/grade", "no grade", |plan| row(plan).grade = Some("VIP".into()));
}

#[test]
fn ids_start_at_1_and_are_unique_within_the_site() {
    refused("/areas/0/id", "1 to", |plan| plan.areas[0].id = AreaId(0));
    refused("/areas/0/id", "1 to", |plan| plan.areas[0].id = AreaId(1 << 31));
    refused("/areas/0/sections/0/id", "1 to", |plan| {
        plan.areas[0].sections[0].id = SectionId(0);
    });
    block_refused("/id", "1 to", |plan| block(plan).id = BlockId(0));
    let faults = faults(|plan| {
        let mut area = plan.areas[0].clone();
        area.name = "Outfield".into();
        for row in &mut area.sections[0].blocks[0].rows {
            row.runs[0].first_seat_id.0 += 100;
        }
        area.name = "Outfield".to_owned();
        plan.areas.push(area);
    });
    let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    let second = "/areas/1/sections/0/blocks/0/id";
    assert_eq!(places, ["/areas/1/id", "/areas/1/sections/0/id", second]);
}

#[test]
fn seat_ids_are_1_to_2_to_the_31_and_rows_do_not_share_them() {
    let place = "/rows/0/firstSeatId";
    block_refused(place, "1 to 2147483647", |plan| run(plan).first_seat_id = SeatId(0));
    block_refused(place, "1 to", |plan| run(plan).first_seat_id = SeatId(u32::MAX));
    let largest = (1 << 31) - 3;
    assert_eq!(faults(|plan| run(plan).first_seat_id = SeatId(largest)), vec![]);
    block_refused(place, "1 to", |plan| run(plan).first_seat_id = SeatId(largest + 1));
    block_refused("/rows/1/firstSeatId", "ids 3 to 3 are also those of", |plan| {
        block(plan).rows[1].runs[0].first_seat_id = SeatId(3);
    });
}

#[test]
fn a_row_inside_a_longer_row_is_found_behind_a_short_one() {
    // Rows 1-100, 5-6 and 50-52: the third overlaps the first, not its neighbour.
    let faults = faults(|plan| {
        run(plan).seats = 100;
        block(plan).rows[1].runs[0].first_seat_id = SeatId(5);
        block(plan).rows[1].runs[0].seats = 2;
        let mut third = block(plan).rows[0].clone();
        third.label = "3".into();
        third.runs[0].first_seat_id = SeatId(50);
        third.runs[0].seats = 3;
        block(plan).rows.push(third);
    });
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(faults[1].pointer, format!("{BLOCK}/rows/2/firstSeatId"));
}

#[test]
fn a_row_has_1_to_200_seats_with_numbers_that_fit() {
    block_refused("/rows/1/seats", "1 to 200", |plan| block(plan).rows[1].runs[0].seats = 0);
    block_refused("/rows/1/seats", "1 to 200", |plan| block(plan).rows[1].runs[0].seats = 201);
    assert_eq!(faults(|plan| block(plan).rows[1].runs[0].seats = 200), vec![]);
    block_refused("/rows/0/numberStep", "not 0", |plan| run(plan).number_step = 0);
    block_refused("/rows/0/firstNumber", "numbers are 0 to", |plan| {
        run(plan).first_number = u32::MAX - 1;
    });
    block_refused("/rows/0/firstNumber", "numbers are 0 to", |plan| {
        run(plan).number_step = i32::MAX;
        run(plan).first_number = u32::MAX - 1;
    });
}

#[test]
fn labels_are_1_to_10_characters_and_unique_in_a_block() {
    assert_eq!(faults(|plan| row(plan).label.clear()), vec![]);
    block_refused("/rows/0/label", "1 to 10", |plan| row(plan).label = "12345678901".into());
    block_refused("/rows/0/label", "trim", |plan| row(plan).label = "1 ".into());
    block_refused("/rows/0/label", "seen", |plan| row(plan).label = "1\u{200b}".into());
    for same in ["1", "１"] {
        block_refused("/rows/1/label", "looks the same", |plan| {
            block(plan).rows[1].label = same.into();
        });
    }
}

#[test]
fn no_two_rows_of_a_site_are_printed_alike() {
    let twice = |area: &'static str, section: &'static str, block: &'static str| {
        move |plan: &mut SitePlan| {
            let mut other = plan.areas[0].clone();
            (other.id, other.name) = (AreaId(2), area.into());
            let section_of = &mut other.sections[0];
            (section_of.id, section_of.name) = (SectionId(2), section.into());
            let block_of = &mut section_of.blocks[0];
            (block_of.id, block_of.name) = (BlockId(2), block.into());
            for row in &mut block_of.rows {
                row.runs[0].first_seat_id.0 += 100;
            }
            plan.areas.push(other);
        }
    };
    assert_eq!(faults(twice("Outfield", "Home", "101")), vec![]);
    for (area, block) in [("Infield", "101"), ("Ｉｎｆｉｅｌｄ", "１０１")] {
        let faults = faults(twice(area, "Home", block));
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let row = |at| format!("/areas/1/sections/0/blocks/0/rows/{at}");
        assert_eq!(places, [row(0), row(1)]);
    }
}

#[test]
fn a_long_text_is_cut_between_letters_in_a_message() {
    let family = "👩‍👩‍👧‍👦";
    let said = |plan: &mut SitePlan| block(plan).grade = family.repeat(40);
    block_refused("/grade", &format!("{:?}…;", family.repeat(30)), said);
}

#[test]
fn two_seats_that_a_ticket_would_name_alike_are_refused_in_either_language() {
    // A second block, with other ids and these names.
    let alike = |section: &str, block: &str, number: u32| {
        let (section, block) = (section.to_owned(), block.to_owned());
        move |plan: &mut SitePlan| {
            let area = &mut plan.areas[0];
            area.sections[0].name = "홈 (Home)".to_owned();
            let mut other = area.sections[0].clone();
            (other.id.0, other.name) = (2, section);
            let copy = &mut other.blocks[0];
            (copy.id, copy.name) = (BlockId(2), block);
            copy.rows.truncate(1);
            copy.rows[0].runs[0].first_seat_id = SeatId(100);
            copy.rows[0].runs[0].first_number = number;
            area.sections.push(other);
        }
    };
    let second = "/areas/0/sections/1/blocks/0/rows/0";
    refused(second, "Infield Home 101, row 1, seat 3", alike("원정 (Home)", "101", 3));
    refused(second, "Infield 홈 101 블록 1열 3번", alike("홈 (Away)", "101", 3));
    refused(second, "/areas/0/sections/0/blocks/0;", alike("홈 (Home)", "101", 1));
    for (section, block, number) in
        [("원정 (Away)", "101", 1), ("홈 (Home)", "102", 1), ("홈 (Home)", "101", 4)]
    {
        assert_eq!(faults(alike(section, block, number)), vec![]);
    }
}

#[test]
fn coordinates_are_finite_and_within_10_kilometres() {
    for bad in [f32::NAN, f32::INFINITY, -10_000.1] {
        refused("/focus", "metres", |plan| plan.focus = [0.0, bad]);
        block_refused("/rows/0/from", "metres", |plan| run(plan).from = Some([bad, 0.0]));
        block_refused("/rows/0/to", "metres", |plan| run(plan).to = Some([1.0, bad]));
        block_refused("/outline/2", "metres", |plan| block(plan).outline[2][0] = bad);
        refused("/shapes/0/outline/1", "metres", |plan| plan.shapes[0].outline[1][0] = bad);
    }
    assert_eq!(faults(|plan| plan.focus = [10_000.0, -10_000.0]), vec![]);
}

#[test]
fn a_row_is_a_line_or_at_most_half_a_circle() {
    for bad in [f32::NAN, f32::INFINITY, 0.51, -0.51] {
        block_refused("/rows/0/bow", "half", |plan| run(plan).bow = bad);
    }
    assert_eq!(faults(|plan| run(plan).bow = -0.5), vec![]);
    block_refused("/rows/0/to", "same point", |plan| run(plan).to = run(plan).from);
    let lone = faults(|plan| {
        let row = run(plan);
        (row.seats, row.to, row.bow) = (1, row.from, 0.0);
    });
    assert_eq!(lone, vec![]);
}

#[test]
fn outlines_have_3_to_200_points_and_shapes_a_known_kind() {
    block_refused("/outline", "3 to 200", |plan| block(plan).outline.truncate(2));
    block_refused("/outline", "3 to 200", |plan| block(plan).outline = vec![[0.0; 2]; 201]);
    refused("/shapes/0/outline", "3 to 200", |plan| plan.shapes[0].outline.clear());
    refused("/shapes/0/kind", "grass, dirt", |plan| plan.shapes[0].kind = "lava".into());
    refused("/shapes", "1000", |plan| plan.shapes = vec![plan.shapes[0].clone(); 1001]);
}

#[test]
fn a_site_has_at_most_200_000_seats_and_5_000_blocks() {
    // 5,000 blocks of two rows of `seats` seats, then one block more.
    let many = |blocks: u32, seats: u32| {
        move |plan: &mut SitePlan| {
            let section = &mut plan.areas[0].sections[0];
            let model = section.blocks[0].clone();
            section.blocks = (0..blocks).map(|_| model.clone()).collect();
            for (at, block) in (0..).zip(&mut section.blocks) {
                block.id = BlockId(at + 1);
                block.name = format!("{at}");
                for (line, row) in (0..).zip(&mut block.rows) {
                    row.runs[0].seats = seats;
                    row.runs[0].first_seat_id = SeatId(1 + (at * 2 + line) * seats);
                }
            }
        }
    };
    assert_eq!(faults(many(5_000, 20)), vec![]);
    refused("/areas", "5000 blocks, not 5001", many(5_001, 1));
    refused("/areas", "200000 seats, not 210000", many(5_000, 21));
}
