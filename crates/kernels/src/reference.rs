//! Naive twins of the kernels: the plainest code that says what each computes, in f64. Tests hold the fast
//! kernels to them; nothing else calls them.

use crate::activation::Activation;
use crate::dropout::Dropout;

/// A matrix product in f64: a `[m, k]`, transposed on the way if asked, times b `[k, n]`.
pub fn matmul(a: &[f32], b: &[f32], (m, n, k): (usize, usize, usize), ta: bool, tb: bool) -> Vec<f32> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            let term = |p: usize| {
                let a = if ta { a[p * m + i] } else { a[i * k + p] };
                let b = if tb { b[j * k + p] } else { b[p * n + j] };
                f64::from(a) * f64::from(b)
            };
            c[i * n + j] = (0..k).map(term).sum::<f64>() as f32;
        }
    }
    c
}

/// `x` rounded to bfloat16, to the nearest with ties to even.
pub fn to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
    if x.is_nan() { x } else { f32::from_bits(rounded) }
}

/// The error function in f64: its Maclaurin series up to 2, Laplace's continued fraction of erfc beyond
/// (Abramowitz and Stegun 7.1.5 and 7.1.14).
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 2.0 {
        let fraction = (1..200).rev().fold(a, |below, n| a + f64::from(n) * 0.5 / below);
        let erfc = (-a * a).exp() / (fraction * std::f64::consts::PI.sqrt());
        return (1.0 - erfc).copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..80 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// An activation of one value.
pub fn activation(x: f64, kind: Activation) -> f64 {
    match kind {
        Activation::Identity => x,
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh())
        }
        Activation::Tanh => x.tanh(),
        Activation::Relu => x.max(0.0),
    }
}

/// LayerNorm of rows of `gamma.len()` values.
pub fn layer_norm(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32) -> Vec<f32> {
    let width = gamma.len();
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks(width) {
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + f64::from(eps)).sqrt();
        y.extend(
            (0..width).map(|c| {
                ((f64::from(row[c]) - mean) * scale * f64::from(gamma[c]) + f64::from(beta[c])) as f32
            }),
        );
    }
    y
}

/// What dropout multiplies each element of one row of attention probabilities or of a norm's input by.
pub fn dropout_row(dropout: Dropout, row: usize, len: usize) -> Vec<f32> {
    (0..len as u32).map(|i| if dropout.is_none() { 1.0 } else { dropout.row(row).factor(i) }).collect()
}

/// Attention's context over a ragged batch; the arguments are those of the fast kernel.
pub fn attention(
    (q, k, v): (&[f32], &[f32], &[f32]),
    offsets: &[u32],
    width: usize,
    heads: usize,
    dropout: Dropout,
) -> Vec<f32> {
    let tokens = offsets.last().map_or(0, |&n| n as usize);
    let d = width / heads;
    let mut out = vec![0.0; tokens * width];
    for range in offsets.windows(2).map(|w| w[0] as usize..w[1] as usize) {
        for head in 0..heads {
            let at = |m: &[f32], token: usize, c: usize| f64::from(m[token * width + head * d + c]);
            for i in range.clone() {
                let score =
                    |j: usize| (0..d).map(|c| at(q, i, c) * at(k, j, c)).sum::<f64>() / (d as f64).sqrt();
                let scores: Vec<f64> = range.clone().map(score).collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
                let kept = dropout_row(dropout, head * tokens + i, range.len());
                for c in 0..d {
                    let terms = range.clone().zip(&scores).zip(&kept);
                    let value: f64 = terms
                        .map(|((j, s), keep)| (s - max).exp() / sum * f64::from(*keep) * at(v, j, c))
                        .sum();
                    out[i * width + head * d + c] = value as f32;
                }
            }
        }
    }
    out
}

/// The gradients of queries, keys and values for a gradient `d_out` of [`attention`]'s result.
pub fn attention_backward(
    (q, k, v): (&[f32], &[f32], &[f32]),
    d_out: &[f32],
    offsets: &[u32],
    (width, heads): (usize, usize),
    dropout: Dropout,
) -> [Vec<f32>; 3] {
    let tokens = offsets.last().map_or(0, |&n| n as usize);
    let d = width / heads;
    let root = (d as f64).sqrt();
    let mut grads = [vec![0.0f64; tokens * width], vec![0.0; tokens * width], vec![0.0; tokens * width]];
    for range in offsets.windows(2).map(|w| w[0] as usize..w[1] as usize) {
        for head in 0..heads {
            let index = |token: usize, c: usize| token * width + head * d + c;
            let dot = |a: &[f32], i: usize, b: &[f32], j: usize| {
                (0..d).map(|c| f64::from(a[index(i, c)]) * f64::from(b[index(j, c)])).sum::<f64>()
            };
            for i in range.clone() {
                let scores: Vec<f64> = range.clone().map(|j| dot(q, i, k, j) / root).collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
                let p: Vec<f64> = scores.iter().map(|s| (s - max).exp() / sum).collect();
                let kept = dropout_row(dropout, head * tokens + i, range.len());
                let dp: Vec<f64> = range
                    .clone()
                    .zip(&kept)
                    .map(|(j, keep)| dot(d_out, i, v, j) * f64::from(*keep))
                    .collect();
                let along: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
                for (n, j) in range.clone().enumerate() {
                    let ds = p[n] * (dp[n] - along) / root;
                    for c in 0..d {
                        grads[0][index(i, c)] += ds * f64::from(k[index(j, c)]);
                        grads[1][index(j, c)] += ds * f64::from(q[index(i, c)]);
                        grads[2][index(j, c)] += p[n] * f64::from(kept[n]) * f64::from(d_out[index(i, c)]);
                    }
                }
            }
        }
    }
    grads.map(|g| g.into_iter().map(|x| x as f32).collect())
}

/// The gradients of a LayerNorm's input, scale and shift.
pub fn layer_norm_backward(x: &[f32], gamma: &[f32], eps: f32, dy: &[f32]) -> [Vec<f32>; 3] {
    let width = gamma.len();
    let n = width as f64;
    let (mut dx, mut dgamma, mut dbeta) = (Vec::new(), vec![0.0f64; width], vec![0.0f64; width]);
    for (row, dy) in x.chunks(width).zip(dy.chunks(width)) {
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        let scale = 1.0 / (variance + f64::from(eps)).sqrt();
        let normal: Vec<f64> = row.iter().map(|&x| (f64::from(x) - mean) * scale).collect();
        let d: Vec<f64> = dy.iter().zip(gamma).map(|(&dy, &g)| f64::from(dy) * f64::from(g)).collect();
        let mean = d.iter().sum::<f64>() / n;
        let along = d.iter().zip(&normal).map(|(d, x)| d * x).sum::<f64>() / n;
        for c in 0..width {
            dx.push((scale * (d[c] - mean - normal[c] * along)) as f32);
            dgamma[c] += f64::from(dy[c]) * normal[c];
            dbeta[c] += f64::from(dy[c]);
        }
    }
    let narrow = |v: Vec<f64>| v.into_iter().map(|x| x as f32).collect();
    [dx, narrow(dgamma), narrow(dbeta)]
}

/// Each sequence's mean over heads and tokens of KL(teacher's relations ‖ student's), and its gradient by the student's vectors;
/// the arguments are those of the fast kernel.
pub fn relation_loss(
    (student, teacher): (&[f32], &[f32]),
    offsets: &[u32],
    heads: usize,
    (width, teacher_width): (usize, usize),
) -> (Vec<f32>, Vec<f32>) {
    let mut losses = Vec::new();
    let mut gradient = vec![0.0f64; student.len()];
    for range in offsets.windows(2).map(|w| w[0] as usize..w[1] as usize) {
        let share = 1.0 / (heads * range.len().max(1)) as f64;
        let mut loss = 0.0;
        for head in 0..heads {
            let relations = |m: &[f32], width: usize, i: usize| -> Vec<f64> {
                let d = width / heads;
                let at = |token: usize, c: usize| f64::from(m[token * width + head * d + c]);
                let score = |j: usize| (0..d).map(|c| at(i, c) * at(j, c)).sum::<f64>() / (d as f64).sqrt();
                let scores: Vec<f64> = range.clone().map(score).collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
                scores.iter().map(|s| (s - max).exp() / sum).collect()
            };
            let d = width / heads;
            for i in range.clone() {
                let (own, their) = (relations(student, width, i), relations(teacher, teacher_width, i));
                for ((j, own), their) in range.clone().zip(own).zip(their) {
                    loss += share * their * (their / own).ln();
                    let slope = share * (own - their) / (d as f64).sqrt();
                    for c in head * d..(head + 1) * d {
                        gradient[i * width + c] += slope * f64::from(student[j * width + c]);
                        gradient[j * width + c] += slope * f64::from(student[i * width + c]);
                    }
                }
            }
        }
        losses.push(loss as f32);
    }
    (losses, gradient.into_iter().map(|x| x as f32).collect())
}
