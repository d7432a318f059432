//! Multi-head self-attention over a ragged batch: scores, softmax, dropout and context in one op, sequence by
//! sequence and head by head, in blocks of queries that stay in cache. The way back recomputes the
//! probabilities from the saved log-sum-exp, so no matrix of scores outlives its block (Dao et al. 2022).

use std::cell::RefCell;

use crate::dropout::Dropout;
use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{Shared, tasks_unless};
use crate::product::transpose_tile;
use crate::tile::{COLUMNS, Left, multiply, padded};

/// Queries per block.
const BLOCK: usize = 48;

/// Multiply-adds below which the whole batch stays on the calling thread.
const SMALL: usize = 1 << 17;

/// Which tokens ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queries {
    /// Every token: a row of queries for each.
    All,
    /// The first token of each sequence: a row of queries per sequence.
    First,
}

/// What attention works on. Keys and values are `[tokens, width]` matrices, queries and the context have a row for
/// each token that asks; head h is in columns h · width / heads and up.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape<'a> {
    /// Where each sequence starts, and the number of tokens at the end: ascending, from 0.
    pub offsets: &'a [u32],
    /// Columns.
    pub width: usize,
    /// Heads; they divide the width.
    pub heads: usize,
    /// Which tokens ask.
    pub queries: Queries,
    /// Dropout of the probabilities.
    pub dropout: Dropout,
}

impl AttentionShape<'_> {
    fn tokens(&self) -> usize {
        self.offsets.last().map_or(0, |&n| n as usize)
    }

    /// Rows of queries.
    fn asking(&self) -> usize {
        match self.queries {
            Queries::All => self.tokens(),
            Queries::First => self.offsets.len().saturating_sub(1),
        }
    }

    /// `per_token` and `per_query` are the lengths of matrices with a row for each token and for each query.
    fn check(&self, per_token: &[usize], per_query: &[usize]) {
        assert!(self.heads > 0 && self.width.is_multiple_of(self.heads), "heads divide the width");
        assert!(self.offsets.windows(2).all(|w| w[0] <= w[1]), "offsets ascend");
        assert!(
            self.queries == Queries::All || self.offsets.windows(2).all(|w| w[0] < w[1]),
            "a first token each"
        );
        assert!(per_token.iter().all(|&n| n == self.tokens() * self.width), "matrices are [tokens, width]");
        assert!(per_query.iter().all(|&n| n == self.asking() * self.width), "matrices are [queries, width]");
    }

    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }

    /// Calls `f` for every sequence and head, over the pool.
    fn for_each_head(&self, f: impl Fn(Span) + Sync + Send) {
        let sequences = self.offsets.len().saturating_sub(1);
        let one = |task: usize| {
            let (sequence, head) = (task / self.heads, task % self.heads);
            let (start, end) = (self.offsets[sequence] as usize, self.offsets[sequence + 1] as usize);
            if end > start {
                let length = end - start;
                let (first, asking) = match self.queries {
                    Queries::All => (start, length),
                    Queries::First => (sequence, 1),
                };
                f(Span { start, length, first, asking, head });
            }
        };
        let work = |w: &[u32]| {
            let length = (w[1] - w[0]) as usize;
            length * if self.queries == Queries::All { length } else { 1 }
        };
        let small = self.offsets.windows(2).map(work).sum::<usize>() * self.width < SMALL;
        tasks_unless(small, sequences * self.heads, one);
    }
}

/// One sequence and head.
#[derive(Clone, Copy)]
struct Span {
    /// The first token, and how many there are.
    start: usize,
    length: usize,
    /// The first row of queries, and how many there are.
    first: usize,
    asking: usize,
    head: usize,
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
pub(crate) fn reserve(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// A head's rows, as a product needs its right side: whole groups of 16 columns.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
}

impl Rows<'_> {
    /// The rows from this one on.
    pub(crate) fn from(self, row: usize) -> Self {
        Self { data: &self.data[row * self.stride..], ..self }
    }

    /// As the left side of a product.
    pub(crate) fn as_left(&self) -> Left<'_> {
        Left { data: self.data, row: self.stride, column: 1 }
    }
}

/// The head's rows of a `[tokens, width]` matrix: where they stand if a head is whole groups of columns wide, else copied
/// to `buffer` and padded with zeros.
pub(crate) fn head_rows<'a>(
    from: &'a [f32],
    width: usize,
    (start, length): (usize, usize),
    (column, d): (usize, usize),
    buffer: &'a mut Vec<f32>,
) -> Rows<'a> {
    let dp = padded(d);
    if d == dp {
        return Rows { data: &from[start * width + column..], stride: width };
    }
    let to = reserve(buffer, length * dp);
    for (i, row) in to.chunks_exact_mut(dp).enumerate() {
        let at = (start + i) * width + column;
        row[..d].copy_from_slice(&from[at..at + d]);
        row[d..].fill(0.0);
    }
    Rows { data: to, stride: dp }
}

/// Transposes rows of d values into d rows of `padded(length)` values, zeros behind.
pub(crate) fn transpose(isa: Isa, rows: Rows<'_>, length: usize, d: usize, to: &mut Vec<f32>) {
    let lp = padded(length);
    let to = reserve(to, d * lp);
    let mut last = [0.0; COLUMNS * COLUMNS];
    for first in (0..length).step_by(COLUMNS) {
        let mut column = 0;
        while column + COLUMNS <= d {
            let at = column * lp + first;
            if first + COLUMNS <= length {
                let from = &rows.data[first * rows.stride + column..];
                transpose_tile(isa, from, rows.stride, &mut to[at..], lp);
            } else {
                for (i, row) in last.chunks_exact_mut(COLUMNS).take(length - first).enumerate() {
                    let from = (first + i) * rows.stride + column;
                    row.copy_from_slice(&rows.data[from..from + COLUMNS]);
                }
                transpose_tile(isa, &last, COLUMNS, &mut to[at..], lp);
            }
            column += COLUMNS;
        }
        for (c, to) in to.chunks_exact_mut(lp).enumerate().skip(column) {
            for (i, x) in to[first..first + COLUMNS].iter_mut().enumerate() {
                *x = if first + i < length { rows.data[(first + i) * rows.stride + c] } else { 0.0 };
            }
        }
    }
}

/// The context of every token that asks, into `out` `[queries, width]`. `log_sums`, where given, receives each head's
/// log-sum-exp of the scaled scores, `[heads, queries]`, which the way back needs.
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
    shape.check(&[k.len(), v.len()], &[q.len(), out.len()]);
    let (rows, width, d) = (shape.asking(), shape.width, shape.head_width());
    assert!(log_sums.as_ref().is_none_or(|l| l.len() == shape.heads * rows));
    let dp = padded(d);
    let out = Shared::new(out);
    let log_sums = log_sums.map(Shared::new);
    shape.for_each_head(|Span { start, length, first, asking, head }| {
        SCRATCH.with_borrow_mut(|s| {
            let (column, lp) = (head * d, padded(length));
            let k = head_rows(k, width, (start, length), (column, d), &mut s.k);
            transpose(isa, k, length, d, &mut s.transposed);
            let v = head_rows(v, width, (start, length), (column, d), &mut s.v);
            for block in (0..asking).step_by(BLOCK) {
                let n = BLOCK.min(asking - block);
                let scores = reserve(&mut s.scores, n * lp);
                let left = Left { data: &q[(first + block) * width + column..], row: width, column: 1 };
                multiply(isa, (n, lp, d), left, &s.transposed, lp, scores, lp, false);
                let at = head * rows + first + block;
                // SAFETY: this task alone writes this head's entries of this sequence.
                let log_sums = log_sums.map(|log_sums| unsafe { log_sums.slice(at, n) });
                softmax_rows(isa, scores, (lp, length), shape.scale(), log_sums);
                if !shape.dropout.is_none() {
                    for (i, row) in scores.chunks_exact_mut(lp).enumerate() {
                        drop_row(isa, row, shape.dropout.row(at + i));
                    }
                }
                let context = reserve(&mut s.out, n * dp);
                let left = Left { data: scores, row: lp, column: 1 };
                multiply(isa, (n, dp, length), left, v.data, v.stride, context, dp, false);
                // SAFETY: this task alone writes this head's columns of this sequence's rows.
                unsafe { store_rows(isa, context, dp, out, (first + block) * width + column, width, d) };
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
    shape.check(&[k.len(), v.len(), dk.len(), dv.len()], &[q.len(), out.len(), d_out.len(), dq.len()]);
    let (rows, width, d) = (shape.asking(), shape.width, shape.head_width());
    assert_eq!(log_sums.len(), shape.heads * rows);
    let dp = padded(d);
    let (dq, dk, dv) = (Shared::new(dq), Shared::new(dk), Shared::new(dv));
    shape.for_each_head(|Span { start, length, first, asking, head }| {
        SCRATCH.with_borrow_mut(|s| {
            let (column, lp) = (head * d, padded(length));
            let q = head_rows(q, width, (first, asking), (column, d), &mut s.q);
            let k = head_rows(k, width, (start, length), (column, d), &mut s.k);
            let v = head_rows(v, width, (start, length), (column, d), &mut s.v);
            let d_out = head_rows(d_out, width, (first, asking), (column, d), &mut s.d_out);
            transpose(isa, k, length, d, &mut s.transposed);
            transpose(isa, v, length, d, &mut s.transposed_v);
            reserve(&mut s.dk, length * dp).fill(0.0);
            reserve(&mut s.dv, length * dp).fill(0.0);
            for block in (0..asking).step_by(BLOCK) {
                let n = BLOCK.min(asking - block);
                let (q, d_out) = (q.from(block), d_out.from(block));
                let scores = reserve(&mut s.scores, n * lp);
                let d_scores = reserve(&mut s.d_scores, n * lp);
                multiply(isa, (n, lp, d), q.as_left(), &s.transposed, lp, scores, lp, false);
                multiply(isa, (n, lp, d), d_out.as_left(), &s.transposed_v, lp, d_scores, lp, false);
                for i in 0..n {
                    let row = first + block + i;
                    let at = row * width + column;
                    // Σ_j p_ij · dp_ij equals the dot product of the output and its gradient.
                    let along: f32 =
                        out[at..at + d].iter().zip(&d_out.data[i * d_out.stride..]).map(|(a, b)| a * b).sum();
                    let range = i * lp..(i + 1) * lp;
                    let (p, ds) = (&mut scores[range.clone()], &mut d_scores[range]);
                    p[length..].fill(f32::NEG_INFINITY);
                    let at = head * rows + row;
                    score_gradient(isa, p, ds, log_sums[at], along, shape.scale(), shape.dropout.row(at));
                }
                // dV += Pᵀ · dO and dK += dSᵀ · Q: the block's rows are the depth of the product.
                let left = Left { data: scores, row: 1, column: lp };
                multiply(isa, (length, dp, n), left, d_out.data, d_out.stride, &mut s.dv, dp, true);
                let left = Left { data: d_scores, row: 1, column: lp };
                multiply(isa, (length, dp, n), left, q.data, q.stride, &mut s.dk, dp, true);
                let left = Left { data: d_scores, row: lp, column: 1 };
                let block_dq = reserve(&mut s.out, n * dp);
                multiply(isa, (n, dp, length), left, k.data, k.stride, block_dq, dp, false);
                // SAFETY: one task alone writes a head's columns of a sequence's rows.
                unsafe { store_rows(isa, block_dq, dp, dq, (first + block) * width + column, width, d) };
            }
            for (to, from) in [(dk, &s.dk), (dv, &s.dv)] {
                // SAFETY: as above.
                unsafe { store_rows(isa, &from[..length * dp], dp, to, start * width + column, width, d) };
            }
        });
    });
}

/// Copies the first `d` of each row of `stride` values to rows `width` apart, from element `at` on.
///
/// # Safety
/// The elements must exist, and nobody else may use them meanwhile.
pub(crate) unsafe fn store_rows(
    isa: Isa,
    from: &[f32],
    stride: usize,
    to: Shared,
    at: usize,
    width: usize,
    d: usize,
) {
    copy_rows(isa, from, stride, (to, at), (width, d));
}

multiversion! {
    /// See [`store_rows`], whose caller promises what this needs.
    fn copy_rows(from: &[f32], stride: usize, to: (Shared, usize), shape: (usize, usize)) = copy_rows_body;
}

#[inline(always)]
fn copy_rows_body<F: MulAdd>(
    from: &[f32],
    stride: usize,
    (to, at): (Shared, usize),
    (width, d): (usize, usize),
) {
    for (i, row) in from.chunks_exact(stride).enumerate() {
        // SAFETY: promised by the caller of `store_rows`.
        copy(unsafe { to.slice(at + i * width, d) }, &row[..d]);
    }
}
multiversion! {
    /// Softmax of each row's first `length` scores times `scale`; what lies behind becomes nothing. `log_sums`, where given,
    /// receives the log-sum-exp of each.
    fn softmax_rows(
        scores: &mut [f32], shape: (usize, usize), scale: f32, log_sums: Option<&mut [f32]>,
    ) = softmax_rows_body;
}
multiversion! { fn drop_row(row: &mut [f32], dropout: Dropout) = drop_row_body; }
multiversion! {
    fn score_gradient(
        p: &mut [f32], ds: &mut [f32], log_sum: f32, along: f32, scale: f32, dropout: Dropout,
    ) = score_gradient_body;
}

const LANES: usize = 16;

/// Rows of a head are short: a call of the system's copy would take longer than they do.
#[inline(always)]
fn copy(to: &mut [f32], from: &[f32]) {
    let (whole, rest) = to.as_chunks_mut::<LANES>();
    let (from_whole, from_rest) = from.as_chunks::<LANES>();
    for (to, from) in whole.iter_mut().zip(from_whole) {
        *to = *from;
    }
    for (to, from) in rest.iter_mut().zip(from_rest) {
        *to = *from;
    }
}

/// Combines lanes two by two, the upper half with the lower.
#[inline(always)]
fn across(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] = f(lanes[l], lanes[l + half]);
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn softmax_rows_body<F: MulAdd>(
    scores: &mut [f32],
    (stride, length): (usize, usize),
    scale: f32,
    mut log_sums: Option<&mut [f32]>,
) {
    for (i, row) in scores.chunks_exact_mut(stride).enumerate() {
        // What lies behind the last key takes no part; whole vectors do.
        for x in &mut row[length..] {
            *x = f32::NEG_INFINITY;
        }
        let (max, sum) = softmax::<F>(row, scale);
        if let Some(log_sums) = &mut log_sums {
            log_sums[i] = max + sum.ln();
        }
    }
}

/// Softmax of scale · row in place, of whole vectors. Returns the largest scaled score and the sum of the exponentials of the
/// others' distances from it; the log-sum-exp is the one plus the logarithm of the other.
#[inline(always)]
fn softmax<F: MulAdd>(row: &mut [f32], scale: f32) -> (f32, f32) {
    let (row, _) = row.as_chunks_mut::<LANES>();
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for part in row.iter() {
        for l in 0..LANES {
            lanes[l] = larger(part[l], lanes[l]);
        }
    }
    let max = across(lanes, larger) * scale;
    let mut lanes = [0.0f32; LANES];
    for part in row.iter_mut() {
        for l in 0..LANES {
            part[l] = crate::math::exp::<F>(F::mul_add(part[l], scale, -max));
            lanes[l] += part[l];
        }
    }
    let sum = across(lanes, |a, b| a + b);
    let inverse = 1.0 / sum;
    for x in row.as_flattened_mut() {
        *x *= inverse;
    }
    (max, sum)
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
