//! The data report for people: a few tables, examples, and what to look at. Whatever comes from data is escaped.

use std::fmt::Write as _;

use filbert_data::{DataReport, Dedupe, Dropped, Overlap, Place};

use crate::output::shown;

/// Classes that a table shows.
const CLASSES: usize = 20;
/// Characters of a text on a line.
const TEXT: usize = 100;

pub(super) fn report(report: &DataReport) -> String {
    let mut out = sizes(report);
    classes(report, &mut out);
    numbers(report, &mut out);
    overlaps(report, &mut out);
    suspects(report, &mut out);
    out
}

fn sizes(report: &DataReport) -> String {
    let mut out = format!("task: {}\n\n", report.task);
    let lengths = "characters: min, half, 95 %, max";
    let _ = writeln!(out, "{:<8}{:>9}{:>8}  {lengths:<32}  file", "part", "rows", "blank");
    for part in &report.parts {
        let c = &part.characters;
        let lengths = format!("{}, {}, {}, {}", c.min, c.median, c.p95, c.max);
        let file = shown(&part.file, 200);
        let _ = writeln!(out, "{:<8}{:>9}{:>8}  {lengths:<32}  {file}", part.name, part.rows, part.blank);
    }
    out
}

fn classes(report: &DataReport, out: &mut String) {
    let Some(first) = report.parts.iter().find_map(|part| part.classes.as_ref()) else { return };
    // Labels of later parts too, each where it first appears.
    let mut labels: Vec<&str> = first.iter().map(|class| class.label.as_str()).collect();
    for class in report.parts.iter().filter_map(|part| part.classes.as_ref()).flatten() {
        if labels.len() <= CLASSES && !labels.contains(&class.label.as_str()) {
            labels.push(&class.label);
        }
    }
    let _ = write!(out, "\n{:<24}", "class");
    for part in &report.parts {
        let _ = write!(out, "{:>18}", part.name);
    }
    out.push('\n');
    for label in labels.iter().take(CLASSES) {
        let _ = write!(out, "{:<24}", shown(label, 22));
        for part in &report.parts {
            let class = part.classes.iter().flatten().find(|class| class.label == *label);
            let (rows, share) = class.map_or((0, 0.0), |class| (class.rows, class.share));
            let _ = write!(out, "{:>18}", format!("{rows} ({:.1} %)", 100.0 * share));
        }
        out.push('\n');
    }
    if labels.len() > CLASSES {
        let _ = writeln!(out, "and more; --json lists all");
    }
    if report.parts.iter().any(|part| part.unlabelled.is_some()) {
        let _ = write!(out, "{:<24}", "(no label)");
        for part in &report.parts {
            let _ = write!(out, "{:>18}", part.unlabelled.unwrap_or_default());
        }
        out.push('\n');
    }
}

fn numbers(report: &DataReport, out: &mut String) {
    for part in &report.parts {
        if let Some(n) = &part.numbers {
            let _ = writeln!(
                out,
                "\n{}: numbers from {} to {}, half at most {}, mean {:.4}, deviation {:.4}",
                part.name, n.min, n.max, n.median, n.mean, n.deviation
            );
        }
    }
}

fn overlaps(report: &DataReport, out: &mut String) {
    let overlaps = &report.overlaps;
    let title = "rows with a row like them";
    let _ = writeln!(
        out,
        "\n{title:<30}{:>8}{:>9}{:>11}{:>8}{:>8}{:>14}",
        "rows", "exact", "canonical", "near", "domain", "contradicting"
    );
    for pair in &overlaps.pairs {
        let name = if pair.from == pair.to {
            format!("earlier in {}", pair.to)
        } else {
            format!("of {} in {}", pair.to, pair.from)
        };
        let count = |n: Option<usize>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let _ = writeln!(
            out,
            "{name:<30}{:>8}{:>9}{:>11}{:>8}{:>8}{:>14}",
            pair.rows,
            pair.exact,
            pair.canonical,
            pair.near,
            count(pair.domain),
            count(pair.conflicting_canonical)
        );
    }
    let _ = writeln!(
        out,
        "near (from {} of shared pieces of {} characters) includes canonical, which includes exact; contradicting: an equal canonical text has another label",
        overlaps.similarity, overlaps.shingle
    );
    for note in &overlaps.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for pair in overlaps.pairs.iter().filter(|pair| pair.from != pair.to) {
        examples(pair, out);
    }
}

/// One example of each kind.
fn examples(pair: &Overlap, out: &mut String) {
    let mut last = "";
    for example in &pair.examples {
        if example.kind == last {
            continue;
        }
        last = example.kind;
        let similarity = example.similarity.map(|s| format!(" ({s:.2})")).unwrap_or_default();
        let _ = writeln!(
            out,
            "\n{}{similarity}:\n  {}\n  {}",
            example.kind,
            place(&example.a),
            place(&example.b)
        );
    }
}

fn suspects(report: &DataReport, out: &mut String) {
    for part in &report.parts {
        let kinds = part.hostile.iter().map(|kind| format!("{} rows with {}", kind.rows, kind.kind));
        let near = part.near_conflicting.filter(|n| *n > 0);
        let near = near.map(|n| format!("{n} rows with a near duplicate of another label"));
        let all: Vec<String> = kinds.chain(near).collect();
        if !all.is_empty() {
            let _ = writeln!(out, "\n{}: {}", part.name, all.join(", "));
        }
    }
    if !report.suspects.is_empty() {
        let _ = writeln!(out, "\nrows worth a look");
    }
    for suspect in &report.suspects {
        let reasons: Vec<String> = suspect.reasons.iter().map(|reason| shown(reason, 200)).collect();
        let _ = writeln!(out, "- {}\n  {}", reasons.join("; "), place(&suspect.row));
        if let Some(other) = &suspect.other {
            let _ = writeln!(out, "  {}", place(other));
        }
    }
}

fn place(place: &Place) -> String {
    let label = place.label.as_ref().map(|label| format!(" [{}]", shown(label, 60))).unwrap_or_default();
    // What cannot be seen is shown by its code.
    let text: String = place.text.chars().take(TEXT).fold(String::new(), |mut text, c| {
        if c == '\u{ad}' || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}') {
            text.extend(c.escape_unicode());
        } else {
            text.push(c);
        }
        text
    });
    let more = if place.text.chars().nth(TEXT).is_some() { "..." } else { "" };
    format!("{} {}{label}: {}{more}", place.part, place.place, shown(&text, 10 * TEXT))
}

pub(super) fn cut(report: &DataReport, max_length: usize, rows: &[usize]) -> String {
    let parts = report.parts.iter().zip(rows);
    let parts: Vec<String> =
        parts.map(|(part, cut)| format!("{cut} of {} {} rows", part.rows, part.name)).collect();
    format!("\nlonger than {max_length} tokens, so that a model would read a part: {}\n", parts.join(", "))
}

pub(super) fn dropped(how: Dedupe, dropped: Dropped, left: &[(&str, usize)]) -> String {
    let left: Vec<String> = left.iter().map(|(name, rows)| format!("{rows} {name}")).collect();
    format!(
        "\nleft out ({how}): of the training rows {} that meet a test row, {} a validation row, {} that contradict each other, {} repeats; {} validation rows that meet a test row\nleft: {} rows\n",
        dropped.train_in_test,
        dropped.train_in_valid,
        dropped.contradicting,
        dropped.repeats,
        dropped.valid_in_test,
        left.join(", ")
    )
}
