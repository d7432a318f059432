//! A sum of two values, with the activation that follows.

use std::sync::Arc;

use filbert_kernels::{Activation, activation_backward, activation_forward};

use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, Tape, Tensor, Var};

struct Saved {
    inputs: [Option<NodeId>; 2],
    scale: f32,
    activation: Activation,
    /// What the activation's way back needs: the sum, or tanh's output.
    activated: Option<Arc<Tensor>>,
}

impl Tape<'_> {
    /// act(a + scale · b), all `[rows, width]`.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn add_scaled(&mut self, a: &Var, b: &Var, scale: f32, activation: Activation) -> Result<Var, Error> {
        let _timer = self.time("sum");
        let (rows, width) = (a.value.rows(), a.value.cols());
        if (b.value.rows(), b.value.cols()) != (rows, width) {
            return Err(Error::Shape { op: "sum", what: "b", got: b.value.len(), wanted: a.value.len() });
        }
        let mut y = self.context.scratch(rows, width);
        for ((y, a), b) in y.iter_mut().zip(a.value.iter()).zip(b.value.iter()) {
            *y = a + scale * b;
        }
        let records = self.records(&[a, b], &[]);
        let keeps_input = !matches!(activation, Activation::Identity | Activation::Tanh);
        let pre = (records && keeps_input).then(|| {
            let mut pre = self.context.scratch(rows, width);
            pre.copy_from_slice(&y);
            Arc::new(pre)
        });
        activation_forward(self.context.isa(), &mut y, activation);
        if !records {
            return Ok(Var::constant(y));
        }
        let y = Arc::new(y);
        let activated = pre.or_else(|| (activation == Activation::Tanh).then(|| Arc::clone(&y)));
        Ok(self.push_shared(y, Saved { inputs: [a.node, b.node], scale, activation, activated }))
    }
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn backward(self: Box<Self>, mut dy: Tensor, pass: &mut Pass<'_>) {
        if let Some(activated) = &self.activated {
            activation_backward(pass.context.isa(), &mut dy, activated, self.activation);
        }
        if self.inputs[1].is_some() {
            let mut db = pass.context.scratch(dy.rows(), dy.cols());
            db.iter_mut().zip(dy.iter()).for_each(|(db, dy)| *db = self.scale * dy);
            pass.add(self.inputs[1], db);
        }
        pass.add(self.inputs[0], dy);
    }
}
