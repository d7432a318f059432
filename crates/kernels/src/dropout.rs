//! Dropout whose mask is a function of a key and the element's index, so that it needs no memory, is the same
//! at any number of threads, and is recomputed on the way back.

use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ELEMENTS, for_pieces};

/// One site of dropout in one step: its probability and the key of its mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    key: u32,
    /// A hash below this drops the element.
    threshold: u32,
    /// 1 / (1 - p), by which what stays is multiplied.
    scale: f32,
}

impl Dropout {
    /// Drops with probability `p` in `[0, 1)`; a `p` outside is clamped. `key` should differ at every site and step.
    pub fn new(p: f32, key: u64) -> Self {
        let p = if p > 0.0 { p.min(0.999) } else { 0.0 };
        let threshold = (f64::from(p) * f64::from(u32::MAX)) as u32;
        Self {
            key: mix(key as u32 ^ mix((key >> 32) as u32 ^ 0x9e37_79b9)),
            threshold,
            scale: 1.0 / (1.0 - p),
        }
    }

    /// True where nothing is ever dropped.
    pub fn is_none(self) -> bool {
        self.threshold == 0
    }

    /// The same dropout with the mask of row `row`.
    #[inline(always)]
    pub(crate) fn row(self, row: usize) -> Self {
        Self { key: mix(self.key ^ (row as u32).wrapping_mul(0x85eb_ca6b)), ..self }
    }

    /// What element `index` is multiplied by: 0 or 1 / (1 - p).
    #[inline(always)]
    pub(crate) fn factor(self, index: u32) -> f32 {
        let hash = mix(index.wrapping_mul(0x9e37_79b1) ^ self.key);
        if hash < self.threshold { 0.0 } else { self.scale }
    }
}

/// A 32-bit mixing function with full avalanche: the finalizer of MurmurHash3 (Appleby).
#[inline(always)]
const fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// Applies dropout to `x` in place.
pub fn dropout_forward(isa: Isa, x: &mut [f32], dropout: Dropout) {
    if dropout.is_none() {
        return;
    }
    for_pieces(x, CHUNK_ELEMENTS, |i, part| apply(isa, part, dropout.row(i)));
}

/// Takes the gradient back through [`dropout_forward`], in place. Dropout is linear: it is the same product.
pub fn dropout_backward(isa: Isa, dx: &mut [f32], dropout: Dropout) {
    dropout_forward(isa, dx, dropout);
}

multiversion! { fn apply(x: &mut [f32], dropout: Dropout) = apply_body; }

#[inline(always)]
fn apply_body<F: MulAdd>(x: &mut [f32], dropout: Dropout) {
    for (i, x) in x.iter_mut().enumerate() {
        *x *= dropout.factor(i as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::Dropout;

    #[test]
    fn masks_have_their_rate_and_differ_by_key() {
        for p in [0.05f32, 0.1, 0.5] {
            let (a, b) = (Dropout::new(p, 1), Dropout::new(p, 2));
            let n = 1 << 20;
            let dropped =
                |d: Dropout| (0..n).filter(|&i| d.row(3).factor(i) == 0.0).count() as f32 / n as f32;
            let both = (0..n).filter(|&i| a.factor(i) == 0.0 && b.factor(i) == 0.0).count() as f32 / n as f32;
            assert!((dropped(a) - p).abs() < 2e-3 && (dropped(b) - p).abs() < 2e-3, "rate of p = {p}");
            assert!((both - p * p).abs() < 2e-3, "keys are independent at p = {p}: {both}");
        }
    }

    #[test]
    fn neighbours_are_independent() {
        let d = Dropout::new(0.5, 7);
        let n = 1 << 18;
        for lag in [1, 2, 16, 384] {
            let both =
                (0..n).filter(|&i| d.factor(i) == 0.0 && d.factor(i + lag) == 0.0).count() as f32 / n as f32;
            assert!((both - 0.25).abs() < 5e-3, "lag {lag}: {both}");
        }
    }

    #[test]
    fn zero_probability_changes_nothing() {
        let mut x = [1.5f32; 9];
        super::dropout_forward(crate::Isa::detect(), &mut x, Dropout::new(0.0, 3));
        assert_eq!(x, [1.5; 9]);
        assert!(Dropout::new(f32::NAN, 1).is_none());
    }
}
