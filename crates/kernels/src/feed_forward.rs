//! Parts of an encoder's layer in int8 that stay in a core's cache from one matrix to the next: a task takes some rows through
//! product, activation, second product, residual and norm. What lies between never leaves the cache, and the norm's rows are
//! quantized for the next layer while they are there.
//!
//! The same operations one by one give the same bits; with few rows they are faster, since each product can be shared by
//! columns.

use std::cell::RefCell;

use crate::activation::Activation;
use crate::dropout::Dropout;
use crate::isa::Isa;
use crate::linear_int8::{Dequantize, PackedInt8, QuantizedRows};
use crate::norm::{NormShape, forward};
use crate::parallel::{Pieces, tasks};
use crate::precision::Int8;
use crate::product::{Kernel, Rows8, Rows8Places, product_of_rows, quantize_rows};

/// Rows of a task.
const ROWS: usize = 64;

/// Fewer rows than this are better worked on one operation at a time.
pub const FUSED_ROWS: usize = 4 * ROWS;

/// A linear layer in int8, then a residual and a norm.
#[derive(Clone, Copy, Debug)]
pub struct LinearNorm<'a> {
    /// The weight.
    pub weight: &'a PackedInt8,
    /// `[outputs]`.
    pub bias: Option<&'a [f32]>,
    /// Added to the product, `[rows, outputs]`.
    pub residual: &'a [f32],
    /// The norm over both.
    pub norm: NormShape<'a>,
}

/// The linear layer before it, and what comes after its product.
#[derive(Clone, Copy, Debug)]
pub struct FeedForward<'a> {
    /// The weight.
    pub weight: &'a PackedInt8,
    /// `[inner]`.
    pub bias: Option<&'a [f32]>,
    /// After product and bias.
    pub activation: Activation,
}

thread_local! {
    /// The values between two products.
    static INNER: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    /// A row between product and norm.
    static ROW: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// y = LayerNorm(x · wᵀ + b + residual), `[rows, outputs]`, and the rows of y in int8.
///
/// # Panics
/// If the shapes do not fit.
pub fn linear_norm_int8(
    isa: Isa,
    kind: Int8,
    x: &QuantizedRows,
    layer: LinearNorm<'_>,
    y: &mut [f32],
) -> QuantizedRows {
    over_rows(x, layer, y, |first, y, to| {
        finish_rows(isa, kind, (&x.0, first), (first, layer), y, to);
    })
}

/// y = LayerNorm(act(x · w₁ᵀ + b₁) · w₂ᵀ + b₂ + residual), `[rows, outputs]`, and the rows of y in int8.
///
/// # Panics
/// If the shapes do not fit.
pub fn feed_forward_norm_int8(
    isa: Isa,
    kind: Int8,
    x: &QuantizedRows,
    inner: FeedForward<'_>,
    outer: LinearNorm<'_>,
    y: &mut [f32],
) -> QuantizedRows {
    let width = inner.weight.shape.1;
    assert!(outer.weight.shape.0 == width && inner.bias.is_none_or(|bias| bias.len() == width));
    let kernel = Kernel::Int8(isa, kind);
    over_rows(x, outer, y, |first, y, to| {
        let rows = y.len() / outer.weight.shape.1;
        let between = INNER.with_borrow_mut(|values| {
            if values.len() < rows * width {
                values.resize(rows * width, 0.0);
            }
            let values = &mut values[..rows * width];
            let finish = Dequantize {
                rows: &x.0.scales[first..first + rows],
                columns: &inner.weight.columns,
                bias: inner.bias,
                activation: inner.activation,
            };
            product_of_rows(kernel, values, (x.0.side(), first), &inner.weight.packed, &finish);
            let (between, places) = Rows8::room(rows, width);
            quantize_rows(isa, values, width, 0, places);
            between
        });
        finish_rows(isa, kind, (&between, 0), (first, outer), y, to);
    })
}

/// Calls `f` with the first row of each piece of y, the piece, and where the rows of y go in int8.
fn over_rows(
    x: &QuantizedRows,
    layer: LinearNorm<'_>,
    y: &mut [f32],
    f: impl Fn(usize, &mut [f32], Rows8Places) + Sync + Send,
) -> QuantizedRows {
    let outputs = layer.weight.shape.1;
    let rows = x.0.scales.len();
    assert!(outputs > 0 && y.len() == rows * outputs && layer.residual.len() == y.len());
    assert!(layer.norm.gamma.len() == outputs && layer.norm.beta.len() == outputs);
    assert!(layer.bias.is_none_or(|bias| bias.len() == outputs));
    QuantizedRows::fill(rows, outputs, |to| {
        let pieces = Pieces::new(y, ROWS * outputs);
        tasks(pieces.count(), |i| {
            // SAFETY: each task takes the piece of its own number, once.
            f(i * ROWS, unsafe { pieces.get(i) }, to);
        });
    })
}

/// Product, bias, residual and norm of some rows; `first` is their place among all rows.
fn finish_rows(
    isa: Isa,
    kind: Int8,
    (x, start): (&Rows8, usize),
    (first, layer): (usize, LinearNorm<'_>),
    y: &mut [f32],
    to: Rows8Places,
) {
    let outputs = layer.weight.shape.1;
    let rows = y.len() / outputs;
    let finish = Dequantize {
        rows: &x.scales[start..start + rows],
        columns: &layer.weight.columns,
        bias: layer.bias,
        activation: Activation::Identity,
    };
    product_of_rows(Kernel::Int8(isa, kind), y, (x.side(), start), &layer.weight.packed, &finish);
    let residual = &layer.residual[first * outputs..first * outputs + y.len()];
    for (i, y) in y.chunks_exact_mut(outputs).enumerate() {
        // The norm reads one row and writes another.
        ROW.with_borrow_mut(|row| {
            row.clear();
            row.extend_from_slice(y);
            let residual = &residual[i * outputs..(i + 1) * outputs];
            forward(isa, row, Some(residual), Dropout::new(0.0, 0), first + i, layer.norm, y, None, Some(to));
        });
    }
}
