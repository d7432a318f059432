//! A comparison in one sentence: which model is better and by how much, or that these rows cannot tell.

use super::{Comparison, MultiComparison, RegressionComparison};
use crate::estimate::Estimate;

/// The p-value below which a difference is called one.
const LEVEL: f64 = 0.05;

impl Comparison {
    /// The comparison in one sentence. Accuracy decides, by McNemar's test; where it cannot, ROC AUC, by its
    /// interval.
    pub fn verdict(&self, baseline: &str, candidate: &str) -> String {
        let told = points("accuracy", &self.accuracy_difference);
        let told = format!("{told}, McNemar p {}", p_value(self.mcnemar_p));
        if self.mcnemar_p < LEVEL {
            let better = if self.only_candidate > self.only_baseline { candidate } else { baseline };
            return format!("{better} is better: {told}, with {} rows", self.rows);
        }
        let ranked = self.auc_difference.as_ref().and_then(|auc| Some((sign(auc)?, auc)));
        match ranked {
            Some((sign, auc)) => format!(
                "{} ranks better: {}, with {} rows; no difference in accuracy can be shown ({told})",
                if sign > 0.0 { candidate } else { baseline },
                points("AUC", auc),
                self.rows
            ),
            None => format!("no difference can be shown with {} rows: {told}", self.rows),
        }
    }
}

impl MultiComparison {
    /// The comparison in one sentence. Micro F1 decides, by its interval.
    pub fn verdict(&self, baseline: &str, candidate: &str) -> String {
        let told = points("micro F1", &self.micro_f1_difference);
        by_interval(&self.micro_f1_difference, self.rows, &told, baseline, candidate)
    }
}

impl RegressionComparison {
    /// The comparison in one sentence. The mean absolute error decides, by its interval.
    pub fn verdict(&self, baseline: &str, candidate: &str) -> String {
        let estimate = self.mae_reduction;
        // Errors are better when smaller, so the candidate's change is told.
        let ends = match (estimate.low, estimate.high) {
            (Some(low), Some(high)) => format!(" ({:+.4} to {:+.4})", 0.0 - high, 0.0 - low),
            _ => String::new(),
        };
        let told = format!("mean absolute error {:+.4}{ends}", 0.0 - estimate.value);
        by_interval(&estimate, self.rows, &told, baseline, candidate)
    }
}

fn by_interval(estimate: &Estimate, rows: u64, told: &str, baseline: &str, candidate: &str) -> String {
    match sign(estimate) {
        Some(sign) => {
            let better = if sign > 0.0 { candidate } else { baseline };
            format!("{better} is better: {told}, with {rows} rows")
        }
        None => format!("no difference can be shown with {rows} rows: {told}"),
    }
}

/// The sign of a difference whose interval leaves 0 out.
fn sign(estimate: &Estimate) -> Option<f64> {
    let (low, high) = (estimate.low?, estimate.high?);
    if low > 0.0 {
        Some(1.0)
    } else if high < 0.0 {
        Some(-1.0)
    } else {
        None
    }
}

/// A difference in points: hundredths, the candidate's against the baseline.
fn points(what: &str, estimate: &Estimate) -> String {
    let ends = match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!(" ({:+.1} to {:+.1})", 100.0 * low, 100.0 * high),
        _ => String::new(),
    };
    format!("{what} {:+.1} points{ends}", 100.0 * estimate.value)
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") }
}
