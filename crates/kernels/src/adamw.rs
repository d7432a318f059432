//! AdamW (Loshchilov and Hutter 2019), decay decoupled from the gradient, in one pass over a tensor.

use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ELEMENTS, Pieces, SMALL, tasks, tasks_unless};

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
    let small = p.len() <= SMALL;
    let [p, m, v] = [p, m, v].map(|x| Pieces::new(x, CHUNK_ELEMENTS));
    tasks_unless(small, p.count(), |i| {
        // SAFETY: each task takes the pieces of its own number, once.
        let (p, m, v) = unsafe { (p.get(i), m.get(i), v.get(i)) };
        let start = i * CHUNK_ELEMENTS;
        update(isa, p, m, v, g.map(|g| &g[start..start + m.len()]), with);
    });
}

/// What an update does to a row of a table.
#[derive(Clone, Copy, Debug)]
pub enum RowUpdate<'a> {
    /// Nothing.
    Skip,
    /// The row is multiplied by the first, then updated with the gradient, if there is one.
    Update(f32, Option<&'a [f32]>),
}

/// Updates the rows of a table as `row` says.
///
/// # Panics
/// If the lengths differ or are no multiple of the width.
pub fn adamw_update_rows<'a>(
    isa: Isa,
    (p, m, v): (&mut [f32], &mut [f32], &mut [f32]),
    width: usize,
    with: &AdamWUpdate,
    row: impl Fn(usize) -> RowUpdate<'a> + Sync + Send,
) {
    /// Rows that one task looks at.
    const ROWS: usize = 256;
    assert!(m.len() == p.len() && v.len() == p.len() && width > 0 && p.len().is_multiple_of(width));
    let [p, m, v] = [p, m, v].map(|x| Pieces::new(x, ROWS * width));
    tasks(p.count(), |i| {
        // SAFETY: each task takes the pieces of its own number, once.
        let (p, m, v) = unsafe { (p.get(i), m.get(i), v.get(i)) };
        let rows = p.chunks_exact_mut(width).zip(m.chunks_exact_mut(width)).zip(v.chunks_exact_mut(width));
        for (r, ((p, m), v)) in rows.enumerate() {
            if let RowUpdate::Update(factor, g) = row(i * ROWS + r) {
                if factor != 1.0 {
                    for x in p.iter_mut() {
                        *x *= factor;
                    }
                }
                update(isa, p, m, v, g, with);
            }
        }
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
