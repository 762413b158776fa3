//! The best seats of the demo stadium.

use super::*;

fn all(index: &PlanIndex) -> FreeSeats {
    FreeSeats::new(index.seat_count(), |_| true)
}

fn site() -> (PlanIndex, Ranking) {
    let plan = serde_json::from_value(grandstand_demo::stadium()).unwrap();
    let index = PlanIndex::new(&plan);
    let ranking = Ranking::new(&index);
    (index, ranking)
}

#[test]
fn proposals_are_side_by_side_do_not_overlap_and_come_nearest_first() {
    let (index, ranking) = site();
    let found = ranking.propose(&Wish::seats(4), 16, &all(&index));
    assert_eq!(found.len(), 16);
    let mut seen = std::collections::HashSet::new();
    let mut before = 0.0;
    for group in &found {
        assert!(group.windows(2).all(|pair| pair[1] == pair[0] + 1), "{group:?}");
        let row = index.group_of(index.seat_at(group[0])).unwrap().positions;
        assert!(group.iter().all(|seat| row.contains(seat) && seen.insert(*seat)));
        let distance: f32 = group.iter().map(|seat| ranking.distances[*seat as usize]).sum();
        assert!(distance >= before);
        before = distance;
    }
    // No seat of the site is nearer than the first proposal.
    let groups: Vec<Group> = index.groups().collect();
    let least = groups
        .iter()
        .filter_map(|group| ranking.best_window(group.positions.clone(), group, 4))
        .map(|window| if window.orphan { f32::INFINITY } else { window.distance });
    let first: f32 = found[0].iter().map(|seat| ranking.distances[*seat as usize]).sum();
    assert!((least.fold(f32::INFINITY, f32::min) - first).abs() < 0.01);
}

#[test]
fn no_seat_is_left_alone_while_another_choice_exists() {
    let (index, ranking) = site();
    let row = index.group_of(index.seat_at(0)).unwrap().positions;
    // Three free seats in one row, two in the next: a pair belongs into the two.
    let next = row.end..row.end + 2;
    let set = |free: &dyn Fn(u32) -> bool| FreeSeats::new(index.seat_count(), free);
    let free = set(&|seat| (row.start..row.start + 3).contains(&seat) || next.contains(&seat));
    let found = ranking.propose(&Wish::seats(2), 1, &free);
    assert_eq!(found, vec![next.clone().collect::<Vec<u32>>()]);
    // When there are only the three, a pair is proposed all the same.
    let only = set(&|seat| (row.start..row.start + 3).contains(&seat));
    assert_eq!(ranking.propose(&Wish::seats(2), 1, &only)[0].len(), 2);
}

#[test]
fn a_split_is_given_only_when_it_is_wanted_and_stays_together() {
    let (index, ranking) = site();
    // Every second seat of the site is free: no two are side by side.
    let free = FreeSeats::new(index.seat_count(), |seat| seat.is_multiple_of(2));
    let apart = Wish { adjacent: false, ..Wish::seats(3) };
    assert!(ranking.propose(&Wish::seats(3), 4, &free).is_empty());
    let found = ranking.propose(&apart, 4, &free);
    assert_eq!(found.len(), 4);
    let mut seen = std::collections::HashSet::new();
    assert!(found.iter().flatten().all(|seat| free.contains(*seat) && seen.insert(*seat)));
    let points: Vec<Point> = found[0].iter().map(|seat| ranking.points[*seat as usize]).collect();
    assert_eq!(points.len(), 3);
    assert!(points.iter().all(|point| between(*point, points[0]) < 5.0), "{points:?}");
}

#[test]
fn wishes_for_section_and_grade_are_kept() {
    let (index, ranking) = site();
    let section = index.groups().nth(600).unwrap().section;
    let wish = Wish { sections: vec![section], ..Wish::seats(2) };
    let found = ranking.propose(&wish, 8, &all(&index));
    assert!(
        found.iter().flatten().all(|seat| index.section_of(index.seat_at(*seat)) == Some(section))
    );
    let grades = index.grade_number("NAVY").into_iter().collect();
    let wish = Wish { grades, ..Wish::seats(2) };
    let found = ranking.propose(&wish, 8, &all(&index));
    assert_eq!(found.len(), 8);
    assert!(found.iter().flatten().all(|seat| index.grade(index.seat_at(*seat)) == Some("NAVY")));
}

#[test]
fn the_best_of_several_grades_are_the_best_of_all_of_them() {
    let (index, ranking) = site();
    let seats = all(&index);
    let found = |grades: &[u32], most| {
        let wish = Wish { grades: grades.to_vec(), ..Wish::seats(3) };
        ranking.propose(&wish, most, &seats)
    };
    let distance = |seats: &Vec<u32>| ranking.distance(&(seats[0]..seats[0] + 3));
    let by_distance = |left: &Vec<u32>, right: &Vec<u32>| {
        distance(left).total_cmp(&distance(right)).then(left.cmp(right))
    };
    let numbers: BTreeSet<u32> =
        (0..index.seat_count()).filter_map(|at| index.grade_number_of(index.seat_at(at))).collect();
    let numbers: Vec<u32> = numbers.into_iter().collect();
    assert!(numbers.len() > 2, "{numbers:?}");
    for (at, first) in numbers.iter().enumerate() {
        for second in &numbers[at + 1..] {
            let mut both = [found(&[*first], 40), found(&[*second], 40)].concat();
            both.sort_by(by_distance);
            both.truncate(40);
            let mut together = found(&[*first, *second], 40);
            together.sort_by(by_distance);
            assert_eq!(together, both, "{first} and {second}");
        }
    }
}
