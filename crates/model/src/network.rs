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
use crate::weights::{Builder, LoadReport, SPARSE_ROWS};

/// Which parts of a network stay as they are in training.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// The parameters whose names fit one of these patterns, in which `*` is anything and `?` any one character.
    Names(Vec<String>),
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
    pub(crate) encoder: Encoder,
    pub(crate) head: Head,
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
        if matches!(head, HeadSource::New { .. }) && checkpoint.is_quantized() {
            return Err(Error::QuantizedNotTrainable { folder: folder.to_path_buf() });
        }
        let (labels, fresh, seed) = match head {
            HeadSource::Stored => {
                let name = format!("{}.weight", architecture.classifier);
                if checkpoint.info(&name).is_none() {
                    return Err(Error::NoHead { folder: folder.to_path_buf() });
                }
                (config.task()?.1.len(), false, 0)
            }
            HeadSource::New { labels, seed } => (labels, true, seed),
        };
        let mut builder = Builder::new(Some(&checkpoint), architecture, config.initializer_range, seed);
        let encoder = Encoder::build(&mut builder, architecture, &config)?;
        let head = Head::build(&mut builder, architecture, &config, pooling, (labels, fresh))?;
        builder.check_listed()?;
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

    /// The network with its weights, leaving one without any.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let params = std::mem::take(&mut self.params);
        let rest = self.clone();
        Self { params, ..rest }
    }

    /// Marks what is trained.
    ///
    /// # Errors
    /// If more layers are to be frozen than there are, or a pattern fits no parameter.
    pub fn freeze(&mut self, freeze: &Freeze) -> Result<()> {
        let layers = match *freeze {
            Freeze::Names(ref patterns) => return self.freeze_names(patterns),
            Freeze::None | Freeze::Embeddings => 0,
            Freeze::Trunk => self.encoder.layers(),
            Freeze::Layers(n) if n > self.encoder.layers() => {
                return Err(Error::TooManyFrozen { wanted: n, layers: self.encoder.layers() });
            }
            Freeze::Layers(n) => n,
        };
        let frozen: Vec<ParamId> = (0..layers).flat_map(|i| self.encoder.layer_params(i)).collect();
        let embeddings = if *freeze == Freeze::None { Vec::new() } else { self.encoder.embedding_params() };
        for id in frozen.into_iter().chain(embeddings) {
            self.params.get_mut(id).trainable = false;
        }
        Ok(())
    }

    fn freeze_names(&mut self, patterns: &[String]) -> Result<()> {
        let matched = |pattern: &String| -> Result<Vec<ParamId>> {
            let fits = self.params.iter().filter(|(_, p)| matches(pattern, &p.name));
            let ids: Vec<ParamId> = fits.map(|(id, _)| id).collect();
            if ids.is_empty() {
                let names = self.params.iter().map(|(_, p)| p.name.clone()).collect();
                return Err(Error::NoSuchParameter { pattern: pattern.clone(), names });
            }
            Ok(ids)
        };
        let ids = patterns.iter().map(matched).collect::<Result<Vec<_>>>()?;
        for id in ids.concat() {
            self.params.get_mut(id).trainable = false;
        }
        if self.params.iter().all(|(_, p)| !p.trainable) {
            return Err(Error::NothingTrained);
        }
        Ok(())
    }

    /// Sets what the learning rate is multiplied by: `head` for pooler and classifier, 1 for the rest, times `decay` to the
    /// power of a layer's distance from the head (1 for the top layer, one more than there are layers for the embeddings).
    pub fn scale_rates(&mut self, decay: f32, head: f32) {
        let layers = self.encoder.layers();
        let below = |n: usize| decay.powi(i32::try_from(n).unwrap_or(i32::MAX));
        let mut scales: Vec<(ParamId, f32)> =
            self.encoder.embedding_params().into_iter().map(|id| (id, below(layers + 1))).collect();
        for i in 0..layers {
            scales.extend(self.encoder.layer_params(i).into_iter().map(|id| (id, below(layers - i))));
        }
        scales.extend(
            [self.head.params(), self.head.pooler_params()].concat().into_iter().map(|id| (id, head)),
        );
        for (id, scale) in scales {
            self.params.get_mut(id).lr_scale = scale;
        }
    }

    /// Makes every output `factor` times what it was, plus `shift`: by the last layer's weight and bias.
    pub fn scale_outputs(&mut self, factor: f32, shift: f32) {
        let classifier = self.head.classifier();
        self.params.get_mut(classifier.weight).value.iter_mut().for_each(|w| *w *= factor);
        if let Some(bias) = classifier.bias {
            self.params.get_mut(bias).value.iter_mut().for_each(|b| *b = *b * factor + shift);
        }
    }

    /// Keeps these rows of the word embedding table, in this order: what was token `rows[i]` is token `i` from now on, in the
    /// table and in the config. The logits of rows of kept tokens stay the same to the bit.
    ///
    /// # Errors
    /// [`Error::KeptRows`] where `rows` is empty, names a row that the table lacks or one twice, or leaves out a token that
    /// the config names, such as the padding token. Nothing has changed then.
    pub fn keep_tokens(&mut self, rows: &[u32]) -> Result<()> {
        let refuse = |problem| Err(Error::KeptRows { problem });
        let word = self.encoder.word_embedding();
        let table = self.params.get(word);
        let (width, before) = (table.width(), table.value.len() / table.width());
        let mut kept = vec![false; before];
        for &row in rows {
            match kept.get_mut(row as usize) {
                None => return refuse(format!("there is no row {row} in a table of {before}")),
                Some(true) => return refuse(format!("row {row} is named twice")),
                Some(flag) => *flag = true,
            }
        }
        if rows.is_empty() {
            return refuse("there are none".to_owned());
        }
        if let Some(id) = self.config.token_ids().into_iter().find(|&id| !kept.get(id).is_some_and(|k| *k)) {
            return refuse(format!("config.json names token {id}, which is not among them"));
        }
        let mut value = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            let start = row as usize * width;
            value.extend_from_slice(&table.value[start..start + width]);
        }
        let table = self.params.get_mut(word);
        table.value = value;
        table.shape = vec![rows.len(), width];
        // As a table of this size is when it is loaded: training goes on as from the saved folder.
        table.row_sparse = rows.len() >= SPARSE_ROWS;
        self.config.keep_tokens(rows);
        self.encoder.set_padding(self.config.pad_token_id);
        Ok(())
    }

    /// True where nothing below the head is trained, so that a row's pooled states never change.
    pub fn trunk_is_frozen(&self) -> bool {
        let head = [self.head.params(), self.head.pooler_params()].concat();
        self.params.iter().all(|(id, p)| !p.trainable || head.contains(&id))
    }

    /// The embedding tables and the weights of linear layers that may be stored in few bits, by name: all but the last layer, which
    /// is small and decides.
    pub fn quantizable(&self) -> (Vec<String>, Vec<String>) {
        let tables = self.encoder.tables();
        let linears = self.encoder.linear_weights().chain(self.head.pooler_weight());
        let names = |ids: Vec<ParamId>| ids.into_iter().map(|id| self.params.get(id).name.clone()).collect();
        (names(tables), names(linears.collect()))
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

    /// The first part, from the bottom up, whose weights or whose values on a batch are not all finite; none where all are. Without
    /// dropout.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    pub fn first_not_finite(&self, context: &Context, batch: &Batch) -> Result<Option<String>> {
        if let Some((_, param)) = self.params.iter().find(|(_, p)| p.value.iter().any(|x| !x.is_finite())) {
            return Ok(Some(format!("the weight {}", param.name)));
        }
        for layers in 0..=self.encoder.layers() {
            let mut tape = Tape::new(context, &self.params, Mode::EVALUATE);
            let hidden = self.encoder.forward_through(&mut tape, batch, layers)?;
            if hidden.value().iter().any(|x| !x.is_finite()) {
                return Ok(Some(match layers {
                    0 => "the embeddings".to_owned(),
                    n => format!("layer {}", n - 1),
                }));
            }
        }
        let finite = self.logits(context, batch)?.iter().all(|x| x.is_finite());
        Ok((!finite).then(|| "the head".to_owned()))
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

/// Whether `name` fits `pattern`, in which `*` is any run of characters and `?` any one. Takes time in proportion to the product
/// of the lengths at most.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and up to where the name was given to it.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, given)) = star else { return false };
                star = Some((at, given + 1));
                (p, n) = (at + 1, given + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        let name = "bert.encoder.layer.10.attention.self.query.weight";
        for (pattern, wanted) in [
            ("*", true),
            ("*query*", true),
            ("bert.encoder.layer.1?.*", true),
            ("*.layer.1.*", false),
            ("*.weight", true),
            ("*.bias", false),
            ("bert", false),
            ("*a*e*q*t", true),
            ("", false),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern}");
        }
    }
}
