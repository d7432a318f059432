//! A model folder in memory: network, tokenizer, labels and what decides between them.

use std::path::{Path, PathBuf};

use filbert_data::{LabelMap, ReadOptions, Reader, Table, Task};
use filbert_engine::{Context, Profile};
use filbert_eval::operating::FPRS;
use filbert_eval::{Answer, Decision, Rule};
use filbert_model::folder::{FilbertJson, Folder};
use filbert_model::{HeadSource, LoadReport, Network, Pooling, ProblemType, Tokenizer};
use filbert_train::{Rows, Targets, Texts};

use crate::decision;
use crate::details::{Answered, Details, Versus};
use crate::measure::{self, Measure};
use crate::tokens::{self, Lengths};
use crate::{Error, Precision, Silent, Watch};

/// The longest row, in tokens, of a folder that does not say.
pub(crate) const DEFAULT_MAX_LENGTH: usize = 128;

/// A text classifier, ready to answer.
#[derive(Debug)]
pub struct Classifier {
    pub(crate) network: Network,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) task: ProblemType,
    pub(crate) decision: Decision,
    pub(crate) labels: Vec<String>,
    pub(crate) settings: FilbertJson,
    pub(crate) max_length: usize,
    pub(crate) context: Context,
    pub(crate) folder: PathBuf,
    pub(crate) report: LoadReport,
}

/// The answer for one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The answer: a label; of a multi-label model its labels, joined by `|`; of a regression the number.
    pub label: String,
    /// The labels of the answer, by index: one, or of a multi-label model any number; none of a regression.
    pub labels: Vec<usize>,
    /// The answer's probability, 0 to 1: of several labels the least probable one's, of none the probability that the most
    /// probable one is wrong too. Of a regression the number.
    pub score: f32,
    /// Every label's probability, in the order of [`Classifier::labels`]; they sum to 1 unless the model is multi-label. None
    /// of a regression.
    pub probabilities: Vec<f32>,
    /// True where the model's own limits say that this answer should not be relied on.
    pub unsure: bool,
    /// True where the text was longer than the model reads.
    pub truncated: bool,
}

/// What a measurement is told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// The columns of the texts; those of the training, or found, where left out.
    pub text: Option<Vec<String>>,
    /// The column of the labels; that of the training, or found, where left out.
    pub label: Option<String>,
    /// Columns by whose values rows are measured apart.
    pub slices: Vec<String>,
    /// False positive rates at which true positive rates are given; 0.01, 0.001 and 0.0001 where there are none.
    pub fprs: Vec<f64>,
}

/// A classifier measured on labelled rows.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Metrics with intervals.
    pub report: Measure,
    /// SHA-256 of the rows' file.
    pub data_sha256: String,
    /// Rows that were cut at the longest length.
    pub truncated: usize,
    /// Each row's probabilities, `[rows, labels]`; of a regression its numbers.
    pub probabilities: Vec<f32>,
    /// What each row is.
    pub targets: Targets,
    /// What there is to say beside the metrics.
    pub details: Details,
}

impl Classifier {
    /// Loads a model folder: one that filbert wrote, or any BERT classifier in Hugging Face's layout. The hashes in
    /// `filbert.json`, where there is one, are verified.
    ///
    /// # Errors
    /// If a file is missing, damaged or of another kind; the message names file and place.
    ///
    /// ```
    /// let error = filbert::Classifier::load("no-such-folder").unwrap_err();
    /// assert!(error.to_string().contains("no-such-folder"));
    /// ```
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = Folder::open(folder.as_ref())?;
        let settings = folder.filbert_or_default();
        let (network, report) = Network::load(folder.path(), HeadSource::Stored, settings.pooling)?;
        let (task, labels) = network.config.task()?;
        let labels = labels.to_vec();
        let wrong = |problem: &str| Error::Folder {
            folder: folder.path().display().to_string(),
            problem: problem.to_owned(),
        };
        if !settings.labels.is_empty() && settings.labels != labels {
            return Err(wrong("filbert.json and config.json name different labels"));
        }
        Self::assemble(network, settings, folder.path().to_path_buf(), (task, labels), report)
    }

    pub(crate) fn assemble(
        network: Network,
        settings: FilbertJson,
        folder: PathBuf,
        (task, labels): (ProblemType, Vec<String>),
        report: LoadReport,
    ) -> Result<Self, Error> {
        let tokenizer = Tokenizer::load(&folder)?;
        tokenizer.check_vocabulary(network.config.vocab_size)?;
        tokenizer.check_types(network.config.type_vocab_size, false)?;
        let limit = network.max_tokens();
        let max_length = settings.max_length.unwrap_or(DEFAULT_MAX_LENGTH.min(limit));
        if max_length > limit {
            return Err(Error::MaxLength { folder: folder.display().to_string(), wanted: max_length, limit });
        }
        let positive = settings.positive_label.as_ref().and_then(|l| labels.iter().position(|x| x == l));
        let decision =
            decision::read(&settings, task, &labels, positive).map_err(|problem| Error::Folder {
                folder: folder.display().to_string(),
                problem: format!("filbert.json: {problem}"),
            })?;
        Ok(Self {
            network,
            tokenizer,
            task,
            decision,
            labels,
            settings,
            max_length,
            context: Context::default(),
            folder,
            report,
        })
    }

    /// What it answers: one label, any number of them, or a number.
    pub fn task(&self) -> ProblemType {
        self.task
    }

    /// The labels, in the order of a prediction's probabilities; of a regression the number's one name.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The label that binary metrics count as positive: the stored one, or the last of two.
    pub fn positive_label(&self) -> Option<&str> {
        let stored = self.settings.positive_label.as_deref();
        let binary = self.task == ProblemType::SingleLabel && self.labels.len() == 2;
        stored.or_else(|| if binary { self.labels.last().map(String::as_str) } else { None })
    }

    /// The longest row in tokens, special tokens included.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Reads longer or shorter rows than the folder says.
    ///
    /// # Errors
    /// If the model has no positions for so many tokens.
    pub fn set_max_length(&mut self, tokens: usize) -> Result<(), Error> {
        let limit = self.network.max_tokens();
        if tokens > limit || tokens == 0 {
            let folder = self.folder.display().to_string();
            return Err(Error::MaxLength { folder, wanted: tokens, limit });
        }
        self.max_length = tokens;
        Ok(())
    }

    /// How a row's token vectors become one.
    pub fn pooling(&self) -> Pooling {
        self.network.head().pooling()
    }

    /// The columns it was trained on, where the folder says.
    pub fn text_columns(&self) -> &[String] {
        &self.settings.text_columns
    }

    /// The column of the labels it was trained on, where the folder says.
    pub fn label_column(&self) -> Option<&str> {
        self.settings.label_column.as_deref()
    }

    /// The columns it was trained on, where all of them are among `columns`.
    pub fn text_columns_in(&self, columns: &[String]) -> Option<Vec<String>> {
        let trained = self.text_columns();
        (!trained.is_empty() && trained.iter().all(|name| columns.contains(name))).then(|| trained.to_vec())
    }

    /// The network, for those who want its parameters.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What loading did beside reading: tensors that were skipped.
    pub fn load_report(&self) -> &LoadReport {
        &self.report
    }

    /// The folder it was loaded from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Computes in another number format; [`load`](Self::load) chooses f32.
    ///
    /// # Errors
    /// If bfloat16 is asked for and this processor does not multiply it.
    pub fn set_precision(&mut self, precision: Precision) -> Result<(), Error> {
        self.context = precision.context()?.0;
        Ok(())
    }

    /// Adds the time of every operation to `profile` from now on.
    pub fn set_profile(&mut self, profile: Profile) {
        self.context = self.context.clone().with_profile(profile);
    }

    /// The number format of matrix products, `f32`, `bf16` or `int8`, and the kernels that compute them.
    pub fn precision(&self) -> (&'static str, &'static str) {
        if self.network.params.has_quantized() {
            return ("int8", self.context.int8().name());
        }
        (self.context.precision().name(), self.context.kernel())
    }

    /// Classifies texts. A text's answer does not depend on the others.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn predict<T: AsRef<str>>(&self, texts: &[T]) -> Result<Vec<Prediction>, Error> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        self.predict_pairs(&texts, None)
    }

    /// Classifies pairs of texts, for a model that was trained on pairs.
    ///
    /// # Errors
    /// If there are not as many second texts as first ones, or a text cannot be tokenized.
    pub fn predict_pairs(&self, texts: &[&str], pairs: Option<&[&str]>) -> Result<Vec<Prediction>, Error> {
        let texts = self.encode(texts, pairs)?;
        let outputs = self.probabilities(&texts, &mut |_| ())?;
        let columns = self.labels.len().max(1);
        Ok(outputs
            .chunks_exact(columns)
            .enumerate()
            .map(|(row, outputs)| {
                let truncated = texts.encodings[texts.windows(row)].iter().any(|e| e.truncated);
                Prediction { truncated, ..self.answer(outputs) }
            })
            .collect())
    }

    /// What one row's probabilities (of a regression its number) mean.
    pub fn answer(&self, outputs: &[f32]) -> Prediction {
        if self.task == ProblemType::Regression {
            let value = outputs.first().copied().unwrap_or_default();
            let (labels, probabilities) = (Vec::new(), Vec::new());
            return Prediction {
                label: value.to_string(),
                labels,
                score: value,
                probabilities,
                unsure: false,
                truncated: false,
            };
        }
        // Probabilities of a row are what a decision takes.
        let none = Answer { labels: Vec::new(), unsure: true };
        let Answer { labels, unsure } = self.decision.decide(outputs).unwrap_or(none);
        let names: Vec<&str> = labels.iter().map(|&label| self.labels[label].as_str()).collect();
        let all = || outputs.iter().copied();
        let score = match labels.as_slice() {
            [] => 1.0 - all().fold(0.0, f32::max),
            some => some.iter().map(|&label| outputs[label]).fold(1.0, f32::min),
        };
        Prediction {
            label: names.join("|"),
            labels,
            score,
            probabilities: outputs.to_vec(),
            unsure,
            truncated: false,
        }
    }

    /// Whether it answers by thresholds or limits of its own.
    pub(crate) fn decides(&self) -> bool {
        self.settings.thresholds.is_some() || self.settings.unsure.is_some()
    }

    /// How probabilities become answers.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Whether an answer may be unsure.
    pub fn may_be_unsure(&self) -> bool {
        match &self.decision.rule {
            Rule::Binary { unsure, .. } => unsure.is_some(),
            Rule::Multiclass { thresholds, unsure_below } => thresholds.is_some() || unsure_below.is_some(),
            Rule::Multilabel { .. } => false,
        }
    }

    /// The same classifier with another network and tokenizer, which belong together.
    pub(crate) fn with_parts(&self, network: Network, tokenizer: Tokenizer) -> Self {
        Self {
            network,
            tokenizer,
            task: self.task,
            decision: self.decision.clone(),
            labels: self.labels.clone(),
            settings: self.settings.clone(),
            max_length: self.max_length,
            context: self.context.clone(),
            folder: self.folder.clone(),
            report: self.report.clone(),
        }
    }

    /// Makes answers from probabilities in another way.
    pub(crate) fn set_decision(&mut self, decision: Decision) {
        decision::write(&decision, &self.labels, &mut self.settings);
        self.decision = decision;
    }

    pub(crate) fn lengths(&self) -> Lengths {
        Lengths { max_length: self.max_length, windows: self.settings.windows }
    }

    /// Tokenizes texts as [`predict`](Self::predict) does.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn encode(&self, texts: &[&str], pairs: Option<&[&str]>) -> Result<Texts, Error> {
        tokens::encode(&self.tokenizer, texts, pairs, self.lengths())
    }

    /// Logits of tokenized texts, `[texts, labels]`. `done` is told the number of encodings.
    ///
    /// # Errors
    /// If a text does not fit the network.
    pub fn logits(&self, texts: &Texts, done: &mut dyn FnMut(usize)) -> Result<Vec<f32>, Error> {
        Ok(filbert_train::logits(&self.network, &self.context, texts, done)?)
    }

    /// Probabilities of tokenized texts, `[texts, labels]`, temperature applied; of a regression its numbers. `done` is told the
    /// number of encodings.
    ///
    /// # Errors
    /// If a text does not fit the network, or a logit is not finite.
    pub fn probabilities(&self, texts: &Texts, done: &mut dyn FnMut(usize)) -> Result<Vec<f32>, Error> {
        let logits = self.logits(texts, done)?;
        self.to_probabilities(logits)
    }

    /// What logits mean.
    pub(crate) fn to_probabilities(&self, logits: Vec<f32>) -> Result<Vec<f32>, Error> {
        if self.task == ProblemType::Regression {
            return Ok(logits);
        }
        Ok(self.decision.probabilities(logits, self.labels.len())?)
    }

    /// Measures on the labelled rows of a file. Columns that are not named are those the folder was trained on if the
    /// file has them, or else found.
    ///
    /// # Errors
    /// If the file cannot be read or has a label that the model does not know.
    pub fn evaluate(
        &self,
        data: impl AsRef<Path>,
        wanted: &Wanted,
        watch: &mut dyn Watch,
    ) -> Result<Evaluation, Error> {
        let (text, label) = (wanted.text.clone(), wanted.label.clone());
        // A pipe can be read only once, so its columns are found without those of the training.
        let is_file = data.as_ref().is_file();
        let columns =
            if is_file { Reader::open(data.as_ref(), None)?.columns().to_vec() } else { Vec::new() };
        let text = text.or_else(|| self.text_columns_in(&columns));
        let trained = self.label_column().filter(|name| columns.iter().any(|c| c == name));
        let label = label.or_else(|| trained.map(str::to_owned));
        let task = match self.task {
            ProblemType::MultiLabel => Task::Multi { separator: None },
            ProblemType::Regression => Task::Regression,
            _ => Task::Single,
        };
        let keep = wanted.slices.clone();
        let options = ReadOptions { text, label, need_label: true, task, keep, ..ReadOptions::default() };
        let table = Table::read(data.as_ref(), &options)?;
        for note in &table.notes {
            watch.note(note);
        }
        let labels = LabelMap::from_names(self.labels.clone())?;
        let targets = measure::targets(&table, Some(&labels))?;
        watch.stage("tokenizing");
        let texts = tokens::tokenize(&table, &self.tokenizer, self.lengths(), "data", watch)?;
        watch.stage("classifying");
        let total = texts.encodings.len();
        let probabilities = self.probabilities(&texts, &mut |n| watch.rows(n, total))?;
        let report = self.measure(&probabilities, &targets, 0)?;
        let rows = Rows { texts, targets };
        let answered = Answered {
            table: &table,
            rows: &rows,
            outputs: &probabilities,
            floor: None,
            slices: &wanted.slices,
        };
        let rates = if wanted.fprs.is_empty() { &FPRS[..] } else { &wanted.fprs[..] };
        let details = Details::of(self, "data", &answered, (rates, 0))?;
        let Rows { texts, targets } = rows;
        Ok(Evaluation {
            report,
            details,
            data_sha256: table.sha256,
            truncated: texts.truncated(),
            probabilities,
            targets,
        })
    }

    /// Measures probabilities (of a regression its numbers) on the rows' targets.
    pub(crate) fn measure(&self, outputs: &[f32], targets: &Targets, seed: u64) -> Result<Measure, Error> {
        Measure::of(outputs, targets, &self.labels, &self.decision, seed)
    }

    /// The same of probabilities that another model gave, which has no decision of its own.
    pub(crate) fn measure_plain(
        &self,
        outputs: &[f32],
        targets: &Targets,
        seed: u64,
    ) -> Result<Measure, Error> {
        Measure::of(outputs, targets, &self.labels, &self.plain_decision(), seed)
    }

    /// The decision without anything fitted.
    pub(crate) fn plain_decision(&self) -> Decision {
        match &self.decision.rule {
            Rule::Multilabel { thresholds } => Decision::plain_multilabel(thresholds.len()),
            &Rule::Binary { positive, .. } => Decision::plain(2, Some(positive)),
            Rule::Multiclass { .. } => Decision::plain(self.labels.len(), None),
        }
    }

    /// Holds a second model's answers against a first one's, on the same rows.
    ///
    /// # Errors
    /// If the models have other tasks or labels, or were measured on other rows.
    pub fn compare(
        first: &Self,
        of_first: &Evaluation,
        second: &Self,
        of_second: &Evaluation,
    ) -> Result<Versus, Error> {
        if first.task != second.task || first.labels != second.labels {
            return Err(Error::Usage(
                "two models are compared where both have the same labels in the same order",
            ));
        }
        if of_first.targets != of_second.targets {
            return Err(Error::Usage("two models are compared where both were measured on the same rows"));
        }
        Versus::of(
            &of_first.probabilities,
            &of_second.probabilities,
            &of_first.targets,
            &first.labels,
            &second.decision,
            0,
        )
    }

    /// Classifies without watching; as [`evaluate`](Self::evaluate) with columns found.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate).
    pub fn evaluate_file(&self, data: impl AsRef<Path>) -> Result<Evaluation, Error> {
        self.evaluate(data, &Wanted::default(), &mut Silent)
    }
}
