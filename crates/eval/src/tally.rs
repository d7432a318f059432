//! Counts per class, and every metric that follows from them. The same code serves the sample (whole counts),
//! each resample (weighted rows) and the bound for samples without error (fractional counts), so counts are
//! 64-bit floats, exact up to 2^53 rows.

use crate::estimate::{Estimate, score_interval, wilson};

/// What the averages of [`Tally::averages`] are called, in their order.
pub(crate) const AVERAGES: [&str; 7] = [
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "weighted_precision",
    "weighted_f1",
    "mcc",
];

/// Rows per class: that are it, that are called it, and both.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tally {
    pub(crate) support: Vec<f64>,
    pub(crate) predicted: Vec<f64>,
    pub(crate) correct: Vec<f64>,
}

/// `a / b`, and 0 for a class without rows: scikit-learn's `zero_division=0`.
pub(crate) fn share(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

impl Tally {
    pub(crate) fn empty(classes: usize) -> Self {
        Self { support: vec![0.0; classes], predicted: vec![0.0; classes], correct: vec![0.0; classes] }
    }

    pub(crate) fn clear(&mut self) {
        self.support.fill(0.0);
        self.predicted.fill(0.0);
        self.correct.fill(0.0);
    }

    /// Adds `weight` rows of class `label` that are called `predicted`. Both must be below the class count.
    pub(crate) fn add(&mut self, label: usize, predicted: usize, weight: f64) {
        self.support[label] += weight;
        self.predicted[predicted] += weight;
        if label == predicted {
            self.correct[label] += weight;
        }
    }

    pub(crate) fn rows(&self) -> f64 {
        self.support.iter().sum()
    }

    pub(crate) fn right(&self) -> f64 {
        self.correct.iter().sum()
    }

    /// Support, predicted and correct rows of each class.
    fn each(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        self.support.iter().zip(&self.predicted).zip(&self.correct).map(|((&s, &p), &c)| (s, p, c))
    }

    /// The metrics named by [`AVERAGES`]. Macro averages run over the classes that occur as a label or as a
    /// prediction, as scikit-learn's do without `labels=`; balanced accuracy over those that occur as a label
    /// (`balanced_accuracy_score`).
    pub(crate) fn averages(&self) -> [f64; 7] {
        let (mut present, mut labelled) = (0.0, 0.0);
        let (mut recalls, mut precisions, mut f1s) = (0.0, 0.0, 0.0);
        let (mut heavy_precision, mut heavy_f1) = (0.0, 0.0);
        for (support, predicted, correct) in self.each() {
            if support + predicted <= 0.0 {
                continue;
            }
            present += 1.0;
            labelled += f64::from(u8::from(support > 0.0));
            let precision = share(correct, predicted);
            let f1 = share(2.0 * correct, support + predicted);
            recalls += share(correct, support);
            precisions += precision;
            f1s += f1;
            heavy_precision += support * precision;
            heavy_f1 += support * f1;
        }
        let rows = self.rows();
        [
            share(recalls, labelled),
            share(precisions, present),
            share(recalls, present),
            share(f1s, present),
            share(heavy_precision, rows),
            share(heavy_f1, rows),
            self.mcc(),
        ]
    }

    /// Matthews' correlation for any number of classes (J. Gorodkin, "Comparing two K-category assignments by
    /// a K-category correlation coefficient", 2004); 0 where labels or predictions are all of one class.
    fn mcc(&self) -> f64 {
        let rows = self.rows();
        let (mut joint, mut called, mut are) = (self.right() * rows, rows * rows, rows * rows);
        for (support, predicted, _) in self.each() {
            joint -= support * predicted;
            called -= predicted * predicted;
            are -= support * support;
        }
        let scale = called * are;
        if scale > 0.0 { (joint / scale.sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
    }

    /// For a sample without a single error (or without a single hit): the averages as they would be if the
    /// true error (or hit) rate stood at the far end of accuracy's Wilson interval, the errors of each class
    /// falling on the others in proportion to their rows. `None` for any other sample, and for one of a
    /// single class, whose macro averages jump with the first error.
    pub(crate) fn averages_at_bound(&self) -> Option<[f64; 7]> {
        let (rows, right) = (self.rows(), self.right());
        let labelled = self.support.iter().filter(|&&s| s > 0.0).count();
        if labelled < 2 || (right != rows && right != 0.0) {
            return None;
        }
        let (low, high) = score_interval(share(right, rows), rows);
        let mut bound = self.clone();
        if right == rows {
            let error = 1.0 - low;
            for (correct, support) in bound.correct.iter_mut().zip(&self.support) {
                *correct = support * (1.0 - error);
            }
            // Class c receives the errors of every other class i by the share n_c / (n - n_i).
            let odds = |support: f64| share(support, rows - support);
            let all: f64 = self.support.iter().map(|&s| odds(s)).sum();
            for (predicted, &support) in bound.predicted.iter_mut().zip(&self.support) {
                *predicted = support * (1.0 - error) + error * support * (all - odds(support));
            }
        } else {
            for ((correct, predicted), support) in
                bound.correct.iter_mut().zip(&mut bound.predicted).zip(&self.support)
            {
                *correct = support * high;
                *predicted = *predicted * (1.0 - high) + support * high;
            }
        }
        Some(bound.averages())
    }

    /// Precision, recall and F1 of one class. F1 = 2J / (1 + J), where J is the share of hits among the rows
    /// that are the class or are called it: a proportion, so its Wilson interval carries over.
    pub(crate) fn of_class(&self, class: usize) -> [Estimate; 3] {
        let (support, predicted) = (self.support[class] as u64, self.predicted[class] as u64);
        let correct = self.correct[class] as u64;
        let either = (support + predicted).saturating_sub(correct);
        [
            wilson(correct, predicted),
            wilson(correct, support),
            wilson(correct, either).mapped(|j| 2.0 * j / (1.0 + j)),
        ]
    }
}

/// Rows by label and prediction, so that a resample is counted cell by cell without a branch per row.
pub(crate) struct Cells {
    /// Row numbers, cell after cell.
    order: Vec<u32>,
    /// Label, prediction and end in `order` of each cell that has rows.
    cells: Vec<(usize, usize, usize)>,
}

impl Cells {
    /// `labels` and `predicted` must be equally long, with at most `MAX_ROWS` rows.
    pub(crate) fn of(labels: &[usize], predicted: &[usize]) -> Self {
        let key = |row: u32| (labels[row as usize], predicted[row as usize]);
        let mut order: Vec<u32> = (0..labels.len() as u32).collect();
        order.sort_by_key(|&row| key(row));
        let (mut cells, mut end) = (Vec::new(), 0);
        for cell in order.chunk_by(|&a, &b| key(a) == key(b)) {
            end += cell.len();
            cells.push((key(cell[0]).0, key(cell[0]).1, end));
        }
        Self { order, cells }
    }

    /// Counts row `i` `weights[i]` times.
    pub(crate) fn tally(&self, weights: &[u32], tally: &mut Tally) {
        tally.clear();
        let mut start = 0;
        for &(label, predicted, end) in &self.cells {
            let sum: u32 = self.order[start..end].iter().map(|&row| weights[row as usize]).sum();
            tally.add(label, predicted, f64::from(sum));
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_count_what_rows_count() {
        let (labels, predicted, weights) = ([2, 0, 0, 2, 1, 0], [2, 1, 0, 2, 0, 1], [1, 0, 3, 2, 1, 2]);
        let (mut by_row, mut by_cell) = (Tally::empty(3), Tally::empty(3));
        for row in 0..6 {
            by_row.add(labels[row], predicted[row], f64::from(weights[row]));
        }
        by_cell.add(1, 1, 5.0); // to be cleared
        Cells::of(&labels, &predicted).tally(&weights, &mut by_cell);
        assert_eq!(by_cell, by_row);
    }

    #[test]
    fn the_bound_keeps_the_number_of_rows() {
        let mut perfect = Tally::empty(4);
        for (class, rows) in [(0, 50.0), (1, 30.0), (3, 20.0)] {
            perfect.add(class, class, rows);
        }
        let bound = perfect.averages_at_bound().unwrap_or_default();
        for (name, value) in AVERAGES.iter().zip(bound) {
            assert!((0.9..1.0).contains(&value), "{name} {value}");
        }
        // Accuracy's Wilson bound at 100 of 100 is 100 / (100 + z^2) = 0.963; recall is that in each class.
        assert!((bound[0] - 0.963_006).abs() < 1e-5, "{bound:?}");
    }

    #[test]
    fn no_bound_for_one_class_or_for_some_errors() {
        let mut tally = Tally::empty(2);
        tally.add(0, 0, 9.0);
        assert_eq!(tally.averages_at_bound(), None);
        tally.add(1, 1, 9.0);
        tally.add(1, 0, 1.0);
        assert_eq!(tally.averages_at_bound(), None);
    }
}
