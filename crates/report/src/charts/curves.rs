//! ROC curves, on a linear and on a logarithmic axis, and precision against recall.

use crate::figures::{finite, with_interval};
use crate::html::Html;
use crate::input::Ranking;
use crate::scale::Scale;
use crate::svg::{Frame, Key, Mark, across, key, line, polyline, upward};

const HEIGHT: f64 = 380.0;

/// The lowest false positive rate of the logarithmic chart.
const LEAST_FPR: f64 = 1e-4;

/// The points of a curve that are within [0, 1].
fn unit(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    points.filter(|(x, y)| (0.0..=1.0).contains(x) && (0.0..=1.0).contains(y)).collect()
}

fn pixels(x: &Scale, y: &Scale, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().map(|&(a, b)| (x.at(a), y.at(b))).collect()
}

fn unit_axes() -> (Scale, Scale) {
    (Scale::linear((0.0, 1.0), across()), Scale::linear((0.0, 1.0), upward(HEIGHT)))
}

fn curves_key(h: &mut Html, model: String, floor: Option<String>, chance: String) {
    let mut entries = vec![Key { class: "line model", mark: Mark::Line, text: model }];
    entries.extend(floor.map(|text| Key { class: "line floor", mark: Mark::Line, text }));
    entries.push(Key { class: "reference", mark: Mark::Line, text: chance });
    key(h, &entries);
}

/// True positives against false positives.
pub(crate) fn roc(h: &mut Html, ranking: &Ranking) {
    let (x, y) = unit_axes();
    let auc = with_interval(ranking.auc);
    let floor_auc = with_interval(ranking.floor_auc);
    let floor = (!ranking.floor_roc.is_empty()).then(|| format!("floor, AUC {floor_auc}"));
    curves_key(h, format!("model, AUC {auc}"), floor, "chance, AUC 0.5".to_owned());
    let alt = format!("ROC curve: area {auc} for the model, {floor_auc} for the floor.");
    let frame = Frame {
        alt: &alt,
        height: HEIGHT,
        x,
        y,
        x_label: "false positive rate",
        y_label: "true positive rate",
        ticks: (5, 5),
    };
    frame.draw(h, |h| {
        line(h, "reference", (x.at(0.0), y.at(0.0)), (x.at(1.0), y.at(1.0)));
        let points = |roc: &[filbert_eval::curves::RocPoint]| unit(roc.iter().map(|p| (p.fpr, p.tpr)));
        polyline(h, "line floor", &pixels(&x, &y, &points(&ranking.floor_roc)));
        polyline(h, "line model", &pixels(&x, &y, &points(&ranking.roc)));
    });
}

/// The low end of the ROC curve, on a logarithmic axis. What the negatives are too few for is shaded.
pub(crate) fn low_roc(h: &mut Html, ranking: &Ranking) {
    let x = Scale::log((LEAST_FPR, 1.0), across());
    let y = Scale::linear((0.0, 1.0), upward(HEIGHT));
    let limit = ranking.negatives.map(|n| (10.0 / n.max(1) as f64).clamp(LEAST_FPR, 1.0));
    let mut entries = vec![Key { class: "line model", mark: Mark::Line, text: "model".to_owned() }];
    if !ranking.floor_roc.is_empty() {
        entries.push(Key { class: "line floor", mark: Mark::Line, text: "floor".to_owned() });
    }
    if limit.is_some() {
        entries.push(Key { class: "hatch", mark: Mark::Area, text: "too few negatives to tell".to_owned() });
    }
    key(h, &entries);
    let frame = Frame {
        alt: "The same ROC curve with the false positive rate on a logarithmic axis.",
        height: HEIGHT,
        x,
        y,
        x_label: "false positive rate, logarithmic",
        y_label: "true positive rate",
        ticks: (5, 5),
    };
    frame.draw(h, |h| {
        if let Some(limit) = limit {
            let (left, top) = (x.at(LEAST_FPR), y.at(1.0));
            crate::svg::rect(h, "hatch", (left, top), (x.at(limit) - left, y.at(0.0) - top));
        }
        for (class, roc) in [("line floor", &ranking.floor_roc), ("line model", &ranking.roc)] {
            let points = unit(roc.iter().map(|p| (p.fpr, p.tpr)));
            // All that lies left of the axis is one point on its edge: the best of it.
            let first = points.iter().rposition(|p| p.0 < LEAST_FPR).unwrap_or(0);
            polyline(h, class, &steps(&x, &y, &points[first..]));
        }
    });
}

/// A curve as steps: between two points of a ROC curve no threshold gives more than the left one.
fn steps(x: &Scale, y: &Scale, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut path: Vec<(f64, f64)> = Vec::new();
    for &(fpr, tpr) in points {
        let (px, py) = (x.at(fpr), y.at(tpr));
        if let Some(&(_, before)) = path.last() {
            path.push((px, before));
        }
        path.push((px, py));
    }
    path
}

/// Precision against recall.
pub(crate) fn precision_recall(h: &mut Html, ranking: &Ranking) {
    let (x, y) = unit_axes();
    let area = with_interval(ranking.pr_auc);
    let floor_area = with_interval(ranking.floor_pr_auc);
    let floor = (!ranking.floor_pr.is_empty()).then(|| format!("floor, average precision {floor_area}"));
    let chance = ranking.prevalence.and_then(finite).filter(|p| (0.0..=1.0).contains(p));
    let text = chance.map_or("chance".to_owned(), |p| format!("chance, {}", crate::figures::percent(p)));
    curves_key(h, format!("model, average precision {area}"), floor, text);
    let alt = format!(
        "Precision against recall: average precision {area} for the model, {floor_area} for the floor."
    );
    let frame =
        Frame { alt: &alt, height: HEIGHT, x, y, x_label: "recall", y_label: "precision", ticks: (5, 5) };
    frame.draw(h, |h| {
        if let Some(p) = chance {
            line(h, "reference", (x.at(0.0), y.at(p)), (x.at(1.0), y.at(p)));
        }
        let points = |pr: &[filbert_eval::curves::PrPoint]| unit(pr.iter().map(|p| (p.recall, p.precision)));
        polyline(h, "line floor", &pixels(&x, &y, &points(&ranking.floor_pr)));
        polyline(h, "line model", &pixels(&x, &y, &points(&ranking.pr)));
    });
}
