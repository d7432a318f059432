//! When to say "unsure": the narrowest rule that leaves the wanted accuracy on the rows that are decided.

use serde::{Deserialize, Serialize};

use crate::decision::{Band, DEFAULT_THRESHOLD, Decision, Rule};
use crate::error::Error;
use crate::estimate::{Estimate, wilson};
use crate::fit::{Unsure, between};
use crate::input::Checked;
use crate::tally::share;

/// What a rule for unsure answers gives on the rows that it was fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnsureFit {
    /// The wish, as it is written.
    pub wish: String,
    /// Share of rows that are decided.
    pub coverage: Estimate,
    /// Share of the decided rows that are right; 0 without an interval where none is decided.
    pub accuracy: Estimate,
    /// Rows that are decided.
    pub decided: u64,
}

impl UnsureFit {
    /// The note for an accuracy that may be luck.
    pub(crate) fn thin(&self) -> Option<String> {
        let wanted: f64 = self.wish.strip_prefix("accuracy=")?.parse().ok()?;
        let low = self.accuracy.low.unwrap_or(0.0);
        (self.decided as f64 * (1.0 - wanted) < super::EXPECTED * (1.0 - 1e-12) && low < wanted).then(|| {
            format!(
                "{} rests on {} decided rows: it may be as low as {low:.3} on others",
                self.wish, self.decided
            )
        })
    }
}

/// One row: how far it is from being undecided, its score, whether its answer is right.
#[derive(Debug, Clone, Copy)]
struct Row {
    margin: f64,
    score: f32,
    right: bool,
}

/// Sets the decision's rule for unsure answers, and measures it.
pub(super) fn fit(decision: &mut Decision, checked: &Checked<'_>, wish: Unsure) -> Result<UnsureFit, Error> {
    match &mut decision.rule {
        Rule::Binary { positive, threshold, unsure } => {
            *unsure = Some(match wish {
                Unsure::Band(band) => band,
                Unsure::Below(limit) => Band { low: 1.0 - limit, high: limit },
                Unsure::Accuracy(wanted) => band(checked, *positive, *threshold, wanted)?,
            });
        }
        Rule::Multiclass { thresholds, unsure_below } => {
            *unsure_below = Some(match wish {
                Unsure::Below(limit) => limit,
                Unsure::Accuracy(wanted) => below(checked, thresholds.as_deref(), wanted)?,
                Unsure::Band(_) => {
                    let kind = "models of more than two classes";
                    return Err(Error::UnsureKind { given: "band", kind, instead: "below=P or accuracy=A" });
                }
            });
        }
        Rule::Multilabel { .. } => {}
    }
    decision.check(checked.classes.len())?;
    let (mut decided, mut right) = (0, 0);
    for (p, label, _) in checked.each_row() {
        let answer = decision.decide(p)?;
        decided += u64::from(!answer.unsure);
        right += u64::from(!answer.unsure && answer.label() == Some(label));
    }
    Ok(UnsureFit {
        wish: wish.to_string(),
        coverage: wilson(decided, checked.rows() as u64),
        accuracy: wilson(right, decided),
        decided,
    })
}

/// The narrowest band around the threshold. Distances are relative to the room on either side, so that a band
/// reaches 0 and 1 together.
fn band(checked: &Checked<'_>, positive: usize, threshold: Option<f32>, wanted: f64) -> Result<Band, Error> {
    let centre = threshold.unwrap_or(DEFAULT_THRESHOLD);
    let at = f64::from(centre);
    let mut rows: Vec<Row> = Vec::with_capacity(checked.rows());
    for (p, label, predicted) in checked.each_row() {
        let score = p[positive];
        let above = score >= centre;
        let answered = match threshold {
            Some(_) if above => positive,
            Some(_) => 1 - positive,
            None => predicted,
        };
        let room = if above { 1.0 - at } else { at };
        let margin = share((f64::from(score) - at).abs(), room);
        rows.push(Row { margin, score, right: answered == label });
    }
    let decided = widest(&mut rows, wanted)?;
    let (sure, unsure) = rows.split_at(decided);
    if unsure.is_empty() {
        return Ok(Band { low: centre, high: centre });
    }
    let side = |rows: &[Row], above: bool, pick: fn(f32, f32) -> f32| {
        rows.iter().filter(|row| (row.score >= centre) == above).map(|row| row.score).reduce(pick)
    };
    // Between the last sure and the first unsure row of each side; at the end of the range without sure ones,
    // at the threshold without unsure ones.
    let low = match (side(sure, false, f32::max), side(unsure, false, f32::min)) {
        (_, None) => centre,
        (None, Some(_)) => 0.0,
        (Some(sure), Some(unsure)) => between(sure, unsure),
    };
    let high = match (side(unsure, true, f32::max), side(sure, true, f32::min)) {
        (None, _) => centre,
        (Some(_), None) => 1.0,
        (Some(unsure), Some(sure)) => between(unsure, sure),
    };
    Ok(Band { low, high })
}

/// The lowest limit on the most probable class; rows below their own class's threshold are unsure already.
fn below(checked: &Checked<'_>, thresholds: Option<&[f32]>, wanted: f64) -> Result<f32, Error> {
    let mut rows: Vec<Row> = checked
        .each_row()
        .filter(|(p, _, predicted)| thresholds.is_none_or(|t| p[*predicted] >= t[*predicted]))
        .map(|(p, label, predicted)| {
            let score = p[predicted];
            Row { margin: f64::from(score), score, right: label == predicted }
        })
        .collect();
    let decided = widest(&mut rows, wanted)?;
    let (sure, unsure) = rows.split_at(decided);
    Ok(match (unsure.first(), sure.last()) {
        (Some(unsure), Some(sure)) => between(unsure.score, sure.score),
        _ => 0.0,
    })
}

/// Sorts the rows by margin, widest first, and gives the largest number of them, none of one margin cut off
/// from the others, that reaches the wanted accuracy.
fn widest(rows: &mut [Row], wanted: f64) -> Result<usize, Error> {
    rows.sort_unstable_by(|a, b| b.margin.total_cmp(&a.margin).then(b.score.total_cmp(&a.score)));
    let (mut seen, mut right, mut found, mut best) = (0, 0, None, 0.0f64);
    for group in rows.chunk_by(|a, b| a.margin == b.margin) {
        seen += group.len();
        right += group.iter().filter(|row| row.right).count();
        let accuracy = right as f64 / seen as f64;
        best = best.max(accuracy);
        if accuracy >= wanted - 1e-12 {
            found = Some(seen);
        }
    }
    found.ok_or_else(|| Error::Unreachable { label: None, target: format!("accuracy={wanted}"), best })
}
