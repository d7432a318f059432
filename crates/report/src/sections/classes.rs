//! Precision, recall and F1 of each class or label.

use std::cmp::Ordering;

use filbert_eval::Estimate;

use crate::charts::strip::{Strips, Whose};
use crate::figures::{DASH, count, figure, sound};
use crate::html::Html;
use crate::input::{ClassRow, Report, Task};
use crate::verdict::main_results;

use super::parts::{Head, estimate, lead, more, number, row_head, table};

/// Up to this many classes are shown in their own order.
const FEW: usize = 24;

/// With more, this many of the weakest are shown at once.
const WEAKEST: usize = 20;

/// The most classes shown.
const MAX_CLASSES: usize = 300;

pub(crate) fn present(report: &Report) -> bool {
    main_results(report).is_some_and(|(results, _)| !results.per_class.is_empty())
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let Some((results, split)) = main_results(report) else { return };
    let what = if report.task == Task::MultiLabel { "label" } else { "class" };
    lead(
        h,
        &format!(
            "Precision is the share of rows called a {what} that are it, recall the share of its rows that are \
             found, F1 the harmonic mean of both. The drawing shows F1; a long line means few rows."
        ),
    );
    let mut rows: Vec<&ClassRow> = results.per_class.iter().collect();
    if rows.len() <= FEW {
        return rows_of(h, &rows, &format!("By {what}, {split} rows."));
    }
    // The weakest first; those without a row, of which nothing is known, last.
    let f1 = |row: &ClassRow| sound(row.f1).map_or(f64::INFINITY, |f1| f1.value);
    rows.sort_by(|a, b| {
        let rank = |row: &ClassRow| if row.support == 0 { f64::INFINITY } else { f1(row) };
        rank(a).partial_cmp(&rank(b)).unwrap_or(Ordering::Equal)
    });
    let all = rows.len();
    let (weak, rest) = rows.split_at(WEAKEST);
    let caption = format!("The {WEAKEST} of {} with the lowest F1, {split} rows.", count(all as u64));
    rows_of(h, weak, &caption);
    let rest = &rest[..rest.len().min(MAX_CLASSES - WEAKEST)];
    h.el("details").body(|h| {
        h.el("summary").text(&format!("The other {}", count((all - WEAKEST) as u64)));
        rows_of(h, rest, "The others, by rising F1.");
        more(h, all, MAX_CLASSES);
    });
}

fn rows_of(h: &mut Html, rows: &[&ClassRow], caption: &str) {
    let estimates: Vec<Estimate> = rows.iter().filter_map(|row| sound(row.f1)).collect();
    let strips = Strips::over(&estimates, (0.0, 1.0));
    let axis = |h: &mut Html| {
        if let Some(strips) = &strips {
            strips.axis(h);
        }
    };
    let auc = rows.iter().any(|row| row.auc.is_some());
    let threshold = rows.iter().any(|row| row.threshold.is_some());
    let mut heads = vec![
        Head::Text("label"),
        Head::Number("rows"),
        Head::Number("precision"),
        Head::Number("recall"),
        Head::Number("F1"),
        Head::Drawing("F1 drawn", &axis),
    ];
    if auc {
        heads.push(Head::Number("AUC"));
    }
    if threshold {
        heads.push(Head::Number("threshold"));
    }
    table(h, caption, &heads, |h| {
        for row in rows {
            h.el("tr").body(|h| {
                row_head(h, &row.label);
                number(h, &count(row.support));
                estimate(h, row.precision);
                estimate(h, row.recall);
                estimate(h, row.f1);
                h.el("td").class("drawing").body(|h| {
                    if let (Some(strips), Some(f1)) = (&strips, sound(row.f1)) {
                        strips.draw(h, &[(Whose::Model, f1)], None);
                    }
                });
                if auc {
                    number(h, &sound(row.auc).map_or(DASH.to_owned(), |auc| figure(auc.value)));
                }
                if threshold {
                    number(h, &row.threshold.map_or(DASH.to_owned(), figure));
                }
            });
        }
    });
}
