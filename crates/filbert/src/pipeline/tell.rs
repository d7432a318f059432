//! What the user is told on the way.

use filbert_data::{Table, Task};
use filbert_model::{Freeze, LoadReport, Network, Pooling};

use crate::rows::Splits;
use crate::{Error, Watch};

/// Keeps what the user is told, for the record.
pub(super) struct Recorder<'a> {
    watch: &'a mut dyn Watch,
    notes: Vec<String>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(watch: &'a mut dyn Watch) -> Self {
        Self { watch, notes: Vec::new() }
    }

    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes
    }
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
    fn checkpoint(&mut self, outcome: Result<&std::path::Path, &str>) {
        self.watch.checkpoint(outcome);
    }
    fn stop(&mut self) -> bool {
        self.watch.stop()
    }
}

/// Tells what is said of one of several models, with its name before it.
pub(super) struct Named<'a, 'b> {
    pub(super) watch: &'a mut Recorder<'b>,
    pub(super) name: &'static str,
}

impl Watch for Named<'_, '_> {
    fn note(&mut self, text: &str) {
        self.watch.note(&format!("{}: {text}", self.name));
    }
    fn stage(&mut self, text: &str) {
        self.watch.stage(&format!("{}: {text}", self.name));
    }
    fn rows(&mut self, done: usize, all: usize) {
        self.watch.rows(done, all);
    }
    fn stop(&mut self) -> bool {
        self.watch.stop()
    }
}

/// The error of a run that diverged, with the rows' places in their file: in that of the rows without labels where the batch had no
/// others.
pub(super) fn with_lines(error: filbert_train::Error, train: &Table, unlabelled: Option<&Table>) -> Error {
    let filbert_train::Error::NotFinite { what, step, epoch, rows } = error else { return error.into() };
    let in_file = |table: &Table, before: usize| -> Vec<u64> {
        let row = |row: &usize| table.places.get(row.checked_sub(before)?).copied();
        rows.iter().filter_map(row).collect()
    };
    let (mut places, mut file) = (in_file(train, 0), &train.source);
    if let Some(table) = unlabelled.filter(|_| places.is_empty()) {
        (places, file) = (in_file(table, train.len()), &table.source);
    }
    places.sort_unstable();
    let lines: Vec<String> = places.iter().map(ToString::to_string).collect();
    let what = format!("{what} at step {step} of epoch {epoch}");
    Error::Diverged { what, lines: lines.join(", "), file: file.display().to_string() }
}

/// Tells rows, labels and the positive class; returns the latter for two labels.
pub(super) fn labels(
    splits: &Splits,
    wanted: Option<&str>,
    watch: &mut dyn Watch,
) -> Result<Option<String>, Error> {
    let len = |table: &Option<Table>| table.as_ref().map_or(0, Table::len);
    let (train, valid, test) = (splits.train.len(), len(&splits.valid), len(&splits.test));
    let count =
        splits.labels.as_ref().map_or("numbers".to_owned(), |labels| format!("{} labels", labels.len()));
    watch.note(&format!("{train} training, {valid} validation and {test} test rows; {count}"));
    let binary =
        splits.labels.as_ref().filter(|labels| splits.train.task == Task::Single && labels.len() == 2);
    let Some(labels) = binary else {
        return match wanted {
            Some(_) => Err(Error::Usage(
                "--positive names one label of two; these rows have no two labels to choose from",
            )),
            None => Ok(None),
        };
    };
    let positive = &labels.names()[filbert_data::positive(labels, wanted)?];
    let how = if wanted.is_some() { "as told" } else { "the last in order; --positive chooses another" };
    watch.note(&format!("the positive label is {positive:?} ({how})"));
    Ok(Some(positive.clone()))
}

pub(super) fn model(network: &Network, report: &LoadReport, freeze: &Freeze, watch: &mut dyn Watch) {
    let trained: usize = network.params.iter().filter(|(_, p)| p.trainable).map(|(_, p)| p.value.len()).sum();
    let all: usize = network.params.iter().map(|(_, p)| p.value.len()).sum();
    watch.note(&format!("{trained} of {all} parameters are trained"));
    if !report.new.is_empty() {
        watch.note(&format!("new, drawn from the seed: {}", report.new.join(", ")));
    }
    if !report.skipped.is_empty() {
        watch.note(&format!("tensors of the checkpoint that are not used: {}", report.skipped.join(", ")));
    }
    if *freeze != Freeze::None {
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
