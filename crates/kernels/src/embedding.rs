//! Embedding tables: rows gathered on the way in, gradients summed by row on the way back.

use rayon::prelude::*;

use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ROWS, for_pieces};

/// Adds row `ids[i]` of `table` to row i of `out`.
///
/// # Panics
/// If `out` has not `ids.len()` rows of `width`, or an id has no row in the table.
pub fn gather_add(isa: Isa, out: &mut [f32], table: &[f32], ids: &[u32], width: usize) {
    assert!(width > 0 && out.len() == ids.len() * width);
    for_pieces(out, CHUNK_ROWS * width, |i, rows| {
        for (row, &id) in rows.chunks_exact_mut(width).zip(&ids[i * CHUNK_ROWS..]) {
            let from = id as usize * width;
            add(isa, row, &table[from..from + width]);
        }
    });
}

/// Sums the rows of `dy` that have the same id: returns the ids that occur, in ascending order, and a row of sums
/// for each. Rows with the id `skip` are left out.
///
/// # Panics
/// If `dy` has not `ids.len()` rows of `width`.
pub fn sum_rows_by_index(
    isa: Isa,
    dy: &[f32],
    ids: &[u32],
    width: usize,
    skip: Option<u32>,
) -> (Vec<u32>, Vec<f32>) {
    assert!(width > 0 && dy.len() == ids.len() * width);
    let mut order: Vec<(u32, u32)> =
        ids.iter().zip(0u32..).filter(|(id, _)| Some(**id) != skip).map(|(&id, row)| (id, row)).collect();
    order.sort_unstable();
    let groups: Vec<&[(u32, u32)]> = order.chunk_by(|a, b| a.0 == b.0).collect();
    let mut sums = vec![0.0f32; groups.len() * width];
    sums.par_chunks_mut(width).zip(&groups).with_min_len(CHUNK_ROWS).for_each(|(sum, group)| {
        for &(_, row) in *group {
            let from = row as usize * width;
            add(isa, sum, &dy[from..from + width]);
        }
    });
    (groups.iter().map(|group| group[0].0).collect(), sums)
}

multiversion! { fn add(a: &mut [f32], b: &[f32]) = add_body; }

#[inline(always)]
fn add_body<F: MulAdd>(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}
