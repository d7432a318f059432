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

    /// What differences of the gate's figure are told in.
    pub(crate) fn unit(&self) -> Unit {
        let values: Vec<_> = self.shown().iter().map(|rung| self.gated(rung)).collect();
        Unit::of(self.bounds.direction, &values)
    }

    /// The most that the gate's figure may drop.
    pub(crate) fn max_drop(&self) -> Option<f64> {
        self.bounds.max_drop.and_then(finite)
    }

    /// The worst value of the gate's figure that is allowed.
    pub(crate) fn worst(&self) -> Option<f64> {
        let (original, drop) = (self.gated(self.original()?)?.value, self.max_drop()?);
        finite(if self.bounds.direction == Direction::Higher { original - drop } else { original + drop })
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
        // Room for the rounding of a difference of two shares.
        Some(-counts > most + 1e-12)
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
                level: Level::Good,
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

    /// Where the gate looked at the difference's value only, and its interval goes beyond what was allowed.
    fn caveat(&self, kept: &Rung) -> String {
        let low = self.difference(kept).and_then(|difference| difference.low);
        match (low, self.max_drop()) {
            (Some(low), Some(most)) if !self.bounds.strict && -low > most + 1e-12 => format!(
                "The interval reaches beyond the {} allowed: the bound was held by the value on these {}, and \
                 other rows could show a larger drop.",
                self.unit().amount(most),
                counted(self.rows, "row", "rows")
            ),
            _ => String::new(),
        }
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
