//! What a teacher says of the rows: its outputs, computed once for all of them, and its inner states, computed when they are first
//! needed and kept up to a limit. The teacher drops nothing and a row's values do not depend on its batch, so what is computed
//! again has the same bits as what was kept.

use std::sync::{Mutex, PoisonError};

use filbert_engine::{Context, Mode, Tape, Tensor, together};
use filbert_model::{Batch, Network, Taps, even_layers};

use crate::infer::logits_unless;
use crate::teaching::Teaching;
use crate::{Error, Rows, Texts};

/// A teacher with what it says of the rows that a student learns from.
#[derive(Debug)]
pub struct Lesson<'a> {
    pub(crate) teacher: &'a Network,
    pub(crate) teaching: Teaching,
    /// Texts without targets, after the training rows.
    unlabelled: Texts,
    /// Of every row, training rows first, `[rows, columns]`.
    outputs: Vec<f32>,
    /// For each of the student's layers the teacher's, from 0, that it is compared with; evenly spaced where left out.
    layers: Option<Vec<usize>>,
    kept: Mutex<Kept>,
}

/// Inner states of encodings, each as long as its tokens times all widths together.
#[derive(Debug, Default)]
struct Kept {
    states: Vec<Option<Box<[f32]>>>,
    taps: Taps,
    bytes: usize,
}

/// What a teacher says of a part of a batch.
pub(crate) struct Taught {
    /// `[rows, columns]`.
    pub(crate) outputs: Vec<f32>,
    /// Hidden states, then queries, keys and values, each `[tokens, width]`; none where they are not wanted.
    pub(crate) states: Vec<Tensor>,
}

impl<'a> Lesson<'a> {
    /// Runs the teacher over the training rows' texts and over texts without labels. `stop` is told how many encodings are done,
    /// and may end the work with [`Error::Stopped`].
    ///
    /// # Errors
    /// Senseless settings, a text that does not fit the teacher, an output that is no number, a request to stop.
    pub fn new(
        teacher: &'a Network,
        context: &Context,
        train: &Texts,
        unlabelled: Texts,
        teaching: Teaching,
        stop: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, Error> {
        teaching.check()?;
        let mut outputs = logits_unless(teacher, context, train, stop)?;
        let done = train.encodings.len();
        outputs.extend(logits_unless(teacher, context, &unlabelled, &mut |n| stop(done + n))?);
        let columns = outputs.len() / (train.len() + unlabelled.len()).max(1);
        if let Some(at) = outputs.iter().position(|x| !x.is_finite()) {
            return Err(Error::Teacher { row: at / columns.max(1), value: outputs[at] });
        }
        Ok(Self { teacher, teaching, unlabelled, outputs, layers: None, kept: Mutex::default() })
    }

    /// Compares the student's layers with these of the teacher's, from 0, one for each.
    #[must_use]
    pub fn with_layers(mut self, layers: Vec<usize>) -> Self {
        self.layers = Some(layers);
        self
    }

    /// Makes every output `factor` times what it was, plus `shift`: numbers in the units that a regression is trained in.
    pub fn scale_outputs(&mut self, factor: f32, shift: f32) {
        for output in &mut self.outputs {
            *output = *output * factor + shift;
        }
    }

    /// The teacher's outputs of the training rows, then of those without labels, `[rows, columns]`.
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// The number of rows without labels.
    pub fn unlabelled(&self) -> usize {
        self.unlabelled.len()
    }

    /// How the student is taught.
    pub fn teaching(&self) -> &Teaching {
        &self.teaching
    }

    /// The teacher's layer, from 0, that each of `student` layers is compared with.
    pub(crate) fn layers(&self, student: usize) -> Vec<usize> {
        let layers = self.layers.clone().filter(|layers| layers.len() == student);
        layers.unwrap_or_else(|| even_layers(student, self.teacher.encoder().layers()))
    }

    /// All rows, training rows first: texts for every one, targets for the training rows.
    pub(crate) fn rows(&self, train: &Rows) -> Result<Rows, Error> {
        let mut texts = train.texts.clone();
        texts.extend(self.unlabelled.clone());
        let rows = texts.len();
        if rows == 0 || !self.outputs.len().is_multiple_of(rows) {
            return Err(Error::Labels { rows, labels: self.outputs.len() });
        }
        Ok(Rows { texts, targets: train.targets.clone() })
    }

    /// What the teacher says of these rows, whose encodings these are.
    pub(crate) fn taught(
        &self,
        context: &Context,
        all: &Texts,
        (rows, encodings): (&[usize], &[usize]),
        taps: &Taps,
    ) -> Result<Taught, Error> {
        let columns = self.outputs.len() / all.len().max(1);
        let outputs = rows.iter().flat_map(|&row| &self.outputs[row * columns..(row + 1) * columns]);
        let states = if taps.is_empty() { Vec::new() } else { self.states(context, all, encodings, taps)? };
        Ok(Taught { outputs: outputs.copied().collect(), states })
    }

    /// The inner states of encodings, one after the other.
    fn states(
        &self,
        context: &Context,
        all: &Texts,
        encodings: &[usize],
        taps: &Taps,
    ) -> Result<Vec<Tensor>, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.taps != *taps || kept.states.len() != all.encodings.len() {
            *kept = Kept { taps: taps.clone(), ..Kept::default() };
            kept.states.resize(all.encodings.len(), None);
        }
        let missing: Vec<usize> = encodings.iter().copied().filter(|&i| kept.states[i].is_none()).collect();
        let computed = self.compute(context, all, &missing, taps)?;
        let width = self.teacher.config.hidden_size;
        let length = |i: usize| all.encodings[i].ids.len();
        let tokens: usize = encodings.iter().map(|&i| length(i)).sum();
        let count = taps.hidden.len() + if taps.relations.is_some() { 3 } else { 0 };
        let mut out: Vec<Vec<f32>> = (0..count).map(|_| Vec::with_capacity(tokens * width)).collect();
        let mut fresh = missing.iter().zip(computed);
        for &i in encodings {
            let new = if kept.states[i].is_none() { fresh.next().map(|(_, states)| states) } else { None };
            let size = length(i) * width;
            let states = new.as_deref().or(kept.states[i].as_deref()).unwrap_or_default();
            for (out, part) in out.iter_mut().zip(states.chunks_exact(size.max(1))) {
                out.extend_from_slice(part);
            }
            let bytes = count * size * size_of::<f32>();
            if let Some(new) = new.filter(|_| kept.bytes + bytes <= self.teaching.memory) {
                kept.bytes += bytes;
                kept.states[i] = Some(new);
            }
        }
        Ok(out.into_iter().map(|values| Tensor::from_vec(values, tokens, width)).collect())
    }

    /// Runs the teacher over encodings: of each all its states, one after the other.
    fn compute(
        &self,
        context: &Context,
        all: &Texts,
        encodings: &[usize],
        taps: &Taps,
    ) -> Result<Vec<Box<[f32]>>, Error> {
        if encodings.is_empty() {
            return Ok(Vec::new());
        }
        let batch = Batch::new(self.teacher.architecture, encodings.iter().map(|&i| &all.encodings[i]));
        together(|| {
            let mut tape = Tape::new(context, &self.teacher.params, Mode::EVALUATE);
            let tapped = self.teacher.tapped(&mut tape, &batch, taps)?;
            let states: Vec<_> = tapped.hidden.iter().chain(tapped.relations.iter().flatten()).collect();
            let mut start = 0;
            let of = |&i: &usize| {
                let end = start + all.encodings[i].ids.len();
                let rows = start..end;
                start = end;
                let part = |x: &&filbert_engine::Var| {
                    let width = x.value().cols();
                    x.value()[rows.start * width..rows.end * width].to_vec()
                };
                states.iter().flat_map(part).collect::<Box<[f32]>>()
            };
            Ok(encodings.iter().map(of).collect())
        })
    }

    /// Bytes of inner states that are kept.
    pub fn kept_bytes(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}
