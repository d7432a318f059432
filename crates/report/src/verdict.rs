//! What the figures say, in plain words: whether the model beats the floor, and what a reader should look at.

use filbert_eval::Estimate;

use crate::figures::{count, counted, figure, finite, interval, p_value, percent, signed, sound};
use crate::input::{Direction, Metric, Paired, Report, Results};
use crate::sections::parts::brief;

/// The p-value below which a difference is called one.
const LEVEL: f64 = 0.05;

/// The share of truncated rows from which on it is worth a warning.
const MUCH_TRUNCATED: f64 = 0.05;

/// The calibration error from which on it is worth a warning.
const MUCH_OFF: f64 = 0.1;

/// Fewer rows than this tell little of a class.
const FEW_ROWS: u64 = 10;

/// How the model stands to the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Better, and not by chance.
    Better,
    /// Worse, and not by chance.
    Worse,
    /// The rows cannot tell.
    Unclear,
    /// There is no floor.
    NoFloor,
}

/// The headline.
#[derive(Debug)]
pub(crate) struct Headline<'a> {
    /// The metric that is told first.
    pub(crate) metric: &'a Metric,
    /// Its value.
    pub(crate) value: Estimate,
    /// The floor's.
    pub(crate) floor: Option<Estimate>,
    /// Rows measured.
    pub(crate) rows: u64,
    /// Which split they are.
    pub(crate) split: &'static str,
    /// How the model stands to the floor.
    pub(crate) verdict: Verdict,
    /// The reasons, in sentences.
    pub(crate) reasons: String,
}

/// The results that the headline is of: test rows, or validation rows without any.
pub(crate) fn main_results(report: &Report) -> Option<(&Results, &'static str)> {
    let test = report.test.as_ref().map(|results| (results, "test"));
    test.or_else(|| report.valid.as_ref().map(|results| (results, "validation")))
}

/// The headline; `None` where nothing was measured.
pub(crate) fn headline(report: &Report) -> Option<Headline<'_>> {
    let (results, split) = main_results(report)?;
    let metric = results.metrics.first()?;
    let value = sound(metric.model)?;
    let floor = sound(metric.floor);
    let paired = report.comparisons.iter().find(|paired| paired.floor && paired.difference.is_some());
    let (verdict, reasons) = match (paired, floor) {
        (Some(paired), _) => by_pairs(paired),
        (None, Some(floor)) => by_intervals(metric, &value, &floor),
        (None, None) => (
            Verdict::NoFloor,
            "No floor was fitted to the same rows, so nothing here says how easy they are.".to_owned(),
        ),
    };
    Some(Headline { metric, value, floor, rows: results.rows, split, verdict, reasons })
}

/// The sign of a paired difference, where it is not chance: the test decides where there is one, else the
/// interval.
pub(crate) fn sign(paired: &Paired) -> Option<f64> {
    let difference = sound(paired.difference)?;
    let apart = match paired.p {
        Some(p) => p < LEVEL,
        None => difference.low.is_some_and(|low| low > 0.0) || difference.high.is_some_and(|high| high < 0.0),
    };
    (apart && difference.value != 0.0).then(|| difference.value.signum())
}

fn by_pairs(paired: &Paired) -> (Verdict, String) {
    let verdict = match sign(paired) {
        Some(sign) if sign > 0.0 => Verdict::Better,
        Some(_) => Verdict::Worse,
        None => Verdict::Unclear,
    };
    let Some(difference) = sound(paired.difference) else { return (Verdict::Unclear, String::new()) };
    let ends = interval(&difference, signed).map(|ends| format!(" {ends}"));
    let test = paired.p.map(|p| format!(", {} p {}", brief(&paired.test), p_value(p)));
    let rows = paired.only_model.zip(paired.only_baseline).map(|(model, baseline)| {
        let model = counted(model, "row", "rows");
        format!(": {model} only the model gets right, {} only the floor", count(baseline))
    });
    let told = format!(
        "Row by row, the paired difference in {} is {}{}{}{}.",
        brief(&paired.metric),
        signed(difference.value),
        ends.unwrap_or_default(),
        test.unwrap_or_default(),
        rows.unwrap_or_default()
    );
    (verdict, told)
}

fn by_intervals(metric: &Metric, value: &Estimate, floor: &Estimate) -> (Verdict, String) {
    let (Some(low), Some(high), Some(floor_low), Some(floor_high)) =
        (value.low, value.high, floor.low, floor.high)
    else {
        return (Verdict::Unclear, "There are no intervals to tell the two apart by.".to_owned());
    };
    let up = metric.direction == Direction::Higher;
    let (above, below) = (low > floor_high, high < floor_low);
    if (up && above) || (!up && below) {
        (Verdict::Better, "The 95 % intervals do not overlap.".to_owned())
    } else if above || below {
        (Verdict::Worse, "The 95 % intervals do not overlap.".to_owned())
    } else {
        (Verdict::Unclear, "The 95 % intervals overlap, and no paired test was made.".to_owned())
    }
}

/// Whether a finding is welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Casts doubt on a figure.
    Warning,
}

/// Something that stands out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Whether it is welcome.
    pub(crate) level: Level,
    /// What it is.
    pub(crate) text: String,
    /// The section that has more of it.
    pub(crate) section: &'static str,
}

/// What stands out, warnings first.
pub(crate) fn findings(report: &Report) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |level, section, text| found.push(Finding { level, text, section });
    overlap(report, &mut add);
    rows(report, &mut add);
    training(report, &mut add);
    probabilities(report, &mut add);
    compression(report, &mut add);
    let flagged = report.slices.iter().filter(|slice| slice.flag.is_some()).count() as u64;
    if flagged > 0 {
        let text =
            format!("{} of the test rows stand apart from the rest.", counted(flagged, "slice", "slices"));
        add(Level::Warning, "slices", text);
    }
    let refused: Vec<String> = (report.operating.iter().flat_map(|o| &o.tpr_at_fpr))
        .filter(|point| point.tpr.is_none())
        .take(5)
        .map(|point| crate::sections::operating::rate(point.fpr))
        .collect();
    if !refused.is_empty() {
        let text =
            format!("Too few negatives to state recall at a false positive rate of {}.", refused.join(", "));
        add(Level::Note, "operating", text);
    }
    found.sort_by_key(|finding| match finding.level {
        Level::Warning => 0,
        Level::Note => 1,
        Level::Good => 2,
    });
    found
}

/// What smaller artifacts give, unless the page begins with it.
fn compression(report: &Report, add: &mut Add<'_>) {
    let begins = headline(report).is_none();
    let ladder = report.ladder.as_ref().filter(|ladder| !ladder.rungs.is_empty());
    if let Some(said) = ladder.filter(|_| !begins).map(crate::input::Ladder::said) {
        add(said.level, "compression", said.sentence);
    }
    if let Some(distillation) = report.distillation.as_ref().filter(|_| !begins || ladder.is_some()) {
        let said = crate::sections::distillation::said(distillation);
        add(said.level, "distillation", said.sentence);
    }
}

type Add<'a> = dyn FnMut(Level, &'static str, String) + 'a;

fn overlap(report: &Report, add: &mut Add<'_>) {
    let between = || report.data.overlaps.iter().filter(|o| o.from != o.to);
    if between().next().is_none() {
        return;
    }
    let worst = between()
        .map(|o| (o, [o.exact, o.canonical, o.near].into_iter().flatten().max().unwrap_or(0)))
        .filter(|(o, n)| *n > 0 && o.rows > 0)
        .max_by(|a, b| (a.1 as f64 / a.0.rows as f64).total_cmp(&(b.1 as f64 / b.0.rows as f64)));
    match worst {
        Some((o, n)) => {
            let text = format!(
                "{} of {} {} rows ({}) repeat or nearly repeat a {} row: figures on them flatter the model.",
                count(n),
                count(o.rows),
                brief(&o.to),
                percent(n as f64 / o.rows as f64),
                brief(&o.from),
            );
            add(Level::Warning, "data", text);
        }
        None => add(
            Level::Good,
            "data",
            "No row of one split repeats or nearly repeats a row of another.".to_owned(),
        ),
    }
}

fn rows(report: &Report, add: &mut Add<'_>) {
    let truncated =
        report.data.splits.iter().fold(0_u64, |sum, s| sum.saturating_add(s.truncated.unwrap_or(0)));
    let all = report.data.splits.iter().fold(0_u64, |sum, s| sum.saturating_add(s.rows));
    if all > 0 && truncated as f64 / all as f64 > MUCH_TRUNCATED {
        let text = format!(
            "{} of all texts were cut to the model's length.",
            percent(truncated as f64 / all as f64)
        );
        add(Level::Warning, "data", text);
    }
    let conflicting =
        report.data.splits.iter().fold(0_u64, |sum, s| sum.saturating_add(s.conflicting.unwrap_or(0)));
    if conflicting > 0 {
        let (rows, have) =
            (counted(conflicting, "row", "rows"), if conflicting == 1 { "has" } else { "have" });
        add(Level::Warning, "data", format!("{rows} {have} the same text as a row with another label."));
    }
    if let Some((results, split)) = main_results(report) {
        let few = results.per_class.iter().filter(|class| class.support < FEW_ROWS).count();
        if few > 0 {
            let classes = counted(few as u64, "class", "classes");
            let have = if few == 1 { "has" } else { "have" };
            let text = format!("{classes} {have} fewer than {FEW_ROWS} {split} rows: too few to judge.");
            add(Level::Note, "classes", text);
        }
    }
}

fn training(report: &Report, add: &mut Add<'_>) {
    let training = &report.training;
    if training.epochs.len() > 1
        && training.kept.is_some()
        && training.kept == training.epochs.last().map(|e| e.epoch)
    {
        let text = "The last epoch was the best one: more epochs might help.".to_owned();
        add(Level::Note, "training", text);
    }
    let seeds =
        main_results(report).and_then(|(r, _)| r.metrics.iter().find_map(|m| Some((m, m.seeds.as_ref()?))));
    if let Some((metric, seeds)) = seeds {
        let text = format!(
            "Over {} seeds, {} is {} ± {} (standard deviation).",
            count(seeds.values.len() as u64),
            brief(&metric.name),
            figure(seeds.mean),
            figure(seeds.deviation)
        );
        add(Level::Note, "metrics", text);
    }
}

fn probabilities(report: &Report, add: &mut Add<'_>) {
    let Some(calibration) = &report.calibration else { return };
    let known = |value: Option<f64>| value.and_then(finite);
    let (before, after) = (known(calibration.ece_before), known(calibration.ece_after));
    let Some(ece) = after.or(before) else { return };
    let change = match (before, after, known(calibration.temperature)) {
        (Some(before), Some(_), Some(t)) => {
            format!(", after a temperature of {} (before: {})", figure(t), percent(before))
        }
        _ => String::new(),
    };
    let text = format!("Stated probabilities are off by {} on average{change}.", percent(ece));
    add(if ece > MUCH_OFF { Level::Warning } else { Level::Note }, "calibration", text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use filbert_eval::Method;

    fn estimate(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value, low: Some(low), high: Some(high), method: Method::Wilson }
    }

    #[test]
    fn verdicts() {
        struct Case {
            name: &'static str,
            lower: bool,
            model: (f64, f64, f64),
            floor: Option<(f64, f64, f64)>,
            paired: Option<((f64, f64, f64), Option<f64>)>,
            expected: Verdict,
        }
        let base = || Case {
            name: "",
            lower: false,
            model: (0.9, 0.88, 0.92),
            floor: Some((0.8, 0.78, 0.82)),
            paired: None,
            expected: Verdict::Better,
        };
        let cases = [
            Case { name: "apart", ..base() },
            Case { name: "overlap", floor: Some((0.89, 0.87, 0.91)), expected: Verdict::Unclear, ..base() },
            Case { name: "a loss", lower: true, expected: Verdict::Worse, ..base() },
            Case { name: "no floor", floor: None, expected: Verdict::NoFloor, ..base() },
            Case {
                name: "pairs decide over intervals",
                floor: Some((0.89, 0.87, 0.91)),
                paired: Some(((0.01, 0.002, 0.02), None)),
                ..base()
            },
            Case {
                name: "the test decides over the difference's interval",
                paired: Some(((0.01, 0.002, 0.02), Some(0.06))),
                expected: Verdict::Unclear,
                ..base()
            },
            Case {
                name: "worse by the test",
                paired: Some(((-0.03, -0.05, -0.01), Some(0.001))),
                expected: Verdict::Worse,
                ..base()
            },
        ];
        for case in cases {
            let e = |(v, l, h)| estimate(v, l, h);
            let direction = if case.lower { Direction::Lower } else { Direction::Higher };
            let metric = Metric { direction, ..Metric::higher("m", Some(e(case.model)), case.floor.map(e)) };
            let report = Report {
                test: Some(Results { metrics: vec![metric], ..Results::default() }),
                comparisons: (case.paired.into_iter())
                    .map(|(d, p)| Paired { floor: true, difference: Some(e(d)), p, ..Paired::default() })
                    .collect(),
                ..Report::default()
            };
            assert_eq!(headline(&report).map(|h| h.verdict), Some(case.expected), "{}", case.name);
        }
    }
}
