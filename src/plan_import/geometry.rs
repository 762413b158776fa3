//! Distances, bounds, and the outlines of rectangles and ellipses.

use super::drawing::Spot;

/// Points of the outline of an ellipse. With 32 the edges of a large one can hardly be seen.
const ELLIPSE_POINTS: u32 = 32;

/// The distance of two points.
pub(super) fn distance(a: Spot, b: Spot) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// A point, turned clockwise around another by an angle in degrees.
pub(super) fn turned(point: Spot, around: Spot, degrees: f64) -> Spot {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let [x, y] = [point[0] - around[0], point[1] - around[1]];
    [around[0] + x * cos - y * sin, around[1] + x * sin + y * cos]
}

/// A rectangle, turned clockwise around a point of it by an angle in degrees.
pub(super) fn rectangle(corner: Spot, size: Spot, around: Spot, degrees: f64) -> Vec<Spot> {
    let [x, y] = corner;
    let [right, below] = [x + size[0], y + size[1]];
    let corners = [[x, y], [right, y], [right, below], [x, below]];
    corners.map(|corner| turned(corner, around, degrees)).to_vec()
}

/// A rectangle around its centre.
pub(super) fn centered(center: Spot, size: Spot, degrees: f64) -> Vec<Spot> {
    let corner = [center[0] - size[0] / 2.0, center[1] - size[1] / 2.0];
    rectangle(corner, size, center, degrees)
}

/// The outline of an ellipse with two radii, turned clockwise by an angle in degrees.
pub(super) fn ellipse(center: Spot, radii: Spot, degrees: f64) -> Vec<Spot> {
    let step = std::f64::consts::TAU / f64::from(ELLIPSE_POINTS);
    (0..ELLIPSE_POINTS)
        .map(|at| {
            let (sin, cos) = (f64::from(at) * step).sin_cos();
            turned([center[0] + radii[0] * cos, center[1] + radii[1] * sin], center, degrees)
        })
        .collect()
}

/// The smallest upright rectangle around some points.
pub(super) fn bounds(points: impl Iterator<Item = Spot>) -> Option<Bounds> {
    points.map(|point| Bounds { least: point, most: point }).reduce(Bounds::with)
}

/// The smallest upright rectangle around some points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) least: Spot,
    pub(super) most: Spot,
}

impl Bounds {
    pub(super) fn middle(self) -> Spot {
        [0, 1].map(|axis| f64::midpoint(self.least[axis], self.most[axis]))
    }

    /// The smallest upright rectangle around both.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            least: [0, 1].map(|axis| self.least[axis].min(other.least[axis])),
            most: [0, 1].map(|axis| self.most[axis].max(other.most[axis])),
        }
    }
}
