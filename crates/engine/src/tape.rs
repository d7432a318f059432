//! The tape: it runs operations forward and remembers what their way back needs, then walks back once.
//!
//! A [`Var`] holds its value; the tape holds only what the way back of some node needs, and nothing at all where
//! no gradient is wanted. Buffers return to the context's pool as soon as nobody holds them.

use std::sync::{Arc, OnceLock};

use filbert_kernels::quant::fake_quantize_rows;
use filbert_kernels::{Dropout, QuantizedRows, Weight, add_assign, quantize_rows};

use crate::profile::{Phase, Timer};
use crate::{Context, Error, Gradients, Isa, ParamId, Params, Tensor};

/// What a pass over a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Remember what the way back needs.
    pub record: bool,
    /// The key of this step's dropout masks; None switches dropout off.
    pub dropout: Option<u64>,
}

impl Mode {
    /// For inference: nothing is remembered, nothing is dropped.
    pub const EVALUATE: Self = Self { record: false, dropout: None };

    /// For a step of training with the dropout masks of `key`.
    pub const fn train(key: u64) -> Self {
        Self { record: true, dropout: Some(key) }
    }
}

/// The place of an operation on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

/// A value, and its operation where a gradient will flow back through it.
#[derive(Clone, Debug)]
pub struct Var {
    pub(crate) value: Arc<Tensor>,
    pub(crate) node: Option<NodeId>,
    /// The rows in int8, once a layer of few bits asked for them.
    pub(crate) quantized: OnceLock<QuantizedRows>,
    /// The rows as they come back from int8, once a layer that is trained for few bits asked for them. Copies share them.
    fake: Arc<OnceLock<Arc<Tensor>>>,
}

impl Var {
    /// The value.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// A value that no gradient flows into.
    pub fn constant(value: Tensor) -> Self {
        Self::new(Arc::new(value), None)
    }

    /// A constant whose rows are known in int8 too.
    pub(crate) fn with_int8(value: Tensor, rows: QuantizedRows) -> Self {
        Self { quantized: OnceLock::from(rows), ..Self::constant(value) }
    }

    pub(crate) fn new(value: Arc<Tensor>, node: Option<NodeId>) -> Self {
        Self { value, node, quantized: OnceLock::new(), fake: Arc::default() }
    }

    /// The rows in int8; they are rounded once for all layers that read them.
    pub(crate) fn quantized(&self, isa: Isa) -> &QuantizedRows {
        self.quantized.get_or_init(|| quantize_rows(isa, &self.value, self.value.cols()))
    }

    /// The rows as they come back from int8; they are rounded once for all layers that read them.
    pub(crate) fn fake(&self, context: &Context) -> &Arc<Tensor> {
        self.fake.get_or_init(|| {
            let mut rows = context.scratch(self.value.rows(), self.value.cols());
            rows.copy_from_slice(&self.value);
            fake_quantize_rows(context.isa(), &mut rows, self.value.cols());
            Arc::new(rows)
        })
    }
}

/// The way back of one operation. Whatever is put on the tape must have one: it cannot be forgotten.
pub(crate) trait Backward {
    /// The operation's name in a profile.
    fn name(&self) -> &'static str;

    /// From the gradient of the output to those of inputs and parameters.
    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>);
}

/// The state of a walk back.
pub(crate) struct Pass<'a> {
    pub(crate) context: &'a Context,
    pub(crate) params: &'a Params,
    pub(crate) gradients: &'a mut Gradients,
    slots: Vec<Option<Tensor>>,
}

impl Pass<'_> {
    /// Adds `gradient` to what `node` has received so far.
    pub(crate) fn add(&mut self, node: Option<NodeId>, gradient: Tensor) {
        let Some(NodeId(i)) = node else { return };
        match &mut self.slots[i] {
            Some(sum) => add_assign(self.context.isa(), sum, &gradient),
            empty => *empty = Some(gradient),
        }
    }

    /// The gradient of `node` to be added to (true) or, where there is none yet, a fresh one to be overwritten (false).
    /// To be followed by [`put`](Self::put).
    pub(crate) fn take(&mut self, node: NodeId, shape: (usize, usize)) -> (Tensor, bool) {
        match self.slots[node.0].take() {
            Some(sum) => (sum, true),
            None => (self.context.scratch(shape.0, shape.1), false),
        }
    }

    /// Puts the gradient of `node` in its place.
    pub(crate) fn put(&mut self, node: NodeId, gradient: Tensor) {
        self.slots[node.0] = Some(gradient);
    }
}

/// Operations run forward, and what their way back needs.
pub struct Tape<'a> {
    pub(crate) context: &'a Context,
    pub(crate) params: &'a Params,
    mode: Mode,
    /// True where the weights will change after this pass, though parts of it may remember nothing.
    trains: bool,
    nodes: Vec<Box<dyn Backward + 'a>>,
    sites: u64,
}

impl<'a> Tape<'a> {
    /// An empty tape over the weights of `params`.
    pub fn new(context: &'a Context, params: &'a Params, mode: Mode) -> Self {
        Self { context, params, mode, trains: mode.record, nodes: Vec::new(), sites: 0 }
    }

    /// The context.
    pub fn context(&self) -> &Context {
        self.context
    }

    /// The weights.
    pub fn params(&self) -> &Params {
        self.params
    }

    /// A weight for a product: packed once where it stays as it is, because it is frozen or nothing is trained.
    pub(crate) fn weight(&self, id: ParamId, shape: (usize, usize)) -> Weight<'a> {
        if self.changes(id) {
            return Weight::Plain(self.params.read(id, self.context));
        }
        self.params.packed(id, self.context, shape)
    }

    /// True where the parameter will change after this pass.
    pub(crate) fn changes(&self, id: ParamId) -> bool {
        self.trains && self.params.trains(id)
    }

    /// Times an operation's way in until the result is dropped.
    pub(crate) fn time(&self, operation: &'static str) -> Option<Timer<'a>> {
        self.context.time(Phase::Forward, operation)
    }

    /// True where the way back must be remembered for an operation on `inputs` and `params`.
    pub(crate) fn records(&self, inputs: &[&Var], params: &[ParamId]) -> bool {
        self.mode.record
            && (inputs.iter().any(|v| v.node.is_some()) || params.iter().any(|&p| self.params.trains(p)))
    }

    /// The dropout of the next site, in the order of the forward pass.
    pub(crate) fn next_dropout(&mut self, p: f32) -> Dropout {
        self.sites += 1;
        match self.mode.dropout {
            Some(key) => Dropout::new(p, key ^ self.sites.wrapping_mul(0xd6e8_feb8_6659_fd93)),
            None => Dropout::new(0.0, 0),
        }
    }

    /// True where a dropout of p would drop anything.
    pub(crate) const fn drops(&self, p: f32) -> bool {
        self.mode.dropout.is_some() && p > 0.0
    }

    /// A value with its way back.
    pub(crate) fn push(&mut self, value: Tensor, op: impl Backward + 'a) -> Var {
        self.push_shared(Arc::new(value), op)
    }

    /// A value that its own way back holds too.
    pub(crate) fn push_shared(&mut self, value: Arc<Tensor>, op: impl Backward + 'a) -> Var {
        self.nodes.push(Box::new(op));
        Var::new(value, Some(NodeId(self.nodes.len() - 1)))
    }

    /// Walks back from `from`, a `[1, 1]` value whose gradient is `scale`, and adds to `gradients`. Nothing happens where
    /// no gradient flows.
    ///
    /// # Errors
    /// If `from` is not a single number.
    pub fn backward(self, from: &Var, scale: f32, gradients: &mut Gradients) -> Result<(), Error> {
        if from.value.len() != 1 {
            return Err(Error::Shape { op: "backward", what: "the loss", got: from.value.len(), wanted: 1 });
        }
        let mut seed = self.context.scratch(1, 1);
        seed[0] = scale;
        if let Some(start) = from.node {
            self.walk(start, seed, 0, gradients);
        }
        Ok(())
    }

    /// Walks back from `start`, whose gradient is `seed`, but not through the first `inputs` nodes; returns the gradient of the
    /// first one, if it received one that was not walked through.
    fn walk(self, start: NodeId, seed: Tensor, inputs: usize, gradients: &mut Gradients) -> Option<Tensor> {
        let mut slots: Vec<Option<Tensor>> = Vec::new();
        slots.resize_with(self.nodes.len(), || None);
        slots[start.0] = Some(seed);
        let mut pass = Pass { context: self.context, params: self.params, gradients, slots };
        for (i, op) in self.nodes.into_iter().enumerate().skip(inputs).rev() {
            if let Some(dy) = pass.slots[i].take() {
                let _timer = self.context.time(Phase::Backward, op.name());
                op.backward(dy, &mut pass);
            }
        }
        pass.slots.first_mut().and_then(Option::take)
    }

    /// The value of `f` at x, of which only x is kept: the way back runs `f` again to learn the rest. `f` must give the same
    /// value each time; `params` are those it uses.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn recomputed(
        &mut self,
        x: &Var,
        params: &[ParamId],
        f: impl Fn(&mut Tape<'_>, &Var) -> Result<Var, Error> + Send + 'static,
    ) -> Result<Var, Error> {
        if !self.records(&[x], params) {
            return f(self, x);
        }
        let sites = self.sites;
        self.mode.record = false;
        let y = f(self, &Var::new(Arc::clone(&x.value), None));
        self.mode.record = true;
        let y = y?;
        let mode = self.mode;
        Ok(self.push_shared(
            y.value,
            Recomputed { input: x.node, x: Arc::clone(&x.value), mode, sites, f: Box::new(f) },
        ))
    }
}

/// Several operations on one input.
type Part = dyn Fn(&mut Tape<'_>, &Var) -> Result<Var, Error> + Send;

/// An operation made of others that are run again on the way back.
struct Recomputed {
    input: Option<NodeId>,
    x: Arc<Tensor>,
    mode: Mode,
    /// Sites of dropout before it.
    sites: u64,
    f: Box<Part>,
}

impl Backward for Recomputed {
    fn name(&self) -> &'static str {
        "recomputed"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let mut tape = Tape::new(pass.context, pass.params, self.mode);
        tape.sites = self.sites;
        let x = match self.input {
            Some(_) => tape.push_shared(Arc::clone(&self.x), Leaf),
            None => Var::new(Arc::clone(&self.x), None),
        };
        let y = (self.f)(&mut tape, &x);
        drop(x);
        let y = y
            .unwrap_or_else(|error| unreachable!("it succeeded on the way in, with the same input: {error}"));
        let inputs = usize::from(self.input.is_some());
        if let Some(dx) = y.node.and_then(|start| tape.walk(start, dy, inputs, pass.gradients)) {
            pass.add(self.input, dx);
        }
    }
}

/// Where the way back of a part ends.
struct Leaf;

impl Backward for Leaf {
    fn name(&self) -> &'static str {
        "input"
    }

    fn backward(self: Box<Self>, _: Tensor, _: &mut Pass<'_>) {}
}
