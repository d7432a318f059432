//! From a run's figures to the page that shows them.

mod results;
mod run;
mod taught;

use std::path::Path;

use filbert_eval::curves::{pr_curve, reliability, roc_curve};
use filbert_eval::operating::Found;
use filbert_eval::{Inputs, Rule};
use filbert_report::Report;
use filbert_report::input::{
    Calibration, Decision, LabelThreshold, Mistake, Operating, PrecisionAt, Ranking, Regression, Scores,
    Slice, Task, TprAtFpr,
};
use filbert_train::Targets;

use crate::details::{Answered, positive};
use crate::pipeline::Setup;
use crate::{Classifier, Details, Error, Measure, Metrics};

/// Rows of one set, its measure and the floor's.
pub(crate) struct Shown<'a> {
    pub(crate) answered: Answered<'a>,
    pub(crate) model: &'a Measure,
    pub(crate) floor: Option<&'a Measure>,
}

/// The page of a run.
pub(crate) fn page(setup: &Setup, metrics: &Metrics, shown: Option<&Shown<'_>>) -> Result<Report, Error> {
    let classifier = &setup.classifier;
    let details = &metrics.details;
    let training = &classifier.settings.training;
    let floor = |of: fn(&crate::FloorMetrics) -> Option<&Measure>| metrics.floor.as_ref().and_then(of);
    let mut page = Report {
        title: title(&setup.splits.train.source),
        model: training["model"].as_str().unwrap_or_default().to_owned(),
        task: task(classifier),
        floor: "a linear model over character n-grams".to_owned(),
        facts: run::facts(training),
        command: run::command(training),
        data: run::data(setup, metrics),
        training: run::training(metrics),
        test: metrics.test.as_ref().map(|m| results::results(m, floor(|f| f.test.as_ref()), classifier)),
        valid: metrics.valid.as_ref().map(|m| results::results(m, floor(|f| f.valid.as_ref()), classifier)),
        comparisons: comparisons(metrics),
        distillation: taught::distillation(metrics, classifier),
        decision: decision(classifier, metrics),
        operating: details.operating.as_ref().map(operating),
        slices: details.slices.iter().flat_map(|s| &s.slices).map(slice).collect(),
        mistakes: mistakes(details),
        cost: run::cost(metrics),
        environment: run::environment(metrics),
        notes: metrics.notes.clone(),
        ..Report::default()
    };
    let measured = if page.test.is_some() { page.test.as_mut() } else { page.valid.as_mut() };
    if let Some(measured) = measured {
        results::add_seeds(measured, &metrics.seeds);
    }
    if let Some(shown) = shown {
        plots(&mut page, classifier, shown)?;
    }
    Ok(page)
}

/// The model beside the floor. A student beside its control and its teacher has a section of its own.
fn comparisons(metrics: &Metrics) -> Vec<filbert_report::input::Paired> {
    metrics.details.comparison.iter().map(|versus| results::paired(results::FLOOR, versus)).collect()
}

/// The file of the training rows; one whose name says nothing, with its folder's.
fn title(file: &Path) -> String {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let says_nothing =
        file.file_stem().is_some_and(|stem| ["train", "data", "rows", "all"].iter().any(|s| stem == *s));
    match file.parent().map(name) {
        Some(folder) if says_nothing && !folder.is_empty() => format!("{folder}/{}", name(file)),
        _ => name(file),
    }
}

fn task(classifier: &Classifier) -> Task {
    use filbert_model::ProblemType;
    match classifier.task() {
        ProblemType::MultiLabel => Task::MultiLabel,
        ProblemType::Regression => Task::Regression,
        _ if classifier.labels.len() == 2 => Task::Binary,
        _ => Task::Multiclass,
    }
}

/// What was chosen on validation rows.
fn decision(classifier: &Classifier, metrics: &Metrics) -> Option<Decision> {
    let fitted = metrics.decision.as_ref()?;
    let thresholds = fitted.thresholds.iter().map(|t| LabelThreshold {
        label: t.label.clone().or_else(|| classifier.positive_label().map(str::to_owned)).unwrap_or_default(),
        threshold: f64::from(t.threshold),
        target: t.target.to_string(),
    });
    let decided = match metrics.test.as_ref().or(metrics.valid.as_ref()) {
        Some(Measure::Single(report)) => report.decided,
        _ => None,
    };
    Some(Decision {
        temperature: fitted.temperature.map(|t| t.temperature),
        thresholds: thresholds.collect(),
        unsure: unsure(classifier),
        rows: Some(fitted.rows),
        unsure_share: decided.map(|d| 1.0 - d.coverage.value),
        notes: fitted.notes.clone(),
    })
}

/// From where to where answers are unsure.
fn unsure(classifier: &Classifier) -> Option<(f64, f64)> {
    match &classifier.decision.rule {
        Rule::Binary { unsure, .. } => unsure.map(|band| (f64::from(band.low), f64::from(band.high))),
        Rule::Multiclass { unsure_below, .. } => unsure_below.map(|high| (0.0, f64::from(high))),
        Rule::Multilabel { .. } => None,
    }
}

fn operating(o: &filbert_eval::operating::Operating) -> Operating {
    let at = |p: &filbert_eval::operating::TprAtFpr| match &p.found {
        Found::Point(point) => TprAtFpr {
            fpr: p.fpr,
            tpr: Some(point.tpr),
            threshold: point.threshold.map(f64::from),
            ..TprAtFpr::default()
        },
        Found::Refused(refusal) => {
            TprAtFpr { fpr: p.fpr, needed: refusal.needed, found: refusal.found, ..TprAtFpr::default() }
        }
    };
    let by = &o.precision_by_prevalence;
    let precision = by.points.iter();
    Operating {
        tpr_at_fpr: o.tpr_at_fpr.iter().map(at).collect(),
        tpr: Some(by.tpr),
        fpr: Some(by.fpr),
        precision: precision
            .map(|p| PrecisionAt { prevalence: p.prevalence, precision: Some(p.precision) })
            .collect(),
    }
}

fn slice(s: &filbert_eval::slices::Slice) -> Slice {
    let flag = s.flagged.then(|| {
        let points = 100.0 * (s.accuracy.value - s.rest.value);
        let where_to = if points < 0.0 { "below" } else { "above" };
        format!("{:.0} points {where_to} the rest", points.abs())
    });
    Slice {
        by: s.column.clone(),
        name: s.value.clone(),
        rows: s.rows,
        metric: "accuracy".to_owned(),
        value: Some(s.accuracy),
        flag,
    }
}

fn mistakes(details: &Details) -> Vec<Mistake> {
    let place = |m: &crate::Mistake| format!("{}:{}", details.file, m.place);
    details
        .mistakes
        .iter()
        .map(|m| Mistake {
            text: m.text.clone(),
            truth: m.truth.clone(),
            predicted: m.answer.clone(),
            probability: m.probability.map(f64::from),
            place: place(m),
        })
        .collect()
}

/// Curves, reliability, scores, and predicted against true numbers.
fn plots(page: &mut Report, classifier: &Classifier, shown: &Shown<'_>) -> Result<(), Error> {
    let outputs = shown.answered.outputs;
    let classes = match &shown.answered.rows.targets {
        Targets::Numbers(numbers) => {
            page.regression = Some(Regression {
                target: classifier.labels.first().cloned().unwrap_or_default(),
                truth: crate::measure::doubles(numbers),
                predicted: crate::measure::doubles(outputs),
            });
            return Ok(());
        }
        Targets::Sets(_) => return Ok(()),
        Targets::Classes(classes) => classes,
    };
    let labels: Vec<usize> = classes.iter().map(|&c| c as usize).collect();
    let positive = positive(&classifier.decision);
    if classifier.labels.len() > 1 {
        page.calibration = Some(calibration(classifier, shown, &labels, positive)?);
    }
    let Some(positive) = positive else { return Ok(()) };
    let truth: Vec<bool> = labels.iter().map(|&label| label == positive).collect();
    let positives = truth.iter().filter(|t| **t).count();
    if positives == 0 || positives == truth.len() {
        return Ok(());
    }
    let scores = |outputs: &[f32]| -> Vec<f32> { outputs.chunks_exact(2).map(|p| p[positive]).collect() };
    let own = scores(outputs);
    let metrics = |m: Option<&Measure>| m.and_then(Measure::single).map(|r| &r.metrics).cloned();
    let (model, floor) = (metrics(Some(shown.model)), metrics(shown.floor));
    let mut ranking = Ranking {
        positive: classifier.labels[positive].clone(),
        prevalence: Some(positives as f64 / truth.len() as f64),
        roc: roc_curve(&own, &truth)?,
        pr: pr_curve(&own, &truth)?,
        auc: model.as_ref().and_then(|m| m.auc),
        pr_auc: model.as_ref().and_then(|m| m.pr_auc),
        floor_auc: floor.as_ref().and_then(|m| m.auc),
        floor_pr_auc: floor.as_ref().and_then(|m| m.pr_auc),
        negatives: Some((truth.len() - positives) as u64),
        ..Ranking::default()
    };
    if let Some(outputs) = shown.answered.floor {
        let scores = scores(outputs);
        (ranking.floor_roc, ranking.floor_pr) = (roc_curve(&scores, &truth)?, pr_curve(&scores, &truth)?);
    }
    page.ranking = Some(ranking);
    let threshold = match classifier.decision.rule {
        Rule::Binary { threshold, .. } => threshold.unwrap_or(filbert_eval::DEFAULT_THRESHOLD),
        _ => filbert_eval::DEFAULT_THRESHOLD,
    };
    page.scores = Some(Scores {
        positive: classifier.labels[positive].clone(),
        negative: classifier.labels[1 - positive].clone(),
        threshold: Some(f64::from(threshold)),
        unsure: unsure(classifier),
        ..Scores::of(&own, &truth)
    });
    Ok(())
}

/// Reliability with the temperature, and without it where there is one.
fn calibration(
    classifier: &Classifier,
    shown: &Shown<'_>,
    labels: &[usize],
    positive: Option<usize>,
) -> Result<Calibration, Error> {
    let of = |probabilities: &[f32]| {
        reliability(&Inputs { probabilities, labels, classes: &classifier.labels, positive })
    };
    let after = of(shown.answered.outputs)?;
    let ece = shown.model.single().map(|r| r.metrics.ece.value);
    let temperature = classifier.decision.temperature;
    if temperature == 1.0 {
        return Ok(Calibration { before: after, ece_before: ece, ..Calibration::default() });
    }
    // The probabilities that the logits had: p to the power of the temperature, made to sum to 1.
    let mut before = Vec::with_capacity(shown.answered.outputs.len());
    for row in shown.answered.outputs.chunks_exact(classifier.labels.len()) {
        let raised: Vec<f64> = row.iter().map(|&p| f64::from(p).powf(temperature)).collect();
        let sum: f64 = raised.iter().sum();
        before.extend(raised.iter().map(|p| (p / sum.max(f64::MIN_POSITIVE)) as f32));
    }
    let before = of(&before)?;
    let rows: u64 = before.iter().map(|b| b.rows).sum();
    let gap =
        |b: &filbert_eval::curves::ReliabilityBin| b.rows as f64 * (b.accuracy.value - b.confidence).abs();
    let ece_before = before.iter().map(gap).sum::<f64>() / rows.max(1) as f64;
    Ok(Calibration {
        before,
        after,
        ece_before: Some(ece_before),
        ece_after: ece,
        temperature: Some(temperature),
    })
}
