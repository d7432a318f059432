//! Losses over rows of logits: of one class, of a set of labels, of a number.

use filbert_kernels::{
    LossShape, cross_entropy_backward, cross_entropy_forward, sigmoid_loss, softmax_loss, squared_loss,
};

use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, Tape, Tensor, Var};

/// What the rows of a batch are to be.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// One class each, by index.
    Classes(&'a [u32]),
    /// Any number of labels each, by index, each at most once.
    Sets(&'a [Vec<u32>]),
    /// A number each.
    Numbers(&'a [f32]),
}

impl Targets<'_> {
    /// The number of rows.
    pub const fn len(&self) -> usize {
        match self {
            Self::Classes(rows) => rows.len(),
            Self::Sets(rows) => rows.len(),
            Self::Numbers(rows) => rows.len(),
        }
    }

    /// True where there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest index of a class or label, where there is one.
    fn largest(&self) -> Option<u32> {
        match self {
            Self::Classes(rows) => rows.iter().copied().max(),
            Self::Sets(rows) => rows.iter().flatten().copied().max(),
            Self::Numbers(_) => None,
        }
    }
}

/// How rows' losses are formed; the default is the plain loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objective {
    /// A weight for each class; for sets of labels, for the rows that have the label. Of numbers nothing.
    pub weights: Option<Vec<f32>>,
    /// The share of the target that is spread evenly, in 0 to 1 (without 1).
    pub smoothing: f32,
    /// The exponent of the focal loss; not together with smoothing.
    pub focal: f32,
}

impl Objective {
    /// What the rows' losses are divided by for their mean: the sum of their classes' weights, as PyTorch has it; else the
    /// number of rows.
    pub fn weight(&self, targets: Targets<'_>) -> f64 {
        match (targets, &self.weights) {
            (Targets::Classes(rows), Some(weights)) => {
                rows.iter().map(|&c| weights.get(c as usize).map_or(1.0, |&w| f64::from(w))).sum()
            }
            _ => targets.len() as f64,
        }
    }

    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A loss: the number to walk back from, and what each row contributed.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The mean over the rows, weighted where the objective says so, `[1, 1]`.
    pub mean: Var,
    /// The rows' own losses.
    pub rows: Vec<f32>,
}

struct Saved {
    input: Option<NodeId>,
    /// Cross-entropy's probabilities, or the gradient of the rows' own losses.
    values: Tensor,
    /// Labels, where `values` are probabilities.
    labels: Option<Vec<u32>>,
    /// What the rows' losses are divided by.
    weight: f64,
}

impl Tape<'_> {
    /// The mean cross-entropy of logits `[rows, classes]` with the rows' class indices.
    ///
    /// # Errors
    /// If there is not one label per row, no row, or a label is not a class.
    pub fn cross_entropy(&mut self, logits: &Var, labels: &[u32]) -> Result<Loss, Error> {
        self.loss(logits, Targets::Classes(labels), &Objective::default())
    }

    /// The mean loss of logits `[rows, columns]`: cross-entropy for classes, the labels' mean binary cross-entropy for sets,
    /// the squared difference for numbers, which need one column.
    ///
    /// # Errors
    /// If there is not one target per row, no row, a label without a column, or weights for another number of columns.
    pub fn loss(&mut self, logits: &Var, targets: Targets<'_>, how: &Objective) -> Result<Loss, Error> {
        let _timer = self.time("loss");
        let (rows, columns) = (logits.value.rows(), logits.value.cols());
        check(targets, how, (rows, columns))?;
        let mut values = self.context.scratch(rows, columns);
        let mut losses = vec![0.0; rows];
        let shape = LossShape { weights: how.weights.as_deref(), smoothing: how.smoothing, focal: how.focal };
        let mut labels = None;
        match targets {
            Targets::Classes(classes) if how.is_plain() => {
                cross_entropy_forward(&logits.value, classes, &mut values, &mut losses);
                labels = Some(classes.to_vec());
            }
            Targets::Classes(classes) => {
                softmax_loss(&logits.value, classes, shape, &mut losses, &mut values);
            }
            Targets::Sets(sets) => sigmoid_loss(&logits.value, sets, shape, &mut losses, &mut values),
            Targets::Numbers(numbers) => squared_loss(&logits.value, numbers, &mut losses, &mut values),
        }
        let weight = how.weight(targets);
        let mut mean = self.context.scratch(1, 1);
        mean[0] = (losses.iter().map(|&l| f64::from(l)).sum::<f64>() / weight) as f32;
        let mean = if self.records(&[logits], &[]) {
            self.push(mean, Saved { input: logits.node, values, labels, weight })
        } else {
            Var::constant(mean)
        };
        Ok(Loss { mean, rows: losses })
    }
}

fn check(targets: Targets<'_>, how: &Objective, (rows, columns): (usize, usize)) -> Result<(), Error> {
    let shape = |what, got, wanted| Err(Error::Shape { op: "loss", what, got, wanted });
    if targets.len() != rows || rows == 0 {
        return shape("targets", targets.len(), rows.max(1));
    }
    if matches!(targets, Targets::Numbers(_)) && columns != 1 {
        return shape("outputs", columns, 1);
    }
    if let Some(weights) = how.weights.as_ref().filter(|weights| weights.len() != columns) {
        return shape("weights", weights.len(), columns);
    }
    match targets.largest() {
        Some(label) if label as usize >= columns => {
            Err(Error::Index { op: "loss", what: "label", index: label as usize, limit: columns })
        }
        _ => Ok(()),
    }
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        "loss"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let mut d = pass.context.scratch(self.values.rows(), self.values.cols());
        let scale = (f64::from(dy[0]) / self.weight) as f32;
        match &self.labels {
            Some(labels) => cross_entropy_backward(&self.values, labels, scale, &mut d),
            None => d.iter_mut().zip(self.values.iter()).for_each(|(d, value)| *d = scale * value),
        }
        pass.add(self.input, d);
    }
}
