//! What the inputs of linear layers are like: the mean square of each column, by weight. Storing a weight in few bits can then
//! keep those of its columns best that are multiplied by the most.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{ParamId, Tensor};

/// Sums of squares of each column, and the rows they are of.
type Sums = BTreeMap<usize, (Vec<f64>, u64)>;

/// Collects mean squares while operations run. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Inputs(Arc<Mutex<Sums>>);

impl Inputs {
    /// Adds the rows of `x`, which the weight at `id` is multiplied by.
    pub(crate) fn add(&self, id: ParamId, x: &Tensor) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (sums, rows) = all.entry(id.index()).or_insert_with(|| (vec![0.0; x.cols()], 0));
        for row in x.chunks_exact(x.cols().max(1)) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += f64::from(*x) * f64::from(*x);
            }
        }
        *rows += x.rows() as u64;
    }

    /// The mean square of each column that the weight at `id` was multiplied by; none where it was not.
    pub fn mean_squares(&self, id: ParamId) -> Option<Vec<f32>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (sums, rows) = all.get(&id.index()).filter(|(_, rows)| *rows > 0)?;
        Some(sums.iter().map(|sum| (sum / *rows as f64) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Inputs, ParamId, Tensor};

    #[test]
    fn means_of_squares() {
        let inputs = Inputs::default();
        let id = ParamId(3);
        assert!(inputs.mean_squares(id).is_none());
        inputs.add(id, &Tensor::from_vec(vec![1.0, 2.0, 3.0, 0.0], 2, 2));
        inputs.clone().add(id, &Tensor::from_vec(vec![2.0, 1.0], 1, 2));
        let wanted = [14.0 / 3.0, 5.0 / 3.0];
        assert!(inputs.mean_squares(id).unwrap().iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6));
        assert!(inputs.mean_squares(ParamId(0)).is_none());
    }
}
