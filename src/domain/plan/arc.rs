//! Where the seats of a row stand: evenly spaced on the line, or on the arc, from `from` to `to`.
//!
//! With chord `c` and height `h` (the bow), the circle has radius `r = (c²/4 + h²) / 2h`, and the
//! arc reaches `θ = 2·atan(2h/c)` to either side of its middle. A seat at angle `α` from the
//! middle lies `r·sin α` along the chord and `r·cos α − (r − h)` beside it. Equal steps of `α` are
//! equal steps along the arc, so neighbours are equally far apart, as real seats are.

use super::{Point, Run};

/// Below this height in metres a row counts as straight, because nobody would see the arc, and `r`
/// would overflow.
const STRAIGHT: f64 = 1e-4;

impl Run {
    /// The centre of a seat of this run, `offset` seats after the first one. A run without a line
    /// has its seats at `[0, 0]`; the check refuses it.
    pub fn point(&self, offset: u32) -> Point {
        if let Some(point) = self.points.get(offset as usize) {
            return *point;
        }
        let [from, to] = [self.from, self.to].map(Option::unwrap_or_default);
        arc_point(from, to, self.bow, share(offset, self.seats))
    }
}

/// How far along its row of `seats` seats a seat stands, from 0 to 1.
pub(super) fn share(offset: u32, seats: u32) -> f64 {
    // A lone seat stands at `from`.
    f64::from(offset) / f64::from(seats.saturating_sub(1).max(1))
}

/// The point that lies `share` (0 to 1) of the way along the arc from `from` to `to`.
pub(super) fn arc_point(from: Point, to: Point, bow: f32, share: f64) -> Point {
    let [from_x, from_y] = from.map(f64::from);
    let [to_x, to_y] = to.map(f64::from);
    let (chord_x, chord_y) = (to_x - from_x, to_y - from_y);
    let chord = chord_x.hypot(chord_y);
    let height = f64::from(bow).abs();
    if height < STRAIGHT || chord < STRAIGHT {
        return [(from_x + chord_x * share) as f32, (from_y + chord_y * share) as f32];
    }
    let radius = (chord * chord / 4.0 + height * height) / (2.0 * height);
    let angle = 2.0 * (2.0 * height / chord).atan() * (2.0 * share - 1.0);
    let along = radius * angle.sin() / chord;
    let beside = (radius * angle.cos() - (radius - height)) * f64::from(bow).signum() / chord;
    let (middle_x, middle_y) = (f64::midpoint(from_x, to_x), f64::midpoint(from_y, to_y));
    // y grows downwards, so the right of (x, y) is (-y, x).
    [
        (middle_x + chord_x * along - chord_y * beside) as f32,
        (middle_y + chord_y * along + chord_x * beside) as f32,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn distance(a: Point, b: Point) -> f32 {
        (a[0] - b[0]).hypot(a[1] - b[1])
    }

    #[test]
    fn a_straight_row_is_evenly_spaced() {
        assert_eq!(arc_point([0.0, 0.0], [4.0, 8.0], 0.0, 0.25), [1.0, 2.0]);
    }

    #[test]
    fn a_positive_bow_lies_to_the_right_of_the_way_from_first_to_last() {
        // Walking to the right on a map whose y grows downwards, the right hand points down.
        let middle = arc_point([-5.0, 0.0], [5.0, 0.0], 2.0, 0.5);
        assert!(distance(middle, [0.0, 2.0]) < 1e-4);
        let middle = arc_point([-5.0, 0.0], [5.0, 0.0], -2.0, 0.5);
        assert!(distance(middle, [0.0, -2.0]) < 1e-4);
    }

    #[test]
    fn a_bow_of_half_the_chord_is_half_a_circle() {
        let point = arc_point([-5.0, 0.0], [5.0, 0.0], 5.0, 0.25);
        let side = 5.0 / 2.0_f32.sqrt();
        assert!(distance(point, [-side, side]) < 1e-4, "{point:?}");
    }

    proptest! {
        #[test]
        fn an_arc_starts_and_ends_at_its_ends_with_equal_steps(
            from in [-100.0_f32..100.0, -100.0..100.0],
            to in [-100.0_f32..100.0, -100.0..100.0],
            flat in -1.0_f32..1.0,
            seats in 3_u32..60,
        ) {
            let bow = flat * distance(from, to) / 2.0;
            let points: Vec<Point> =
                (0..seats).map(|seat| arc_point(from, to, bow, share(seat, seats))).collect();
            prop_assert!(distance(points[0], from) < 1e-3);
            prop_assert!(distance(points[points.len() - 1], to) < 1e-3);
            let step = distance(points[0], points[1]);
            for pair in points.windows(2) {
                prop_assert!((distance(pair[0], pair[1]) - step).abs() < 1e-3);
            }
        }
    }
}
