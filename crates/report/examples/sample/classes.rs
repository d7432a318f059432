//! Samples with one label a row: two classes, and many.

use filbert_eval::curves::{pr_curve, reliability, roc_curve};
use filbert_eval::{Estimate, Inputs, Options, measure, paired, softmax_rows, wilson};
use filbert_report::Report;
use filbert_report::input::{
    Calibration, ClassCount, Decision, LabelThreshold, Mistake, Operating, Paired, PrecisionAt, Ranking,
    Results, Scores, Seeds, Slice, Task, TprAtFpr,
};

use crate::common::{Random, report};

/// Probabilities, as a model that is right more often with more `skill` and too sure of it gives them.
fn probabilities(labels: &[usize], classes: usize, skill: f64, sure: f64, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let mut logits = Vec::with_capacity(labels.len() * classes);
    for &label in labels {
        for class in 0..classes {
            let right = if class == label { skill } else { 0.0 };
            logits.push(((right + random.normal()) * sure) as f32);
        }
    }
    softmax_rows(&logits, classes).unwrap_or_default()
}

const URLS: [&str; 6] = [
    "https://login.microsoftonline.com.account-verify.example/common/oauth2/authorize?client_id=4765445b",
    "http://www.gutenberg.org/files/2701/2701-h/2701-h.htm",
    "https://sites.google.com/view/secure-mail-update-2024/home",
    "http://pay\u{200b}pal.com/signin",
    "https://bit.ly/3xQd9aZ",
    "http://192.0.2.44/~admin/wp-content/themes/twentyten/images/bank/index.php?session=8f14e45fceea167a5a36dedd4bea2543",
];

pub(crate) fn binary() -> Result<Report, filbert_eval::Error> {
    let classes = ["legitimate".to_owned(), "phishing".to_owned()];
    let mut random = Random(7);
    let labels: Vec<usize> = (0..1114).map(|_| random.below(2)).collect();
    let model = probabilities(&labels, 2, 2.1, 2.2, 1);
    let calm = probabilities(&labels, 2, 2.1, 1.5, 1);
    let floor = probabilities(&labels, 2, 1.5, 1.4, 2);
    let inputs = |p| Inputs { probabilities: p, labels: &labels, classes: &classes, positive: Some(1) };
    let options = Options::default();
    let measured = measure(&inputs(&calm), &options)?;
    let below = measure(&inputs(&floor), &options)?;
    let compared = paired::compare(&inputs(&floor), &inputs(&calm), &options)?;
    let positive: Vec<bool> = labels.iter().map(|&label| label == 1).collect();
    let score = |p: &[f32]| p.chunks(2).map(|p| p[1]).collect::<Vec<f32>>();
    let (scores, floor_scores) = (score(&calm), score(&floor));
    let mut r = report("Phishing URLs", "urls.csv", [5198, 1114, 1114]);
    r.task = Task::Binary;
    for (i, split) in r.data.splits.iter_mut().enumerate() {
        let positives = split.rows / 2 + i as u64;
        split.classes = vec![
            ClassCount { label: classes[0].clone(), rows: split.rows - positives },
            ClassCount { label: classes[1].clone(), rows: positives },
        ];
    }
    let mut test = Results::of_classes(&measured, Some(&below));
    for metric in &mut test.metrics[..3] {
        let mean = metric.model.map_or(0.0, |m| m.value);
        metric.seeds = Some(Seeds { values: vec![mean; 5], mean, deviation: 0.0061 });
    }
    r.valid = Some(Results::of_classes(&measured, Some(&below)));
    r.test = Some(test);
    r.comparisons = vec![Paired::of("the floor", true, &compared)];
    r.ranking = Some(Ranking {
        positive: classes[1].clone(),
        prevalence: Some(0.5),
        roc: roc_curve(&scores, &positive)?,
        floor_roc: roc_curve(&floor_scores, &positive)?,
        auc: measured.metrics.auc,
        floor_auc: below.metrics.auc,
        pr: pr_curve(&scores, &positive)?,
        floor_pr: pr_curve(&floor_scores, &positive)?,
        pr_auc: measured.metrics.pr_auc,
        floor_pr_auc: below.metrics.pr_auc,
        negatives: Some(557),
    });
    r.calibration = Some(Calibration {
        before: reliability(&inputs(&model))?,
        after: reliability(&inputs(&calm))?,
        ece_before: Some(0.049),
        ece_after: Some(measured.metrics.ece.value),
        temperature: Some(1.47),
    });
    r.scores = Some(Scores {
        positive: classes[1].clone(),
        negative: classes[0].clone(),
        threshold: Some(0.62),
        unsure: Some((0.4, 0.75)),
        ..Scores::of(&scores, &positive)
    });
    r.decision = Some(Decision {
        temperature: Some(1.47),
        thresholds: vec![LabelThreshold {
            label: classes[1].clone(),
            threshold: 0.62,
            target: "false positive rate of at most 0.05".to_owned(),
        }],
        unsure: Some((0.4, 0.75)),
        rows: Some(1114),
        unsure_share: Some(0.083),
        notes: Vec::new(),
    });
    r.operating = Some(operating());
    r.slices = slices();
    r.mistakes = mistakes(&classes);
    Ok(r)
}

fn operating() -> Operating {
    let point = |fpr: f64, tpr: Option<Estimate>, needed| TprAtFpr {
        fpr,
        tpr,
        threshold: tpr.map(|_| 0.957),
        needed,
        found: 557,
    };
    let (tpr, fpr) = (wilson(503, 557), wilson(26, 557));
    let at = |prevalence: f64| {
        let of = |t: f64, f: f64| prevalence * t / (prevalence * t + (1.0 - prevalence) * f);
        let mut precision = Estimate::bare(of(tpr.value, fpr.value));
        precision.low = tpr.low.zip(fpr.high).map(|(t, f)| of(t, f));
        precision.high = tpr.high.zip(fpr.low).map(|(t, f)| of(t, f));
        PrecisionAt { prevalence, precision: Some(precision) }
    };
    Operating {
        tpr_at_fpr: vec![
            point(0.02, Some(wilson(455, 557)), 500),
            point(1e-2, None, 1000),
            point(1e-3, None, 10_000),
            point(1e-4, None, 100_000),
        ],
        tpr: Some(tpr),
        fpr: Some(fpr),
        precision: [0.5, 0.1, 0.01, 0.001, 0.0001].into_iter().map(at).collect(),
    }
}

fn slices() -> Vec<Slice> {
    let slice = |by: &str, name: &str, hits, rows, flag: Option<&str>| Slice {
        by: by.to_owned(),
        name: name.to_owned(),
        rows,
        metric: "accuracy".to_owned(),
        value: Some(wilson(hits, rows)),
        flag: flag.map(str::to_owned),
    };
    vec![
        slice("text length", "up to 12 tokens", 268, 279, None),
        slice("text length", "13 to 19 tokens", 259, 278, None),
        slice("text length", "20 to 31 tokens", 256, 279, None),
        slice("text length", "32 tokens and more", 226, 278, Some("10 points below the rest")),
        slice("source", "openphish", 402, 441, None),
        slice("source", "tranco", 540, 573, None),
        slice("source", "user reports", 68, 100, Some("26 points below the rest")),
    ]
}

fn mistakes(classes: &[String]) -> Vec<Mistake> {
    (0..20)
        .map(|i| Mistake {
            text: URLS[i % URLS.len()].to_owned(),
            truth: classes[i % 2].clone(),
            predicted: classes[(i + 1) % 2].clone(),
            probability: Some(0.9997 - i as f64 * 0.004),
            place: format!("urls.csv:{}", 6300 + i * 37),
        })
        .collect()
}

const INTENTS: [&str; 7] = [
    "card arrival",
    "exchange rate",
    "top up failed",
    "pin blocked",
    "lost or stolen phone",
    "refund not showing up",
    "transfer timing",
];

pub(crate) fn many(n: usize) -> Result<Report, filbert_eval::Error> {
    let classes: Vec<String> =
        (0..n)
            .map(|i| {
                if i < INTENTS.len() {
                    INTENTS[i].to_owned()
                } else {
                    format!("{} {}", INTENTS[i % 7], i / 7)
                }
            })
            .collect();
    let mut random = Random(11);
    let labels: Vec<usize> =
        (0..2310).map(|i| if i < n { i } else { random.below(n).min(random.below(n) + n / 4) }).collect();
    let mut model = probabilities(&labels, n, 4.0, 2.0, 3);
    // Neighbouring classes are close.
    for (row, &label) in model.chunks_mut(n).zip(&labels) {
        if random.unit() < 0.12 {
            let other = (label ^ 1).min(n - 1);
            row.swap(label, other);
        }
    }
    let floor = probabilities(&labels, n, if n > 20 { 3.0 } else { 1.6 }, 1.0, 4);
    let inputs = |p| Inputs { probabilities: p, labels: &labels, classes: &classes, positive: None };
    let options = Options { resamples: 200, ..Options::default() };
    let measured = measure(&inputs(&model), &options)?;
    let below = measure(&inputs(&floor), &options)?;
    let compared = paired::compare(&inputs(&floor), &inputs(&model), &options)?;
    let mut r = report("Banking intents", "intents.csv", [10_780, 2310, 2310]);
    for split in &mut r.data.splits {
        let rows = |class: usize| labels.iter().filter(|&&label| label == class).count() as u64;
        split.classes = (classes.iter().enumerate())
            .map(|(i, label)| ClassCount { label: label.clone(), rows: rows(i) * split.rows / 2310 })
            .collect();
    }
    r.data.overlaps.truncate(1);
    r.test = Some(Results::of_classes(&measured, Some(&below)));
    r.comparisons = vec![Paired::of("the floor", true, &compared)];
    r.calibration = Some(Calibration {
        before: reliability(&inputs(&model))?,
        ece_before: Some(measured.metrics.ece.value),
        ..Calibration::default()
    });
    r.mistakes = mistakes(&classes);
    r.data.suspects.clear();
    Ok(r)
}
