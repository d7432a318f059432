//! Dropout on its own, where no norm follows that would take it in.

use filbert_kernels::{Dropout, dropout_backward, dropout_forward};

use crate::tape::{Backward, NodeId, Pass};
use crate::{Tape, Tensor, Var};

struct Saved {
    input: Option<NodeId>,
    dropout: Dropout,
}

impl Tape<'_> {
    /// x with each element dropped with probability `p` and the others multiplied by 1 / (1 − p).
    pub fn dropout(&mut self, x: &Var, p: f32) -> Var {
        let _timer = self.time("dropout");
        let dropout = self.next_dropout(p);
        if dropout.is_none() {
            return x.clone();
        }
        let mut y = self.context.scratch(x.value.rows(), x.value.cols());
        y.copy_from_slice(&x.value);
        dropout_forward(self.context.isa(), &mut y, dropout);
        if self.records(&[x], &[]) {
            self.push(y, Saved { input: x.node, dropout })
        } else {
            Var::constant(y)
        }
    }
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn backward(self: Box<Self>, mut dy: Tensor, pass: &mut Pass<'_>) {
        dropout_backward(pass.context.isa(), &mut dy, self.dropout);
        pass.add(self.input, dy);
    }
}
