//! How a student is taught: the loss of a part of a batch, made of the task's own objective, the teacher's outputs, its hidden
//! states and the relations between its token vectors.

use filbert_engine::{Activation, Linear, Objective, Param, Soft, Tape, Var};
use filbert_model::{Batch, Network, Tapped, Taps};

use crate::lesson::{Lesson, Taught};
use crate::{Error, Targets};

/// How much a student heeds what its teacher says. The loss of a batch is
///
/// alpha · soft + (1 − alpha) · hard + hidden · h + attention · r
///
/// where `soft` is the mean over rows of T² · KL(teacher ‖ student) at temperature T (Hinton, Vinyals and Dean 2015; of a regression
/// the squared difference), `hard` the task's own loss of the labelled rows, times their share of the batch, h the mean over layers
/// of the squared distance to the teacher's hidden states (`TinyBERT`, Jiao et al. 2020), and r the mean over queries, keys and
/// values of the KL between the relations of the last layers (`MiniLMv2`, Wang et al. 2021).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Teaching {
    /// T, above 0.
    pub temperature: f32,
    /// The share of the teacher's outputs, 0 to 1.
    pub alpha: f32,
    /// The weight of the hidden states; 0 leaves them out. Where the student's are narrower or wider than the teacher's they are
    /// compared through a linear layer that is trained with the student and then dropped: one for the embeddings' output, one
    /// for all layers.
    pub hidden: f32,
    /// The weight of the relations; 0 leaves them out.
    pub attention: f32,
    /// Heads over which relations are formed, a divisor of both widths; by default the largest such up to the larger number of
    /// attention heads.
    pub relation_heads: Option<usize>,
    /// Bytes of the teacher's inner states that are held in memory; the others are computed again for each batch.
    pub memory: usize,
}

/// Bytes of a teacher's inner states in memory, where nothing else is said.
pub const STATES_MEMORY: usize = 1 << 30;

impl Default for Teaching {
    fn default() -> Self {
        Self {
            temperature: 2.0,
            alpha: 0.5,
            hidden: 0.0,
            attention: 0.0,
            relation_heads: None,
            memory: STATES_MEMORY,
        }
    }
}

impl Teaching {
    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first such number.
    pub fn check(&self) -> Result<(), Error> {
        let refuse =
            |what, found: f32, wanted| Err(Error::Setting { what, found: found.to_string(), wanted });
        if !(self.temperature > 0.0 && self.temperature <= 1_000.0) {
            return refuse("the temperature of distillation", self.temperature, "above 0 and at most 1000");
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return refuse("alpha, the share of the teacher's outputs", self.alpha, "0 to 1");
        }
        for (what, weight) in
            [("the weight of hidden states", self.hidden), ("the weight of attention", self.attention)]
        {
            if !(0.0..=1e6).contains(&weight) {
                return refuse(what, weight, "0 to 1,000,000");
            }
        }
        if self.alpha == 0.0 && self.hidden == 0.0 && self.attention == 0.0 {
            let wanted =
                "above 0, or hidden states or attention be given a weight: else the teacher says nothing";
            return refuse("alpha, the share of the teacher's outputs", self.alpha, wanted);
        }
        Ok(())
    }

    fn uses_states(&self) -> bool {
        self.hidden > 0.0 || self.attention > 0.0
    }
}

/// A lesson as it fits one student.
#[derive(Debug)]
pub(crate) struct Plan {
    teaching: Teaching,
    /// The student's inner states that are compared, and the teacher's.
    pub(crate) student: Taps,
    pub(crate) teacher: Taps,
    /// For each of the student's hidden states the place of the teacher's, and the layer that it goes through.
    pairs: Vec<(usize, Option<Linear>)>,
    heads: usize,
    /// The student's parameters without the projections.
    first: usize,
}

/// Rows and sequences of a whole batch, and what its labelled rows weigh.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Whole {
    pub(crate) rows: usize,
    pub(crate) labelled: usize,
    pub(crate) sequences: usize,
    pub(crate) weight: f64,
}

impl Plan {
    /// Fits a lesson to a student and adds the projections that it needs to the student's parameters.
    pub(crate) fn new(lesson: &Lesson<'_>, student: &mut Network, seed: u64) -> Result<Self, Error> {
        let teaching = lesson.teaching;
        let first = student.params.len();
        let (own, their) = (student.config.hidden_size, lesson.teacher.config.hidden_size);
        let own_heads = student.config.num_attention_heads;
        let heads = relation_heads(
            &teaching,
            (own, their),
            own_heads.max(lesson.teacher.config.num_attention_heads),
        )?;
        let mut plan = Self {
            teaching,
            student: Taps::default(),
            teacher: Taps::default(),
            pairs: Vec::new(),
            heads,
            first,
        };
        if !teaching.uses_states() {
            return Ok(plan);
        }
        if student.trunk_is_frozen() {
            return Err(Error::Setting {
                what: "the weight of hidden states or attention",
                found: "given with a frozen trunk".to_owned(),
                wanted: "0 where nothing below the head is trained",
            });
        }
        let layers = student.encoder().layers();
        if teaching.attention > 0.0 {
            plan.student.relations = layers.checked_sub(1);
            plan.teacher.relations = lesson.teacher.encoder().layers().checked_sub(1);
        }
        if teaching.hidden > 0.0 {
            plan.student.hidden = (0..=layers).collect();
            let after: Vec<usize> = lesson.layers(layers).into_iter().map(|layer| layer + 1).collect();
            let after: Vec<usize> = std::iter::once(0).chain(after).collect();
            plan.teacher.hidden.clone_from(&after);
            plan.teacher.hidden.sort_unstable();
            plan.teacher.hidden.dedup();
            let places = after.iter().map(|n| plan.teacher.hidden.partition_point(|m| m < n));
            let mut projections = [None; 2];
            if own != their {
                projections = [
                    Some(projection(student, "embeddings", (own, their), seed)?),
                    Some(projection(student, "layers", (own, their), seed)?),
                ];
            }
            plan.pairs =
                places.enumerate().map(|(i, place)| (place, projections[usize::from(i > 0)])).collect();
        }
        Ok(plan)
    }

    /// Takes the projections out of the student.
    pub(crate) fn finish(&self, student: &mut Network) {
        student.params.truncate(self.first);
    }

    /// The part's share of its batch's loss. Labelled rows are the part's first.
    pub(crate) fn loss(
        &self,
        tape: &mut Tape<'_>,
        (logits, tapped): (&Var, &Tapped),
        (targets, objective): (&Targets, &Objective),
        (taught, batch): (&Taught, Option<&Batch>),
        whole: Whole,
    ) -> Result<Var, Error> {
        let teaching = &self.teaching;
        let mut terms = Vec::new();
        if teaching.alpha > 0.0 {
            let soft = match targets {
                Targets::Classes(_) => Soft::Softmax(teaching.temperature),
                Targets::Sets(_) => Soft::Sigmoid(teaching.temperature),
                Targets::Numbers(_) => Soft::Squared,
            };
            let share = logits.value().rows() as f32 / whole.rows as f32;
            terms.push((tape.soft_loss(logits, &taught.outputs, soft)?, teaching.alpha * share));
        }
        if teaching.alpha < 1.0 && !targets.is_empty() {
            let labelled = if targets.len() < logits.value().rows() {
                &tape.first_rows(logits, targets.len())?
            } else {
                logits
            };
            let hard = tape.loss(labelled, targets.as_targets(), objective)?;
            let share = objective.weight(targets.as_targets()) / whole.weight * whole.labelled as f64
                / whole.rows as f64;
            terms.push((hard.mean, (1.0 - teaching.alpha) * share as f32));
        }
        if let Some(batch) = batch {
            let share = batch.rows() as f32 / whole.sequences as f32;
            let hidden = teaching.hidden * share / self.pairs.len() as f32;
            for (state, &(place, projection)) in tapped.hidden.iter().zip(&self.pairs) {
                let state = match projection {
                    Some(layer) => &tape.linear(state, layer, Activation::Identity)?, // [tokens, teacher's width]
                    None => state,
                };
                terms.push((tape.hidden_loss(state, &taught.states[place], batch.offsets())?, hidden));
            }
            let relations = &taught.states[self.teacher.hidden.len().min(taught.states.len())..];
            for (own, their) in tapped.relations.iter().flatten().zip(relations) {
                let loss = tape.relation_loss(own, their, batch.offsets(), self.heads)?;
                terms.push((loss, teaching.attention * share / 3.0));
            }
        }
        Ok(tape.weighted_sum(&terms)?)
    }
}

/// The number of relation heads for two widths.
fn relation_heads(teaching: &Teaching, (own, their): (usize, usize), most: usize) -> Result<usize, Error> {
    let divides = |n: usize| n > 0 && own.is_multiple_of(n) && their.is_multiple_of(n);
    match teaching.relation_heads {
        None => Ok((1..=most).rev().find(|&n| divides(n)).unwrap_or(1)),
        Some(n) if divides(n) => Ok(n),
        Some(n) => Err(Error::Setting {
            what: "the number of relation heads",
            found: format!("{n}, for widths of {own} and {their}"),
            wanted: "a divisor of the student's width and of the teacher's",
        }),
    }
}

/// A new linear layer from the student's width to the teacher's, uniform in ±1/√width as PyTorch draws it.
fn projection(
    student: &mut Network,
    name: &str,
    (own, their): (usize, usize),
    seed: u64,
) -> Result<Linear, Error> {
    let mut random = filbert_data::SplitMix64::stream(seed, name.len() as u64);
    let bound = 1.0 / (own as f64).sqrt();
    let mut draw = || {
        let uniform = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        ((2.0 * uniform - 1.0) * bound) as f32
    };
    let mut add = |part: &str, shape: Vec<usize>, decay: bool| {
        let value = (0..shape.iter().product()).map(|_| draw()).collect();
        let name = format!("distillation.{name}.{part}");
        student.params.add(Param {
            name,
            shape,
            value,
            quantized: None,
            fake: None,
            trainable: true,
            decay,
            row_sparse: false,
            lr_scale: 1.0,
        })
    };
    let weight = add("weight", vec![their, own], true)?;
    let bias = add("bias", vec![their], false)?;
    Ok(Linear { weight, bias: Some(bias), adapter: None })
}
