//! `filbert predict`: texts given as arguments, or a file's rows in a stream, in order and in constant memory.

mod write;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use filbert::{Classifier, Prediction, ProblemType, Watch};
use filbert_data::{Format, Reader, Record, find_columns};
use serde_json::{Map, Value, json};

use super::load;
use crate::args::{Common, OutputFormat, PredictArgs};
use crate::output;
use crate::progress::Progress;
use crate::signals;
use write::{Layout, RowWriter};

/// Rows that are read, classified and written together.
const CHUNK: usize = 1_024;

pub(crate) fn run(args: &PredictArgs, common: &Common) -> Result<()> {
    if args.texts.is_empty() && args.input.is_none() {
        return Err(filbert::Error::Usage(
            "nothing to classify: give texts, or --input FILE (- for standard input)",
        )
        .into());
    }
    let mut progress = Progress::new(common);
    let classifier = load(&args.model, args.max_length, args.precision, &mut progress)?;
    match &args.input {
        None => texts(args, common, &classifier),
        Some(input) => file(args, common, &classifier, input, &mut progress),
    }
}

/// The texts on the command line.
fn texts(args: &PredictArgs, common: &Common, classifier: &Classifier) -> Result<()> {
    let predictions = classifier.predict(&args.texts)?;
    if common.json {
        let rows: Vec<Value> = args
            .texts
            .iter()
            .zip(&predictions)
            .map(|(text, p)| {
                let mut row = Map::from_iter([("text".to_owned(), json!(text))]);
                row.extend(answer(classifier, p));
                Value::Object(row)
            })
            .collect();
        return output::print_json(&json!({"predictions": rows}));
    }
    let mut out = String::new();
    for (text, p) in args.texts.iter().zip(&predictions) {
        let unsure = if p.unsure { "  (unsure)" } else { "" };
        let cut = if p.truncated { "  (cut to the model's longest length)" } else { "" };
        let label = match classifier.task() {
            ProblemType::Regression => String::new(),
            ProblemType::MultiLabel if p.labels.is_empty() => "(none)  ".to_owned(),
            _ => format!("{}  ", output::shown(&p.label, 80)),
        };
        let _ = writeln!(out, "{label}{:.4}{unsure}  {}{cut}", p.score, output::shown(text, 120));
    }
    output::print(&out)
}

/// The keys of one answer, as `predict` writes them in JSON lines.
fn answer(classifier: &Classifier, p: &Prediction) -> Map<String, Value> {
    let probabilities: Map<String, Value> =
        classifier.labels().iter().cloned().zip(p.probabilities.iter().map(|&p| json!(p))).collect();
    let names: Vec<&String> = p.labels.iter().map(|&label| &classifier.labels()[label]).collect();
    let mut row = Map::new();
    match classifier.task() {
        ProblemType::Regression => {
            row.insert("value".to_owned(), json!(p.score));
            return row;
        }
        ProblemType::MultiLabel => row.insert("labels".to_owned(), json!(names)),
        _ => row.insert("label".to_owned(), json!(p.label)),
    };
    row.insert("score".to_owned(), json!(p.score));
    if classifier.may_be_unsure() {
        row.insert("unsure".to_owned(), json!(p.unsure));
    }
    row.insert("probabilities".to_owned(), Value::Object(probabilities));
    row
}

fn file(
    args: &PredictArgs,
    common: &Common,
    classifier: &Classifier,
    input: &Path,
    progress: &mut Progress,
) -> Result<()> {
    let mut reader = open(input, args.input_format)?;
    let target = Target::new(args.output.as_deref())?;
    if common.json && target.is_stdout() {
        bail!("--json prints one object on standard output: write the rows to a file with --output");
    }
    let format = output_format(args, reader.format())?;
    // The columns are found on the first rows; they are classified like the others.
    let mut chunk = next_chunk(&mut reader)?;
    if chunk.is_empty() {
        bail!("{}: no rows", input.display());
    }
    let known = args.text.clone().or_else(|| classifier.text_columns_in(reader.columns()));
    let columns = find_columns(reader.columns(), known.as_deref(), None, false, &chunk)
        .with_context(|| format!("{}", input.display()))?;
    for note in &columns.notes {
        progress.note(note);
    }
    let layout = Layout::new(reader.columns(), classifier, format, args.raw);
    let mut writer = RowWriter::new(target.open()?, layout).with_context(|| target.failed())?;
    let (mut rows, mut cut) = (0usize, 0usize);
    let start = std::time::Instant::now();
    while !chunk.is_empty() {
        let predictions = classify(classifier, &chunk, &columns.text)?;
        for (record, prediction) in chunk.iter().zip(&predictions) {
            cut += usize::from(prediction.truncated);
            writer.row(reader.columns(), record, prediction).with_context(|| target.failed())?;
        }
        if signals::caught() {
            bail!("interrupted after {rows} rows; nothing was written to the output");
        }
        rows += chunk.len();
        progress.rows(rows, 0);
        chunk = next_chunk(&mut reader)?;
    }
    writer.finish().with_context(|| target.failed())?;
    target.commit().with_context(|| target.failed())?;
    let seconds = start.elapsed().as_secs_f64();
    progress.note(&format!("{rows} rows in {seconds:.1} s, {:.0} rows/s", rows as f64 / seconds.max(1e-9)));
    if cut > 0 {
        progress.note(&format!("{cut} rows were cut at {} tokens", classifier.max_length()));
    }
    if common.json {
        let out = args.output.as_ref().map(|path| path.display().to_string());
        return output::print_json(
            &json!({"rows": rows, "truncated_rows": cut, "seconds": seconds, "output": out}),
        );
    }
    Ok(())
}

fn open(input: &Path, format: Option<Format>) -> Result<Reader> {
    if input == Path::new("-") {
        let format = format.unwrap_or(Format::Lines);
        return Ok(Reader::from_read("standard input", std::io::stdin(), format)?);
    }
    Ok(Reader::open(input, format)?)
}

fn output_format(args: &PredictArgs, input: Format) -> Result<OutputFormat> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    if let Some(path) = args.output.as_deref().filter(|p| *p != Path::new("-")) {
        return match Format::of(path)? {
            Format::Csv => Ok(OutputFormat::Csv),
            Format::JsonLines => Ok(OutputFormat::Jsonl),
            other => bail!("{}: rows are written as csv or jsonl, not as {}", path.display(), other.name()),
        };
    }
    Ok(if matches!(input, Format::JsonLines) { OutputFormat::Jsonl } else { OutputFormat::Csv })
}

fn next_chunk(reader: &mut Reader) -> Result<Vec<Record>> {
    Ok(reader.by_ref().take(CHUNK).collect::<Result<_, _>>()?)
}

fn classify(classifier: &Classifier, records: &[Record], text: &[usize]) -> Result<Vec<Prediction>> {
    let column =
        |c: usize| -> Vec<String> { records.iter().map(|r| r.get(c).to_text().into_owned()).collect() };
    let first = column(text.first().copied().context("a text column was found")?);
    let second = text.get(1).map(|&c| column(c));
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let second: Option<Vec<&str>> = second.as_ref().map(|s| s.iter().map(String::as_str).collect());
    Ok(classifier.predict_pairs(&first, second.as_deref())?)
}

/// Where rows go: standard output, a temporary file that is renamed when all is written, or, where the output is a
/// device or a pipe, that itself.
struct Target {
    path: Option<PathBuf>,
    temporary: Option<PathBuf>,
}

impl Target {
    fn new(output: Option<&Path>) -> Result<Self> {
        let Some(path) = output.filter(|p| *p != Path::new("-")) else {
            return Ok(Self { path: None, temporary: None });
        };
        // A link stays a link: what it points to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                bail!("{} is a folder; pass a file's name to --output", path.display())
            }
            Ok(found) if !found.is_file() => return Ok(Self { path: Some(path), temporary: None }),
            _ => {}
        }
        let name = path.file_name().with_context(|| format!("{} is not a file's name", path.display()))?;
        let temporary =
            path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
        Ok(Self { path: Some(path), temporary: Some(temporary) })
    }

    fn is_stdout(&self) -> bool {
        self.path.is_none()
    }

    fn failed(&self) -> String {
        let name = self
            .path
            .as_ref()
            .map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
        format!("cannot write {name}")
    }

    fn open(&self) -> Result<Box<dyn std::io::Write>> {
        let file = match (&self.path, &self.temporary) {
            (None, _) => return Ok(Box::new(std::io::stdout().lock())),
            (_, Some(temporary)) => std::fs::File::create_new(temporary),
            (Some(path), None) => std::fs::File::options().write(true).open(path),
        };
        Ok(Box::new(file.with_context(|| self.failed())?))
    }

    fn commit(&self) -> Result<()> {
        if let (Some(path), Some(temporary)) = (&self.path, &self.temporary) {
            std::fs::File::open(temporary)?.sync_all()?;
            std::fs::rename(temporary, path)?;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Gone already where the rows were committed.
            let _ = std::fs::remove_file(temporary);
        }
    }
}
