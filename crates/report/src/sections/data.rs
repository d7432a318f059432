//! The rows: splits and their classes, what splits share, and which rows look wrong.

use std::collections::BTreeMap;

use crate::charts::strip::bar;
use crate::figures::{count, counted};
use crate::html::Html;
use crate::input::{Data, Overlap, Report, Split};

use super::parts::{Head, LABEL, TEXT, brief, lead, more, notes, number, row_head, table, with_share};

/// The most splits shown.
const MAX_SPLITS: usize = 8;

/// Up to this many classes are shown at once.
const FEW_CLASSES: usize = 12;

/// The most classes shown.
const MAX_CLASSES: usize = 300;

/// The most pairs of splits shown.
const MAX_OVERLAPS: usize = 24;

/// The most suspicious rows shown.
const MAX_SUSPECTS: usize = 20;

/// The digits of a hash that are shown.
const HASH: usize = 12;

/// A column of counts.
type CountOf<T> = fn(&T) -> Option<u64>;

pub(crate) fn present(report: &Report) -> bool {
    !report.data.splits.is_empty() || !report.data.overlaps.is_empty() || !report.data.notes.is_empty()
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let data = &report.data;
    if !data.split_method.is_empty() {
        lead(h, &format!("Rows were split {}.", data.split_method.trim_end_matches('.')));
    }
    if !data.splits.is_empty() {
        splits(h, data);
        classes(h, data);
    }
    if !data.overlaps.is_empty() {
        overlaps(h, data);
    }
    notes(h, &data.notes);
}

fn shown(data: &Data) -> &[Split] {
    &data.splits[..data.splits.len().min(MAX_SPLITS)]
}

fn splits(h: &mut Html, data: &Data) {
    let splits = shown(data);
    let limit = data.max_length.map_or(String::new(), |n| format!(" ({} tokens)", count(n)));
    let cut = format!("cut to length{limit}");
    let columns: [(&str, CountOf<Split>); 4] = [
        (&cut, |s| s.truncated),
        ("blank", |s| s.blank),
        ("contradicted label", |s| s.conflicting),
        ("deceptive characters", |s| s.hostile),
    ];
    let columns: Vec<_> =
        columns.into_iter().filter(|(_, get)| splits.iter().any(|s| get(s).is_some())).collect();
    let files = splits.iter().any(|s| !s.file.is_empty());
    let mut heads = vec![Head::Text("split"), Head::Number("rows")];
    heads.extend(columns.iter().map(|(name, _)| Head::Number(name)));
    if files {
        heads.push(Head::Text("file"));
    }
    table(h, "The splits.", &heads, |h| {
        for split in splits {
            h.el("tr").body(|h| {
                row_head(h, &split.name);
                number(h, &count(split.rows));
                for (_, get) in &columns {
                    with_share(h, get(split), split.rows, false);
                }
                if files {
                    h.el("td").class("file").body(|h| {
                        h.data(&split.file, LABEL);
                        if !split.sha256.is_empty() {
                            h.text(" ");
                            h.el("code").data(&split.sha256, HASH);
                        }
                    });
                }
            });
        }
    });
    more(h, data.splits.len(), MAX_SPLITS);
}

fn classes(h: &mut Html, data: &Data) {
    let splits = shown(data);
    // In the order of the first split that has each; the lookup by label is bounded by what is shown.
    let mut order: Vec<&str> = Vec::new();
    let mut rows: BTreeMap<&str, Vec<Option<u64>>> = BTreeMap::new();
    for (i, split) in splits.iter().enumerate() {
        for class in &split.classes {
            let counts = rows.entry(&class.label).or_insert_with(|| {
                order.push(&class.label);
                vec![None; splits.len()]
            });
            counts[i] = Some(class.rows);
        }
    }
    if order.is_empty() {
        return;
    }
    if order.len() <= FEW_CLASSES {
        return class_table(h, splits, &order, &rows);
    }
    let mut sizes: Vec<u64> = splits[0].classes.iter().map(|class| class.rows).collect();
    sizes.sort_unstable();
    if let (Some(least), Some(most)) = (sizes.first(), sizes.last()) {
        let name = brief(&splits[0].name);
        let classes = counted(order.len() as u64, "class", "classes");
        let median = sizes[sizes.len() / 2];
        let text = format!(
            "{classes}; in {name} from {} to {} rows each, half of them {} or more.",
            count(*least),
            count(*most),
            count(median)
        );
        h.el("p").data(&text, 300);
    }
    h.el("details").body(|h| {
        h.el("summary").text("Rows of every class");
        class_table(h, splits, &order, &rows);
        more(h, order.len(), MAX_CLASSES);
    });
}

fn class_table(h: &mut Html, splits: &[Split], order: &[&str], rows: &BTreeMap<&str, Vec<Option<u64>>>) {
    let shown = &order[..order.len().min(MAX_CLASSES)];
    let first = |label: &str| rows.get(label).and_then(|c| c.first().copied().flatten()).unwrap_or(0);
    let most = shown.iter().map(|label| first(label)).max().unwrap_or(1).max(1) as f64;
    let mut heads = vec![Head::Text("class")];
    heads.extend(splits.iter().map(|split| Head::Number(&split.name)));
    heads.push(Head::Drawing("rows drawn", &|_| {}));
    let caption =
        format!("Rows by class; the bars show {}.", splits.first().map_or(String::new(), |s| brief(&s.name)));
    table(h, &caption, &heads, |h| {
        for label in shown {
            h.el("tr").body(|h| {
                row_head(h, label);
                for (split, n) in splits.iter().zip(&rows[label]) {
                    with_share(h, *n, split.rows, false);
                }
                h.el("td").class("drawing").body(|h| bar(h, first(label) as f64 / most));
            });
        }
    });
}

fn overlaps(h: &mut Html, data: &Data) {
    lead(
        h,
        "Rows of one split that a model could know from another. Counts in a line include those to their left, but \
         for same domain, which stands by itself. Repeats within a split do less harm.",
    );
    let columns: [(&str, CountOf<Overlap>); 5] = [
        ("same text", |o| o.exact),
        ("same but for disguise", |o| o.canonical),
        ("nearly the same", |o| o.near),
        ("same domain", |o| o.domain),
        ("other label", |o| o.conflicting),
    ];
    let columns: Vec<_> =
        columns.into_iter().filter(|(_, get)| data.overlaps.iter().any(|o| get(o).is_some())).collect();
    let mut heads = vec![Head::Text("rows of"), Head::Text("found in"), Head::Number("rows")];
    heads.extend(columns.iter().map(|(name, _)| Head::Number(name)));
    table(h, "What splits share.", &heads, |h| {
        for overlap in data.overlaps.iter().take(MAX_OVERLAPS) {
            h.el("tr").body(|h| {
                row_head(h, &overlap.to);
                h.el("td").data(if overlap.from == overlap.to { "itself" } else { &overlap.from }, LABEL);
                number(h, &count(overlap.rows));
                for (_, get) in &columns {
                    with_share(h, get(overlap), overlap.rows, overlap.from != overlap.to);
                }
            });
        }
    });
    more(h, data.overlaps.len(), MAX_OVERLAPS);
}

pub(crate) fn suspects_present(report: &Report) -> bool {
    !report.data.suspects.is_empty()
}

pub(crate) fn draw_suspects(h: &mut Html, report: &Report) {
    lead(
        h,
        "Rows that look wrong before any model sees them. A few minutes here can be worth more than an epoch.",
    );
    h.el("ol").class("rows").body(|h| {
        for suspect in report.data.suspects.iter().take(MAX_SUSPECTS) {
            h.el("li").body(|h| {
                h.el("p").class("said").data(&suspect.text, TEXT);
                h.el("p").class("meta").body(|h| {
                    for reason in suspect.reasons.iter().take(6) {
                        h.el("span").class("reason").data(reason, LABEL * 3);
                        h.text(" ");
                    }
                    if !suspect.label.is_empty() {
                        h.text("label ");
                        h.el("strong").data(&suspect.label, LABEL);
                        h.text(" ");
                    }
                    h.el("span").class("place").data(&suspect.place, LABEL * 2);
                });
            });
        }
    });
    more(h, report.data.suspects.len(), MAX_SUSPECTS);
}
