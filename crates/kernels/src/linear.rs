//! The three matrix products of a linear layer, with what belongs to them: bias and activation on the way in, the sum of
//! the bias's gradient on the way back. All matrices are row-major.

use std::ops::Range;

use crate::activation::{Activation, bias_activation};
use crate::isa::Isa;
use crate::parallel::Shared;
use crate::precision::Precision;
use crate::product::{Finish, Form, Kernel, Left, Packed, Source, Spare, Work, pack, product};
use crate::reduce::sum_rows;

/// Rows, inputs and outputs of a linear layer.
pub type LinearShape = (usize, usize, usize);

/// A weight `[outputs, inputs]`.
#[derive(Clone, Copy, Debug)]
pub enum Weight<'a> {
    /// As it stands.
    Plain(&'a [f32]),
    /// Packed by [`pack_weight`] for the same instruction set and precision.
    Packed(&'a Packed),
}

/// Packs a weight `[outputs, inputs]` for [`linear_forward`], once for many products.
///
/// # Panics
/// If the weight has not the size its shape says.
pub fn pack_weight(isa: Isa, precision: Precision, w: &[f32], (inputs, outputs): (usize, usize)) -> Packed {
    assert_eq!(w.len(), inputs * outputs);
    Packed::new(Kernel::new(isa, precision), transposed_weight(w, inputs, outputs), Form::Pair)
}

/// wᵀ as the right side of y = x · wᵀ.
fn transposed_weight(w: &[f32], inputs: usize, outputs: usize) -> Source<'_> {
    Source { data: w, side: inputs, depth: 1, sides: outputs, depths: inputs }
}

/// What is done to a product's rows while they are in cache.
#[derive(Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to every row, `[outputs]`.
    pub bias: Option<&'a [f32]>,
    /// Applied after the bias.
    pub activation: Activation,
    /// Receives the values before the activation, `[rows, outputs]`, which the way back needs.
    pub pre: Option<&'a mut [f32]>,
}

struct BiasActivation<'a> {
    bias: Option<&'a [f32]>,
    activation: Activation,
    pre: Option<Shared>,
}

impl Finish for BiasActivation<'_> {
    unsafe fn block(&self, isa: Isa, c: Shared, n: usize, rows: Range<usize>, columns: Range<usize>) {
        let bias = self.bias.map(|bias| &bias[columns.clone()]);
        for row in rows {
            // SAFETY: promised by the caller; `pre` is as large as the product.
            let (c, pre) = unsafe {
                let at = row * n + columns.start;
                (c.slice(at, columns.len()), self.pre.map(|pre| pre.slice(at, columns.len())))
            };
            bias_activation(isa, c, bias, self.activation, pre);
        }
    }
}

/// y = act(x · wᵀ + b), with x `[rows, inputs]` and y `[rows, outputs]`. A row of y has the same bits whatever the other
/// rows are.
///
/// # Panics
/// If a slice has not the size its shape says, or a packed weight is of another kind.
pub fn linear_forward(
    isa: Isa,
    precision: Precision,
    x: &[f32],
    w: Weight<'_>,
    y: &mut [f32],
    (rows, inputs, outputs): LinearShape,
    epilogue: Epilogue<'_>,
) {
    assert!(x.len() == rows * inputs && y.len() == rows * outputs);
    assert!(epilogue.bias.is_none_or(|b| b.len() == outputs));
    assert!(epilogue.pre.as_ref().is_none_or(|p| p.len() == y.len()));
    let kernel = Kernel::new(isa, precision);
    let (mut left, mut right) = (Spare::take(), Spare::take());
    let packs_left = kernel.is_bf16().then(|| Work {
        from: Source { data: x, side: inputs, depth: 1, sides: rows, depths: inputs },
        form: Form::Row,
        to: &mut left,
        sums: None,
    });
    let packs_right = match w {
        Weight::Plain(w) => {
            assert_eq!(w.len(), outputs * inputs);
            let from = transposed_weight(w, inputs, outputs);
            Some(Work { from, form: Form::Pair, to: &mut right, sums: None })
        }
        Weight::Packed(_) => None,
    };
    pack(kernel, [packs_left, packs_right]);
    let a = if kernel.is_bf16() { Left::Packed(&left) } else { Left::Rows(x, inputs) };
    let b = match w {
        Weight::Plain(_) => &*right,
        Weight::Packed(w) => w,
    };
    let finish = BiasActivation {
        bias: epilogue.bias,
        activation: epilogue.activation,
        pre: epilogue.pre.map(Shared::new),
    };
    product(kernel, (rows, outputs, inputs), y, a, b, false, &finish);
}

/// Where a gradient goes: into a slice that is overwritten, or added to.
#[derive(Debug)]
pub struct Target<'a> {
    /// As long as what it is the gradient of.
    pub to: &'a mut [f32],
    /// True where `to` already holds a part of the sum.
    pub adds: bool,
}

/// The gradients that are wanted of a linear layer.
#[derive(Debug, Default)]
pub struct LinearGradients<'a> {
    /// dx = dy · w, `[rows, inputs]`, and the weight w.
    pub input: Option<(Target<'a>, &'a [f32])>,
    /// dw = dyᵀ · x, `[outputs, inputs]`, and the input x.
    pub weight: Option<(Target<'a>, &'a [f32])>,
    /// db, the sum of the rows of dy, `[outputs]`.
    pub bias: Option<Target<'a>>,
}

/// The way back of y = x · wᵀ + b from dy `[rows, outputs]`.
///
/// # Panics
/// If a slice has not the size its shape says.
pub fn linear_backward(
    isa: Isa,
    precision: Precision,
    dy: &[f32],
    (rows, inputs, outputs): LinearShape,
    gradients: LinearGradients<'_>,
) {
    let LinearGradients { input, weight, bias } = gradients;
    assert_eq!(dy.len(), rows * outputs);
    assert!(input.as_ref().is_none_or(|(dx, w)| dx.to.len() == rows * inputs && w.len() == outputs * inputs));
    assert!(
        weight.as_ref().is_none_or(|(dw, x)| dw.to.len() == outputs * inputs && x.len() == rows * inputs)
    );
    assert!(bias.as_ref().is_none_or(|db| db.to.len() == outputs));
    let kernel = Kernel::new(isa, precision);
    let bias = bias.map(|Target { to, adds }| {
        if !adds {
            to.fill(0.0);
        }
        to
    });
    let bias = match bias {
        // With the gradient of the weight in bfloat16 the sums are formed while dy is packed for it.
        Some(to) if weight.is_none() || !kernel.is_bf16() => {
            sum_rows(isa, dy, to);
            None
        }
        bias => bias,
    };
    let mut sides: [Spare; 4] = std::array::from_fn(|_| Spare::take());
    let [dy_rows, w_side, dy_columns, x_side] = &mut sides;
    let row_form = |to| Work {
        from: Source { data: dy, side: outputs, depth: 1, sides: rows, depths: outputs },
        form: Form::Row,
        to,
        sums: None,
    };
    pack(
        kernel,
        [
            (input.is_some() && kernel.is_bf16()).then(|| row_form(dy_rows)),
            input.as_ref().map(|(_, w)| Work {
                from: Source { data: w, side: 1, depth: inputs, sides: inputs, depths: outputs },
                form: Form::Pair,
                to: w_side,
                sums: None,
            }),
            (weight.is_some() && kernel.is_bf16()).then_some(Work {
                from: Source { data: dy, side: 1, depth: outputs, sides: outputs, depths: rows },
                form: Form::Row,
                to: dy_columns,
                sums: bias,
            }),
            weight.as_ref().map(|(_, x)| Work {
                from: Source { data: x, side: 1, depth: inputs, sides: inputs, depths: rows },
                form: Form::Pair,
                to: x_side,
                sums: None,
            }),
        ],
    );
    if let Some((dx, _)) = input {
        let left = if kernel.is_bf16() { Left::Packed(dy_rows) } else { Left::Rows(dy, outputs) };
        product(kernel, (rows, inputs, outputs), dx.to, left, w_side, dx.adds, &());
    }
    if let Some((dw, _)) = weight {
        let left = if kernel.is_bf16() { Left::Packed(dy_columns) } else { Left::Columns(dy, outputs) };
        product(kernel, (outputs, inputs, rows), dw.to, left, x_side, dw.adds, &());
    }
}
