//! One step of training: forward, loss, backward, update.

use std::sync::Arc;

use filbert_engine::{
    Context, Error as EngineError, Gradients, Mode, Moments, Objective, Optimizer, ParamId, Params, Pooling,
    Schedule, Tape, Tensor, Var, together,
};
use filbert_model::{Batch, Network, Tapped};

use crate::lesson::Taught;
use crate::teaching::{Plan, Whole};
use crate::{Error, Settings, Targets};

/// What a step is trained on.
#[derive(Debug)]
pub enum Input {
    /// Tokens, for a network that trains below its head.
    Tokens(Batch),
    /// Pooled hidden states `[rows, width]`, for one whose trunk is frozen.
    Features(Tensor),
}

/// A part of a batch: what is computed together.
#[derive(Debug)]
pub struct Part {
    /// The rows' encodings.
    pub input: Input,
    /// Where each row's windows start among them, and the end of the last; none where every row is one.
    pub starts: Option<Arc<[u32]>>,
    /// What the rows are to be.
    pub targets: Targets,
}

impl Part {
    /// Rows of one encoding each, with their classes.
    pub fn new(input: Input, classes: &[u32]) -> Self {
        Self { input, starts: None, targets: Targets::Classes(classes.to_vec()) }
    }

    /// Encodings, each a sequence.
    fn sequences(&self) -> usize {
        match &self.input {
            Input::Tokens(batch) => batch.rows(),
            Input::Features(features) => features.rows(),
        }
    }

    /// Rows, with targets or without.
    fn rows(&self) -> usize {
        self.starts.as_ref().map_or_else(|| self.sequences(), |starts| starts.len().saturating_sub(1))
    }
}

/// A network with all that training it needs.
#[derive(Debug)]
pub struct Trainer<'a> {
    network: &'a mut Network,
    context: &'a Context,
    pub(crate) optimizer: Optimizer,
    gradients: Gradients,
    schedule: Schedule,
    objective: Objective,
    seed: u64,
    /// What a teacher adds to the loss.
    plan: Option<Plan>,
}

/// The outcome of a step: the batch's mean loss, the norm of the gradients and the learning rate.
pub(crate) struct Outcome {
    pub(crate) loss: f32,
    pub(crate) gradient_norm: f32,
    pub(crate) learning_rate: f32,
}

impl<'a> Trainer<'a> {
    /// Ready for the first of the steps that `rows` rows need.
    pub fn new(network: &'a mut Network, context: &'a Context, settings: &Settings, rows: usize) -> Self {
        let optimizer = Optimizer::new(&network.params, settings.adamw);
        let gradients = Gradients::new(&network.params);
        Self {
            network,
            context,
            optimizer,
            gradients,
            schedule: settings.schedule(rows),
            objective: settings.objective.clone(),
            seed: settings.seed,
            plan: None,
        }
    }

    /// The same with a teacher's part in the loss.
    pub(crate) fn with_plan(self, plan: Option<Plan>) -> Self {
        Self { plan, ..self }
    }

    pub(crate) fn into_plan(self) -> Option<Plan> {
        self.plan
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// The network as it is. Decay that rows of the embeddings owe is paid first.
    pub fn network(&mut self) -> &mut Network {
        self.optimizer.settle(&mut self.network.params);
        self.network
    }

    /// The weights as they are, decay still owed.
    pub(crate) fn params(&self) -> &Params {
        &self.network.params
    }

    pub(crate) fn params_mut(&mut self) -> &mut Params {
        &mut self.network.params
    }

    pub(crate) fn restore(&mut self, id: ParamId, moments: Moments<'_>) -> Result<(), EngineError> {
        self.optimizer.restore(&self.network.params, id, moments)
    }

    /// One update on a batch and its labels; returns the batch's mean loss before it. `dropout` off is for tests
    /// that compare with another implementation.
    ///
    /// # Errors
    /// If the input does not fit the network, or loss or gradients are not finite (no weight has changed then).
    pub fn step(&mut self, input: Input, labels: &[u32], dropout: bool) -> Result<f32, Error> {
        self.run(vec![(Part::new(input, labels), None)], dropout).map(|outcome| outcome.loss)
    }

    /// The same on a batch in parts, one after the other: the update is that of the whole batch.
    ///
    /// # Errors
    /// As for [`step`](Self::step).
    pub fn step_in_parts(&mut self, parts: Vec<Part>, dropout: bool) -> Result<f32, Error> {
        self.run(parts.into_iter().map(|part| (part, None)).collect(), dropout).map(|outcome| outcome.loss)
    }

    /// One update on the parts of a batch, each with what the teacher says of it, where there is one.
    pub(crate) fn run(
        &mut self,
        parts: Vec<(Part, Option<Taught>)>,
        dropout: bool,
    ) -> Result<Outcome, Error> {
        together(|| self.run_together(parts, dropout))
    }

    fn run_together(&mut self, parts: Vec<(Part, Option<Taught>)>, dropout: bool) -> Result<Outcome, Error> {
        let number = self.optimizer.step_count();
        let learning_rate = self.schedule.rate(number);
        let key = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let table = self.network.encoder().word_embedding();
        let mut whole = Whole::default();
        for (part, _) in &parts {
            whole.rows += part.rows();
            whole.labelled += part.targets.len();
            whole.sequences += part.sequences();
            whole.weight += self.objective.weight(part.targets.as_targets());
            if let Input::Tokens(batch) = &part.input {
                self.optimizer.touch(&mut self.network.params, table, batch.ids());
            }
        }

        if self.network.params.get(table).rows_share_scales() {
            // A row is read with scales that others have a part in: none may owe decay.
            self.optimizer.settle(&mut self.network.params);
        }

        self.gradients.clear();
        let mut value = 0.0;
        for (number, (part, taught)) in (0u64..).zip(parts) {
            let key = key ^ number.wrapping_mul(0x94d0_49bb_1331_11eb);
            let mode = Mode { record: true, dropout: dropout.then_some(key) };
            let mut tape = Tape::new(self.context, &self.network.params, mode);
            let (loss, share) = self.loss(&mut tape, part, taught.as_ref(), whole)?;
            value += share * loss.value()[0];
            if !value.is_finite() {
                return Err(Error::Step(format!("the loss is {value}")));
            }
            tape.backward(&loss, share, &mut self.gradients)?;
        }

        let update =
            self.optimizer.step(self.context, &mut self.network.params, &self.gradients, learning_rate);
        let gradient_norm = update.map_err(|error| match error {
            EngineError::NotFinite { parameter, .. } => {
                Error::Step(format!("the gradient of {parameter} is not finite"))
            }
            other => other.into(),
        })?;
        Ok(Outcome { loss: value, gradient_norm, learning_rate })
    }
    /// A part's loss on `tape`, and what it counts for in the batch's.
    fn loss(
        &self,
        tape: &mut Tape<'_>,
        part: Part,
        taught: Option<&Taught>,
        whole: Whole,
    ) -> Result<(Var, f32), Error> {
        let Part { input, starts, targets } = part;
        let mut tapped = Tapped::default();
        let mut tokens = None;
        let logits = match input {
            Input::Tokens(batch) => {
                let taps = self.plan.as_ref().map(|plan| &plan.student);
                let (logits, states) = match taps {
                    Some(taps) => self.network.forward_tapped(tape, &batch, taps)?,
                    None => (self.network.forward(tape, &batch)?, Tapped::default()), // [windows, labels]
                };
                (tapped, tokens) = (states, Some(batch));
                logits
            }
            Input::Features(features) => self.network.logits_from_features(tape, features)?,
        };
        let logits = match &starts {
            Some(starts) => tape.pool(&logits, starts, Pooling::Mean)?, // [rows, labels]
            None => logits,
        };
        let objective = &self.objective;
        if let (Some(plan), Some(taught)) = (&self.plan, taught) {
            let (states, given) = ((&logits, &tapped), (taught, tokens.as_ref()));
            return Ok((plan.loss(tape, states, (&targets, objective), given, whole)?, 1.0));
        }
        let loss = tape.loss(&logits, targets.as_targets(), objective)?;
        // The mean over the batch: a part counts by its rows and their weights.
        Ok((loss.mean, (objective.weight(targets.as_targets()) / whole.weight) as f32))
    }
}
