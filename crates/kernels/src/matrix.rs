//! A matrix of few bits as it stands in memory: its rows are read one by one (an embedding table), or all of it is packed for
//! products (a linear layer's weight).

use crate::bytes::Bytes;
use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ROWS, for_pieces};
use crate::quantized::{MAX_INPUTS, PackedInt8};

/// A matrix `[rows, columns]` of few bits.
#[derive(Clone, Debug)]
pub struct QuantizedMatrix {
    rows: usize,
    columns: usize,
    values: Values,
}

#[derive(Clone, Debug)]
enum Values {
    /// A row stands for its integers times its scale.
    Int8 { values: Bytes, scales: Vec<f32> },
}

impl QuantizedMatrix {
    /// A matrix of signed bytes, of which row r stands for its values times `scales[r]`. None if the lengths do not fit, a scale
    /// is not finite, or there are more than [`MAX_INPUTS`] columns.
    pub fn int8((rows, columns): (usize, usize), values: Bytes, scales: Vec<f32>) -> Option<Self> {
        let fits = rows.checked_mul(columns) == Some(values.len()) && scales.len() == rows;
        let sane = columns <= MAX_INPUTS && scales.iter().all(|s| s.is_finite());
        (fits && sane).then_some(Self { rows, columns, values: Values::Int8 { values, scales } })
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Writes the values of row `row` to `out`.
    ///
    /// # Panics
    /// If there is no such row, or `out` is not as long as a row.
    pub fn read_row(&self, isa: Isa, row: usize, out: &mut [f32]) {
        out.fill(0.0);
        self.add_row(isa, row, out);
    }

    fn add_row(&self, isa: Isa, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.columns);
        match &self.values {
            Values::Int8 { values, scales } => {
                let row_values = &values.signed()[row * self.columns..(row + 1) * self.columns];
                add_scaled(isa, out, row_values, scales[row]);
            }
        }
    }

    /// Adds row `ids[i]` to row i of `out`.
    ///
    /// # Panics
    /// If `out` has not `ids.len()` rows, or an id has no row.
    pub fn gather_add(&self, isa: Isa, out: &mut [f32], ids: &[u32]) {
        assert!(self.columns > 0 && out.len() == ids.len() * self.columns);
        for_pieces(out, CHUNK_ROWS * self.columns, |i, rows| {
            for (row, &id) in rows.chunks_exact_mut(self.columns).zip(&ids[i * CHUNK_ROWS..]) {
                self.add_row(isa, id as usize, row);
            }
        });
    }

    /// Packs it as a linear layer's weight, `[outputs, inputs]`.
    pub fn pack(&self, isa: Isa) -> PackedInt8 {
        match &self.values {
            Values::Int8 { values, scales } => {
                PackedInt8::new(isa, values.signed(), scales, (self.columns, self.rows))
            }
        }
    }
}

multiversion! { fn add_scaled(out: &mut [f32], values: &[i8], scale: f32) = add_scaled_body; }

#[inline(always)]
fn add_scaled_body<F: MulAdd>(out: &mut [f32], values: &[i8], scale: f32) {
    for (out, x) in out.iter_mut().zip(values) {
        *out += f32::from(*x) * scale;
    }
}
