//! From files to tokenized rows: reading, splitting, labels, truncation, and what the user is told about them.

use std::path::Path;

use filbert_data::{LabelMap, ReadOptions, Table};
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
    pub(crate) labels: LabelMap,
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
                let labels = LabelMap::new(all.labels.iter().map(String::as_str))?;
                let split = filbert_data::stratified(&labels.encode(&all)?, spec, seed);
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
                let labels = LabelMap::new(train.labels.iter().map(String::as_str))?;
                let test = self.test.as_deref().map(|path| read(path, watch)).transpose()?;
                if let Some(valid) = &self.valid {
                    let valid = Some(read(valid, watch)?);
                    return Ok(Splits { train, valid, test, labels, how: "given files".to_owned() });
                }
                let (kept, held) = filbert_data::hold_out(&labels.encode(&train)?, HELD_OUT, seed)?;
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
    /// Tells of rare classes and of rows that stand in two splits.
    pub(crate) fn tell(&self, watch: &mut dyn Watch) -> Result<(), Error> {
        let classes = self.labels.encode(&self.train)?;
        let counts = filbert_data::class_counts(&classes, self.labels.len());
        for note in filbert_data::rare_class_notes(&self.labels, &counts) {
            watch.note(&note);
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
        Some(_) if pairs.is_some() => Err(Error::Usage("windows are for single texts: leave out --windows for pairs")),
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

/// The class index of each row.
pub(crate) fn classes(table: &Table, labels: &LabelMap) -> Result<Vec<u32>, Error> {
    Ok(labels.encode(table)?.into_iter().map(|class| class as u32).collect())
}
