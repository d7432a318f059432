//! The rows of a run, as texts: each artifact tokenizes them with its own vocabulary.

use std::path::Path;

use filbert_data::{LabelMap, ReadOptions, Reader, Table, Task};
use filbert_model::ProblemType;
use filbert_train::{Targets, Texts};

use super::Compression;
use crate::{Classifier, Error, Watch, measure, tokens};

/// Rows without labels on which flips are counted.
const FLIP_ROWS: usize = 10_000;

/// Rows with what they are.
#[derive(Debug)]
pub(super) struct Labelled {
    pub(super) table: Table,
    pub(super) targets: Targets,
}

#[derive(Debug)]
pub(super) struct Data {
    pub(super) gate: Labelled,
    pub(super) test: Option<Labelled>,
    /// Texts that the vocabulary must have words for: those of the training, or the gate's without them.
    pub(super) known: Vec<Table>,
    /// Texts on which flips are counted, the gate's where there are no others.
    pub(super) flips: Vec<String>,
    pub(super) flip_pairs: Option<Vec<String>>,
}

impl Labelled {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The rows as a classifier reads them.
    pub(super) fn texts(&self, classifier: &Classifier) -> Result<Texts, Error> {
        let texts: Vec<&str> = self.table.texts.iter().map(String::as_str).collect();
        let pairs: Option<Vec<&str>> =
            self.table.pairs.as_ref().map(|pairs| pairs.iter().map(String::as_str).collect());
        tokens::encode(&classifier.tokenizer, &texts, pairs.as_deref(), classifier.lengths())
    }
}

/// A path's last part.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Data {
    pub(super) fn read(
        told: &Compression,
        classifier: &Classifier,
        watch: &mut dyn Watch,
    ) -> Result<Self, Error> {
        watch.stage("reading rows");
        let gate = labelled(told, classifier, &told.data, watch)?;
        let test = match &told.test {
            Some(path) => Some(labelled(told, classifier, path, watch)?),
            None => None,
        };
        let unlabelled = match &told.unlabelled {
            Some(path) => Some(table(told, classifier, path, false)?),
            None => None,
        };
        let train = match &told.train {
            Some(path) => Some(table(told, classifier, path, true)?),
            None => None,
        };
        let counted = unlabelled.as_ref().unwrap_or(&gate.table);
        let flips: Vec<String> = counted.texts.iter().take(FLIP_ROWS).cloned().collect();
        let flip_pairs = counted.pairs.as_ref().map(|pairs| pairs.iter().take(FLIP_ROWS).cloned().collect());
        let mut known: Vec<Table> = train.into_iter().chain(unlabelled).collect();
        if known.is_empty() {
            watch.note("no training rows: the pruned vocabulary keeps the words of the gate's rows");
            known.push(gate.table.clone());
        }
        Ok(Self { gate, test, known, flips, flip_pairs })
    }

    /// The rows of flips as a classifier reads them.
    pub(super) fn flip_texts(&self, classifier: &Classifier) -> Result<Texts, Error> {
        let texts: Vec<&str> = self.flips.iter().map(String::as_str).collect();
        let pairs: Option<Vec<&str>> =
            self.flip_pairs.as_ref().map(|pairs| pairs.iter().map(String::as_str).collect());
        tokens::encode(&classifier.tokenizer, &texts, pairs.as_deref(), classifier.lengths())
    }
}

fn table(told: &Compression, classifier: &Classifier, path: &Path, need_label: bool) -> Result<Table, Error> {
    let columns = Reader::open(path, None)?.columns().to_vec();
    let text = told.text.clone().or_else(|| classifier.text_columns_in(&columns));
    let trained = classifier.label_column().filter(|name| columns.iter().any(|c| c == name));
    let label = told.label.clone().or_else(|| trained.map(str::to_owned)).filter(|_| need_label);
    let task = match classifier.task() {
        ProblemType::MultiLabel => Task::Multi { separator: None },
        ProblemType::Regression => Task::Regression,
        _ => Task::Single,
    };
    let options = ReadOptions { text, label, need_label, task, ..ReadOptions::default() };
    Ok(Table::read(path, &options)?)
}

fn labelled(
    told: &Compression,
    classifier: &Classifier,
    path: &Path,
    watch: &mut dyn Watch,
) -> Result<Labelled, Error> {
    let table = table(told, classifier, path, true)?;
    for note in &table.notes {
        watch.note(note);
    }
    let labels = LabelMap::from_names(classifier.labels.clone())?;
    let targets = measure::targets(&table, Some(&labels))?;
    Ok(Labelled { table, targets })
}
