//! The pipeline of a training run, from files to a measured classifier, and the folder it is saved as.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use filbert_data::{ReadOptions, Table};
use filbert_model::config::CONFIG_FILE;
use filbert_model::folder::{FilbertJson, Folder, SaveFolder};
use filbert_model::safetensors::{WEIGHTS_FILE, write};
use filbert_model::{Freeze, HeadSource, LoadReport, Network, Pooling};
use filbert_train::{Fitted, Rows, fit};
use serde_json::{Value, json};

use crate::classifier::DEFAULT_MAX_LENGTH;
use crate::metrics::PerEpoch;
use crate::rows::{Splits, classes, tokenize};
use crate::watch::Watched;
use crate::{Classifier, Error, Metrics, RowCounts, Timing, Trained, Trainer, Watch};

/// Keeps what the user is told, for the record.
struct Recorder<'a> {
    watch: &'a mut dyn Watch,
    notes: Vec<String>,
}

impl Watch for Recorder<'_> {
    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
        self.watch.note(text);
    }
    fn stage(&mut self, text: &str) {
        self.watch.stage(text);
    }
    fn rows(&mut self, done: usize, all: usize) {
        self.watch.rows(done, all);
    }
    fn step(&mut self, report: &crate::StepReport) {
        self.watch.step(report);
    }
    fn epoch(&mut self, report: &crate::EpochReport) {
        self.watch.epoch(report);
    }
    fn stop(&mut self) -> bool {
        self.watch.stop()
    }
}

pub(crate) fn run(job: &Trainer, watch: &mut dyn Watch) -> Result<Trained, Error> {
    let start = Instant::now();
    let mut watch = Recorder { watch, notes: Vec::new() };
    let options = &job.options;
    let settings = options.settings();
    settings.check()?;

    // 1. Rows.
    watch.stage("reading rows");
    let read = ReadOptions {
        text: options.text.clone(),
        label: options.label.clone(),
        need_label: true,
        ..ReadOptions::default()
    };
    let splits = job.files.read(&read, options.seed, &mut watch)?;
    splits.tell(&mut watch)?;
    let labels = splits.labels.names().to_vec();
    let positive = tell_labels(&splits, options.positive.as_deref(), &mut watch)?;

    // 2. Model: encoder and pooler from the folder, a new classifier for these labels.
    watch.stage("loading the model");
    let source = Folder::open(&job.model)?;
    let head = HeadSource::New { labels: labels.len(), seed: options.seed };
    let (mut network, report) = Network::load(source.path(), head, options.pooling)?;
    network.freeze(options.freeze)?;
    tell_model(&network, &report, options.freeze, &mut watch);
    let limit = network.max_tokens();
    let max_length = options.max_length.unwrap_or(DEFAULT_MAX_LENGTH.min(limit));
    let first = &splits.train;
    let filbert = FilbertJson {
        filbert_version: crate::VERSION.to_owned(),
        text_columns: first.text_columns.clone(),
        label_column: first.label_column.clone(),
        max_length: Some(max_length),
        pooling: options.pooling,
        positive_label: positive,
        labels: labels.clone(),
        ..FilbertJson::default()
    };
    let folder = source.path().to_path_buf();
    let (context, why) = options.precision.context()?;
    let context = context.with_recompute(options.recompute);
    watch.note(&format!("computing in {why}, on {} threads", filbert_train::threads()));
    let mut classifier = Classifier::assemble(network, filbert, folder, labels, report)?;
    classifier.tokenizer.check_types(classifier.network.config.type_vocab_size, first.pairs.is_some())?;

    // 3. Tokens.
    watch.stage("tokenizing");
    let mut rows = |table: &Table, name: &str| -> Result<Rows, Error> {
        let mut rows = tokenize(table, &classifier.tokenizer, max_length, name, &mut watch)?;
        rows.labels = classes(table, &splits.labels)?;
        Ok(rows)
    };
    let train = rows(&splits.train, "training")?;
    let valid = splits.valid.as_ref().map(|table| rows(table, "validation")).transpose()?;
    let test = splits.test.as_ref().map(|table| rows(table, "test")).transpose()?;

    // 4. Training.
    watch.stage("training");
    let mut observer = Watched(&mut watch);
    let fitted = fit(&mut classifier.network, &context, &train, valid.as_ref(), &settings, &mut observer);
    let fitted = fitted.map_err(|error| with_lines(error, &splits.train))?;
    context.release_memory();
    classifier.network.params.release_packed();
    if fitted.reused_trunk {
        watch.note("the frozen trunk's results are those of an earlier run, from the cache");
    }

    // 5. Measuring, in f32 as `predict` and `eval` compute. Nothing before this looked at how the model answers the test rows.
    let mut measure = |rows: Option<&Rows>, name: &str| -> Result<_, Error> {
        let Some(rows) = rows else { return Ok(None) };
        watch.stage(&format!("measuring on the {name} rows"));
        let total = rows.len();
        let p = classifier.probabilities(&rows.encodings, &mut |n| watch.rows(n, total))?;
        let labels: Vec<usize> = rows.labels.iter().map(|&l| l as usize).collect();
        classifier.measure(&p, &labels, options.seed).map(Some)
    };
    let valid_report = measure(valid.as_ref(), "validation")?;
    let test_report = measure(test.as_ref(), "test")?;

    let floor = crate::floor::measure(&splits, &classifier, options, &mut watch)?;

    let precision = context.precision().name();
    classifier.settings.training = record(job, &splits, &fitted, (max_length, precision));
    let counts = RowCounts {
        train: train.len(),
        valid: valid.as_ref().map_or(0, Rows::len),
        test: test.as_ref().map_or(0, Rows::len),
    };
    let metrics = Metrics {
        rows: counts,
        test: test_report,
        valid: valid_report,
        floor,
        timing: Timing {
            train_seconds: fitted.seconds,
            total_seconds: start.elapsed().as_secs_f64(),
            train_rows_per_second: (train.len() * settings.epochs) as f64 / fitted.seconds.max(1e-9),
        },
        precision: context.precision().name().to_owned(),
        measured_precision: classifier.precision().0.to_owned(),
        kernel: context.kernel().to_owned(),
        threads: filbert_train::threads(),
        seed: options.seed,
        best_epoch: fitted.best_epoch,
        epochs: fitted.epochs.iter().map(per_epoch).collect(),
        notes: watch.notes,
    };
    Ok(Trained { classifier, metrics })
}

fn per_epoch(report: &crate::EpochReport) -> PerEpoch {
    PerEpoch {
        epoch: report.epoch,
        train_loss: report.train_loss,
        valid_loss: report.valid_loss,
        valid_accuracy: report.valid_accuracy,
    }
}

/// The error of a run that diverged, with the rows' places in their file.
fn with_lines(error: filbert_train::Error, train: &Table) -> Error {
    let filbert_train::Error::NotFinite { what, step, epoch, rows } = error else { return error.into() };
    let mut places: Vec<u64> = rows.iter().filter_map(|&row| train.places.get(row)).copied().collect();
    places.sort_unstable();
    let lines: Vec<String> = places.iter().map(ToString::to_string).collect();
    let what = format!("{what} at step {step} of epoch {epoch}");
    Error::Diverged { what, lines: lines.join(", "), file: train.source.display().to_string() }
}

/// Tells rows, labels and the positive class; returns the latter for two labels.
fn tell_labels(
    splits: &Splits,
    wanted: Option<&str>,
    watch: &mut dyn Watch,
) -> Result<Option<String>, Error> {
    let names = splits.labels.names();
    let len = |table: &Option<Table>| table.as_ref().map_or(0, Table::len);
    let (train, valid, test) = (splits.train.len(), len(&splits.valid), len(&splits.test));
    watch.note(&format!("{train} training, {valid} validation and {test} test rows; {} labels", names.len()));
    if names.len() != 2 {
        return match wanted {
            Some(_) => {
                Err(Error::Usage("--positive names one label of two; these rows have more than two labels"))
            }
            None => Ok(None),
        };
    }
    let positive = &names[filbert_data::positive(&splits.labels, wanted)?];
    let how = if wanted.is_some() { "as told" } else { "the last in order; --positive chooses another" };
    watch.note(&format!("the positive label is {positive:?} ({how})"));
    Ok(Some(positive.clone()))
}

fn tell_model(network: &Network, report: &LoadReport, freeze: Freeze, watch: &mut dyn Watch) {
    let trained: usize = network.params.iter().filter(|(_, p)| p.trainable).map(|(_, p)| p.value.len()).sum();
    let all: usize = network.params.iter().map(|(_, p)| p.value.len()).sum();
    watch.note(&format!("{trained} of {all} parameters are trained"));
    if !report.new.is_empty() {
        watch.note(&format!("new, drawn from the seed: {}", report.new.join(", ")));
    }
    if !report.skipped.is_empty() {
        watch.note(&format!("tensors of the checkpoint that are not used: {}", report.skipped.join(", ")));
    }
    if freeze != Freeze::None {
        watch.note(
            "what is frozen at the bottom runs without dropout (Hugging Face's trainer keeps it there)",
        );
    }
    if network.head().pooling() != Pooling::Pooler {
        watch.note(
            "with this pooling only filbert reproduces the answers: transformers always uses the pooler",
        );
    }
}

/// What `filbert.json` says about how the model was trained.
fn record(job: &Trainer, splits: &Splits, fitted: &Fitted, (max_length, precision): (usize, &str)) -> Value {
    let options = &job.options;
    let settings = options.settings();
    let data = |table: &Table| json!({"file": table.source.file_name().map(|n| n.to_string_lossy()), "sha256": table.sha256, "rows": table.len()});
    let freeze = match options.freeze {
        Freeze::None => "none".to_owned(),
        Freeze::Trunk => "trunk".to_owned(),
        Freeze::Embeddings => "embeddings".to_owned(),
        Freeze::Layers(n) => format!("layers:{n}"),
    };
    let model =
        job.model_name.clone().or_else(|| job.model.file_name().map(|n| n.to_string_lossy().into_owned()));
    json!({
        "model": model,
        "train": data(&splits.train),
        "valid": splits.valid.as_ref().map(data),
        "test": splits.test.as_ref().map(data),
        "split": splits.how,
        "seed": options.seed,
        "settings": {
            "epochs": settings.epochs,
            "lr": decimal(settings.learning_rate),
            "batch_size": settings.batch_size,
            "accumulate": settings.accumulate,
            "max_length": max_length,
            "freeze": freeze,
            "pooling": options.pooling,
            "schedule": format!("{:?}", settings.decay).to_lowercase(),
            "warmup": match settings.warmup {
                filbert_train::Warmup::Share(share) => json!(share),
                filbert_train::Warmup::Steps(steps) => json!(format!("{steps} steps")),
            },
            "weight_decay": decimal(settings.adamw.weight_decay),
            "clip_norm": decimal(settings.adamw.clip_norm),
            "adam": {
                "beta1": decimal(settings.adamw.beta1),
                "beta2": decimal(settings.adamw.beta2),
                "eps": decimal(settings.adamw.eps),
            },
            "precision": precision,
        },
        "best_epoch": fitted.best_epoch,
    })
}

/// The number as a person would write it: the shortest decimal that means the same f32.
fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| f64::from(x))
}

/// Writes the folder of a trained classifier.
pub(crate) fn save(trained: &Trained, out: &Path, force: bool) -> Result<(), Error> {
    let classifier = &trained.classifier;
    let folder = SaveFolder::create(out, force)?;
    folder.write(
        CONFIG_FILE,
        classifier.network.config.to_json_for_classifier(&classifier.labels).as_bytes(),
    )?;
    let tensors: Vec<(&str, &[usize], &[f32])> = classifier
        .network
        .params
        .iter()
        .map(|(_, p)| (p.name.as_str(), p.shape.as_slice(), p.value.as_slice()))
        .collect();
    write(&folder.file(WEIGHTS_FILE)?, &tensors, &BTreeMap::new())?;
    for (name, bytes) in classifier.tokenizer.files() {
        folder.write(name, bytes)?;
    }
    folder.write("metrics.json", format!("{:#}\n", trained.metrics.to_json()).as_bytes())?;
    folder.commit_with(&classifier.settings)?;
    Ok(())
}
