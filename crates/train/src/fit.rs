//! The loop over epochs: train on shuffled batches, measure on validation rows, keep the best.

use std::time::Instant;

use filbert_engine::{Context, Mode, ParamId, Tape, Tensor, together};
use filbert_model::{Batch, Network};

use crate::features::{Features, Store};
use crate::infer::{accuracy, logits, mean_loss};
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
    /// True where those results are another run's.
    pub reused_trunk: bool,
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
    let store = cached_trunk.then(|| Store::new(network, context, settings));
    let source = Source::new(network, context, train, store.as_ref(), observer)?;
    let valid = match valid.filter(|rows| !rows.is_empty()) {
        Some(rows) => {
            Some((Source::new(network, context, rows, store.as_ref(), &mut crate::Silent)?, &rows.labels))
        }
        None => None,
    };
    let reused_trunk = matches!(&source, Source::Features(features) if features.reused);
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
            let part = |rows: &[usize]| -> Result<_, Error> {
                Ok((source.batch(rows)?, rows.iter().map(|&row| train.labels[row]).collect()))
            };
            let parts = rows.chunks(rows.len().div_ceil(settings.accumulate)).map(part);
            let outcome =
                trainer.run(parts.collect::<Result<_, _>>()?, true).map_err(|error| match error {
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
    Ok(Fitted { epochs, best_epoch, seconds, cached_trunk, reused_trunk })
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
    Features(Features),
}

impl<'a> Source<'a> {
    fn new(
        network: &Network,
        context: &Context,
        rows: &'a Rows,
        store: Option<&Store<'_>>,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let Some(store) = store else { return Ok(Self::Rows(rows, network.architecture)) };
        let mut done = |n| observer.features(n, rows.len());
        Features::new(network, context, &rows.encodings, store, &mut done).map(Self::Features)
    }

    /// The batch of these rows.
    fn batch(&self, rows: &[usize]) -> Result<Input, Error> {
        match self {
            Self::Rows(all, architecture) => {
                Ok(Input::Tokens(Batch::new(architecture, rows.iter().map(|&i| &all.encodings[i]))))
            }
            Self::Features(all) => {
                let values = all.gather(rows.iter().copied())?;
                let width = values.len() / rows.len().max(1);
                Ok(Input::Features(Tensor::from_vec(values, rows.len(), width)))
            }
        }
    }

    /// Logits of all rows.
    fn logits(&self, network: &Network, context: &Context) -> Result<Vec<f32>, Error> {
        /// Rows whose features are in memory at a time.
        const ROWS: usize = 4_096;
        match self {
            Self::Rows(all, _) => logits(network, context, &all.encodings, &mut |_| ()),
            Self::Features(all) => {
                let mut out = Vec::new();
                let rows: Vec<usize> = (0..all.len()).collect();
                for part in rows.chunks(ROWS) {
                    let Input::Features(features) = self.batch(part)? else { continue };
                    let logits = together(|| -> Result<Vec<f32>, Error> {
                        let mut tape = Tape::new(context, &network.params, Mode::EVALUATE);
                        Ok(network.logits_from_features(&mut tape, features)?.value().to_vec())
                    })?;
                    out.extend(logits);
                }
                Ok(out)
            }
        }
    }
}
