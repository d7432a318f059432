//! The encoder: embeddings, then post-norm blocks of attention and feed-forward, over a ragged batch.

use filbert_engine::{Activation, Embedding, Error, Linear, Norm, ParamId, Pooling, Queries, Tape, Var};

use crate::architecture::Architecture;
use crate::batch::Batch;
use crate::config::{self, Config};
use crate::error::Result;
use crate::taps::{Tapped, Taps};
use crate::weights::Builder;

/// Where an encoder's weights are, and the numbers its operations need.
#[derive(Debug, Clone)]
pub struct Encoder {
    embedding: Embedding,
    layers: Vec<Layer>,
    heads: usize,
    activation: Activation,
    hidden_dropout: f32,
    attention_dropout: f32,
}

#[derive(Debug, Clone)]
struct Layer {
    query_key_value: [Linear; 3],
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    output_norm: Norm,
}

impl Layer {
    fn linears(&self) -> impl Iterator<Item = Linear> {
        self.query_key_value.into_iter().chain([self.attention_output, self.intermediate, self.output])
    }

    fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        let others = [&mut self.attention_output, &mut self.intermediate, &mut self.output];
        self.query_key_value.iter_mut().chain(others)
    }

    fn params(&self) -> Vec<ParamId> {
        let norms = [self.attention_norm, self.output_norm].into_iter().flat_map(|n| [n.gamma, n.beta]);
        self.linears().flat_map(|l| l.params().collect::<Vec<_>>()).chain(norms).collect()
    }
}

impl Encoder {
    /// Reads (or makes) the weights that `config` describes.
    pub(crate) fn build(builder: &mut Builder<'_>, facts: &Architecture, config: &Config) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let eps = config.layer_norm_eps as f32;
        let name = |part: &str| format!("{}{part}", facts.prefix);
        let embedding = Embedding {
            word: builder.table(&name(facts.word), config.vocab_size, width)?,
            position: builder.table(&name(facts.position), config.max_position_embeddings, width)?,
            token_type: match facts.token_type {
                Some(part) => Some(builder.table(&name(part), config.type_vocab_size, width)?),
                None => None,
            },
            norm: builder.norm(&name(facts.embedding_norm), width, eps)?,
            padding: config.pad_token_id.map(|id| id as u32),
        };
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let part = |part: &str| name(&format!("{}{i}.{part}", facts.layers));
            let [query, key, value] = facts.layer.query_key_value;
            layers.push(Layer {
                query_key_value: [
                    builder.linear(&part(query), width, width)?,
                    builder.linear(&part(key), width, width)?,
                    builder.linear(&part(value), width, width)?,
                ],
                attention_output: builder.linear(&part(facts.layer.attention_output), width, width)?,
                attention_norm: builder.norm(&part(facts.layer.attention_norm), width, eps)?,
                intermediate: builder.linear(&part(facts.layer.intermediate), inner, width)?,
                output: builder.linear(&part(facts.layer.output), width, inner)?,
                output_norm: builder.norm(&part(facts.layer.output_norm), width, eps)?,
            });
        }
        Ok(Self {
            embedding,
            layers,
            heads: config.num_attention_heads,
            activation: match config.hidden_act {
                config::Activation::Gelu => Activation::Gelu,
                config::Activation::GeluTanh => Activation::GeluTanh,
                config::Activation::Relu => Activation::Relu,
            },
            hidden_dropout: config.hidden_dropout_prob as f32,
            attention_dropout: config.attention_probs_dropout_prob as f32,
        })
    }

    /// The word embedding table.
    pub fn word_embedding(&self) -> ParamId {
        self.embedding.word
    }

    /// Sets the word id whose row is never trained.
    pub(crate) fn set_padding(&mut self, padding: Option<usize>) {
        self.embedding.padding = padding.map(|id| id as u32);
    }

    /// The number of layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The embedding tables.
    pub(crate) fn tables(&self) -> Vec<ParamId> {
        [self.embedding.word, self.embedding.position].into_iter().chain(self.embedding.token_type).collect()
    }

    /// The weights of every linear layer, from the bottom up.
    pub(crate) fn linear_weights(&self) -> impl Iterator<Item = ParamId> {
        self.layers.iter().flat_map(Layer::linears).map(|linear| linear.weight)
    }

    /// Every linear layer, from the bottom up.
    pub(crate) fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.layers.iter_mut().flat_map(Layer::linears_mut)
    }

    /// The parameters of the embeddings.
    pub fn embedding_params(&self) -> Vec<ParamId> {
        let e = self.embedding;
        [e.word, e.position].into_iter().chain(e.token_type).chain([e.norm.gamma, e.norm.beta]).collect()
    }

    /// The parameters of layer `i`, none if there is no such layer.
    pub fn layer_params(&self, i: usize) -> Vec<ParamId> {
        self.layers.get(i).map(Layer::params).unwrap_or_default()
    }

    /// The hidden states after the last layer: of every token, `[tokens, width]`, or only of the first token of each
    /// row, `[rows, width]`, for which the last layer then computes one row of queries, attention output and
    /// feed-forward per sequence, with the same result. Parts below the first trained one run without
    /// dropout, so that what is frozen at the bottom gives a row the same states in every epoch.
    ///
    /// # Errors
    /// If a token id, type or position has no row in its table.
    pub fn forward(&self, tape: &mut Tape<'_>, batch: &Batch, wanted: Queries) -> Result<Var, Error> {
        self.run(tape, batch, wanted, &self.layers, None)
    }

    /// The hidden states of every token after the first `layers` layers.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    pub fn forward_through(&self, tape: &mut Tape<'_>, batch: &Batch, layers: usize) -> Result<Var, Error> {
        self.run(tape, batch, Queries::All, &self.layers[..layers.min(self.layers.len())], None)
    }

    /// The same, with inner states on the way.
    pub(crate) fn forward_tapped(
        &self,
        tape: &mut Tape<'_>,
        batch: &Batch,
        layers: usize,
        taps: (&Taps, &mut Tapped),
    ) -> Result<Var, Error> {
        self.run(tape, batch, Queries::All, &self.layers[..layers.min(self.layers.len())], Some(taps))
    }

    fn run(
        &self,
        tape: &mut Tape<'_>,
        batch: &Batch,
        wanted: Queries,
        layers: &[Layer],
        mut taps: Option<(&Taps, &mut Tapped)>,
    ) -> Result<Var, Error> {
        let trained =
            |tape: &Tape<'_>, ids: &[ParamId]| ids.iter().any(|&id| tape.params().get(id).trainable);
        let mut live = trained(tape, &self.embedding_params());
        let x = tape.embed(self.embedding, &batch.ids, &batch.positions, &batch.types)?;
        let mut x = tape.dropout(&x, if live { self.hidden_dropout } else { 0.0 });
        if let Some((taps, tapped)) = &mut taps {
            tapped.take(taps, 0, &x);
        }
        for (i, layer) in layers.iter().enumerate() {
            live = live || trained(tape, &layer.params());
            let p = if live { self.hidden_dropout } else { 0.0 };
            let p_attention = if live { self.attention_dropout } else { 0.0 };
            let queries = if i + 1 == layers.len() { wanted } else { Queries::All };
            let run = Run { heads: self.heads, activation: self.activation, queries, p, p_attention };
            // What is computed again on the way back can hand out nothing but its result.
            let relations =
                taps.as_mut().filter(|(taps, _)| taps.relations == Some(i)).map(|(_, tapped)| &mut **tapped);
            x = if tape.context().recomputes() && relations.is_none() {
                let (layer, batch) = (layer.clone(), batch.clone());
                let params = layer.params();
                tape.recomputed(&x, &params, move |tape, x| layer.forward(tape, x, &batch, run, None))?
            } else {
                layer.forward(tape, &x, batch, run, relations)?
            };
            if let Some((taps, tapped)) = &mut taps {
                tapped.take(taps, i + 1, &x);
            }
        }
        Ok(x)
    }
}

/// How a layer is run.
#[derive(Debug, Clone, Copy)]
struct Run {
    heads: usize,
    activation: Activation,
    queries: Queries,
    /// Dropout of the hidden states, and of the attention's probabilities.
    p: f32,
    p_attention: f32,
}

impl Layer {
    /// The hidden states after this layer, from those before it, `[tokens, width]`. Queries, keys and values go to `relations`,
    /// where it is given.
    fn forward(
        &self,
        tape: &mut Tape<'_>,
        x: &Var,
        batch: &Batch,
        run: Run,
        relations: Option<&mut Tapped>,
    ) -> std::result::Result<Var, Error> {
        let asking = match run.queries {
            Queries::All => x.clone(),
            Queries::First => tape.pool(x, &batch.offsets, Pooling::First)?, // [rows, width]
        };
        let [q, k, v] = match run.queries {
            Queries::All => tape.linear_three(x, self.query_key_value)?,
            Queries::First => {
                let [q, k, v] = self.query_key_value;
                let q = tape.linear(&asking, q, Activation::Identity)?;
                [q, tape.linear(x, k, Activation::Identity)?, tape.linear(x, v, Activation::Identity)?]
            }
        };
        let context =
            tape.attention([&q, &k, &v], &batch.offsets, (run.heads, run.queries), run.p_attention)?;
        if let Some(tapped) = relations {
            tapped.relations = Some([q, k, v]);
        } else {
            drop((q, k, v));
        }
        let x = tape.linear_norm(&context, self.attention_output, &asking, self.attention_norm, run.p)?;
        drop((context, asking));
        tape.feed_forward_norm(&x, [self.intermediate, self.output], run.activation, self.output_norm, run.p)
    }
}
