//! The ladder of ever smaller artifacts: the verdict, size against the gate's figure, every rung, and what was
//! kept on the test rows.

use filbert_eval::Estimate;

use crate::charts::{figure as chart, sizes};
use crate::figures::{
    DASH, Unit, bytes, count, counted, figure, finite, interval, megabytes, milliseconds, percent, sound,
    times,
};
use crate::html::Html;
use crate::input::{Flips, KeptTest, Ladder, Outcome, Report, Rung};
use crate::ladder::{MAX_RUNGS, named};
use crate::verdict::Level;

use super::parts::{Head, brief, estimate, lead, more, notes, number, row_head, table};

/// The most figures of a rung that have columns.
const MAX_FIGURES: usize = 3;

/// The most figures of the test rows.
const MAX_TEST_FIGURES: usize = 12;

/// The most characters of how a rung was made, and of why it is not the answer.
const HOW: usize = 160;

pub(crate) fn present(report: &Report) -> bool {
    report.ladder.as_ref().is_some_and(|ladder| !ladder.rungs.is_empty())
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let Some(ladder) = &report.ladder else { return };
    // A page that begins with the verdict has said it.
    if crate::verdict::headline(report).is_some() {
        verdict(h, ladder);
    }
    lead(
        h,
        &format!(
            "Each rung was written, read again and run. Asked for: {}. The smallest rung that keeps this on {} is \
             the answer.",
            ladder.asked(),
            gate_rows(ladder)
        ),
    );
    let test = ladder.test.as_ref().filter(|_| ladder.kept().is_some());
    if sizes::present(ladder) {
        h.el("div").class("charts").body(|h| {
            let title = format!("Size and {}.", brief(ladder.gate()));
            let reading = "Further left is smaller. Lines through points are 95 % intervals of each artifact by \
                           itself; the gate compares row by row, which tells smaller differences apart. What lies in \
                           the shaded part keeps the bounds.";
            chart(h, &title, reading, |h| sizes::draw(h, ladder));
            if let Some(test) = test {
                h.el("div").body(|h| on_test(h, ladder, test));
            }
        });
    } else if let Some(test) = test {
        on_test(h, ladder, test);
    }
    kept(h, ladder);
    costs(h, ladder);
    notes(h, &ladder.notes);
}

/// "the 1,114 validation rows".
fn gate_rows(ladder: &Ladder) -> String {
    let n = if ladder.rows > 0 { format!("{} ", count(ladder.rows)) } else { String::new() };
    let split = if ladder.split.is_empty() { "gate's".to_owned() } else { brief(&ladder.split) };
    format!("the {n}{split} rows")
}

/// The verdict in words, with what must be read beside it.
fn verdict(h: &mut Html, ladder: &Ladder) {
    let said = ladder.said();
    let (class, mark) = sign(said.level);
    h.el("div").class(class).body(|h| {
        h.el("p").class("words").body(|h| {
            h.el("span").class("sign").at("aria-hidden", "true").text(mark);
            h.text(" ");
            h.data(&said.sentence, 400);
        });
        if !said.caveat.is_empty() {
            h.el("p").class("lead").data(&said.caveat, 600);
        }
    });
}

fn sign(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Good => ("verdict good", "✓"),
        Level::Note => ("verdict unclear", "≈"),
        Level::Warning => ("verdict bad", "✗"),
    }
}

/// The top of a page that tells of nothing else: the size, and the verdict.
pub(crate) fn headline(h: &mut Html, ladder: &Ladder) {
    let said = ladder.said();
    let (class, mark) = sign(said.level);
    h.el("div").class("headline").body(|h| {
        h.el("div").class("number").body(|h| {
            let measured = ladder.rungs.iter().filter(|rung| !rung.figures.is_empty()).count() as u64;
            let all = counted(ladder.rungs.len() as u64, "rung", "rungs");
            let size = ladder.kept().and_then(|kept| kept.size_bytes).map(megabytes);
            let (number, unit) = match size.as_deref().and_then(|size| size.split_once(' ')) {
                Some(parts) => parts,
                None if ladder.kept().is_some() => (DASH, "bytes"),
                None => ("0", "artifacts fit"),
            };
            h.el("p").class("big").body(|h| {
                h.text(number);
                h.text(" ");
                h.el("span").class("of").text(unit);
            });
            h.el("p").class("under").body(|h| {
                let original = ladder.original().and_then(|original| original.size_bytes);
                if let Some(original) = original {
                    h.text(&format!("from {}, ", megabytes(original)));
                }
                h.text(&format!("{} of {all} measured", count(measured)));
            });
        });
        h.el("div").class(class).body(|h| {
            h.el("p").class("words").body(|h| {
                h.el("span").class("sign").at("aria-hidden", "true").text(mark);
                h.text(" ");
                h.text(said.words);
            });
            h.el("p").data(&said.sentence, 400);
            if !said.caveat.is_empty() {
                h.el("p").data(&said.caveat, 600);
            }
        });
    });
}

/// What was kept and the original, on rows that chose nothing.
fn on_test(h: &mut Html, ladder: &Ladder, test: &KeptTest) {
    let rows = counted(test.rows, "test row", "test rows");
    let name = ladder.kept().map_or(String::new(), |kept| brief(&kept.name));
    let figures =
        || (test.kept.iter().take(MAX_TEST_FIGURES)).chain(test.original.iter().take(MAX_TEST_FIGURES));
    let mut names: Vec<&str> = Vec::new();
    for figure in figures() {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    // One unit for all, so that the column has one meaning.
    let points = figures().all(|f| Unit::of(f.direction, &[sound(f.value)]) == Unit::Points);
    let (unit, changed) = if points { (Unit::Points, "change, points") } else { (Unit::Own, "change") };
    let heads = [Head::Text("figure"), Head::Number("original"), Head::Number("kept"), Head::Number(changed)];
    let caption =
        format!("{name} on {rows}, read once and after the choice. Positive: better than the original.");
    table_of(h, "stacked", &caption, &heads, |h| {
        for name in names {
            let kept = named(&test.kept, name);
            h.el("tr").body(|h| {
                row_head(h, name);
                estimate(h, named(&test.original, name).and_then(|figure| figure.value));
                estimate(h, kept.and_then(|figure| figure.value));
                change(h, unit, kept.and_then(|figure| figure.difference), false);
            });
        }
    });
    if let Some(flips) = &test.flips {
        lead(h, &format!("Of {rows}, {}.", flipped(flips)));
    }
}

/// "12 predictions are not the original's: 1.1 % [0.6 %, 1.9 %]".
fn flipped(flips: &Flips) -> String {
    let changed = counted(flips.changed, "prediction is", "predictions are");
    match sound(flips.rate) {
        Some(rate) => {
            let ends = interval(&rate, percent).map_or(String::new(), |ends| format!(" {ends}"));
            format!("{changed} not the original's: {}{ends}", percent(rate.value))
        }
        None => format!("{changed} not the original's"),
    }
}

/// A table whose intervals stand below their values.
fn table_of(h: &mut Html, class: &str, caption: &str, heads: &[Head<'_>], rows: impl FnOnce(&mut Html)) {
    h.el("div").class(class).body(|h| table(h, caption, heads, rows));
}

/// Names of the figures that have columns, the gate's first.
fn columns(ladder: &Ladder) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let gate = ladder.gate();
    let all = ladder.shown().iter().flat_map(|rung| rung.figures.iter().take(MAX_FIGURES));
    if ladder.shown().iter().any(|rung| named(&rung.figures, gate).is_some()) {
        names.push(gate);
    }
    for figure in all {
        if names.len() < MAX_FIGURES && !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    names
}

/// What every rung keeps of the original, and what became of it.
fn kept(h: &mut Html, ladder: &Ladder) {
    let names = columns(ladder);
    let units: Vec<Unit> = names.iter().map(|name| ladder.unit_of(name)).collect();
    let changes: Vec<&str> =
        units.iter().map(|unit| if *unit == Unit::Points { "change, points" } else { "change" }).collect();
    let flipped = ladder.shown().iter().any(|rung| rung.flips.is_some());
    let mut heads = vec![Head::Text("rung"), Head::Text("outcome"), Head::Number("size")];
    for (name, change) in names.iter().zip(&changes) {
        heads.extend([Head::Number(name), Head::Number(change)]);
    }
    if flipped {
        heads.push(Head::Number("predictions that differ"));
    }
    let caption = format!(
        "Every rung on {}. Changes and differing predictions are against the original, row by row; positive is \
         better.",
        gate_rows(ladder)
    );
    table_of(h, "stacked ladder", &caption, &heads, |h| {
        for rung in ladder.shown() {
            h.el("tr").class(class(rung)).body(|h| {
                row_head(h, &rung.name);
                h.el("td").class("outcome").body(|h| outcome(h, rung));
                size(h, ladder, rung);
                for (name, unit) in names.iter().zip(&units) {
                    let found = named(&rung.figures, name);
                    estimate(h, found.and_then(|figure| figure.value));
                    let beyond = *name == ladder.gate() && ladder.drops(rung) == Some(true);
                    change(h, *unit, found.and_then(|figure| figure.difference), beyond);
                }
                if flipped {
                    flips(h, rung.flips.as_ref());
                }
            });
        }
    });
    more(h, ladder.rungs.len(), MAX_RUNGS);
}

fn class(rung: &Rung) -> &'static str {
    if rung.outcome == Outcome::Kept { "kept" } else { "rung" }
}

/// How every rung was made, and what it takes to run it.
fn costs(h: &mut Html, ladder: &Ladder) {
    let any = |column: &&Column| ladder.shown().iter().any(column.present);
    let columns: Vec<&Column> = COLUMNS.iter().filter(any).collect();
    if columns.is_empty() && ladder.shown().iter().all(|rung| rung.how.is_empty()) {
        return;
    }
    let mut heads = vec![Head::Text("rung"), Head::Text("how it was made")];
    heads.extend(columns.iter().map(|column| Head::Number(column.head)));
    table_of(h, "ladder costs", "How each was made, and what it takes to run.", &heads, |h| {
        for rung in ladder.shown() {
            h.el("tr").class(class(rung)).body(|h| {
                row_head(h, &rung.name);
                h.el("td").data(&rung.how, HOW);
                for column in &columns {
                    (column.cell)(h, rung);
                }
            });
        }
    });
}

/// A column that is there where a rung has something for it.
struct Column {
    head: &'static str,
    present: fn(&Rung) -> bool,
    cell: fn(&mut Html, &Rung),
}

static COLUMNS: [Column; 4] = [
    Column {
        head: "rows/s",
        present: |rung| rung.rows_per_second.is_some(),
        cell: |h, rung| {
            let speed = rung.rows_per_second.and_then(finite).filter(|&speed| speed >= 0.0);
            number(h, &speed.map_or(DASH.to_owned(), whole));
        },
    },
    Column {
        head: "one row, median",
        present: |rung| rung.p50_ms.is_some(),
        cell: |h, rung| time(h, rung.p50_ms),
    },
    Column {
        head: "99 of 100 rows within",
        present: |rung| rung.p99_ms.is_some(),
        cell: |h, rung| time(h, rung.p99_ms),
    },
    Column {
        head: "peak memory",
        present: |rung| rung.peak_bytes.is_some(),
        cell: |h, rung| {
            let peak = rung.peak_bytes.filter(|&peak| peak > 0);
            number(h, &peak.map_or(DASH.to_owned(), bytes));
        },
    },
];

fn time(h: &mut Html, ms: Option<f64>) {
    number(h, &ms.map_or(DASH.to_owned(), milliseconds));
}

/// A speed: whole rows from ten a second on.
fn whole(speed: f64) -> String {
    if (10.0..1e9).contains(&speed) { count(speed.round() as u64) } else { figure(speed) }
}

fn outcome(h: &mut Html, rung: &Rung) {
    let (mark, word) = match rung.outcome {
        Outcome::Kept => ("✓", "kept"),
        Outcome::Fits => ("•", "fits"),
        Outcome::Outside if rung.original => ("◇", "original"),
        Outcome::Outside => ("✗", "outside"),
        Outcome::Failed => ("✗", "failed"),
        Outcome::Skipped => ("–", "skipped"),
    };
    h.el("span").class("sign").at("aria-hidden", "true").text(mark);
    h.text(" ");
    h.el("span").class("v").text(word);
    if !rung.reason.is_empty() {
        h.el("span").class("how").data(&rung.reason, HOW);
    }
}

/// The size, how often it goes into the original's, and a flag where it is too large.
fn size(h: &mut Html, ladder: &Ladder, rung: &Rung) {
    let Some(bytes) = rung.size_bytes else { return number(h, DASH) };
    let large = ladder.too_large(rung) == Some(true);
    h.el("td").class(if large { "n warn" } else { "n" }).body(|h| {
        flag(h, large, "larger than asked for");
        h.el("span").class("v").text(&megabytes(bytes));
        let original = ladder.original().filter(|_| !rung.original).and_then(|original| original.size_bytes);
        if let Some(original) = original {
            h.text(" ");
            h.el("span").class("i").text(&smaller(original, bytes));
        }
    });
}

/// "10.9× smaller".
fn smaller(original: u64, size: u64) -> String {
    let ratio = original as f64 / size as f64;
    if ratio >= 1.05 {
        format!("{}× smaller", times(original, size))
    } else if ratio > 0.95 {
        "same size".to_owned()
    } else {
        format!("{}× larger", times(size, original))
    }
}

/// A difference to the original, with a flag where it is beyond the bound.
fn change(h: &mut Html, unit: Unit, difference: Option<Estimate>, beyond: bool) {
    h.el("td").class(if beyond { "n warn" } else { "n" }).body(|h| {
        let Some(difference) = sound(difference) else { return h.text(DASH) };
        flag(h, beyond, "a larger drop than allowed");
        let (value, ends) = unit.parts(&difference);
        h.el("span").class("v").text(&value);
        if let Some(ends) = ends {
            h.text(" ");
            h.el("span").class("i").text(&ends);
        }
    });
}

fn flag(h: &mut Html, there: bool, why: &str) {
    if there {
        h.el("span").class("flag").at("aria-label", why).at("role", "img").text("▲");
        h.text(" ");
    }
}

fn flips(h: &mut Html, flips: Option<&Flips>) {
    let Some(flips) = flips else { return number(h, DASH) };
    h.el("td").class("n").body(|h| {
        h.el("span").class("v").text(&count(flips.changed));
        h.text(&format!(" of {}", count(flips.rows)));
        if let Some(rate) = sound(flips.rate) {
            let ends = interval(&rate, percent).map_or(String::new(), |ends| format!(" {ends}"));
            h.text(" ");
            h.el("span").class("i").text(&format!("{}{ends}", percent(rate.value)));
        }
    });
}
