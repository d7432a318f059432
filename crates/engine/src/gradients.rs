//! Gradients by parameter: dense, or only the rows of an embedding table that a batch touched.

use filbert_kernels::{Isa, add_assign};

use crate::{ParamId, Params};

/// The gradient of one parameter.
#[derive(Clone, Debug)]
pub enum Gradient {
    /// As long as the parameter.
    Dense(Vec<f32>),
    /// Some rows of a table: their numbers in ascending order, and their values one after the other.
    Rows {
        /// Row numbers, ascending.
        rows: Vec<u32>,
        /// `[rows, width]`.
        values: Vec<f32>,
    },
}

impl Gradient {
    /// The values, without the zeros of rows that are not held.
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Dense(values) | Self::Rows { values, .. } => values,
        }
    }

    /// As long as the parameter, zeros included.
    pub fn to_dense(&self, len: usize, width: usize) -> Vec<f32> {
        match self {
            Self::Dense(values) => values.clone(),
            Self::Rows { rows, values } => {
                let mut all = vec![0.0; len];
                for (row, values) in rows.iter().zip(values.chunks_exact(width)) {
                    let at = *row as usize * width;
                    all[at..at + width].copy_from_slice(values);
                }
                all
            }
        }
    }
}

/// The gradients of a model's parameters. Buffers are kept from step to step.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    current: Vec<Option<Gradient>>,
    spare: Vec<Option<Vec<f32>>>,
}

impl Gradients {
    /// None yet, for the parameters of `params`.
    pub fn new(params: &Params) -> Self {
        Self { current: vec![None; params.len()], spare: vec![None; params.len()] }
    }

    /// The gradient of a parameter, if it has received one since [`clear`](Self::clear).
    pub fn get(&self, id: ParamId) -> Option<&Gradient> {
        self.current.get(id.0)?.as_ref()
    }

    /// Forgets all gradients and keeps their memory.
    pub fn clear(&mut self) {
        for (current, spare) in self.current.iter_mut().zip(&mut self.spare) {
            if let Some(Gradient::Dense(values)) = current.take() {
                *spare = Some(values);
            }
        }
    }

    /// Lets `write` overwrite (second argument false) or add to (true) a dense gradient of `len` elements.
    pub(crate) fn dense(&mut self, id: ParamId, len: usize, write: impl FnOnce(&mut [f32], bool)) {
        if let Some(Gradient::Dense(values)) = &mut self.current[id.0] {
            write(values, true);
            return;
        }
        let mut values = self.spare[id.0].take().unwrap_or_default();
        values.resize(len, 0.0);
        write(&mut values, false);
        self.current[id.0] = Some(Gradient::Dense(values));
    }

    /// Lets `add` add to a dense gradient that starts at zero.
    pub(crate) fn dense_sum(&mut self, id: ParamId, len: usize, add: impl FnOnce(&mut [f32])) {
        self.dense(id, len, |values, accumulate| {
            if !accumulate {
                values.fill(0.0);
            }
            add(values);
        });
    }

    /// Adds to the rows of a table; `rows` ascend.
    pub(crate) fn add_rows(&mut self, isa: Isa, id: ParamId, rows: Vec<u32>, values: Vec<f32>, width: usize) {
        let merged = match self.current[id.0].take() {
            None => Gradient::Rows { rows, values },
            Some(Gradient::Dense(mut all)) => {
                for (row, values) in rows.iter().zip(values.chunks_exact(width)) {
                    let at = *row as usize * width;
                    add_assign(isa, &mut all[at..at + width], values);
                }
                Gradient::Dense(all)
            }
            Some(Gradient::Rows { rows: old, values: old_values }) => {
                merge(isa, (&old, &old_values), (&rows, &values), width)
            }
        };
        self.current[id.0] = Some(merged);
    }
}

/// The union of two sets of rows, those in both added.
fn merge(isa: Isa, a: (&[u32], &[f32]), b: (&[u32], &[f32]), width: usize) -> Gradient {
    let mut rows = [a.0, b.0].concat();
    rows.sort_unstable();
    rows.dedup();
    let mut values = vec![0.0; rows.len() * width];
    for (from, from_values) in [a, b] {
        for (row, from) in from.iter().zip(from_values.chunks_exact(width)) {
            if let Ok(at) = rows.binary_search(row) {
                add_assign(isa, &mut values[at * width..(at + 1) * width], from);
            }
        }
    }
    Gradient::Rows { rows, values }
}
