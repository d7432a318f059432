//! From a checkpoint's tensors to named parameters: old names and missing prefixes are understood, and what the
//! checkpoint lacks and may lack starts new.

use std::collections::BTreeSet;
use std::sync::Arc;

use filbert_engine::{Linear, Norm, Param, ParamId, Params};

use crate::architecture::Architecture;
use crate::error::{Error, Result, quoted};
use crate::quantized::METADATA_KEY;
use crate::safetensors::Checkpoint;

/// Below this many rows of an embedding table, whole-table updates are cheaper than bookkeeping by row.
pub(crate) const SPARSE_ROWS: usize = 4_096;

/// What loading a checkpoint did beside reading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that the checkpoint lacks or that do not fit the labels, and that start new.
    pub new: Vec<String>,
    /// Tensors of the checkpoint that the model has no use for.
    pub skipped: Vec<String>,
}

/// What another network has under a name.
type Given<'a> = &'a dyn Fn(&str) -> Option<&'a [f32]>;

/// Builds a model's parameters one after the other.
pub(crate) struct Builder<'a> {
    /// None makes every weight new that is not given.
    checkpoint: Option<&'a Checkpoint>,
    /// Values by name, from another network.
    given: Option<Given<'a>>,
    prefix: &'a str,
    range: f64,
    random: Random,
    params: Params,
    report: LoadReport,
    used: BTreeSet<String>,
    /// The checkpoint's matrices of few bits that the model has.
    few: BTreeSet<String>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(
        checkpoint: Option<&'a Checkpoint>,
        facts: &'a Architecture,
        range: f64,
        seed: u64,
    ) -> Self {
        Self {
            checkpoint,
            given: None,
            prefix: facts.prefix,
            range,
            random: Random(seed),
            params: Params::default(),
            report: LoadReport::default(),
            used: BTreeSet::new(),
            few: BTreeSet::new(),
        }
    }

    /// With the values that `given` has; what it lacks starts new.
    pub(crate) fn given(given: Given<'a>, facts: &'a Architecture, range: f64) -> Self {
        Self { given: Some(given), ..Self::new(None, facts, range, 0) }
    }

    /// Refuses a checkpoint that lists a matrix of few bits which the model does not read as one: a name that it has not, or
    /// that of a bias or a norm.
    pub(crate) fn check_listed(&self) -> Result<()> {
        let Some(checkpoint) = self.checkpoint else { return Ok(()) };
        let stray = checkpoint.schemes().find(|(name, ..)| !self.few.contains(*name));
        stray.map_or(Ok(()), |(name, ..)| {
            let problem = format!("{METADATA_KEY}: {} is no matrix of this model", quoted(name));
            Err(Error::BadQuantized { file: checkpoint.path().to_path_buf(), problem })
        })
    }

    /// The parameters, and what is to be told about them.
    pub(crate) fn finish(mut self) -> (Params, LoadReport) {
        let names =
            self.checkpoint.into_iter().flat_map(Checkpoint::names).filter(|name| !self.used.contains(*name));
        let parts: BTreeSet<String> =
            self.checkpoint.into_iter().flat_map(Checkpoint::quantized_parts).collect();
        self.report.skipped = names.filter(|name| !parts.contains(*name)).map(str::to_owned).collect();
        (self.params, self.report)
    }

    /// The name under which the checkpoint holds `name`: as it is, with the LayerNorm names of old checkpoints,
    /// or without the encoder's prefix.
    fn stored_name(&self, name: &str) -> Option<String> {
        let old = if name.ends_with("LayerNorm.weight") {
            Some(name.replace("LayerNorm.weight", "LayerNorm.gamma"))
        } else {
            name.ends_with("LayerNorm.bias").then(|| name.replace("LayerNorm.bias", "LayerNorm.beta"))
        };
        let candidates = std::iter::once(name.to_owned()).chain(old);
        let short = |name: &String| name.strip_prefix(self.prefix).map(str::to_owned);
        candidates
            .flat_map(|name| [Some(name.clone()), short(&name)])
            .flatten()
            .find(|name| self.checkpoint.is_some_and(|c| c.info(name).is_some()))
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let len: usize = shape.iter().product();
        if let Some(value) = self.given.and_then(|given| given(name)).filter(|value| value.len() == len) {
            return Ok(value.to_vec());
        }
        let Some(checkpoint) = self.checkpoint else {
            return Ok(self.fresh(name, shape));
        };
        let stored = self.stored_name(name).unwrap_or_else(|| name.to_owned());
        let value = checkpoint.read_f32_shaped(&stored, shape)?;
        self.used.insert(stored);
        Ok(value)
    }

    /// A matrix, in full or in few bits.
    fn matrix(&mut self, name: &str, shape: (usize, usize), row_sparse: bool) -> Result<ParamId> {
        let extents = [shape.0, shape.1];
        let few = match self.checkpoint {
            Some(checkpoint) => {
                let stored = self.stored_name(name).unwrap_or_else(|| name.to_owned());
                let few = checkpoint.quantized(&stored, &extents)?;
                self.few.extend(few.is_some().then_some(stored));
                few
            }
            None => None,
        };
        let Some(few) = few else {
            let value = self.read(name, &extents)?;
            return self.add(name, &extents, value, true, row_sparse);
        };
        Ok(self.params.add(Param {
            name: name.to_owned(),
            shape: extents.to_vec(),
            value: Vec::new(),
            quantized: Some(Arc::new(few)),
            fake: None,
            trainable: false,
            decay: true,
            row_sparse,
            lr_scale: 1.0,
        })?)
    }

    /// A new tensor: a matrix is drawn from a normal distribution, a scale is 1, a bias or shift 0.
    fn fresh(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.report.new.push(name.to_owned());
        let len = shape.iter().product();
        match shape {
            [_] if name.ends_with("weight") => vec![1.0; len],
            [_] => vec![0.0; len],
            _ => (0..len).map(|_| (self.random.normal() * self.range) as f32).collect(),
        }
    }

    fn add(
        &mut self,
        name: &str,
        shape: &[usize],
        value: Vec<f32>,
        decay: bool,
        row_sparse: bool,
    ) -> Result<ParamId> {
        let (name, shape) = (name.to_owned(), shape.to_vec());
        Ok(self.params.add(Param {
            name,
            shape,
            value,
            quantized: None,
            fake: None,
            trainable: true,
            decay,
            row_sparse,
            lr_scale: 1.0,
        })?)
    }

    /// An embedding table. Only large ones are worth sparse gradients.
    pub(crate) fn table(&mut self, name: &str, rows: usize, width: usize) -> Result<ParamId> {
        self.matrix(name, (rows, width), rows >= SPARSE_ROWS)
    }

    pub(crate) fn norm(&mut self, name: &str, width: usize, eps: f32) -> Result<Norm> {
        let [gamma, beta] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let value = self.read(&gamma, &[width])?;
        let gamma = self.add(&gamma, &[width], value, false, false)?;
        let value = self.read(&beta, &[width])?;
        let beta = self.add(&beta, &[width], value, false, false)?;
        Ok(Norm { gamma, beta, eps })
    }

    pub(crate) fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let weight = self.matrix(&weight, (outputs, inputs), false)?;
        let value = self.read(&bias, &[outputs])?;
        let bias = self.add(&bias, &[outputs], value, false, false)?;
        Ok(Linear { weight, bias: Some(bias), adapter: None })
    }

    /// A linear layer that starts new where the checkpoint lacks it altogether.
    pub(crate) fn linear_or_new(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let is_known = |name: &str| {
            self.given.is_some_and(|given| given(name).is_some()) || self.stored_name(name).is_some()
        };
        let present = ["weight", "bias"].iter().any(|part| is_known(&format!("{name}.{part}")));
        if present { self.linear(name, outputs, inputs) } else { self.new_linear(name, outputs, inputs) }
    }

    /// A linear layer with weights drawn from a normal distribution of the config's deviation, and biases of zero.
    pub(crate) fn new_linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let value = self.fresh(&weight, &[outputs, inputs]);
        let weight = self.add(&weight, &[outputs, inputs], value, true, false)?;
        let value = self.fresh(&bias, &[outputs]);
        let bias = self.add(&bias, &[outputs], value, false, false)?;
        Ok(Linear { weight, bias: Some(bias), adapter: None })
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014) and the Box-Muller transform.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// In (0, 1].
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform(), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn normals_have_their_moments() {
        let mut random = Random(5);
        let n = 100_000;
        let draws: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
