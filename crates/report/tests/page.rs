//! What a page says of a report's figures.

use filbert_eval::{Estimate, Method, wilson};
use filbert_report::input::{
    Bounds, Distillation, Figure, Flips, KeptTest, Ladder, Learner, Metric, Operating, Outcome, Overlap,
    Paired, Results, Rung, Seeds, TprAtFpr,
};
use filbert_report::{Report, render};

/// The page's words, without tags and entities, its white space folded.
fn words(report: &Report) -> String {
    let page = render(report);
    let page = page.split_once("</style>").map_or(page.as_str(), |parts| parts.1);
    let mut text = String::new();
    for piece in page.split('<') {
        text.push_str(piece.split_once('>').map_or("", |parts| parts.1));
        text.push(' ');
    }
    let text = text.replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn between(value: f64, low: f64, high: f64) -> Estimate {
    Estimate { value, low: Some(low), high: Some(high), method: Method::Bootstrap }
}

fn measured() -> Report {
    Report {
        floor: "character n-grams".to_owned(),
        test: Some(Results {
            rows: 315,
            metrics: vec![Metric::higher("accuracy", Some(wilson(287, 315)), Some(wilson(278, 315)))],
            ..Results::default()
        }),
        ..Report::default()
    }
}

#[test]
fn the_headline_says_value_interval_rows_floor_and_verdict() {
    let mut report = measured();
    report.comparisons = vec![Paired {
        baseline: "the floor".to_owned(),
        floor: true,
        metric: "accuracy".to_owned(),
        difference: Some(between(0.0286, 0.0032, 0.0571)),
        p: Some(0.049),
        test: "McNemar".to_owned(),
        only_model: Some(14),
        only_baseline: Some(5),
        ..Paired::default()
    }];
    let words = words(&report);
    for expected in [
        "0.911 accuracy 95 % interval [0.875, 0.938], on 315 test rows",
        "✓ Better than the floor",
        "The floor, character n-grams , has 0.883 [0.842, 0.914].",
        "the paired difference in accuracy is +0.029 [+0.003, +0.057], McNemar p = 0.049: 14 rows only the model gets right, 5 only the floor.",
    ] {
        assert!(words.contains(expected), "{expected}\nin {words}");
    }
}

#[test]
fn a_model_that_does_not_beat_the_floor_is_said_to() {
    let words = words(&measured());
    assert!(words.contains("Not shown to be better than the floor"), "{words}");
    assert!(words.contains("intervals overlap, and no paired test was made"), "{words}");
}

#[test]
fn refusals_and_overlaps_are_said() {
    let mut report = measured();
    report.operating = Some(Operating {
        tpr_at_fpr: vec![TprAtFpr { fpr: 1e-3, needed: 10_000, found: 557, ..TprAtFpr::default() }],
        ..Operating::default()
    });
    report.data.overlaps = vec![Overlap {
        from: "train".to_owned(),
        to: "test".to_owned(),
        rows: 315,
        exact: Some(0),
        near: Some(23),
        ..Overlap::default()
    }];
    let said = words(&report);
    assert!(said.contains("1 in 1,000 not stated: needs 10,000 negatives, has 557"), "{said}");
    assert!(said.contains("23 of 315 test rows (7.3 %) repeat or nearly repeat a train row"), "{said}");
    report.data.overlaps[0].near = Some(0);
    let said = words(&report);
    assert!(said.contains("No row of one split repeats or nearly repeats a row of another"), "{said}");
}

#[test]
fn sections_are_there_only_with_content() {
    let page = render(&measured());
    for (id, there) in
        [("metrics", true), ("data", false), ("classes", false), ("mistakes", false), ("notes", false)]
    {
        assert_eq!(page.contains(&format!("<section id=\"{id}\"")), there, "{id}");
        assert_eq!(page.contains(&format!("href=\"#{id}\"")), there, "{id}");
    }
}

fn ladder() -> Ladder {
    let original = Rung {
        name: "original".to_owned(),
        original: true,
        outcome: Outcome::Outside,
        reason: "too large".to_owned(),
        size_bytes: Some(91_300_000),
        figures: vec![Figure::higher("accuracy", Some(wilson(287, 315)), None)],
        ..Rung::default()
    };
    let kept = Rung {
        name: "4-bit".to_owned(),
        how: "nf4 in blocks of 64".to_owned(),
        outcome: Outcome::Kept,
        size_bytes: Some(8_400_000),
        peak_bytes: Some(121_000_000),
        figures: vec![Figure::higher(
            "accuracy",
            Some(wilson(286, 315)),
            Some(between(-0.003, -0.012, 0.006)),
        )],
        flips: Some(Flips { changed: 5, rows: 315, rate: Some(wilson(5, 315)) }),
        rows_per_second: Some(812.3),
        p50_ms: Some(1.234),
        p99_ms: Some(2.5),
        ..Rung::default()
    };
    let failed = Rung {
        name: "3 layers".to_owned(),
        outcome: Outcome::Failed,
        reason: "the loss was not finite".to_owned(),
        ..Rung::default()
    };
    Ladder {
        bounds: Bounds { max_bytes: Some(12_000_000), max_drop: Some(0.02), ..Bounds::default() },
        split: "validation".to_owned(),
        rows: 315,
        rungs: vec![original, kept, failed],
        test: Some(KeptTest {
            rows: 316,
            kept: vec![Figure::higher(
                "accuracy",
                Some(wilson(280, 316)),
                Some(between(-0.006, -0.02, 0.008)),
            )],
            original: vec![Figure::higher("accuracy", Some(wilson(282, 316)), None)],
            flips: Some(Flips { changed: 6, rows: 316, rate: Some(wilson(6, 316)) }),
        }),
        notes: Vec::new(),
    }
}

#[test]
fn a_ladder_begins_the_page_where_nothing_else_was_measured() {
    let report = Report { ladder: Some(ladder()), ..Report::default() };
    let said = words(&report);
    for expected in [
        "8.4 MB from 91.3 MB, 2 of 3 rungs measured ✓ Within the bounds 4-bit is 8.4 MB, 10.9 times smaller than \
         the original, and loses nothing measurable in accuracy: −0.3 points [−1.2, 0.6].",
        "Asked for: at most 12.0 MB and a drop in accuracy of at most 2.0 points.",
        "accuracy 0.892 [0.853, 0.922] 0.886 [0.846, 0.917] −0.6 [−2.0, 0.8]",
        "Of 316 test rows, 6 predictions are not the original's: 1.9 % [0.9 %, 4.1 %].",
        "original ◇ original too large larger than asked for",
        "4-bit ✓ kept 8.4 MB 10.9× smaller 0.908 [0.871, 0.935] −0.3 [−1.2, 0.6] 5 of 315 1.6 % [0.7 %, 3.7 %]",
        "3 layers ✗ failed the loss was not finite – – – –",
        "4-bit nf4 in blocks of 64 812 1.23 ms 2.50 ms 121 MB",
        "✓ 4-bit",
    ] {
        let expected = expected.replace("larger than asked for", "▲ 91.3 MB");
        assert!(said.contains(&expected), "{expected}\nin {said}");
    }
    assert!(!said.contains("Nothing was measured"), "{said}");
}

#[test]
fn a_ladder_beside_results_is_a_finding() {
    let report = Report { ladder: Some(ladder()), ..measured() };
    let said = words(&report);
    assert!(said.contains("✓ Good: 4-bit is 8.4 MB"), "{said}");
    assert!(said.contains("0.911 accuracy 95 % interval"), "{said}");
}

#[test]
fn what_a_teacher_is_worth_is_told_by_the_control() {
    let learner = |name: &str, right, mean| Learner {
        name: name.to_owned(),
        size_bytes: Some(62_100_000),
        metrics: vec![Metric {
            seeds: Some(Seeds { values: vec![mean; 3], mean, deviation: 0.004 }),
            ..Metric::higher("accuracy", Some(wilson(right, 315)), None)
        }],
        ..Learner::default()
    };
    let paired = |difference, p| {
        let metric = "accuracy".to_owned();
        let test = "McNemar".to_owned();
        vec![Paired { metric, difference: Some(difference), p: Some(p), test, ..Paired::default() }]
    };
    let mut distillation = Distillation {
        split: "test".to_owned(),
        rows: 315,
        teacher: learner("MiniLM", 287, 0.91),
        student: learner("3 layers", 284, 0.902),
        control: Some(learner("3 layers", 279, 0.9)),
        against_control: paired(between(0.016, 0.003, 0.03), 0.03),
        against_teacher: paired(between(-0.01, -0.022, 0.003), 0.2),
        notes: Vec::new(),
    };
    let of = |distillation: &Distillation| {
        words(&Report { distillation: Some(distillation.clone()), ..Report::default() })
    };
    let said = of(&distillation);
    for expected in [
        "The teacher helps: against the same student without it, +1.6 points [0.3, 3.0] in accuracy, McNemar p = 0.030.",
        "The student is not told apart from its teacher: −1.0 points [−2.2, 0.3] in accuracy, McNemar p = 0.20.",
        "Over 3 seeds, accuracy is 0.902 ± 0.004 with the teacher and 0.900 ± 0.004 without it. Seeds alone move it",
        "control: 3 layers 62.1 MB 0.886 [0.846, 0.916] 0.900 ± 0.004, 3 seeds",
    ] {
        assert!(said.contains(expected), "{expected}\nin {said}");
    }
    distillation.against_control = paired(between(0.004, -0.01, 0.02), 0.6);
    assert!(of(&distillation).contains("The teacher is not shown to help"));
    distillation.against_control = paired(between(-0.02, -0.04, -0.01), 0.01);
    assert!(of(&distillation).contains("The teacher harms"));
    distillation.against_control.clear();
    assert!(of(&distillation).contains("nothing here says that the teacher helped"));
}

#[test]
fn the_same_report_gives_the_same_page() {
    assert_eq!(render(&measured()), render(&measured()));
}
