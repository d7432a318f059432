//! Linear layers whose weights are int8, with activations quantized row by row: y = act(x · wᵀ + b) where both sides of the product
//! are integers. An integer x stands for x · scale of its row, an integer w for w · scale of its output.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};

use crate::activation::{Activation, apply};
use crate::isa::{Isa, MulAdd, multiversion};
use crate::linear::{Epilogue, LinearShape};
use crate::parallel::{Pieces, Shared};
use crate::precision::Int8;
use crate::product::{Finish, Kernel, Left, Packed, Rows8, Rows8Places, pack_rows, products};

/// Rows of activations in int8, each with its own scale, ready for products. Cloning shares them.
#[derive(Clone)]
pub struct QuantizedRows(pub(crate) Arc<Rows8>);

impl QuantizedRows {
    /// Rows that `f` puts in their places.
    pub(crate) fn fill(rows: usize, depth: usize, f: impl FnOnce(Rows8Places)) -> Self {
        let (out, to) = Rows8::room(rows, depth);
        f(to);
        Self(Arc::new(out))
    }
}

impl fmt::Debug for QuantizedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuantizedRows({})", self.0.scales.len())
    }
}

/// Rounds the rows of x, `[rows, depth]`, to integers from -127 to 127 times a 127th of the row's largest magnitude, to the nearest,
/// ties to even.
///
/// # Panics
/// If x is not whole rows.
pub fn quantize_rows(isa: Isa, x: &[f32], depth: usize) -> QuantizedRows {
    assert!(depth > 0 && x.len().is_multiple_of(depth));
    QuantizedRows(Arc::new(Rows8::new(isa, x, depth)))
}

/// A weight `[outputs, inputs]` of int8 values, packed for products on any instruction set.
#[derive(Clone, Debug)]
pub struct PackedInt8 {
    pub(crate) packed: Packed,
    pub(crate) columns: Columns,
    pub(crate) shape: (usize, usize),
}

/// What belongs to each output of an int8 weight.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// What its integers are multiplied by.
    scales: Vec<f32>,
    /// 128 times their sum, which the offset of the left side adds.
    offsets: Vec<i32>,
}

multiversion! {
    /// 128 times the sum of a row of int8 values.
    fn offset(row: &[i8]) -> i32 = offset_body;
}

#[inline(always)]
fn offset_body<F: MulAdd>(row: &[i8]) -> i32 {
    row.iter().map(|&w| i32::from(w)).sum::<i32>().wrapping_mul(128)
}

impl PackedInt8 {
    /// Inputs.
    pub const fn inputs(&self) -> usize {
        self.shape.0
    }

    /// Outputs.
    pub const fn outputs(&self) -> usize {
        self.shape.1
    }

    /// Packs `weight`, `[outputs, inputs]`, of which row o stands for its values times `scales[o]`.
    ///
    /// # Panics
    /// If the weight or the scales have not the size the shape says, or there are more than 65,536 inputs, above which sums may
    /// not fit.
    pub fn new(isa: Isa, weight: &[i8], scales: &[f32], (inputs, outputs): (usize, usize)) -> Self {
        assert!(weight.len() == inputs * outputs && scales.len() == outputs);
        let mut out = Self::empty();
        out.fill(isa, (inputs, outputs), |row, to| {
            to.copy_from_slice(&weight[row * inputs..(row + 1) * inputs]);
            scales[row]
        });
        out
    }

    pub(crate) const fn empty() -> Self {
        let columns = Columns { scales: Vec::new(), offsets: Vec::new() };
        Self { packed: Packed::empty(), columns, shape: (0, 0) }
    }

    /// Packs rows of `inputs` values each, which `read` writes; it returns their scale.
    pub(crate) fn fill(
        &mut self,
        isa: Isa,
        (inputs, outputs): (usize, usize),
        read: impl Fn(usize, &mut [i8]) -> f32 + Sync + Send,
    ) {
        assert!(inputs <= MAX_INPUTS);
        self.shape = (inputs, outputs);
        let Columns { scales, offsets } = &mut self.columns;
        scales.resize(outputs, 0.0);
        offsets.resize(outputs, 0);
        let (scales, offsets) = (Pieces::new(scales, 1), SharedOffsets(offsets.as_mut_ptr()));
        pack_rows(isa, &mut self.packed, (outputs, inputs), |row, to| {
            let scale = read(row, to);
            // SAFETY: each row is packed once, and there are as many scales and offsets as rows.
            unsafe {
                scales.get(row)[0] = scale;
                offsets.set(row, offset(isa, to));
            }
        });
    }
}

/// A pointer to the offsets, of which tasks write one each.
#[derive(Clone, Copy)]
struct SharedOffsets(*mut i32);

// SAFETY: it is only written through `set`, whose callers promise to write each offset once.
unsafe impl Send for SharedOffsets {}
// SAFETY: as above.
unsafe impl Sync for SharedOffsets {}

impl SharedOffsets {
    /// # Safety
    /// There must be such an offset, and nobody else may use it meanwhile.
    unsafe fn set(self, i: usize, value: i32) {
        // SAFETY: promised by the caller.
        unsafe { self.0.add(i).write(value) };
    }
}

/// An int8 weight that was made for one use, in memory that is kept for the next.
#[derive(Debug)]
pub struct ExpandedInt8(PackedInt8);

/// Expanded weights that are not in use.
static SPARE: Mutex<Vec<PackedInt8>> = Mutex::new(Vec::new());

impl ExpandedInt8 {
    pub(crate) fn new(fill: impl FnOnce(&mut PackedInt8)) -> Self {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut packed = spare.unwrap_or(PackedInt8::empty());
        fill(&mut packed);
        Self(packed)
    }
}

impl Deref for ExpandedInt8 {
    type Target = PackedInt8;
    fn deref(&self) -> &PackedInt8 {
        &self.0
    }
}

impl Drop for ExpandedInt8 {
    fn drop(&mut self) {
        let packed = std::mem::replace(&mut self.0, PackedInt8::empty());
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(packed);
    }
}

/// Frees the memory of expanded weights.
pub(crate) fn release() {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Most inputs of an int8 layer: the sum of so many products of the largest magnitude, 255 by -128, still fits 32 bits. (A file
/// may hold -128, which the encoder never writes; the left side's byte for NaN may be any.)
pub const MAX_INPUTS: usize = 1 << 16;
const _: () = assert!(MAX_INPUTS as i64 * 255 * 128 <= i32::MAX as i64);

pub(crate) struct Dequantize<'a> {
    /// Of the rows of c.
    pub(crate) rows: &'a [f32],
    pub(crate) columns: &'a Columns,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) activation: Activation,
}

impl Finish for Dequantize<'_> {
    unsafe fn block(&self, isa: Isa, c: Shared, n: usize, rows: Range<usize>, columns: Range<usize>) {
        let of_columns = (
            &self.columns.scales[columns.clone()],
            &self.columns.offsets[columns.clone()],
            self.bias.map(|bias| &bias[columns.clone()]),
        );
        dequantize(isa, c, (n, columns.start), rows, self.rows, of_columns, self.activation);
    }
}

/// Of some columns: scales, offsets and bias.
type OfColumns<'a> = (&'a [f32], &'a [i32], Option<&'a [f32]>);

multiversion! {
    /// From integers to values, with bias and activation: of the columns from the second of `at` on, in rows of the first of it.
    /// The caller's task alone uses them, and they exist.
    fn dequantize(
        c: Shared, at: (usize, usize), rows: Range<usize>, scales: &[f32], columns: OfColumns<'_>, activation: Activation,
    ) = dequantize_body;
}

#[inline(always)]
fn dequantize_body<F: MulAdd>(
    c: Shared,
    (n, start): (usize, usize),
    rows: Range<usize>,
    row_scales: &[f32],
    (scales, offsets, bias): OfColumns<'_>,
    activation: Activation,
) {
    for row in rows {
        // SAFETY: promised by the caller of `dequantize`.
        let c = unsafe { c.slice(row * n + start, scales.len()) };
        let scale = row_scales[row];
        for ((c, column), offset) in c.iter_mut().zip(scales).zip(offsets) {
            let sum = (c.to_bits() as i32).wrapping_sub(*offset);
            *c = sum as f32 * (scale * column);
        }
        if let Some(bias) = bias {
            for (c, b) in c.iter_mut().zip(bias) {
                *c += b;
            }
        }
        apply::<F>(c, activation);
    }
}

/// y = act(x · wᵀ + b), with x `[rows, inputs]` and y `[rows, outputs]`; nothing is saved for a way back. The product itself has the
/// same bits on every instruction set, and a row of y whatever the other rows are.
///
/// # Panics
/// If a slice has not the size its shape says, or x or w is of another shape.
pub fn linear_int8(
    isa: Isa,
    kind: Int8,
    x: &QuantizedRows,
    w: &PackedInt8,
    y: &mut [f32],
    (rows, inputs, outputs): LinearShape,
    epilogue: &Epilogue<'_>,
) {
    assert!(w.shape == (inputs, outputs) && x.0.scales.len() == rows && y.len() == rows * outputs);
    linears_int8(isa, kind, x, [(w, epilogue.bias, y)], epilogue.activation);
}

/// A layer among several: its weight, its bias, and what receives its output, `[rows, outputs]`.
pub type LayerInt8<'a> = (&'a PackedInt8, Option<&'a [f32]>, &'a mut [f32]);

/// Several layers with the same input, in one pass.
///
/// # Panics
/// If a slice has not the size its shape says, or a weight has not as many inputs as x has columns.
pub fn linears_int8<const N: usize>(
    isa: Isa,
    kind: Int8,
    x: &QuantizedRows,
    layers: [LayerInt8<'_>; N],
    activation: Activation,
) {
    let rows = x.0.scales.len();
    let inputs = layers.first().map_or(0, |layer| layer.0.shape.0);
    let finishes = layers.each_ref().map(|(w, bias, y)| {
        let outputs = w.shape.1;
        assert!(w.shape.0 == inputs && y.len() == rows * outputs);
        assert!(bias.is_none_or(|bias| bias.len() == outputs));
        Dequantize { rows: &x.0.scales, columns: &w.columns, bias: *bias, activation }
    });
    let mut finishes = finishes.iter();
    let all = layers
        .map(|(w, _, y)| (&w.packed, y, finishes.next().unwrap_or_else(|| unreachable!("one for each"))));
    products(Kernel::Int8(isa, kind), (rows, inputs), Left::Packed(x.0.side()), all, false);
}
