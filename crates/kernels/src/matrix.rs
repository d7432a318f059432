//! A matrix of few bits as it stands in memory: its rows are read one by one (an embedding table), or all of it is packed for
//! products (a linear layer's weight).

use crate::bytes::Bytes;
use crate::isa::{Isa, MulAdd, multiversion};
use crate::linear_int8::{ExpandedInt8, MAX_INPUTS, PackedInt8};
use crate::parallel::{CHUNK_ROWS, for_pieces};
use crate::quant::{EightBit, FourBit, QuantError};

/// A matrix `[rows, columns]` of few bits.
#[derive(Clone, Debug)]
pub struct QuantizedMatrix {
    rows: usize,
    columns: usize,
    values: Bytes,
    scales: Vec<f32>,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// A signed byte each, a scale for each row.
    Eight,
    /// Two codes to a byte, a scale for each group.
    Four { levels: &'static [f32; 16], group: usize },
}

impl QuantizedMatrix {
    /// A matrix of signed bytes, of which row r stands for its values times `scales[r]`.
    ///
    /// # Errors
    /// Where the lengths do not fit, a scale is not finite, or there are more than [`MAX_INPUTS`] columns.
    pub fn eight_bit(shape: (usize, usize), values: Bytes, scales: Vec<f32>) -> Result<Self, QuantError> {
        EightBit::new(values.signed(), &scales, shape.1)?;
        Self::new(shape, values, scales, Form::Eight)
    }

    /// A matrix of levels of four bits, as [`FourBit`] describes them.
    ///
    /// # Errors
    /// Those of [`FourBit::new`], and where there are more than [`MAX_INPUTS`] columns.
    pub fn four_bit(
        shape: (usize, usize),
        levels: &'static [f32; 16],
        codes: Bytes,
        scales: Vec<f32>,
        group: usize,
    ) -> Result<Self, QuantError> {
        let len =
            shape.0.checked_mul(shape.1).ok_or(QuantError::Width { width: shape.1, len: usize::MAX })?;
        FourBit::new(levels, &codes, &scales, group, len)?;
        Self::new(shape, codes, scales, Form::Four { levels, group })
    }

    fn new(
        (rows, columns): (usize, usize),
        values: Bytes,
        scales: Vec<f32>,
        form: Form,
    ) -> Result<Self, QuantError> {
        if columns == 0 || columns > MAX_INPUTS {
            return Err(QuantError::Width { width: columns, len: rows.saturating_mul(columns) });
        }
        if matches!(form, Form::Eight) && scales.len() != rows {
            return Err(QuantError::Length { what: "scales", expected: rows, found: scales.len() });
        }
        Ok(Self { rows, columns, values, scales, form })
    }

    /// Rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// True where its products need its values expanded first.
    pub const fn is_four_bit(&self) -> bool {
        matches!(self.form, Form::Four { .. })
    }

    /// The view of four bits. It was checked when the matrix was made.
    fn four(&self, levels: &'static [f32; 16], group: usize) -> FourBit<'_> {
        FourBit::checked(levels, &self.values, &self.scales, group, self.rows * self.columns)
    }

    /// Writes the values of row `row` to `out`.
    ///
    /// # Panics
    /// If there is no such row, or `out` is not as long as a row.
    pub fn read_row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.columns);
        let range = row * self.columns..(row + 1) * self.columns;
        match self.form {
            Form::Eight => {
                for (out, x) in out.iter_mut().zip(&self.values.signed()[range]) {
                    *out = f32::from(*x) * self.scales[row];
                }
            }
            Form::Four { levels, group } => self.four(levels, group).decode(range, out),
        }
    }

    /// Adds row `ids[i]` to row i of `out`.
    ///
    /// # Panics
    /// If `out` has not `ids.len()` rows, or an id has no row.
    pub fn gather_add(&self, isa: Isa, out: &mut [f32], ids: &[u32]) {
        assert!(out.len() == ids.len() * self.columns);
        for_pieces(out, CHUNK_ROWS * self.columns, |i, rows| {
            let mut values = vec![0.0; self.columns];
            for (row, &id) in rows.chunks_exact_mut(self.columns).zip(&ids[i * CHUNK_ROWS..]) {
                self.read_row(id as usize, &mut values);
                add(isa, row, &values);
            }
        });
    }

    /// Packs it as a linear layer's weight, `[outputs, inputs]`, for many uses.
    pub fn pack(&self, isa: Isa) -> PackedInt8 {
        let mut packed = PackedInt8::empty();
        self.fill(isa, &mut packed);
        packed
    }

    /// Packs it as a linear layer's weight, `[outputs, inputs]`, for one use.
    pub fn expand(&self, isa: Isa) -> ExpandedInt8 {
        ExpandedInt8::new(|packed| self.fill(isa, packed))
    }

    /// Levels of four bits become integers times a 127th of their row's largest.
    fn fill(&self, isa: Isa, packed: &mut PackedInt8) {
        let shape = (self.columns, self.rows);
        match self.form {
            Form::Eight => packed.fill(isa, shape, |row, to| {
                let range = row * self.columns..(row + 1) * self.columns;
                to.copy_from_slice(&self.values.signed()[range]);
                self.scales[row]
            }),
            Form::Four { levels, group } => {
                let view = self.four(levels, group);
                packed.fill(isa, shape, |row, to| view.expand_row_on(isa, row, self.columns, to));
            }
        }
    }
}

multiversion! { fn add(a: &mut [f32], b: &[f32]) = add_body; }

#[inline(always)]
fn add_body<F: MulAdd>(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}
