//! A model folder in memory: network, tokenizer, labels and what decides between them.

use std::path::{Path, PathBuf};

use filbert_data::{LabelMap, ReadOptions, Reader, Table};
use filbert_engine::Context;
use filbert_eval::{Inputs, Report};
use filbert_model::folder::{FilbertJson, Folder};
use filbert_model::{Encoding, HeadSource, LoadReport, Network, Pooling, Tokenizer};

use crate::{Error, Precision, Silent, Watch, rows};

/// The longest row, in tokens, of a folder that does not say.
pub(crate) const DEFAULT_MAX_LENGTH: usize = 128;

/// A text classifier, ready to answer.
#[derive(Debug)]
pub struct Classifier {
    pub(crate) network: Network,
    pub(crate) tokenizer: Tokenizer,
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
    /// The most likely label.
    pub label: String,
    /// The label's probability, 0 to 1.
    pub score: f32,
    /// Every label's probability, in the order of [`Classifier::labels`]; they sum to 1.
    pub probabilities: Vec<f32>,
    /// True where the text was longer than the model reads.
    pub truncated: bool,
}

/// A classifier measured on labelled rows.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Metrics with intervals.
    pub report: Report,
    /// SHA-256 of the rows' file.
    pub data_sha256: String,
    /// Rows that were cut at the longest length.
    pub truncated: usize,
    /// Each row's probabilities, `[rows, labels]`.
    pub probabilities: Vec<f32>,
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
        let labels = network.config.single_label()?.to_vec();
        let wrong = |problem: &str| Error::Folder {
            folder: folder.path().display().to_string(),
            problem: problem.to_owned(),
        };
        if settings.thresholds.is_some() {
            return Err(wrong("filbert.json has thresholds, which this version of filbert does not apply"));
        }
        if !settings.labels.is_empty() && settings.labels != labels {
            return Err(wrong("filbert.json and config.json name different labels"));
        }
        Self::assemble(network, settings, folder.path().to_path_buf(), labels, report)
    }

    pub(crate) fn assemble(
        network: Network,
        settings: FilbertJson,
        folder: PathBuf,
        labels: Vec<String>,
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
        Ok(Self {
            network,
            tokenizer,
            labels,
            settings,
            max_length,
            context: Context::default(),
            folder,
            report,
        })
    }

    /// The labels, in the order of a prediction's probabilities.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The label that binary metrics count as positive: the stored one, or the last of two.
    pub fn positive_label(&self) -> Option<&str> {
        let stored = self.settings.positive_label.as_deref();
        stored.or_else(|| if self.labels.len() == 2 { self.labels.last().map(String::as_str) } else { None })
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

    /// The number format of matrix products, `f32` or `bf16`, and the kernels that compute them.
    pub fn precision(&self) -> (&'static str, &'static str) {
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
        let encodings = self.tokenizer.encode_batch(texts, pairs, self.max_length)?;
        let probabilities = self.probabilities(&encodings, &mut |_| ())?;
        let rows = probabilities.chunks_exact(self.labels.len().max(1)).zip(&encodings);
        rows.map(|(p, encoding)| {
            let best = filbert_eval::argmax(p).unwrap_or(0);
            Ok(Prediction {
                label: self.labels[best].clone(),
                score: p[best],
                probabilities: p.to_vec(),
                truncated: encoding.truncated,
            })
        })
        .collect()
    }

    /// Tokenizes texts as [`predict`](Self::predict) does.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn encode(&self, texts: &[&str], pairs: Option<&[&str]>) -> Result<Vec<Encoding>, Error> {
        Ok(self.tokenizer.encode_batch(texts, pairs, self.max_length)?)
    }

    /// Probabilities of tokenized rows, `[rows, labels]`, temperature applied. `done` is told the number of rows.
    ///
    /// # Errors
    /// If a row does not fit the network, or a logit is not finite.
    pub fn probabilities(&self, rows: &[Encoding], done: &mut dyn FnMut(usize)) -> Result<Vec<f32>, Error> {
        let mut logits = filbert_train::logits(&self.network, &self.context, rows, done)?;
        if self.settings.temperature != 1.0 {
            let factor = (1.0 / self.settings.temperature) as f32;
            for logit in &mut logits {
                *logit *= factor;
            }
        }
        Ok(filbert_eval::softmax_rows(&logits, self.labels.len())?)
    }

    /// Measures on the labelled rows of a file. Columns that are not named are those the folder was trained on if the
    /// file has them, or else found.
    ///
    /// # Errors
    /// If the file cannot be read or has a label that the model does not know.
    pub fn evaluate(
        &self,
        data: impl AsRef<Path>,
        text: Option<Vec<String>>,
        label: Option<String>,
        watch: &mut dyn Watch,
    ) -> Result<Evaluation, Error> {
        // A pipe can be read only once, so its columns are found without those of the training.
        let is_file = data.as_ref().is_file();
        let columns =
            if is_file { Reader::open(data.as_ref(), None)?.columns().to_vec() } else { Vec::new() };
        let text = text.or_else(|| self.text_columns_in(&columns));
        let trained = self.label_column().filter(|name| columns.iter().any(|c| c == name));
        let label = label.or_else(|| trained.map(str::to_owned));
        let options = ReadOptions { text, label, need_label: true, ..ReadOptions::default() };
        let table = Table::read(data.as_ref(), &options)?;
        for note in &table.notes {
            watch.note(note);
        }
        let labels = LabelMap::from_names(self.labels.clone())?;
        let truth: Vec<usize> = labels.encode(&table)?;
        watch.stage("tokenizing");
        let rows = rows::tokenize(&table, &self.tokenizer, self.max_length, "data", watch)?;
        watch.stage("classifying");
        let total = rows.len();
        let probabilities = self.probabilities(&rows.encodings, &mut |n| watch.rows(n, total))?;
        let report = self.measure(&probabilities, &truth, 0)?;
        let truncated = rows.encodings.iter().filter(|r| r.truncated).count();
        Ok(Evaluation { report, data_sha256: table.sha256, truncated, probabilities })
    }

    pub(crate) fn measure(
        &self,
        probabilities: &[f32],
        labels: &[usize],
        seed: u64,
    ) -> Result<Report, Error> {
        let positive = if self.labels.len() == 2 {
            self.positive_label().and_then(|l| self.labels.iter().position(|x| x == l))
        } else {
            None
        };
        let inputs = Inputs { probabilities, labels, classes: &self.labels, positive };
        Ok(filbert_eval::measure(
            &inputs,
            &filbert_eval::Options { seed, ..filbert_eval::Options::default() },
        )?)
    }

    /// Classifies without watching; as [`evaluate`](Self::evaluate) with columns found.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate).
    pub fn evaluate_file(&self, data: impl AsRef<Path>) -> Result<Evaluation, Error> {
        self.evaluate(data, None, None, &mut Silent)
    }
}
