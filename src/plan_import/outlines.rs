//! The outlines of a block around its seats.

use super::drawing::Spot;
use super::geometry::{Bounds, bounds};
use crate::domain::plan::Row;

/// Half the side of the square around a seat that belongs to its block, in metres.
const SEAT_MARGIN: f64 = 0.45;
/// Rows and tables that are farther apart than this have outlines of their own, in metres. So the
/// outline of tables around a dance floor does not cover the dance floor.
const APART_METRES: f64 = 2.0;
/// The most outlines of a block of a plan.
const OUTLINES_MAX: usize = 21;
/// The most points of an outline of a plan.
const OUTLINE_POINTS_MAX: usize = 200;
/// Above so many rows there is one outline, because each row is compared with each other.
const ROWS_MAX: usize = 1_000;

/// A group of rows that are near each other.
struct Group {
    bounds: Bounds,
    seats: Vec<Spot>,
}

/// The smallest convex outlines around all seats, with a margin.
pub(super) fn around(rows: &[Row]) -> Vec<Vec<Spot>> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let seats: Vec<Spot> = row
            .runs
            .iter()
            .flat_map(|run| (0..run.seats).map(|at| run.point(at).map(f64::from)))
            .collect();
        let Some(bounds) = bounds(seats.iter().copied()) else { continue };
        let mut group = Group { bounds, seats };
        if rows.len() > ROWS_MAX {
            match groups.first_mut() {
                Some(all) => all.seats.append(&mut group.seats),
                None => groups.push(group),
            }
            continue;
        }
        // A row may join groups that were apart, and these may then be near to others.
        while let Some(at) = groups.iter().position(|other| is_near(other.bounds, group.bounds)) {
            let mut other = groups.remove(at);
            other.bounds = other.bounds.with(group.bounds);
            other.seats.append(&mut group.seats);
            group = other;
        }
        groups.push(group);
    }
    if groups.len() > OUTLINES_MAX {
        return vec![outline(groups.into_iter().flat_map(|group| group.seats))];
    }
    groups.into_iter().map(|group| outline(group.seats.into_iter())).collect()
}

fn is_near(a: Bounds, b: Bounds) -> bool {
    [0, 1].into_iter().all(|axis| {
        a.least[axis] - b.most[axis] < APART_METRES && b.least[axis] - a.most[axis] < APART_METRES
    })
}

fn outline(seats: impl Iterator<Item = Spot>) -> Vec<Spot> {
    let corners = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
    let around = |seat: Spot| {
        corners.map(|[x, y]: Spot| [seat[0] + x * SEAT_MARGIN, seat[1] + y * SEAT_MARGIN])
    };
    let mut hull = hull(seats.flat_map(around).collect());
    while hull.len() > OUTLINE_POINTS_MAX {
        let mut at = 0;
        hull.retain(|_| {
            at += 1;
            at % 2 == 1
        });
    }
    hull
}

/// The convex hull, by Andrew's monotone chain.
fn hull(mut points: Vec<Spot>) -> Vec<Spot> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let half = |points: &mut dyn Iterator<Item = Spot>| {
        let mut chain: Vec<Spot> = Vec::new();
        for point in points {
            while let [.., before, last] = chain[..]
                && turn(before, last, point) <= 0.0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

fn turn(a: Spot, b: Spot, c: Spot) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}
