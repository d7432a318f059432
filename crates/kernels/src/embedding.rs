//! Embedding tables: rows gathered on the way in, gradients summed by row on the way back.

use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ROWS, Pieces, for_pieces, tasks_unless};

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

/// Rows of a table and a sum for each, with the memory to form them again and again.
#[derive(Clone, Debug, Default)]
pub struct RowSums {
    /// The rows that occur, ascending.
    pub rows: Vec<u32>,
    /// A row of sums for each.
    pub sums: Vec<f32>,
    order: Vec<(u32, u32)>,
    starts: Vec<usize>,
}

impl RowSums {
    /// Sums the rows of `dy` that have the same id. Rows with the id `skip` are left out.
    ///
    /// # Panics
    /// If `dy` has not `ids.len()` rows of `width`.
    pub fn form(&mut self, isa: Isa, dy: &[f32], ids: &[u32], width: usize, skip: Option<u32>) {
        /// Sums of one task.
        const GROUP: usize = 16;
        assert!(width > 0 && dy.len() == ids.len() * width);
        let Self { rows, sums, order, starts } = self;
        order.clear();
        order.extend(ids.iter().zip(0u32..).filter(|(id, _)| Some(**id) != skip).map(|(&id, row)| (id, row)));
        order.sort_unstable();
        rows.clear();
        starts.clear();
        for (i, &(id, _)) in order.iter().enumerate() {
            if rows.last() != Some(&id) {
                rows.push(id);
                starts.push(i);
            }
        }
        starts.push(order.len());
        sums.clear();
        sums.resize(rows.len() * width, 0.0);
        let (order, starts) = (&*order, &*starts);
        let pieces = Pieces::new(sums, GROUP * width);
        tasks_unless(order.len() < CHUNK_ROWS, pieces.count(), |i| {
            // SAFETY: each task takes the piece of its own number, once.
            let sums = unsafe { pieces.get(i) };
            for (sum, range) in sums.chunks_exact_mut(width).zip(starts[i * GROUP..].windows(2)) {
                for &(_, row) in &order[range[0]..range[1]] {
                    let from = row as usize * width;
                    add(isa, sum, &dy[from..from + width]);
                }
            }
        });
    }
}

multiversion! { fn add(a: &mut [f32], b: &[f32]) = add_body; }

#[inline(always)]
fn add_body<F: MulAdd>(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}
