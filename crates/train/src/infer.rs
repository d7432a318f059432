//! Inference over many rows: batches by length and by number of tokens, results in the order of the rows.

use filbert_engine::{Context, together};
use filbert_model::{Batch, Encoding, Network};

use crate::Error;

/// Most tokens of one batch of inference: enough for full speed.
pub const BATCH_TOKENS: usize = 2_048;

/// Most values of a batch's widest activation; what is wider than BERT-base's gets fewer tokens.
const BATCH_VALUES: usize = BATCH_TOKENS * 3_072;

/// Logits of every row, `[rows, labels]`. A row's logits do not depend on the others.
///
/// # Errors
/// If a row does not fit the network.
pub fn logits(
    network: &Network,
    context: &Context,
    rows: &[Encoding],
    done: &mut dyn FnMut(usize),
) -> Result<Vec<f32>, Error> {
    let mut out = Vec::new();
    by_length(network, rows, done, |batch| network.logits(context, batch), &mut |i, row| {
        out.resize(rows.len() * row.len(), 0.0);
        out[i * row.len()..(i + 1) * row.len()].copy_from_slice(row);
    })?;
    Ok(out)
}

/// Runs `f` over batches of rows of similar length and hands each row's part of the results, all of equal width, to `put`.
/// `done` is told the number of rows after each batch.
pub(crate) fn by_length(
    network: &Network,
    rows: &[Encoding],
    done: &mut dyn FnMut(usize),
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
        done(finished);
    }
    Ok(())
}

/// The mean cross-entropy of logits `[rows, labels]`; NaN for no rows.
pub fn mean_loss(logits: &[f32], labels: &[u32]) -> f64 {
    let classes = logits.len() / labels.len().max(1);
    let losses = logits.chunks_exact(classes.max(1)).zip(labels).map(|(row, &label)| {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
        sum.ln() - f64::from(row[label as usize] - max)
    });
    losses.sum::<f64>() / labels.len() as f64
}

/// The share of rows whose largest logit (the first of equals) is their label's; NaN for no rows.
pub fn accuracy(logits: &[f32], labels: &[u32]) -> f64 {
    let classes = logits.len() / labels.len().max(1);
    let right = logits.chunks_exact(classes.max(1)).zip(labels).filter(|(row, label)| {
        let best = (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        best == **label as usize
    });
    right.count() as f64 / labels.len() as f64
}

/// The number of threads of the current pool.
pub fn threads() -> usize {
    filbert_engine::threads()
}
