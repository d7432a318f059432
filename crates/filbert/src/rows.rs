//! From files to tokenized rows: reading, splitting, labels, truncation, and what the user is told about them.

use std::path::Path;

use filbert_data::{LabelMap, ReadOptions, Table};
use filbert_model::Tokenizer;
use filbert_train::Rows;

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

/// Tokenizes a table's rows; tells how many were cut.
pub(crate) fn tokenize(
    table: &Table,
    tokenizer: &Tokenizer,
    max_length: usize,
    name: &str,
    watch: &mut dyn Watch,
) -> Result<Rows, Error> {
    let texts: Vec<&str> = table.texts.iter().map(String::as_str).collect();
    let pairs: Option<Vec<&str>> = table.pairs.as_ref().map(|p| p.iter().map(String::as_str).collect());
    let mut rows = Rows::default();
    for (i, chunk) in texts.chunks(CHUNK).enumerate() {
        let pairs = pairs.as_ref().map(|p| &p[i * CHUNK..i * CHUNK + chunk.len()]);
        rows.encodings.extend(tokenizer.encode_batch(chunk, pairs, max_length)?);
        watch.rows(rows.encodings.len(), texts.len());
    }
    let cut = rows.encodings.iter().filter(|row| row.truncated).count();
    if cut > 0 {
        let share = 100.0 * cut as f64 / rows.len() as f64;
        watch.note(&format!(
            "{cut} of {} {name} rows ({share:.1} %) were cut at {max_length} tokens",
            rows.len()
        ));
    }
    Ok(rows)
}

/// The class index of each row.
pub(crate) fn classes(table: &Table, labels: &LabelMap) -> Result<Vec<u32>, Error> {
    Ok(labels.encode(table)?.into_iter().map(|class| class as u32).collect())
}
