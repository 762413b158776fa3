//! The geometry of the stands: each stand follows an arc around the field, row behind row.
//!
//! Angles are in degrees, seen from the centre of the arc: 0 points down the map (from the field
//! to the seats behind home plate), 90 to the right (first base), 180 up (centre field).

/// An arc around the field. Depth 0 is the front of the stand; the depth grows away from the field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    pub(super) center: [f64; 2],
    pub(super) front: f64,
}

/// Returns the direction from the field to the seats at this angle.
fn outwards(degrees: f64) -> [f64; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [sin, cos]
}

impl Ring {
    /// Returns a ring with another radius that continues this ring at this angle, without a bend.
    pub(super) fn continued(self, degrees: f64, front: f64) -> Self {
        let [x, y] = outwards(degrees);
        let shift = self.front - front;
        Self { center: [self.center[0] + x * shift, self.center[1] + y * shift], front }
    }

    /// Returns the same ring on the other side of the field.
    pub(super) fn mirrored(self) -> Self {
        Self { center: [-self.center[0], self.center[1]], front: self.front }
    }

    /// Returns the point at this angle and depth.
    pub(super) fn at(self, degrees: f64, depth: f64) -> [f64; 2] {
        let [x, y] = outwards(degrees);
        let radius = self.front + depth;
        [self.center[0] + x * radius, self.center[1] + y * radius]
    }

    /// Converts a length along the arc at this depth from metres into degrees.
    pub(super) fn degrees(self, metres: f64, depth: f64) -> f64 {
        (metres / (self.front + depth)).to_degrees()
    }

    /// Returns points along the arc. They are so close that no chord is more than 5 cm off the arc.
    pub(super) fn arc(self, from: f64, to: f64, depth: f64) -> Vec<[f64; 2]> {
        let radius = self.front + depth;
        let step = (8.0_f64 * radius.max(0.1) * 0.05).sqrt();
        let length = (to - from).abs().to_radians() * radius;
        let steps = (length / step).ceil().max(1.0);
        let angle = |number: u32| from + (to - from) * f64::from(number) / steps;
        (0..=steps as u32).map(|number| self.at(angle(number), depth)).collect()
    }
}

/// Rounds to centimetres, because nobody sees less and the document shrinks to a third.
pub(super) fn centimetres([x, y]: [f64; 2]) -> [f64; 2] {
    // Adding zero turns -0 into 0.
    [x, y].map(|metres| (metres * 100.0).round() / 100.0 + 0.0)
}
