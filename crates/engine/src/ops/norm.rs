//! Dropout, residual and LayerNorm in one operation.

use filbert_kernels::{Dropout, NormShape, norm_backward, norm_forward, norm_forward_int8};

use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, ParamId, Tape, Tensor, Var};

/// The parameters of a LayerNorm.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Scale, `[width]`.
    pub gamma: ParamId,
    /// Shift, `[width]`.
    pub beta: ParamId,
    /// Added to the variance.
    pub eps: f32,
}

pub(super) struct Saved {
    pub(super) norm: Norm,
    pub(super) dropout: Dropout,
    pub(super) normal: Tensor,
    pub(super) scale: Tensor,
    pub(super) x: Option<NodeId>,
    pub(super) residual: Option<NodeId>,
}

impl Tape<'_> {
    /// LayerNorm(dropout(x) + residual) of every row, `[rows, width]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn norm(&mut self, x: &Var, residual: Option<&Var>, norm: Norm, p: f32) -> Result<Var, Error> {
        let _timer = self.time("norm");
        let dropout = self.next_dropout(p);
        let (rows, width) = (x.value.rows(), x.value.cols());
        let (gamma, beta) = (self.params.value(norm.gamma), self.params.value(norm.beta));
        for (what, got) in [("gamma", gamma.len()), ("beta", beta.len())] {
            if got != width {
                return Err(Error::Shape { op: "norm", what, got, wanted: width });
            }
        }
        if let Some(r) = residual.filter(|r| r.value.rows() != rows || r.value.cols() != width) {
            return Err(Error::Shape {
                op: "norm",
                what: "residual",
                got: r.value.len(),
                wanted: rows * width,
            });
        }
        let isa = self.context.isa();
        let shape = NormShape { gamma, beta, eps: norm.eps };
        let mut y = self.context.scratch(rows, width);
        let inputs: Vec<&Var> = std::iter::once(x).chain(residual).collect();
        let r = residual.map(|r| &r.value[..]);
        if !self.records(&inputs, &[norm.gamma, norm.beta]) {
            if self.params.has_quantized() && dropout.is_none() {
                // The next layers read the rows in int8; they are made while they are in cache.
                let int8 = norm_forward_int8(isa, &x.value, r, shape, &mut y);
                return Ok(Var::with_int8(y, int8));
            }
            norm_forward(isa, &x.value, r, dropout, shape, &mut y, None);
            return Ok(Var::constant(y));
        }
        let (mut normal, mut scale) = (self.context.scratch(rows, width), self.context.scratch(rows, 1));
        norm_forward(isa, &x.value, r, dropout, shape, &mut y, Some((&mut normal, &mut scale)));
        let saved =
            Saved { norm, dropout, normal, scale, x: x.node, residual: residual.and_then(|r| r.node) };
        Ok(self.push(y, saved))
    }
}

impl Saved {
    /// Adds the gradients of scale and shift, and returns that of the sum under the norm, and that of x.
    pub(super) fn run(&self, dy: &Tensor, pass: &mut Pass<'_>) -> (Tensor, Option<Tensor>) {
        let (rows, width) = (dy.rows(), dy.cols());
        let params = pass.params;
        let mut dh = pass.context.scratch(rows, width);
        let mut dx = (!self.dropout.is_none() && self.x.is_some()).then(|| pass.context.scratch(rows, width));
        let trains = params.trains(self.norm.gamma) || params.trains(self.norm.beta);
        let (mut dgamma, mut dbeta) = (vec![0.0; width], vec![0.0; width]);
        norm_backward(
            pass.context.isa(),
            dy,
            (&self.normal, &self.scale),
            params.value(self.norm.gamma),
            self.dropout,
            &mut dh,
            dx.as_deref_mut(),
            trains.then_some((&mut dgamma[..], &mut dbeta[..])),
        );
        for (id, sums) in [(self.norm.gamma, &dgamma), (self.norm.beta, &dbeta)] {
            if params.trains(id) {
                let isa = pass.context.isa();
                pass.gradients.dense_sum(id, width, |to| filbert_kernels::add_assign(isa, to, sums));
            }
        }
        (dh, dx)
    }
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let (dh, dx) = self.run(&dy, pass);
        match dx {
            Some(dx) => pass.add(self.x, dx),
            // Without dropout x and the residual have the same gradient.
            None if self.residual.is_some() => {
                if let Some(x) = self.x {
                    let (mut to, adds) = pass.take(x, (dh.rows(), dh.cols()));
                    if adds {
                        filbert_kernels::add_assign(pass.context.isa(), &mut to, &dh);
                    } else {
                        to.copy_from_slice(&dh);
                    }
                    pass.put(x, to);
                }
            }
            None => return pass.add(self.x, dh),
        }
        pass.add(self.residual, dh);
    }
}
