//! The measurement itself: counts, losses and rankings once, then the bootstrap over all of them together,
//! then the report.

use crate::bootstrap::{Gaps, Series, affordable, reduced};
use crate::calibration::{equal_mass_bins, expected_error};
use crate::decision::{Decision, Rule};
use crate::error::Error;
use crate::estimate::{Estimate, wilson};
use crate::input::{Checked, Inputs, Options};
use crate::probability::RowLosses;
use crate::ranking::Rankings;
use crate::report::{Confusion, Decided, MAX_CONFUSION_CLASSES, Metrics, PerClass, Report};
use crate::rng::SplitMix64;
use crate::tally::{AVERAGES, Cells, Tally};

/// Row visits of a resample before its rank metrics: random writes, which weigh most, counts and losses.
const VISITS: usize = 8;

/// The most class names that a note spells out.
const NAMES_IN_NOTE: usize = 10;

/// Measures predicted probabilities against true labels.
///
/// Intervals: Wilson's for accuracy, micro F1, weighted recall and everything per class; DeLong's for AUCs of
/// one class; percentiles over rows drawn with replacement (seeded, so the same inputs and options give the
/// same bits) for the rest. A metric undefined on a resample is left out of it; where that happens in more
/// than a tenth of them there is no interval. Fewer resamples than asked for are drawn where rows times
/// classes are very many. Each of these is told in the report's notes.
///
/// # Errors
/// Any fault of the inputs, see [`Error`]: lengths that do not agree, no rows, fewer than two classes,
/// duplicate names, labels out of range, rows that are no probability distribution, a positive class beside
/// more than two.
pub fn measure(inputs: &Inputs<'_>, options: &Options) -> Result<Report, Error> {
    options.check()?;
    Ok(report(&inputs.check()?, options))
}

/// Measures the answers of a stored decision: as [`measure`], but the predicted class of each row is the
/// decision's. Its temperature is not applied: `inputs` are probabilities that [`Decision::probabilities`]
/// gave. Where it may be unsure, [`Report::decided`] says on how many rows it is not, and how right it is
/// there; all other metrics count an unsure row by the class it would be.
///
/// # Errors
/// As [`measure`] and [`Decision::check`]; [`Error::DecisionClasses`] for a multi-label rule, and
/// [`Error::Positive`] where the decision's positive class is another than that of the inputs.
pub fn measure_decided(inputs: &Inputs<'_>, decision: &Decision, options: &Options) -> Result<Report, Error> {
    options.check()?;
    let mut checked = inputs.check()?;
    let classes = checked.classes.len();
    let may_be_unsure = match &decision.rule {
        Rule::Binary { positive, unsure, .. } => {
            if checked.positive.is_some_and(|of_inputs| of_inputs != *positive) {
                return Err(Error::Positive { index: *positive, classes });
            }
            unsure.is_some()
        }
        Rule::Multiclass { thresholds, unsure_below } => thresholds.is_some() || unsure_below.is_some(),
        Rule::Multilabel { thresholds } => {
            return Err(Error::DecisionClasses { made_for: thresholds.len(), classes });
        }
    };
    let answers = decision.decide_rows(checked.probabilities, classes)?;
    let (mut decided, mut right) = (0, 0);
    for ((answer, predicted), &label) in answers.iter().zip(&mut checked.predicted).zip(checked.labels) {
        *predicted = answer.label().unwrap_or(*predicted);
        decided += u64::from(!answer.unsure);
        right += u64::from(!answer.unsure && *predicted == label);
    }
    let mut report = report(&checked, options);
    if may_be_unsure {
        let coverage = wilson(decided, checked.rows() as u64);
        report.decided = Some(Decided { rows: decided, coverage, accuracy: wilson(right, decided) });
    }
    Ok(report)
}

fn report(checked: &Checked<'_>, options: &Options) -> Report {
    let mut tally = Tally::empty(checked.classes.len());
    for (_, label, predicted) in checked.each_row() {
        tally.add(label, predicted, 1.0);
    }
    let rankings = Rankings::of(checked);
    let per_class = per_class(checked, &tally, &rankings);
    let mut notes = class_notes(checked, &tally);
    let rankings = rankings.summarised(checked.positive);
    let sample = Sample { checked, tally: &tally, losses: RowLosses::of(checked), rankings };
    let metrics = sample.metrics(options, &mut notes);
    let confusion = confusion(checked, &per_class);
    if confusion.is_none() {
        notes.push(format!("no confusion matrix: it is kept for at most {MAX_CONFUSION_CLASSES} classes"));
    }
    let positive = checked.positive.map(|positive| checked.classes[positive].clone());
    Report { rows: checked.rows() as u64, positive, metrics, per_class, confusion, notes, decided: None }
}

/// The sample, in the forms that every resample is computed from.
struct Sample<'a> {
    checked: &'a Checked<'a>,
    tally: &'a Tally,
    losses: RowLosses,
    /// What `auc` and `pr_auc` average over.
    rankings: Rankings,
}

/// Every bootstrapped metric, with its values on the resamples.
struct Resampled {
    /// In the order of [`AVERAGES`].
    averages: Vec<Series>,
    log_loss: Series,
    brier: Series,
    /// AUC and PR AUC.
    ranks: Option<(Series, Series)>,
}

impl Sample<'_> {
    /// Draws rows and computes each metric on every draw; the rank metrics, dearer where there are many
    /// classes, on the first of them if time does not allow all. Notes say where there are fewer than asked
    /// for.
    fn resampled(&self, options: &Options, notes: &mut Vec<String>) -> Resampled {
        let (checked, rows) = (self.checked, self.checked.rows());
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / rows as f64;
        let mut series = Resampled {
            averages: AVERAGES
                .iter()
                .zip(self.tally.averages())
                .map(|(name, v)| Series::new(name, v))
                .collect(),
            log_loss: Series::new("log_loss", mean(&self.losses.log)),
            brier: Series::new("brier", mean(&self.losses.brier)),
            ranks: self
                .rankings
                .scores()
                .map(|r| (Series::ranked("auc", r.0), Series::ranked("pr_auc", r.1))),
        };
        let draws = affordable(options, rows.saturating_mul(VISITS));
        let cells = Cells::of(checked.labels, &checked.predicted);
        let rank_draws = draws.min(affordable(options, self.rankings.steps()));
        let mut rng = SplitMix64::new(options.seed);
        let mut weights = vec![0; if draws > 0 { rows } else { 0 }];
        let mut drawn = Tally::empty(checked.classes.len());
        for draw in 0..draws {
            rng.resample(&mut weights);
            cells.tally(&weights, &mut drawn);
            let mean = |losses: &[f64]| {
                losses.iter().zip(&weights).map(|(loss, &w)| loss * f64::from(w)).sum::<f64>() / rows as f64
            };
            let (log, brier) = (mean(&self.losses.log), mean(&self.losses.brier));
            for (series, value) in series.averages.iter_mut().zip(drawn.averages()) {
                series.push(Some(value));
            }
            series.log_loss.push(Some(log));
            series.brier.push(Some(brier));
            if draw < rank_draws
                && let Some((auc, average)) = &mut series.ranks
            {
                let ranks = self.rankings.weighted(&weights, rows as u32);
                auc.push(ranks.map(|r| r.0));
                average.push(ranks.map(|r| r.1));
            }
        }
        if draws == rank_draws {
            notes.extend(reduced(options, draws, "bootstrap"));
        } else {
            notes.extend(reduced(options, draws, "other bootstrap"));
            notes.extend(reduced(options, rank_draws, "auc and pr_auc"));
        }
        series
    }

    fn metrics(&self, options: &Options, notes: &mut Vec<String>) -> Metrics {
        let Resampled { averages, log_loss, brier, ranks } = self.resampled(options, notes);
        let accuracy = wilson(self.tally.right() as u64, self.checked.rows() as u64);
        let mut gaps = Gaps::default();
        let bounds = self.tally.averages_at_bound();
        let mut averages = averages.into_iter().enumerate().map(|(index, series)| {
            let (value, bound) = (series.value(), bounds.map(|bounds| bounds[index]));
            series.finish(bound.map(|bound| (bound.min(value), bound.max(value))), &mut gaps)
        });
        let mut next = || averages.next().unwrap_or_else(|| Estimate::bare(0.0));
        // In the order of `AVERAGES`.
        let [balanced_accuracy, macro_precision, macro_recall] = [next(), next(), next()];
        let [macro_f1, weighted_precision, weighted_f1, mcc] = [next(), next(), next(), next()];
        drop(averages);
        // With two classes DeLong gives the AUC's interval, and there is one ranking to ask.
        let delong =
            self.checked.positive.and_then(|class| self.rankings.get(class)).map(|r| r.auc().estimate);
        let ranks = ranks.map(|(auc, average)| {
            let bounds = (self.rankings.bound(auc.value()), self.rankings.bound(average.value()));
            (delong.unwrap_or_else(|| auc.finish(bounds.0, &mut gaps)), average.finish(bounds.1, &mut gaps))
        });
        let (log_loss, brier) = (log_loss.finish(None, &mut gaps), brier.finish(None, &mut gaps));
        notes.extend(gaps.into_notes(options));
        notes.push("ece is biased upwards, more so with few rows, and has no interval".to_owned());
        Metrics {
            accuracy,
            balanced_accuracy,
            macro_precision,
            macro_recall,
            macro_f1,
            micro_f1: accuracy,
            weighted_precision,
            weighted_recall: accuracy,
            weighted_f1,
            mcc,
            auc: ranks.map(|r| r.0),
            pr_auc: ranks.map(|r| r.1),
            log_loss,
            brier,
            ece: Estimate::bare(expected_error(&equal_mass_bins(self.checked))),
        }
    }
}

fn per_class(checked: &Checked<'_>, tally: &Tally, rankings: &Rankings) -> Vec<PerClass> {
    let mut ranked = rankings.each.iter().peekable();
    let one = |(class, label): (usize, &String)| {
        let [precision, recall, f1] = tally.of_class(class);
        let ranking = ranked.next_if(|(ranked, _)| *ranked == class);
        PerClass {
            label: label.clone(),
            precision,
            recall,
            f1,
            support: tally.support[class] as u64,
            predicted: tally.predicted[class] as u64,
            auc: ranking.map(|(_, ranking)| ranking.auc().estimate),
        }
    };
    checked.classes.iter().enumerate().map(one).collect()
}

fn confusion(checked: &Checked<'_>, per_class: &[PerClass]) -> Option<Confusion> {
    let classes = checked.classes.len();
    if classes > MAX_CONFUSION_CLASSES {
        return None;
    }
    let mut counts = vec![vec![0; classes]; classes];
    for (_, label, predicted) in checked.each_row() {
        counts[label][predicted] += 1;
    }
    let recall = per_class.iter().map(|class| class.recall).collect();
    Some(Confusion { labels: checked.classes.to_vec(), counts, recall })
}

/// Notes on classes that are missing from the labels or from the predictions.
fn class_notes(checked: &Checked<'_>, tally: &Tally) -> Vec<String> {
    let missing =
        |counts: &[f64]| names(checked.classes.iter().zip(counts).filter(|c| *c.1 == 0.0).map(|c| c.0));
    let mut notes = Vec::new();
    let labelled = tally.support.iter().filter(|&&rows| rows > 0.0).count();
    if labelled == 1 {
        notes.push("all rows are of one class: auc and pr_auc cannot be had".to_owned());
    }
    if let Some(names) = missing(&tally.support) {
        notes.push(format!(
            "no row is labelled {names}: balanced_accuracy, auc and pr_auc average over the others"
        ));
    }
    if let Some(names) = missing(&tally.predicted) {
        notes.push(format!("no row is predicted as {names}: precision counts as 0 there"));
    }
    notes
}

/// Quoted names in a list, the first few spelt out; `None` without any.
pub(crate) fn names<'a>(labels: impl Iterator<Item = &'a String>) -> Option<String> {
    let labels: Vec<&String> = labels.collect();
    let (told, rest) = labels.split_at(labels.len().min(NAMES_IN_NOTE));
    let told: Vec<String> = told.iter().map(|label| format!("{label:?}")).collect();
    match rest.len() {
        _ if told.is_empty() => None,
        0 => Some(told.join(", ")),
        more => Some(format!("{} and {more} more", told.join(", "))),
    }
}
