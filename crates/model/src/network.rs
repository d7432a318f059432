//! A classifier's network: the encoder, the head and their weights, without tokenizer or labels' names.

use std::path::Path;

use filbert_engine::{Context, Mode, ParamId, Params, Tape, Tensor, Var};

use crate::architecture::{Architecture, BERT};
use crate::batch::Batch;
use crate::config::Config;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::folder::Pooling;
use crate::head::Head;
use crate::safetensors::Checkpoint;
use crate::weights::{Builder, LoadReport};

/// Which parts of a network stay as they are in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freeze {
    /// None.
    #[default]
    None,
    /// All but pooler and classifier.
    Trunk,
    /// The embeddings.
    Embeddings,
    /// The embeddings and this many layers from the bottom.
    Layers(usize),
}

/// Encoder, head and weights.
#[derive(Debug, Clone)]
pub struct Network {
    /// The facts of its family.
    pub architecture: &'static Architecture,
    /// What config.json says.
    pub config: Config,
    /// All weights, by their Hugging Face names.
    pub params: Params,
    encoder: Encoder,
    head: Head,
}

/// What the head of a loaded network is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadSource {
    /// The checkpoint's own, for as many labels as its config names.
    Stored,
    /// A new classifier for this many labels, drawn with this seed; the pooler is kept where there is one.
    New {
        /// Labels.
        labels: usize,
        /// Seed of the new weights.
        seed: u64,
    },
}

impl Network {
    /// Reads a network from a folder with config.json and weights.
    ///
    /// # Errors
    /// Those of [`Config::load`] and [`Checkpoint::open`]; a tensor that is missing, has another shape, or is not
    /// finite; with [`HeadSource::Stored`], a checkpoint without a classifier.
    pub fn load(folder: &Path, head: HeadSource, pooling: Pooling) -> Result<(Self, LoadReport)> {
        let architecture = &BERT;
        let config = Config::load(folder)?;
        let checkpoint = Checkpoint::open(folder)?;
        let (labels, fresh, seed) = match head {
            HeadSource::Stored => {
                let name = format!("{}.weight", architecture.classifier);
                if checkpoint.info(&name).is_none() {
                    return Err(Error::NoHead { folder: folder.to_path_buf() });
                }
                (config.single_label()?.len(), false, 0)
            }
            HeadSource::New { labels, seed } => (labels, true, seed),
        };
        let mut builder = Builder::new(Some(&checkpoint), architecture, config.initializer_range, seed);
        let encoder = Encoder::build(&mut builder, architecture, &config)?;
        let head = Head::build(&mut builder, architecture, &config, pooling, (labels, fresh))?;
        let (mut params, report) = builder.finish();
        if pooling != Pooling::Pooler {
            for id in head.pooler_params() {
                params.get_mut(id).trainable = false;
            }
        }
        Ok((Self { architecture, config, params, encoder, head }, report))
    }

    /// A network of random weights, for measuring speed and for training from nothing.
    ///
    /// # Errors
    /// None that a checked config can cause.
    pub fn random(config: Config, labels: usize, seed: u64) -> Result<Self> {
        let architecture = &BERT;
        let mut builder = Builder::new(None, architecture, config.initializer_range, seed);
        let encoder = Encoder::build(&mut builder, architecture, &config)?;
        let head = Head::build(&mut builder, architecture, &config, Pooling::Pooler, (labels, true))?;
        let (params, _) = builder.finish();
        Ok(Self { architecture, config, params, encoder, head })
    }

    /// Marks what is trained.
    ///
    /// # Errors
    /// If more layers are to be frozen than there are.
    pub fn freeze(&mut self, freeze: Freeze) -> Result<()> {
        let layers = match freeze {
            Freeze::None | Freeze::Embeddings => 0,
            Freeze::Trunk => self.encoder.layers(),
            Freeze::Layers(n) if n > self.encoder.layers() => {
                return Err(Error::TooManyFrozen { wanted: n, layers: self.encoder.layers() });
            }
            Freeze::Layers(n) => n,
        };
        let frozen: Vec<ParamId> = (0..layers).flat_map(|i| self.encoder.layer_params(i)).collect();
        let embeddings = if freeze == Freeze::None { Vec::new() } else { self.encoder.embedding_params() };
        for id in frozen.into_iter().chain(embeddings) {
            self.params.get_mut(id).trainable = false;
        }
        Ok(())
    }

    /// True where nothing below the head is trained, so that a row's pooled states never change.
    pub fn trunk_is_frozen(&self) -> bool {
        let head = [self.head.params(), self.head.pooler_params()].concat();
        self.params.iter().all(|(id, p)| !p.trainable || head.contains(&id))
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The most tokens a row may have.
    pub fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings - self.architecture.first_position
    }

    /// Logits of a batch, `[rows, labels]`, on `tape`.
    ///
    /// # Errors
    /// If a token id, type or position has no row in its table.
    pub fn forward(&self, tape: &mut Tape<'_>, batch: &Batch) -> Result<Var> {
        let hidden = self.encoder.forward(tape, batch, self.head.wanted())?;
        let pooled = self.head.pool(tape, &hidden, batch)?;
        Ok(self.head.logits(tape, &pooled)?)
    }

    /// Logits of a batch for inference, `[rows, labels]`.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    pub fn logits(&self, context: &Context, batch: &Batch) -> Result<Vec<f32>> {
        let mut tape = Tape::new(context, &self.params, Mode::EVALUATE);
        Ok(self.forward(&mut tape, batch)?.value().to_vec())
    }

    /// The pooled hidden states of a batch, `[rows, width]`, before the head's own layers and without dropout.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    pub fn features(&self, context: &Context, batch: &Batch) -> Result<Vec<f32>> {
        let mut tape = Tape::new(context, &self.params, Mode::EVALUATE);
        let hidden = self.encoder.forward(&mut tape, batch, self.head.wanted())?;
        Ok(self.head.pool(&mut tape, &hidden, batch)?.value().to_vec())
    }

    /// Logits from pooled states `[rows, width]`, on `tape`.
    ///
    /// # Errors
    /// If the width is another.
    pub fn logits_from_features(&self, tape: &mut Tape<'_>, features: Tensor) -> Result<Var> {
        Ok(self.head.logits(tape, &Var::constant(features))?)
    }
}
