//! Cross-entropy over rows of logits.

use filbert_kernels::{cross_entropy_backward, cross_entropy_forward};

use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, Tape, Tensor, Var};

/// A loss: the number to walk back from, and what each row contributed.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The mean over the rows, `[1, 1]`.
    pub mean: Var,
    /// The rows' own losses.
    pub rows: Vec<f32>,
}

struct Saved {
    input: Option<NodeId>,
    probabilities: Tensor,
    labels: Vec<u32>,
}

impl Tape<'_> {
    /// The mean cross-entropy of logits `[rows, classes]` with the rows' class indices.
    ///
    /// # Errors
    /// If there is not one label per row, no row, or a label is not a class.
    pub fn cross_entropy(&mut self, logits: &Var, labels: &[u32]) -> Result<Loss, Error> {
        let _timer = self.time("loss");
        let (rows, classes) = (logits.value.rows(), logits.value.cols());
        if labels.len() != rows || rows == 0 {
            return Err(Error::Shape {
                op: "cross-entropy",
                what: "labels",
                got: labels.len(),
                wanted: rows.max(1),
            });
        }
        if let Some(&label) = labels.iter().find(|&&label| label as usize >= classes) {
            return Err(Error::Index {
                op: "cross-entropy",
                what: "label",
                index: label as usize,
                limit: classes,
            });
        }
        let mut probabilities = self.context.scratch(rows, classes);
        let mut losses = vec![0.0; rows];
        cross_entropy_forward(&logits.value, labels, &mut probabilities, &mut losses);
        let mut mean = self.context.scratch(1, 1);
        mean[0] = (losses.iter().map(|&l| f64::from(l)).sum::<f64>() / rows as f64) as f32;
        let mean = if self.records(&[logits], &[]) {
            self.push(mean, Saved { input: logits.node, probabilities, labels: labels.to_vec() })
        } else {
            Var::constant(mean)
        };
        Ok(Loss { mean, rows: losses })
    }
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        "loss"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let (rows, classes) = (self.probabilities.rows(), self.probabilities.cols());
        let mut d = pass.context.scratch(rows, classes);
        cross_entropy_backward(&self.probabilities, &self.labels, dy[0] / rows as f32, &mut d);
        pass.add(self.input, d);
    }
}
