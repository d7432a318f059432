//! What a student learns beside the answers: hidden states after chosen layers, and the queries, keys and values of one layer.

use filbert_engine::{Pooling, Queries, Tape, Var};

use crate::batch::Batch;
use crate::error::Result;
use crate::network::Network;

/// Which inner states of an encoder are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taps {
    /// After how many layers the hidden states are taken, ascending; 0 is the embeddings' output.
    pub hidden: Vec<usize>,
    /// The layer, from 0, whose queries, keys and values are taken.
    pub relations: Option<usize>,
}

impl Taps {
    /// True where nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty() && self.relations.is_none()
    }

    /// The layers that have to run for them.
    pub(crate) fn layers(&self) -> usize {
        let deepest = self.hidden.iter().copied().max().unwrap_or(0);
        deepest.max(self.relations.map_or(0, |layer| layer + 1))
    }
}

/// Inner states of a batch, each `[tokens, width]`.
#[derive(Debug, Clone, Default)]
pub struct Tapped {
    /// The hidden states, in the order they were asked for.
    pub hidden: Vec<Var>,
    /// Queries, keys and values.
    pub relations: Option<[Var; 3]>,
}

impl Tapped {
    /// Keeps the hidden states after so many layers, if they are wanted.
    pub(crate) fn take(&mut self, taps: &Taps, layers: usize, x: &Var) {
        if taps.hidden.contains(&layers) {
            self.hidden.push(x.clone());
        }
    }
}

impl Network {
    /// Logits of a batch, `[rows, labels]`, and inner states of all its tokens, on `tape`.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    pub fn forward_tapped(&self, tape: &mut Tape<'_>, batch: &Batch, taps: &Taps) -> Result<(Var, Tapped)> {
        if taps.is_empty() {
            return Ok((self.forward(tape, batch)?, Tapped::default()));
        }
        let mut tapped = Tapped::default();
        let layers = self.encoder.layers();
        let hidden = self.encoder.forward_tapped(tape, batch, layers, (taps, &mut tapped))?; // [tokens, width]
        let hidden = match self.head.wanted() {
            Queries::All => hidden,
            Queries::First => tape.pool(&hidden, &batch.offsets, Pooling::First)?, // [rows, width]
        };
        let pooled = self.head.pool(tape, &hidden, batch)?;
        Ok((self.head.logits(tape, &pooled)?, tapped))
    }

    /// Inner states of all tokens of a batch alone: only the layers they need are run.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    pub fn tapped(&self, tape: &mut Tape<'_>, batch: &Batch, taps: &Taps) -> Result<Tapped> {
        let mut tapped = Tapped::default();
        self.encoder.forward_tapped(tape, batch, taps.layers(), (taps, &mut tapped))?;
        Ok(tapped)
    }
}
