//! Whatever the data holds, the page is whole, bounded, and has no markup but our own.

use filbert_eval::Estimate;
use filbert_eval::curves::ReliabilityBin;
use filbert_report::{
    Class, Confusion, Curve, Epoch, Facts, Metric, Mistake, Overlap, Page, Point, Prevalence, Scores, Seed,
    Slice, Split, render,
};
use proptest::prelude::*;

const HOSTILE: &str = "<script>alert('x')</script>\u{202e}\u{200b}\" onload=\"x & <b>";

fn estimate(x: f64) -> Estimate {
    Estimate { low: Some(x - 0.1), high: Some(x + 0.1), ..Estimate::bare(x) }
}

/// A page with every part, made of this text and number.
fn page(text: &str, x: f64, rows: usize) -> Page {
    let s = || text.to_owned();
    let points = |n: usize| (0..n).map(|i| (i as f64 / n as f64, x)).collect::<Vec<_>>();
    Page {
        title: s(),
        subtitle: s(),
        verdicts: vec![s(), s()],
        warnings: vec![s(); rows],
        split: s(),
        metrics: vec![
            Metric {
                name: s(),
                model: Some(estimate(x)),
                floor: Some(estimate(x)),
                valid: None,
                lower_is_better: false
            };
            5
        ],
        seeds: vec![Seed { name: s(), mean: x, deviation: x, values: vec![x; rows] }],
        classes: vec![
            Class {
                label: s(),
                precision: estimate(x),
                recall: estimate(x),
                f1: estimate(x),
                auc: None,
                support: u64::MAX,
                threshold: Some(x)
            };
            rows
        ],
        confusion: Some(Confusion { labels: vec![s(); rows], counts: vec![vec![3; rows]; rows.min(30)] }),
        roc: vec![Curve { name: s(), is_floor: false, points: points(rows) }],
        pr: vec![Curve { name: s(), is_floor: true, points: points(1) }],
        reliability: vec![
            ReliabilityBin {
                low: 0.1,
                high: 0.2,
                rows: 3,
                confidence: x,
                accuracy: estimate(x)
            };
            rows.min(15)
        ],
        temperature: Some(x),
        scores: Some(Scores {
            positive_label: s(),
            positive: vec![x as f32; rows],
            negative: vec![],
            threshold: x,
            unsure: Some((x, x)),
        }),
        points: vec![Point { fpr: x, found: Ok((estimate(x), None)) }, Point { fpr: x, found: Err(s()) }],
        prevalences: vec![Prevalence { prevalence: x, precision: estimate(x) }],
        scatter: vec![(x as f32, f32::NAN); rows],
        slices: vec![
            Slice { group: s(), value: s(), rows: 1, figure: estimate(x), name: s(), is_worse: true };
            rows
        ],
        mistakes: vec![Mistake { place: 1, text: s(), truth: s(), answer: s(), probability: Some(x) }; rows],
        epochs: vec![Epoch { number: 1, train_loss: x, valid_loss: Some(x), valid_accuracy: None }; rows],
        kept_epoch: 1,
        splits: vec![Split { name: s(), source: s(), rows: 1, classes: vec![(s(), 1); rows] }],
        overlaps: vec![Overlap { from: s(), to: s(), rows: 1, near: 1, ..Overlap::default() }; rows],
        facts: vec![Facts { name: s(), entries: vec![(s(), s()); rows] }],
        notes: vec![s(); rows],
        footer: s(),
    }
}

/// Every tag that is opened is closed, in order; returns the names of all.
fn tags(html: &str) -> Vec<String> {
    const VOID: [&str; 3] = ["meta", "br", "!doctype"];
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in order");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        seen.push(name.clone());
        if name == "style" {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
        if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    seen
}

fn check(html: &str) {
    for name in tags(html) {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '!'), "{name}");
        assert!(!["script", "b>", "iframe", "img", "link"].contains(&name.as_str()), "{name}");
    }
    assert!(
        !html.contains("onload=\"") && !html.contains("NaN") && !html.contains("inf"),
        "{}",
        &html[..2_000]
    );
    assert!(!html.contains('\u{202e}') && !html.contains('\u{200b}'));
    assert!(html.len() < 3 << 20, "{} bytes", html.len());
}

#[test]
fn hostile_texts_and_numbers_stay_text() {
    for x in [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, 1e300, 0.0, -0.0, 1e-320] {
        for rows in [0, 1, 2, 30, 500] {
            let html = render(&page(HOSTILE, x, rows));
            check(&html);
            assert!(html.contains("&lt;script&gt;"));
        }
    }
}

#[test]
fn much_data_makes_a_bounded_page() {
    check(&render(&page(&"long text ".repeat(200), 0.3, 2_000)));
    check(&render(&page(&"long text ".repeat(100_000), 0.3, 2)));
}

#[test]
fn an_empty_page_is_a_page() {
    check(&render(&Page::default()));
}

#[test]
fn a_page_says_what_it_was_given() {
    let html = render(&page("spam & eggs", 0.912, 3));
    for part in [
        "spam &amp; eggs",
        "0.912",
        "[0.812, 1.012]",
        "not given",
        "prefers-color-scheme: dark",
        "@media print",
    ] {
        assert!(html.contains(part), "no {part}");
    }
}

proptest! {
    #[test]
    fn any_text_and_number(text: String, x: f64, rows in 0usize..25) {
        check(&render(&page(&text, x, rows)));
    }
}
