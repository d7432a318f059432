//! From files to the tables of a run: reading, splitting, leaving out what occurs twice, and what the user is told.

use std::path::{Path, PathBuf};

use filbert_data::{
    DataReport, Dedupe, Dropped, LabelMap, Overlap, Part, ReadOptions, Split, SplitBy, Table, Task,
};

use crate::{Error, Watch};

/// The tables of a run.
#[derive(Debug)]
pub(crate) struct Splits {
    pub(crate) train: Table,
    pub(crate) valid: Option<Table>,
    pub(crate) test: Option<Table>,
    /// Of a regression none.
    pub(crate) labels: Option<LabelMap>,
    /// How the rows were split, for the record.
    pub(crate) how: String,
    /// Rows that were left out, where that was asked for.
    pub(crate) dropped: Option<Dropped>,
    /// What the parts are like and what they share, after rows were left out.
    pub(crate) report: DataReport,
}

/// The files of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) data: Option<(PathBuf, String)>,
    pub(crate) train: Option<PathBuf>,
    pub(crate) valid: Option<PathBuf>,
    pub(crate) test: Option<PathBuf>,
}

/// How the files' rows become the parts of a run.
#[derive(Debug, Clone)]
pub(crate) struct Dividing<'a> {
    pub(crate) read: ReadOptions,
    pub(crate) by: &'a SplitBy,
    pub(crate) dedupe: Dedupe,
    pub(crate) seed: u64,
    /// The labels that there may be, in order; those of the training rows, sorted, where left out.
    pub(crate) labels: Option<&'a [String]>,
}

/// The share of training rows that become validation rows where none are given.
const HELD_OUT: f64 = 0.15;

impl Files {
    /// Reads, splits and leaves out.
    pub(crate) fn divide(&self, how: &Dividing<'_>, watch: &mut dyn Watch) -> Result<Splits, Error> {
        let (train, valid, test, split) = self.read(how, watch)?;
        let (train, valid, dropped) = dedupe(train, valid, test.as_ref(), how.dedupe, watch)?;
        let labels = match train.task {
            Task::Regression => None,
            _ if how.labels.is_some() => {
                how.labels.map(|names| LabelMap::from_names(names.to_vec())).transpose()?
            }
            Task::Single => Some(LabelMap::new(train.labels.iter().map(String::as_str))?),
            Task::Multi { .. } => Some(LabelMap::of_sets(&train.label_sets)?),
        };
        let mut parts = vec![Part::new("training", &train)];
        parts.extend(valid.as_ref().map(|table| Part::new("validation", table)));
        parts.extend(test.as_ref().map(|table| Part::new("test", table)));
        let report = filbert_data::data_report(&parts);
        drop(parts);
        let splits = Splits { train, valid, test, labels, how: split, dropped, report };
        splits.tell(watch)?;
        Ok(splits)
    }

    fn read(
        &self,
        how: &Dividing<'_>,
        watch: &mut dyn Watch,
    ) -> Result<(Table, Option<Table>, Option<Table>, String), Error> {
        let read = |path: &Path, watch: &mut dyn Watch| -> Result<Table, Error> {
            let table = Table::read(path, &how.read)?;
            for note in &table.notes {
                watch.note(&format!("{}: {note}", table.source.display()));
            }
            Ok(table)
        };
        let tell =
            |split: &Split, watch: &mut dyn Watch| split.notes.iter().for_each(|note| watch.note(note));
        let (by, seed) = (how.by, how.seed);
        match (&self.data, &self.train) {
            (Some((data, spec)), None) => {
                if self.valid.is_some() || self.test.is_some() {
                    return Err(Error::Usage(
                        "--data is split by --split; --valid and --test go with --train",
                    ));
                }
                let spec: filbert_data::SplitSpec = spec.parse()?;
                let all = read(data, watch)?;
                let split = filbert_data::split_by(&all, spec, by, seed)?;
                tell(&split, watch);
                let some = |rows: &[usize]| (!rows.is_empty()).then(|| all.subset(rows));
                let train = all.subset(&split.train);
                Ok((train, some(&split.valid), some(&split.test), format!("{by}, seed {seed}")))
            }
            (None, Some(train)) => {
                let train = read(train, watch)?;
                let test = self.test.as_deref().map(|path| read(path, watch)).transpose()?;
                if let Some(valid) = &self.valid {
                    let valid = Some(read(valid, watch)?);
                    return Ok((train, valid, test, "given files".to_owned()));
                }
                let split = filbert_data::hold_out_by(&train, HELD_OUT, by, seed)?;
                tell(&split, watch);
                watch.note(&format!(
                    "no validation rows were given: {} of {} training rows, {by}, were set aside for them",
                    split.valid.len(),
                    train.len()
                ));
                let how = format!("validation cut from train, {by}, seed {seed}");
                let valid = (!split.valid.is_empty()).then(|| train.subset(&split.valid));
                Ok((train.subset(&split.train), valid, test, how))
            }
            (None, None) => Err(Error::Usage("no rows to train on: pass --data FILE, or --train FILE")),
            (Some(_), Some(_)) => Err(Error::Usage("--data and --train exclude each other")),
        }
    }
}

/// Leaves out what `how` says, and tells it.
fn dedupe(
    train: Table,
    valid: Option<Table>,
    test: Option<&Table>,
    how: Dedupe,
    watch: &mut dyn Watch,
) -> Result<(Table, Option<Table>, Option<Dropped>), Error> {
    if how == Dedupe::Off {
        return Ok((train, valid, None));
    }
    let kept = {
        let parts = (
            Part::new("train", &train),
            valid.as_ref().map(|table| Part::new("valid", table)),
            test.map(|table| Part::new("test", table)),
        );
        filbert_data::dedupe(&parts.0, parts.1.as_ref(), parts.2.as_ref(), how)?
    };
    let dropped = kept.dropped;
    watch.note(&format!(
        "left out ({how}): {} training rows that meet test rows, {} that meet validation rows, {} that contradict each other, {} \
         repeats; {} validation rows that meet test rows",
        dropped.train_in_test,
        dropped.train_in_valid,
        dropped.contradicting,
        dropped.repeats,
        dropped.valid_in_test
    ));
    let valid = valid.map(|table| table.subset(&kept.valid));
    Ok((train.subset(&kept.train), valid, Some(dropped)))
}

impl Splits {
    /// The names of the model's outputs: the labels, or of a regression its column's.
    pub(crate) fn output_names(&self, number: &str) -> Vec<String> {
        match &self.labels {
            Some(labels) => labels.names().to_vec(),
            None => vec![self.train.label_column.clone().unwrap_or_else(|| number.to_owned())],
        }
    }

    /// Tells of rare classes, of labels that contradict each other and of rows that parts share.
    fn tell(&self, watch: &mut dyn Watch) -> Result<(), Error> {
        if let (Some(labels), Task::Single) = (&self.labels, self.train.task) {
            let counts = filbert_data::class_counts(&labels.encode(&self.train)?, labels.len());
            for note in filbert_data::rare_class_notes(labels, &counts) {
                watch.note(&note);
            }
        }
        let overlaps = &self.report.overlaps;
        for note in overlaps.pairs.iter().filter_map(shared).chain(overlaps.notes.iter().cloned()) {
            watch.note(&note);
        }
        Ok(())
    }
}

/// What two parts share, in a sentence; none where that is nothing.
fn shared(overlap: &Overlap) -> Option<String> {
    let Overlap { from, to, rows, exact, canonical, near, .. } = overlap;
    let domain = overlap.domain.unwrap_or(0);
    if from == to {
        let conflicting = overlap.conflicting_canonical.filter(|&n| n > 0)?;
        return Some(format!(
            "{conflicting} {to} rows have a text that also stands there with another label"
        ));
    }
    let mut said = Vec::new();
    if *near > 0 {
        said.push(format!(
            "{near} are also in the {from} rows or nearly so ({exact} equal, {canonical} equal but for spelling)"));
    }
    if domain > 0 {
        said.push(format!("{domain} are of a registered domain that is in the {from} rows too"));
    }
    if said.is_empty() {
        return None;
    }
    Some(format!("of {rows} {to} rows {}: figures on them flatter the model", said.join("; ")))
}
