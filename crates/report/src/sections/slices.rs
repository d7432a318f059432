//! Parts of the rows, and whether the model does as well on them.

use filbert_eval::Estimate;

use crate::charts::strip::{Strips, Whose};
use crate::figures::{count, figure, sound};
use crate::html::Html;
use crate::input::{Report, Slice};
use crate::verdict::main_results;

use super::parts::{Head, LABEL, brief, estimate, lead, more, number, row_head, table};

/// The most slices shown.
const MAX_SLICES: usize = 120;

pub(crate) fn present(report: &Report) -> bool {
    !report.slices.is_empty()
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let slices = &report.slices[..report.slices.len().min(MAX_SLICES)];
    let metric = slices.first().map_or("", |slice| slice.metric.as_str());
    let overall = main_results(report)
        .and_then(|(results, _)| results.metrics.iter().find(|m| m.name == metric))
        .and_then(|m| sound(m.model))
        .map(|estimate| estimate.value);
    let line =
        overall.map_or(String::new(), |value| format!(" The dashed line is all rows: {}.", figure(value)));
    lead(
        h,
        &format!(
            "{} on parts of the test rows. With many slices some fall apart by chance: mind the intervals.{line}",
            capital(&brief(metric))
        ),
    );
    let estimates: Vec<Estimate> = slices.iter().filter_map(|slice| sound(slice.value)).collect();
    let strips = Strips::over(&estimates, (0.0, 1.0));
    for group in slices.chunk_by(|a, b| a.by == b.by && a.metric == b.metric) {
        draw_group(h, group, strips.as_ref(), overall.filter(|_| group.iter().all(|s| s.metric == metric)));
    }
    more(h, report.slices.len(), MAX_SLICES);
}

fn draw_group(h: &mut Html, slices: &[Slice], strips: Option<&Strips>, overall: Option<f64>) {
    let Some(first) = slices.first() else { return };
    let axis = |h: &mut Html| strips.iter().for_each(|strips| strips.axis(h));
    let flagged = slices.iter().any(|slice| slice.flag.is_some());
    let mut heads = vec![
        Head::Text(&first.by),
        Head::Number("rows"),
        Head::Number(&first.metric),
        Head::Drawing("drawn", &axis),
    ];
    if flagged {
        heads.push(Head::Text("remark"));
    }
    table(h, &format!("By {}.", brief(&first.by)), &heads, |h| {
        for slice in slices {
            h.el("tr").body(|h| {
                row_head(h, &slice.name);
                number(h, &count(slice.rows));
                estimate(h, slice.value);
                h.el("td").class("drawing").body(|h| {
                    if let (Some(strips), Some(value)) = (strips, sound(slice.value)) {
                        strips.draw(h, &[(Whose::Model, value)], overall);
                    }
                });
                if flagged {
                    h.el("td").class("remark").body(|h| {
                        let Some(flag) = &slice.flag else { return };
                        h.el("span").class("flag").at("role", "img").at("aria-label", "warning").text("▲");
                        h.text(" ");
                        h.data(flag, LABEL * 2);
                    });
                }
            });
        }
    });
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
