//! The sections with charts.

use filbert_eval::Estimate;

use crate::chart::{Axis, Frame};
use crate::data::{Curve, Page};
use crate::html::{Html, number, percent};
use crate::tables::{estimate, interval_cell};

/// Points of a scatter plot.
const MAX_SCATTER: usize = 2_000;
/// Epochs in the table.
const MAX_EPOCHS: usize = 60;
/// Bars of a histogram.
const BARS: usize = 30;
/// The lowest false positive rate on a logarithmic axis.
const LOW_FPR: f64 = 1e-4;

/// What the model is worth where it will be used.
pub(crate) fn operating(html: &mut Html, page: &Page) {
    if page.points.is_empty() && page.prevalences.is_empty() {
        return;
    }
    html.raw("<section id=\"use\"><h2>Where it will be used</h2><p>Accuracy at half and half says little about a world in which ");
    html.raw("positives are rare: there, a share of false alarms that looks small drowns the true ones. A figure that these rows ");
    html.raw("are too few for is not given.</p><div class=\"charts\">");
    if !page.points.is_empty() {
        html.raw("<div class=\"scroll\"><table><tr><th>False alarms allowed</th><th class=\"n\">Positives found</th><th></th>");
        html.raw("<th class=\"n\">Threshold</th></tr>");
        for point in &page.points {
            html.raw("<tr><td>").show(percent(point.fpr)).raw("</td>");
            match &point.found {
                Ok((tpr, threshold)) => {
                    html.raw("<td class=\"n\">").show(estimate(tpr)).raw("</td>");
                    interval_cell(html, "model", (0.0, 1.0), tpr);
                    html.raw("<td class=\"n\">")
                        .show(threshold.map_or("–".to_owned(), number))
                        .raw("</td></tr>");
                }
                Err(why) => {
                    html.raw("<td colspan=\"3\" class=\"soft\">not given: ").text(why).raw("</td></tr>");
                }
            }
        }
        html.raw("</table></div>");
    }
    if !page.prevalences.is_empty() {
        html.raw("<div class=\"scroll\"><table><tr><th>Positives among all</th><th class=\"n\">Alarms that are right</th><th></th></tr>");
        for at in &page.prevalences {
            html.raw("<tr><td>").show(percent(at.prevalence)).raw("</td><td class=\"n\">");
            html.show(estimate(&at.precision)).raw("</td>");
            interval_cell(html, "model", (0.0, 1.0), &at.precision);
            html.raw("</tr>");
        }
        html.raw("</table></div>");
    }
    html.raw("</div></section>");
}

/// ROC and precision-recall curves, and the histogram of scores.
pub(crate) fn curves(html: &mut Html, page: &Page) {
    if page.roc.is_empty() && page.pr.is_empty() && page.scores.is_none() {
        return;
    }
    html.raw("<section id=\"curves\"><h2>Ranking</h2><div class=\"charts\">");
    if !page.roc.is_empty() {
        let frame = Frame::square(Axis::unit("false positive rate"), Axis::unit("true positive rate"));
        figure(html, &frame, &page.roc, "ROC curves", Some(&[(0.0, 0.0), (1.0, 1.0)]));
        let log = Axis { low: LOW_FPR, high: 1.0, log: true, label: "false positive rate, logarithmic" };
        let frame = Frame::square(log, Axis::unit("true positive rate"));
        let chance: Vec<(f64, f64)> =
            (0..=80).map(|i| 10f64.powf(-4.0 + 4.0 * f64::from(i) / 80.0)).map(|x| (x, x)).collect();
        figure(html, &frame, &page.roc, "ROC curves, few false positives", Some(&chance));
    }
    if !page.pr.is_empty() {
        let frame = Frame::square(Axis::unit("recall"), Axis::unit("precision"));
        figure(html, &frame, &page.pr, "Precision over recall", None);
    }
    histogram(html, page);
    html.raw("</div></section>");
}

fn figure(html: &mut Html, frame: &Frame, curves: &[Curve], title: &str, chance: Option<&[(f64, f64)]>) {
    html.raw("<figure>");
    frame.open(html, title);
    if let Some(points) = chance {
        frame.line(html, "chance", points);
    }
    for curve in curves {
        frame.line(html, if curve.is_floor { "floor" } else { "model" }, &curve.points);
    }
    Frame::close(html);
    html.raw("<figcaption>").text(title).raw(". ");
    for curve in curves {
        html.raw(if curve.is_floor { "<span class=\"key f\">" } else { "<span class=\"key\">" });
        html.text(&curve.name).raw("</span>");
    }
    html.raw("</figcaption></figure>");
}

fn histogram(html: &mut Html, page: &Page) {
    let Some(scores) = &page.scores else { return };
    let bin = |values: &[f32]| -> Vec<f64> {
        let mut bins = vec![0.0; BARS];
        for &x in values.iter().filter(|x| x.is_finite()) {
            bins[((x.clamp(0.0, 1.0) * BARS as f32) as usize).min(BARS - 1)] += 1.0;
        }
        bins
    };
    let (positive, negative) = (bin(&scores.positive), bin(&scores.negative));
    let counts = || positive.iter().chain(&negative).copied();
    let frame =
        Frame::square(Axis::unit("probability of the positive label"), Axis::from_zero(counts(), "rows"));
    html.raw("<figure>");
    frame.open(html, "Probabilities of positive and negative rows");
    for (class, bins) in [("neg", &negative), ("pos", &positive)] {
        for (i, &rows) in bins.iter().enumerate().filter(|(_, rows)| **rows > 0.0) {
            let edge = |i: usize| i as f64 / BARS as f64;
            frame.bar(html, class, (edge(i), edge(i + 1)), rows);
        }
    }
    frame.mark(html, "mark", scores.threshold, "threshold");
    if let Some((low, high)) = scores.unsure {
        frame.mark(html, "mark", low, "unsure from");
        frame.mark(html, "mark", high, "to");
    }
    Frame::close(html);
    html.raw(
        "<figcaption>Rows by the probability they got: the further apart, the better. <span class=\"key b\">",
    );
    html.text(&scores.positive_label).raw("</span><span class=\"key o\">other</span></figcaption></figure>");
}

/// The reliability diagram.
pub(crate) fn calibration(html: &mut Html, page: &Page) {
    if page.reliability.is_empty() {
        return;
    }
    html.raw("<section id=\"calibration\"><h2>Can its probabilities be believed?</h2><p>Rows are put in bins by how sure the model ");
    html.raw("is. Where it says 80 %, 80 % should be right: on the dotted line. Above it the model is too timid, below it too sure.");
    if let Some(temperature) = page.temperature {
        html.raw(" A temperature of ")
            .show(number(temperature))
            .raw(", fitted on validation rows, is applied.");
    }
    html.raw("</p><figure>");
    let low = page.reliability.iter().map(|b| b.confidence).fold(1.0, f64::min);
    let low = (low * 10.0).floor() / 10.0;
    let axis = |label| Axis { low: low.clamp(0.0, 0.9), high: 1.0, log: false, label };
    let frame = Frame::square(axis("how sure"), Axis::unit("how often right"));
    frame.open(html, "Reliability diagram");
    frame.line(html, "chance", &[(0.0, 0.0), (1.0, 1.0)]);
    for bin in &page.reliability {
        if let (Some(a), Some(b)) = (bin.accuracy.low, bin.accuracy.high) {
            frame.whisker(html, "model", bin.confidence, (a, b));
        }
        let title = format!(
            "{} rows, {} sure, {} right",
            bin.rows,
            number(bin.confidence),
            number(bin.accuracy.value)
        );
        frame.dot(html, "model", (bin.confidence, bin.accuracy.value), &title);
    }
    Frame::close(html);
    html.raw("<figcaption>Bins of equally many rows, with the 95 % interval of each.</figcaption></figure></section>");
}

/// Predicted against true numbers.
pub(crate) fn scatter(html: &mut Html, page: &Page) {
    if page.scatter.is_empty() {
        return;
    }
    let step = page.scatter.len().div_ceil(MAX_SCATTER);
    let points: Vec<(f64, f64)> =
        page.scatter.iter().step_by(step).map(|&(x, y)| (f64::from(x), f64::from(y))).collect();
    let all = || points.iter().flat_map(|p| [p.0, p.1]);
    let (x, y) = (Axis::around(all(), "true"), Axis::around(all(), "predicted"));
    let frame = Frame::square(x, y);
    html.raw("<section id=\"scatter\"><h2>Predicted and true</h2><figure>");
    frame.open(html, "Predicted over true numbers");
    frame.line(html, "chance", &[(x.low, x.low), (x.high, x.high)]);
    for &point in &points {
        frame.dot(html, "point", point, &format!("true {}, predicted {}", number(point.0), number(point.1)));
    }
    Frame::close(html);
    html.raw("<figcaption>On the dotted line a prediction is exact.</figcaption></figure></section>");
}

/// Losses by epoch.
pub(crate) fn learning(html: &mut Html, page: &Page) {
    if page.epochs.is_empty() {
        return;
    }
    html.raw("<section id=\"learning\"><h2>Training</h2><p>Epoch ")
        .show(page.kept_epoch)
        .raw(" of ")
        .show(page.epochs.len());
    html.raw(" was kept: the validation rows chose it, the test rows had no say.</p>");
    if page.epochs.len() > 1 {
        let x = |e: &crate::Epoch| e.number as f64;
        let train: Vec<(f64, f64)> = page.epochs.iter().map(|e| (x(e), e.train_loss)).collect();
        let valid: Vec<(f64, f64)> = page.epochs.iter().filter_map(|e| Some((x(e), e.valid_loss?))).collect();
        let losses = train.iter().chain(&valid).map(|p| p.1);
        let axis = Axis { low: 1.0, high: page.epochs.len() as f64, log: false, label: "epoch" };
        let frame = Frame::wide(axis, Axis::from_zero(losses, "mean loss"));
        html.raw("<figure>");
        frame.open(html, "Losses by epoch");
        frame.line(html, "model", &train);
        frame.line(html, "valid", &valid);
        frame.mark(html, "mark", page.kept_epoch as f64, "kept");
        Frame::close(html);
        html.raw("<figcaption><span class=\"key\">training rows, while they were trained on</span>");
        html.raw("<span class=\"key v\">validation rows</span></figcaption></figure>");
    }
    html.raw("<div class=\"scroll\"><table><tr><th>Epoch</th><th class=\"n\">Training loss</th><th class=\"n\">Validation loss</th>");
    html.raw("<th class=\"n\">Validation accuracy</th></tr>");
    for e in page.epochs.iter().take(MAX_EPOCHS) {
        let show = |x: Option<f64>| {
            x.filter(|x| x.is_finite()).map_or("–".to_owned(), |x| format!("{:.4}", x.clamp(-1e9, 1e9)))
        };
        html.raw("<tr><td>").show(e.number).raw(if e.number == page.kept_epoch { " (kept)" } else { "" });
        html.raw("</td><td class=\"n\">").show(show(Some(e.train_loss))).raw("</td><td class=\"n\">");
        html.show(show(e.valid_loss))
            .raw("</td><td class=\"n\">")
            .show(show(e.valid_accuracy))
            .raw("</td></tr>");
    }
    html.raw("</table></div></section>");
}

/// The ends of an interval.
pub(crate) fn ends(e: &Estimate) -> Option<(f64, f64)> {
    e.low.zip(e.high)
}
