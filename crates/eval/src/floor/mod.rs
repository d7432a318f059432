//! The floor that a fine-tuned encoder has to beat: linear models over character n-grams.
//!
//! Texts are lower-cased, runs of white space become one space, and every sequence of 2 to 4 characters that
//! occurs in at least two training texts is a feature, weighted by (1 + ln tf) · (ln((1 + n) / (1 + df)) + 1),
//! rows of length 1. Logistic regression minimizes ½‖w‖² + C · Σ loss with C = 10 and a free intercept, softmax
//! over classes or a sigmoid per label; ridge regression the same with C = 1 and half the squared error. These
//! are the definitions of scikit-learn's `LogisticRegression(C=10)`, alone or in a `OneVsRestClassifier`, and
//! `Ridge(alpha=1)`. The search ends at its minimum, or when its work is spent, so that a fit takes seconds
//! whatever the rows and classes.

mod features;
mod lbfgs;
mod problem;

use features::{Row, Vocabulary};
use problem::{Loss, Problem, score, softmax};
use rayon::prelude::*;

use crate::probability::sigmoid;

/// The weight of the losses against that of the squared weights, of classes and labels.
const C: f64 = 10.0;

/// The same in ridge regression.
const RIDGE_C: f64 = 1.0;

/// The search ends where no element of the gradient of the mean loss is larger; a tenth of scikit-learn's,
/// because at its own accuracies still differ in the third digit.
const TOLERANCE: f32 = 1e-5;

/// Most evaluations of the objective.
const MAX_EVALUATIONS: usize = 1_000;

/// Multiply-adds that a fit may spend: 10 to 20 seconds on two processors.
const WORK: usize = 25_000_000_000;

/// Fewest evaluations, whatever they cost; what bounds a fit's size otherwise bounds these.
const MIN_EVALUATIONS: usize = 30;

/// Most weights, and most scores of all rows: what bounds the memory of a fit beside its texts. Weights are
/// held 26 times, in 32 bits.
const MAX_WEIGHTS: usize = 5_000_000;
const MAX_SCORES: usize = 50_000_000;

/// A fitted linear model: `[columns + 1, outputs]` weights; the last row is the intercept.
#[derive(Debug, Clone)]
struct Linear {
    vocabulary: Vocabulary,
    weights: Vec<f32>,
    outputs: usize,
}

impl Linear {
    fn fit(texts: &[&str], outputs: usize, loss: Loss<'_>, c: f64) -> Option<Self> {
        let vocabulary = Vocabulary::of(texts)?;
        let columns = vocabulary.len();
        if columns.saturating_mul(outputs) > MAX_WEIGHTS || texts.len().saturating_mul(outputs) > MAX_SCORES {
            return None;
        }
        let rows: Vec<Row> = vocabulary.rows(texts);
        let decay = 1.0 / (c * texts.len() as f64);
        let problem = Problem::new(&rows, columns, outputs, loss, decay);
        let evaluations = (WORK / problem.work().max(1)).clamp(MIN_EVALUATIONS, MAX_EVALUATIONS);
        let mut room = Vec::new();
        let weights = lbfgs::minimize(vec![0.0; problem.weights()], TOLERANCE, evaluations, |w, g| {
            problem.evaluate(w, g, &mut room)
        });
        Some(Self { vocabulary, weights, outputs })
    }

    /// Scores, `[texts, outputs]`.
    fn scores(&self, texts: &[&str]) -> Vec<f32> {
        let mut scores = vec![0.0; texts.len() * self.outputs];
        let rows = self.vocabulary.rows(texts);
        scores
            .par_chunks_exact_mut(self.outputs)
            .zip(&rows)
            .for_each(|(scores, row)| score(row, &self.weights, scores));
        scores
    }
}

/// What scores become.
#[derive(Debug, Clone)]
enum Kind {
    /// The classes that occur, in ascending order: one score with two of them, else one for each.
    Classes(Vec<usize>),
    /// The labels that some but not all rows carry, one score for each.
    Labels(Vec<usize>),
}

/// A fitted floor of classes or labels.
#[derive(Debug, Clone)]
pub struct Floor {
    linear: Linear,
    kind: Kind,
    /// The probability of each class or label that no score is for.
    constants: Vec<f32>,
}

impl Floor {
    /// Fits texts to their class indices. A class without texts has a probability of 0 everywhere. `None` where
    /// nothing can be fitted: no text, fewer than two classes among the labels, a class that is none, no n-gram
    /// that occurs twice, or more texts or classes than memory is meant for.
    pub fn fit(texts: &[&str], labels: &[u32], classes: usize) -> Option<Self> {
        if texts.len() != labels.len() || labels.iter().any(|&label| label as usize >= classes) {
            return None;
        }
        let mut number: Vec<Option<u32>> = vec![None; classes.min(MAX_WEIGHTS + 1)];
        for &label in labels {
            *number.get_mut(label as usize)? = Some(0);
        }
        let occurring: Vec<usize> = (0..number.len()).filter(|&class| number[class].is_some()).collect();
        for (class, new) in occurring.iter().zip(0..) {
            number[*class] = Some(new);
        }
        let numbers: Vec<u32> =
            labels.iter().map(|&label| number[label as usize]).collect::<Option<Vec<u32>>>()?;
        let linear = match occurring.len() {
            0 | 1 => return None,
            2 => {
                let second: Vec<bool> = numbers.iter().map(|&number| number == 1).collect();
                Linear::fit(texts, 1, Loss::Logistic(&second), C)?
            }
            outputs => Linear::fit(texts, outputs, Loss::Softmax(&numbers), C)?,
        };
        Some(Self { linear, kind: Kind::Classes(occurring), constants: vec![0.0; classes] })
    }

    /// Fits texts to the labels that each carries, `[texts, labels]`: a logistic regression per label. A label
    /// that no or all texts carry has the same probability everywhere, `(k + ½) / (n + 1)` with `k` of `n`
    /// texts. `None` as for [`Floor::fit`], and where every label is such a one.
    pub fn fit_multilabel(texts: &[&str], truth: &[bool], labels: usize) -> Option<Self> {
        if labels == 0 || texts.is_empty() || texts.len().checked_mul(labels)? != truth.len() {
            return None;
        }
        let mut support = vec![0usize; labels];
        for row in truth.chunks_exact(labels) {
            support.iter_mut().zip(row).for_each(|(support, &truth)| *support += usize::from(truth));
        }
        let varying: Vec<usize> =
            (0..labels).filter(|&label| support[label] > 0 && support[label] < texts.len()).collect();
        if varying.is_empty() {
            return None;
        }
        let dense: Vec<bool> =
            truth.chunks_exact(labels).flat_map(|row| varying.iter().map(|&label| row[label])).collect();
        let linear = Linear::fit(texts, varying.len(), Loss::Sigmoid(&dense), C)?;
        let constant = |&k: &usize| ((k as f64 + 0.5) / (texts.len() as f64 + 1.0)) as f32;
        let constants = support.iter().map(constant).collect();
        Some(Self { linear, kind: Kind::Labels(varying), constants })
    }

    /// The probabilities of each text's classes or labels, `[texts, classes]`.
    pub fn probabilities(&self, texts: &[&str]) -> Vec<f32> {
        let mut scores = self.linear.scores(texts);
        let mut out = self.constants.repeat(texts.len());
        let rows = out.chunks_exact_mut(self.constants.len());
        for (out, scores) in rows.zip(scores.chunks_exact_mut(self.linear.outputs)) {
            match &self.kind {
                Kind::Classes(classes) => {
                    if let &[first, second] = classes.as_slice() {
                        let p = sigmoid(f64::from(scores[0]));
                        (out[first], out[second]) = ((1.0 - p) as f32, p as f32);
                        continue;
                    }
                    softmax(scores);
                    classes.iter().zip(scores).for_each(|(&class, p)| out[class] = *p);
                }
                Kind::Labels(labels) => {
                    let each = labels.iter().zip(scores);
                    each.for_each(|(&label, score)| out[label] = sigmoid(f64::from(*score)) as f32);
                }
            }
        }
        out
    }

    /// The n-grams that are features.
    pub fn features(&self) -> usize {
        self.linear.vocabulary.len()
    }
}

/// A fitted floor of numbers: ridge regression.
#[derive(Debug, Clone)]
pub struct RegressionFloor {
    linear: Linear,
    mean: f64,
    deviation: f64,
}

impl RegressionFloor {
    /// Fits texts to their values. `None` as for [`Floor::fit`], where the values are not finite or so large
    /// that their spread is not, and where all are the same.
    pub fn fit(texts: &[&str], values: &[f64]) -> Option<Self> {
        if texts.is_empty() || texts.len() != values.len() {
            return None;
        }
        let n = values.len() as f64;
        if values.iter().all(|value| *value == values[0]) {
            return None;
        }
        let mean = values.iter().map(|value| value / n).sum::<f64>();
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        if !(mean.is_finite() && deviation.is_finite() && deviation > 0.0) {
            return None;
        }
        let scaled: Vec<f32> = values.iter().map(|value| ((value - mean) / deviation) as f32).collect();
        let linear = Linear::fit(texts, 1, Loss::Squared(&scaled), RIDGE_C)?;
        Some(Self { linear, mean, deviation })
    }

    /// The predicted value of each text.
    pub fn values(&self, texts: &[&str]) -> Vec<f64> {
        let back = |score: f32| self.mean + self.deviation * f64::from(score);
        self.linear.scores(texts).into_iter().map(back).collect()
    }

    /// The n-grams that are features.
    pub fn features(&self) -> usize {
        self.linear.vocabulary.len()
    }
}

#[cfg(test)]
mod tests {
    use super::features::{MAX_ALL_CHARS, MAX_CHARS};
    use super::*;

    const TEXTS: [&str; 6] = ["aaaa bb", "aaa bbb", "zzzz yy", "zzz yyy", "mmmm nn", "mmm nnn"];

    fn with_threads<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
    }

    #[test]
    fn separable_texts_are_told_apart_the_same_way_at_any_number_of_threads() {
        for (labels, classes) in
            [(vec![0, 0, 1, 1, 1, 1], 2), (vec![0, 0, 1, 1, 2, 2], 3), (vec![0, 0, 3, 3, 4, 4], 6)]
        {
            let fit = || Floor::fit(&TEXTS, &labels, classes).unwrap().probabilities(&TEXTS);
            let p = with_threads(1, fit);
            for (row, label) in p.chunks(classes).zip(&labels) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                assert!(row.iter().all(|&x| x <= row[*label as usize]), "{row:?}");
            }
            let again = with_threads(3, fit);
            assert!(p.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()), "{classes} classes");
        }
    }

    #[test]
    fn labels_are_fitted_one_by_one() {
        // Labels: has a, has m, never, always.
        let truth: Vec<bool> =
            TEXTS.iter().flat_map(|t| [t.contains('a'), t.contains('m'), false, true]).collect();
        let p = Floor::fit_multilabel(&TEXTS, &truth, 4).unwrap().probabilities(&TEXTS);
        for (row, (p, truth)) in p.chunks(4).zip(truth.chunks(4)).enumerate() {
            let called: Vec<bool> = p.iter().map(|&p| p >= 0.5).collect();
            assert_eq!(called, truth, "{row}: {p:?}");
        }
        assert_eq!((p[2], p[3]), (0.5 / 7.0, 6.5 / 7.0));
        assert!(Floor::fit_multilabel(&TEXTS, &[true; 6], 1).is_none(), "nothing varies");
        assert!(Floor::fit_multilabel(&TEXTS, &truth, 3).is_none(), "another shape");
        assert!(Floor::fit_multilabel(&TEXTS, &[], 0).is_none());
    }

    #[test]
    fn values_are_shrunk_towards_their_mean() {
        let values = [1e6, 1e6, 2e6, 2e6, 3e6, 3e6];
        let found = RegressionFloor::fit(&TEXTS, &values).unwrap().values(&TEXTS);
        assert!(found.windows(2).step_by(2).all(|pair| (pair[0] - pair[1]).abs() < 2e5), "{found:?}");
        assert!(found[0] > 1e6 && found[0] < 1.7e6 && found[5] < 3e6 && found[5] > 2.3e6, "{found:?}");
        assert!(RegressionFloor::fit(&TEXTS, &[1.0; 6]).is_none());
        for odd in [f64::NAN, f64::INFINITY, f64::MAX] {
            assert!(RegressionFloor::fit(&TEXTS, &[odd, 0.0, -odd, 0.0, 0.0, 0.0]).is_none());
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        assert!(Floor::fit(&[], &[], 2).is_none());
        assert!(Floor::fit(&["ab", "ab"], &[0, 0], 2).is_none());
        assert!(Floor::fit(&["ab", "ab"], &[0, 2], 2).is_none());
        assert!(Floor::fit(&["ab", "cd"], &[0, 1], 2).is_none(), "no n-gram occurs twice");
        let long = "a".repeat(MAX_CHARS);
        let many = vec![long.as_str(); MAX_ALL_CHARS / MAX_CHARS + 1];
        let labels: Vec<u32> = (0..many.len()).map(|row| (row % 2) as u32).collect();
        assert!(Floor::fit(&many, &labels, 2).is_none(), "too many characters");
        let many: Vec<u32> = (0..8000).collect();
        assert!(Floor::fit(&vec!["ab"; 8000], &many, 8000).is_none(), "too many scores");
    }
}
