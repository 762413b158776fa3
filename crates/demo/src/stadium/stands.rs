//! The stands of the stadium: which blocks lie where, with how many rows, at which grade.
//! This file has the right half only (first base, right field); the left half is its mirror image.

use crate::stadium::block::Piece;
use crate::stadium::ring::Ring;

/// The angles at which one ring ends and the next ring begins, in degrees.
pub(super) const HOME_ENDS: f64 = 36.0;
pub(super) const LINE_ENDS: f64 = 64.6;
pub(super) const CORNER_ENDS: f64 = 102.0;
const OUTFIELD_STARTS: f64 = 103.5;
const OUTFIELD_ENDS: f64 = 169.5;

/// The outfield fence: the circle through both poles at 100 m and centre field at 125 m.
pub(super) const FENCE: Ring = Ring { center: [0.0, -51.8], front: 73.2 };

/// Distance between rows, and between seats, in metres: ordinary seats first, then better ones.
const PLAIN: (f64, f64) = (0.85, 0.52);
const EXCITING: (f64, f64) = (0.9, 0.55);
const PREMIUM: (f64, f64) = (1.05, 0.65);
const TABLE: (f64, f64) = (1.4, 0.85);

/// The rings that the stands follow, on the right half.
pub(super) struct Stands {
    /// Behind home plate.
    pub(super) home: Ring,
    /// Along the foul line.
    pub(super) line: Ring,
    /// Around the pole.
    pub(super) corner: Ring,
    /// Behind the fence.
    pub(super) outfield: Ring,
}

/// The blocks of a tier: those of the right half, from home plate outwards.
pub(super) struct Tier {
    /// Number of its first block, which is the outermost block on the right.
    pub(super) first_number: u32,
    pub(super) right: Vec<Piece>,
}

/// A run of blocks of equal width, side by side on a ring.
struct Run {
    ring: Ring,
    angles: (f64, f64),
    depth: f64,
    rows: u32,
    steps: (f64, f64),
}

impl Run {
    /// Returns a block for each grade.
    fn blocks(&self, grades: &[&'static str]) -> Vec<Piece> {
        let (from, to) = self.angles;
        let width = (to - from) / grades.len() as f64;
        let piece = |(number, grade): (u32, &&'static str)| Piece {
            ring: self.ring,
            from: from + width * f64::from(number),
            to: from + width * f64::from(number + 1),
            depth: self.depth,
            rows: self.rows,
            row_step: self.steps.0,
            seat_step: self.steps.1,
            slant: [0.0, 0.0],
            grade,
        };
        (0..).zip(grades).map(piece).collect()
    }
}

impl Stands {
    pub(super) fn new() -> Self {
        let home = Ring { center: [0.0, -3.0], front: 20.0 };
        let line = home.continued(HOME_ENDS, 200.0);
        let corner = line.continued(LINE_ENDS, 8.0);
        Self { home, line, corner, outfield: Ring { front: 77.4, ..FENCE } }
    }

    /// Returns the tiers of the infield, the tier at the field first.
    pub(super) fn infield(&self) -> Vec<Tier> {
        vec![
            Tier { first_number: 101, right: self.field_level() },
            Tier { first_number: 201, right: self.lower_deck() },
            Tier { first_number: 301, right: self.table_deck() },
            Tier { first_number: 401, right: self.upper_deck() },
        ]
    }

    /// Returns the tiers of the outfield.
    pub(super) fn outfield(&self) -> Vec<Tier> {
        let angles = (OUTFIELD_STARTS, OUTFIELD_ENDS);
        let ring = self.outfield;
        let front = Run { ring, angles, depth: 0.5, rows: 11, steps: PLAIN };
        let back = Run { ring, angles, depth: 11.8, rows: 11, steps: PLAIN };
        let mut back = back.blocks(&["GREEN"; 8]);
        if let Some(last) = back.last_mut() {
            last.slant = [0.0, 0.45]; // Keeps the scoreboard visible.
        }
        vec![
            // Outwards from home plate means from the pole to centre field here.
            Tier { first_number: 501, right: front.blocks(&["GREEN"; 8]) },
            Tier { first_number: 601, right: back },
        ]
    }

    fn field_level(&self) -> Vec<Piece> {
        let premium =
            Run { ring: self.home, angles: (0.0, HOME_ENDS), depth: 0.5, rows: 6, steps: PREMIUM };
        let exciting =
            Run { ring: self.line, angles: (37.8, 55.0), depth: 0.5, rows: 6, steps: EXCITING };
        let mut blocks = premium.blocks(&["PREMIUM"; 2]);
        blocks.extend(exciting.blocks(&["EXCITING"; 4]));
        if let Some(last) = blocks.last_mut() {
            last.slant = [0.0, 0.4]; // Room for the bullpen.
        }
        blocks
    }

    fn table_deck(&self) -> Vec<Piece> {
        let angles = (0.0, HOME_ENDS);
        Run { ring: self.home, angles, depth: 8.6, rows: 5, steps: TABLE }.blocks(&["TABLE"; 3])
    }

    fn lower_deck(&self) -> Vec<Piece> {
        let behind =
            Run { ring: self.home, angles: (0.0, HOME_ENDS), depth: 17.0, rows: 9, steps: PLAIN };
        let along = Run {
            ring: self.line,
            angles: (HOME_ENDS, LINE_ENDS),
            depth: 8.4,
            rows: 19,
            steps: PLAIN,
        };
        let corner = Run {
            ring: self.corner,
            angles: (LINE_ENDS, CORNER_ENDS),
            depth: 8.4,
            rows: 16,
            steps: PLAIN,
        };
        let grades = ["BLUE", "BLUE", "ORANGE", "ORANGE", "ORANGE", "RED", "RED", "RED"];
        let mut blocks = behind.blocks(&["BLUE"; 2]);
        blocks.extend(along.blocks(&grades));
        blocks.extend(corner.blocks(&["RED"; 2]));
        blocks
    }

    fn upper_deck(&self) -> Vec<Piece> {
        let behind =
            Run { ring: self.home, angles: (0.0, HOME_ENDS), depth: 28.0, rows: 15, steps: PLAIN };
        let along = Run { ring: self.line, angles: (HOME_ENDS, LINE_ENDS), ..behind };
        let mut blocks = behind.blocks(&["NAVY"; 4]);
        blocks.extend(along.blocks(&["NAVY"; 8]));
        // The deck gets lower towards the pole, as a roof line does.
        let from = blocks.len() - 3;
        for (block, rows) in blocks[from..].iter_mut().zip([14, 12, 10]) {
            block.rows = rows;
        }
        if let Some(last) = blocks.last_mut() {
            last.slant = [0.0, 0.5];
        }
        blocks
    }
}
