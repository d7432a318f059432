//! A linear layer with bias and activation: y = act(x · wᵀ + b).

use std::sync::Arc;

use filbert_kernels::{
    Activation, activation_backward, bias_activation_forward, linear_backward_input, linear_backward_weight,
    linear_forward, sum_rows,
};

use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, ParamId, Tape, Tensor, Var};

/// The parameters of a linear layer.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: ParamId,
    /// `[outputs]`.
    pub bias: Option<ParamId>,
}

struct Saved {
    layer: Linear,
    activation: Activation,
    /// The input, where the weight is trained.
    x: Option<Arc<Tensor>>,
    input: Option<NodeId>,
    /// What the activation's way back needs: its input, or its output for tanh.
    activated: Option<Arc<Tensor>>,
}

impl Tape<'_> {
    /// act(x · wᵀ + b): `[rows, inputs]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// If x has not as many columns as the weight has inputs.
    pub fn linear(&mut self, x: &Var, layer: Linear, activation: Activation) -> Result<Var, Error> {
        let weight = self.params.get(layer.weight);
        let (rows, inputs) = (x.value.rows(), x.value.cols());
        let outputs = weight.value.len() / weight.width();
        if inputs != weight.width() {
            return Err(Error::Shape { op: "linear", what: "x", got: inputs, wanted: weight.width() });
        }
        let mut y = self.context.scratch(rows, outputs);
        linear_forward(self.context.precision(), &x.value, &weight.value, &mut y, (rows, inputs, outputs));
        let ids: Vec<ParamId> = std::iter::once(layer.weight).chain(layer.bias).collect();
        let records = self.records(&[x], &ids);
        let keeps_input = matches!(activation, Activation::Gelu | Activation::GeluTanh | Activation::Relu);
        let mut pre = (records && keeps_input).then(|| self.context.scratch(rows, outputs));
        let zeros;
        let bias = if let Some(bias) = layer.bias {
            self.params.value(bias)
        } else {
            zeros = vec![0.0; outputs];
            &zeros
        };
        if bias.len() != outputs {
            return Err(Error::Shape { op: "linear", what: "bias", got: bias.len(), wanted: outputs });
        }
        bias_activation_forward(self.context.isa(), &mut y, bias, activation, pre.as_deref_mut());
        if !records {
            return Ok(Var::constant(y));
        }
        let x_saved = self.params.trains(layer.weight).then(|| Arc::clone(&x.value));
        let mut saved = Saved { layer, activation, x: x_saved, input: x.node, activated: pre.map(Arc::new) };
        if activation != Activation::Tanh {
            return Ok(self.push(y, saved));
        }
        let y = Arc::new(y);
        saved.activated = Some(Arc::clone(&y));
        Ok(self.push_shared(y, saved))
    }
}

impl Backward for Saved {
    fn backward(self: Box<Self>, mut dy: Tensor, pass: &mut Pass<'_>) {
        let (isa, precision) = (pass.context.isa(), pass.context.precision());
        if let Some(activated) = &self.activated {
            activation_backward(isa, &mut dy, activated, self.activation);
        }
        let (rows, outputs) = (dy.rows(), dy.cols());
        let weight = pass.params.get(self.layer.weight);
        let inputs = weight.width();
        if let Some(bias) = self.layer.bias.filter(|&b| pass.params.trains(b)) {
            pass.gradients.dense_sum(bias, outputs, |sums| sum_rows(isa, &dy, sums));
        }
        if let Some(x) = &self.x {
            pass.gradients.dense(self.layer.weight, outputs * inputs, |dw, accumulate| {
                linear_backward_weight(precision, &dy, x, dw, (rows, inputs, outputs), accumulate);
            });
        }
        pass.write(self.input, (rows, inputs), |dx, accumulate| {
            linear_backward_input(precision, &dy, &weight.value, dx, (rows, inputs, outputs), accumulate);
        });
    }
}
