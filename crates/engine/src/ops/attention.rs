//! Multi-head self-attention over a ragged batch.

use std::sync::Arc;

use filbert_kernels::{AttentionShape, Dropout, attention_backward, attention_forward};

use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, Tape, Tensor, Var};

struct Saved {
    inputs: [(Arc<Tensor>, Option<NodeId>); 3],
    out: Arc<Tensor>,
    log_sums: Tensor,
    offsets: Arc<[u32]>,
    heads: usize,
    dropout: Dropout,
}

impl Tape<'_> {
    /// softmax(q · kᵀ / √d) · v, head by head within each sequence, `[tokens, width]`. `offsets` says where each
    /// sequence starts, and the number of tokens at the end; `p` is the dropout of the probabilities.
    ///
    /// # Errors
    /// If the shapes or the offsets do not fit, or the heads do not divide the width.
    pub fn attention(
        &mut self,
        [q, k, v]: [&Var; 3],
        offsets: &Arc<[u32]>,
        heads: usize,
        p: f32,
    ) -> Result<Var, Error> {
        let dropout = self.next_dropout(p);
        let (tokens, width) = (q.value.rows(), q.value.cols());
        check_offsets("attention", offsets, tokens)?;
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::Shape { op: "attention", what: "heads", got: heads, wanted: width });
        }
        for (what, x) in [("keys", k), ("values", v)] {
            if x.value.len() != q.value.len() {
                return Err(Error::Shape {
                    op: "attention",
                    what,
                    got: x.value.len(),
                    wanted: q.value.len(),
                });
            }
        }
        let isa = self.context.isa();
        let shape = AttentionShape { offsets, width, heads, dropout };
        let mut out = self.context.scratch(tokens, width);
        let inputs = (&q.value[..], &k.value[..], &v.value[..]);
        if !self.records(&[q, k, v], &[]) {
            attention_forward(isa, inputs, shape, &mut out, None);
            return Ok(Var::constant(out));
        }
        let mut log_sums = self.context.scratch(heads, tokens);
        attention_forward(isa, inputs, shape, &mut out, Some(&mut log_sums));
        let out = Arc::new(out);
        let inputs = [q, k, v].map(|x| (Arc::clone(&x.value), x.node));
        let saved =
            Saved { inputs, out: Arc::clone(&out), log_sums, offsets: Arc::clone(offsets), heads, dropout };
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
    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let (tokens, width) = (dy.rows(), dy.cols());
        let shape =
            AttentionShape { offsets: &self.offsets, width, heads: self.heads, dropout: self.dropout };
        let [mut dq, mut dk, mut dv] = [(); 3].map(|()| pass.context.scratch(tokens, width));
        let [(q, q_node), (k, k_node), (v, v_node)] = &self.inputs;
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
