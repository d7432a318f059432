//! Multi-head self-attention over a ragged batch.

use std::sync::Arc;

use filbert_kernels::{AttentionShape, Dropout, Queries, attention_backward, attention_forward};

use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, Tape, Tensor, Var};

struct Saved {
    inputs: [(Arc<Tensor>, Option<NodeId>); 3],
    out: Arc<Tensor>,
    log_sums: Tensor,
    offsets: Arc<[u32]>,
    heads: usize,
    queries: Queries,
    dropout: Dropout,
}

impl Tape<'_> {
    /// softmax(q · kᵀ / √d) · v, head by head within each sequence, `[tokens, width]`. `offsets` says where each
    /// sequence starts, and the number of tokens at the end; `p` is the dropout of the probabilities. With
    /// [`Queries::First`], q and the result have one row per sequence, its first token's.
    ///
    /// # Errors
    /// If the shapes or the offsets do not fit, or the heads do not divide the width.
    pub fn attention(
        &mut self,
        [q, k, v]: [&Var; 3],
        offsets: &Arc<[u32]>,
        (heads, queries): (usize, Queries),
        p: f32,
    ) -> Result<Var, Error> {
        let _timer = self.time("attention");
        let dropout = self.next_dropout(p);
        let (tokens, width) = (k.value.rows(), k.value.cols());
        check_offsets("attention", offsets, tokens)?;
        let asking = if queries == Queries::All { tokens } else { offsets.len().saturating_sub(1) };
        if queries == Queries::First && offsets.windows(2).any(|w| w[0] == w[1]) {
            return Err(Error::Shape { op: "attention", what: "an empty sequence", got: 0, wanted: 1 });
        }
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::Shape { op: "attention", what: "heads", got: heads, wanted: width });
        }
        for (what, x, rows) in [("queries", q, asking), ("values", v, tokens)] {
            if x.value.rows() != rows || x.value.cols() != width {
                return Err(Error::Shape { op: "attention", what, got: x.value.len(), wanted: rows * width });
            }
        }
        let isa = self.context.isa();
        let shape = AttentionShape { offsets, width, heads, queries, dropout };
        let mut out = self.context.scratch(asking, width);
        let inputs = (&q.value[..], &k.value[..], &v.value[..]);
        if !self.records(&[q, k, v], &[]) {
            attention_forward(isa, inputs, shape, &mut out, None);
            return Ok(Var::constant(out));
        }
        let mut log_sums = self.context.scratch(heads, asking);
        attention_forward(isa, inputs, shape, &mut out, Some(&mut log_sums));
        let out = Arc::new(out);
        let inputs = [q, k, v].map(|x| (Arc::clone(&x.value), x.node));
        let saved = Saved {
            inputs,
            out: Arc::clone(&out),
            log_sums,
            offsets: Arc::clone(offsets),
            heads,
            queries,
            dropout,
        };
        Ok(self.push_shared(out, saved))
    }
}

/// Offsets start at 0, ascend and end at the number of tokens.
pub(super) fn check_offsets(op: &'static str, offsets: &[u32], tokens: usize) -> Result<(), Error> {
    let last = offsets.last().map_or(0, |&n| n as usize);
    let ordered = offsets.first().is_none_or(|&n| n == 0) && offsets.windows(2).all(|w| w[0] <= w[1]);
    if last != tokens || !ordered {
        return Err(Error::Shape { op, what: "offsets", got: last, wanted: tokens });
    }
    Ok(())
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let (asking, width) = (dy.rows(), dy.cols());
        let Self { offsets, heads, queries, dropout, .. } = &*self;
        let shape = AttentionShape { offsets, width, heads: *heads, queries: *queries, dropout: *dropout };
        let [(q, q_node), (k, k_node), (v, v_node)] = &self.inputs;
        let mut dq = pass.context.scratch(asking, width);
        let [mut dk, mut dv] = [(); 2].map(|()| pass.context.scratch(k.rows(), width));
        attention_backward(
            pass.context.isa(),
            (q, k, v),
            (&self.out, &self.log_sums, &dy),
            shape,
            (&mut dq, &mut dk, &mut dv),
        );
        pass.add(*q_node, dq);
        pass.add(*k_node, dk);
        pass.add(*v_node, dv);
    }
}
