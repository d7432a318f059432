//! The seeded generator behind every split and every epoch's order: SplitMix64 (Steele, Lea and Flood, "Fast
//! splittable pseudorandom number generators", OOPSLA 2014), with draws below a bound that are exactly uniform.

/// A 64-bit generator of one word of state; the same seed gives the same numbers everywhere.
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl SplitMix64 {
    /// A generator from a seed. Any seed is fine, 0 too.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// An independent generator for a numbered purpose (a class, an epoch) under one seed.
    pub fn stream(seed: u64, number: u64) -> Self {
        let mut base = Self::new(seed);
        let salt = base.next_u64();
        let mut other = Self::new(salt ^ number.wrapping_mul(GAMMA).wrapping_add(GAMMA));
        Self::new(other.next_u64())
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A uniform number below `bound`; 0 if `bound` is 0. Draws that would favour small numbers are thrown away.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound < 2 {
            return 0;
        }
        let excess = (u64::MAX % bound + 1) % bound;
        loop {
            let draw = self.next_u64();
            if draw <= u64::MAX - excess {
                return draw % bound;
            }
        }
    }

    /// Puts the items into a uniformly random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

/// The order of `n` rows in an epoch: a permutation of `0..n` that depends on `n`, `seed` and `epoch` alone.
pub fn shuffled(n: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    SplitMix64::stream(seed, epoch).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// First outputs for seed 1234567, as published with the reference implementation.
    #[test]
    fn reference_values() {
        let mut rng = SplitMix64::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(rng.next_u64(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn every_order_of_three_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            *counts.entry(shuffled(3, seed, 0)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|&count| (870..1130).contains(&count)), "{counts:?}");
    }

    #[test]
    fn epochs_and_seeds_differ() {
        assert_eq!(shuffled(100, 7, 3), shuffled(100, 7, 3));
        assert_ne!(shuffled(100, 7, 3), shuffled(100, 7, 4));
        assert_ne!(shuffled(100, 7, 3), shuffled(100, 8, 3));
        assert_ne!(shuffled(100, 0, 1), shuffled(100, 1, 0));
    }

    proptest! {
        #[test]
        fn a_permutation(n in 0usize..200, seed: u64, epoch: u64) {
            let mut order = shuffled(n, seed, epoch);
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..n));
        }

        #[test]
        fn below_is_below(seed: u64, bound in 1u64..) {
            prop_assert!(SplitMix64::new(seed).below(bound) < bound);
        }
    }
}
