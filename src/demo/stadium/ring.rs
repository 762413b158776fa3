//! The geometry of stands: each follows an arc around the field, row behind row.
//!
//! Angles are in degrees, seen from the centre of the arc: 0 points down the map (from the field
//! to the seats behind home plate), 90 to the right (first base), 180 up (centre field).

use crate::domain::plan::Point;

/// An arc around the field. Depth 0 is its front; depths grow away from the field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    pub(super) center: [f64; 2],
    pub(super) front: f64,
}

/// The way from the field to the seats, at an angle.
fn outwards(degrees: f64) -> [f64; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [sin, cos]
}

impl Ring {
    /// The ring of another radius that goes on where this one ends, without a bend.
    pub(super) fn continued(self, degrees: f64, front: f64) -> Self {
        let [x, y] = outwards(degrees);
        let shift = self.front - front;
        Self { center: [self.center[0] + x * shift, self.center[1] + y * shift], front }
    }

    /// The same ring on the other side of the field.
    pub(super) fn mirrored(self) -> Self {
        Self { center: [-self.center[0], self.center[1]], front: self.front }
    }

    /// The point at an angle and a depth.
    pub(super) fn at(self, degrees: f64, depth: f64) -> [f64; 2] {
        let [x, y] = outwards(degrees);
        let radius = self.front + depth;
        [self.center[0] + x * radius, self.center[1] + y * radius]
    }

    /// The angle, in degrees, that so many metres take at a depth.
    pub(super) fn degrees(self, metres: f64, depth: f64) -> f64 {
        (metres / (self.front + depth)).to_degrees()
    }

    /// Points along the arc, so close that the chords leave it by 5 cm at most.
    pub(super) fn arc(self, from: f64, to: f64, depth: f64) -> Vec<[f64; 2]> {
        let radius = self.front + depth;
        let step = (8.0_f64 * radius.max(0.1) * 0.05).sqrt();
        let length = (to - from).abs().to_radians() * radius;
        let steps = (length / step).ceil().max(1.0);
        let angle = |number: u32| from + (to - from) * f64::from(number) / steps;
        (0..=steps as u32).map(|number| self.at(angle(number), depth)).collect()
    }
}

/// Rounds to centimetres: nobody sees less, and the document is a third of the size.
pub(super) fn centimetres([x, y]: [f64; 2]) -> Point {
    // Adding zero turns -0 into 0.
    [x, y].map(|metres| ((metres * 100.0).round() / 100.0 + 0.0) as f32)
}
