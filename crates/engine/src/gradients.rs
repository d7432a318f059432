//! Gradients by parameter: dense, or only the rows of an embedding table that a batch touched.

use filbert_kernels::{Isa, RowSums, add_assign};

use crate::{ParamId, Params};

/// The gradient of one parameter.
#[derive(Clone, Debug)]
pub enum Gradient {
    /// As long as the parameter.
    Dense(Vec<f32>),
    /// Some rows of a table.
    Rows(RowSums),
}

impl Gradient {
    /// The values, without the zeros of rows that are not held.
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Dense(values) => values,
            Self::Rows(rows) => &rows.sums,
        }
    }

    fn into_values(self) -> Vec<f32> {
        match self {
            Self::Dense(values) => values,
            Self::Rows(rows) => rows.sums,
        }
    }

    /// As long as the parameter, zeros included.
    pub fn to_dense(&self, len: usize, width: usize) -> Vec<f32> {
        match self {
            Self::Dense(values) => values.clone(),
            Self::Rows(RowSums { rows, sums, .. }) => {
                let mut all = vec![0.0; len];
                for (row, values) in rows.iter().zip(sums.chunks_exact(width)) {
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
    spare: Vec<Option<Gradient>>,
    /// Memory for the sums of tables whose gradient is dense.
    rows: RowSums,
}

impl Gradients {
    /// None yet, for the parameters of `params`.
    pub fn new(params: &Params) -> Self {
        Self { current: vec![None; params.len()], spare: vec![None; params.len()], rows: RowSums::default() }
    }

    /// The gradient of a parameter, if it has received one since [`clear`](Self::clear).
    pub fn get(&self, id: ParamId) -> Option<&Gradient> {
        self.current.get(id.0)?.as_ref()
    }

    /// Forgets all gradients and keeps their memory.
    pub fn clear(&mut self) {
        for (current, spare) in self.current.iter_mut().zip(&mut self.spare) {
            if let Some(gradient) = current.take() {
                *spare = Some(gradient);
            }
        }
    }

    /// A dense gradient of `len` elements to be added to (true) or, where there is none yet, overwritten (false). To be
    /// followed by [`put`](Self::put).
    pub(crate) fn take(&mut self, id: ParamId, len: usize) -> (Vec<f32>, bool) {
        match self.current[id.0].take() {
            Some(Gradient::Dense(values)) => (values, true),
            other => {
                self.current[id.0] = other;
                let mut values = self.spare[id.0].take().map(Gradient::into_values).unwrap_or_default();
                values.resize(len, 0.0);
                (values, false)
            }
        }
    }

    /// Puts a dense gradient in its place.
    pub(crate) fn put(&mut self, id: ParamId, values: Vec<f32>) {
        self.current[id.0] = Some(Gradient::Dense(values));
    }

    /// Lets `add` add to a dense gradient that starts at zero.
    pub(crate) fn dense_sum(&mut self, id: ParamId, len: usize, add: impl FnOnce(&mut [f32])) {
        let (mut values, adds) = self.take(id, len);
        if !adds {
            values.fill(0.0);
        }
        add(&mut values);
        self.put(id, values);
    }

    /// Memory for the rows of a table, as of the last batch.
    pub(crate) fn spare_rows(&mut self, id: ParamId) -> RowSums {
        match self.spare[id.0].take() {
            Some(Gradient::Rows(rows)) => rows,
            other => {
                self.spare[id.0] = other;
                std::mem::take(&mut self.rows)
            }
        }
    }

    /// Takes back memory for rows that has become part of a dense gradient.
    pub(crate) fn keep_rows(&mut self, rows: RowSums) {
        self.rows = rows;
    }

    /// Adds to the rows of a table.
    pub(crate) fn add_rows(&mut self, isa: Isa, id: ParamId, new: RowSums, width: usize) {
        let merged = match self.current[id.0].take() {
            None => Gradient::Rows(new),
            Some(Gradient::Dense(mut all)) => {
                for (row, values) in new.rows.iter().zip(new.sums.chunks_exact(width)) {
                    let at = *row as usize * width;
                    add_assign(isa, &mut all[at..at + width], values);
                }
                Gradient::Dense(all)
            }
            Some(Gradient::Rows(old)) => Gradient::Rows(merge(isa, &old, &new, width)),
        };
        self.current[id.0] = Some(merged);
    }
}

/// The union of two sets of rows, those in both added.
fn merge(isa: Isa, a: &RowSums, b: &RowSums, width: usize) -> RowSums {
    let mut all = RowSums::default();
    all.rows = [&a.rows[..], &b.rows].concat();
    all.rows.sort_unstable();
    all.rows.dedup();
    all.sums = vec![0.0; all.rows.len() * width];
    for from in [a, b] {
        for (row, values) in from.rows.iter().zip(from.sums.chunks_exact(width)) {
            if let Ok(at) = all.rows.binary_search(row) {
                add_assign(isa, &mut all.sums[at * width..(at + 1) * width], values);
            }
        }
    }
    all
}
