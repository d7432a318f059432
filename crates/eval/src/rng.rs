//! The one source of randomness: SplitMix64, small enough to read and the same on every machine, and the
//! drawing of rows with replacement.

/// SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound` by multiplication and shift; its bias is below `bound / 2^64`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Draws as many rows as there are, with replacement: `weights[row]` becomes how often the row was drawn.
    pub(crate) fn resample(&mut self, weights: &mut [u32]) {
        weights.fill(0);
        for _ in 0..weights.len() {
            let row = self.below(weights.len());
            weights[row] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_outputs_are_the_published_ones() {
        // The sequence for seed 1234567 that implementations of SplitMix64 are checked against.
        let mut rng = SplitMix64::new(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_resample_has_as_many_rows() {
        let mut weights = vec![7; 100];
        SplitMix64::new(3).resample(&mut weights);
        assert_eq!(weights.iter().sum::<u32>(), 100);
        assert!(weights.contains(&0) && weights.iter().any(|&w| w > 1));
        SplitMix64::new(3).resample(&mut []);
    }
}
