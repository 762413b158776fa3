//! What lies under the seats: the playing field with its lines, dugouts, bullpens and scoreboard.
//! Home plate is the origin. Bases are 27.43 m apart, and the fence is 100 m (lines) to 125 m
//! (centre) away. All lengths are in metres.

use crate::stadium::ring::{Ring, centimetres};
use crate::stadium::stands::{CORNER_ENDS, FENCE, HOME_ENDS, LINE_ENDS, Stands};
use serde_json::{Value, json};

/// Distance between bases along each axis of the map: 27.43 m at 45 degrees.
const BASE: f64 = 19.4;
/// Place of the pitcher's plate, 18.44 m from home plate.
const MOUND: f64 = -18.44;

/// Returns all shapes, in the order in which they are painted.
pub(super) fn shapes(stands: &Stands) -> Vec<Value> {
    let mut shapes = vec![
        shape("dirt", ground(stands, 1.0)),
        shape("grass", ground(stands, 5.0)),
        shape("dirt", infield()),
        shape("grass", square([0.0, -BASE], BASE - 2.0)),
    ];
    for base in [[0.0, 0.0], [BASE, -BASE], [0.0, -2.0 * BASE], [-BASE, -BASE]] {
        let radius = if base == [0.0, 0.0] { 4.0 } else { 3.2 };
        shapes.push(shape("dirt", circle(base, radius)));
    }
    shapes.push(shape("dirt", circle([0.0, MOUND], 2.74)));
    lines(&mut shapes);
    buildings(stands, &mut shapes);
    shapes
}

fn shape(kind: &str, outline: Vec<[f64; 2]>) -> Value {
    let outline: Vec<_> = outline.into_iter().map(centimetres).collect();
    json!({"kind": kind, "outline": outline})
}

/// Adds a shape of the right half of the map, and its mirror image.
fn both(shapes: &mut Vec<Value>, kind: &str, outline: Vec<[f64; 2]>) {
    let mirrored = outline.iter().map(|[x, y]| [-x, *y]).collect();
    shapes.push(shape(kind, outline));
    shapes.push(shape(kind, mirrored));
}

/// Returns the playing field, `inset` metres inside the stands and the fence.
fn ground(stands: &Stands, inset: f64) -> Vec<[f64; 2]> {
    let mut half = stands.home.arc(0.0, HOME_ENDS, -inset);
    half.extend(stands.line.arc(HOME_ENDS, LINE_ENDS, -inset));
    half.extend(stands.corner.arc(LINE_ENDS, CORNER_ENDS, -inset));
    half.extend(FENCE.arc(105.0, 180.0, 1.0 - inset));
    let other: Vec<[f64; 2]> = half.iter().rev().map(|[x, y]| [-x, *y]).collect();
    half.extend(other);
    half
}

/// Returns the dirt of the infield: 29 m around the mound, up to 3 m beyond the foul lines.
fn infield() -> Vec<[f64; 2]> {
    let around = Ring { center: [0.0, MOUND], front: 29.0 };
    let mut outline: Vec<[f64; 2]> =
        around.arc(60.0, 300.0, 0.0).into_iter().filter(|[x, y]| x.abs() < 4.2 - y).collect();
    outline.push([0.0, 4.2]);
    outline
}

fn circle(center: [f64; 2], radius: f64) -> Vec<[f64; 2]> {
    let mut outline = Ring { center, front: radius }.arc(0.0, 360.0, 0.0);
    outline.pop();
    outline
}

/// A square that stands on a corner.
fn square([x, y]: [f64; 2], half: f64) -> Vec<[f64; 2]> {
    vec![[x, y + half], [x + half, y], [x, y - half], [x - half, y]]
}

fn lines(shapes: &mut Vec<Value>) {
    let pole = 100.0 / 2.0_f64.sqrt();
    let half = 0.15; // Three times the real width, because a thinner line would be invisible.
    both(
        shapes,
        "line",
        vec![[half, half], [pole + half, half - pole], [pole - half, -half - pole], [-half, -half]],
    );
    both(shapes, "line", square([BASE - 0.4, -BASE], 0.5));
    shapes.push(shape("line", square([0.0, 0.4 - 2.0 * BASE], 0.5)));
    let plate = vec![[0.0, 0.5], [0.45, 0.0], [0.45, -0.45], [-0.45, -0.45], [-0.45, 0.0]];
    shapes.push(shape("line", plate));
    shapes.push(shape("line", vec![[-0.4, -18.5], [0.4, -18.5], [0.4, -18.2], [-0.4, -18.2]]));
}

fn buildings(stands: &Stands, shapes: &mut Vec<Value>) {
    let strip = |ring: Ring, angles: [f64; 2], depths: [f64; 2]| {
        let mut outline = ring.arc(angles[0], angles[1], depths[0]);
        outline.extend(ring.arc(angles[1], angles[0], depths[1]));
        outline
    };
    both(shapes, "wall", strip(FENCE, [105.0, 180.0], [0.0, 0.7])); // The fence.
    both(shapes, "wall", strip(stands.line, [38.5, 44.5], [-2.6, -0.9])); // Dugouts.
    both(shapes, "dirt", strip(stands.line, [56.0, 64.0], [0.4, 5.6])); // Bullpens.
    both(shapes, "grass", strip(stands.line, [57.6, 62.4], [0.9, 5.1]));
    let eye = strip(FENCE, [171.5, 188.5], [2.0, 14.0]);
    shapes.push(shape("grass", eye)); // A dark area, so that the batter sees the ball.
    let board = vec![[-14.0, -147.5], [14.0, -147.5], [14.0, -142.5], [-14.0, -142.5]];
    shapes.push(shape("wall", board)); // The scoreboard.
}
