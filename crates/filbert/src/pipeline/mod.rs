//! The pipeline of a training run, from files to a measured classifier, and the folder it is saved as.

mod distil;
mod record;
mod save;
mod setup;
mod teacher;
mod tell;

use std::time::Instant;

use filbert_data::Table;
use filbert_engine::Context;
use filbert_eval::operating::FPRS;
use filbert_model::{Network, Scheme};
use filbert_train::{Checkpoints, Fitted, Rows, fit, fit_taught};

use serde_json::json;

pub(crate) use save::{save, save_adapter};
pub(crate) use setup::Setup;
use teacher::{Given, Teacher};
use tell::Recorder;

use crate::details::{Answered, Details};
use crate::floor::FloorRun;
use crate::measure::Measure;
use crate::metrics::{PerEpoch, SeedMetrics};
use crate::page::Shown;
use crate::watch::Watched;
use crate::{Error, Metrics, Options, RowCounts, Timing, Trained, Trainer, Watch};

/// One seed's run.
struct Seeded {
    seed: u64,
    fitted: Fitted,
    network: Network,
    /// The network with its adapters, where they are wanted.
    adapter: Option<Network>,
}

/// Who is trained.
#[derive(Clone, Copy)]
enum Who<'a> {
    /// The encoder itself.
    Encoder,
    /// A teacher's student, by its lesson.
    Student(&'a Teacher, &'a Given<'a>),
    /// The same student by the labels alone.
    Control(&'a Teacher),
}

/// What one model makes of validation and test rows: its figures, and its probabilities or numbers.
struct Measured {
    valid: Option<(Measure, Vec<f32>)>,
    test: Option<(Measure, Vec<f32>)>,
    decision: Option<filbert_eval::fit::Fitted>,
}

/// Runs with several seeds, of which the best on validation rows is kept.
#[derive(Default)]
struct Seeds {
    all: Vec<SeedMetrics>,
    best: Option<Seeded>,
}

impl Seeds {
    /// Trains with one more seed.
    fn train(
        &mut self,
        job: &Trainer,
        setup: &mut Setup,
        who: Who<'_>,
        seed: u64,
        watch: &mut Recorder<'_>,
    ) -> Result<Context, Error> {
        let options = &job.options;
        let what = match who {
            Who::Encoder => "training",
            Who::Student(..) => "training the student",
            Who::Control(_) => "training the control, the same student without the teacher",
        };
        watch.stage(&if options.seeds == 1 { what.to_owned() } else { format!("{what}, seed {seed}") });
        let (context, mut run) = train(job, setup, who, seed, watch)?;
        if options.seeds > 1 {
            self.all.push(measure_seed(setup, &mut run, watch)?);
        }
        let figure = |run: &Seeded| run.fitted.best_figure();
        if self.best.as_ref().is_none_or(|best| options.select.is_better(figure(&run), figure(best))) {
            self.best = Some(run);
        }
        Ok(context)
    }
}

pub(crate) fn run(job: &Trainer, watch: &mut dyn Watch) -> Result<Trained, Error> {
    let start = Instant::now();
    let mut watch = Recorder::new(watch);
    job.options.check()?;

    // 1. Rows, model and tokens; of a student its teacher first, which decides about them.
    let told = job.distillation.as_ref();
    let teacher = told.map(|told| Teacher::load(job, told, &mut watch)).transpose()?;
    let of_teacher = teacher.as_ref().map(|teacher| teacher.job(job)).transpose()?;
    let job = of_teacher.as_ref().unwrap_or(job);
    let options = &job.options;
    let mut setup = Setup::new(job, teacher.as_ref(), &mut watch)?;
    let given = match &teacher {
        Some(teacher) => Some(teacher.lesson(&setup, &distil::context(options)?, &mut watch)?),
        None => None,
    };
    let who = teacher.as_ref().zip(given.as_ref()).map_or(Who::Encoder, |(t, given)| Who::Student(t, given));
    let unlabelled = given.as_ref().map_or(0, |given| given.lesson.unlabelled());

    // 2. Training, once for each seed. The validation rows choose among them.
    let (mut own, mut control) = (Seeds::default(), Seeds::default());
    let mut context = Context::default();
    let controlled = teacher.as_ref().filter(|teacher| teacher.told.control);
    if controlled.is_some() {
        distil::tell_of_control((setup.train.len(), unlabelled), &mut watch);
    }
    for seed in (options.seed..).take(options.seeds) {
        context = own.train(job, &mut setup, who, seed, &mut watch)?;
        if let Some(teacher) = controlled {
            control.train(job, &mut setup, Who::Control(teacher), seed, &mut watch)?;
        }
    }
    let (seeds, Some(Seeded { seed, fitted, network, adapter })) = (own.all, own.best) else {
        return Err(Error::Usage("--seeds must be 1 or more"));
    };
    if let Some((embeddings, linears)) = options.fake {
        watch.note(&format!(
            "trained for few bits: all figures are those of weights that come back from {embeddings} (embeddings) and {linears} \
             (linear layers), inputs in int8; the weights that are kept are not rounded, and answer a little differently until \
             they are stored so"
        ));
    }
    if options.seeds > 1 {
        watch.note(&format!("seed {seed} was kept, the best on validation rows"));
    }
    setup.classifier.network = network;

    // 3. Measuring, in f32 as `predict` and `eval` compute. No choice so far looked at how a model answers the test rows.
    let measured = measure_model(&mut setup, options, &mut watch)?;
    let control = control.best.map(|run| distil::Control { run, seeds: control.all });
    let distillation = match &teacher {
        Some(teacher) => {
            let student = distil::Taught { measured: &measured, seeds: &seeds, unlabelled };
            let found = distil::measure(teacher, &mut setup, &student, control, options, &mut watch)?;
            Some(Box::new(found))
        }
        None => None,
    };
    let Measured { valid, test, decision } = measured;
    let floor = crate::floor::measure(&setup, options, &mut watch)?;
    let split = if test.is_some() { "test" } else { "validation" };
    let details = match shown(&setup, options, valid.as_ref(), test.as_ref(), floor.as_ref()) {
        Some(shown) => Details::of(&setup.classifier, split, &shown.answered, (&FPRS, options.seed))?,
        None => Details::default(),
    };

    let taught = teacher.as_ref().map(|t| (t, given.as_ref().and_then(|given| given.unlabelled.as_ref())));
    setup.classifier.settings.training =
        record::record(job, &setup, taught, &fitted, (seed, context.precision().name()));
    let len = |rows: &Option<Rows>| rows.as_ref().map_or(0, Rows::len);
    let counts = RowCounts { train: setup.train.len(), valid: len(&setup.valid), test: len(&setup.test) };
    let epochs = fitted.epochs.len();
    let metrics = Metrics {
        rows: counts,
        test: test.as_ref().map(|(measure, _)| measure.clone()),
        valid: valid.as_ref().map(|(measure, _)| measure.clone()),
        floor: floor.as_ref().map(|floor| floor.metrics.clone()),
        details,
        decision,
        distillation,
        data: json!({"overlaps": setup.splits.report.overlaps, "dropped": setup.splits.dropped}),
        seeds,
        timing: Timing {
            train_seconds: fitted.seconds,
            total_seconds: start.elapsed().as_secs_f64(),
            train_rows_per_second: ((setup.train.len() + unlabelled) * epochs) as f64
                / fitted.seconds.max(1e-9),
        },
        precision: context.precision().name().to_owned(),
        measured_precision: setup.classifier.precision().0.to_owned(),
        kernel: context.kernel().to_owned(),
        threads: filbert_train::threads(),
        seed,
        best_epoch: fitted.best_epoch,
        epochs: fitted.epochs.iter().map(PerEpoch::from).collect(),
        notes: watch.into_notes(),
    };
    let shown = shown(&setup, options, valid.as_ref(), test.as_ref(), floor.as_ref());
    let page = crate::page::page(&setup, &metrics, shown.as_ref())?;
    setup.classifier.network.clear_fake();
    Ok(Trained { classifier: setup.classifier, metrics, page, adapter, lora: options.lora.clone() })
}

/// The test rows, or without them the validation rows, with what model and floor made of them.
fn shown<'a>(
    setup: &'a Setup,
    options: &'a Options,
    valid: Option<&'a (Measure, Vec<f32>)>,
    test: Option<&'a (Measure, Vec<f32>)>,
    floor: Option<&'a FloorRun>,
) -> Option<Shown<'a>> {
    let (splits, slices) = (&setup.splits, &options.slices);
    let of = |measured: Option<&'a (Measure, Vec<f32>)>,
              table: &'a Option<Table>,
              rows: &'a Option<Rows>,
              floor: Option<(&'a Option<Vec<f32>>, &'a Option<Measure>)>| {
        let ((model, outputs), table, rows) = (measured?, table.as_ref()?, rows.as_ref()?);
        let answered = Answered { table, rows, outputs, floor: floor.and_then(|f| f.0.as_deref()), slices };
        Some(Shown { answered, model, floor: floor.and_then(|f| f.1.as_ref()) })
    };
    of(test, &splits.test, &setup.test, floor.map(|f| (&f.test, &f.metrics.test)))
        .or_else(|| of(valid, &splits.valid, &setup.valid, floor.map(|f| (&f.valid, &f.metrics.valid))))
}

/// What the model in place makes of validation and test rows, with a decision fitted to the former.
fn measure_model(setup: &mut Setup, options: &Options, watch: &mut dyn Watch) -> Result<Measured, Error> {
    let valid_logits = setup.logits(setup.valid.as_ref(), "validation", watch)?;
    let test_logits = setup.logits(setup.test.as_ref(), "test", watch)?;
    let decision = setup.decide(options, valid_logits.as_deref(), watch)?;
    watch.stage("measuring");
    let valid = setup.measure(setup.valid.as_ref(), valid_logits)?;
    let test = setup.measure(setup.test.as_ref(), test_logits)?;
    Ok(Measured { valid, test, decision })
}

/// The folder below a run's checkpoints that one of its trainings has, where there are several.
fn part_of_run(who: Who<'_>, seed: u64, seeds: usize) -> Option<String> {
    match who {
        Who::Encoder => (seeds > 1).then(|| format!("seed-{seed}")),
        Who::Student(..) => Some(format!("student-{seed}")),
        Who::Control(_) => Some(format!("control-{seed}")),
    }
}

/// Trains the model with one seed and makes it one that answers in the task's own terms.
fn train(
    job: &Trainer,
    setup: &mut Setup,
    who: Who<'_>,
    seed: u64,
    watch: &mut Recorder<'_>,
) -> Result<(Context, Seeded), Error> {
    let options = &job.options;
    let mut settings = options.settings();
    settings.seed = seed;
    settings.objective.weights = setup.class_weights(&options.class_weights)?;
    settings.check()?;
    let (teacher, given) = match who {
        Who::Encoder => (None, None),
        Who::Student(teacher, given) => (Some(teacher), Some(given)),
        Who::Control(teacher) => (Some(teacher), None),
    };
    let mut network = setup.network(job, teacher, seed)?;
    if let Some(schemes) = options.fake {
        mark(&mut network, schemes)?;
    }
    let (context, _) = options.precision.context()?;
    let context = context.with_recompute(options.recompute);
    let checkpoints = options.checkpoints.as_ref().map(|wanted| {
        let part = part_of_run(who, seed, options.seeds);
        let folder = part.as_ref().map_or_else(|| wanted.folder.clone(), |part| wanted.folder.join(part));
        let mut identity = setup.identity(&network, &context, &settings);
        if let (Some(identity), Some(taught)) =
            (identity.as_object_mut(), given.and_then(|given| given.identity.as_object()))
        {
            identity.extend(taught.clone());
        }
        if let (Some(identity), Some((embeddings, linears))) = (identity.as_object_mut(), options.fake) {
            let schemes = json!(format!("{embeddings} {linears}"));
            identity.insert("the few bits that it is trained for".to_owned(), schemes);
        }
        Checkpoints {
            // A part that has come to no whole checkpoint starts anew.
            resume: wanted.resume && (part.is_none() || filbert_train::recorded(&folder).is_ok()),
            folder,
            every: wanted.every,
            keep_last: part.is_some(),
            identity,
            record: options.record.clone(),
        }
    });
    let (train, valid) = setup.training_rows();
    let mut observer = Watched(watch);
    let checkpoints = checkpoints.as_ref();
    let fitted = match given {
        Some(Given { lesson, .. }) => {
            let rows = (&train, valid.as_ref());
            fit_taught(&mut network, &context, rows, lesson, &settings, checkpoints, &mut observer)
        }
        None => fit(&mut network, &context, &train, valid.as_ref(), &settings, checkpoints, &mut observer),
    };
    let unlabelled = given.and_then(|given| given.unlabelled.as_ref());
    let fitted = fitted.map_err(|error| tell::with_lines(error, &setup.splits.train, unlabelled))?;
    network.params.release_packed();
    context.release_memory();
    if fitted.reused_trunk {
        watch.note("the frozen trunk's results are those of an earlier run, from the cache");
    }
    if let Some(updates) = fitted.resumed_at {
        watch.note(&format!("went on from a checkpoint after {updates} updates"));
    }
    if fitted.epochs.len() < settings.epochs {
        watch.note(&format!(
            "ended early: {} epochs in a row were no better than epoch {} on the validation rows",
            settings.patience.unwrap_or_default(),
            fitted.best_epoch
        ));
    }
    if let Some(scale) = setup.scale {
        network.scale_outputs(scale.deviation, scale.mean);
    }
    let adapter = (options.keep_adapter && network.has_lora()).then(|| network.clone());
    network.merge_lora();
    Ok((context, Seeded { seed, fitted, network, adapter }))
}

/// Marks the matrices of a network that may be stored in few bits to be trained for that.
fn mark(network: &mut Network, (embeddings, linears): (Scheme, Scheme)) -> Result<(), Error> {
    let (tables, layers) = network.quantizable();
    let plan = tables.into_iter().map(|name| (name, embeddings));
    let plan = plan.chain(layers.into_iter().map(|name| (name, linears))).collect();
    Ok(network.fake_quantize(&plan)?)
}

/// What one of several seeds made of validation and test rows.
fn measure_seed(setup: &mut Setup, run: &mut Seeded, watch: &mut Recorder<'_>) -> Result<SeedMetrics, Error> {
    std::mem::swap(&mut setup.classifier.network, &mut run.network);
    let values = |measured: Option<(Measure, _)>| {
        measured.map(|(m, _): (Measure, Vec<f32>)| m.values().into_iter().collect())
    };
    let valid =
        setup.measure(setup.valid.as_ref(), setup.logits(setup.valid.as_ref(), "validation", watch)?)?;
    let test = setup.measure(setup.test.as_ref(), setup.logits(setup.test.as_ref(), "test", watch)?)?;
    std::mem::swap(&mut setup.classifier.network, &mut run.network);
    Ok(SeedMetrics {
        seed: run.seed,
        best_epoch: run.fitted.best_epoch,
        valid: values(valid),
        test: values(test),
    })
}
