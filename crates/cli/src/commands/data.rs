//! `filbert data`: what the rows are like, what parts share, and parts without it.

mod show;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use filbert::Watch as _;
use filbert_data::{
    DataReport, Dedupe, Dropped, Error, Part, ReadOptions, SplitBy, SplitSpec, Table, Task, data_report,
    dedupe, split_by, write_csv,
};
use serde_json::json;

use super::resolve;
use crate::args::{Common, parse_data};
use crate::output;
use crate::progress::Progress;

/// Tokens that a row is cut at where neither the user nor the model says.
const MAX_LENGTH: usize = 128;
/// Texts tokenized at a time.
const CHUNK: usize = 8_192;

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// Rows to look at, as they are or split: .csv, .tsv, .jsonl or .parquet.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["train", "valid", "test"], required_unless_present = "train")]
    data: Option<PathBuf>,
    /// Split --data in two parts (train/validation) or three (with test) [with --split-by: 70/15/15].
    #[arg(long, value_name = "PARTS", value_parser = parse_data::<SplitSpec>, requires = "data")]
    split: Option<SplitSpec>,
    /// How --data is split: stratified, domain, group:COLUMN or time:COLUMN [default: stratified].
    #[arg(long, value_name = "HOW", value_parser = parse_data::<SplitBy>, requires = "data")]
    split_by: Option<SplitBy>,
    /// The random choices of a split follow from it.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Rows to train on.
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// Rows to choose the best epoch on.
    #[arg(long, value_name = "FILE", requires = "train")]
    valid: Option<PathBuf>,
    /// Rows to measure on.
    #[arg(long, value_name = "FILE", requires = "train")]
    test: Option<PathBuf>,
    /// The column of the texts, or two for pairs; found if left out.
    #[arg(long, value_name = "COL[,COL2]", value_delimiter = ',')]
    text: Option<Vec<String>>,
    /// The column of the labels; found if left out.
    #[arg(long, value_name = "COL")]
    label: Option<String>,
    /// What the labels are: single, multi-label, multi-label:SEPARATOR (| by default) or regression.
    #[arg(long, default_value = "single", value_name = "TASK", value_parser = parse_data::<Task>)]
    task: Task,
    /// Leave out training and validation rows that later parts share, repeats, and contradictions: off, exact,
    /// canonical, near or domain.
    #[arg(long, default_value = "off", value_name = "HOW", value_parser = parse_data::<Dedupe>)]
    dedupe: Dedupe,
    /// The folder to write the parts to, each as CSV with all columns of its file, cells as they are.
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files in the folder.
    #[arg(long, requires = "out")]
    force: bool,
    /// Count the rows that this model's tokenizer makes too long: a folder, an alias or a hub id.
    #[arg(long, short, value_name = "DIR|ALIAS|HUB-ID")]
    model: Option<String>,
    /// The longest row in tokens [default: what the model was trained with, else 128].
    #[arg(long, value_name = "TOKENS", requires = "model")]
    max_length: Option<usize>,
}

/// A part: its rows among those of the file it comes from.
struct Piece {
    name: &'static str,
    /// The file's table, by its index.
    file: usize,
    rows: Vec<usize>,
    /// These rows where they are not the whole file.
    table: Option<Table>,
}

impl Piece {
    fn whole(name: &'static str, file: usize, table: &Table) -> Self {
        Self { name, file, rows: (0..table.len()).collect(), table: None }
    }
}

/// Rows cut at a number of tokens.
struct Cut {
    max_length: usize,
    rows: Vec<usize>,
}

pub(crate) fn run(args: &DataArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    if let Some(out) = &args.out {
        refuse_existing(out, args.force)?;
    }
    progress.stage("reading rows");
    let (files, mut pieces) = read(args, &mut progress)?;
    progress.stage("comparing rows");
    let mut parts: Vec<Part<'_>> = Vec::new();
    for piece in &pieces {
        let table = piece.table.as_ref().or(files.get(piece.file)).context("each part has its file")?;
        parts.push(Part::new(piece.name, table));
    }
    let report = data_report(&parts);
    let cut = args.model.as_deref().map(|model| count_cut(args, model, &parts, &mut progress)).transpose()?;
    let part = |names: &[&str]| parts.iter().find(|part| names.contains(&part.name));
    let first = part(&["train", "data"]).context("there is a first part")?;
    let deduped = dedupe(first, part(&["valid"]), part(&["test"]), args.dedupe)?;
    drop(parts);
    for piece in &mut pieces {
        let kept = match piece.name {
            "valid" => &deduped.valid,
            "test" => continue,
            _ => &deduped.train,
        };
        piece.rows = kept.iter().filter_map(|&row| piece.rows.get(row).copied()).collect();
    }
    let written = match &args.out {
        Some(out) => write(out, &files, &pieces)?,
        None => Vec::new(),
    };
    drop(progress);
    tell(args, common, &report, cut.as_ref(), deduped.dropped, &pieces, &written)
}

fn tell(
    args: &DataArgs,
    common: &Common,
    report: &DataReport,
    cut: Option<&Cut>,
    dropped: Dropped,
    pieces: &[Piece],
    written: &[PathBuf],
) -> Result<()> {
    let left: Vec<(&str, usize)> = pieces.iter().map(|piece| (piece.name, piece.rows.len())).collect();
    if common.json {
        let mut json = json!(report);
        let left: serde_json::Map<_, _> =
            left.iter().map(|(name, n)| ((*name).to_owned(), json!(n))).collect();
        json["dedupe"] = json!({"how": args.dedupe.name(), "dropped": dropped, "left": left});
        if let Some(cut) = cut {
            let names = pieces.iter().map(|piece| piece.name.to_owned());
            let rows: serde_json::Map<_, _> = names.zip(cut.rows.iter().map(|n| json!(n))).collect();
            json["cut"] = json!({"max_length": cut.max_length, "rows": rows});
        }
        json["written"] = json!(written.iter().map(|path| path.display().to_string()).collect::<Vec<_>>());
        return output::print_json(&json);
    }
    let mut text = show::report(report);
    if let Some(cut) = cut {
        text.push_str(&show::cut(report, cut.max_length, &cut.rows));
    }
    if args.dedupe != Dedupe::Off {
        text.push_str(&show::dropped(args.dedupe, dropped, &left));
    }
    for path in written {
        text.push_str("written: ");
        text.push_str(&output::shown(&path.display().to_string(), 400));
        text.push('\n');
    }
    output::print(&text)
}

/// The files' tables, and the parts cut from them.
fn read(args: &DataArgs, progress: &mut Progress) -> Result<(Vec<Table>, Vec<Piece>)> {
    let by = args.split_by.clone().unwrap_or_default();
    let options = ReadOptions {
        text: args.text.clone(),
        label: args.label.clone(),
        need_label: true,
        task: args.task,
        keep: by.column().map(str::to_owned).into_iter().collect(),
        ..ReadOptions::default()
    };
    let mut load = |path: &Path| -> Result<Table> {
        let (table, unlabelled) = match Table::read(path, &options) {
            Err(Error::InFile { error, .. }) if matches!(*error, Error::UnclearLabel { .. }) => {
                let plain = ReadOptions { need_label: false, ..options.clone() };
                (Table::read(path, &plain)?, Some(format!("{error}; the rows are looked at without labels")))
            }
            read => (read?, None),
        };
        for note in table.notes.iter().chain(&unlabelled) {
            progress.note(&format!("{}: {note}", path.display()));
        }
        Ok(table)
    };
    let Some(data) = &args.data else {
        let named = [("train", &args.train), ("valid", &args.valid), ("test", &args.test)];
        let (mut files, mut pieces) = (Vec::new(), Vec::new());
        for (name, path) in named.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?))) {
            let table = load(path)?;
            pieces.push(Piece::whole(name, files.len(), &table));
            files.push(table);
        }
        return Ok((files, pieces));
    };
    let table = load(data)?;
    if args.split.is_none() && args.split_by.is_none() {
        let piece = Piece::whole("data", 0, &table);
        return Ok((vec![table], vec![piece]));
    }
    let spec =
        args.split.map_or_else(|| parse_data::<SplitSpec>("70/15/15"), Ok).map_err(anyhow::Error::msg)?;
    let split = split_by(&table, spec, &by, args.seed)?;
    for note in &split.notes {
        progress.note(note);
    }
    let named = [("train", split.train), ("valid", split.valid), ("test", split.test)];
    let piece = |(name, rows): (&'static str, Vec<usize>)| {
        (!rows.is_empty()).then(|| Piece { name, file: 0, table: Some(table.subset(&rows)), rows })
    };
    let pieces = named.into_iter().filter_map(piece).collect();
    Ok((vec![table], pieces))
}

/// Rows of each part that the model's tokenizer makes longer than it reads.
fn count_cut(args: &DataArgs, model: &str, parts: &[Part<'_>], progress: &mut Progress) -> Result<Cut> {
    let path = resolve(model, progress)?.folder;
    let folder = filbert_model::folder::Folder::open(&path)?;
    let tokenizer = filbert_model::Tokenizer::load(&path)?;
    let max_length =
        args.max_length.unwrap_or_else(|| folder.filbert_or_default().max_length.unwrap_or(MAX_LENGTH));
    progress.stage("tokenizing");
    let mut rows = Vec::new();
    for part in parts {
        let mut cut = 0;
        let texts: Vec<&str> = part.table.texts.iter().map(String::as_str).collect();
        let pairs: Option<Vec<&str>> =
            part.table.pairs.as_ref().map(|pairs| pairs.iter().map(String::as_str).collect());
        for (i, chunk) in texts.chunks(CHUNK).enumerate() {
            let pairs = pairs.as_ref().and_then(|pairs| pairs.get(i * CHUNK..i * CHUNK + chunk.len()));
            let encodings = tokenizer.encode_batch(chunk, pairs, max_length)?;
            cut += encodings.iter().filter(|encoding| encoding.truncated).count();
        }
        rows.push(cut);
    }
    Ok(Cut { max_length, rows })
}

fn file_name(part: &str) -> String {
    format!("{part}.csv")
}

fn refuse_existing(out: &Path, force: bool) -> Result<()> {
    let names = ["data", "train", "valid", "test"].map(file_name);
    if let Some(name) = names.iter().find(|name| !force && out.join(name).exists()) {
        bail!("{} exists; pass --force to replace it", out.join(name).display());
    }
    Ok(())
}

/// Writes every part beside its place, then moves all there, so that a source in the same folder is read to its end.
fn write(out: &Path, files: &[Table], pieces: &[Piece]) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut moves = Vec::new();
    let result = pieces.iter().try_for_each(|piece| -> Result<()> {
        let path = out.join(file_name(piece.name));
        let temporary = out.join(format!(".{}.new", file_name(piece.name)));
        let file = std::fs::File::create(&temporary);
        let file = file.with_context(|| format!("cannot write {}", temporary.display()))?;
        moves.push((temporary, path));
        let table = files.get(piece.file).context("each part has its file")?;
        write_csv(table, &piece.rows, &file)?;
        Ok(file.sync_all()?)
    });
    let moved = result.and_then(|()| {
        moves.iter().try_for_each(|(from, to)| {
            std::fs::rename(from, to).with_context(|| format!("cannot write {}", to.display()))
        })
    });
    if moved.is_err() {
        for (temporary, _) in &moves {
            // What cannot be removed is left; the error is the other one.
            let _ = std::fs::remove_file(temporary);
        }
    }
    moved?;
    Ok(moves.into_iter().map(|(_, path)| path).collect())
}
