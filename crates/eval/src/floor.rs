//! The floor that a fine-tuned encoder has to beat: logistic regression over character n-grams.
//!
//! Texts are lower-cased, runs of white space become one space, and every sequence of 2 to 4 characters that occurs in at least
//! two training texts is a feature, weighted by (1 + ln tf) · (ln((1 + n) / (1 + df)) + 1), rows of length 1. The regression
//! minimizes ½‖w‖² + C · Σ loss with C = 10 and a free intercept. These are the definitions of scikit-learn's
//! `TfidfVectorizer(analyzer="char", ngram_range=(2, 4), sublinear_tf=True, min_df=2)` and `LogisticRegression(C=10)`.

use std::collections::HashMap;

/// The weight of the losses against that of the squared weights.
const C: f64 = 10.0;
/// Most steps of the minimization.
const MAX_ITERATIONS: usize = 1_000;
/// The minimization ends where no element of the gradient is larger.
const TOLERANCE: f64 = 1e-4;
/// Pairs of steps and gradients that are remembered (Liu and Nocedal 1989).
const MEMORY: usize = 10;
/// Characters of a text that are read: what comes later says little.
const MAX_CHARS: usize = 4_096;
/// Most characters of all texts, and most weights: what bounds the memory of a fit, at about a gigabyte if hardly any n-gram
/// occurs twice.
const MAX_ALL_CHARS: usize = 5_000_000;
const MAX_WEIGHTS: usize = 3_000_000;

/// A sequence of 2 to 4 characters, zeros behind.
type Gram = [char; 4];

/// A fitted floor.
#[derive(Debug, Clone)]
pub struct Floor {
    /// The column of each n-gram.
    columns: HashMap<Gram, u32>,
    idf: Vec<f64>,
    /// `[columns + 1, outputs]`; the last row is the intercept.
    weights: Vec<f64>,
    /// One for two classes, else as many as there are classes.
    outputs: usize,
    classes: usize,
}

/// Sparse rows: columns and values of each.
type Rows = Vec<Vec<(u32, f64)>>;

impl Floor {
    /// Fits texts to their class indices. `None` where nothing can be fitted: no text, fewer than two classes, a class that is
    /// none, no n-gram that occurs twice, or more texts or classes than memory is meant for.
    pub fn fit(texts: &[&str], labels: &[u32], classes: usize) -> Option<Self> {
        if texts.len() != labels.len() || texts.is_empty() || classes < 2 {
            return None;
        }
        if labels.iter().any(|&label| label as usize >= classes) {
            return None;
        }
        if texts.iter().map(|text| text.chars().take(MAX_CHARS).count()).sum::<usize>() > MAX_ALL_CHARS {
            return None;
        }
        let mut frequency: HashMap<Gram, u32> = HashMap::new();
        for gram in texts.iter().flat_map(|text| count(text).into_keys()) {
            *frequency.entry(gram).or_default() += 1;
        }
        let mut kept: Vec<(Gram, u32)> = frequency.into_iter().filter(|(_, df)| *df >= 2).collect();
        let outputs = if classes == 2 { 1 } else { classes };
        if kept.is_empty() || kept.len().saturating_mul(outputs) > MAX_WEIGHTS {
            return None;
        }
        // A hash map's order is another in every run.
        kept.sort_unstable();
        let n = texts.len() as f64;
        let idf = kept.iter().map(|(_, df)| ((1.0 + n) / (1.0 + f64::from(*df))).ln() + 1.0).collect();
        let columns = kept.iter().zip(0u32..).map(|((gram, _), i)| (*gram, i)).collect();
        let mut floor = Self { columns, idf, weights: Vec::new(), outputs, classes };
        let rows: Rows = texts.iter().map(|text| floor.row(&count(text))).collect();
        let problem = Problem { rows: &rows, labels, columns: floor.idf.len(), outputs };
        floor.weights = minimize(vec![0.0; (problem.columns + 1) * outputs], |w, g| problem.evaluate(w, g));
        Some(floor)
    }

    /// The probabilities of each text's classes, `[texts, classes]`.
    pub fn probabilities(&self, texts: &[&str]) -> Vec<f32> {
        let mut out = Vec::with_capacity(texts.len() * self.classes);
        let mut scores = vec![0.0; self.outputs];
        for text in texts {
            score(&self.row(&count(text)), &self.weights, &mut scores);
            if self.outputs == 1 {
                let p = 1.0 / (1.0 + (-scores[0]).exp());
                out.extend([(1.0 - p) as f32, p as f32]);
            } else {
                softmax(&mut scores);
                out.extend(scores.iter().map(|&p| p as f32));
            }
        }
        out
    }

    /// The n-grams that are features.
    pub fn features(&self) -> usize {
        self.idf.len()
    }

    /// A text's weighted n-grams by column, of length 1.
    fn row(&self, counts: &HashMap<Gram, u32>) -> Vec<(u32, f64)> {
        let mut row: Vec<(u32, f64)> = counts
            .iter()
            .filter_map(|(gram, tf)| self.columns.get(gram).map(|&column| (column, *tf)))
            .map(|(column, tf)| (column, (1.0 + f64::from(tf).ln()) * self.idf[column as usize]))
            .collect();
        row.sort_unstable_by_key(|entry| entry.0);
        let length = row.iter().map(|(_, x)| x * x).sum::<f64>().sqrt();
        if length > 0.0 {
            for (_, x) in &mut row {
                *x /= length;
            }
        }
        row
    }
}

/// How often each sequence of 2 to 4 characters occurs.
fn count(text: &str) -> HashMap<Gram, u32> {
    let mut chars: Vec<char> = Vec::new();
    for c in text.chars().take(MAX_CHARS).flat_map(char::to_lowercase) {
        if c.is_whitespace() && chars.last().is_some_and(|last| last.is_whitespace()) {
            if let Some(last) = chars.last_mut() {
                *last = ' ';
            }
            continue;
        }
        chars.push(c);
    }
    let mut counts = HashMap::new();
    for n in 2..=4 {
        for window in chars.windows(n) {
            let mut gram = ['\0'; 4];
            gram[..n].copy_from_slice(window);
            *counts.entry(gram).or_default() += 1;
        }
    }
    counts
}

/// Adds up a row's weights; the last row of `weights` is the intercept.
fn score(row: &[(u32, f64)], weights: &[f64], scores: &mut [f64]) {
    let outputs = scores.len();
    scores.copy_from_slice(&weights[weights.len() - outputs..]);
    for &(column, x) in row {
        let at = column as usize * outputs;
        for (score, w) in scores.iter_mut().zip(&weights[at..at + outputs]) {
            *score += x * w;
        }
    }
}

/// Softmax in place; returns the logarithm of the sum of exponentials.
fn softmax(scores: &mut [f64]) -> f64 {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for s in scores.iter_mut() {
        *s = (*s - max).exp();
        sum += *s;
    }
    for s in scores.iter_mut() {
        *s /= sum;
    }
    max + sum.ln()
}

struct Problem<'a> {
    rows: &'a Rows,
    labels: &'a [u32],
    columns: usize,
    outputs: usize,
}

impl Problem<'_> {
    /// The objective at `weights`, and its gradient.
    fn evaluate(&self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let outputs = self.outputs;
        let penalized = self.columns * outputs;
        gradient[..penalized].copy_from_slice(&weights[..penalized]);
        gradient[penalized..].fill(0.0);
        let mut value = 0.5 * weights[..penalized].iter().map(|w| w * w).sum::<f64>();
        let mut d = vec![0.0; outputs];
        for (row, &label) in self.rows.iter().zip(self.labels) {
            score(row, weights, &mut d);
            if outputs == 1 {
                let sign = if label == 1 { 1.0 } else { -1.0 };
                let margin = sign * d[0];
                // ln(1 + e^-margin), without overflow.
                value += C * ((-margin.abs()).exp().ln_1p() + (-margin).max(0.0));
                d[0] = -sign * C / (1.0 + margin.exp());
            } else {
                let own = d[label as usize];
                value += C * (softmax(&mut d) - own);
                d[label as usize] -= 1.0;
                for d in &mut d {
                    *d *= C;
                }
            }
            for &(column, x) in row {
                let at = column as usize * outputs;
                for (g, d) in gradient[at..at + outputs].iter_mut().zip(&d) {
                    *g += x * d;
                }
            }
            for (g, d) in gradient[penalized..].iter_mut().zip(&d) {
                *g += d;
            }
        }
        value
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The minimum of a smooth convex function by L-BFGS (Liu and Nocedal 1989) with steps halved until they descend enough.
fn minimize(mut x: Vec<f64>, f: impl Fn(&[f64], &mut [f64]) -> f64) -> Vec<f64> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = f(&x, &mut gradient);
    // Steps, changes of the gradient, and one over their products; the oldest first.
    let mut history: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    let (mut next, mut next_gradient) = (x.clone(), gradient.clone());
    for _ in 0..MAX_ITERATIONS {
        if gradient.iter().all(|g| g.abs() <= TOLERANCE) {
            break;
        }
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut along = Vec::new();
        for (s, y, rho) in history.iter().rev() {
            let a = rho * dot(s, &direction);
            direction.iter_mut().zip(y).for_each(|(d, y)| *d -= a * y);
            along.push(a);
        }
        let scale =
            history.last().map_or(1.0 / dot(&gradient, &gradient).sqrt(), |(s, y, _)| dot(s, y) / dot(y, y));
        for d in &mut direction {
            *d *= scale;
        }
        for ((s, y, rho), a) in history.iter().zip(along.into_iter().rev()) {
            let b = rho * dot(y, &direction);
            direction.iter_mut().zip(s).for_each(|(d, s)| *d += (a - b) * s);
        }
        let slope = dot(&gradient, &direction);
        if slope >= 0.0 {
            break;
        }
        let mut step = 1.0;
        let found = (0..40).find_map(|_| {
            for ((to, x), d) in next.iter_mut().zip(&x).zip(&direction) {
                *to = x + step * d;
            }
            let found = f(&next, &mut next_gradient);
            let enough = found <= value + 1e-4 * step * slope;
            step *= 0.5;
            enough.then_some(found)
        });
        let Some(found) = found else { break };
        let s: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let product = dot(&s, &y);
        if product > 1e-12 {
            if history.len() == MEMORY {
                history.remove(0);
            }
            history.push((s, y, 1.0 / product));
        }
        value = found;
        std::mem::swap(&mut x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_grams_are_counted_over_lower_case_and_single_spaces() {
        let counts = count("AbA \t b");
        assert_eq!(counts[&['a', 'b', '\0', '\0']], 1);
        assert_eq!(counts[&['b', 'a', ' ', '\0']], 1);
        assert_eq!(counts[&['a', ' ', 'b', '\0']], 1, "one space for many");
        assert!(count("a").is_empty() && count("").is_empty());
    }

    #[test]
    fn gradients_are_slopes() {
        let rows: Rows = vec![vec![(0, 0.6), (2, 0.8)], vec![(1, 1.0)], vec![(0, 0.3), (1, 0.5)]];
        for (outputs, labels) in [(1, [0u32, 1, 1]), (3, [2, 0, 1])] {
            let problem = Problem { rows: &rows, labels: &labels, columns: 3, outputs };
            let w: Vec<f64> = (0..4 * outputs).map(|i| (i as f64 * 0.7).sin()).collect();
            let mut gradient = vec![0.0; w.len()];
            problem.evaluate(&w, &mut gradient);
            for i in 0..w.len() {
                let at = |h: f64| {
                    let mut moved = w.clone();
                    moved[i] += h;
                    problem.evaluate(&moved, &mut vec![0.0; w.len()])
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((slope - gradient[i]).abs() < 1e-6, "{outputs} outputs, weight {i}");
            }
        }
    }

    #[test]
    fn separable_texts_are_told_apart_the_same_way_every_time() {
        let texts = ["aaaa bb", "aaa bbb", "zzzz yy", "zzz yyy", "mmmm nn", "mmm nnn"];
        for (labels, classes) in [(vec![0, 0, 1, 1, 1, 1], 2), (vec![0, 0, 1, 1, 2, 2], 3)] {
            let floor = Floor::fit(&texts, &labels, classes).unwrap();
            let p = floor.probabilities(&texts);
            for (row, label) in p.chunks(classes).zip(&labels) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                assert!(row.iter().all(|&x| x <= row[*label as usize]), "{row:?}");
            }
            let again = Floor::fit(&texts, &labels, classes).unwrap().probabilities(&texts);
            assert!(p.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()), "{classes} classes");
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        assert!(Floor::fit(&[], &[], 2).is_none());
        assert!(Floor::fit(&["ab", "ab"], &[0, 0], 1).is_none());
        assert!(Floor::fit(&["ab", "ab"], &[0, 2], 2).is_none());
        assert!(Floor::fit(&["ab", "cd"], &[0, 1], 2).is_none(), "no n-gram occurs twice");
        let long = "a".repeat(MAX_CHARS);
        let many = vec![long.as_str(); MAX_ALL_CHARS / MAX_CHARS + 1];
        assert!(Floor::fit(&many, &vec![0; many.len()], 2).is_none(), "too many characters");
        assert!(Floor::fit(&["ab", "ab"], &[0, 1], MAX_WEIGHTS + 1).is_none(), "too many weights");
    }
}
