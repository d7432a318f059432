//! The input of an encoder: word, position and token-type embeddings, summed and normalized.

use std::sync::Arc;

use filbert_kernels::quant::fake_quantize;
use filbert_kernels::{add_assign, gather_add};

use super::norm;
use crate::tape::{Backward, Pass};
use crate::{Error, Norm, ParamId, Tape, Tensor, Var};

/// The tables of an encoder's input.
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// `[vocabulary, width]`.
    pub word: ParamId,
    /// `[positions, width]`.
    pub position: ParamId,
    /// `[types, width]`.
    pub token_type: Option<ParamId>,
    /// The norm over their sum.
    pub norm: Norm,
    /// The word id whose row is never trained.
    pub padding: Option<u32>,
}

/// A trained table, the rows that were read, and the row that is never trained.
type Table = (ParamId, Arc<[u32]>, Option<u32>);

struct Saved {
    tables: [Option<Table>; 3],
    norm: norm::Saved,
}

impl Tape<'_> {
    /// `LayerNorm(word[ids] + position[positions] + type[types])`, `[tokens, width]`. Tables that are trained for few bits are
    /// read as they come back from there.
    ///
    /// # Errors
    /// If the lists differ in length or an id has no row in its table.
    pub fn embed(
        &mut self,
        tables: Embedding,
        ids: &Arc<[u32]>,
        positions: &Arc<[u32]>,
        types: &Arc<[u32]>,
    ) -> Result<Var, Error> {
        let _timer = self.time("embedding");
        let width = self.params.get(tables.word).width();
        let parts = [
            Some((tables.word, Arc::clone(ids), tables.padding, "word id")),
            Some((tables.position, Arc::clone(positions), None, "position")),
            tables.token_type.map(|t| (t, Arc::clone(types), None, "token type")),
        ];
        let isa = self.context.isa();
        let mut sum = self.context.zeros(ids.len(), width);
        for (table, rows, _, what) in parts.iter().flatten() {
            let param = self.params.get(*table);
            check(rows, ids.len(), param.count() / width.max(1), what)?;
            if param.width() != width {
                return Err(Error::Shape {
                    op: "embedding",
                    what: "table",
                    got: param.width(),
                    wanted: width,
                });
            }
            match (&param.quantized, param.fake) {
                (Some(matrix), _) => matrix.gather_add(isa, &mut sum, rows),
                // Where the table is about to change and has more rows than are read, only those are rounded.
                (None, Some(scheme))
                    if self.changes(*table)
                        && !param.rows_share_scales()
                        && rows.len() * width < param.value.len() =>
                {
                    let mut read = self.context.zeros(rows.len(), width);
                    gather_add(isa, &mut read, &param.value, rows, width);
                    let mut rounded = self.context.scratch(rows.len(), width);
                    fake_quantize(isa, scheme, &read, width, &mut rounded);
                    add_assign(isa, &mut sum, &rounded);
                }
                (None, _) => gather_add(isa, &mut sum, self.params.read(*table, self.context), rows, width),
            }
        }
        let trained: Vec<ParamId> = parts.iter().flatten().map(|p| p.0).collect();
        let sum = Var::constant(sum);
        if !self.records(&[], &trained) {
            return self.norm(&sum, None, tables.norm, 0.0);
        }
        let dropout = self.next_dropout(0.0);
        let (gamma, beta) = (self.params.value(tables.norm.gamma), self.params.value(tables.norm.beta));
        if gamma.len() != width || beta.len() != width {
            return Err(Error::Shape { op: "embedding", what: "norm", got: gamma.len(), wanted: width });
        }
        let shape = filbert_kernels::NormShape { gamma, beta, eps: tables.norm.eps };
        let [mut y, mut normal] = [(); 2].map(|()| self.context.scratch(ids.len(), width));
        let mut scale = self.context.scratch(ids.len(), 1);
        let saved = Some((&mut normal[..], &mut scale[..]));
        filbert_kernels::norm_forward(isa, &sum.value, None, dropout, shape, &mut y, saved);
        let norm = norm::Saved { norm: tables.norm, dropout, normal, scale, x: None, residual: None };
        let tables =
            parts.map(|p| p.filter(|p| self.params.trains(p.0)).map(|(id, rows, skip, _)| (id, rows, skip)));
        Ok(self.push(y, Saved { tables, norm }))
    }
}

fn check(rows: &[u32], tokens: usize, limit: usize, what: &'static str) -> Result<(), Error> {
    if rows.len() != tokens {
        return Err(Error::Shape { op: "embedding", what, got: rows.len(), wanted: tokens });
    }
    match rows.iter().find(|&&row| row as usize >= limit) {
        Some(&row) => Err(Error::Index { op: "embedding", what, index: row as usize, limit }),
        None => Ok(()),
    }
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let isa = pass.context.isa();
        let (d_sum, _) = self.norm.run(&dy, pass);
        for (id, rows, skip) in self.tables.into_iter().flatten() {
            let param = pass.params.get(id);
            let width = param.width();
            let mut sums = pass.gradients.spare_rows(id);
            sums.form(isa, &d_sum, &rows, width, skip);
            if param.row_sparse {
                pass.gradients.add_rows(isa, id, sums, width);
            } else {
                pass.gradients.dense_sum(id, param.value.len(), |all| {
                    for (row, sum) in sums.rows.iter().zip(sums.sums.chunks_exact(width)) {
                        let at = *row as usize * width;
                        filbert_kernels::add_assign(isa, &mut all[at..at + width], sum);
                    }
                });
                pass.gradients.keep_rows(sums);
            }
        }
    }
}
