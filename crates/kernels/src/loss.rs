//! Softmax and cross-entropy over rows of logits. A batch has few of them, so they are computed in f64.

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
