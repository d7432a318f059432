//! How far the relations between a student's token vectors are from a teacher's (`MiniLMv2`, Wang et al. 2021): in each sequence
//! and relation head, the softmax of the scaled dot products of every token with every other. Only the number of tokens must be
//! the same, so widths and heads of the two may differ. In blocks of rows, as attention works: no matrix of scores outlives its
//! block.

use std::cell::RefCell;

use crate::attention::{head_rows, reserve, store_rows, transpose};
use crate::isa::{Isa, MulAdd, multiversion};
use crate::math::exp;
use crate::parallel::{Shared, tasks_unless};
use crate::scratch;
use crate::tile::{multiply, padded};

/// Rows of scores per block.
const BLOCK: usize = 48;

/// Multiply-adds below which the whole batch stays on the calling thread.
const SMALL: usize = 1 << 17;

/// What relations are formed over.
#[derive(Clone, Copy, Debug)]
pub struct RelationShape<'a> {
    /// Where each sequence starts, and the number of tokens at the end: ascending, from 0.
    pub offsets: &'a [u32],
    /// Relation heads; they divide both widths. Head h is in columns h · width / heads and up.
    pub heads: usize,
    /// Columns of the student's vectors and of the teacher's.
    pub widths: (usize, usize),
}

/// Buffers of one thread, kept between calls.
#[derive(Default)]
struct Scratch {
    student: Vec<f32>,
    teacher: Vec<f32>,
    student_columns: Vec<f32>,
    teacher_columns: Vec<f32>,
    scores: Vec<f32>,
    targets: Vec<f32>,
    gradient: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The mean over heads and tokens of KL(teacher's relations of the token ‖ student's), of each sequence into `losses`, and its
/// gradient by the student's vectors `[tokens, width]` into `d`. An empty sequence has none.
///
/// # Panics
/// If the lengths do not fit, the heads do not divide the widths, or the offsets do not ascend.
pub fn relation_loss(
    isa: Isa,
    (student, teacher): (&[f32], &[f32]),
    shape: RelationShape<'_>,
    losses: &mut [f32],
    d: &mut [f32],
) {
    let RelationShape { offsets, heads, widths: (width, teacher_width) } = shape;
    let tokens = offsets.last().map_or(0, |&n| n as usize);
    assert!(offsets.windows(2).all(|w| w[0] <= w[1]), "offsets ascend");
    assert!(heads > 0 && width.is_multiple_of(heads) && teacher_width.is_multiple_of(heads));
    assert!(student.len() == tokens * width && d.len() == student.len());
    assert!(teacher.len() == tokens * teacher_width && losses.len() == offsets.len().saturating_sub(1));
    let work: usize = offsets.windows(2).map(|w| ((w[1] - w[0]) as usize).pow(2)).sum();
    let mut parts = scratch::zeros(losses.len() * heads);
    let (parts_to, d) = (Shared::new(&mut parts), Shared::new(d));
    tasks_unless(work * width < SMALL, losses.len() * heads, |task| {
        let (sequence, head) = (task / heads, task % heads);
        let (start, end) = (offsets[sequence] as usize, offsets[sequence + 1] as usize);
        if end > start {
            let of = Span { start, length: end - start, head, heads };
            let loss = head_loss(isa, (student, teacher), (width, teacher_width), of, d);
            // SAFETY: each task writes the entry of its own number.
            unsafe { parts_to.slice(task, 1)[0] = loss };
        }
    });
    for (loss, parts) in losses.iter_mut().zip(parts.chunks_exact(heads)) {
        *loss = parts.iter().map(|&x| f64::from(x)).sum::<f64>() as f32;
    }
}

/// One sequence and head.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    length: usize,
    head: usize,
    heads: usize,
}

/// A head's share of its sequence's loss; its gradient goes to the head's columns of `to`, which no other task touches.
fn head_loss(
    isa: Isa,
    (student, teacher): (&[f32], &[f32]),
    (width, teacher_width): (usize, usize),
    Span { start, length, head, heads }: Span,
    to: Shared,
) -> f32 {
    let (d, dt) = (width / heads, teacher_width / heads);
    let (dp, lp) = (padded(d), padded(length));
    let share = 1.0 / (heads * length) as f32;
    let scale = |d: usize| 1.0 / (d as f32).sqrt();
    SCRATCH.with_borrow_mut(|s| {
        let at = (start, length);
        let own = head_rows(student, width, at, (head * d, d), &mut s.student);
        let their = head_rows(teacher, teacher_width, at, (head * dt, dt), &mut s.teacher);
        transpose(isa, own, length, d, &mut s.student_columns);
        transpose(isa, their, length, dt, &mut s.teacher_columns);
        let gradient = reserve(&mut s.gradient, length * dp);
        gradient.fill(0.0);
        let mut sum = 0.0f64;
        for block in (0..length).step_by(BLOCK) {
            let n = BLOCK.min(length - block);
            let rows = own.from(block);
            let scores = reserve(&mut s.scores, n * lp);
            let targets = reserve(&mut s.targets, n * lp);
            multiply(isa, (n, lp, d), rows.as_left(), &s.student_columns, lp, scores, lp, false);
            let left = their.from(block);
            multiply(isa, (n, lp, dt), left.as_left(), &s.teacher_columns, lp, targets, lp, false);
            for (own, their) in scores.chunks_exact_mut(lp).zip(targets.chunks_exact_mut(lp)) {
                let (own, their) = (&mut own[..length], &mut their[..length]);
                sum += f64::from(divergence(isa, own, their, scale(d), scale(dt), share));
            }
            // A vector stands on both sides of its products: dS = G · S + Gᵀ · S, where G are the scores' gradients.
            let left = crate::tile::Left { data: scores, row: 1, column: lp };
            multiply(isa, (length, dp, n), left, rows.data, rows.stride, gradient, dp, true);
            let left = crate::tile::Left { data: scores, row: lp, column: 1 };
            let to = &mut gradient[block * dp..];
            multiply(isa, (n, dp, length), left, own.data, own.stride, to, dp, true);
        }
        // SAFETY: one task alone writes a head's columns of a sequence's rows.
        unsafe { store_rows(isa, &gradient[..length * dp], dp, to, start * width + head * d, width, d) };
        (sum * f64::from(share)) as f32
    })
}

multiversion! {
    fn divergence(
        own: &mut [f32], their: &mut [f32], own_scale: f32, their_scale: f32, share: f32,
    ) -> f32 = divergence_body;
}

const LANES: usize = 16;

/// KL(softmax(their scale · their) ‖ softmax(own scale · own)), whose gradient by `own`, times `share`, takes the place of `own`.
#[inline(always)]
fn divergence_body<F: MulAdd>(
    own: &mut [f32],
    their: &mut [f32],
    own_scale: f32,
    their_scale: f32,
    share: f32,
) -> f32 {
    log_softmax_body::<F>(own, own_scale);
    log_softmax_body::<F>(their, their_scale);
    let factor = own_scale * share;
    let mut lanes = [0.0f32; LANES];
    let (own_whole, own_rest) = own.as_chunks_mut::<LANES>();
    let (their_whole, their_rest) = their.as_chunks::<LANES>();
    for (own, their) in own_whole.iter_mut().zip(their_whole) {
        for l in 0..LANES {
            let p = exp::<F>(their[l]);
            lanes[l] = F::mul_add(p, their[l] - own[l], lanes[l]);
            own[l] = (exp::<F>(own[l]) - p) * factor;
        }
    }
    for ((lane, own), their) in lanes.iter_mut().zip(own_rest).zip(their_rest) {
        let p = exp::<F>(*their);
        *lane = F::mul_add(p, *their - *own, *lane);
        *own = (exp::<F>(*own) - p) * factor;
    }
    lanes.iter().sum()
}

/// ln softmax(scale · row) in place.
#[inline(always)]
fn log_softmax_body<F: MulAdd>(row: &mut [f32], scale: f32) {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for part in whole {
        for l in 0..LANES {
            lanes[l] = if part[l] > lanes[l] { part[l] } else { lanes[l] };
        }
    }
    for (max, x) in lanes.iter_mut().zip(rest) {
        *max = if *x > *max { *x } else { *max };
    }
    let max = lanes.iter().copied().fold(f32::NEG_INFINITY, f32::max) * scale;
    let mut lanes = [0.0f32; LANES];
    for x in row.iter_mut() {
        *x = F::mul_add(*x, scale, -max);
    }
    let (whole, rest) = row.as_chunks::<LANES>();
    for part in whole {
        for l in 0..LANES {
            lanes[l] += exp::<F>(part[l]);
        }
    }
    for (sum, x) in lanes.iter_mut().zip(rest) {
        *sum += exp::<F>(*x);
    }
    let log_sum = lanes.iter().sum::<f32>().ln();
    for x in row.iter_mut() {
        *x -= log_sum;
    }
}
