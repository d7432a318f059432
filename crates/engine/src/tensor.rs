//! A matrix of f32 whose buffer goes back to a pool when it is dropped, so that a step of training reuses the
//! memory of the one before.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// A row-major matrix `[rows, cols]`.
#[derive(Debug)]
pub struct Tensor {
    data: Vec<f32>,
    rows: usize,
    cols: usize,
    pool: Option<Arc<Pool>>,
}

impl Tensor {
    /// A matrix of the given values.
    ///
    /// # Panics
    /// If `data` has not `rows * cols` elements.
    pub fn from_vec(data: Vec<f32>, rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a [{rows}, {cols}] matrix");
        Self { data, rows, cols, pool: None }
    }

    /// Rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }
}

impl Deref for Tensor {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data
    }
}

impl DerefMut for Tensor {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give(std::mem::take(&mut self.data));
        }
    }
}

/// Buffers that are free, by capacity.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<BTreeMap<usize, Vec<Vec<f32>>>>);

/// Capacities are rounded up to quarters of a power of two, so that batches of nearly equal size share buffers.
fn class(len: usize) -> usize {
    let step = (len.max(64) / 4).next_power_of_two() / 2;
    len.max(1).next_multiple_of(step.max(16))
}

impl Pool {
    /// A matrix whose elements have whatever value was there.
    pub(crate) fn take(self: &Arc<Self>, rows: usize, cols: usize) -> Tensor {
        let len = rows * cols;
        let mut data = self.find(class(len)).unwrap_or_else(|| Vec::with_capacity(class(len)));
        if data.len() < len {
            data.resize(len, 0.0);
        } else {
            data.truncate(len);
        }
        Tensor { data, rows, cols, pool: Some(Arc::clone(self)) }
    }

    /// The smallest free buffer of at least `capacity` elements and at most twice as many.
    fn find(&self, capacity: usize) -> Option<Vec<f32>> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (&found, _) = free.range(capacity..=2 * capacity).next()?;
        let of_this = free.get_mut(&found)?;
        let buffer = of_this.pop();
        if of_this.is_empty() {
            free.remove(&found);
        }
        buffer
    }

    fn give(&self, data: Vec<f32>) {
        if data.capacity() > 0 {
            let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            free.entry(data.capacity()).or_default().push(data);
        }
    }

    /// Frees every buffer that is not in use.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_taken_again() {
        let pool = Arc::new(Pool::default());
        let first = pool.take(10, 10);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(pool.take(9, 10).as_ptr(), address, "a slightly smaller one reuses it");
        assert!(
            [1, 63, 64, 65, 1000, 4097].iter().all(|&n| class(n) >= n && class(n) <= n.max(64) * 5 / 4 + 16)
        );
        assert_eq!(pool.take(2, 2).len(), 4, "a much smaller one does not");
        pool.clear();
        assert!(pool.0.lock().unwrap().is_empty());
    }
}
