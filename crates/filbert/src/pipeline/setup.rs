//! What a run starts from: rows, model and tokens.

use filbert_data::{ReadOptions, Table};
use filbert_engine::Context;
use filbert_eval::fit::{Fitted, Wanted, fit_multi_label, fit_single_label};
use filbert_model::folder::{FilbertJson, Folder, hex};
use filbert_model::{HeadSource, Network, ProblemType};
use filbert_train::{Rows, Settings, Targets};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::teacher::{Start, Teacher};
use super::tell;
use crate::classifier::DEFAULT_MAX_LENGTH;
use crate::measure::{self, Measure};
use crate::rows::{Dividing, Splits};
use crate::tokens::{Lengths, tokenize};
use crate::trainer::ClassWeights;
use crate::{Classifier, Error, Options, Trainer, Watch};

/// Fewer validation rows than this fit no temperature.
const MIN_CALIBRATION_ROWS: usize = 100;

/// The name of a regression's one output where the label column has none.
const NUMBER: &str = "value";

/// Rows, model and tokens of a run.
pub(crate) struct Setup {
    pub(crate) splits: Splits,
    /// The model that the run starts from, and in the end the one it made.
    pub(crate) classifier: Classifier,
    pub(crate) train: Rows,
    pub(crate) valid: Option<Rows>,
    pub(crate) test: Option<Rows>,
    /// Of a regression: what its numbers are divided by and how far they are moved for training.
    pub(crate) scale: Option<Scale>,
    /// True where the classifier's last layer starts new.
    pub(crate) new_head: bool,
    seed: u64,
}

/// Mean and standard deviation of the training rows' numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) mean: f32,
    pub(crate) deviation: f32,
}

impl Setup {
    pub(super) fn new(
        job: &Trainer,
        teacher: Option<&Teacher>,
        watch: &mut dyn Watch,
    ) -> Result<Self, Error> {
        let options = &job.options;
        watch.stage("reading rows");
        let read = ReadOptions {
            text: options.text.clone(),
            label: options.label.clone(),
            need_label: true,
            task: options.task,
            keep: options.kept_columns(),
            ..ReadOptions::default()
        };
        let (by, dedupe, seed) = (&options.split_by, options.dedupe, options.seed);
        let labels = teacher.map(|teacher| &teacher.classifier.labels[..]);
        let how = Dividing { read, by, dedupe, seed, labels };
        let splits = job.files.divide(&how, watch)?;
        let positive = tell::labels(&splits, options.positive.as_deref(), watch)?;

        watch.stage(if teacher.is_some() { "making the student" } else { "loading the model" });
        let task = measure::problem(options.task);
        let labels = labels.map_or_else(|| splits.output_names(NUMBER), <[String]>::to_vec);
        let Start { network, report, new_head } = load(job, teacher, labels.len(), options.seed)?;
        tell::model(&network, &report, &options.freeze, watch);
        let limit = network.max_tokens();
        let max_length = options.max_length.unwrap_or(DEFAULT_MAX_LENGTH.min(limit));
        let first = &splits.train;
        let filbert = FilbertJson {
            filbert_version: crate::VERSION.to_owned(),
            text_columns: first.text_columns.clone(),
            label_column: first.label_column.clone(),
            max_length: Some(max_length),
            windows: options.windows,
            pooling: options.pooling,
            positive_label: positive,
            labels: labels.clone(),
            ..FilbertJson::default()
        };
        let (context, why) = options.precision.context()?;
        watch.note(&format!("computing in {why}, on {} threads", filbert_train::threads()));
        drop(context);
        let folder = Folder::open(&job.model)?.path().to_path_buf();
        let classifier = Classifier::assemble(network, filbert, folder, (task, labels), report)?;
        let pairs = first.pairs.is_some();
        classifier.tokenizer.check_types(classifier.network.config.type_vocab_size, pairs)?;

        watch.stage("tokenizing");
        let lengths = Lengths { max_length, windows: options.windows };
        let mut rows = |table: &Table, name: &str| -> Result<Rows, Error> {
            let texts = tokenize(table, &classifier.tokenizer, lengths, name, watch)?;
            Ok(Rows { texts, targets: measure::targets(table, splits.labels.as_ref())? })
        };
        let train = rows(&splits.train, "training")?;
        let valid = splits.valid.as_ref().map(|table| rows(table, "validation")).transpose()?;
        let test = splits.test.as_ref().map(|table| rows(table, "test")).transpose()?;
        let scale = match &train.targets {
            Targets::Numbers(numbers) => Some(Scale::of(numbers)),
            _ => None,
        };
        Ok(Self { splits, classifier, train, valid, test, scale, new_head, seed: options.seed })
    }

    /// The network that a seed starts from. There is one copy of its weights: where there is only one seed, the classifier's are
    /// taken; of a student, which may be trained twice, a new one is made.
    pub(super) fn network(
        &mut self,
        job: &Trainer,
        teacher: Option<&Teacher>,
        seed: u64,
    ) -> Result<Network, Error> {
        if job.options.seeds == 1 && teacher.is_none() {
            return Ok(self.classifier.network.take());
        }
        let mut network = load(job, teacher, self.classifier.labels.len(), seed)?.network;
        if let Some(scale) = self.scale.filter(|_| teacher.is_some() && !self.new_head) {
            // A regression's teacher gives numbers in their own units, which training has left.
            network.scale_outputs(1.0 / scale.deviation, -scale.mean / scale.deviation);
        }
        Ok(network)
    }

    /// Training and validation rows as the loss sees them: numbers with mean 0 and deviation 1 on the training rows.
    pub(super) fn training_rows(&self) -> (Rows, Option<Rows>) {
        let scaled = |rows: &Rows| {
            let (Targets::Numbers(numbers), Some(scale)) = (&rows.targets, self.scale) else {
                return rows.clone();
            };
            let numbers = numbers.iter().map(|y| (y - scale.mean) / scale.deviation).collect();
            Rows { texts: rows.texts.clone(), targets: Targets::Numbers(numbers) }
        };
        (scaled(&self.train), self.valid.as_ref().map(scaled))
    }

    /// The weights of the classes in the loss.
    pub(super) fn class_weights(&self, how: &ClassWeights) -> Result<Option<Vec<f32>>, Error> {
        let labels = self.classifier.labels.len();
        let rows = self.train.len() as f64;
        let counts = || {
            let mut counts = vec![0u64; labels];
            match &self.train.targets {
                Targets::Classes(classes) => classes.iter().for_each(|&c| counts[c as usize] += 1),
                Targets::Sets(sets) => sets.iter().flatten().for_each(|&label| counts[label as usize] += 1),
                Targets::Numbers(_) => {}
            }
            counts
        };
        let balanced = |count: u64| match (self.classifier.task, count) {
            // A label that no training row has teaches nothing, whatever it weighs.
            (_, 0) => 1.0,
            (ProblemType::MultiLabel, count) => {
                ((rows - count as f64) / count as f64).clamp(1e-3, 1e3) as f32
            }
            (_, count) => (rows / (labels as f64 * count as f64)) as f32,
        };
        match how {
            ClassWeights::Equal => Ok(None),
            _ if self.classifier.task == ProblemType::Regression => {
                Err(Error::Usage("--class-weights needs classes; a regression has none"))
            }
            ClassWeights::Balanced => Ok(Some(counts().into_iter().map(balanced).collect())),
            ClassWeights::Given(given) => {
                let mut weights = vec![1.0; labels];
                for (label, weight) in given {
                    let known = self.classifier.labels.iter().position(|l| l == label);
                    let place = known.ok_or_else(|| Error::UnknownLabel {
                        flag: "--class-weights",
                        label: label.clone(),
                        known: self.classifier.labels.clone(),
                    })?;
                    weights[place] = *weight;
                }
                Ok(Some(weights))
            }
        }
    }

    /// Fits temperature, thresholds and the unsure rule to the validation rows' logits and gives them to the classifier.
    pub(super) fn decide(
        &mut self,
        options: &Options,
        logits: Option<&[f32]>,
        watch: &mut dyn Watch,
    ) -> Result<Option<Fitted>, Error> {
        let enough = self.valid.as_ref().is_some_and(|rows| rows.len() >= MIN_CALIBRATION_ROWS);
        let wanted = Wanted {
            temperature: options.calibrate && enough,
            target: options.target,
            unsure: options.unsure,
        };
        if wanted == (Wanted { temperature: false, target: None, unsure: None }) {
            return Ok(None);
        }
        let asked = options.target.is_some() || options.unsure.is_some();
        let (Some(valid), Some(logits)) = (&self.valid, logits) else {
            return Err(Error::Usage(
                "--target and --unsure are fitted on validation rows, and there are none",
            ));
        };
        if let Targets::Numbers(_) = &valid.targets {
            if asked {
                return Err(Error::Usage("--target and --unsure are for labels, not for a regression"));
            }
            return Ok(None);
        }
        watch.stage("fitting temperature and thresholds on the validation rows");
        let classifier = &self.classifier;
        let mut fitted = fit(classifier, logits, &valid.targets, &wanted)?;
        if fitted.temperature.is_some_and(|t| t.at_bound) {
            watch.note(
                "no temperature: the validation rows cannot tell how sure the model should be, it answers all of them right",
            );
            fitted = fit(classifier, logits, &valid.targets, &Wanted { temperature: false, ..wanted })?;
        }
        for note in &fitted.notes {
            watch.note(note);
        }
        self.classifier.set_decision(fitted.decision.clone());
        Ok(Some(fitted))
    }

    /// The classifier's logits of rows.
    pub(super) fn logits(
        &self,
        rows: Option<&Rows>,
        name: &str,
        watch: &mut dyn Watch,
    ) -> Result<Option<Vec<f32>>, Error> {
        let Some(rows) = rows else { return Ok(None) };
        watch.stage(&format!("classifying the {name} rows"));
        let total = rows.texts.encodings.len();
        self.classifier.logits(&rows.texts, &mut |n| watch.rows(n, total)).map(Some)
    }

    /// Measures what logits mean to the classifier; the measure comes with its probabilities.
    pub(super) fn measure(
        &self,
        rows: Option<&Rows>,
        logits: Option<Vec<f32>>,
    ) -> Result<Option<(Measure, Vec<f32>)>, Error> {
        let (Some(rows), Some(logits)) = (rows, logits) else { return Ok(None) };
        let outputs = self.classifier.to_probabilities(logits)?;
        let measure = self.classifier.measure(&outputs, &rows.targets, self.seed)?;
        Ok(Some((measure, outputs)))
    }

    /// All that a run's result follows from, by name: what a checkpoint must agree with.
    pub(super) fn identity(&self, network: &Network, context: &Context, settings: &Settings) -> Value {
        let weights = weights_hash(network);
        let rows = |rows: &Rows| {
            let mut hash = Sha256::new();
            for encoding in &rows.texts.encodings {
                hash.update((encoding.ids.len() as u64).to_le_bytes());
                encoding.ids.iter().chain(&encoding.type_ids).for_each(|id| hash.update(id.to_le_bytes()));
            }
            hash.update(format!("{:?} {:?}", rows.texts.starts, rows.targets));
            hex(&hash.finalize())
        };
        let settings = Settings { trunk_cache: None, ..settings.clone() };
        json!({
            "the version of filbert": crate::VERSION,
            "the model": hex(&weights.finalize()),
            "the training rows": rows(&self.train),
            "the validation rows": self.valid.as_ref().map(rows),
            "the settings": format!("{settings:?}"),
            "the arithmetic": format!("{:?} {}", context.isa(), context.kernel()),
        })
    }
}

/// A hash of all weights, and of how they are trained.
pub(super) fn weights_hash(network: &Network) -> Sha256 {
    let mut weights = Sha256::new();
    for (_, param) in network.params.iter() {
        weights.update(format!("\n{} {} {}\n", param.name, param.trainable, param.lr_scale));
        for part in param.value.chunks(1 << 12) {
            let bytes: Vec<u8> = part.iter().flat_map(|x| x.to_le_bytes()).collect();
            weights.update(&bytes);
        }
    }
    weights
}

/// Fits a decision to the logits of labelled rows.
fn fit(classifier: &Classifier, logits: &[f32], targets: &Targets, wanted: &Wanted) -> Result<Fitted, Error> {
    let labels = &classifier.labels;
    Ok(match targets {
        Targets::Sets(sets) => {
            fit_multi_label(logits, &filbert_train::truth(sets, labels.len()), labels, wanted)?
        }
        other => {
            let classes: Vec<usize> =
                other.classes().unwrap_or_default().iter().map(|&c| c as usize).collect();
            let positive = classifier.positive_label().and_then(|l| labels.iter().position(|x| x == l));
            fit_single_label(logits, &classes, labels, positive, wanted)?
        }
    })
}

/// Reads the encoder and pooler, with a new head for so many labels; or takes the teacher's student.
fn load(job: &Trainer, teacher: Option<&Teacher>, labels: usize, seed: u64) -> Result<Start, Error> {
    let options = &job.options;
    let mut start = if let Some(teacher) = teacher {
        teacher.student(seed)?
    } else {
        let source = Folder::open(&job.model)?;
        let head = HeadSource::New { labels, seed };
        let (network, report) = Network::load(source.path(), head, options.pooling)?;
        Start { network, report, new_head: true }
    };
    let network = &mut start.network;
    network.freeze(&options.freeze)?;
    if let Some(lora) = &options.lora {
        network.add_lora(lora, seed)?;
    }
    let head = options.head_factor(if start.new_head { labels } else { 1 });
    if options.layer_decay != 1.0 || head != 1.0 {
        network.scale_rates(options.layer_decay, head);
    }
    Ok(start)
}

impl Scale {
    fn of(numbers: &[f32]) -> Self {
        let n = numbers.len().max(1) as f64;
        let mean = numbers.iter().map(|&y| f64::from(y)).sum::<f64>() / n;
        let variance = numbers.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / n;
        let deviation = variance.sqrt() as f32;
        // Numbers that are all the same are learnt as they are.
        Self {
            mean: mean as f32,
            deviation: if deviation > 0.0 && deviation.is_finite() { deviation } else { 1.0 },
        }
    }
}
