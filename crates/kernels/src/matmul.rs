//! The three matrix products of a linear layer: in f32 on the `gemm` crate, which packs both sides and chooses AVX-512,
//! FMA or portable kernels by itself, or in bfloat16 on our own. All matrices are row-major.

use gemm::Parallelism;

use crate::bf16::{Bf16, View};

/// The number format of products. Sums are in f32 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Both sides in f32.
    F32,
    /// Both sides rounded to bfloat16.
    Bf16(Bf16),
}

impl Precision {
    /// The format's name: `f32` or `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16(_) => "bf16",
        }
    }
}

/// Multiply-adds below which a product stays on the calling thread.
const SMALL: usize = 1 << 20;

/// y = x · wᵀ, with x `[rows, inputs]`, w `[outputs, inputs]` and y `[rows, outputs]`. A row of y has the same
/// bits whatever the other rows are.
///
/// # Panics
/// If a slice has not the size its shape says.
pub fn linear_forward(
    precision: Precision,
    x: &[f32],
    w: &[f32],
    y: &mut [f32],
    (rows, inputs, outputs): (usize, usize, usize),
) {
    assert!(x.len() == rows * inputs && w.len() == outputs * inputs && y.len() == rows * outputs);
    if let Precision::Bf16(kind) = precision {
        let x = View { data: x, row: inputs, column: 1 };
        let w = View { data: w, row: 1, column: inputs };
        return crate::bf16::product(kind, (rows, outputs, inputs), y, x, w, false);
    }
    let (m, n) = least_shape(rows, inputs, outputs);
    if (m, n) != (rows, outputs) && rows > 0 {
        let padded = |matrix: &[f32], len: usize| {
            let mut all = vec![0.0; len];
            all[..matrix.len()].copy_from_slice(matrix);
            all
        };
        let (x, w) = (padded(x, m * inputs), padded(w, n * inputs));
        let mut all = vec![0.0; m * n];
        product(m, n, inputs, &mut all, (n, 1), &x, (inputs, 1), &w, (1, inputs), false);
        for (row, from) in y.chunks_mut(outputs).zip(all.chunks(n)) {
            row.copy_from_slice(&from[..outputs]);
        }
        return;
    }
    product(rows, outputs, inputs, y, (outputs, 1), x, (inputs, 1), w, (1, inputs), false);
}

/// The smallest shape, at least `[rows, outputs]`, that the crate sums like any larger one: it has other paths, with
/// sums in another order, for vectors, for products of few elements, and for a long depth under a small product.
/// Zeros fill what is added. The limits are those of gemm 0.19; the tests hold them.
fn least_shape(rows: usize, inputs: usize, outputs: usize) -> (usize, usize) {
    /// Up to so many elements of a product the crate takes its path for small ones.
    const FEW: usize = 256;
    /// Up to so many rows and columns it cuts a depth beyond the next constant in pieces of that length, not evenly.
    const SMALL_SIDE: usize = 64;
    const LONG_DEPTH: usize = 512;
    let n = outputs.max(2);
    let deep = if inputs > LONG_DEPTH && n <= SMALL_SIDE { SMALL_SIDE + 1 } else { 2 };
    (rows.max(deep).max(FEW / n + 1), n)
}

/// dx = dy · w, or dx += dy · w where `accumulate`.
///
/// # Panics
/// If a slice has not the size its shape says.
pub fn linear_backward_input(
    precision: Precision,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
    (rows, inputs, outputs): (usize, usize, usize),
    accumulate: bool,
) {
    assert!(dx.len() == rows * inputs && w.len() == outputs * inputs && dy.len() == rows * outputs);
    if let Precision::Bf16(kind) = precision {
        let dy = View { data: dy, row: outputs, column: 1 };
        let w = View { data: w, row: inputs, column: 1 };
        return crate::bf16::product(kind, (rows, inputs, outputs), dx, dy, w, accumulate);
    }
    product(rows, inputs, outputs, dx, (inputs, 1), dy, (outputs, 1), w, (inputs, 1), accumulate);
}

/// dw = dyᵀ · x, or dw += dyᵀ · x where `accumulate`.
///
/// # Panics
/// If a slice has not the size its shape says.
pub fn linear_backward_weight(
    precision: Precision,
    dy: &[f32],
    x: &[f32],
    dw: &mut [f32],
    (rows, inputs, outputs): (usize, usize, usize),
    accumulate: bool,
) {
    assert!(x.len() == rows * inputs && dw.len() == outputs * inputs && dy.len() == rows * outputs);
    if let Precision::Bf16(kind) = precision {
        let dy = View { data: dy, row: 1, column: outputs };
        let x = View { data: x, row: inputs, column: 1 };
        return crate::bf16::product(kind, (outputs, inputs, rows), dw, dy, x, accumulate);
    }
    product(outputs, inputs, rows, dw, (inputs, 1), dy, (1, outputs), x, (inputs, 1), accumulate);
}

/// c `[m, n]` = a `[m, k]` · b `[k, n]` (+ c), each with its (row, column) strides. Slice lengths are checked by
/// the callers above.
#[allow(clippy::too_many_arguments)]
fn product(
    m: usize,
    n: usize,
    k: usize,
    c: &mut [f32],
    c_strides: (usize, usize),
    a: &[f32],
    a_strides: (usize, usize),
    b: &[f32],
    b_strides: (usize, usize),
    accumulate: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    let threads = rayon::current_num_threads();
    let parallelism =
        if m * n * k <= SMALL || threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    // SAFETY: the callers checked that each slice holds exactly its matrix, in the layout the strides say; `c`
    // is borrowed mutably and so overlaps neither `a` nor `b`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c_strides.1 as isize,
            c_strides.0 as isize,
            accumulate,
            a.as_ptr(),
            a_strides.1 as isize,
            a_strides.0 as isize,
            b.as_ptr(),
            b_strides.1 as isize,
            b_strides.0 as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
