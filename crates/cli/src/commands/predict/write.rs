//! Rows with their answers, as CSV or JSON lines: the input's columns first, then the answer's. A clash of names is
//! resolved by a prefix; what a spreadsheet could run as a formula is escaped.

use std::borrow::Cow;
use std::io::{BufWriter, Write};

use anyhow::{Context, Result};
use filbert::{Classifier, Prediction, ProblemType};
use filbert_data::{Record, Value};
use serde_json::{Map, json};

use crate::args::OutputFormat;

/// Put before a name of ours that the input has too.
const PREFIX: &str = "filbert_";

/// Which names the answers have beside the input's columns.
pub(super) struct Layout {
    format: OutputFormat,
    raw: bool,
    task: ProblemType,
    may_be_unsure: bool,
    labels: Vec<String>,
    columns: Vec<String>,
    /// Names of label, score and what follows.
    names: Vec<String>,
}

impl Layout {
    pub(super) fn new(columns: &[String], classifier: &Classifier, format: OutputFormat, raw: bool) -> Self {
        let (labels, task) = (classifier.labels(), classifier.task());
        let answer = if task == ProblemType::MultiLabel { "labels" } else { "label" };
        let own: Vec<String> = match format {
            _ if task == ProblemType::Regression => vec!["value".to_owned()],
            OutputFormat::Csv => {
                let probabilities = labels.iter().map(|label| format!("p_{label}"));
                let unsure = classifier.may_be_unsure().then_some("unsure");
                [answer, "score"].into_iter().chain(unsure).map(str::to_owned).chain(probabilities).collect()
            }
            OutputFormat::Jsonl => {
                let unsure = classifier.may_be_unsure().then_some("unsure");
                [answer, "score"]
                    .into_iter()
                    .chain(unsure)
                    .chain(["probabilities"])
                    .map(str::to_owned)
                    .collect()
            }
        };
        let names = own.into_iter().map(|name| unclashed(name, columns)).collect();
        Self {
            format,
            raw,
            task,
            may_be_unsure: classifier.may_be_unsure(),
            labels: labels.to_vec(),
            columns: columns.to_vec(),
            names,
        }
    }
}

fn unclashed(mut name: String, columns: &[String]) -> String {
    while columns.contains(&name) {
        name.insert_str(0, PREFIX);
    }
    name
}

/// Writes rows.
pub(super) struct RowWriter {
    out: BufWriter<Box<dyn Write>>,
    layout: Layout,
    line: String,
}

impl RowWriter {
    pub(super) fn new(out: Box<dyn Write>, layout: Layout) -> Result<Self> {
        let mut writer = Self { out: BufWriter::new(out), layout, line: String::new() };
        if writer.layout.format == OutputFormat::Csv {
            let names: Vec<String> =
                writer.layout.columns.iter().chain(&writer.layout.names).cloned().collect();
            for name in names {
                writer.cell(&name);
            }
            writer.end_line()?;
        }
        Ok(writer)
    }

    pub(super) fn row(&mut self, columns: &[String], record: &Record, prediction: &Prediction) -> Result<()> {
        match self.layout.format {
            OutputFormat::Csv => {
                if let Some(late) = columns.get(self.layout.columns.len()) {
                    anyhow::bail!(
                        "record {} brings a column {late:?} that the header, written already, has not; write --format jsonl",
                        record.place
                    );
                }
                for i in 0..self.layout.columns.len() {
                    let text = record.get(i).to_text().into_owned();
                    self.cell(&text);
                }
                if self.layout.task != ProblemType::Regression {
                    self.cell(&prediction.label);
                }
                self.number(prediction.score);
                if self.layout.may_be_unsure {
                    self.push(if prediction.unsure { "true" } else { "false" });
                }
                for &p in &prediction.probabilities {
                    self.number(p);
                }
                self.end_line()
            }
            OutputFormat::Jsonl => {
                let present =
                    columns.iter().enumerate().filter(|(i, _)| !matches!(record.get(*i), Value::Missing));
                // A column that only later rows bring may clash with a name of ours, which stays the same throughout.
                let name = |name: &String| {
                    if self.layout.names.contains(name) { format!("input_{name}") } else { name.clone() }
                };
                let mut row: Map<String, serde_json::Value> =
                    present.map(|(i, column)| (name(column), record.get(i).to_json())).collect();
                let probabilities: Map<String, serde_json::Value> = self
                    .layout
                    .labels
                    .iter()
                    .cloned()
                    .zip(prediction.probabilities.iter().map(|&p| json!(p)))
                    .collect();
                let names: Vec<&String> = prediction.labels.iter().map(|&l| &self.layout.labels[l]).collect();
                let mut values = match self.layout.task {
                    ProblemType::Regression => Vec::new(),
                    ProblemType::MultiLabel => vec![json!(names)],
                    _ => vec![json!(prediction.label)],
                };
                values.push(json!(prediction.score));
                values.extend(self.layout.may_be_unsure.then(|| json!(prediction.unsure)));
                values.push(json!(probabilities));
                for (name, value) in self.layout.names.iter().zip(values) {
                    row.insert(name.clone(), value);
                }
                serde_json::to_writer(&mut self.out, &row).map_err(std::io::Error::from)?;
                Ok(self.out.write_all(b"\n")?)
            }
        }
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.out.flush().context("cannot write the last rows")
    }

    fn number(&mut self, x: f32) {
        let text = x.to_string();
        self.push(&text);
    }

    /// A cell of text, quoted where it must be.
    fn cell(&mut self, text: &str) {
        let text = if self.layout.raw { Cow::Borrowed(text) } else { defused(text) };
        if text.contains(['"', ',', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
            self.push(&format!("\"{}\"", text.replace('"', "\"\"")));
        } else {
            self.push(&text);
        }
    }

    fn push(&mut self, cell: &str) {
        self.line.push_str(cell);
        self.line.push(',');
    }

    fn end_line(&mut self) -> Result<()> {
        self.line.pop();
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

/// A text that a spreadsheet would run as a formula, with an apostrophe before it. A plain negative number is none.
fn defused(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::{defused, unclashed};

    #[test]
    fn formulas_are_defused() {
        for (text, wanted) in
            [("=1+1", "'=1+1"), ("-3.5", "-3.5"), ("-a", "'-a"), ("@x", "'@x"), ("a=b", "a=b")]
        {
            assert_eq!(defused(text), wanted);
        }
    }

    #[test]
    fn a_clash_is_resolved_by_a_prefix() {
        let columns = ["label", "filbert_label", "text"].map(str::to_owned);
        assert_eq!(unclashed("label".to_owned(), &columns), "filbert_filbert_label");
        assert_eq!(unclashed("score".to_owned(), &columns), "score");
    }
}
