//! The plan of the demo stadium is valid, and somebody could build it: rows and seats have enough
//! room, and no seat stands in an aisle.

use crate::domain::ids::SeatId;
use crate::domain::plan::{Block, Grade, PlanIndex, Point, Run, SitePlan};
use std::collections::{BTreeMap, HashSet};

fn stadium() -> SitePlan {
    serde_json::from_value(grandstand_demo::stadium()).unwrap()
}

fn blocks(plan: &SitePlan) -> impl Iterator<Item = &Block> {
    plan.areas.iter().flat_map(|area| &area.sections).flat_map(|section| &section.blocks)
}

fn seats(block: &Block) -> impl Iterator<Item = (u32, Point)> {
    let points = |run: &Run| {
        let run = run.clone();
        run.seat_ids().zip(0..).map(move |(seat, at)| (seat.0, run.point(at)))
    };
    block.rows.iter().flat_map(|row| &row.runs).flat_map(points)
}

fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Even-odd rule: a ray to the right crosses the outline an odd number of times.
fn inside(outline: &[Point], [x, y]: Point) -> bool {
    let ends = outline.iter().zip(outline.iter().cycle().skip(1));
    let crossed = ends.filter(|([x1, y1], [x2, y2])| {
        (*y1 > y) != (*y2 > y) && x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)
    });
    crossed.count() % 2 == 1
}

#[test]
fn the_stadium_is_a_valid_plan_of_about_25_000_seats_in_about_100_blocks() {
    let plan = stadium();
    assert_eq!(plan.check(), vec![]);
    let index = PlanIndex::new(&plan);
    assert!((24_000..=26_000).contains(&index.seat_count()), "{}", index.seat_count());
    assert!((90..=110).contains(&index.blocks().len()));
    assert!(plan.grades.len() >= 6);
    assert_eq!(plan, stadium());
    let text = serde_json::to_string(&plan).unwrap();
    assert!(text.len() < 250_000, "{}", text.len());
    assert_eq!(serde_json::from_str::<SitePlan>(&text).unwrap(), plan);
}

#[test]
fn every_grade_has_seats_and_the_cheap_ones_have_the_most() {
    let plan = stadium();
    let index = PlanIndex::new(&plan);
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for position in 0..index.seat_count() {
        *counts.entry(index.grade(index.seat_at(position)).unwrap()).or_default() += 1;
    }
    assert_eq!(counts.len(), plan.grades.len());
    assert!(counts["PREMIUM"] < 500 && counts["NAVY"] > 5_000 && counts["GREEN"] > 5_000);
}

#[test]
fn the_index_finds_every_seat_of_the_stadium() {
    let plan = stadium();
    let index = PlanIndex::new(&plan);
    let ids = blocks(&plan).flat_map(seats);
    for ((id, point), position) in ids.zip(0..) {
        assert_eq!(index.position(SeatId(id)), Some(position));
        assert_eq!(index.seat_at(position), SeatId(id));
        assert_eq!(index.point(SeatId(id)), Some(point));
        assert_eq!(index.block_of(SeatId(id)).unwrap().0, id / 10_000);
    }
    let label = index.label(SeatId(1_010_312)).unwrap();
    assert_eq!(label.english, "Infield Home 101, row 3, seat 12");
    assert_eq!(label.korean, "내야 1루 홈 101 블록 3열 12번");
}

#[test]
fn seats_of_a_row_are_at_least_45_cm_apart_and_rows_75_cm() {
    let plan = stadium();
    for block in blocks(&plan) {
        for row in &block.rows {
            let run = &row.runs[0];
            for at in 1..run.seats {
                let gap = distance(run.point(at - 1), run.point(at));
                assert!(gap >= 0.45, "{gap} m in block {}, row {}", block.name, row.label);
            }
        }
        for pair in block.rows.windows(2) {
            let [ahead, behind] = [&pair[0].runs[0], &pair[1].runs[0]];
            for behind in (0..behind.seats).map(|at| behind.point(at)) {
                let ahead = (0..ahead.seats).map(|at| distance(ahead.point(at), behind));
                let gap = ahead.fold(f32::INFINITY, f32::min);
                assert!(gap >= 0.75, "{gap} m in block {}, row {}", block.name, pair[1].label);
            }
        }
    }
}

#[test]
fn no_two_seats_of_the_stadium_are_closer_than_45_cm() {
    // Squares of 1 m: a neighbour that is too close is in the same square or in an adjacent one.
    let plan = stadium();
    let mut squares: BTreeMap<(i32, i32), Vec<(u32, Point)>> = BTreeMap::new();
    for (id, point) in blocks(&plan).flat_map(seats) {
        let (x, y) = (point[0].floor() as i32, point[1].floor() as i32);
        let near = (x - 1..=x + 1).flat_map(|x| (y - 1..=y + 1).map(move |y| (x, y)));
        for (other, place) in near.filter_map(|square| squares.get(&square)).flatten() {
            let gap = distance(point, *place);
            assert!(gap >= 0.45, "{gap} m from seat {id} to seat {other}");
        }
        squares.entry((x, y)).or_default().push((id, point));
    }
}

#[test]
fn outlines_enclose_their_seats_with_half_a_seat_to_spare() {
    let plan = stadium();
    for block in blocks(&plan) {
        for (id, [x, y]) in seats(block) {
            for [dx, dy] in [[0.2, 0.0], [-0.2, 0.0], [0.0, 0.2], [0.0, -0.2]] {
                assert!(inside(&block.outline, [x + dx, y + dy]), "seat {id}");
            }
        }
    }
}

#[test]
fn blocks_do_not_overlap_and_leave_the_field_free() {
    let plan = stadium();
    let field = &plan.shapes[0];
    // A box around each block is looked at first, because that saves most of the work.
    let bounds = |block: &Block, axis: usize| {
        let along = block.outline.iter().map(|point| point[axis]);
        (along.clone().fold(f32::MAX, f32::min), along.fold(f32::MIN, f32::max))
    };
    let boxes: Vec<_> =
        blocks(&plan).map(|block| (block, bounds(block, 0), bounds(block, 1))).collect();
    // An odd step, so that no point lies exactly on an edge.
    for x in (-300..=300).map(|step| step as f32 * 0.497) {
        let column = boxes.iter().filter(|(_, (left, right), _)| (*left..=*right).contains(&x));
        let column: Vec<_> = column.collect();
        for y in (-340..=160).map(|step| step as f32 * 0.497) {
            let near = column.iter().filter(|(_, _, (top, bottom))| (*top..=*bottom).contains(&y));
            let mut here = near.filter(|(block, _, _)| inside(&block.outline, [x, y]));
            if let Some((first, _, _)) = here.next() {
                let second = here.next().map(|(block, _, _)| block.name.as_str());
                assert_eq!(second, None, "over block {} at {x}, {y}", first.name);
                assert!(!inside(&field.outline, [x, y]), "block {} on the field", first.name);
            }
        }
    }
}

#[test]
fn the_halves_mirror_each_other() {
    let plan = stadium();
    for area in &plan.areas {
        let counts: Vec<u32> = area
            .sections
            .iter()
            .map(|section| {
                section.blocks.iter().flat_map(|b| &b.rows).map(|row| row.runs[0].seats).sum()
            })
            .collect();
        assert_eq!(counts.len(), 2);
        assert_eq!(counts[0], counts[1]);
    }
}

#[test]
fn rows_grow_outwards_in_the_fans_behind_home_plate() {
    let plan = stadium();
    let fan = blocks(&plan).find(|block| block.name == "213").unwrap();
    let first = fan.rows.first().unwrap().runs[0].seats;
    assert!(fan.rows.last().unwrap().runs[0].seats > first);
    let shapes: HashSet<Vec<u32>> = blocks(&plan)
        .map(|block| block.rows.iter().map(|row| row.runs[0].seats).collect())
        .collect();
    assert!(shapes.len() >= 15, "only {} forms of blocks", shapes.len());
}

/// Returns red, green and blue of a colour as amounts of light, from 0 to 1.
fn light(color: &str) -> [f64; 3] {
    [1, 3, 5].map(|at| {
        let share = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
        if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    })
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn colours_stand_out_from_light_and_from_dark_pages() {
    let luminance = |color: &str| dot([0.2126, 0.7152, 0.0722], light(color));
    for Grade { code, color, .. } in stadium().grades {
        for page in ["#ffffff", "#14161a"] {
            let (a, b) = (luminance(&color), luminance(page));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            // WCAG 2, 1.4.11: graphics need 3 to 1.
            assert!(contrast >= 3.0, "{code} on {page}: {contrast:.2}");
        }
    }
}

/// Returns the distance of two colours in OKLab. People notice differences from about 0.02 on.
fn difference(a: [f64; 3], b: [f64; 3]) -> f64 {
    let lab = |light: [f64; 3]| {
        let [l, m, s] = [
            [0.412_221, 0.536_333, 0.051_446],
            [0.211_903, 0.680_700, 0.107_397],
            [0.088_302, 0.281_719, 0.629_979],
        ]
        .map(|row| dot(row, light).max(0.0).cbrt());
        [
            [0.210_454, 0.793_618, -0.004_072],
            [1.977_998, -2.428_592, 0.450_594],
            [0.025_904, 0.782_772, -0.808_676],
        ]
        .map(|row| dot(row, [l, m, s]))
    };
    let (a, b) = (lab(a), lab(b));
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn colours_stay_apart_for_the_colour_blind() {
    // Full sight, and none of red, of green, of blue (Machado, Oliveira and Fernandes, 2009).
    let sights = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
        [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
        [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
    ];
    let grades = stadium().grades;
    for sight in sights {
        let seen = |grade: &Grade| sight.map(|row: [f64; 3]| dot(row, light(&grade.color)));
        for (at, grade) in grades.iter().enumerate() {
            for other in &grades[at + 1..] {
                let apart = difference(seen(grade), seen(other));
                assert!(apart >= 0.07, "{} and {}: {apart:.3}", grade.code, other.code);
            }
        }
    }
}
