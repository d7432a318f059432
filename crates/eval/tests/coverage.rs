//! Simulations: 95 % intervals hold the true value in 92 to 98 % of samples drawn from a known population.
//! Seeded, so they pass or fail for good; with 1,000 samples the share itself has a standard error of 0.7 %.

use filbert_eval::{Estimate, Inputs, Options, binary_auc, measure, paired, wilson};

const SAMPLES: usize = 1000;

/// A generator of its own, so that the simulation does not share the library's.
struct Xorshift(u64);

impl Xorshift {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Box and Muller's transform.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn choose(&mut self, weights: &[f64]) -> usize {
        let mut at = self.uniform() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            at -= weight;
            if at < 0.0 {
                return index;
            }
        }
        weights.len() - 1
    }
}

/// The share of `SAMPLES` estimates whose interval holds `truth`.
fn coverage(truth: f64, mut sample: impl FnMut(usize) -> Estimate) -> f64 {
    let held = (0..SAMPLES).filter(|&index| {
        let estimate = sample(index);
        estimate.low.unwrap() <= truth && truth <= estimate.high.unwrap()
    });
    held.count() as f64 / SAMPLES as f64
}

fn assert_covered(what: &str, share: f64) {
    println!("{what}: {share}");
    assert!((0.92..=0.98).contains(&share), "{what}: {share}");
}

#[test]
fn wilson_covers() {
    let mut rng = Xorshift(1);
    for (p, trials) in [(0.9, 100), (0.5, 40), (0.97, 300)] {
        let share = coverage(p, |_| wilson((0..trials).filter(|_| rng.uniform() < p).count() as u64, trials));
        assert_covered(&format!("share {p} of {trials}"), share);
    }
}

/// Scores of two normal distributions a distance apart have an AUC of Phi(distance / sqrt 2).
#[test]
fn delong_covers() {
    let mut rng = Xorshift(2);
    let populations =
        [(1.0, 0.760_249_938_906_5, 60, 90), (2.0, 0.921_350_396_474_9, 40, 200), (0.0, 0.5, 50, 50)];
    for (distance, auc, positives, negatives) in populations {
        let truth: Vec<bool> = (0..positives + negatives).map(|row| row < positives).collect();
        let share = coverage(auc, |_| {
            let scores: Vec<f32> = truth
                .iter()
                .map(|&positive| (rng.normal() + if positive { distance } else { 0.0 }) as f32)
                .collect();
            binary_auc(&scores, &truth).unwrap().estimate
        });
        assert_covered(&format!("AUC {auc}"), share);
    }
}

/// Three classes with fixed chances of being called each.
const PRIOR: [f64; 3] = [0.5, 0.3, 0.2];
const CALLED: [[f64; 3]; 3] = [[0.85, 0.10, 0.05], [0.15, 0.75, 0.10], [0.10, 0.20, 0.70]];

fn true_macro_f1() -> f64 {
    let f1 = |class: usize| {
        let called: f64 = (0..3).map(|label| PRIOR[label] * CALLED[label][class]).sum();
        2.0 * PRIOR[class] * CALLED[class][class] / (PRIOR[class] + called)
    };
    (0..3).map(f1).sum::<f64>() / 3.0
}

fn certain(class: usize) -> [f32; 3] {
    std::array::from_fn(|index| f32::from(u8::from(index == class)))
}

#[test]
fn bootstrap_covers_macro_f1() {
    let mut rng = Xorshift(3);
    let classes = ["a", "b", "c"].map(str::to_owned);
    let share = coverage(true_macro_f1(), |index| {
        let labels: Vec<usize> = (0..200).map(|_| rng.choose(&PRIOR)).collect();
        let probabilities: Vec<f32> =
            labels.iter().flat_map(|&label| certain(rng.choose(&CALLED[label]))).collect();
        let inputs =
            Inputs { probabilities: &probabilities, labels: &labels, classes: &classes, positive: None };
        measure(&inputs, &Options { seed: index as u64, resamples: 400 }).unwrap().metrics.macro_f1
    });
    assert_covered("macro F1", share);
}

#[test]
fn paired_bootstrap_covers_the_accuracy_difference() {
    let mut rng = Xorshift(4);
    let classes = ["a", "b"].map(str::to_owned);
    let labels = vec![0; 200];
    let side = |right: bool| if right { [0.9, 0.1] } else { [0.1, 0.9] };
    let share = coverage(0.05, |index| {
        // Both right, only the baseline, only the candidate, neither.
        let outcomes: Vec<usize> = labels.iter().map(|_| rng.choose(&[0.75, 0.05, 0.10, 0.10])).collect();
        let old: Vec<f32> = outcomes.iter().flat_map(|&o| side(o <= 1)).collect();
        let new: Vec<f32> = outcomes.iter().flat_map(|&o| side(o == 0 || o == 2)).collect();
        let inputs =
            |probabilities| Inputs { probabilities, labels: &labels, classes: &classes, positive: None };
        let options = Options { seed: index as u64, resamples: 400 };
        paired::compare(&inputs(&old), &inputs(&new), &options).unwrap().accuracy_difference
    });
    assert_covered("accuracy difference", share);
}
