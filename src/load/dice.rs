//! Random numbers that come out the same each time, so that two runs do the same work.

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    pub fn new(seed: u64) -> Self {
        // Mixed once: states that lie a step apart would give the same numbers, shifted by one.
        Self(Self(seed ^ 0x5eed_5eed_5eed_5eed).roll())
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    /// A number in (0, 1].
    pub fn share(&mut self) -> f64 {
        ((self.roll() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_within_their_bounds() {
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        for _ in 0..1000 {
            assert_eq!(one.below(4), other.below(4));
            let share = one.share();
            assert!(share > 0.0 && share <= 1.0);
            other.share();
        }
        let (mut one, mut next) = (Dice::new(1), Dice::new(2));
        let rolls = |dice: &mut Dice| (0..100).map(|_| dice.roll()).collect::<Vec<_>>();
        let (one, next) = (rolls(&mut one), rolls(&mut next));
        assert!(one.iter().all(|roll| !next.contains(roll)));
    }
}
