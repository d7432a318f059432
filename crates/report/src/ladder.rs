//! What a ladder says: which rungs keep the bounds, which was kept, and the verdict in a sentence.

use filbert_eval::Estimate;

use crate::figures::{Unit, counted, finite, megabytes, sound, times};
use crate::input::{Direction, Figure, Ladder, Outcome, Rung};
use crate::sections::parts::brief;
use crate::verdict::Level;

/// The most rungs that are looked at, beyond the original and what was kept.
pub(crate) const MAX_RUNGS: usize = 60;

/// The most figures of a rung that are looked at.
const MAX_FIGURES: usize = 12;

/// Room for the rounding of a difference of two shares.
const ROUNDING: f64 = 1e-12;

/// A verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Whether it is welcome.
    pub(crate) level: Level,
    /// In a few words.
    pub(crate) words: &'static str,
    /// In a sentence.
    pub(crate) sentence: String,
    /// What the sentence must not be read without; empty without such.
    pub(crate) caveat: String,
}

impl Ladder {
    /// The verdict in one plain sentence, as the page has it: what was kept, how small it is and what it loses,
    /// or why none fits. Names are cut to 40 characters and otherwise as they were given: escape them where
    /// that matters.
    pub fn verdict(&self) -> String {
        self.said().sentence
    }

    /// The rungs that are shown.
    pub(crate) fn shown(&self) -> &[Rung] {
        &self.rungs[..self.rungs.len().min(MAX_RUNGS)]
    }

    /// The rung that the others are compared with.
    pub(crate) fn original(&self) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.original)
    }

    /// The rung that was kept.
    pub(crate) fn kept(&self) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.outcome == Outcome::Kept)
    }

    /// The name of the gate's figure.
    pub(crate) fn gate(&self) -> &str {
        let first = || self.shown().iter().find_map(|rung| rung.figures.first()).map(|f| f.name.as_str());
        if self.bounds.figure.is_empty() { first().unwrap_or_default() } else { &self.bounds.figure }
    }

    /// The gate's figure of a rung, where it has a value.
    pub(crate) fn gated(&self, rung: &Rung) -> Option<Estimate> {
        sound(named(&rung.figures, self.gate())?.value)
    }

    /// Which way the gate's figure is better.
    pub(crate) fn direction(&self) -> Direction {
        let gate = self.gate();
        let found = self.shown().iter().find_map(|rung| named(&rung.figures, gate));
        found.map_or(Direction::Higher, |figure| figure.direction)
    }

    /// What differences of the gate's figure are told in.
    pub(crate) fn unit(&self) -> Unit {
        self.unit_of(self.gate())
    }

    /// What differences of a figure are told in.
    pub(crate) fn unit_of(&self, name: &str) -> Unit {
        let figures = || self.shown().iter().filter_map(|rung| named(&rung.figures, name));
        let direction = figures().next().map_or(Direction::Higher, |figure| figure.direction);
        Unit::of(direction, &figures().map(|figure| sound(figure.value)).collect::<Vec<_>>())
    }

    /// The most that the gate's figure may drop.
    pub(crate) fn max_drop(&self) -> Option<f64> {
        self.bounds.max_drop.and_then(finite)
    }

    /// The worst value of the gate's figure that is allowed.
    pub(crate) fn worst(&self) -> Option<f64> {
        let (original, drop) = (self.gated(self.original()?)?.value, self.max_drop()?);
        finite(if self.direction() == Direction::Higher { original - drop } else { original + drop })
    }

    /// Whether a rung is larger than allowed; `None` where its size is not known.
    pub(crate) fn too_large(&self, rung: &Rung) -> Option<bool> {
        let size = rung.size_bytes?;
        Some(self.bounds.max_bytes.is_some_and(|most| size > most))
    }

    /// Whether a rung loses more than allowed; `None` where that was not measured.
    pub(crate) fn drops(&self, rung: &Rung) -> Option<bool> {
        if rung.original {
            return Some(false);
        }
        let difference = self.difference(rung)?;
        let Some(most) = self.max_drop() else { return Some(false) };
        let counts = if self.bounds.strict { difference.low? } else { difference.value };
        Some(-counts > most + ROUNDING)
    }

    fn difference(&self, rung: &Rung) -> Option<Estimate> {
        sound(named(&rung.figures, self.gate())?.difference)
    }

    /// The bounds in words: "at most 12.0 MB and a drop in accuracy of at most 0.5 points".
    pub(crate) fn asked(&self) -> String {
        let size = self.bounds.max_bytes.map(|most| format!("at most {}", megabytes(most)));
        let drop = self.max_drop().map(|most| {
            let even = if self.bounds.strict { ", its interval included" } else { "" };
            format!("a drop in {} of at most {}{even}", brief(self.gate()), self.unit().amount(most))
        });
        let parts: Vec<String> = size.into_iter().chain(drop).collect();
        if parts.is_empty() { "no bounds".to_owned() } else { parts.join(" and ") }
    }

    /// The verdict.
    pub(crate) fn said(&self) -> Said {
        match self.kept() {
            Some(kept) if kept.original => Said {
                level: Level::Note,
                words: "Nothing smaller fits",
                sentence: format!("Nothing smaller fits: the original is kept{}.", size_of(kept)),
                caveat: String::new(),
            },
            Some(kept) => Said {
                level: if self.breaks_on_test() { Level::Note } else { Level::Good },
                words: if self.bounds.max_bytes.is_none() && self.max_drop().is_none() {
                    "The smallest is kept"
                } else {
                    "Within the bounds"
                },
                sentence: self.told(kept),
                caveat: self.caveat(kept),
            },
            None => Said {
                level: Level::Warning,
                words: "None fits",
                sentence: self.none_fits(),
                caveat: String::new(),
            },
        }
    }

    fn told(&self, kept: &Rung) -> String {
        let size = match (kept.size_bytes, self.original().and_then(|o| o.size_bytes)) {
            (Some(size), Some(original)) if size > 0 => {
                let ratio = original as f64 / size as f64;
                let than = if ratio < 0.95 {
                    ", larger than the original,".to_owned()
                } else if ratio < 1.05 {
                    ", as large as the original,".to_owned()
                } else {
                    format!(", {} times smaller than the original,", times(original, size))
                };
                format!("is {}{than}", megabytes(size))
            }
            (Some(size), _) => format!("is {}", megabytes(size)),
            (None, _) => "is kept".to_owned(),
        };
        format!("{} {size} and {}.", brief(&kept.name), self.loss(kept))
    }

    /// "loses nothing measurable in accuracy: −0.2 points [−0.9, 0.5]".
    fn loss(&self, rung: &Rung) -> String {
        let Some(difference) = self.difference(rung) else {
            return "was not compared with the original".to_owned();
        };
        let (gate, shown) = (brief(self.gate()), self.unit().difference(&difference));
        match (difference.low, difference.high) {
            (Some(low), _) if low > 0.0 => format!("gains in {gate}: {shown}"),
            (_, Some(high)) if high < 0.0 => format!("loses in {gate}: {shown}"),
            (Some(_), Some(_)) => format!("loses nothing measurable in {gate}: {shown}"),
            _ => format!("differs in {gate} by {shown}, without an interval"),
        }
    }

    /// The difference of the gate's figure on the test rows.
    fn on_test(&self) -> Option<Estimate> {
        sound(named(&self.test.as_ref()?.kept, self.gate())?.difference)
    }

    /// Whether what was kept loses more than allowed on the test rows.
    fn breaks_on_test(&self) -> bool {
        self.on_test()
            .zip(self.max_drop())
            .is_some_and(|(difference, most)| -difference.value > most + ROUNDING)
    }

    /// What the test rows say; and, where the gate looked at the difference's value only, whether its interval
    /// goes beyond what was allowed.
    fn caveat(&self, kept: &Rung) -> String {
        let most = self.max_drop().unwrap_or(f64::INFINITY);
        let allowed = self.unit().amount(most);
        let mut told = Vec::new();
        if let (Some(difference), Some(test)) = (self.on_test(), &self.test) {
            let beyond = if self.breaks_on_test() {
                format!(", more than the {allowed} allowed")
            } else {
                String::new()
            };
            told.push(format!(
                "On {}, read once, the change in {} is {}{beyond}.",
                counted(test.rows, "test row", "test rows"),
                brief(self.gate()),
                self.unit().difference(&difference),
            ));
        }
        let low = self.difference(kept).and_then(|difference| difference.low);
        if low.is_some_and(|low| -low > most + ROUNDING) && !self.bounds.strict {
            told.push(format!(
                "The interval that decided reaches beyond the {allowed} allowed: the value on {} held the bound, \
                 and other rows could show a larger drop.",
                counted(self.rows, "row", "rows")
            ));
        }
        told.join(" ")
    }

    fn none_fits(&self) -> String {
        let measured = || {
            (self.shown().iter())
                .filter(|r| matches!(r.outcome, Outcome::Fits | Outcome::Outside) && !r.original)
        };
        let tried = self.rungs.iter().filter(|rung| !rung.original).count() as u64;
        if measured().next().is_none() {
            return format!("None fits: of {}, none could be measured.", counted(tried, "rung", "rungs"));
        }
        let holds = measured()
            .filter(|r| self.drops(r) == Some(false))
            .min_by_key(|r| r.size_bytes.unwrap_or(u64::MAX));
        if let (Some(rung), Some(most)) =
            (holds.filter(|r| self.too_large(r) == Some(true)), self.bounds.max_bytes)
        {
            return format!(
                "None fits: the smallest that holds {} is {}{}, and {} were asked for.",
                brief(self.gate()),
                brief(&rung.name),
                size_of(rung),
                megabytes(most)
            );
        }
        let small = measured().filter(|r| self.too_large(r) == Some(false));
        let worth = |r: &&Rung| self.difference(r).map(|d| d.value);
        let best = small
            .filter(|r| worth(r).is_some())
            .max_by(|a, b| worth(a).unwrap_or(f64::MIN).total_cmp(&worth(b).unwrap_or(f64::MIN)));
        if let (Some(rung), Some(most)) = (best.filter(|r| self.drops(r) == Some(true)), self.max_drop()) {
            let even = if self.bounds.strict { ", the interval included" } else { "" };
            return format!(
                "None fits: the best that is small enough, {}{}, {}; {} were allowed{even}.",
                brief(&rung.name),
                size_of(rung),
                self.loss(rung),
                self.unit().amount(most)
            );
        }
        format!("None fits: of {}, none was kept within {}.", counted(tried, "rung", "rungs"), self.asked())
    }
}

/// ", 8.4 MB", or nothing.
fn size_of(rung: &Rung) -> String {
    rung.size_bytes.map_or(String::new(), |size| format!(", {}", megabytes(size)))
}

/// The figure of a name.
pub(crate) fn named<'a>(figures: &'a [Figure], name: &str) -> Option<&'a Figure> {
    figures.iter().take(MAX_FIGURES).find(|figure| figure.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Bounds, KeptTest};

    fn between(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { low: Some(low), high: Some(high), ..Estimate::bare(value) }
    }

    fn rung(name: &str, size: u64, outcome: Outcome, difference: (f64, f64, f64)) -> Rung {
        let (value, low, high) = difference;
        let figure =
            Figure::higher("accuracy", Some(Estimate::bare(0.9 + value)), Some(between(value, low, high)));
        Rung {
            name: name.to_owned(),
            outcome,
            size_bytes: Some(size),
            figures: vec![figure],
            ..Rung::default()
        }
    }

    fn original() -> Rung {
        let mut original = rung("float32", 91_000_000, Outcome::Outside, (0.0, 0.0, 0.0));
        original.original = true;
        original.figures[0].difference = None;
        original
    }

    fn ladder(rungs: Vec<Rung>) -> Ladder {
        let bounds = Bounds { max_bytes: Some(12_000_000), max_drop: Some(0.005), ..Bounds::default() };
        let rungs = std::iter::once(original()).chain(rungs).collect();
        Ladder { bounds, split: "validation".to_owned(), rows: 1114, rungs, ..Ladder::default() }
    }

    #[test]
    fn verdicts() {
        use Outcome::{Failed, Fits, Kept, Outside};
        struct Case {
            name: &'static str,
            ladder: Ladder,
            expected: &'static str,
        }
        let small = |difference| ladder(vec![rung("4-bit", 8_400_000, Kept, difference)]);
        let cases = [
            Case {
                name: "nothing lost",
                ladder: small((-0.002, -0.009, 0.005)),
                expected: "4-bit is 8.4 MB, 10.8 times smaller than the original, and loses nothing measurable in \
                           accuracy: −0.2 points [−0.9, 0.5].",
            },
            Case {
                name: "a loss",
                ladder: small((-0.004, -0.007, -0.001)),
                expected: "4-bit is 8.4 MB, 10.8 times smaller than the original, and loses in accuracy: −0.4 points \
                           [−0.7, −0.1].",
            },
            Case {
                name: "a gain",
                ladder: small((0.004, 0.001, 0.007)),
                expected: "4-bit is 8.4 MB, 10.8 times smaller than the original, and gains in accuracy: +0.4 points \
                           [0.1, 0.7].",
            },
            Case {
                name: "the original fits",
                ladder: Ladder { rungs: vec![Rung { outcome: Kept, ..original() }], ..ladder(Vec::new()) },
                expected: "Nothing smaller fits: the original is kept, 91.0 MB.",
            },
            Case {
                name: "all too large",
                ladder: ladder(vec![rung("int8", 23_000_000, Outside, (0.0, -0.001, 0.001))]),
                expected: "None fits: the smallest that holds accuracy is int8, 23.0 MB, and 12.0 MB were asked for.",
            },
            Case {
                name: "small enough, and too bad",
                ladder: ladder(vec![
                    rung("2 layers", 5_000_000, Outside, (-0.03, -0.05, -0.01)),
                    rung("3 layers", 7_000_000, Outside, (-0.012, -0.02, -0.004)),
                ]),
                expected: "None fits: the best that is small enough, 3 layers, 7.0 MB, loses in accuracy: −1.2 points \
                           [−2.0, −0.4]; 0.5 points were allowed.",
            },
            Case {
                name: "nothing could be run",
                ladder: ladder(vec![Rung { outcome: Failed, ..Rung::default() }]),
                expected: "None fits: of 1 rung, none could be measured.",
            },
            Case {
                name: "fits and was not kept",
                ladder: ladder(vec![rung("int8", 7_000_000, Fits, (0.0, 0.0, 0.0))]),
                expected: "None fits: of 1 rung, none was kept within at most 12.0 MB and a drop in accuracy of at most \
                           0.5 points.",
            },
            Case {
                name: "no rungs",
                ladder: Ladder::default(),
                expected: "None fits: of 0 rungs, none could be measured.",
            },
        ];
        for case in cases {
            assert_eq!(case.ladder.verdict(), case.expected, "{}", case.name);
        }
    }

    #[test]
    fn strict_bounds_count_the_interval() {
        let mut ladder = ladder(vec![rung("4-bit", 8_400_000, Outcome::Outside, (-0.002, -0.009, 0.005))]);
        assert_eq!(ladder.drops(&ladder.rungs[1]), Some(false));
        ladder.bounds.strict = true;
        assert_eq!(ladder.drops(&ladder.rungs[1]), Some(true));
        ladder.rungs[1].figures[0].difference = Some(Estimate::bare(-0.002));
        assert_eq!(ladder.drops(&ladder.rungs[1]), None);
        // A drop of exactly the bound, as two shares give it, is within.
        ladder.bounds.strict = false;
        ladder.rungs[1].figures[0].difference = Some(Estimate::bare(0.905 - 0.91));
        assert_eq!(ladder.drops(&ladder.rungs[1]), Some(false));
    }

    #[test]
    fn a_wide_interval_and_a_loss_on_the_test_rows_are_said() {
        let mut ladder = ladder(vec![rung("4-bit", 8_400_000, Outcome::Kept, (-0.002, -0.009, 0.005))]);
        assert!(
            ladder.said().caveat.contains("reaches beyond the 0.5 points allowed"),
            "{:?}",
            ladder.said()
        );
        let kept = vec![Figure::higher("accuracy", None, Some(between(-0.008, -0.015, -0.001)))];
        ladder.test = Some(KeptTest { rows: 1114, kept, ..KeptTest::default() });
        let said = ladder.said();
        let told = "On 1,114 test rows, read once, the change in accuracy is −0.8 points [−1.5, −0.1], more than the \
                    0.5 points allowed.";
        assert!(said.caveat.contains(told) && said.level == Level::Note, "{said:?}");
    }
}
