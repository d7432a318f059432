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

impl Pool {
    /// A matrix whose elements have whatever value was there.
    pub(crate) fn take(self: &Arc<Self>, rows: usize, cols: usize) -> Tensor {
        let len = rows * cols;
        let mut data = self.find(len).unwrap_or_default();
        if data.len() < len {
            data.resize(len, 0.0);
        } else {
            data.truncate(len);
        }
        Tensor { data, rows, cols, pool: Some(Arc::clone(self)) }
    }

    /// The smallest free buffer that holds `len` elements and at most half as many again.
    fn find(&self, len: usize) -> Option<Vec<f32>> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (&capacity, _) = free.range(len..=len + len / 2).next()?;
        let of_this = free.get_mut(&capacity)?;
        let buffer = of_this.pop();
        if of_this.is_empty() {
            free.remove(&capacity);
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
        assert_eq!(pool.take(2, 2).len(), 4, "a much smaller one does not");
        pool.clear();
        assert!(pool.0.lock().unwrap().is_empty());
    }
}
