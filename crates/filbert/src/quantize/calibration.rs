//! What storing a matrix in few bits does to the answers on texts like those that will be classified, and which matrices are
//! better left in more.

use std::collections::BTreeMap;
use std::path::Path;

use filbert_data::{ReadOptions, Reader, Table};
use filbert_engine::Inputs;
use filbert_engine::quant::fake_quantize;
use filbert_model::quantized::Importance;
use filbert_model::{ProblemType, Scheme};
use filbert_train::Texts;

use super::{Plan, save};
use crate::compress::{answers, flips};
use crate::work::Work;
use crate::{Classifier, Error, Flips, Silent, Watch, tokens};

/// Texts on which the sensitivity of each matrix is measured, one matrix after the other.
const SENSITIVITY_ROWS: usize = 256;

/// Texts, with what the original makes of them.
pub(super) struct Calibration {
    texts: Texts,
    few: Texts,
    answers: Vec<Vec<usize>>,
}

/// A plan that keeps the flips below their bound.
pub(super) struct FellBack {
    pub(super) plan: Plan,
    pub(super) raised: Vec<String>,
    pub(super) flips: Option<Flips>,
}

impl Calibration {
    pub(super) fn read(
        classifier: &Classifier,
        path: &Path,
        rows: usize,
        watch: &mut dyn Watch,
    ) -> Result<Self, Error> {
        watch.stage("reading texts to calibrate on");
        let columns = Reader::open(path, None)?.columns().to_vec();
        let text = classifier.text_columns_in(&columns);
        let mut table = Table::read(path, &ReadOptions { text, ..ReadOptions::default() })?;
        table.texts.truncate(rows);
        if let Some(pairs) = &mut table.pairs {
            pairs.truncate(rows);
        }
        let texts = tokens::tokenize(
            &table,
            &classifier.tokenizer,
            classifier.lengths(),
            "calibration",
            &mut Silent,
        )?;
        let few = texts.first(SENSITIVITY_ROWS);
        let answers = answers(classifier, &texts)?;
        Ok(Self { texts, few, answers })
    }

    /// The mean square of what each column of a linear layer's weight is multiplied by, on the texts.
    pub(super) fn importance(&self, classifier: &Classifier) -> Result<Importance, Error> {
        let inputs = Inputs::default();
        let context = classifier.context.clone().with_inputs(inputs.clone());
        filbert_train::logits(&classifier.network, &context, &self.few, &mut |_| ())?;
        let params = classifier.network.params.iter();
        let known = params.filter_map(|(id, param)| Some((param.name.clone(), inputs.mean_squares(id)?)));
        Ok(Importance::Known(known.collect()))
    }

    /// Each matrix of the plan with what it alone changes, the most sensitive first.
    pub(super) fn sensitivity(
        &self,
        classifier: &Classifier,
        plan: &Plan,
        watch: &mut dyn Watch,
    ) -> Result<Vec<(String, f64)>, Error> {
        watch.stage("how sensitive each matrix is");
        // Of a classifier that was trained for few bits: what rounding changes, not what the training did.
        let before = classifier.probabilities(&self.few, &mut |_| ())?;
        let mut network = classifier.network.clone();
        let mut found = Vec::new();
        for (i, (name, scheme)) in plan.iter().enumerate() {
            let Some(id) = network.params.id(name) else { continue };
            let param = network.params.get_mut(id);
            let (width, full) = (param.width(), param.value.clone());
            fake_quantize(classifier.context.isa(), scheme.kernel(), &full, width, &mut param.value);
            let logits = filbert_train::logits(&network, &classifier.context, &self.few, &mut |_| ())?;
            let outputs = classifier.to_probabilities(logits)?;
            network.params.get_mut(id).value = full;
            found.push((name.clone(), divergence(classifier.task(), &before, &outputs)));
            watch.rows(i + 1, plan.len());
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(found)
    }

    /// Raises as few matrices as keep the flips below their bound, in the order given.
    pub(super) fn fall_back(
        &self,
        classifier: &Classifier,
        (limit, importance): (Option<f64>, &Importance),
        (plan, order): (&Plan, &[&str]),
        out: &Path,
        watch: &mut dyn Watch,
    ) -> Result<FellBack, Error> {
        let work = Work::beside(out)?;
        let mut count = 0;
        let mut attempt = |raised: usize, watch: &mut dyn Watch| -> Result<FellBack, Error> {
            watch.stage(&format!("counting flips with {raised} matrices a step up"));
            let mut plan = plan.clone();
            for name in &order[..raised] {
                raise(&mut plan, name);
            }
            count += 1;
            let folder = work.join(&format!("attempt-{count}"));
            save(classifier, &plan, importance, (&folder, false))?;
            let loaded = Classifier::load(&folder)?;
            let flips = flips(&self.answers, &answers(&loaded, &self.texts)?);
            Ok(FellBack { plan, raised: order[..raised].iter().map(|n| (*n).to_owned()).collect(), flips })
        };
        let fits = |found: &FellBack| match (limit, found.flips) {
            (Some(limit), Some(flips)) => flips.rate.value <= limit,
            _ => true,
        };
        let first = attempt(0, watch)?;
        if fits(&first) {
            return Ok(first);
        }
        // Raising more does not always flip less, but nearly; the one that is found is measured.
        let (mut low, mut high) = (0, order.len());
        let mut best = attempt(high, watch)?;
        if !fits(&best) {
            return Err(Error::Usage(
                "more answers flip than --max-flips allows, even with every matrix a step up: use another scheme, or train for few bits (--qat)",
            ));
        }
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            let found = attempt(middle, watch)?;
            if fits(&found) {
                (high, best) = (middle, found);
            } else {
                low = middle;
            }
        }
        Ok(best)
    }
}

/// One step up: from four bits to eight, from eight to f32.
fn raise(plan: &mut BTreeMap<String, Scheme>, name: &str) {
    match plan.get_mut(name) {
        Some(Scheme::Int8) => {
            plan.remove(name);
        }
        Some(scheme) => *scheme = Scheme::Int8,
        None => {}
    }
}

/// How far outputs are from the original's: the mean Kullback-Leibler divergence of probabilities, in nats, or the mean square.
fn divergence(task: ProblemType, before: &[f32], after: &[f32]) -> f64 {
    /// Below this a probability counts as this.
    const LEAST: f64 = 1e-12;
    let pairs = before.iter().zip(after).map(|(p, q)| (f64::from(*p), f64::from(*q)));
    let term = |p: f64, q: f64| p.max(LEAST) * (p.max(LEAST) / q.max(LEAST)).ln();
    let sum: f64 = match task {
        ProblemType::Regression => pairs.map(|(p, q)| (p - q).powi(2)).sum(),
        ProblemType::MultiLabel => pairs.map(|(p, q)| term(p, q) + term(1.0 - p, 1.0 - q)).sum(),
        _ => pairs.map(|(p, q)| term(p, q)).sum(),
    };
    sum / before.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergences() {
        let (p, q) = ([0.5f32, 0.5], [0.9f32, 0.1]);
        let wanted = 0.5 * (0.5f64 / 0.9).ln() + 0.5 * (0.5f64 / 0.1).ln();
        assert!((2.0 * divergence(ProblemType::SingleLabel, &p, &q) - wanted).abs() < 1e-6);
        assert_eq!(divergence(ProblemType::SingleLabel, &p, &p), 0.0);
        assert!(divergence(ProblemType::SingleLabel, &[1.0, 0.0], &[0.0, 1.0]).is_finite());
        assert_eq!(divergence(ProblemType::Regression, &[1.0, 2.0], &[2.0, 4.0]), 2.5);
    }

    #[test]
    fn a_step_up() {
        let mut plan = Plan::from([("a".to_owned(), Scheme::Nf4), ("b".to_owned(), Scheme::Int8)]);
        for name in ["a", "b", "c"] {
            raise(&mut plan, name);
        }
        assert_eq!(plan, Plan::from([("a".to_owned(), Scheme::Int8)]));
    }
}
