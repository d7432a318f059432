//! The loop over epochs: train on shuffled batches, measure on validation rows, keep the best.

use std::time::Instant;

use filbert_engine::{Context, ParamId, Tensor};
use filbert_model::{Batch, Network};

use crate::infer::{accuracy, features, logits, mean_loss};
use crate::{EpochReport, Error, Input, Observer, Rows, Settings, StepReport, Trainer, Warmup};

/// How a run went.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// Every epoch.
    pub epochs: Vec<EpochReport>,
    /// The epoch whose weights were kept, from 1: the lowest validation loss, or the last without validation rows.
    pub best_epoch: usize,
    /// From the first step to the end of the last epoch, its measuring included; for a frozen trunk, from the start of
    /// its one run over the rows.
    pub seconds: f64,
    /// True where the trunk was run once and its results were trained on.
    pub cached_trunk: bool,
}

/// Trains `network` in place and leaves it with the weights of the best epoch.
///
/// # Errors
/// Senseless settings, no rows, rows that do not fit the network, a loss or gradient that is not finite, or a request
/// to stop. After an error the network's weights are of no use.
pub fn fit(
    network: &mut Network,
    context: &Context,
    train: &Rows,
    valid: Option<&Rows>,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Fitted, Error> {
    settings.check()?;
    for rows in std::iter::once(train).chain(valid) {
        rows.check()?;
    }
    if train.is_empty() {
        return Err(Error::NoRows);
    }
    let steps = settings.steps_per_epoch(train.len());
    if let Warmup::Steps(warmup) = settings.warmup
        && warmup > (steps * settings.epochs) as u64
    {
        let found = format!("{warmup} steps of {}", steps * settings.epochs);
        return Err(Error::Setting { what: "the warm-up", found, wanted: "no longer than the training" });
    }
    let start = Instant::now();
    let cached_trunk = network.trunk_is_frozen();
    let source = Source::new(network, context, train, cached_trunk, observer)?;
    let valid = match valid.filter(|rows| !rows.is_empty()) {
        Some(rows) => {
            Some((Source::new(network, context, rows, cached_trunk, &mut crate::Silent)?, &rows.labels))
        }
        None => None,
    };
    let mut trainer = Trainer::new(network, context, settings, train.len());
    let mut epochs: Vec<EpochReport> = Vec::new();
    let mut best: Option<Best> = None;

    for epoch in 1..=settings.epochs {
        let order = filbert_data::shuffled(train.len(), settings.seed, epoch as u64);
        let mut total = 0.0;
        for (i, rows) in order.chunks(settings.batch_size).enumerate() {
            let step = i + 1;
            if observer.stop() {
                return Err(Error::Interrupted { step, epoch });
            }
            let labels: Vec<u32> = rows.iter().map(|&row| train.labels[row]).collect();
            let outcome = trainer.run(source.batch(rows), &labels, true).map_err(|error| match error {
                Error::Step(what) => Error::NotFinite { what, step, epoch, rows: rows.to_vec() },
                other => other,
            })?;
            total += f64::from(outcome.loss) * rows.len() as f64;
            observer.step(&StepReport {
                epoch,
                epochs: settings.epochs,
                step,
                steps,
                rows: rows.len(),
                loss: outcome.loss,
                gradient_norm: outcome.gradient_norm,
                learning_rate: outcome.learning_rate,
            });
        }
        let network = trainer.network();
        let measured = match &valid {
            Some((source, labels)) => {
                let logits = source.logits(network, context)?;
                Some((mean_loss(&logits, labels), accuracy(&logits, labels)))
            }
            None => None,
        };
        let is_best = match (measured, &best) {
            (Some((loss, _)), Some(best)) => loss < best.loss || best.loss.is_nan(),
            _ => true,
        };
        if is_best {
            // The last epoch's weights are in place already.
            let keep = measured.filter(|_| epoch < settings.epochs);
            best = keep.map(|(loss, _)| Best { loss, epoch, weights: snapshot(network) });
        }
        let report = EpochReport {
            epoch,
            train_loss: total / train.len() as f64,
            valid_loss: measured.map(|m| m.0),
            valid_accuracy: measured.map(|m| m.1),
            best: is_best,
            elapsed: start.elapsed(),
        };
        observer.epoch(&report);
        epochs.push(report);
    }

    let seconds = start.elapsed().as_secs_f64();
    let best_epoch = best.as_ref().map_or(settings.epochs, |best| best.epoch);
    if let Some(best) = best {
        for (id, value) in best.weights {
            network.params.get_mut(id).value = value;
        }
    }
    Ok(Fitted { epochs, best_epoch, seconds, cached_trunk })
}

/// The best epoch so far, where it is not the one whose weights are in place.
struct Best {
    loss: f64,
    epoch: usize,
    weights: Vec<(ParamId, Vec<f32>)>,
}

/// Copies of all trained weights.
fn snapshot(network: &Network) -> Vec<(ParamId, Vec<f32>)> {
    network.params.iter().filter(|(_, p)| p.trainable).map(|(id, p)| (id, p.value.clone())).collect()
}

/// Where batches come from: the rows themselves, or what a frozen trunk made of them.
enum Source<'a> {
    Rows(&'a Rows, &'static filbert_model::Architecture),
    Features { values: Vec<f32>, width: usize },
}

impl<'a> Source<'a> {
    fn new(
        network: &Network,
        context: &Context,
        rows: &'a Rows,
        cached: bool,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        if !cached {
            return Ok(Self::Rows(rows, network.architecture));
        }
        let mut done = |n| observer.features(n, rows.len());
        let values = features(network, context, &rows.encodings, &mut done)?;
        Ok(Self::Features { values, width: network.config.hidden_size })
    }

    /// The batch of these rows.
    fn batch(&self, rows: &[usize]) -> Input {
        match self {
            Self::Rows(all, architecture) => {
                Input::Tokens(Batch::new(architecture, rows.iter().map(|&i| &all.encodings[i])))
            }
            Self::Features { values, width } => Input::Features(gather(values, *width, rows.iter().copied())),
        }
    }

    /// Logits of all rows.
    fn logits(&self, network: &Network, context: &Context) -> Result<Vec<f32>, Error> {
        match self {
            Self::Rows(all, _) => logits(network, context, &all.encodings, &mut |_| ()),
            Self::Features { values, width } => {
                let rows = values.len() / width;
                let all = gather(values, *width, 0..rows);
                let mut tape =
                    filbert_engine::Tape::new(context, &network.params, filbert_engine::Mode::EVALUATE);
                Ok(network.logits_from_features(&mut tape, all)?.value().to_vec())
            }
        }
    }
}

/// The given rows of a matrix.
fn gather(values: &[f32], width: usize, rows: impl ExactSizeIterator<Item = usize>) -> Tensor {
    let n = rows.len();
    let data = rows.flat_map(|i| &values[i * width..(i + 1) * width]).copied().collect();
    Tensor::from_vec(data, n, width)
}
