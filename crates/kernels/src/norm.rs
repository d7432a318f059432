//! Dropout, residual and LayerNorm (Ba, Kiros and Hinton 2016) in one pass each way.

use crate::dropout::Dropout;
use crate::isa::{Isa, MulAdd, multiversion};
use crate::linear_int8::QuantizedRows;
use crate::parallel::{CHUNK_ROWS, Pieces, SMALL, tasks_unless};
use crate::product::Rows8Places;
use crate::scratch;

/// Rows of a task on the way in.
const ROWS: usize = 8;

/// Lanes of a row's sums: they are formed in this many interleaved parts on every instruction set.
const LANES: usize = 16;

/// What a norm works on: its width, scale and shift, and the constant under the root.
#[derive(Clone, Copy, Debug)]
pub struct NormShape<'a> {
    /// Scale, one per column.
    pub gamma: &'a [f32],
    /// Shift, one per column.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// y = LayerNorm(dropout(x) + residual), row by row. `saved`, where given, receives the normalized rows (as long
/// as `y`) and each row's 1 / standard deviation, which the way back needs.
///
/// # Panics
/// If the lengths do not fit.
pub fn norm_forward(
    isa: Isa,
    x: &[f32],
    residual: Option<&[f32]>,
    dropout: Dropout,
    shape: NormShape<'_>,
    y: &mut [f32],
    saved: Option<(&mut [f32], &mut [f32])>,
) {
    norm_rows(isa, x, residual, dropout, shape, y, saved, None);
}

/// The same without dropout, and the rows of y in int8 as well.
///
/// # Panics
/// If the lengths do not fit.
pub fn norm_forward_int8(
    isa: Isa,
    x: &[f32],
    residual: Option<&[f32]>,
    shape: NormShape<'_>,
    y: &mut [f32],
) -> QuantizedRows {
    let width = shape.gamma.len();
    QuantizedRows::fill(y.len() / width.max(1), width, |to| {
        norm_rows(isa, x, residual, Dropout::new(0.0, 0), shape, y, None, Some(to));
    })
}

#[allow(clippy::too_many_arguments)]
fn norm_rows(
    isa: Isa,
    x: &[f32],
    residual: Option<&[f32]>,
    dropout: Dropout,
    shape: NormShape<'_>,
    y: &mut [f32],
    saved: Option<(&mut [f32], &mut [f32])>,
    int8: Option<Rows8Places>,
) {
    let width = shape.gamma.len();
    assert!(width > 0 && shape.beta.len() == width && x.len() == y.len() && x.len().is_multiple_of(width));
    assert!(residual.is_none_or(|r| r.len() == x.len()));
    // Nothing is summed over rows on the way in, so the pieces may be small.
    let piece = ROWS * width;
    let small = x.len() <= 2 * piece;
    if let Some((normal, scale)) = &saved {
        assert!(normal.len() == x.len() && scale.len() * width == x.len());
    }
    let y = Pieces::new(y, piece);
    let saved = saved.map(|(n, s)| (Pieces::new(n, piece), Pieces::new(s, ROWS)));
    tasks_unless(small, y.count(), |i| {
        // SAFETY: each task takes the pieces of its own number, once.
        let (y, saved) = unsafe { (y.get(i), saved.map(|(n, s)| (n.get(i), s.get(i)))) };
        let range = i * piece..i * piece + y.len();
        let residual = residual.map(|r| &r[range.clone()]);
        forward(isa, &x[range], residual, dropout, i * ROWS, shape, y, saved, int8);
    });
}

/// The way back: `dh` receives the gradient of dropout(x) + residual, `dx` (where dropout is on) that of x.
/// `dgamma` and `dbeta` are added to.
///
/// # Panics
/// If the lengths do not fit.
#[allow(clippy::too_many_arguments)]
pub fn norm_backward(
    isa: Isa,
    dy: &[f32],
    saved: (&[f32], &[f32]),
    gamma: &[f32],
    dropout: Dropout,
    dh: &mut [f32],
    dx: Option<&mut [f32]>,
    sums: Option<(&mut [f32], &mut [f32])>,
) {
    let width = gamma.len();
    let (normal, scale) = saved;
    assert!(width > 0 && dy.len().is_multiple_of(width) && dh.len() == dy.len() && normal.len() == dy.len());
    assert_eq!(scale.len() * width, dy.len());
    let piece = CHUNK_ROWS * width;
    let mut partial = scratch::zeros(dy.len().div_ceil(piece) * 2 * width);
    let small = dy.len() <= SMALL;
    let dh = Pieces::new(dh, piece);
    let dx = dx.map(|dx| Pieces::new(dx, piece));
    let partials = Pieces::new(&mut partial, 2 * width);
    tasks_unless(small, dh.count(), |i| {
        // SAFETY: each task takes the pieces of its own number, once.
        let (dh, partial, dx) = unsafe { (dh.get(i), partials.get(i), dx.map(|dx| dx.get(i))) };
        let range = i * piece..i * piece + dh.len();
        let scale = &scale[i * CHUNK_ROWS..i * CHUNK_ROWS + dh.len() / width];
        backward(isa, &dy[range.clone()], &normal[range], scale, gamma, dh, partial);
        if let Some(dx) = dx {
            for (r, (row, dh)) in dx.chunks_exact_mut(width).zip(dh.chunks_exact(width)).enumerate() {
                dropped(isa, row, dh, dropout.row(i * CHUNK_ROWS + r));
            }
        }
    });
    if let Some((dgamma, dbeta)) = sums {
        for part in partial.chunks_exact(2 * width) {
            crate::reduce::add_assign(isa, dgamma, &part[..width]);
            crate::reduce::add_assign(isa, dbeta, &part[width..]);
        }
    }
}

multiversion! {
    pub(crate) fn forward(
        x: &[f32], residual: Option<&[f32]>, dropout: Dropout, first_row: usize, shape: NormShape<'_>,
        y: &mut [f32], saved: Option<(&mut [f32], &mut [f32])>, int8: Option<Rows8Places>,
    ) = forward_body;
}
multiversion! {
    fn backward(
        dy: &[f32], normal: &[f32], scale: &[f32], gamma: &[f32], dh: &mut [f32], partial: &mut [f32],
    ) = backward_body;
}
multiversion! { fn dropped(x: &mut [f32], from: &[f32], dropout: Dropout) = dropped_body; }

#[inline(always)]
fn dropped_body<F: MulAdd>(x: &mut [f32], from: &[f32], dropout: Dropout) {
    for (i, (x, from)) in x.iter_mut().zip(from).enumerate() {
        *x = from * dropout.factor(i as u32);
    }
}

/// The sum of f over pairs of elements, in `LANES` interleaved parts that are added at the end.
#[inline(always)]
fn sum_pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut acc = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for l in 0..LANES {
            acc[l] = f(a[l], b[l], acc[l]);
        }
    }
    for (l, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        acc[l] = f(*a, *b, acc[l]);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            acc[l] += acc[l + half];
        }
        half /= 2;
    }
    acc[0]
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn forward_body<F: MulAdd>(
    x: &[f32],
    residual: Option<&[f32]>,
    dropout: Dropout,
    first_row: usize,
    shape: NormShape<'_>,
    y: &mut [f32],
    mut saved: Option<(&mut [f32], &mut [f32])>,
    int8: Option<Rows8Places>,
) {
    let width = shape.gamma.len();
    let inverse = 1.0 / width as f32;
    for (r, y) in y.chunks_exact_mut(width).enumerate() {
        let at = r * width;
        let x = &x[at..at + width];
        match (dropout.is_none(), residual) {
            (true, None) => y.copy_from_slice(x),
            (true, Some(h)) => {
                for ((y, x), h) in y.iter_mut().zip(x).zip(&h[at..at + width]) {
                    *y = x + h;
                }
            }
            (false, None) => dropped_body::<F>(y, x, dropout.row(first_row + r)),
            (false, Some(h)) => {
                let dropout = dropout.row(first_row + r);
                for (i, ((y, x), h)) in y.iter_mut().zip(x).zip(&h[at..at + width]).enumerate() {
                    *y = F::mul_add(*x, dropout.factor(i as u32), *h);
                }
            }
        }
        let mean = sum_pairs(y, y, |a, _, sum| sum + a) * inverse;
        let variance = sum_pairs(y, y, |a, _, sum| F::mul_add(a - mean, a - mean, sum)) * inverse;
        let scale = 1.0 / (variance + shape.eps).sqrt();
        for y in y.iter_mut() {
            *y = (*y - mean) * scale;
        }
        if let Some((normal, scales)) = saved.as_mut() {
            normal[at..at + width].copy_from_slice(y);
            scales[r] = scale;
        }
        for ((y, g), b) in y.iter_mut().zip(shape.gamma).zip(shape.beta) {
            *y = F::mul_add(*y, *g, *b);
        }
        if let Some(int8) = int8 {
            // SAFETY: this task alone finishes these rows.
            unsafe { int8.put::<F>(first_row + r, y) };
        }
    }
}

#[inline(always)]
fn backward_body<F: MulAdd>(
    dy: &[f32],
    normal: &[f32],
    scale: &[f32],
    gamma: &[f32],
    dh: &mut [f32],
    partial: &mut [f32],
) {
    let width = gamma.len();
    let inverse = 1.0 / width as f32;
    let (dgamma, dbeta) = partial.split_at_mut(width);
    for (r, dh) in dh.chunks_exact_mut(width).enumerate() {
        let range = r * width..(r + 1) * width;
        let (dy, normal) = (&dy[range.clone()], &normal[range]);
        for ((((dh, dy), n), g), (dgamma, dbeta)) in
            dh.iter_mut().zip(dy).zip(normal).zip(gamma).zip(dgamma.iter_mut().zip(dbeta.iter_mut()))
        {
            *dh = dy * g;
            *dgamma = F::mul_add(*dy, *n, *dgamma);
            *dbeta += dy;
        }
        let mean = sum_pairs(dh, normal, |a, _, sum| sum + a) * inverse;
        let along = sum_pairs(dh, normal, |a, n, sum| F::mul_add(a, n, sum)) * inverse;
        for (dh, n) in dh.iter_mut().zip(normal) {
            *dh = scale[r] * (F::mul_add(-along, *n, *dh) - mean);
        }
    }
}
