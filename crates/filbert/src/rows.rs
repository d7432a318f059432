//! From files to tokenized rows: reading, splitting, labels, truncation, and what the user is told about them.

use std::path::Path;

use filbert_data::{LabelMap, ReadOptions, Table, Task};
use filbert_model::{Tokenizer, Windows};
use filbert_train::Texts;

use crate::{Error, Watch};

/// Texts tokenized per call, so that progress can be shown.
const CHUNK: usize = 8_192;

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
}

/// The files of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) data: Option<(std::path::PathBuf, String)>,
    pub(crate) train: Option<std::path::PathBuf>,
    pub(crate) valid: Option<std::path::PathBuf>,
    pub(crate) test: Option<std::path::PathBuf>,
}

/// The share of training rows that become validation rows where none are given.
const HELD_OUT: f64 = 0.15;

impl Files {
    /// Reads and splits.
    pub(crate) fn read(
        &self,
        options: &ReadOptions,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Splits, Error> {
        let read = |path: &Path, watch: &mut dyn Watch| -> Result<Table, Error> {
            let table = Table::read(path, options)?;
            for note in &table.notes {
                watch.note(&format!("{}: {note}", table.source.display()));
            }
            Ok(table)
        };
        match (&self.data, &self.train) {
            (Some((data, spec)), None) => {
                if self.valid.is_some() || self.test.is_some() {
                    return Err(Error::Usage(
                        "--data is split by --split; --valid and --test go with --train",
                    ));
                }
                let spec: filbert_data::SplitSpec = spec.parse()?;
                let all = read(data, watch)?;
                let labels = label_map(&all)?;
                let split = filbert_data::stratified(&strata(&all, labels.as_ref())?, spec, seed);
                for note in &split.notes {
                    watch.note(note);
                }
                let some = |rows: &[usize]| (!rows.is_empty()).then(|| all.subset(rows));
                let how = format!("stratified, seed {seed}");
                let train = all.subset(&split.train);
                Ok(Splits { train, valid: some(&split.valid), test: some(&split.test), labels, how })
            }
            (None, Some(train)) => {
                let train = read(train, watch)?;
                let labels = label_map(&train)?;
                let test = self.test.as_deref().map(|path| read(path, watch)).transpose()?;
                if let Some(valid) = &self.valid {
                    let valid = Some(read(valid, watch)?);
                    return Ok(Splits { train, valid, test, labels, how: "given files".to_owned() });
                }
                let (kept, held) = filbert_data::hold_out(&strata(&train, labels.as_ref())?, HELD_OUT, seed)?;
                watch.note(&format!(
                    "no validation rows were given: {} of {} training rows, stratified, were set aside for them",
                    held.len(),
                    train.len()
                ));
                let how = format!("validation cut from train, stratified, seed {seed}");
                let valid = (!held.is_empty()).then(|| train.subset(&held));
                Ok(Splits { valid, train: train.subset(&kept), test, labels, how })
            }
            (None, None) => Err(Error::Usage("no rows to train on: pass --data FILE, or --train FILE")),
            (Some(_), Some(_)) => Err(Error::Usage("--data and --train exclude each other")),
        }
    }
}

impl Splits {
    /// The names of the model's outputs: the labels, or of a regression its column's.
    pub(crate) fn output_names(&self, number: &str) -> Vec<String> {
        match &self.labels {
            Some(labels) => labels.names().to_vec(),
            None => vec![self.train.label_column.clone().unwrap_or_else(|| number.to_owned())],
        }
    }

    /// Tells of rare classes and of rows that stand in two splits.
    pub(crate) fn tell(&self, watch: &mut dyn Watch) -> Result<(), Error> {
        if let (Some(labels), Task::Single) = (&self.labels, self.train.task) {
            let counts = filbert_data::class_counts(&labels.encode(&self.train)?, labels.len());
            for note in filbert_data::rare_class_notes(labels, &counts) {
                watch.note(&note);
            }
        }
        let conflicting = filbert_data::conflicting(&self.train);
        if conflicting > 0 {
            watch.note(&format!(
                "{conflicting} training rows have a text that also stands there with another label"
            ));
        }
        for (name, other) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(other) = other else { continue };
            let overlap = filbert_data::exact_overlap(&self.train, other);
            if overlap > 0 {
                watch.note(&format!(
                    "{overlap} of {} {name} rows also stand in the training rows: figures on them flatter the model",
                    other.len()
                ));
            }
        }
        Ok(())
    }
}

/// How texts become tokens: the longest row, and the windows of longer texts, if any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) max_length: usize,
    pub(crate) windows: Option<Windows>,
}

/// Tokenizes texts, or pairs.
pub(crate) fn encode(
    tokenizer: &Tokenizer,
    texts: &[&str],
    pairs: Option<&[&str]>,
    lengths: Lengths,
) -> Result<Texts, Error> {
    match lengths.windows {
        Some(_) if pairs.is_some() => {
            Err(Error::Usage("windows are for single texts: leave out --windows for pairs"))
        }
        Some(windows) => {
            Ok(Texts::of_windows(tokenizer.encode_windows(texts, lengths.max_length, windows)?))
        }
        None => {
            let encodings = tokenizer.encode_batch(texts, pairs, lengths.max_length)?;
            Ok(Texts { encodings, starts: None })
        }
    }
}

/// Tokenizes a table's rows; tells how many were cut.
pub(crate) fn tokenize(
    table: &Table,
    tokenizer: &Tokenizer,
    lengths: Lengths,
    name: &str,
    watch: &mut dyn Watch,
) -> Result<Texts, Error> {
    let texts: Vec<&str> = table.texts.iter().map(String::as_str).collect();
    let pairs: Option<Vec<&str>> = table.pairs.as_ref().map(|p| p.iter().map(String::as_str).collect());
    let mut all = Texts::default();
    for (i, chunk) in texts.chunks(CHUNK).enumerate() {
        let pairs = pairs.as_ref().map(|p| &p[i * CHUNK..i * CHUNK + chunk.len()]);
        all.extend(encode(tokenizer, chunk, pairs, lengths)?);
        watch.rows(all.len(), texts.len());
    }
    let cut = all.truncated();
    if cut > 0 {
        let share = 100.0 * cut as f64 / all.len() as f64;
        let at = match lengths.windows {
            Some(windows) => format!("after {} windows", windows.most),
            None => format!("at {} tokens", lengths.max_length),
        };
        watch.note(&format!("{cut} of {} {name} rows ({share:.1} %) were cut {at}", all.len()));
    }
    if let Some(windows) = lengths.windows {
        let more = (0..all.len()).filter(|&i| all.windows(i).len() > 1).count();
        watch.note(&format!(
            "{more} of {} {name} rows are read in several windows of {} tokens that overlap by {}",
            all.len(),
            lengths.max_length,
            windows.overlap
        ));
    }
    Ok(all)
}

/// The labels of rows; none of a regression.
fn label_map(table: &Table) -> Result<Option<LabelMap>, Error> {
    Ok(match table.task {
        Task::Single => Some(LabelMap::new(table.labels.iter().map(String::as_str))?),
        Task::Multi { .. } => Some(LabelMap::of_sets(&table.label_sets)?),
        Task::Regression => None,
    })
}

/// The groups whose shares every part of a split keeps: classes; of sets the rarest label; of numbers tenths.
fn strata(table: &Table, labels: Option<&LabelMap>) -> Result<Vec<usize>, Error> {
    match (table.task, labels) {
        (Task::Single, Some(labels)) => Ok(labels.encode(table)?),
        (Task::Multi { .. }, Some(labels)) => {
            let sets = labels.encode_sets(table)?;
            let mut counts = vec![0usize; labels.len()];
            sets.iter().flatten().for_each(|&label| counts[label as usize] += 1);
            let rarest = |set: &Vec<u32>| {
                set.iter().map(|&label| label as usize).min_by_key(|&label| (counts[label], label))
            };
            Ok(sets.iter().map(|set| rarest(set).unwrap_or(labels.len())).collect())
        }
        _ => {
            const PARTS: usize = 10;
            let mut order: Vec<usize> = (0..table.numbers.len()).collect();
            order.sort_by(|&a, &b| table.numbers[a].total_cmp(&table.numbers[b]).then(a.cmp(&b)));
            let mut strata = vec![0; order.len()];
            for (rank, &row) in order.iter().enumerate() {
                strata[row] = rank * PARTS / order.len();
            }
            Ok(strata)
        }
    }
}
