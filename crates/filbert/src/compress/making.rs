//! The rungs, from the largest to the smallest, and how each is made.

use std::path::PathBuf;

use filbert_compress::vocabulary;
use filbert_model::Scheme;
use filbert_model::quantized::Importance;

use super::Compression;
use super::data::Data;
use crate::quantize::{Plan, save};
use crate::work::Work;
use crate::{Classifier, Error, Student, Tuning, Watch, tokens};

/// Of a vocabulary, the share whose tokens are kept whether rows use them or not: one of so many.
const FREQUENT: usize = 3;

/// How an artifact is made of the original.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Only words that the rows use.
    pruned: bool,
    /// So many of the layers, taught by all of them.
    layers: Option<usize>,
    /// How its matrices are stored.
    scheme: Scheme,
    /// Trained for few bits, with the original as its teacher.
    tuned: bool,
}

/// An artifact on disk.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) folder: PathBuf,
    pub(super) how: String,
}

/// Makes artifacts one after the other.
pub(super) struct Maker<'a> {
    told: &'a Compression,
    original: &'a Classifier,
    data: &'a Data,
    work: &'a Work,
    /// The original with a pruned vocabulary, once it was made.
    pruned: Option<Classifier>,
    /// What was trained last, and of how many layers.
    tuned: Option<(Option<usize>, Classifier)>,
    notes: Vec<String>,
    count: usize,
}

impl<'a> Maker<'a> {
    pub(super) fn new(
        told: &'a Compression,
        original: &'a Classifier,
        data: &'a Data,
        work: &'a Work,
    ) -> Self {
        let mut notes = Vec::new();
        if told.train.is_some() && told.unlabelled.is_some() {
            notes.push(
                "flips are counted on the unlabelled texts, which the rungs that are trained learnt from"
                    .to_owned(),
            );
        }
        Self { told, original, data, work, pruned: None, tuned: None, notes, count: 0 }
    }

    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes
    }

    /// The rungs below the original.
    pub(super) fn steps(&self) -> Vec<Step> {
        let four = self.told.four_bit;
        let layers = self.original.network.encoder().layers();
        let step = |name: &str, pruned, scheme| Step {
            name: name.to_owned(),
            pruned,
            layers: None,
            scheme,
            tuned: false,
        };
        let mut steps = vec![
            step("int8", false, Scheme::Int8),
            step("int8, pruned vocabulary", true, Scheme::Int8),
            step("4-bit", false, four),
            step("4-bit, pruned vocabulary", true, four),
        ];
        if self.told.train.is_none() {
            return steps;
        }
        steps.push(Step { tuned: true, ..step("4-bit, pruned vocabulary, fine-tuned", true, four) });
        let mut fewer: Vec<usize> = [2, 3, 6].into_iter().map(|by| layers.div_ceil(by)).collect();
        fewer.dedup();
        for n in fewer.into_iter().filter(|&n| n < layers) {
            let plural = if n == 1 { "layer" } else { "layers" };
            for (name, scheme) in [("int8", Scheme::Int8), ("4-bit", four)] {
                steps.push(Step {
                    name: format!("{n} {plural}, {name}, pruned vocabulary"),
                    pruned: true,
                    layers: Some(n),
                    scheme,
                    tuned: true,
                });
            }
        }
        steps
    }

    /// Writes an artifact.
    pub(super) fn make(&mut self, step: &Step, watch: &mut dyn Watch) -> Result<Made, Error> {
        self.count += 1;
        let folder = self.work.join(&format!("rung-{}", self.count));
        let mut how = Vec::new();
        if step.pruned {
            how.push(self.prune(watch)?);
        }
        let by = |importance: Importance, classifier: &Classifier| {
            save(classifier, &classifier.plan(step.scheme, step.scheme), &importance, (&folder, false))
        };
        if step.tuned {
            how.push(match step.layers {
                Some(_) => format!("distilled from the original for {}", self.told.four_bit),
                None => format!("trained for {}, with the original as teacher", self.told.four_bit),
            });
            self.tune(step, watch)?;
            let Some((_, trained)) = &self.tuned else { return Err(Error::Usage("nothing was trained")) };
            // What it was trained for is what it is stored in; eight bits hold all the more.
            by(
                if step.scheme == self.told.four_bit { Importance::Largest } else { Importance::Equal },
                trained,
            )?;
        } else {
            by(Importance::Equal, self.pruned.as_ref().filter(|_| step.pruned).unwrap_or(self.original))?;
        }
        how.insert(0, format!("matrices in {}", step.scheme));
        Ok(Made { folder, how: how.join("; ") })
    }

    /// Makes the original with a pruned vocabulary, once; says what it kept.
    fn prune(&mut self, watch: &mut dyn Watch) -> Result<String, Error> {
        let original = self.original;
        if self.pruned.is_none() {
            let mut counts: Vec<u64> = Vec::new();
            let mut texts: Vec<&str> = Vec::new();
            for table in &self.data.known {
                let all = tokens::tokenize(
                    table,
                    &original.tokenizer,
                    original.lengths(),
                    "known",
                    &mut crate::Silent,
                )?;
                let found = vocabulary::count(&all.encodings);
                counts.resize(counts.len().max(found.len()), 0);
                found.iter().zip(&mut counts).for_each(|(n, sum)| *sum += n);
                let seconds = table.pairs.iter().flatten();
                texts.extend(table.texts.iter().chain(seconds).map(String::as_str));
            }
            // The first of a vocabulary are the most frequent where it was trained: words that new texts will have.
            let frequent = self.told.keep_tokens.unwrap_or(original.network.config.vocab_size / FREQUENT);
            counts.resize(counts.len().max(frequent.min(original.network.config.vocab_size)), 0);
            counts.iter_mut().take(frequent).for_each(|n| *n = (*n).max(1));
            let plan = vocabulary::plan(
                &original.tokenizer,
                &original.network.config,
                &counts,
                vocabulary::Options::default(),
            )?;
            let tokenizer = vocabulary::apply(&original.tokenizer, &plan)?;
            let checked = vocabulary::check(&original.tokenizer, &tokenizer, &plan, &texts)?;
            let mut network = original.network.clone();
            vocabulary::prune_network(&mut network, &plan)?;
            let (before, after) = plan.tokens();
            let note = format!(
                "the pruned vocabulary keeps {after} of {before} tokens; of {} known texts {} keep all their tokens, none gains an unknown one",
                checked.texts, checked.unchanged
            );
            watch.note(&note);
            self.notes.push(note);
            let pruned = original.with_parts(network, tokenizer);
            save(&pruned, &Plan::new(), &Importance::Equal, (&self.work.join("pruned"), false))?;
            self.pruned = Some(pruned);
        }
        let rows = |classifier: &Classifier| classifier.network.config.vocab_size;
        let kept = self.pruned.as_ref().map_or(0, rows);
        Ok(format!("{kept} of {} tokens", rows(original)))
    }

    /// Trains a student, or the whole network, for four bits; one that two rungs share once.
    fn tune(&mut self, step: &Step, watch: &mut dyn Watch) -> Result<(), Error> {
        if self.tuned.as_ref().is_some_and(|(layers, _)| *layers == step.layers) {
            return Ok(());
        }
        let told = self.told;
        let (student, alpha, epochs) = match step.layers {
            Some(n) => (Student::Even(n), 0.5, 2 * told.epochs),
            // What is to answer as the original does learns from the original alone.
            None => (Student::Even(self.original.network.encoder().layers()), 1.0, told.epochs),
        };
        let tuning = Tuning {
            train: told.train.clone().ok_or(Error::Usage("training needs --train"))?,
            valid: Some(told.data.clone()),
            unlabelled: told.unlabelled.clone(),
            text: told.text.clone(),
            label: told.label.clone(),
            epochs,
            learning_rate: told.learning_rate,
            seed: told.seed,
            precision: told.precision,
        };
        let base = if step.pruned { self.work.join("pruned") } else { told.model.clone() };
        let mut trained = tuning.run((&base, student), alpha, (told.four_bit, told.four_bit), watch)?;
        if self.original.decides() {
            // Thresholds were chosen for a purpose that only the original's folder knows.
            trained.set_decision(self.original.decision.clone());
        }
        self.tuned = Some((step.layers, trained));
        Ok(())
    }
}
