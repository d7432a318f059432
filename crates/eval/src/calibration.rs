//! Bins of equal mass over top-label confidence, and the calibration error they give.

use crate::input::Checked;

/// Bins of the expected calibration error.
pub const ECE_BINS: usize = 15;

/// Rows of neighbouring confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bin {
    pub(crate) low: f32,
    pub(crate) high: f32,
    pub(crate) rows: u64,
    pub(crate) correct: u64,
    /// Mean confidence.
    pub(crate) confidence: f64,
}

/// Cuts the rows, sorted by the probability of their predicted class, at ranks `floor(i * rows / 15)`. Rows
/// of one confidence stay together: a cut inside a run of equal values moves to the run's end, so the bins do
/// not depend on the order of the rows. Cuts that fall together leave fewer than 15 bins; none is empty.
pub(crate) fn equal_mass_bins(checked: &Checked<'_>) -> Vec<Bin> {
    bins(checked.each_row().map(|(p, label, predicted)| (p[predicted], label == predicted)).collect())
}

/// The same of any probabilities beside whether what they are of came true.
pub(crate) fn bins(mut rows: Vec<(f32, bool)>) -> Vec<Bin> {
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut bins = Vec::with_capacity(ECE_BINS);
    let mut start = 0;
    for cut in 1..=ECE_BINS {
        let mut end = (cut as u64 * rows.len() as u64 / ECE_BINS as u64) as usize;
        if end <= start {
            continue;
        }
        while end < rows.len() && rows[end].0 == rows[end - 1].0 {
            end += 1;
        }
        let inside = &rows[start..end];
        bins.push(Bin {
            low: inside[0].0,
            high: inside[inside.len() - 1].0,
            rows: inside.len() as u64,
            correct: inside.iter().filter(|row| row.1).count() as u64,
            confidence: inside.iter().map(|row| f64::from(row.0)).sum::<f64>() / inside.len() as f64,
        });
        start = end;
    }
    bins
}

/// Expected calibration error: the mean of |accuracy - confidence| over bins, weighted by rows (Naeini,
/// Cooper & Hauskrecht, AAAI 2015; bins of equal mass after Nguyen & O'Connor, 2015). It is biased upwards: a
/// perfectly calibrated model has a value above 0 on any finite sample, so no interval is given.
pub(crate) fn expected_error(bins: &[Bin]) -> f64 {
    let rows: u64 = bins.iter().map(|bin| bin.rows).sum();
    let gaps = bins.iter().map(|bin| (bin.correct as f64 - bin.rows as f64 * bin.confidence).abs());
    gaps.sum::<f64>() / rows.max(1) as f64
}
