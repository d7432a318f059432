//! Softmax and losses over rows of logits. A batch has few of them, so they are computed in f64.

/// Softmax of each row of `classes` logits, in place, with the row's maximum taken off first.
///
/// # Panics
/// If `x` does not hold whole rows.
pub fn softmax_rows(x: &mut [f32], classes: usize) {
    assert!(classes > 0 && x.len().is_multiple_of(classes));
    for row in x.chunks_exact_mut(classes) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exps: Vec<f64> = row.iter().map(|&x| f64::from(x - max).exp()).collect();
        let sum: f64 = exps.iter().sum();
        for (x, e) in row.iter_mut().zip(exps) {
            *x = (e / sum) as f32;
        }
    }
}

/// The cross-entropy of each row of `logits` with its label, into `losses`, and the rows' softmax into
/// `probabilities`.
///
/// # Panics
/// If the lengths do not fit or a label is not a class.
pub fn cross_entropy_forward(logits: &[f32], labels: &[u32], probabilities: &mut [f32], losses: &mut [f32]) {
    assert!(!labels.is_empty() && losses.len() == labels.len() && probabilities.len() == logits.len());
    assert!(logits.len().is_multiple_of(labels.len()));
    let classes = logits.len() / labels.len();
    let rows = logits.chunks_exact(classes).zip(probabilities.chunks_exact_mut(classes));
    for (((row, probabilities), &label), loss) in rows.zip(labels).zip(losses) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
        for (p, &x) in probabilities.iter_mut().zip(row) {
            *p = (f64::from(x - max).exp() / sum) as f32;
        }
        *loss = (sum.ln() - f64::from(row[label as usize] - max)) as f32;
    }
}

/// The gradient of `scale` times the sum of the rows' cross-entropies: scale · (p − one-hot).
///
/// # Panics
/// If the lengths do not fit or a label is not a class.
pub fn cross_entropy_backward(probabilities: &[f32], labels: &[u32], scale: f32, dlogits: &mut [f32]) {
    assert!(!labels.is_empty() && probabilities.len() == dlogits.len());
    assert!(dlogits.len().is_multiple_of(labels.len()));
    let classes = dlogits.len() / labels.len();
    let rows = probabilities.chunks_exact(classes).zip(dlogits.chunks_exact_mut(classes));
    for ((p, d), &label) in rows.zip(labels) {
        for (d, p) in d.iter_mut().zip(p) {
            *d = scale * p;
        }
        d[label as usize] -= scale;
    }
}

/// What a plain loss is changed by. The default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LossShape<'a> {
    /// A weight for each class; in a loss of independent labels, of the rows that have the label.
    pub weights: Option<&'a [f32]>,
    /// The share of the target that is spread evenly (Szegedy et al. 2016), in 0 to 1.
    pub smoothing: f32,
    /// The exponent γ of the focal loss −(1 − p)^γ ln p (Lin et al. 2017); 0 is the plain loss.
    pub focal: f32,
}

impl LossShape<'_> {
    fn weight(&self, class: usize) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[class]))
    }
}

/// −(1 − p)^γ ln p and its derivative by the logit of p times −1 / (1 − p), from p, 1 − p and ln p: the softmax's and the
/// sigmoid's gradients are both made of it.
fn focal(p: f64, rest: f64, log: f64, gamma: f64) -> (f64, f64) {
    if gamma == 0.0 {
        return (-log, 1.0);
    }
    if rest <= 0.0 {
        return (0.0, 0.0);
    }
    let factor = rest.powf(gamma);
    (-factor * log, factor - gamma * p * factor / rest * log)
}

/// The cross-entropy of each row of `logits` with its label, shaped, into `losses`, and its gradient by the logits. Weights and
/// smoothing together are PyTorch's: −Σ t·w·ln p over the smoothed target t. A focal loss takes no smoothing.
///
/// # Panics
/// If the lengths do not fit or a label is not a class.
pub fn softmax_loss(logits: &[f32], labels: &[u32], shape: LossShape<'_>, losses: &mut [f32], d: &mut [f32]) {
    assert!(!labels.is_empty() && losses.len() == labels.len() && d.len() == logits.len());
    assert!(logits.len().is_multiple_of(labels.len()));
    let classes = logits.len() / labels.len();
    let (smoothing, gamma) = (f64::from(shape.smoothing), f64::from(shape.focal));
    let mut log = vec![0.0; classes];
    let rows = logits.chunks_exact(classes).zip(d.chunks_exact_mut(classes));
    for (((row, d), &label), loss) in rows.zip(labels).zip(losses) {
        let label = label as usize;
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
        for (log, &x) in log.iter_mut().zip(row) {
            *log = f64::from(x - max) - sum.ln();
        }
        if smoothing == 0.0 {
            let p = log[label].exp();
            let rest: f64 = (0..classes).filter(|&c| c != label).map(|c| log[c].exp()).sum();
            let (value, slope) = focal(p, rest, log[label], gamma);
            let weight = shape.weight(label);
            *loss = (weight * value) as f32;
            for (c, d) in d.iter_mut().enumerate() {
                let toward = if c == label { -rest } else { log[c].exp() };
                *d = (weight * slope * toward) as f32;
            }
            continue;
        }
        let target = |c: usize| {
            let own = if c == label { 1.0 - smoothing } else { 0.0 };
            (own + smoothing / classes as f64) * shape.weight(c)
        };
        let all: f64 = (0..classes).map(target).sum();
        *loss = -(0..classes).map(|c| target(c) * log[c]).sum::<f64>() as f32;
        for (c, d) in d.iter_mut().enumerate() {
            *d = (log[c].exp() * all - target(c)) as f32;
        }
    }
}

/// The mean binary cross-entropy of each row's logits with its set of labels (each label's index at most once), into `losses`,
/// and its gradient. A weight multiplies the loss of the rows that have the label (PyTorch's `pos_weight`).
///
/// # Panics
/// If the lengths do not fit or a label is not a column.
pub fn sigmoid_loss(
    logits: &[f32],
    sets: &[Vec<u32>],
    shape: LossShape<'_>,
    losses: &mut [f32],
    d: &mut [f32],
) {
    assert!(!sets.is_empty() && losses.len() == sets.len() && d.len() == logits.len());
    assert!(logits.len().is_multiple_of(sets.len()));
    let labels = logits.len() / sets.len();
    let (smoothing, gamma) = (f64::from(shape.smoothing), f64::from(shape.focal));
    let mut has = vec![false; labels];
    let rows = logits.chunks_exact(labels).zip(d.chunks_exact_mut(labels));
    for (((row, d), set), loss) in rows.zip(sets).zip(losses) {
        has.fill(false);
        for &label in set {
            has[label as usize] = true;
        }
        let mut sum = 0.0;
        for (label, (&x, d)) in row.iter().zip(d).enumerate() {
            let x = f64::from(x);
            // ln σ(x) and ln σ(−x), without overflow.
            let (log, log_not) = (-softplus(-x), -softplus(x));
            let target = if has[label] { 1.0 - 0.5 * smoothing } else { 0.5 * smoothing };
            let (yes, slope_yes) = focal(log.exp(), log_not.exp(), log, gamma);
            let (no, slope_no) = focal(log_not.exp(), log.exp(), log_not, gamma);
            let weight = shape.weight(label);
            sum += weight * target * yes + (1.0 - target) * no;
            let slope = (1.0 - target) * slope_no * log.exp() - weight * target * slope_yes * log_not.exp();
            *d = (slope / labels as f64) as f32;
        }
        *loss = (sum / labels as f64) as f32;
    }
}

/// ln(1 + e^x).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The squared difference of each row's one output and its number, into `losses`, and its gradient.
///
/// # Panics
/// If the lengths do not fit.
pub fn squared_loss(outputs: &[f32], numbers: &[f32], losses: &mut [f32], d: &mut [f32]) {
    assert!(outputs.len() == numbers.len() && losses.len() == numbers.len() && d.len() == numbers.len());
    for (((&x, &y), loss), d) in outputs.iter().zip(numbers).zip(losses).zip(d) {
        *loss = (x - y) * (x - y);
        *d = 2.0 * (x - y);
    }
}
