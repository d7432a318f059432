//! A linear layer with bias and activation: y = act(x · wᵀ + b), and with a low-rank adapter beside its weight.

use std::ops::DerefMut;
use std::sync::Arc;

use filbert_kernels::{
    Activation, Epilogue, LinearGradients, QuantizedMatrix, Target, activation_backward, linear_backward,
    linear_forward, linear_int8,
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
    /// What is trained in the weight's place.
    pub adapter: Option<Adapter>,
}

impl Linear {
    /// Its parameters: weight, bias, and those of its adapter.
    pub fn params(&self) -> impl Iterator<Item = ParamId> {
        let adapter = self.adapter.into_iter().flat_map(|a| [a.down, a.up]);
        std::iter::once(self.weight).chain(self.bias).chain(adapter)
    }
}

/// A low-rank adapter (Hu et al. 2021, `LoRA`): scale · (x · downᵀ) · upᵀ is added to the layer's product.
#[derive(Clone, Copy, Debug)]
pub struct Adapter {
    /// A, `[rank, inputs]`.
    pub down: ParamId,
    /// B, `[outputs, rank]`.
    pub up: ParamId,
    /// α / rank.
    pub scale: f32,
    /// Dropout of the adapter's input.
    pub dropout: f32,
}

struct Saved {
    layer: Linear,
    activation: Activation,
    /// The input as the product read it, where the weight is trained.
    x: Option<Arc<Tensor>>,
    input: Option<NodeId>,
    /// What the activation's way back needs: its input, or its output for tanh.
    activated: Option<Arc<Tensor>>,
}

impl Tape<'_> {
    /// act(x · wᵀ + b): `[rows, inputs]` to `[rows, outputs]`. Of a weight that is trained for few bits, see
    /// [`Param::fake`](crate::Param::fake), x and w are what comes back from there, in training as in evaluation.
    ///
    /// # Errors
    /// If x has not as many columns as the weight has inputs, or an adapter stands beside a weight that is trained for few bits:
    /// merging it would change what the rounding was trained with.
    pub fn linear(&mut self, x: &Var, layer: Linear, activation: Activation) -> Result<Var, Error> {
        let fake = self.params.get(layer.weight).fake.is_some();
        if fake && layer.adapter.is_some() {
            return Err(Error::FakeAdapter { parameter: self.params.get(layer.weight).name.clone() });
        }
        if let Some(adapter) = layer.adapter {
            return self.adapted(x, Linear { adapter: None, ..layer }, adapter, activation);
        }
        if let Some(matrix) = self.params.quantized(layer.weight) {
            return self.linear_int8(x, layer, &Arc::clone(matrix), activation);
        }
        let _timer =
            self.time(if activation == Activation::Identity { "linear" } else { "linear, activated" });
        let weight = self.params.get(layer.weight);
        let (rows, inputs) = (x.value.rows(), x.value.cols());
        let outputs = weight.value.len() / weight.width();
        if inputs != weight.width() {
            return Err(Error::Shape { op: "linear", what: "x", got: inputs, wanted: weight.width() });
        }
        let bias = layer.bias.map(|bias| self.params.value(bias));
        if let Some(bias) = bias.filter(|bias| bias.len() != outputs) {
            return Err(Error::Shape { op: "linear", what: "bias", got: bias.len(), wanted: outputs });
        }
        if let Some(inputs) = self.context.inputs() {
            inputs.add(layer.weight, &x.value);
        }
        let records = self.records(&[x], &[layer.weight, layer.bias.unwrap_or(layer.weight)]);
        let keeps_input = matches!(activation, Activation::Gelu | Activation::GeluTanh | Activation::Relu);
        let mut y = self.context.scratch(rows, outputs);
        let mut pre = (records && keeps_input).then(|| self.context.scratch(rows, outputs));
        let x_read = if fake { x.fake(self.context) } else { &x.value };
        linear_forward(
            self.context.isa(),
            self.context.precision(),
            x_read,
            self.weight(layer.weight, (inputs, outputs)),
            &mut y,
            (rows, inputs, outputs),
            Epilogue { bias, activation, pre: pre.as_deref_mut() },
        );
        if !records {
            return Ok(Var::constant(y));
        }
        let x_saved = self.params.trains(layer.weight).then(|| Arc::clone(x_read));
        let mut saved = Saved { layer, activation, x: x_saved, input: x.node, activated: pre.map(Arc::new) };
        if activation != Activation::Tanh {
            return Ok(self.push(y, saved));
        }
        let y = Arc::new(y);
        saved.activated = Some(Arc::clone(&y));
        Ok(self.push_shared(y, saved))
    }
}

impl Tape<'_> {
    /// A layer whose weight is a matrix of few bits: both sides of the product are in int8.
    fn linear_int8(
        &mut self,
        x: &Var,
        layer: Linear,
        matrix: &QuantizedMatrix,
        activation: Activation,
    ) -> Result<Var, Error> {
        let isa = self.context.isa();
        let (rows, inputs, outputs) = (x.value.rows(), x.value.cols(), matrix.rows());
        if inputs != matrix.columns() {
            return Err(Error::Shape { op: "linear", what: "x", got: inputs, wanted: matrix.columns() });
        }
        let bias = layer.bias.map(|bias| self.params.value(bias));
        if let Some(bias) = bias.filter(|bias| bias.len() != outputs) {
            return Err(Error::Shape { op: "linear", what: "bias", got: bias.len(), wanted: outputs });
        }
        if self.records(&[x], &[layer.bias.unwrap_or(layer.weight)]) {
            let parameter = self.params.get(layer.weight).name.clone();
            return Err(Error::NoWayBack { parameter });
        }
        let quantized = {
            let _timer = self.time("quantize");
            x.quantized(isa)
        };
        let _timer = self.time(if activation == Activation::Identity {
            "linear, int8"
        } else {
            "linear, int8, activated"
        });
        let weight = self.params.packed_int8(layer.weight, matrix, isa);
        let mut y = self.context.scratch(rows, outputs);
        let epilogue = Epilogue { bias, activation, pre: None };
        linear_int8(isa, self.context.int8(), quantized, &weight, &mut y, (rows, inputs, outputs), &epilogue);
        Ok(Var::constant(y))
    }

    /// A layer with an adapter beside it: act(x · wᵀ + b + scale · (x · downᵀ) · upᵀ).
    fn adapted(
        &mut self,
        x: &Var,
        layer: Linear,
        adapter: Adapter,
        activation: Activation,
    ) -> Result<Var, Error> {
        let plain = |weight| Linear { weight, bias: None, adapter: None };
        let y = self.linear(x, layer, Activation::Identity)?; // [rows, outputs]
        let x = self.dropout(x, adapter.dropout);
        let h = self.linear(&x, plain(adapter.down), Activation::Identity)?; // [rows, rank]
        let delta = self.linear(&h, plain(adapter.up), Activation::Identity)?; // [rows, outputs]
        self.add_scaled(&y, &delta, adapter.scale, activation)
    }
}

/// Where a gradient goes, and whether it is added to.
fn target((to, adds): &mut (impl DerefMut<Target = [f32]>, bool)) -> Target<'_> {
    Target { to, adds: *adds }
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        if self.activation == Activation::Identity { "linear" } else { "linear, activated" }
    }

    fn backward(self: Box<Self>, mut dy: Tensor, pass: &mut Pass<'_>) {
        let (isa, precision) = (pass.context.isa(), pass.context.precision());
        if let Some(activated) = &self.activated {
            activation_backward(isa, &mut dy, activated, self.activation);
        }
        let (rows, outputs) = (dy.rows(), dy.cols());
        let inputs = pass.params.get(self.layer.weight).width();
        let bias = self.layer.bias.filter(|&b| pass.params.trains(b));
        let mut db = bias.map(|id| pass.gradients.take(id, outputs));
        let mut dw = self.x.as_ref().map(|_| pass.gradients.take(self.layer.weight, outputs * inputs));
        let mut dx = self.input.map(|node| pass.take(node, (rows, inputs)));
        linear_backward(
            isa,
            precision,
            &dy,
            (rows, inputs, outputs),
            LinearGradients {
                input: dx.as_mut().map(|dx| (target(dx), pass.params.read(self.layer.weight, pass.context))),
                weight: dw.as_mut().zip(self.x.as_ref()).map(|(dw, x)| (target(dw), &x[..])),
                bias: db.as_mut().map(target),
            },
        );
        if let Some((db, id)) = db.zip(bias) {
            pass.gradients.put(id, db.0);
        }
        if let Some((dw, _)) = dw {
            pass.gradients.put(self.layer.weight, dw);
        }
        if let Some(((dx, _), node)) = dx.zip(self.input) {
            pass.put(node, dx);
        }
    }
}
