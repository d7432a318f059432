//! The head of the page, and the sections of words and tables.

use filbert_eval::Estimate;

use crate::chart;
use crate::data::{Confusion, Page};
use crate::html::{Html, count, number, percent};
use crate::plots::ends;

/// Rows of a table of classes or slices.
const MAX_ROWS: usize = 200;
/// Classes of a matrix; of more only the pairs that are taken for each other most.
const MAX_MATRIX: usize = 20;
/// Pairs, mistakes and notes that are shown.
const MAX_LIST: usize = 30;

/// A value with its interval.
pub(crate) fn estimate(e: &Estimate) -> String {
    match ends(e) {
        Some((low, high)) => format!("{} [{}, {}]", number(e.value), number(low), number(high)),
        None => number(e.value),
    }
}

/// A table's cell with an interval drawn.
pub(crate) fn interval_cell(html: &mut Html, class: &'static str, scale: (f64, f64), e: &Estimate) {
    html.raw("<td>");
    chart::interval(html, class, scale, (e.value, ends(e)));
    html.raw("</td>");
}

/// Title, verdicts, warnings and the four most important figures.
pub(crate) fn head(html: &mut Html, page: &Page) {
    html.raw("<header><h1>")
        .text(&page.title)
        .raw("</h1><p class=\"soft\">")
        .text(&page.subtitle)
        .raw("</p>");
    for (i, verdict) in page.verdicts.iter().enumerate() {
        html.raw(if i == 0 { "<p class=\"lead\">" } else { "<p>" }).text(verdict).raw("</p>");
    }
    for warning in page.warnings.iter().take(MAX_LIST) {
        html.raw("<p class=\"warn\"><strong>Mind:</strong> ").text(warning).raw("</p>");
    }
    html.raw("<div class=\"big\">");
    for metric in page.metrics.iter().take(4) {
        let Some(e) = &metric.model else { continue };
        html.raw("<div><b>").show(number(e.value)).raw("</b><span>").text(&metric.name);
        if let Some((low, high)) = ends(e) {
            html.raw("<br>95 % interval ").show(number(low)).raw(" to ").show(number(high));
        }
        if let Some(floor) = &metric.floor {
            html.raw("<br>floor ").show(number(floor.value));
        }
        html.raw("</span></div>");
    }
    html.raw("</div></header>");
}

/// All metrics, beside the floor and the validation rows.
pub(crate) fn metrics(html: &mut Html, page: &Page) {
    if page.metrics.is_empty() {
        return;
    }
    let has_floor = page.metrics.iter().any(|m| m.floor.is_some());
    let has_valid = page.metrics.iter().any(|m| m.valid.is_some());
    html.raw("<section id=\"metrics\"><h2>Figures</h2><p>Every figure is of the ").text(&page.split);
    html.raw(
        " rows and stands with its 95 % interval: the range that other rows like these would plausibly give.",
    );
    if has_floor {
        html.raw(
            " The floor is a logistic regression over character n-grams, fitted on the same training rows.",
        );
    }
    html.raw("</p><div class=\"scroll\"><table><tr><th>Metric</th><th class=\"n\">Model</th><th></th>");
    if has_floor {
        html.raw("<th class=\"n\">Floor</th>");
    }
    if has_valid {
        html.raw("<th class=\"n\">Model, validation rows</th>");
    }
    html.raw("</tr>");
    let show = |e: Option<&Estimate>| e.map_or("–".to_owned(), estimate);
    for metric in &page.metrics {
        html.raw("<tr><td>").text(&metric.name);
        html.raw(if metric.lower_is_better { " <span class=\"soft\">(lower is better)</span>" } else { "" });
        html.raw("</td><td class=\"n\">").show(show(metric.model.as_ref())).raw("</td>");
        match &metric.model {
            Some(e) if (0.0..=1.0).contains(&e.value) && !metric.lower_is_better => {
                interval_cell(html, "model", (0.0, 1.0), e);
            }
            _ => {
                html.raw("<td></td>");
            }
        }
        if has_floor {
            html.raw("<td class=\"n\">").show(show(metric.floor.as_ref())).raw("</td>");
        }
        if has_valid {
            html.raw("<td class=\"n\">").show(show(metric.valid.as_ref())).raw("</td>");
        }
        html.raw("</tr>");
    }
    html.raw("</table></div>");
    if !page.seeds.is_empty() {
        html.raw("<h3>Over seeds</h3><p>The same training with other random numbers: how much of a difference is luck.</p>");
        html.raw("<div class=\"scroll\"><table><tr><th>Figure</th><th class=\"n\">Mean ± deviation</th><th>Each seed</th></tr>");
        for seed in page.seeds.iter().take(MAX_ROWS) {
            html.raw("<tr><td>")
                .text(&seed.name)
                .raw("</td><td class=\"n\">")
                .show(number(seed.mean))
                .raw(" ± ");
            html.show(number(seed.deviation)).raw("</td><td>");
            let each: Vec<String> = seed.values.iter().take(MAX_LIST).map(|&v| number(v)).collect();
            html.show(each.join(", ")).raw("</td></tr>");
        }
        html.raw("</table></div>");
    }
    html.raw("</section>");
}

/// Metrics by class.
pub(crate) fn classes(html: &mut Html, page: &Page) {
    if page.classes.is_empty() {
        return;
    }
    let has_thresholds = page.classes.iter().any(|c| c.threshold.is_some());
    html.raw("<section id=\"classes\"><h2>By label</h2><div class=\"scroll\"><table><tr><th>Label</th><th class=\"n\">Rows</th>");
    html.raw("<th class=\"n\">Precision</th><th class=\"n\">Recall</th><th class=\"n\">F1</th><th></th><th class=\"n\">AUC</th>");
    html.raw(if has_thresholds { "<th class=\"n\">Threshold</th></tr>" } else { "</tr>" });
    let mut order: Vec<&crate::Class> = page.classes.iter().collect();
    if order.len() > MAX_MATRIX {
        order.sort_by(|a, b| a.f1.value.total_cmp(&b.f1.value));
    }
    for class in order.iter().take(MAX_ROWS) {
        html.raw("<tr><td>").text(&class.label).raw("</td><td class=\"n\">").show(count(class.support));
        for e in [&class.precision, &class.recall, &class.f1] {
            html.raw("</td><td class=\"n\">").show(estimate(e));
        }
        html.raw("</td>");
        interval_cell(html, "model", (0.0, 1.0), &class.f1);
        html.raw("<td class=\"n\">").show(class.auc.as_ref().map_or("–".to_owned(), estimate)).raw("</td>");
        if has_thresholds {
            html.raw("<td class=\"n\">").show(class.threshold.map_or("–".to_owned(), number)).raw("</td>");
        }
        html.raw("</tr>");
    }
    html.raw("</table></div>");
    if order.len() > MAX_MATRIX {
        html.raw("<p class=\"soft\">The labels with the lowest F1 first.</p>");
    }
    if order.len() > MAX_ROWS {
        html.raw("<p class=\"soft\">")
            .show(order.len() - MAX_ROWS)
            .raw(" more labels are in metrics.json.</p>");
    }
    html.raw("</section>");
}

/// The matrix, or the pairs that are confused most.
pub(crate) fn confusion(html: &mut Html, page: &Page) {
    let Some(Confusion { labels, counts }) = &page.confusion else { return };
    html.raw("<section id=\"confusion\"><h2>What is taken for what</h2>");
    let cell = |t: usize, a: usize| counts.get(t).and_then(|row| row.get(a)).copied().unwrap_or(0);
    if labels.len() <= MAX_MATRIX {
        html.raw("<p>A line for each true label, a column for each answer; shares are of the line.</p><div class=\"scroll\"><table>");
        html.raw("<tr><th></th>");
        for label in labels {
            html.raw("<th class=\"n\">").text(label).raw("</th>");
        }
        html.raw("</tr>");
        for (t, label) in labels.iter().enumerate() {
            let all: u64 = (0..labels.len()).map(|a| cell(t, a)).sum();
            html.raw("<tr><th>").text(label).raw("</th>");
            for a in 0..labels.len() {
                let share = cell(t, a) as f64 / all.max(1) as f64;
                html.raw("<td class=\"heat\" style=\"background:rgba(var(--heat),")
                    .at(0.75 * share)
                    .raw(")\">");
                html.show(count(cell(t, a)))
                    .raw("<br><span class=\"soft\">")
                    .show(percent(share))
                    .raw("</span></td>");
            }
            html.raw("</tr>");
        }
        html.raw("</table></div></section>");
        return;
    }
    let mut pairs: Vec<(u64, usize, usize)> = (0..labels.len().min(1_000))
        .flat_map(|t| (0..labels.len().min(1_000)).map(move |a| (t, a)))
        .filter(|(t, a)| t != a && cell(*t, *a) > 0)
        .map(|(t, a)| (cell(t, a), t, a))
        .collect();
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    html.raw("<p>The labels that are taken for each other most.</p><div class=\"scroll\"><table><tr><th class=\"n\">Rows</th>");
    html.raw("<th>It is</th><th>The answer</th></tr>");
    for &(rows, t, a) in pairs.iter().take(MAX_LIST) {
        html.raw("<tr><td class=\"n\">").show(count(rows)).raw("</td><td>").text(&labels[t]).raw("</td><td>");
        html.text(&labels[a]).raw("</td></tr>");
    }
    html.raw("</table></div></section>");
}

/// Parts of the rows.
pub(crate) fn slices(html: &mut Html, page: &Page) {
    if page.slices.is_empty() {
        return;
    }
    html.raw("<section id=\"slices\"><h2>Where it is better or worse</h2><p>Parts of the ").text(&page.split);
    html.raw(" rows. One is flagged where it is worse than the others by more than chance would make the worst of so many parts.</p>");
    html.raw("<div class=\"scroll\"><table><tr><th>By</th><th>Rows with</th><th class=\"n\">Rows</th><th>Figure</th><th class=\"n\"></th>");
    html.raw("<th></th></tr>");
    for slice in page.slices.iter().take(MAX_ROWS) {
        html.raw("<tr><td>")
            .text(&slice.group)
            .raw("</td><td>")
            .text(&slice.value)
            .raw("</td><td class=\"n\">");
        html.show(count(slice.rows)).raw("</td><td>").text(&slice.name).raw("</td><td class=\"n\">");
        html.show(estimate(&slice.figure));
        html.raw(if slice.is_worse { " <span class=\"flag\">worse</span></td>" } else { "</td>" });
        interval_cell(html, "model", (0.0, 1.0), &slice.figure);
        html.raw("</tr>");
    }
    html.raw("</table></div></section>");
}

/// Rows that are answered wrong.
pub(crate) fn mistakes(html: &mut Html, page: &Page) {
    if page.mistakes.is_empty() {
        return;
    }
    html.raw("<section id=\"mistakes\"><h2>The surest mistakes</h2><p>Rows of the ").text(&page.split);
    html.raw(" file that the model gets wrong, the surest first. Look at them: some may be labelled wrong.</p><div class=\"scroll\"><table>");
    html.raw("<tr><th class=\"n\">Line</th><th>Text</th><th>It is</th><th>The answer</th><th class=\"n\">Sure</th></tr>");
    for mistake in page.mistakes.iter().take(MAX_LIST) {
        html.raw("<tr><td class=\"n\">")
            .show(mistake.place)
            .raw("</td><td class=\"text\">")
            .text(&mistake.text);
        html.raw("</td><td>")
            .text(&mistake.truth)
            .raw("</td><td>")
            .text(&mistake.answer)
            .raw("</td><td class=\"n\">");
        html.show(mistake.probability.map_or("–".to_owned(), number)).raw("</td></tr>");
    }
    html.raw("</table></div></section>");
}

/// The data: parts, classes, overlaps.
pub(crate) fn rows(html: &mut Html, page: &Page) {
    if page.splits.is_empty() {
        return;
    }
    html.raw("<section id=\"data\"><h2>Data</h2><div class=\"scroll\"><table><tr><th>Part</th><th class=\"n\">Rows</th><th>Labels</th><th>File</th></tr>");
    for split in &page.splits {
        html.raw("<tr><td>")
            .text(&split.name)
            .raw("</td><td class=\"n\">")
            .show(count(split.rows))
            .raw("</td><td>");
        for (i, (label, rows)) in split.classes.iter().take(MAX_LIST).enumerate() {
            html.raw(if i > 0 { ", " } else { "" }).text(label).raw(" ").show(count(*rows));
        }
        html.raw(if split.classes.len() > MAX_LIST { ", …" } else { "" });
        html.raw("</td><td class=\"text\">").text(&split.source).raw("</td></tr>");
    }
    html.raw("</table></div>");
    if !page.overlaps.is_empty() {
        html.raw("<h3>What the parts share</h3><p>Rows of one part that also stand in another make figures better than they are. ");
        html.raw("Nearly equal: at least 80 % of their pieces of five characters are the same.</p><div class=\"scroll\"><table><tr>");
        html.raw("<th>Rows of</th><th>also in</th><th class=\"n\">Equal</th><th class=\"n\">Equal but for spelling</th>");
        html.raw("<th class=\"n\">Nearly equal</th><th class=\"n\">Same domain</th><th class=\"n\">Other label</th></tr>");
        for o in page.overlaps.iter().take(MAX_LIST) {
            html.raw("<tr><td>").text(&o.to).raw(" (").show(count(o.rows)).raw(")</td><td>");
            if o.from == o.to {
                html.raw("itself, earlier");
            } else {
                html.text(&o.from);
            }
            for n in [Some(o.exact), Some(o.canonical), Some(o.near), o.domain, o.conflicting] {
                let flagged = o.from != o.to && n.is_some_and(|n| n > 0);
                html.raw(if flagged { "</td><td class=\"n flag\">" } else { "</td><td class=\"n\">" });
                html.show(n.map_or("–".to_owned(), count));
            }
            html.raw("</td></tr>");
        }
        html.raw("</table></div>");
    }
    html.raw("</section>");
}

/// Settings, machine, and how to repeat it all.
pub(crate) fn facts(html: &mut Html, page: &Page) {
    if page.facts.is_empty() && page.notes.is_empty() {
        return;
    }
    html.raw("<section id=\"record\"><h2>Record</h2>");
    for facts in &page.facts {
        html.raw("<h3>").text(&facts.name).raw("</h3><dl>");
        for (name, value) in facts.entries.iter().take(MAX_ROWS) {
            html.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>");
        }
        html.raw("</dl>");
    }
    if !page.notes.is_empty() {
        html.raw("<h3>What was said on the way</h3><ul>");
        for note in page.notes.iter().take(3 * MAX_LIST) {
            html.raw("<li>").text(note).raw("</li>");
        }
        html.raw("</ul>");
    }
    html.raw("</section>");
}
