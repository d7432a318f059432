//! What a page says of a report's figures.

use filbert_eval::{Estimate, Method, wilson};
use filbert_report::input::{Metric, Operating, Overlap, Paired, Results, TprAtFpr};
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

#[test]
fn the_same_report_gives_the_same_page() {
    assert_eq!(render(&measured()), render(&measured()));
}
