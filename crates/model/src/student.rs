//! Smaller networks to be taught by a larger one: from some of its own layers, or from a configuration with new weights.

use std::path::Path;

use crate::architecture::BERT;
use crate::config::{Config, MAX_CONFIG};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::folder::Pooling;
use crate::folder::files::read;
use crate::head::Head;
use crate::network::Network;
use crate::weights::Builder;

/// The layers of a teacher that a student of so many layers takes or is compared with, numbered from 0: evenly spaced, the last
/// one included. Layer k of n has ⌈(k + 1) · teacher / n⌉ − 1, `TinyBERT`'s uniform map (Jiao et al. 2020): of 12 layers, four are
/// 2, 5, 8 and 11. A student deeper than its teacher has layers more than once. None without layers.
pub fn even_layers(student: usize, teacher: usize) -> Vec<usize> {
    if teacher == 0 {
        return Vec::new();
    }
    (1..=student).map(|k| (k * teacher).div_ceil(student) - 1).collect()
}

impl Config {
    /// Reads and checks a configuration from a file of any name.
    ///
    /// # Errors
    /// I/O errors and those of [`Config::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&read(path, MAX_CONFIG)?, path)
    }
}

impl Network {
    /// A network of this one's embeddings, these of its layers (from 0, ascending), its pooler and its classifier. Everything in
    /// it is trained.
    ///
    /// # Errors
    /// [`Error::StudentLayers`] where there is no layer, one that this network lacks, or they do not ascend;
    /// [`Error::QuantizedStudent`] where this network's weights are in few bits.
    pub fn of_layers(&self, layers: &[usize]) -> Result<Self> {
        if self.params.has_quantized() {
            return Err(Error::QuantizedStudent);
        }
        let all = self.encoder.layers();
        if layers.is_empty() || layers.windows(2).any(|w| w[0] >= w[1]) || layers.iter().any(|&i| i >= all) {
            return Err(Error::StudentLayers { wanted: layers.to_vec(), layers: all });
        }
        let facts = self.architecture;
        let prefix = format!("{}{}", facts.prefix, facts.layers);
        // A layer of the student has the values of the chosen one, everything else those of its own name.
        let given = |name: &str| -> Option<&[f32]> {
            let chosen = name.strip_prefix(&prefix).and_then(|rest| rest.split_once('.'));
            let own = chosen.and_then(|(number, part)| {
                let layer = layers.get(number.parse::<usize>().ok()?)?;
                Some(format!("{prefix}{layer}.{part}"))
            });
            let id = self.params.id(own.as_deref().unwrap_or(name))?;
            Some(&self.params.get(id).value)
        };
        let mut config = self.config.clone();
        config.num_hidden_layers = layers.len();
        let builder = Builder::given(&given, facts, config.initializer_range);
        let classifier = self.params.get(self.head.classifier().weight);
        let labels = classifier.value.len() / classifier.width();
        Self::built(builder, config, labels, false, self.head.pooling())
    }

    /// A network of random weights that pools in this way.
    ///
    /// # Errors
    /// None that a checked config can cause.
    pub fn fresh(config: Config, labels: usize, pooling: Pooling, seed: u64) -> Result<Self> {
        let builder = Builder::new(None, &BERT, config.initializer_range, seed);
        Self::built(builder, config, labels, true, pooling)
    }

    fn built(
        mut builder: Builder<'_>,
        config: Config,
        labels: usize,
        fresh: bool,
        pooling: Pooling,
    ) -> Result<Self> {
        let architecture = &BERT;
        let encoder = Encoder::build(&mut builder, architecture, &config)?;
        let head = Head::build(&mut builder, architecture, &config, pooling, (labels, fresh))?;
        let (mut params, _) = builder.finish();
        if pooling != Pooling::Pooler {
            for id in head.pooler_params() {
                params.get_mut(id).trainable = false;
            }
        }
        Ok(Self { architecture, config, params, encoder, head })
    }

    /// The number of weights.
    pub fn parameters(&self) -> usize {
        self.params.iter().map(|(_, p)| p.count()).sum()
    }
}
