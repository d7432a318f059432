//! Reports with every field filled from a few texts and numbers, in turn.

use filbert_eval::curves::{PrPoint, ReliabilityBin, RocPoint};
use filbert_eval::{Confusion, Estimate, Method};
use filbert_report::Report;
use filbert_report::input::{
    Bounds, Calibration, ClassCount, ClassRow, Cost, Data, Decision, Direction, Distillation, Epoch, Fact,
    Facts, Figure, Flips, KeptTest, LabelThreshold, Ladder, Learner, Metric, Mistake, Operating, Outcome,
    Overlap, Paired, PrecisionAt, Ranking, Regression, Results, Rung, Scores, Seeds, Slice, Split, Stage,
    Suspect, Task, TprAtFpr, Training,
};

/// Where texts and numbers come from.
pub(crate) struct Source {
    texts: Vec<String>,
    numbers: Vec<f64>,
    counts: Vec<u64>,
    /// How many entries lists have.
    n: usize,
    /// Whether every third optional field is missing.
    pub(crate) gaps: bool,
    /// Whether labels are told apart by a number.
    pub(crate) number_labels: bool,
    turn: usize,
}

impl Source {
    pub(crate) fn new(texts: Vec<String>, numbers: Vec<f64>, counts: Vec<u64>, n: usize) -> Self {
        Self { texts, numbers, counts, n, gaps: false, number_labels: false, turn: 0 }
    }

    fn next(&mut self) -> usize {
        self.turn += 1;
        self.turn
    }

    fn text(&mut self) -> String {
        let turn = self.next();
        self.texts[turn % self.texts.len()].clone()
    }

    fn label(&mut self, i: usize) -> String {
        let text = self.text();
        if self.number_labels { format!("{i} {text}") } else { text }
    }

    fn x(&mut self) -> f64 {
        let turn = self.next();
        self.numbers[turn % self.numbers.len()]
    }

    fn count(&mut self) -> u64 {
        let turn = self.next();
        self.counts[turn % self.counts.len()]
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.gaps && self.next().is_multiple_of(3) { None } else { Some(make(self)) }
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self, usize) -> T) -> Vec<T> {
        (0..self.n).map(|i| make(self, i)).collect()
    }

    fn estimate(&mut self) -> Option<Estimate> {
        self.maybe(|s| {
            let value = s.x();
            Estimate { value, low: s.maybe(Self::x), high: s.maybe(Self::x), method: Method::None }
        })
    }

    fn fact(&mut self) -> Fact {
        Fact::new(self.text(), self.text())
    }

    /// A report with everything in it.
    pub(crate) fn report(&mut self) -> Report {
        let tasks = [Task::Binary, Task::Multiclass, Task::MultiLabel, Task::Regression];
        Report {
            title: self.text(),
            model: self.text(),
            date: self.text(),
            task: tasks[self.n % 4],
            floor: self.text(),
            facts: self.list(|s, _| Facts { title: s.text(), facts: vec![s.fact(), s.fact()] }),
            command: self.text(),
            data: self.data(),
            training: Training {
                epochs: self.list(|s, _| Epoch {
                    epoch: s.count(),
                    train_loss: s.maybe(Self::x),
                    valid_loss: s.maybe(Self::x),
                    valid_metric: s.maybe(Self::x),
                }),
                kept: self.maybe(Self::count),
                metric: self.text(),
            },
            test: self.maybe(Self::results),
            valid: self.maybe(Self::results),
            comparisons: self.list(|s, _| s.paired()),
            ranking: self.maybe(Self::ranking),
            calibration: self.maybe(Self::calibration),
            scores: self.maybe(Self::scores),
            decision: self.maybe(Self::decision),
            operating: self.maybe(Self::operating),
            slices: self.list(|s, _| Slice {
                by: s.text(),
                name: s.text(),
                rows: s.count(),
                metric: s.text(),
                value: s.estimate(),
                flag: s.maybe(Self::text),
            }),
            regression: self.maybe(|s| Regression {
                target: s.text(),
                truth: s.list(|s, _| s.x()),
                predicted: s.list(|s, _| s.x()),
            }),
            ladder: self.maybe(Self::ladder),
            distillation: self.maybe(Self::distillation),
            mistakes: self.list(|s, _| Mistake {
                text: s.text(),
                truth: s.text(),
                predicted: s.text(),
                probability: s.maybe(Self::x),
                place: s.text(),
            }),
            cost: Cost {
                stages: self.list(|s, _| Stage { name: s.text(), seconds: s.x() }),
                total_seconds: self.maybe(Self::x),
                rows_per_second: self.maybe(Self::x),
                peak_bytes: self.maybe(Self::count),
                model_bytes: self.maybe(Self::count),
                facts: self.list(|s, _| s.fact()),
            },
            environment: self.list(|s, _| s.fact()),
            notes: self.list(|s, _| s.text()),
        }
    }

    fn data(&mut self) -> Data {
        let mut names = vec![self.text(), self.text()];
        names.truncate(self.n);
        Data {
            splits: (names.into_iter())
                .map(|name| Split {
                    name,
                    file: self.text(),
                    sha256: self.text(),
                    rows: self.count(),
                    classes: self.list(|s, i| ClassCount { label: s.label(i), rows: s.count() }),
                    truncated: self.maybe(Self::count),
                    blank: self.maybe(Self::count),
                    conflicting: self.maybe(Self::count),
                    hostile: self.maybe(Self::count),
                })
                .collect(),
            overlaps: self.list(|s, _| Overlap {
                from: s.text(),
                to: s.text(),
                rows: s.count(),
                exact: s.maybe(Self::count),
                canonical: s.maybe(Self::count),
                near: s.maybe(Self::count),
                domain: s.maybe(Self::count),
                conflicting: s.maybe(Self::count),
            }),
            split_method: self.text(),
            max_length: self.maybe(Self::count),
            suspects: self.list(|s, _| Suspect {
                text: s.text(),
                label: s.text(),
                reasons: vec![s.text(); 9],
                place: s.text(),
            }),
            notes: self.list(|s, _| s.text()),
        }
    }

    fn results(&mut self) -> Results {
        // A matrix of 10,000 classes would be the caller's 800 MB.
        let side = self.n.min(700);
        Results {
            rows: self.count(),
            positive: self.maybe(Self::text),
            metrics: self.list(|s, i| Metric {
                name: s.text(),
                model: s.estimate(),
                floor: s.estimate(),
                seeds: s.maybe(|s| Seeds { values: vec![s.x()], mean: s.x(), deviation: s.x() }),
                direction: if i % 2 == 0 { Direction::Higher } else { Direction::Lower },
            }),
            per_class: self.list(|s, i| ClassRow {
                label: s.label(i),
                precision: s.estimate(),
                recall: s.estimate(),
                f1: s.estimate(),
                auc: s.estimate(),
                support: s.count(),
                threshold: s.maybe(Self::x),
            }),
            confusion: self.maybe(|s| Confusion {
                labels: (0..side).map(|i| s.label(i)).collect(),
                // One row and one column less than there are labels.
                counts: (1..side).map(|_| (1..side).map(|_| s.count()).collect()).collect(),
                recall: Vec::new(),
            }),
            notes: self.list(|s, _| s.text()),
        }
    }

    fn paired(&mut self) -> Paired {
        Paired {
            baseline: self.text(),
            floor: true,
            metric: self.text(),
            difference: self.estimate(),
            p: self.maybe(Self::x),
            test: self.text(),
            only_baseline: self.maybe(Self::count),
            only_model: self.maybe(Self::count),
            more: vec![(self.text(), Estimate::bare(self.x())); 9],
            notes: vec![self.text()],
        }
    }

    fn ranking(&mut self) -> Ranking {
        let points = self.n.saturating_mul(20);
        let roc = |s: &mut Self| -> Vec<RocPoint> {
            (0..points).map(|_| RocPoint { fpr: s.x(), tpr: s.x(), threshold: None }).collect()
        };
        let pr = |s: &mut Self| -> Vec<PrPoint> {
            (0..points).map(|_| PrPoint { recall: s.x(), precision: s.x(), threshold: None }).collect()
        };
        Ranking {
            positive: self.text(),
            prevalence: self.maybe(Self::x),
            roc: roc(self),
            floor_roc: roc(self),
            auc: self.estimate(),
            floor_auc: self.estimate(),
            pr: pr(self),
            floor_pr: pr(self),
            pr_auc: self.estimate(),
            floor_pr_auc: self.estimate(),
            negatives: self.maybe(Self::count),
        }
    }

    fn calibration(&mut self) -> Calibration {
        let bins = |s: &mut Self| {
            s.list(|s, _| ReliabilityBin {
                low: s.x() as f32,
                high: s.x() as f32,
                rows: s.count(),
                confidence: s.x(),
                accuracy: s.estimate().unwrap_or(Estimate::bare(0.5)),
            })
        };
        Calibration {
            before: bins(self),
            after: bins(self),
            ece_before: self.maybe(Self::x),
            ece_after: self.maybe(Self::x),
            temperature: self.maybe(Self::x),
        }
    }

    fn scores(&mut self) -> Scores {
        let mut negatives = self.list(|s, _| s.count());
        negatives.pop();
        Scores {
            positive: self.text(),
            negative: self.text(),
            positives: self.list(|s, _| s.count()),
            negatives,
            threshold: self.maybe(Self::x),
            unsure: self.maybe(|s| (s.x(), s.x())),
        }
    }

    fn decision(&mut self) -> Decision {
        Decision {
            temperature: self.maybe(Self::x),
            thresholds: self.list(|s, i| LabelThreshold {
                label: s.label(i),
                threshold: s.x(),
                target: s.text(),
            }),
            unsure: self.maybe(|s| (s.x(), s.x())),
            rows: self.maybe(Self::count),
            unsure_share: self.maybe(Self::x),
            notes: self.list(|s, _| s.text()),
        }
    }

    fn operating(&mut self) -> Operating {
        Operating {
            tpr_at_fpr: self.list(|s, _| TprAtFpr {
                fpr: s.x(),
                tpr: s.estimate(),
                threshold: s.maybe(Self::x),
                needed: s.count(),
                found: s.count(),
            }),
            tpr: self.estimate(),
            fpr: self.estimate(),
            precision: self.list(|s, _| PrecisionAt { prevalence: s.x(), precision: s.estimate() }),
        }
    }

    /// A ladder of as many rungs, in which every outcome has its turn.
    pub(crate) fn ladder(&mut self) -> Ladder {
        let outcomes = [Outcome::Fits, Outcome::Outside, Outcome::Failed, Outcome::Skipped, Outcome::Kept];
        Ladder {
            bounds: Bounds {
                max_bytes: self.maybe(Self::count),
                max_drop: self.maybe(Self::x),
                figure: self.text(),
                strict: self.n.is_multiple_of(3),
            },
            split: self.text(),
            rows: self.count(),
            rungs: self.list(|s, i| Rung {
                name: s.label(i),
                how: s.text(),
                original: i % 7 == 0,
                outcome: outcomes[(i + s.n) % 5],
                reason: s.text(),
                size_bytes: s.maybe(Self::count),
                peak_bytes: s.maybe(Self::count),
                figures: s.figures(),
                flips: s.maybe(Self::flips),
                rows_per_second: s.maybe(Self::x),
                p50_ms: s.maybe(Self::x),
                p99_ms: s.maybe(Self::x),
            }),
            test: self.maybe(|s| KeptTest {
                rows: s.count(),
                kept: s.figures(),
                original: s.figures(),
                flips: s.maybe(Self::flips),
            }),
            notes: self.list(|s, _| s.text()),
        }
    }

    /// A few: as many for each of many rungs would be the caller's gigabytes.
    fn figures(&mut self) -> Vec<Figure> {
        let lower = self.n.is_multiple_of(2);
        let make = if lower { Figure::lower } else { Figure::higher };
        (0..self.n.min(15)).map(|i| make(self.label(i), self.estimate(), self.estimate())).collect()
    }

    fn flips(&mut self) -> Flips {
        Flips { changed: self.count(), rows: self.count(), rate: self.estimate() }
    }

    fn distillation(&mut self) -> Distillation {
        Distillation {
            split: self.text(),
            rows: self.count(),
            teacher: self.learner(),
            student: self.learner(),
            control: self.maybe(Self::learner),
            against_control: self.list(|s, _| s.paired()),
            against_teacher: self.list(|s, _| s.paired()),
            notes: self.list(|s, _| s.text()),
        }
    }

    fn learner(&mut self) -> Learner {
        Learner {
            name: self.text(),
            how: self.text(),
            size_bytes: self.maybe(Self::count),
            metrics: self.list(|s, i| Metric {
                name: s.text(),
                model: s.estimate(),
                floor: None,
                seeds: s.maybe(|s| Seeds { values: vec![s.x(); 3], mean: s.x(), deviation: s.x() }),
                direction: if i % 2 == 0 { Direction::Higher } else { Direction::Lower },
            }),
        }
    }
}
