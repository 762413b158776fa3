//! The index agrees with the plan that it was built from, seat by seat.

use super::check_tests::good;
use super::{PlanIndex, Row, SitePlan};
use crate::domain::ids::{BlockId, SeatId, SectionId};
use proptest::prelude::*;

/// A plan whose blocks have the given ids and rows of (gap before the ids, seats); seat ids run
/// **against** plan order, so that order of ids and order of positions are not the same.
fn plan_of(shape: &[Vec<(u32, u32)>]) -> SitePlan {
    let mut plan = good();
    let section = &mut plan.areas[0].sections[0];
    let model = section.blocks[0].clone();
    let mut next = 1_000_000;
    section.blocks.clear();
    for (rows, number) in shape.iter().zip(1..) {
        let mut block = model.clone();
        block.id = BlockId(1_000 - number);
        block.name = format!("{number}");
        let model = &model.rows[0];
        block.name = block.id.to_string();
        block.rows.clear();
        for ((gap, seats), line) in rows.iter().zip(1..) {
            next -= gap + seats;
            let mut row = Row { label: format!("{line}"), ..model.clone() };
            (row.runs[0].first_seat_id, row.runs[0].seats) = (SeatId(next), *seats);
            block.rows.push(row);
        }
        section.blocks.push(block);
    }
    plan
}

/// Compares everything that the index returns with the plan, seat by seat.
fn agree(plan: &SitePlan) {
    let index = PlanIndex::new(plan);
    let mut position = 0;
    let mut blocks = index.blocks();
    for (area, section) in
        plan.areas.iter().flat_map(|area| area.sections.iter().map(move |section| (area, section)))
    {
        for block in &section.blocks {
            let start = position;
            for (row, run) in
                block.rows.iter().flat_map(|row| row.runs.iter().map(move |run| (row, run)))
            {
                for (seat, offset) in run.seat_ids().zip(0..) {
                    assert_eq!(index.position(seat), Some(position));
                    assert_eq!(index.seat_at(position), seat);
                    assert_eq!(index.block_of(seat), Some(block.id));
                    assert_eq!(index.section_of(seat), Some(section.id));
                    assert_eq!(index.area_of(seat), Some(area.id));
                    assert_eq!(index.point(seat), Some(run.point(offset)));
                    assert_eq!(index.grade(seat), Some(block.grade_of(row, run)));
                    let found = index.group_of(seat).expect("the seat has neighbours");
                    assert_eq!(found.block, block.id);
                    assert_eq!(found.positions.start + offset, position);
                    assert_eq!(found.positions.len() as u32, run.seats);
                    position += 1;
                }
            }
            assert_eq!(index.block_range(block.id), Some(start..position));
            assert_eq!(blocks.next(), Some((block.id, start..position)));
        }
    }
    assert_eq!(index.seat_count(), position);
    assert_eq!(blocks.next(), None);
    let rows: Vec<_> = index.groups().flat_map(|group| group.positions).collect();
    assert!(rows.into_iter().eq(0..position));
}

#[test]
fn a_seat_that_the_site_has_not_is_not_found() {
    let index = PlanIndex::new(&good());
    for id in [0, 7, u32::MAX] {
        assert_eq!(index.position(SeatId(id)), None);
        assert_eq!(index.label(SeatId(id)), None);
        assert_eq!(index.price(SeatId(id)), None);
        assert_eq!(index.point(SeatId(id)), None);
        assert_eq!(index.group_of(SeatId(id)), None);
    }
    assert_eq!(index.block_range(BlockId(2)), None);
}

#[test]
fn a_ticket_names_area_section_block_row_and_number() {
    let mut plan = good();
    let row = &mut plan.areas[0].sections[0].blocks[0].rows[1];
    (row.runs[0].first_number, row.runs[0].number_step) = (11, 2);
    let index = PlanIndex::new(&plan);
    let label = index.label(SeatId(5)).unwrap();
    assert_eq!(label.english, "Infield Home 101, row 2, seat 13");
    assert_eq!(label.korean, "Infield Home 101 블록 2열 13번");
    assert_eq!(index.section_of(SeatId(5)), Some(SectionId(1)));
}

#[test]
fn the_grade_of_a_row_goes_before_that_of_its_block() {
    let mut plan = good();
    let mut front = plan.grades[0].clone();
    (front.code, front.price) = ("FRONT".into(), 7_000);
    plan.grades.push(front);
    plan.areas[0].sections[0].blocks[0].rows[0].grade = Some("FRONT".into());
    let index = PlanIndex::new(&plan);
    assert_eq!((index.grade(SeatId(1)), index.price(SeatId(1))), (Some("FRONT"), Some(7_000)));
    assert_eq!((index.grade(SeatId(4)), index.price(SeatId(4))), (Some("A_1"), Some(1_000)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_agrees_with_any_plan(
        shape in prop::collection::vec(
            prop::collection::vec((0_u32..50, 1_u32..30), 1..6), 1..8),
    ) {
        let plan = plan_of(&shape);
        prop_assert_eq!(plan.check(), vec![]);
        agree(&plan);
    }
}
