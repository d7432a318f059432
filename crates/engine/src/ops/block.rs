//! The two halves of a post-norm layer that follow attention. With weights of few bits and enough rows, each is one pass that
//! stays in a core's cache; else they are made of their operations, with the same result.

use filbert_kernels::{
    Activation, FUSED_ROWS, FeedForward, LayerInt8, LinearNorm, NormShape, feed_forward_norm_int8,
    linear_norm_int8, linears_int8,
};

use crate::params::Int8Weight;
use crate::{Error, Linear, Norm, Tape, Var};

impl<'a> Tape<'a> {
    /// Three layers with the same input: queries, keys and values.
    ///
    /// # Errors
    /// If x has not as many columns as a weight has inputs.
    pub fn linear_three(&mut self, x: &Var, layers: [Linear; 3]) -> Result<[Var; 3], Error> {
        let packed = layers.map(|layer| self.fused_weight(layer, x.value.cols()));
        let (false, [Some(q), Some(k), Some(v)]) = (self.records(&[x], &[]), &packed) else {
            let [q, k, v] = layers;
            return Ok([
                self.linear(x, q, Activation::Identity)?,
                self.linear(x, k, Activation::Identity)?,
                self.linear(x, v, Activation::Identity)?,
            ]);
        };
        let (context, params) = (self.context, self.params);
        let quantized = {
            let _timer = self.time("quantize");
            x.quantized(context.isa())
        };
        let _timer = self.time("linear, int8");
        let room = |weight: &Int8Weight| context.scratch(x.value.rows(), weight.outputs());
        let [mut a, mut b, mut c] = [room(q), room(k), room(v)];
        let [bias_q, bias_k, bias_v] = layers.map(|layer| layer.bias.map(|bias| params.value(bias)));
        let all: [LayerInt8<'_>; 3] = [(q, bias_q, &mut a), (k, bias_k, &mut b), (v, bias_v, &mut c)];
        linears_int8(context.isa(), context.int8(), quantized, all, Activation::Identity);
        Ok([a, b, c].map(Var::constant))
    }

    /// LayerNorm(dropout(x · wᵀ + b) + residual) of every row.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn linear_norm(
        &mut self,
        x: &Var,
        layer: Linear,
        residual: &Var,
        norm: Norm,
        p: f32,
    ) -> Result<Var, Error> {
        let fused = self.fused(x, layer, residual, norm, p).filter(|f| f.0.inputs() == x.value.cols());
        let Some((weight, norm_shape)) = fused else {
            let y = self.linear(x, layer, Activation::Identity)?;
            return self.norm(&y, Some(residual), norm, p);
        };
        let (context, params) = (self.context, self.params);
        let quantized = {
            let _timer = self.time("quantize");
            x.quantized(context.isa())
        };
        // The operations one by one would have counted this site.
        let _ = self.next_dropout(p);
        let _timer = self.time("linear + norm, int8");
        let bias = layer.bias.map(|bias| params.value(bias));
        let outer = LinearNorm { weight: &weight, bias, residual: &residual.value, norm: norm_shape };
        let mut y = context.scratch(residual.value.rows(), residual.value.cols());
        let int8 = linear_norm_int8(context.isa(), context.int8(), quantized, outer, &mut y);
        Ok(Var::with_int8(y, int8))
    }

    /// LayerNorm(dropout(act(x · w₁ᵀ + b₁) · w₂ᵀ + b₂) + x) of every row.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn feed_forward_norm(
        &mut self,
        x: &Var,
        [inner, outer]: [Linear; 2],
        activation: Activation,
        norm: Norm,
        p: f32,
    ) -> Result<Var, Error> {
        let second = self.fused(x, outer, x, norm, p);
        let first = second.as_ref().and_then(|_| self.fused_weight(inner, x.value.cols()));
        let second = second.filter(|s| first.as_ref().is_some_and(|f| f.outputs() == s.0.inputs()));
        let (Some(first), Some((second, norm_shape))) = (first, second) else {
            let between = self.linear(x, inner, activation)?;
            let y = self.linear(&between, outer, Activation::Identity)?;
            drop(between);
            return self.norm(&y, Some(x), norm, p);
        };
        let (context, params) = (self.context, self.params);
        let quantized = {
            let _timer = self.time("quantize");
            x.quantized(context.isa())
        };
        let _ = self.next_dropout(p);
        let _timer = self.time("feed-forward, int8");
        let bias = |layer: Linear| layer.bias.map(|bias| params.value(bias));
        let inner = FeedForward { weight: &first, bias: bias(inner), activation };
        let outer = LinearNorm { weight: &second, bias: bias(outer), residual: &x.value, norm: norm_shape };
        let mut y = context.scratch(x.value.rows(), x.value.cols());
        let int8 = feed_forward_norm_int8(context.isa(), context.int8(), quantized, inner, outer, &mut y);
        Ok(Var::with_int8(y, int8))
    }

    /// The layer's weight, packed in int8, where the layer has no adapter and nothing is remembered for a way back.
    fn fused_weight(&self, layer: Linear, inputs: usize) -> Option<Int8Weight> {
        let matrix = self.params.quantized(layer.weight).filter(|_| layer.adapter.is_none())?;
        let outputs = matrix.rows();
        let fits =
            matrix.columns() == inputs && layer.bias.is_none_or(|b| self.params.value(b).len() == outputs);
        let plain = !self.records(&[], &[layer.bias.unwrap_or(layer.weight)]);
        (fits && plain).then(|| self.params.packed_int8(layer.weight, matrix, self.context.isa()))
    }

    /// The same with the norm after it, where there are rows enough and no dropout; shapes that do not fit are left to the
    /// operations that refuse them.
    fn fused(
        &self,
        x: &Var,
        layer: Linear,
        residual: &Var,
        norm: Norm,
        p: f32,
    ) -> Option<(Int8Weight, NormShape<'a>)> {
        let inputs = self.params.get(layer.weight).width();
        let (rows, outputs) = (residual.value.rows(), residual.value.cols());
        let params = self.params;
        let (gamma, beta) = (params.value(norm.gamma), params.value(norm.beta));
        let fits = x.value.rows() == rows && gamma.len() == outputs && beta.len() == outputs;
        let plain = !self.drops(p) && !self.records(&[x, residual], &[norm.gamma, norm.beta]);
        if rows < FUSED_ROWS
            || !fits
            || !plain
            || self.params.get(layer.weight).shape.first() != Some(&outputs)
        {
            return None;
        }
        Some((self.fused_weight(layer, inputs)?, NormShape { gamma, beta, eps: norm.eps }))
    }
}
