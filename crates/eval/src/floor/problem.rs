//! The functions that are minimized: mean loss over rows, plus the squared weights' share. Both passes, rows
//! to scores and scores' slopes back to weights, are cut into pieces whose size depends on the problem alone,
//! and every sum is formed in the order of rows: the same bits at any number of threads.

use rayon::prelude::*;

use super::features::Row;

/// Rows of a piece.
const ROWS: usize = 64;

/// Columns of a piece.
const COLUMNS: usize = 64;

/// What the scores of a row mean, with what they should be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss<'a> {
    /// Two classes, one score: whether each row is of the second.
    Logistic(&'a [bool]),
    /// A score per class: each row's.
    Softmax(&'a [u32]),
    /// A score per label: `[rows, labels]`.
    Sigmoid(&'a [bool]),
    /// One score: each row's value.
    Squared(&'a [f32]),
}

impl Loss<'_> {
    /// The loss of a row's scores, which become the loss's slopes.
    fn of(self, row: usize, scores: &mut [f32]) -> f64 {
        match self {
            Self::Logistic(truth) => logistic(&mut scores[0], truth[row]),
            Self::Sigmoid(truth) => {
                let truth = &truth[row * scores.len()..][..scores.len()];
                scores.iter_mut().zip(truth).map(|(score, &truth)| logistic(score, truth)).sum()
            }
            Self::Softmax(labels) => {
                let label = labels[row] as usize;
                let own = f64::from(scores[label]);
                let loss = softmax(scores) - own;
                scores[label] -= 1.0;
                loss
            }
            Self::Squared(values) => {
                let gap = f64::from(scores[0]) - f64::from(values[row]);
                scores[0] = gap as f32;
                0.5 * gap * gap
            }
        }
    }
}

/// The logistic loss of one score, which becomes its slope.
fn logistic(score: &mut f32, truth: bool) -> f64 {
    let sign = if truth { 1.0 } else { -1.0 };
    let margin = sign * f64::from(*score);
    let e = (-margin.abs()).exp();
    let wrong = if margin >= 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
    *score = (-sign * wrong) as f32;
    e.ln_1p() + (-margin).max(0.0)
}

/// Softmax in place; returns the logarithm of the sum of exponentials.
pub(super) fn softmax(scores: &mut [f32]) -> f64 {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        let e = (*score - most).exp();
        sum += f64::from(e);
        *score = e;
    }
    let scale = (1.0 / sum) as f32;
    for score in scores.iter_mut() {
        *score *= scale;
    }
    f64::from(most) + sum.ln()
}

/// Adds up a row's weights, `[columns + 1, outputs]`; the last row of them is the intercept.
pub(super) fn score(row: &[(u32, f32)], weights: &[f32], scores: &mut [f32]) {
    let outputs = scores.len();
    scores.copy_from_slice(&weights[weights.len() - outputs..]);
    for &(column, x) in row {
        let own = &weights[column as usize * outputs..][..outputs];
        for (score, w) in scores.iter_mut().zip(own) {
            *score += x * w;
        }
    }
}

/// Rows, the same by column, and what they should give.
pub(super) struct Problem<'a> {
    rows: &'a [Row],
    /// The row numbers and values of each column, one after the other.
    entries: Vec<(u32, f32)>,
    /// Where each column starts, and the end.
    starts: Vec<usize>,
    loss: Loss<'a>,
    outputs: usize,
    /// The weight of half the squared weights, against that of the mean loss.
    decay: f32,
}

impl<'a> Problem<'a> {
    pub(super) fn new(rows: &'a [Row], columns: usize, outputs: usize, loss: Loss<'a>, decay: f64) -> Self {
        let mut starts = vec![0; columns + 1];
        for &(column, _) in rows.iter().flatten() {
            starts[column as usize + 1] += 1;
        }
        for column in 0..columns {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut entries = vec![(0, 0.0); starts[columns]];
        for (row, number) in rows.iter().zip(0u32..) {
            for &(column, x) in row {
                entries[next[column as usize]] = (number, x);
                next[column as usize] += 1;
            }
        }
        Self { rows, entries, starts, loss, outputs, decay: decay as f32 }
    }

    /// Weights, intercepts included.
    pub(super) fn weights(&self) -> usize {
        self.starts.len() * self.outputs
    }

    /// Multiply-adds of one evaluation.
    pub(super) fn work(&self) -> usize {
        2 * (self.entries.len() + self.rows.len()).saturating_mul(self.outputs)
    }

    /// The objective at `weights`, and its gradient. `slopes` is room for `[rows, outputs]`.
    pub(super) fn evaluate(&self, weights: &[f32], gradient: &mut [f32], slopes: &mut Vec<f32>) -> f64 {
        let outputs = self.outputs;
        slopes.resize(self.rows.len() * outputs, 0.0);
        let each_rows = slopes.par_chunks_mut(ROWS * outputs).zip(self.rows.par_chunks(ROWS));
        let losses: Vec<f64> = each_rows
            .enumerate()
            .map(|(piece, (slopes, rows))| {
                let of_row = |(at, (row, scores)): (usize, (&Row, &mut [f32]))| {
                    score(row, weights, scores);
                    self.loss.of(piece * ROWS + at, scores)
                };
                rows.iter().zip(slopes.chunks_exact_mut(outputs)).enumerate().map(of_row).sum()
            })
            .collect();
        let n = self.rows.len() as f64;
        let (scale, decay) = ((1.0 / n) as f32, self.decay);
        let penalized = weights.len() - outputs;
        let (of_columns, of_intercept) = gradient.split_at_mut(penalized);
        let each_columns = of_columns.par_chunks_mut(COLUMNS * outputs).enumerate();
        let squares: Vec<f64> = each_columns
            .map(|(piece, gradient)| {
                let mut squares = 0.0;
                for (at, gradient) in gradient.chunks_exact_mut(outputs).enumerate() {
                    let column = piece * COLUMNS + at;
                    gradient.fill(0.0);
                    for &(row, x) in &self.entries[self.starts[column]..self.starts[column + 1]] {
                        let slopes = &slopes[row as usize * outputs..][..outputs];
                        for (g, slope) in gradient.iter_mut().zip(slopes) {
                            *g += x * slope;
                        }
                    }
                    let own = &weights[column * outputs..][..outputs];
                    for (g, &w) in gradient.iter_mut().zip(own) {
                        *g = *g * scale + decay * w;
                        squares += f64::from(w) * f64::from(w);
                    }
                }
                squares
            })
            .collect();
        let mut sums = vec![0.0f64; outputs];
        for slopes in slopes.chunks_exact(outputs) {
            sums.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += f64::from(*slope));
        }
        of_intercept.iter_mut().zip(sums).for_each(|(g, sum)| *g = (sum / n) as f32);
        losses.iter().sum::<f64>() / n + 0.5 * f64::from(decay) * squares.iter().sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_slopes() {
        let rows: Vec<Row> = vec![vec![(0, 0.6), (2, 0.8)], vec![(1, 1.0)], vec![(0, 0.3), (1, 0.5)]];
        let bits = [true, false, false, true, true, false, true, false, true];
        let cases = [
            (1, Loss::Logistic(&bits)),
            (3, Loss::Softmax(&[2, 0, 1])),
            (3, Loss::Sigmoid(&bits)),
            (1, Loss::Squared(&[1.5, -0.5, 2.0])),
        ];
        for (outputs, loss) in cases {
            let problem = Problem::new(&rows, 3, outputs, loss, 0.3);
            let w: Vec<f32> = (0..4 * outputs).map(|i| (i as f32 * 0.7).sin()).collect();
            let (mut gradient, mut room) = (vec![0.0; w.len()], Vec::new());
            problem.evaluate(&w, &mut gradient, &mut room);
            for i in 0..w.len() {
                let mut at = |h: f32| {
                    let mut moved = w.clone();
                    moved[i] += h;
                    problem.evaluate(&moved, &mut vec![0.0; w.len()], &mut room)
                };
                let slope = (at(0.01) - at(-0.01)) / 0.02;
                assert!((slope - f64::from(gradient[i])).abs() < 1e-4, "{loss:?}, weight {i}");
            }
        }
    }
}
