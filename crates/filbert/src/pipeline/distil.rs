//! What a run of distilling says at its end: student, control and teacher on the same rows.

use filbert_engine::Context;

use super::teacher::Teacher;
use super::{Measured, Seeded, Setup, measure_model};
use crate::decision::decimal;
use crate::distillation::{ControlMetrics, DistillMetrics, Size, TeacherMetrics, over_seeds};
use crate::metrics::{PerEpoch, SeedMetrics};
use crate::pipeline::tell::{Named, Recorder};
use crate::{Error, Options, Versus, Watch};

/// The control of a run.
pub(super) struct Control {
    pub(super) run: Seeded,
    pub(super) seeds: Vec<SeedMetrics>,
}

/// The student, measured.
pub(super) struct Taught<'a> {
    pub(super) measured: &'a Measured,
    pub(super) seeds: &'a [SeedMetrics],
    pub(super) unlabelled: usize,
}

/// Measures teacher and control as the student was measured, and holds it against both.
pub(super) fn measure(
    teacher: &Teacher,
    setup: &mut Setup,
    student: &Taught<'_>,
    control: Option<Control>,
    options: &Options,
    watch: &mut Recorder<'_>,
) -> Result<DistillMetrics, Error> {
    let teaching = &teacher.told.teaching;
    let by_teacher = measure_teacher(teacher, setup, options, watch)?;
    let control = match control {
        Some(control) => Some(measure_control(control, setup, options, watch)?),
        None => None,
    };
    let is_test = student.measured.test.is_some();
    let rows = if is_test { &setup.test } else { &setup.valid };
    let outputs = |m: &'_ Measured| -> Option<Vec<f32>> {
        let measured = if is_test { &m.test } else { &m.valid };
        measured.as_ref().map(|(_, outputs)| outputs.clone())
    };
    let (labels, seed) = (&setup.classifier.labels, options.seed);
    let own = &setup.classifier.decision;
    let versus = |baseline: Option<Vec<f32>>, decision| -> Result<Option<Versus>, Error> {
        let (Some(rows), Some(baseline), Some(candidate)) = (rows, baseline, outputs(student.measured))
        else {
            return Ok(None);
        };
        let both = ((&baseline[..], Some(decision)), (&candidate[..], own));
        Versus::between(both.0, both.1, &rows.targets, labels, seed).map(Some)
    };
    let against_control = match &control {
        Some((_, measured, decision)) => versus(outputs(measured), decision)?,
        None => None,
    };
    let against_teacher = versus(outputs(&by_teacher), &teacher.classifier.decision)?;
    let verdict =
        |versus: &Option<Versus>, name: &str| versus.as_ref().map(|v| v.verdict(name, "the student"));
    let of = |measured: Option<(crate::Measure, Vec<f32>)>| measured.map(|(measure, _)| measure);
    let control_seeds = control.as_ref().map(|(metrics, ..)| metrics.seeds.clone()).unwrap_or_default();
    Ok(DistillMetrics {
        split: if is_test { "test" } else { "validation" }.to_owned(),
        student: teacher.student_name(),
        size: Size::of(&setup.classifier.network),
        temperature: decimal(teaching.temperature),
        alpha: decimal(teaching.alpha),
        hidden: decimal(teaching.hidden),
        attention: decimal(teaching.attention),
        unlabelled_rows: student.unlabelled,
        teacher: TeacherMetrics {
            model: teacher.name.clone(),
            size: Size::of(&teacher.classifier.network),
            valid: of(by_teacher.valid),
            test: of(by_teacher.test),
        },
        control_verdict: verdict(&against_control, "the same student without the teacher"),
        teacher_verdict: verdict(&against_teacher, "the teacher"),
        against_control,
        against_teacher,
        over_seeds: over_seeds(student.seeds, &control_seeds, is_test),
        control: control.map(|(metrics, ..)| metrics),
    })
}

fn measure_teacher(
    teacher: &Teacher,
    setup: &Setup,
    options: &Options,
    watch: &mut Recorder<'_>,
) -> Result<Measured, Error> {
    let classifier = &teacher.classifier;
    let mut of = |rows: &Option<filbert_train::Rows>, name: &str| -> Result<Option<_>, Error> {
        let Some(rows) = rows else { return Ok(None) };
        watch.stage(&format!("the teacher classifies the {name} rows"));
        let total = rows.texts.encodings.len();
        let outputs = classifier.probabilities(&rows.texts, &mut |n| watch.rows(n, total))?;
        Ok(Some((classifier.measure(&outputs, &rows.targets, options.seed)?, outputs)))
    };
    Ok(Measured { valid: of(&setup.valid, "validation")?, test: of(&setup.test, "test")?, decision: None })
}

/// The control's figures, its outputs, and how it decides. Leaves the student in its place.
fn measure_control(
    control: Control,
    setup: &mut Setup,
    options: &Options,
    watch: &mut Recorder<'_>,
) -> Result<(ControlMetrics, Measured, filbert_eval::Decision), Error> {
    let Control { run: Seeded { seed, fitted, mut network, .. }, seeds } = control;
    let classifier = &mut setup.classifier;
    std::mem::swap(&mut classifier.network, &mut network);
    let (decision, settings) = (classifier.decision.clone(), classifier.settings.clone());
    let plain = classifier.plain_decision();
    classifier.set_decision(plain);
    let measured = measure_model(setup, options, &mut Named { watch, name: "the control" })?;
    let classifier = &mut setup.classifier;
    classifier.settings = settings;
    let own = std::mem::replace(&mut classifier.decision, decision);
    classifier.network = network;
    let metrics = ControlMetrics {
        seed,
        best_epoch: fitted.best_epoch,
        valid: measured.valid.as_ref().map(|(measure, _)| measure.clone()),
        test: measured.test.as_ref().map(|(measure, _)| measure.clone()),
        decision: measured.decision.clone(),
        seeds,
        epochs: fitted.epochs.iter().map(PerEpoch::from).collect(),
        train_seconds: fitted.seconds,
    };
    Ok((metrics, measured, own))
}

/// What the user should know before the control is trained.
pub(super) fn tell_of_control(rows: (usize, usize), watch: &mut dyn Watch) {
    let (labelled, unlabelled) = rows;
    if unlabelled > 0 {
        watch.note(&format!(
            "the control learns from the {labelled} labelled rows alone, so it makes fewer updates than the student, which learns \
             from {} rows",
            labelled + unlabelled
        ));
    }
}

/// The arithmetic of a run, which is the teacher's too while it teaches.
pub(super) fn context(options: &Options) -> Result<Context, Error> {
    Ok(options.precision.context()?.0)
}
