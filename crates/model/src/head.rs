//! The classification head: from the hidden states of a row's tokens to its logits.

use filbert_engine::{Activation, Error, Linear, ParamId, Queries, Tape, Var};

use crate::architecture::Architecture;
use crate::batch::Batch;
use crate::config::Config;
use crate::error::Result;
use crate::folder::Pooling;
use crate::weights::Builder;

/// Where a head's weights are, and how it pools.
#[derive(Debug, Clone)]
pub struct Head {
    pooling: Pooling,
    pooler: Option<(Linear, Activation)>,
    classifier: Linear,
    dropout: f32,
}

impl Head {
    /// Reads (or makes) the head for `labels` classes. With `fresh`, the last layer is new whatever the checkpoint has.
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        facts: &Architecture,
        config: &Config,
        pooling: Pooling,
        (labels, fresh): (usize, bool),
    ) -> Result<Self> {
        let width = config.hidden_size;
        let pooler = match facts.pooler {
            Some((part, activation)) => {
                Some((builder.linear_or_new(&format!("{}{part}", facts.prefix), width, width)?, activation))
            }
            None => None,
        };
        let classifier = if fresh {
            builder.new_linear(facts.classifier, labels, width)?
        } else {
            builder.linear(facts.classifier, labels, width)?
        };
        let dropout = config.classifier_dropout.unwrap_or(config.hidden_dropout_prob) as f32;
        Ok(Self { pooling, pooler, classifier, dropout })
    }

    /// How it pools.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// The parameters that take part: with another pooling than the pooler's, the pooler's do not.
    pub fn params(&self) -> Vec<ParamId> {
        let pooler = self.pooler.filter(|_| self.pooling == Pooling::Pooler).map(|(linear, _)| linear);
        let linears = pooler.into_iter().chain([self.classifier]);
        linears.flat_map(|l| l.params().collect::<Vec<_>>()).collect()
    }

    /// The pooler's parameters, where it has one.
    pub fn pooler_params(&self) -> Vec<ParamId> {
        self.pooler.into_iter().flat_map(|(l, _)| l.params().collect::<Vec<_>>()).collect()
    }

    /// The pooler's weight, where it takes part.
    pub(crate) fn pooler_weight(&self) -> Option<ParamId> {
        self.pooler.filter(|_| self.pooling == Pooling::Pooler).map(|(linear, _)| linear.weight)
    }

    /// The last layer's weight and bias.
    pub fn classifier(&self) -> Linear {
        self.classifier
    }

    /// The hidden states that pooling needs.
    pub fn wanted(&self) -> Queries {
        match self.pooling {
            Pooling::Pooler | Pooling::Cls => Queries::First,
            Pooling::Mean => Queries::All,
        }
    }

    /// One row per sequence, `[rows, width]`, from the hidden states that are [`wanted`](Self::wanted): what the head's
    /// own layers work on.
    ///
    /// # Errors
    /// If a row has no token, or the shapes do not fit.
    pub fn pool(&self, tape: &mut Tape<'_>, hidden: &Var, batch: &Batch) -> Result<Var, Error> {
        match self.wanted() {
            Queries::First => Ok(hidden.clone()),
            Queries::All => tape.pool(hidden, &batch.offsets, filbert_engine::Pooling::Mean),
        }
    }

    /// From pooled rows `[rows, width]` to logits `[rows, labels]`.
    ///
    /// # Errors
    /// If the width is another.
    pub fn logits(&self, tape: &mut Tape<'_>, pooled: &Var) -> Result<Var, Error> {
        let x = match self.pooler {
            Some((dense, activation)) if self.pooling == Pooling::Pooler => {
                tape.linear(pooled, dense, activation)?
            }
            _ => pooled.clone(),
        };
        let x = tape.dropout(&x, self.dropout);
        tape.linear(&x, self.classifier, Activation::Identity)
    }
}
