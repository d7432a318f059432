//! Whatever a report holds, its page is well-formed, holds no markup from data and nothing hidden, loads
//! nothing, and has a bounded size.

mod checker;
mod fill;

use checker::check;
use filbert_report::{Report, ladder_svg, render};
use fill::Source;
use proptest::prelude::*;

/// The most bytes of a page.
const MAX_PAGE: usize = 3_000_000;

/// The most bytes of a chart by itself.
const MAX_CHART: usize = 60_000;

const BREAKOUT: &str =
    "</td></style></title></svg>--><script>alert(1)</script><b onload='x' a=\"y\">&amp;&#0;";

fn page(report: &Report) -> Result<String, String> {
    let page = render(report);
    if page.len() > MAX_PAGE {
        return Err(format!("{} bytes", page.len()));
    }
    check(&page)?;
    if let Some(chart) = report.ladder.as_ref().and_then(ladder_svg) {
        if chart.len() > MAX_CHART {
            return Err(format!("a chart of {} bytes", chart.len()));
        }
        checker::check_chart(&chart)?;
    }
    Ok(page)
}

#[test]
fn an_empty_report_is_a_page() {
    let page = page(&Report::default());
    assert!(page.as_ref().is_ok_and(|page| page.contains("Nothing was measured")), "{page:?}");
}

#[test]
fn texts_do_not_break_out_and_are_shown() {
    let mut source = Source::new(vec![BREAKOUT.to_owned()], vec![0.5], vec![7], 3);
    let page = page(&source.report()).unwrap();
    assert!(!page.contains("<script") && !page.contains("<b "));
    // Titles, labels, texts, places, notes and commands.
    let shown = page.matches("&lt;/td&gt;&lt;/style&gt;").count();
    assert!(shown > 60, "{shown}");
    let ladder = source.report().ladder.unwrap_or_default();
    let chart = ladder_svg(&ladder).unwrap_or_default();
    assert!(
        chart.contains("&lt;/td&gt;&lt;/") && !chart.contains("<script") && !chart.contains("<b "),
        "{chart}"
    );
    assert!(ladder.verdict().chars().count() < 400, "{}", ladder.verdict());
}

#[test]
fn hidden_characters_are_written_out() {
    let text = "a\u{202e}b\u{200b}c\u{2066}d\u{0}e\u{feff}f\u{e0041}g\u{85}h\u{ad}";
    let mut source = Source::new(vec![text.to_owned()], vec![0.5], vec![7], 2);
    let page = page(&source.report()).unwrap();
    for escape in
        ["\\u{202e}", "\\u{200b}", "\\u{2066}", "\\u{0}", "\\u{feff}", "\\u{e0041}", "\\u{85}", "\\u{ad}"]
    {
        assert!(page.contains(escape), "{escape}");
    }
}

#[test]
fn large_input_gives_a_small_page() {
    struct Case {
        name: &'static str,
        text: String,
        n: usize,
    }
    let cases = [
        Case { name: "10,000 of everything", text: "label".to_owned(), n: 10_000 },
        Case { name: "long labels, many", text: "<\u{202e}&\u{200b}".repeat(500), n: 400 },
        Case { name: "megabyte texts", text: "x\u{2066}".repeat(250_000), n: 3 },
    ];
    for case in cases {
        let mut source = Source::new(vec![case.text], vec![0.1, 0.9, 0.5, 0.3], vec![1, 2, 9], case.n);
        source.number_labels = true;
        let page = page(&source.report());
        assert!(page.is_ok(), "{}: {:?}", case.name, page.err());
    }
}

#[test]
fn numbers_that_are_none_give_a_page() {
    let bad = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -0.0,
        1e100,
    ];
    for first in bad {
        for second in bad {
            for n in [0, 1, 2, 5] {
                let mut source = Source::new(vec!["a".to_owned()], vec![first, second], vec![0, u64::MAX], n);
                let page = page(&source.report()).unwrap_or_else(|e| panic!("{first} {second} {n}: {e}"));
                let bad = ["NaN", "inf ", "inf<", "\"inf", "179769"];
                let at = bad.iter().find_map(|bad| page.find(bad));
                let around = at.map(|at| &page[at.saturating_sub(120)..(at + 60).min(page.len())]);
                assert_eq!(around, None, "{first} {second} {n}");
                let ladder = source.report().ladder.unwrap_or_default();
                let said = format!("{}{}", ladder.verdict(), ladder_svg(&ladder).unwrap_or_default());
                assert!(!bad.iter().any(|bad| said.contains(bad)), "{first} {second} {n}: {said}");
            }
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "<",
        ">",
        "&",
        "\"",
        "'",
        "/>",
        "<!--",
        "-->",
        "]]>",
        "&amp;",
        "\u{202e}",
        "\u{200b}",
        "\u{0}",
        "\n",
        "é",
        "مرحبا",
        "👩\u{200d}🚀",
        "`",
        "=",
        "{",
        "a",
        " ",
    ]);
    prop_oneof![prop::collection::vec(nasty, 0..12).prop_map(|parts| parts.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_report_gives_a_valid_page(
        texts in prop::collection::vec(texts(), 1..5),
        numbers in prop::collection::vec(prop_oneof![any::<f64>(), 0.0..1.0_f64, -10.0..10.0_f64], 1..9),
        counts in prop::collection::vec(prop_oneof![any::<u64>(), 0..300_u64], 1..5),
        n in 0_usize..40,
        gaps in any::<bool>(),
    ) {
        let mut source = Source::new(texts, numbers, counts, n);
        source.gaps = gaps;
        let found = page(&source.report());
        prop_assert!(found.is_ok(), "{:?}", found.err());
    }
}
