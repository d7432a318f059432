//! Losses against a teacher's outputs in place of labels (Hinton, Vinyals and Dean 2015). Like the other losses they are over few
//! numbers and computed in f64; each is T² times a Kullback-Leibler divergence, so that it is zero where student and teacher agree
//! and its gradient does not shrink as the temperature rises.

/// T² · KL(softmax(teacher / T) ‖ softmax(student / T)) of each row of `classes` logits, into `losses`, and its gradient by the
/// student's logits, T · (softmax(student / T) − softmax(teacher / T)).
///
/// # Panics
/// If the lengths do not fit.
pub fn soft_softmax_loss(
    student: &[f32],
    teacher: &[f32],
    temperature: f32,
    losses: &mut [f32],
    d: &mut [f32],
) {
    let classes = check(student, teacher, losses, d);
    let t = f64::from(temperature);
    let (mut ours, mut theirs) = (vec![0.0; classes], vec![0.0; classes]);
    let rows = student.chunks_exact(classes).zip(teacher.chunks_exact(classes));
    for (((student, teacher), d), loss) in rows.zip(d.chunks_exact_mut(classes)).zip(losses) {
        log_softmax(student, t, &mut ours);
        log_softmax(teacher, t, &mut theirs);
        let mut divergence = 0.0;
        for ((d, &own), &their) in d.iter_mut().zip(&ours).zip(&theirs) {
            let p = their.exp();
            // A class that the teacher rules out adds nothing, whatever the student's logarithm is.
            if p > 0.0 {
                divergence += p * (their - own);
            }
            *d = (t * (own.exp() - p)) as f32;
        }
        *loss = (t * t * divergence) as f32;
    }
}

/// The mean over a row's labels of T² · KL between the two probabilities that σ(teacher / T) and σ(student / T) give the label,
/// into `losses`, and its gradient by the student's logits.
///
/// # Panics
/// If the lengths do not fit.
pub fn soft_sigmoid_loss(
    student: &[f32],
    teacher: &[f32],
    temperature: f32,
    losses: &mut [f32],
    d: &mut [f32],
) {
    let labels = check(student, teacher, losses, d);
    let t = f64::from(temperature);
    let rows = student.chunks_exact(labels).zip(teacher.chunks_exact(labels));
    for (((student, teacher), d), loss) in rows.zip(d.chunks_exact_mut(labels)).zip(losses) {
        let mut sum = 0.0;
        for ((d, &x), &y) in d.iter_mut().zip(student).zip(teacher) {
            let (x, y) = (f64::from(x) / t, f64::from(y) / t);
            let (p, rest) = (log_sigmoid(y).exp(), log_sigmoid(-y).exp());
            sum += p * (log_sigmoid(y) - log_sigmoid(x)) + rest * (log_sigmoid(-y) - log_sigmoid(-x));
            *d = (t * (log_sigmoid(x).exp() - p) / labels as f64) as f32;
        }
        *loss = (t * t * sum / labels as f64) as f32;
    }
}

/// The columns of a row.
fn check(student: &[f32], teacher: &[f32], losses: &[f32], d: &[f32]) -> usize {
    assert!(!losses.is_empty() && student.len() == teacher.len() && student.len() == d.len());
    assert!(!student.is_empty() && student.len().is_multiple_of(losses.len()));
    student.len() / losses.len()
}

/// ln softmax(x / t).
fn log_softmax(x: &[f32], t: f64, out: &mut [f64]) {
    let max = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    for (out, &x) in out.iter_mut().zip(x) {
        *out = (f64::from(x) - max) / t;
    }
    let log_sum = out.iter().map(|x| x.exp()).sum::<f64>().ln();
    for x in out.iter_mut() {
        *x -= log_sum;
    }
}

/// ln σ(x), without overflow.
fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}
