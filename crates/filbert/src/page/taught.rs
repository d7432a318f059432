//! Student, control and teacher, as the page takes them.

use filbert_report::input::{Distillation, Learner, Metric};

use super::results;
use crate::{Classifier, DistillMetrics, Measure, Metrics, SeedMetrics, distillation::Size};

/// Figures of each that are shown.
const SHOWN: usize = 4;

/// What a teacher was worth to its student.
pub(super) fn distillation(metrics: &Metrics, classifier: &Classifier) -> Option<Distillation> {
    let told: &DistillMetrics = metrics.distillation.as_deref()?;
    let is_test = told.split == "test";
    let of = |test: &Option<Measure>, valid: &Option<Measure>| -> Option<Measure> {
        if is_test { test.clone() } else { valid.clone() }
    };
    let figures = |measure: Option<Measure>, seeds: &[SeedMetrics]| -> Vec<Metric> {
        let Some(measure) = measure else { return Vec::new() };
        let mut results = results::results(&measure, None, classifier);
        results.metrics.truncate(SHOWN);
        results::add_seeds(&mut results, seeds);
        results.metrics
    };
    let how = |size: Size, more: &str| {
        format!("{} layers of width {}, {} parameters{more}", size.layers, size.width, size.parameters)
    };
    let student = of(&metrics.test, &metrics.valid);
    let rows = student.as_ref().map_or(0, Measure::rows);
    let taught = format!("; temperature {}, teacher's share {}", told.temperature, told.alpha);
    let name = |baseline: &str, versus: &Option<crate::Versus>| -> Vec<_> {
        versus.iter().map(|versus| results::paired(baseline, versus)).collect()
    };
    Some(Distillation {
        split: told.split.clone(),
        rows,
        teacher: Learner {
            name: told.teacher.model.clone(),
            how: how(told.teacher.size, ""),
            metrics: figures(of(&told.teacher.test, &told.teacher.valid), &[]),
            ..Learner::default()
        },
        student: Learner {
            name: told.student.clone(),
            how: how(told.size, &taught),
            metrics: figures(student, &metrics.seeds),
            ..Learner::default()
        },
        control: told.control.as_ref().map(|control| Learner {
            name: "the same without the teacher".to_owned(),
            how: how(told.size, "; trained on the labels alone"),
            metrics: figures(of(&control.test, &control.valid), &control.seeds),
            ..Learner::default()
        }),
        against_control: name("the same student without the teacher", &told.against_control),
        against_teacher: name("the teacher", &told.against_teacher),
        notes: Vec::new(),
    })
}
