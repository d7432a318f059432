//! The three matrix products of a linear layer, on the `gemm` crate, which packs both sides and chooses
//! AVX-512, FMA or portable kernels by itself. All matrices are row-major.

use gemm::Parallelism;

/// Multiply-adds below which a product stays on the calling thread.
const SMALL: usize = 1 << 20;

/// y = x · wᵀ, with x `[rows, inputs]`, w `[outputs, inputs]` and y `[rows, outputs]`. A row of y has the same
/// bits whatever the other rows are.
///
/// # Panics
/// If a slice has not the size its shape says.
pub fn linear_forward(x: &[f32], w: &[f32], y: &mut [f32], rows: usize, inputs: usize, outputs: usize) {
    assert!(x.len() == rows * inputs && w.len() == outputs * inputs && y.len() == rows * outputs);
    if rows == 1 || outputs == 1 {
        // The crate sums a single row or column in another order; a second, equal one takes that path away.
        let x2 = if rows == 1 { [x, x].concat() } else { x.to_vec() };
        let w2 = if outputs == 1 { [w, w].concat() } else { w.to_vec() };
        let (m, n) = (rows.max(2), outputs.max(2));
        let mut y2 = vec![0.0; m * n];
        product(m, n, inputs, &mut y2, (n, 1), &x2, (inputs, 1), &w2, (1, inputs), false);
        for (row, from) in y.chunks_mut(outputs).zip(y2.chunks(n)) {
            row.copy_from_slice(&from[..outputs]);
        }
        return;
    }
    product(rows, outputs, inputs, y, (outputs, 1), x, (inputs, 1), w, (1, inputs), false);
}

/// dx = dy · w, or dx += dy · w where `accumulate`.
///
/// # Panics
/// If a slice has not the size its shape says.
pub fn linear_backward_input(
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
    (rows, inputs, outputs): (usize, usize, usize),
    accumulate: bool,
) {
    assert!(dx.len() == rows * inputs && w.len() == outputs * inputs && dy.len() == rows * outputs);
    product(rows, inputs, outputs, dx, (inputs, 1), dy, (outputs, 1), w, (inputs, 1), accumulate);
}

/// dw = dyᵀ · x, or dw += dyᵀ · x where `accumulate`.
///
/// # Panics
/// If a slice has not the size its shape says.
pub fn linear_backward_weight(
    dy: &[f32],
    x: &[f32],
    dw: &mut [f32],
    (rows, inputs, outputs): (usize, usize, usize),
    accumulate: bool,
) {
    assert!(x.len() == rows * inputs && dw.len() == outputs * inputs && dy.len() == rows * outputs);
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
