//! Random numbers that are the same in each run, so that two runs do the same work.

/// A SplitMix64 generator.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Returns the generator of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        // The seed is mixed once. Otherwise neighbouring seeds would give the same numbers, shifted
        // by one place.
        Self(Self(seed ^ 0x5eed_5eed_5eed_5eed).roll())
    }

    /// Returns the next 64 bits.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    /// Returns a number in (0, 1].
    pub(crate) fn share(&mut self) -> f64 {
        ((self.roll() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_within_their_bounds() {
        let (mut first, mut second) = (Dice::new(7), Dice::new(7));
        for _ in 0..1000 {
            assert_eq!(first.below(4), second.below(4));
            let share = first.share();
            assert!(share > 0.0 && share <= 1.0);
            second.share();
        }
        let (mut first, mut next) = (Dice::new(1), Dice::new(2));
        let rolls = |dice: &mut Dice| (0..100).map(|_| dice.roll()).collect::<Vec<_>>();
        let (first, next) = (rolls(&mut first), rolls(&mut next));
        assert!(first.iter().all(|roll| !next.contains(roll)));
    }
}
