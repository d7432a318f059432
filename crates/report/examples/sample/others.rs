//! Samples of several labels a row, of numbers, and of hostile input.

use filbert_eval::multilabel::{self, MultiInputs};
use filbert_eval::{Estimate, Method, Options};
use filbert_report::Report;
use filbert_report::input::{
    Bounds, Decision, Fact, Facts, Figure, LabelThreshold, Ladder, Metric, Mistake, Outcome, Regression,
    Results, Rung, Task,
};

use crate::common::{Random, report};

const EMOTIONS: [&str; 12] = [
    "admiration",
    "amusement",
    "anger",
    "annoyance",
    "confusion",
    "curiosity",
    "fear",
    "gratitude",
    "joy",
    "love",
    "sadness",
    "surprise",
];

pub(crate) fn multilabel() -> Result<Report, filbert_eval::Error> {
    let labels: Vec<String> = EMOTIONS.iter().map(|&e| e.to_owned()).collect();
    let mut random = Random(5);
    let rows = 1500;
    let mut draw = |skill: f64, truth: Option<&[bool]>| {
        let mut out = (Vec::new(), Vec::new());
        for i in 0..rows * labels.len() {
            let rare = 0.04 + 0.02 * (i % labels.len()) as f64;
            let holds = truth.map_or_else(|| random.unit() < rare, |truth| truth[i]);
            let logit = if holds { skill } else { 0.0 } + random.normal() - 2.2;
            out.0.push((1.0 / (1.0 + (-1.6 * logit).exp())) as f32);
            out.1.push(holds);
        }
        out
    };
    let (model, truth) = draw(3.0, None);
    let (floor, _) = draw(2.2, Some(&truth));
    let thresholds: Vec<f32> = (0..labels.len()).map(|i| 0.25 + 0.02 * i as f32).collect();
    let inputs =
        |p| MultiInputs { probabilities: p, truth: &truth, labels: &labels, thresholds: &thresholds };
    let options = Options { resamples: 300, ..Options::default() };
    let measured = multilabel::measure(&inputs(&model), &options)?;
    let below = multilabel::measure(&inputs(&floor), &options)?;
    let mut r = report("Emotions in comments", "emotions.jsonl", [7000, 1500, 1500]);
    r.task = Task::MultiLabel;
    let mut test = Results::of_labels(&measured, Some(&below));
    for (class, &t) in test.per_class.iter_mut().zip(&thresholds) {
        class.threshold = Some(f64::from(t));
    }
    r.test = Some(test);
    r.decision = Some(Decision {
        thresholds: (labels.iter().zip(&thresholds))
            .map(|(label, &t)| LabelThreshold {
                label: label.clone(),
                threshold: f64::from(t),
                target: "best F1".to_owned(),
            })
            .collect(),
        rows: Some(1500),
        ..Decision::default()
    });
    r.mistakes = vec![Mistake {
        text: "I can't believe you remembered, this made my whole week! Though honestly I was a bit scared at first."
            .to_owned(),
        truth: "gratitude, joy, surprise".to_owned(),
        predicted: "joy, love".to_owned(),
        probability: Some(0.981),
        place: "emotions.jsonl:8211".to_owned(),
    }];
    r.data.suspects.clear();
    Ok(r)
}

pub(crate) fn regression() -> Report {
    let mut random = Random(9);
    let mut r = report("Reading ease", "ease.csv", [1984, 425, 425]);
    let truth: Vec<f64> = (0..425).map(|_| random.normal() * 1.03 - 0.96).collect();
    let predicted: Vec<f64> = truth.iter().map(|t| t * 0.82 - 0.15 + random.normal() * 0.45).collect();
    let between = |value, low, high| {
        Some(Estimate { value, low: Some(low), high: Some(high), method: Method::Bootstrap })
    };
    r.task = Task::Regression;
    r.floor = "ridge regression over character n-grams".into();
    r.training.metric = "RMSE".into();
    for epoch in &mut r.training.epochs {
        epoch.valid_metric = epoch.valid_metric.map(|accuracy| 4.0 * (1.0 - accuracy) + 0.2);
    }
    r.test = Some(Results {
        rows: 425,
        metrics: vec![
            Metric::lower(
                "root mean squared error",
                between(0.497, 0.463, 0.533),
                between(0.731, 0.689, 0.775),
            ),
            Metric::lower("mean absolute error", between(0.391, 0.362, 0.421), between(0.582, 0.541, 0.624)),
            Metric::higher(
                "explained variance (R²)",
                between(0.771, 0.734, 0.803),
                between(0.51, 0.447, 0.569),
            ),
            Metric::higher("Pearson correlation", between(0.884, 0.861, 0.903), between(0.719, 0.67, 0.762)),
            Metric::higher("Spearman correlation", between(0.871, 0.841, 0.896), between(0.702, 0.648, 0.75)),
        ],
        ..Results::default()
    });
    r.regression = Some(Regression { target: "ease".to_owned(), truth, predicted });
    r.mistakes = vec![Mistake {
        text: "When the young people returned to the ballroom, it presented a decidedly changed appearance."
            .to_owned(),
        truth: "−0.34".to_owned(),
        predicted: "−1.92".to_owned(),
        probability: None,
        place: "ease.csv:2201".to_owned(),
    }];
    r.data.suspects.clear();
    r
}

/// A report of texts that try to break out of it.
pub(crate) fn hostile() -> Report {
    let bad = "</td></table></style></title><script>alert(1)</script><b onmouseover='x'>\u{202e}evil\u{2066}\u{200b}";
    let mut r = report(bad, bad, [10, 10, 10]);
    r.model = bad.repeat(1000);
    r.floor = bad.into();
    r.command = format!("filbert train --data '{bad}'");
    r.facts.push(Facts { title: bad.to_owned(), facts: vec![Fact::new(bad, bad.repeat(100))] });
    r.notes = vec![bad.repeat(50), "W".repeat(5000)];
    let mut metric = Metric::higher(bad, Some(Estimate::bare(0.5)), None);
    metric.floor = Some(Estimate { value: 0.4, low: Some(f64::NAN), high: Some(0.5), method: Method::None });
    r.test = Some(Results { rows: 10, metrics: vec![metric], ..Results::default() });
    r.ladder = Some(Ladder {
        bounds: Bounds { max_bytes: Some(u64::MAX), max_drop: Some(f64::NAN), ..Bounds::default() },
        split: bad.to_owned(),
        rungs: (0..5)
            .map(|i| Rung {
                name: bad.to_owned(),
                how: bad.repeat(9),
                reason: bad.to_owned(),
                original: i == 0,
                outcome: if i == 4 { Outcome::Kept } else { Outcome::Outside },
                size_bytes: Some(10_u64.pow(i * 2)),
                figures: vec![Figure::higher(bad, Some(Estimate::bare(f64::from(i))), None)],
                ..Rung::default()
            })
            .collect(),
        ..Ladder::default()
    });
    r.mistakes = vec![Mistake {
        text: bad.repeat(20_000),
        truth: bad.to_owned(),
        predicted: "\u{645}\u{631}\u{62d}\u{628}\u{627} (right to left)".to_owned(),
        probability: Some(f64::NAN),
        place: bad.to_owned(),
    }];
    r
}
