//! Low-rank adapters: what is trained beside frozen weights (Hu et al. 2021, `LoRA`), merged into them or written in the file
//! format of PEFT.

use std::collections::BTreeMap;
use std::path::Path;

use filbert_engine::{Adapter, Param, ParamId, Params};
use serde_json::json;

use crate::error::{Error, Result, io};
use crate::network::{Network, matches};
use crate::safetensors;
use crate::weights::Random;

/// The names of PEFT's two files.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The adapter's weights.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// How adapters are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Lora {
    /// The width between the two factors.
    pub rank: usize,
    /// The adapter's product is multiplied by alpha / rank.
    pub alpha: f32,
    /// Dropout of an adapter's input.
    pub dropout: f32,
    /// The linear layers that get one, by the last parts of their names (`query`, `output.dense`) or by patterns with `*`.
    pub targets: Vec<String>,
}

/// The width of the weights' names that stand for a layer.
const WEIGHT: &str = ".weight";

impl Network {
    /// Puts adapters beside the encoder's linear layers that `lora` names and freezes everything else below the head. Their
    /// first factor is drawn from `seed`, the second is zero, so that nothing changes before the first update.
    ///
    /// # Errors
    /// If a target fits no linear layer of the encoder.
    pub fn add_lora(&mut self, lora: &Lora, seed: u64) -> Result<()> {
        let head = [self.head.params(), self.head.pooler_params()].concat();
        let frozen: Vec<ParamId> =
            self.params.iter().map(|(id, _)| id).filter(|id| !head.contains(id)).collect();
        for id in frozen {
            self.params.get_mut(id).trainable = false;
        }
        let mut random = Random(seed ^ 0x6c6f_7261);
        let mut unused: Vec<&String> = lora.targets.iter().collect();
        let mut names = Vec::new();
        for linear in self.encoder.linears_mut() {
            let weight = self.params.get(linear.weight);
            let name = weight.name.strip_suffix(WEIGHT).unwrap_or(&weight.name).to_owned();
            let fits = |target: &str| matches(target, &name) || name.ends_with(&format!(".{target}"));
            if lora.targets.iter().any(|target| fits(target)) {
                let shape = (weight.value.len() / weight.width(), weight.width());
                linear.adapter = Some(adapter(&mut self.params, &name, shape, lora, &mut random)?);
            }
            unused.retain(|target| !fits(target));
            names.push(name);
        }
        match unused.first() {
            Some(target) => Err(Error::NoSuchParameter { pattern: (*target).clone(), names }),
            None => Ok(()),
        }
    }

    /// Adds every adapter's product to its weight, and removes the adapters.
    pub fn merge_lora(&mut self) {
        let mut first = self.params.len();
        for linear in self.encoder.linears_mut() {
            let Some(adapter) = linear.adapter.take() else { continue };
            let rank = self.params.get(adapter.up).width();
            let (down, up) =
                (self.params.get(adapter.down).value.clone(), self.params.get(adapter.up).value.clone());
            let weight = self.params.get_mut(linear.weight);
            let inputs = weight.width();
            for (row, up) in weight.value.chunks_exact_mut(inputs).zip(up.chunks_exact(rank)) {
                for (i, w) in row.iter_mut().enumerate() {
                    let delta: f64 =
                        (0..rank).map(|r| f64::from(up[r]) * f64::from(down[r * inputs + i])).sum();
                    *w = (f64::from(*w) + f64::from(adapter.scale) * delta) as f32;
                }
            }
            first = first.min(adapter.down.index());
        }
        // Adapters were added after everything else.
        self.params.truncate(first);
    }

    /// True where there are adapters.
    pub fn has_lora(&self) -> bool {
        self.params.iter().any(|(_, p)| p.name.ends_with(DOWN))
    }

    /// Writes the adapters and the trained head to `folder` as PEFT does, for a base model called `base`.
    ///
    /// # Errors
    /// I/O errors.
    pub fn save_adapter(&self, lora: &Lora, base: &str, folder: &Path) -> Result<()> {
        let prefixed = |name: &str| format!("base_model.model.{name}");
        let head = self.head.params();
        let saved: Vec<(String, &Param)> = self
            .params
            .iter()
            .filter(|(id, p)| {
                p.name.ends_with(DOWN) || p.name.ends_with(UP) || (p.trainable && head.contains(id))
            })
            .map(|(_, p)| (prefixed(&p.name), p))
            .collect();
        let modules = |trained: bool| -> Vec<String> {
            let weights = self.params.iter().filter(|(id, p)| {
                if trained { p.trainable && head.contains(id) } else { p.name.ends_with(DOWN) }
            });
            let suffix = if trained { WEIGHT } else { DOWN };
            weights.filter_map(|(_, p)| p.name.strip_suffix(suffix).map(str::to_owned)).collect()
        };
        let config = json!({
            "peft_type": "LORA",
            "task_type": "SEQ_CLS",
            "base_model_name_or_path": base,
            "inference_mode": true,
            "r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "target_modules": modules(false),
            "modules_to_save": modules(true).iter().map(|m| m.trim_start_matches(self.architecture.prefix)).collect::<Vec<_>>(),
            "bias": "none",
            "fan_in_fan_out": false,
            "init_lora_weights": true,
        });
        let path = folder.join(ADAPTER_CONFIG);
        std::fs::write(&path, format!("{config:#}\n")).map_err(io("write", &path))?;
        let tensors: Vec<(&str, &[usize], &[f32])> =
            saved.iter().map(|(name, p)| (name.as_str(), p.shape.as_slice(), p.value.as_slice())).collect();
        safetensors::write(&folder.join(ADAPTER_WEIGHTS), &tensors, &BTreeMap::new())?;
        Ok(())
    }
}

/// The ends of an adapter's names.
const DOWN: &str = ".lora_A.weight";
const UP: &str = ".lora_B.weight";

/// A new adapter: A uniform in ±1/√inputs as PEFT draws it (Kaiming with a = √5), B zero.
fn adapter(
    params: &mut Params,
    name: &str,
    (outputs, inputs): (usize, usize),
    lora: &Lora,
    random: &mut Random,
) -> Result<Adapter> {
    let bound = 1.0 / (inputs as f64).sqrt();
    let drawn = (0..lora.rank * inputs).map(|_| ((2.0 * random.uniform() - 1.0) * bound) as f32).collect();
    let mut add = |end: &str, shape: [usize; 2], value| {
        let (name, shape) = (format!("{name}{end}"), shape.to_vec());
        params.add(Param {
            name,
            shape,
            value,
            quantized: None,
            fake: None,
            trainable: true,
            decay: true,
            row_sparse: false,
            lr_scale: 1.0,
        })
    };
    let down = add(DOWN, [lora.rank, inputs], drawn)?;
    let up = add(UP, [outputs, lora.rank], vec![0.0; outputs * lora.rank])?;
    Ok(Adapter { down, up, scale: lora.alpha / lora.rank as f32, dropout: lora.dropout })
}
