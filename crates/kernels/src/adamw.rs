//! AdamW (Loshchilov and Hutter 2019), decay decoupled from the gradient, in one pass over a tensor.

use rayon::prelude::*;

use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ELEMENTS, SMALL};

/// The constants of one update.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Weight decay: weights shrink by lr · decay.
    pub decay: f32,
    /// The number of this update, from 1; it sets the bias correction.
    pub step: u64,
    /// The gradient is multiplied by this first: clipping without a pass of its own.
    pub gradient_scale: f32,
}

impl AdamW {
    /// What is the same for every element of this update.
    pub fn prepare(&self) -> AdamWUpdate {
        let step = i32::try_from(self.step).unwrap_or(i32::MAX);
        let correction1 = 1.0 - f64::from(self.beta1).powi(step);
        let correction2 = 1.0 - f64::from(self.beta2).powi(step);
        AdamWUpdate {
            adam: *self,
            keep: (1.0 - f64::from(self.lr) * f64::from(self.decay)) as f32,
            rate: (f64::from(self.lr) / correction1) as f32,
            root: (1.0 / correction2.sqrt()) as f32,
        }
    }
}

/// One update, ready to be applied to any number of tensors.
#[derive(Clone, Copy, Debug)]
pub struct AdamWUpdate {
    adam: AdamW,
    keep: f32,
    rate: f32,
    root: f32,
}

/// Updates weights `p` and moments `m`, `v` with gradient `g`; without a gradient the moments decay and the weights
/// move on, as they do for a dense gradient of zeros.
///
/// # Panics
/// If the lengths differ.
pub fn adamw_update(
    isa: Isa,
    p: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: Option<&[f32]>,
    with: &AdamWUpdate,
) {
    assert!(m.len() == p.len() && v.len() == p.len() && g.is_none_or(|g| g.len() == p.len()));
    if p.len() <= SMALL {
        update(isa, p, m, v, g, with);
        return;
    }
    p.par_chunks_mut(CHUNK_ELEMENTS)
        .zip(m.par_chunks_mut(CHUNK_ELEMENTS))
        .zip(v.par_chunks_mut(CHUNK_ELEMENTS))
        .enumerate()
        .for_each(|(i, ((p, m), v))| {
            let start = i * CHUNK_ELEMENTS;
            update(isa, p, m, v, g.map(|g| &g[start..start + m.len()]), with);
        });
}

multiversion! {
    fn update(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: Option<&[f32]>, with: &AdamWUpdate) = update_body;
}

#[inline(always)]
fn update_body<F: MulAdd>(
    p: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: Option<&[f32]>,
    with: &AdamWUpdate,
) {
    let AdamWUpdate { adam, keep, rate, root } = *with;
    let (new1, new2) = (1.0 - adam.beta1, 1.0 - adam.beta2);
    let one = |p: &mut f32, m: &mut f32, v: &mut f32, g: f32| {
        *m = F::mul_add(adam.beta1, *m, new1 * g);
        *v = F::mul_add(adam.beta2, *v, new2 * g * g);
        let root = F::mul_add(v.sqrt(), root, adam.eps);
        *p = F::mul_add(-rate, *m / root, *p * keep);
    };
    let weights = p.iter_mut().zip(m.iter_mut()).zip(v.iter_mut());
    match g {
        Some(g) => weights.zip(g).for_each(|(((p, m), v), g)| one(p, m, v, g * adam.gradient_scale)),
        None => weights.for_each(|((p, m), v)| one(p, m, v, 0.0)),
    }
}
