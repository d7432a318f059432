//! From one row per token to one row per sequence.

use std::sync::Arc;

use super::attention::check_offsets;
use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, Tape, Tensor, Var};

/// How a sequence's rows become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The first token's.
    First,
    /// The mean over all tokens.
    Mean,
}

struct Saved {
    input: Option<NodeId>,
    offsets: Arc<[u32]>,
    pooling: Pooling,
    tokens: usize,
}

impl Tape<'_> {
    /// One row per sequence, `[sequences, width]`.
    ///
    /// # Errors
    /// If the offsets do not fit, or a sequence is empty.
    pub fn pool(&mut self, x: &Var, offsets: &Arc<[u32]>, pooling: Pooling) -> Result<Var, Error> {
        let _timer = self.time("pool");
        let (tokens, width) = (x.value.rows(), x.value.cols());
        check_offsets("pool", offsets, tokens)?;
        let mut y = self.context.scratch(offsets.len().saturating_sub(1), width);
        for (i, (range, y)) in ranges(offsets).zip(y.chunks_exact_mut(width)).enumerate() {
            if range.is_empty() {
                return Err(Error::Index {
                    op: "pool",
                    what: "an empty sequence at",
                    index: i,
                    limit: offsets.len(),
                });
            }
            y.copy_from_slice(x.value.row(range.start));
            if pooling == Pooling::Mean {
                for token in range.start + 1..range.end {
                    y.iter_mut().zip(x.value.row(token)).for_each(|(y, x)| *y += x);
                }
                let factor = 1.0 / range.len() as f32;
                for y in y.iter_mut() {
                    *y *= factor;
                }
            }
        }
        if !self.records(&[x], &[]) {
            return Ok(Var::constant(y));
        }
        Ok(self.push(y, Saved { input: x.node, offsets: Arc::clone(offsets), pooling, tokens }))
    }
}

fn ranges(offsets: &[u32]) -> impl Iterator<Item = std::ops::Range<usize>> {
    offsets.windows(2).map(|w| w[0] as usize..w[1] as usize)
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let width = dy.cols();
        let mut dx = pass.context.zeros(self.tokens, width);
        for (range, dy) in ranges(&self.offsets).zip(dy.chunks_exact(width)) {
            match self.pooling {
                Pooling::First => dx[range.start * width..][..width].copy_from_slice(dy),
                Pooling::Mean => {
                    let factor = 1.0 / range.len() as f32;
                    for token in range {
                        dx[token * width..][..width]
                            .iter_mut()
                            .zip(dy)
                            .for_each(|(dx, dy)| *dx = dy * factor);
                    }
                }
            }
        }
        pass.add(self.input, dx);
    }
}
