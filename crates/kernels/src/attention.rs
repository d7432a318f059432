//! Multi-head self-attention over a ragged batch: scores, softmax, dropout and context in one op, sequence by
//! sequence and head by head, in blocks of queries that stay in cache. The way back recomputes the
//! probabilities from the saved log-sum-exp, so no matrix of scores outlives its block (Dao et al. 2022).

use std::cell::RefCell;

use rayon::prelude::*;

use crate::dropout::Dropout;
use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::Shared;
use crate::tile::{Left, multiply, padded};

/// Queries per block.
const BLOCK: usize = 48;

/// Multiply-adds below which the whole batch stays on the calling thread.
const SMALL: usize = 1 << 17;

/// What attention works on. Queries, keys and values are `[tokens, width]` matrices, head h in columns
/// h · width / heads and up.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape<'a> {
    /// Where each sequence starts, and the number of tokens at the end: ascending, from 0.
    pub offsets: &'a [u32],
    /// Columns.
    pub width: usize,
    /// Heads; they divide the width.
    pub heads: usize,
    /// Dropout of the probabilities.
    pub dropout: Dropout,
}

impl AttentionShape<'_> {
    fn tokens(&self) -> usize {
        self.offsets.last().map_or(0, |&n| n as usize)
    }

    fn check(&self, lengths: &[usize]) {
        assert!(self.heads > 0 && self.width.is_multiple_of(self.heads), "heads divide the width");
        assert!(self.offsets.windows(2).all(|w| w[0] <= w[1]), "offsets ascend");
        assert!(lengths.iter().all(|&n| n == self.tokens() * self.width), "matrices are [tokens, width]");
    }

    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }

    /// Calls `f(first token, length, head)` for every sequence and head, over the pool.
    fn for_each_head(&self, f: impl Fn(usize, usize, usize) + Sync + Send) {
        let sequences = self.offsets.len().saturating_sub(1);
        let one = |task: usize| {
            let (sequence, head) = (task / self.heads, task % self.heads);
            let (start, end) = (self.offsets[sequence] as usize, self.offsets[sequence + 1] as usize);
            if end > start {
                f(start, end - start, head);
            }
        };
        let work: usize =
            self.offsets.windows(2).map(|w| ((w[1] - w[0]) as usize).pow(2)).sum::<usize>() * self.width;
        if work < SMALL {
            (0..sequences * self.heads).for_each(one);
        } else {
            (0..sequences * self.heads).into_par_iter().with_min_len(2).for_each(one);
        }
    }
}

/// Buffers of one thread, kept between calls.
#[derive(Default)]
struct Scratch {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    d_out: Vec<f32>,
    transposed: Vec<f32>,
    transposed_v: Vec<f32>,
    scores: Vec<f32>,
    d_scores: Vec<f32>,
    out: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Makes `buffer` hold at least `len` elements of whatever value.
fn reserve(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Copies the head's rows of a `[tokens, width]` matrix to rows of `to`, padded with zeros to whole tiles.
fn copy_head(
    from: &[f32],
    width: usize,
    start: usize,
    length: usize,
    column: usize,
    d: usize,
    to: &mut Vec<f32>,
) {
    let dp = padded(d);
    let to = reserve(to, length * dp);
    for (i, row) in to.chunks_exact_mut(dp).enumerate() {
        let at = (start + i) * width + column;
        row[..d].copy_from_slice(&from[at..at + d]);
        row[d..].fill(0.0);
    }
}

/// Transposes rows of `padded(d)` values into d rows of `padded(length)` values, zeros behind.
fn transpose(rows: &[f32], length: usize, d: usize, to: &mut Vec<f32>) {
    let (dp, lp) = (padded(d), padded(length));
    let to = reserve(to, d * lp);
    for (c, column) in to.chunks_exact_mut(lp).enumerate() {
        for (i, x) in column[..length].iter_mut().enumerate() {
            *x = rows[i * dp + c];
        }
        column[length..].fill(0.0);
    }
}

/// The context of every token, into `out` `[tokens, width]`. `log_sums`, where given, receives each head's
/// log-sum-exp of the scaled scores, `[heads, tokens]`, which the way back needs.
///
/// # Panics
/// If the lengths do not fit, or the offsets do not ascend.
pub fn attention_forward(
    isa: Isa,
    (q, k, v): (&[f32], &[f32], &[f32]),
    shape: AttentionShape<'_>,
    out: &mut [f32],
    log_sums: Option<&mut [f32]>,
) {
    shape.check(&[q.len(), k.len(), v.len(), out.len()]);
    let (tokens, width, d) = (shape.tokens(), shape.width, shape.head_width());
    assert!(log_sums.as_ref().is_none_or(|l| l.len() == shape.heads * tokens));
    let dp = padded(d);
    let out = Shared::new(out);
    let log_sums = log_sums.map(Shared::new);
    shape.for_each_head(|start, length, head| {
        SCRATCH.with_borrow_mut(|s| {
            let (column, lp) = (head * d, padded(length));
            copy_head(k, width, start, length, column, d, &mut s.k);
            transpose(&s.k, length, d, &mut s.transposed);
            copy_head(v, width, start, length, column, d, &mut s.v);
            for first in (0..length).step_by(BLOCK) {
                let rows = BLOCK.min(length - first);
                let scores = reserve(&mut s.scores, rows * lp);
                let left = Left { data: &q[(start + first) * width + column..], row: width, column: 1 };
                multiply(isa, (rows, lp, d), left, &s.transposed, lp, scores, lp, false);
                for (i, row) in scores.chunks_exact_mut(lp).enumerate() {
                    let token = start + first + i;
                    let log_sum = softmax(isa, &mut row[..length], shape.scale());
                    if let Some(log_sums) = log_sums {
                        // SAFETY: this task alone writes this head's entries of this sequence.
                        unsafe { log_sums.slice(head * tokens + token, 1)[0] = log_sum };
                    }
                    if !shape.dropout.is_none() {
                        drop_row(isa, &mut row[..length], shape.dropout.row(head * tokens + token));
                    }
                }
                let context = reserve(&mut s.out, rows * dp);
                let left = Left { data: scores, row: lp, column: 1 };
                multiply(isa, (rows, dp, length), left, &s.v, dp, context, dp, false);
                for (i, row) in context.chunks_exact(dp).enumerate() {
                    // SAFETY: this task alone writes this head's columns of this sequence's rows.
                    let to = unsafe { out.slice((start + first + i) * width + column, d) };
                    to.copy_from_slice(&row[..d]);
                }
            }
        });
    });
}

/// The gradients of queries, keys and values, all overwritten.
///
/// # Panics
/// If the lengths do not fit, or the offsets do not ascend.
#[allow(clippy::too_many_lines)] // one block's six products in order; apart they would hide what is shared
pub fn attention_backward(
    isa: Isa,
    (q, k, v): (&[f32], &[f32], &[f32]),
    (out, log_sums, d_out): (&[f32], &[f32], &[f32]),
    shape: AttentionShape<'_>,
    (dq, dk, dv): (&mut [f32], &mut [f32], &mut [f32]),
) {
    shape.check(&[q.len(), k.len(), v.len(), out.len(), d_out.len(), dq.len(), dk.len(), dv.len()]);
    let (tokens, width, d) = (shape.tokens(), shape.width, shape.head_width());
    assert_eq!(log_sums.len(), shape.heads * tokens);
    let dp = padded(d);
    let (dq, dk, dv) = (Shared::new(dq), Shared::new(dk), Shared::new(dv));
    // SAFETY of the `slice` calls below: this task alone writes this head's columns of this sequence's rows.
    let store = |to: Shared, token: usize, column: usize, row: &[f32]| unsafe {
        to.slice(token * width + column, d).copy_from_slice(&row[..d]);
    };
    shape.for_each_head(|start, length, head| {
        SCRATCH.with_borrow_mut(|s| {
            let (column, lp) = (head * d, padded(length));
            copy_head(q, width, start, length, column, d, &mut s.q);
            copy_head(k, width, start, length, column, d, &mut s.k);
            copy_head(v, width, start, length, column, d, &mut s.v);
            copy_head(d_out, width, start, length, column, d, &mut s.d_out);
            transpose(&s.k, length, d, &mut s.transposed);
            transpose(&s.v, length, d, &mut s.transposed_v);
            reserve(&mut s.dk, length * dp).fill(0.0);
            reserve(&mut s.dv, length * dp).fill(0.0);
            for first in (0..length).step_by(BLOCK) {
                let rows = BLOCK.min(length - first);
                let block = first * dp..(first + rows) * dp;
                let (q, d_out) = (&s.q[block.clone()], &s.d_out[block]);
                let scores = reserve(&mut s.scores, rows * lp);
                let d_scores = reserve(&mut s.d_scores, rows * lp);
                multiply(
                    isa,
                    (rows, lp, d),
                    Left { data: q, row: dp, column: 1 },
                    &s.transposed,
                    lp,
                    scores,
                    lp,
                    false,
                );
                let left = Left { data: d_out, row: dp, column: 1 };
                multiply(isa, (rows, lp, d), left, &s.transposed_v, lp, d_scores, lp, false);
                for i in 0..rows {
                    let token = start + first + i;
                    let at = token * width + column;
                    // Σ_j p_ij · dp_ij equals the dot product of the output and its gradient.
                    let along: f32 =
                        out[at..at + d].iter().zip(&s.d_out[(first + i) * dp..]).map(|(a, b)| a * b).sum();
                    let range = i * lp..i * lp + length;
                    let (p, ds) = (&mut scores[range.clone()], &mut d_scores[range]);
                    let key = shape.dropout.row(head * tokens + token);
                    score_gradient(isa, p, ds, log_sums[head * tokens + token], along, shape.scale(), key);
                }
                // dV += Pᵀ · dO and dK += dSᵀ · Q: the block's rows are the depth of the product.
                let left = Left { data: scores, row: 1, column: lp };
                multiply(isa, (length, dp, rows), left, d_out, dp, &mut s.dv, dp, true);
                let left = Left { data: d_scores, row: 1, column: lp };
                multiply(isa, (length, dp, rows), left, q, dp, &mut s.dk, dp, true);
                let left = Left { data: d_scores, row: lp, column: 1 };
                let block_dq = reserve(&mut s.out, rows * dp);
                multiply(isa, (rows, dp, length), left, &s.k, dp, block_dq, dp, false);
                for (i, row) in block_dq.chunks_exact(dp).enumerate() {
                    store(dq, start + first + i, column, row);
                }
            }
            for i in 0..length {
                store(dk, start + i, column, &s.dk[i * dp..]);
                store(dv, start + i, column, &s.dv[i * dp..]);
            }
        });
    });
}

multiversion! { fn softmax(row: &mut [f32], scale: f32) -> f32 = softmax_body; }
multiversion! { fn drop_row(row: &mut [f32], dropout: Dropout) = drop_row_body; }
multiversion! {
    fn score_gradient(
        p: &mut [f32], ds: &mut [f32], log_sum: f32, along: f32, scale: f32, dropout: Dropout,
    ) = score_gradient_body;
}

const LANES: usize = 16;

/// Softmax of scale · row in place; returns the log-sum-exp of scale · row.
#[inline(always)]
fn softmax_body<F: MulAdd>(row: &mut [f32], scale: f32) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for part in row.chunks(LANES) {
        for (max, x) in lanes.iter_mut().zip(part) {
            *max = if *x > *max { *x } else { *max };
        }
    }
    let max = lanes.iter().copied().fold(f32::NEG_INFINITY, f32::max) * scale;
    for x in row.iter_mut() {
        *x = crate::math::exp::<F>(F::mul_add(*x, scale, -max));
    }
    let mut lanes = [0.0f32; LANES];
    for part in row.chunks(LANES) {
        for (sum, x) in lanes.iter_mut().zip(part) {
            *sum += x;
        }
    }
    let sum: f32 = lanes.iter().sum();
    let inverse = 1.0 / sum;
    for x in row.iter_mut() {
        *x *= inverse;
    }
    max + sum.ln()
}

#[inline(always)]
fn drop_row_body<F: MulAdd>(row: &mut [f32], dropout: Dropout) {
    for (i, x) in row.iter_mut().enumerate() {
        *x *= dropout.factor(i as u32);
    }
}

/// From raw scores in `p` and the gradient of the dropped probabilities in `ds`: leaves the dropped probabilities
/// in `p` and the gradient of the raw scores in `ds`.
#[inline(always)]
fn score_gradient_body<F: MulAdd>(
    p: &mut [f32],
    ds: &mut [f32],
    log_sum: f32,
    along: f32,
    scale: f32,
    dropout: Dropout,
) {
    if dropout.is_none() {
        for (p, ds) in p.iter_mut().zip(ds) {
            *p = crate::math::exp::<F>(F::mul_add(*p, scale, -log_sum));
            *ds = *p * (*ds - along) * scale;
        }
        return;
    }
    for (i, (p, ds)) in p.iter_mut().zip(ds).enumerate() {
        let factor = dropout.factor(i as u32);
        let probability = crate::math::exp::<F>(F::mul_add(*p, scale, -log_sum));
        *ds = probability * F::mul_add(*ds, factor, -along) * scale;
        *p = probability * factor;
    }
}
