//! What goes to standard output: tables of metrics, JSON, and text from data made harmless for a terminal.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use filbert::Measure;
use filbert_eval::multilabel::MultiReport;
use filbert_eval::regression::RegressionReport;
use filbert_eval::{Estimate, Report};
use serde_json::Value;

/// Most labels that a table of classes or a confusion matrix is printed for.
const MAX_SHOWN_LABELS: usize = 20;

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Writes one JSON object to standard output.
pub(crate) fn print_json(value: &Value) -> Result<()> {
    print(&format!("{value}\n"))
}

/// True where the reader of our output went away, which is no failure of ours.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|e| {
        e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Text from data, with control characters escaped and shortened to `limit` characters.
pub(crate) fn shown(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == limit {
            out.push_str("...");
            break;
        }
        if is_unsafe(c) {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and those that change the direction of a line.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A message on one line.
pub(crate) fn one_line(text: &str) -> String {
    shown(&text.replace('\n', "; "), 4_000)
}

/// A value with its interval.
pub(crate) fn estimate(e: &Estimate) -> String {
    match (e.low, e.high) {
        (Some(low), Some(high)) => format!("{:.4}  [{low:.4}, {high:.4}]", e.value),
        _ => format!("{:.4}", e.value),
    }
}

/// The main metrics of any task, a line each, and what the report says beside them.
pub(crate) fn measure(title: &str, measure: &Measure) -> String {
    match measure {
        Measure::Single(single) => report(title, single),
        Measure::Multi(multi) => multi_label(title, multi),
        Measure::Regression(numbers) => regression(title, numbers),
    }
}

/// Named figures with their intervals, a line each; those that are not defined are left out.
pub(crate) fn figures(out: &mut String, figures: &[(&str, Option<&Estimate>)]) {
    for (name, e) in figures.iter().filter_map(|(name, e)| Some((name, (*e)?))) {
        let _ = writeln!(out, "  {name:<18}{}", estimate(e));
    }
}

fn regression(title: &str, report: &RegressionReport) -> String {
    let m = &report.metrics;
    let mut out = format!("{title}, {} rows, 95 % intervals\n", report.rows);
    figures(
        &mut out,
        &[
            ("mean abs. error", Some(&m.mae)),
            ("RMSE", Some(&m.rmse)),
            ("R2", m.r2.as_ref()),
            ("Pearson", m.pearson.as_ref()),
            ("Spearman", m.spearman.as_ref()),
            ("largest error", Some(&m.max_error)),
        ],
    );
    for note in &report.notes {
        let _ = writeln!(out, "  note: {}", shown(note, 300));
    }
    out
}

fn multi_label(title: &str, report: &MultiReport) -> String {
    let m = &report.metrics;
    let mut out =
        format!("{title}, {} rows, {} labels, 95 % intervals\n", report.rows, report.per_label.len());
    figures(
        &mut out,
        &[
            ("micro F1", Some(&m.micro_f1)),
            ("macro F1", Some(&m.macro_f1)),
            ("weighted F1", Some(&m.weighted_f1)),
            ("subset accuracy", Some(&m.subset_accuracy)),
            ("Hamming loss", Some(&m.hamming_loss)),
            ("macro AUC", m.auc.as_ref()),
            ("mean avg precision", m.mean_average_precision.as_ref()),
        ],
    );
    for note in &report.notes {
        let _ = writeln!(out, "  note: {}", shown(note, 300));
    }
    out
}

/// The main metrics of a report, a line each, the confusion matrix and the report's own notes.
pub(crate) fn report(title: &str, report: &Report) -> String {
    let m = &report.metrics;
    let mut out = format!("{title}, {} rows, 95 % intervals", report.rows);
    if let Some(positive) = &report.positive {
        let _ = write!(out, "; positive: {}", shown(positive, 40));
    }
    out.push('\n');
    figures(
        &mut out,
        &[
            ("accuracy", Some(&m.accuracy)),
            ("AUC", m.auc.as_ref()),
            ("macro F1", Some(&m.macro_f1)),
            ("balanced accuracy", Some(&m.balanced_accuracy)),
            ("MCC", Some(&m.mcc)),
            ("PR AUC", m.pr_auc.as_ref()),
            ("log loss", Some(&m.log_loss)),
            ("Brier score", Some(&m.brier)),
            ("ECE", Some(&m.ece)),
        ],
    );
    if let Some(confusion) = report.confusion.as_ref().filter(|c| c.labels.len() <= MAX_SHOWN_LABELS) {
        let names: Vec<String> = confusion.labels.iter().map(|l| shown(l, 16)).collect();
        let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0).max(7);
        let _ = write!(out, "  confusion (rows: true, columns: predicted)\n  {:width$}", "");
        for name in &names {
            let _ = write!(out, "  {name:>width$}");
        }
        let _ = writeln!(out, "  recall");
        for ((name, counts), recall) in names.iter().zip(&confusion.counts).zip(&confusion.recall) {
            let _ = write!(out, "  {name:<width$}");
            for count in counts {
                let _ = write!(out, "  {count:>width$}");
            }
            let _ = writeln!(out, "  {}", estimate(recall));
        }
    }
    if let Some(decided) = &report.decided {
        let _ =
            writeln!(out, "  sure of           {} rows, share {}", decided.rows, estimate(&decided.coverage));
        let _ = writeln!(out, "  accuracy there    {}", estimate(&decided.accuracy));
    }
    for note in &report.notes {
        let _ = writeln!(out, "  note: {}", shown(note, 300));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn terminal_codes_are_shown_not_run() {
        assert_eq!(shown("a\u{1b}[31mb\n", 20), "a\\u{1b}[31mb\\u{a}");
        assert_eq!(shown("abcdef", 3), "abc...");
        assert_eq!(shown("\u{202e}x", 9), "\\u{202e}x");
    }
}
