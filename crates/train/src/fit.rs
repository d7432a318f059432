//! The loop over epochs: train on shuffled batches, judge on validation rows, keep the best, and survive interruptions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use filbert_engine::{Context, Mode, Tape, Tensor, together};
use filbert_model::{Architecture, Batch, Network};

use crate::checkpoint::{BestWeights, Checkpoints, Every, Position, snapshot};
use crate::features::{Features, Store};
use crate::infer::logits_unless;
use crate::lesson::Lesson;
use crate::select::{Judged, judge};
use crate::teaching::Plan;
use crate::{EpochReport, Error, Input, Observer, Part, Rows, Settings, StepReport, Trainer, Warmup};

/// Seconds of training after which its end is written to a checkpoint before anything else is done.
const WORTH_KEEPING: f64 = 60.0;

/// How a run went.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// Every epoch.
    pub epochs: Vec<EpochReport>,
    /// The epoch whose weights were kept, from 1: the best by the figure that was asked for, or the last without validation
    /// rows.
    pub best_epoch: usize,
    /// From the first step to the end of the last epoch, its measuring included; for a frozen trunk, from the start of
    /// its one run over the rows. Of a resumed run, what came before is included.
    pub seconds: f64,
    /// True where the trunk was run once and its results were trained on.
    pub cached_trunk: bool,
    /// True where those results are another run's.
    pub reused_trunk: bool,
    /// Updates that a checkpoint had done before this run went on from it.
    pub resumed_at: Option<u64>,
}

impl Fitted {
    /// The figure on validation rows of the epoch that was kept; NaN where there is none.
    pub fn best_figure(&self) -> f64 {
        let kept = self.epochs.iter().find(|e| e.epoch == self.best_epoch);
        kept.and_then(|e| e.valid_chosen).unwrap_or(f64::NAN)
    }
}

/// Trains `network` in place and leaves it with the weights of the best epoch.
///
/// # Errors
/// Senseless settings, no rows, rows that do not fit the network, a loss or gradient that is not finite, a checkpoint to go on
/// from that is not there or is of another run, or a request to stop. After an error the network's weights are of no use.
pub fn fit(
    network: &mut Network,
    context: &Context,
    train: &Rows,
    valid: Option<&Rows>,
    settings: &Settings,
    checkpoints: Option<&Checkpoints>,
    observer: &mut dyn Observer,
) -> Result<Fitted, Error> {
    run(network, context, (train, valid), None, settings, checkpoints, observer)
}

/// The same of a student: on the training rows and the lesson's own, with the teacher's part in the loss.
///
/// # Errors
/// Those of [`fit`], and settings of the lesson that do not fit the student.
pub fn fit_taught(
    network: &mut Network,
    context: &Context,
    rows: (&Rows, Option<&Rows>),
    lesson: &Lesson<'_>,
    settings: &Settings,
    checkpoints: Option<&Checkpoints>,
    observer: &mut dyn Observer,
) -> Result<Fitted, Error> {
    run(network, context, rows, Some(lesson), settings, checkpoints, observer)
}

fn run(
    network: &mut Network,
    context: &Context,
    (train, valid): (&Rows, Option<&Rows>),
    lesson: Option<&Lesson<'_>>,
    settings: &Settings,
    checkpoints: Option<&Checkpoints>,
    observer: &mut dyn Observer,
) -> Result<Fitted, Error> {
    settings.check()?;
    for rows in std::iter::once(train).chain(valid) {
        rows.check()?;
    }
    if train.is_empty() {
        return Err(Error::NoRows);
    }
    let with_unlabelled = lesson.map(|lesson| lesson.rows(train)).transpose()?;
    let train = with_unlabelled.as_ref().unwrap_or(train);
    let steps = settings.steps_per_epoch(train.len());
    if let Warmup::Steps(warmup) = settings.warmup
        && warmup > (steps * settings.epochs) as u64
    {
        let found = format!("{warmup} steps of {}", steps * settings.epochs);
        return Err(Error::Setting { what: "the warm-up", found, wanted: "no longer than the training" });
    }
    if settings.patience.is_some() && valid.is_none_or(Rows::is_empty) {
        let found = "given without validation rows".to_owned();
        return Err(Error::Setting {
            what: "the patience",
            found,
            wanted: "left out, or validation rows be given",
        });
    }
    let start = Instant::now();
    let cached_trunk = network.trunk_is_frozen();
    let store = cached_trunk.then(|| Store::new(network, context, settings));
    let source = Source::new(network, context, train, store.as_ref(), observer)?;
    let valid = match valid.filter(|rows| !rows.is_empty()) {
        Some(rows) => Some(Source::new(network, context, rows, store.as_ref(), &mut crate::Silent)?),
        None => None,
    };
    let reused_trunk = matches!(&source.from, From::Features(features) if features.reused);
    let plan = lesson.map(|lesson| Plan::new(lesson, network, settings.seed)).transpose()?;
    let mut trainer = Trainer::new(network, context, settings, train.len()).with_plan(plan);
    let mut position = Position { epoch: 1, ..Position::default() };
    let (mut best, mut kept, mut resumed_at) = (None, None, None);
    if let Some(checkpoints) = checkpoints.filter(|c| c.resume) {
        let path;
        (path, position, best) = checkpoints.restore(&mut trainer, steps)?;
        kept = Some(path);
        resumed_at = Some(trainer.optimizer.step_count());
    }
    let before = position.seconds;
    let last = (Instant::now(), trainer.optimizer.step_count());
    let mut run = Loop {
        context,
        settings,
        steps,
        rows: train.len(),
        checkpoints,
        start,
        before,
        last,
        kept,
        position,
        best,
    };
    while run.position.epoch <= settings.epochs && !run.is_stale() {
        run.train_epoch(&mut trainer, &source, lesson, observer)?;
        run.end_epoch(&mut trainer, valid.as_ref(), observer)?;
    }

    // What took long is not lost while it is measured and saved.
    if checkpoints.is_some_and(|c| c.keep_last) || run.seconds() > WORTH_KEEPING {
        run.write(&trainer, observer);
    }
    let seconds = run.seconds();
    let Loop { position, best, .. } = run;
    let plan = trainer.into_plan();
    let best_epoch = position.best.map_or(position.reports.len(), |(epoch, _)| epoch);
    if let Some(best) = best {
        for (id, value) in best {
            network.params.get_mut(id).value = value;
        }
    }
    if let Some(plan) = plan {
        plan.finish(network);
    }
    let epochs = position.reports;
    Ok(Fitted { epochs, best_epoch, seconds, cached_trunk, reused_trunk, resumed_at })
}

/// A run between two steps.
struct Loop<'a> {
    context: &'a Context,
    settings: &'a Settings,
    /// Updates per epoch.
    steps: usize,
    /// Training rows.
    rows: usize,
    checkpoints: Option<&'a Checkpoints>,
    start: Instant,
    /// Seconds of the run that this one goes on from.
    before: f64,
    /// When the last checkpoint was written, and after how many updates.
    last: (Instant, u64),
    /// The newest checkpoint.
    kept: Option<PathBuf>,
    position: Position,
    /// The best weights so far, where they are not those in place.
    best: Option<BestWeights>,
}

impl Loop<'_> {
    fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// True where no epoch has been better for too long.
    fn is_stale(&self) -> bool {
        self.settings.patience.is_some_and(|patience| self.position.stale >= patience)
    }

    /// The rest of the current epoch's updates.
    fn train_epoch(
        &mut self,
        trainer: &mut Trainer<'_>,
        source: &Source<'_>,
        lesson: Option<&Lesson<'_>>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let (epoch, settings) = (self.position.epoch, self.settings);
        let order = filbert_data::shuffled(self.rows, settings.seed, epoch as u64);
        for rows in order.chunks(settings.batch_size).skip(self.position.step) {
            if observer.stop() {
                return Err(self.interrupted(trainer, observer));
            }
            let step = self.position.step + 1;
            let parts = rows.chunks(rows.len().div_ceil(settings.accumulate));
            let parts = parts.map(|rows| {
                let rows = source.labelled_first(rows);
                let taught = lesson.zip(trainer.plan()).map(|(lesson, plan)| {
                    let encodings = source.encodings(&rows);
                    lesson.taught(self.context, &source.rows.texts, (&rows, &encodings), &plan.teacher)
                });
                Ok((source.part(&rows)?, taught.transpose()?))
            });
            let parts = parts.collect::<Result<Vec<_>, Error>>()?;
            let outcome = trainer.run(parts, true).map_err(|error| match error {
                Error::Step(what) => {
                    let what = source.explain(trainer, self.context, rows).unwrap_or(what);
                    Error::NotFinite { what, step, epoch, rows: rows.to_vec() }
                }
                other => other,
            })?;
            self.position.step = step;
            self.position.total += f64::from(outcome.loss) * rows.len() as f64;
            observer.step(&StepReport {
                epoch,
                epochs: settings.epochs,
                step,
                steps: self.steps,
                rows: rows.len(),
                loss: outcome.loss,
                gradient_norm: outcome.gradient_norm,
                learning_rate: outcome.learning_rate,
            });
            let (at, updates) = self.last;
            let is_due = self.checkpoints.is_some_and(|checkpoints| match checkpoints.every {
                Every::Time(time) => at.elapsed() >= time,
                Every::Steps(steps) => trainer.optimizer.step_count() - updates >= steps,
            });
            if is_due {
                self.write(trainer, observer);
            }
        }
        Ok(())
    }

    /// Judges the epoch, keeps its weights where they are the best, and moves on to the next.
    fn end_epoch(
        &mut self,
        trainer: &mut Trainer<'_>,
        valid: Option<&Source<'_>>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let epoch = self.position.epoch;
        let judged = match valid.map(|valid| self.judge(trainer.network(), valid, observer)) {
            Some(Err(Error::Stopped)) => return Err(self.interrupted(trainer, observer)),
            Some(judged) => Some(judged?),
            None => None,
        };
        let network = trainer.network();
        let chosen = judged.map_or(f64::NAN, |j| j.chosen);
        let is_best = match self.position.best {
            Some((_, best)) if judged.is_some() => {
                self.settings.select.is_better(chosen, best.unwrap_or(f64::NAN))
            }
            _ => true,
        };
        self.position.stale = if is_best { 0 } else { self.position.stale + 1 };
        if is_best {
            self.position.best = Some((epoch, chosen.is_finite().then_some(chosen)));
            // The last epoch's weights are in place already.
            let keep = judged.is_some() && epoch < self.settings.epochs;
            self.best = keep.then(|| snapshot(network));
        }
        let report = EpochReport {
            epoch,
            train_loss: self.position.total / self.rows as f64,
            valid_loss: judged.map(|j| j.loss),
            valid_accuracy: judged.and_then(|j| j.accuracy),
            valid_chosen: judged.map(|j| j.chosen).filter(|x| x.is_finite()),
            best: is_best,
            elapsed: std::time::Duration::from_secs_f64(self.seconds()),
        };
        observer.epoch(&report);
        let reports = std::mem::take(&mut self.position.reports);
        self.position = Position {
            epoch: epoch + 1,
            step: 0,
            total: 0.0,
            reports: reports.into_iter().chain([report]).collect(),
            ..std::mem::take(&mut self.position)
        };
        Ok(())
    }

    fn judge(
        &self,
        network: &Network,
        valid: &Source<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Judged, Error> {
        let outputs = valid.outputs(network, self.context, observer)?;
        judge(self.settings.select, &outputs, &valid.rows.targets)
    }

    /// The error of a run that was asked to stop, with its checkpoint.
    fn interrupted(&mut self, trainer: &Trainer<'_>, observer: &mut dyn Observer) -> Error {
        self.write(trainer, observer);
        Error::Interrupted {
            checkpoint: self.kept.clone(),
            step: self.position.step,
            epoch: self.position.epoch,
        }
    }

    /// Writes a checkpoint, where they are kept. A failure is told, and the one before stays.
    fn write(&mut self, trainer: &Trainer<'_>, observer: &mut dyn Observer) {
        let Some(checkpoints) = self.checkpoints else { return };
        self.last = (Instant::now(), trainer.optimizer.step_count());
        self.position.seconds = self.seconds();
        match checkpoints.write(trainer, &self.position, self.best.as_ref()) {
            Ok(path) => {
                observer.checkpoint(Ok(&path));
                self.kept = Some(path);
            }
            Err(error) => observer.checkpoint(Err(&error.to_string())),
        }
    }
}

/// Where batches come from.
struct Source<'a> {
    rows: &'a Rows,
    architecture: &'static Architecture,
    from: From,
}

/// The tokens themselves, or what a frozen trunk made of them.
enum From {
    Tokens,
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
        let architecture = network.architecture;
        let Some(store) = store else { return Ok(Self { rows, architecture, from: From::Tokens }) };
        let encodings = &rows.texts.encodings;
        let mut done = |n| {
            observer.features(n, encodings.len());
            observer.stop()
        };
        let features = Features::new(network, context, encodings, store, &mut done);
        let features = features.map_err(|error| match error {
            Error::Stopped => Error::Interrupted { checkpoint: None, step: 0, epoch: 1 },
            other => other,
        })?;
        Ok(Self { rows, architecture, from: From::Features(features) })
    }

    /// These encodings, as the network takes them.
    fn input(&self, encodings: &[usize]) -> Result<Input, Error> {
        match &self.from {
            From::Tokens => {
                let all = &self.rows.texts.encodings;
                Ok(Input::Tokens(Batch::new(self.architecture, encodings.iter().map(|&i| &all[i]))))
            }
            From::Features(all) => {
                let values = all.gather(encodings.iter().copied())?;
                let width = values.len() / encodings.len().max(1);
                Ok(Input::Features(Tensor::from_vec(values, encodings.len(), width)))
            }
        }
    }

    /// These rows, those with targets before those without.
    fn labelled_first(&self, rows: &[usize]) -> Vec<usize> {
        let labelled = self.rows.targets.len();
        let (with, without): (Vec<usize>, Vec<usize>) = rows.iter().partition(|&&row| row < labelled);
        [with, without].concat()
    }

    /// The encodings of these rows.
    fn encodings(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().flat_map(|&row| self.rows.texts.windows(row)).collect()
    }

    /// A part of a batch: these rows, those with targets first.
    fn part(&self, rows: &[usize]) -> Result<Part, Error> {
        let texts = &self.rows.texts;
        let encodings = self.encodings(rows);
        let labelled = rows.iter().take_while(|&&row| row < self.rows.targets.len()).count();
        let mut starts = vec![0u32];
        starts.extend(rows.iter().scan(0u32, |end, &row| {
            *end += texts.windows(row).len() as u32;
            Some(*end)
        }));
        Ok(Part {
            input: self.input(&encodings)?,
            starts: (encodings.len() > rows.len()).then(|| Arc::from(starts)),
            targets: self.rows.targets.pick(&rows[..labelled]),
        })
    }

    /// Outputs of all rows, `[rows, labels]`.
    fn outputs(
        &self,
        network: &Network,
        context: &Context,
        observer: &mut dyn Observer,
    ) -> Result<Vec<f32>, Error> {
        /// Encodings whose features are in memory at a time.
        const ROWS: usize = 4_096;
        let texts = &self.rows.texts;
        let From::Features(all) = &self.from else {
            return logits_unless(network, context, texts, &mut |_| observer.stop());
        };
        let mut out = Vec::new();
        let encodings: Vec<usize> = (0..all.len()).collect();
        for part in encodings.chunks(ROWS) {
            let Input::Features(features) = self.input(part)? else { continue };
            let logits = together(|| -> Result<Vec<f32>, Error> {
                let mut tape = Tape::new(context, &network.params, Mode::EVALUATE);
                Ok(network.logits_from_features(&mut tape, features)?.value().to_vec())
            })?;
            out.extend(logits);
        }
        Ok(texts.means(out))
    }

    /// Which part of the network is the first to make something that is no number of these rows.
    fn explain(&self, trainer: &mut Trainer<'_>, context: &Context, rows: &[usize]) -> Option<String> {
        if matches!(self.from, From::Features(_)) {
            return None;
        }
        let Input::Tokens(batch) = self.part(rows).ok()?.input else { return None };
        let place = trainer.network().first_not_finite(context, &batch).ok()??;
        Some(format!("the loss is not finite: {place} is the first part whose values are not"))
    }
}
