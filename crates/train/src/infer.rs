//! Inference over many rows: batches by length and by number of tokens, results in the order of the rows.

use filbert_engine::{Context, together};
use filbert_model::{Batch, Encoding, Network};

use crate::{Error, Texts};

/// Most tokens of one batch of inference: enough for full speed.
pub const BATCH_TOKENS: usize = 2_048;

/// Most values of a batch's widest activation; what is wider than BERT-base's gets fewer tokens.
const BATCH_VALUES: usize = BATCH_TOKENS * 3_072;

/// Outputs of every text, `[texts, labels]`, those of its windows averaged. A text's outputs do not depend on the others.
/// `done` is told the number of encodings after each batch.
///
/// # Errors
/// If a text does not fit the network.
pub fn logits(
    network: &Network,
    context: &Context,
    texts: &Texts,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<f32>, Error> {
    logits_unless(network, context, texts, &mut |n| {
        done(n);
        false
    })
}

/// The same, ended by [`Error::Stopped`] where `done` says so.
pub(crate) fn logits_unless(
    network: &Network,
    context: &Context,
    texts: &Texts,
    stop: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<f32>, Error> {
    let mut out = Vec::new();
    let rows = &texts.encodings;
    by_length(network, rows, stop, |batch| network.logits(context, batch), &mut |i, row| {
        out.resize(rows.len() * row.len(), 0.0);
        out[i * row.len()..(i + 1) * row.len()].copy_from_slice(row);
    })?;
    Ok(texts.means(out))
}

/// Runs `f` over batches of rows of similar length and hands each row's part of the results, all of equal width, to `put`.
/// `stop` is told the number of rows after each batch, and ends the work with [`Error::Stopped`].
pub(crate) fn by_length(
    network: &Network,
    rows: &[Encoding],
    stop: &mut dyn FnMut(usize) -> bool,
    f: impl Fn(&Batch) -> filbert_model::Result<Vec<f32>> + Sync,
    put: &mut dyn FnMut(usize, &[f32]),
) -> Result<(), Error> {
    let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
    let mut finished = 0;
    let widest = network.config.intermediate_size.max(network.config.hidden_size);
    let budget = (BATCH_VALUES / widest.max(1)).clamp(1, BATCH_TOKENS);
    for indices in filbert_data::by_length(&lengths, budget) {
        let batch = Batch::new(network.architecture, indices.iter().map(|&i| &rows[i]));
        let values = together(|| f(&batch))?;
        let width = values.len() / indices.len().max(1);
        for (&i, value) in indices.iter().zip(values.chunks_exact(width.max(1))) {
            put(i, value);
        }
        finished += indices.len();
        if stop(finished) && finished < rows.len() {
            return Err(Error::Stopped);
        }
    }
    Ok(())
}

/// The number of threads of the current pool.
pub fn threads() -> usize {
    filbert_engine::threads()
}
