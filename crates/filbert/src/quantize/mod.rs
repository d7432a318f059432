//! A classifier's folder, with its weights as they are or in few bits.

mod calibration;
mod tuning;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use filbert_model::config::CONFIG_FILE;
use filbert_model::folder::SaveFolder;
use filbert_model::quantized::{Importance, QUANTIZED_FILE, write};
use filbert_model::safetensors::WEIGHTS_FILE;
use filbert_model::{Network, ProblemType, Scheme};
use serde::Serialize;
use serde_json::json;

use crate::compress::size;
use crate::{Classifier, Error, Flips, Student, Watch};
use calibration::Calibration;
pub use tuning::Tuning;

/// Which matrices are stored in few bits, and how.
pub(crate) type Plan = BTreeMap<String, Scheme>;

/// Writes all of the classifier's folder but `filbert.json`: its matrices in few bits as `plan` says, the rest in f32.
pub(crate) fn write_files(
    classifier: &Classifier,
    plan: &Plan,
    importance: &Importance,
    folder: &SaveFolder,
) -> Result<(), Error> {
    let config = classifier.network.config.to_json_for_classifier(classifier.task, &classifier.labels);
    folder.write(CONFIG_FILE, config.as_bytes())?;
    let params = &classifier.network.params;
    if plan.is_empty() {
        let tensors: Vec<(&str, &[usize], &[f32])> =
            params.iter().map(|(_, p)| (p.name.as_str(), p.shape.as_slice(), p.value.as_slice())).collect();
        filbert_model::safetensors::write(&folder.file(WEIGHTS_FILE)?, &tensors, &BTreeMap::new())?;
    } else {
        write(&folder.file(QUANTIZED_FILE)?, params, plan, importance)?;
    }
    for (name, bytes) in classifier.tokenizer.files() {
        folder.write(name, bytes)?;
    }
    Ok(())
}

/// Writes the classifier's folder with its matrices in few bits as `plan` says; none leaves all in f32.
pub(crate) fn save(
    classifier: &Classifier,
    plan: &Plan,
    importance: &Importance,
    (out, force): (&Path, bool),
) -> Result<(), Error> {
    refuse_quantized(classifier)?;
    let folder = SaveFolder::create(out, force)?;
    write_files(classifier, plan, importance, &folder)?;
    let mut settings = classifier.settings.clone();
    crate::VERSION.clone_into(&mut settings.filbert_version);
    settings.labels.clone_from(&classifier.labels);
    settings.max_length = Some(classifier.max_length);
    if !plan.is_empty() {
        let mut schemes: BTreeMap<String, usize> = BTreeMap::new();
        for scheme in plan.values() {
            *schemes.entry(scheme.to_string()).or_default() += 1;
        }
        let record = json!({"matrices": schemes, "activations": "int8, each row by its largest"});
        settings.other.insert("quantization".to_owned(), record);
    }
    folder.commit_with(&settings)?;
    Ok(())
}

impl Classifier {
    /// The matrices that may be stored in few bits, the embedding tables by one scheme and the linear layers by another. The last
    /// layer stays as it is: it is small, and it decides.
    pub(crate) fn plan(&self, embeddings: Scheme, linears: Scheme) -> Plan {
        let (tables, layers) = self.network.quantizable();
        let tables = tables.into_iter().map(|name| (name, embeddings));
        tables.chain(layers.into_iter().map(|name| (name, linears))).collect()
    }
}

/// How a classifier is stored in few bits.
#[derive(Debug, Clone)]
pub struct Quantization {
    /// The scheme of the linear layers.
    pub linears: Scheme,
    /// The scheme of the embedding tables.
    pub embeddings: Scheme,
    /// Patterns of matrices that stay as they are, in which `*` is anything and `?` any one character.
    pub keep: Vec<String>,
    /// Texts like those that will be classified: what is most sensitive is found on them, and flips are counted.
    pub texts: Option<PathBuf>,
    /// Of those, the most that are read.
    pub rows: usize,
    /// The largest share of answers that may flip; the matrices that hurt most for their size go one step up until it holds: from four
    /// bits to eight, from eight to f32.
    pub max_flips: Option<f64>,
    /// How scales are chosen; with `texts`, the columns that are multiplied by the most weigh the most in `Importance::Equal`'s place.
    pub importance: Importance,
    /// Trains for few bits first, with this classifier as the teacher: of its own answers, not of the labels.
    pub tuning: Option<Tuning>,
}

impl Default for Quantization {
    fn default() -> Self {
        Self {
            linears: Scheme::Int8,
            embeddings: Scheme::Int8,
            keep: Vec::new(),
            texts: None,
            rows: 2_000,
            max_flips: None,
            importance: Importance::Equal,
            tuning: None,
        }
    }
}

/// The matrices in the order in which they go a step up: by what each changes for every byte that it would grow by.
fn by_cost<'a>(sensitivity: &'a [(String, f64)], network: &Network) -> Vec<&'a str> {
    let size = |name: &str| network.params.id(name).map_or(1, |id| network.params.get(id).count()).max(1);
    let mut order: Vec<(&str, f64)> =
        sensitivity.iter().map(|(name, value)| (name.as_str(), value / size(name) as f64)).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    order.into_iter().map(|(name, _)| name).collect()
}

/// What quantizing did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Quantized {
    /// The folder's files but reports, in bytes.
    pub size_bytes: u64,
    /// The original's, in bytes.
    pub original_bytes: u64,
    /// Each matrix with how it is stored.
    pub schemes: BTreeMap<String, String>,
    /// Each matrix with what it alone changes in the outputs: the mean divergence of probabilities in nats, or of numbers the mean
    /// square; the most sensitive first. Empty without texts.
    pub sensitivity: Vec<(String, f64)>,
    /// Matrices that went a step up.
    pub raised: Vec<String>,
    /// Answers that are not the original's; none without texts, and of numbers.
    pub flips: Option<Flips>,
}

impl Classifier {
    /// Writes this classifier's folder with its matrices in few bits.
    ///
    /// # Errors
    /// If the folder cannot be written, this classifier's weights are in few bits already, a pattern fits nothing, or no step up
    /// brings the flips below their bound.
    pub fn quantize(
        &self,
        told: &Quantization,
        (out, force): (&Path, bool),
        watch: &mut dyn Watch,
    ) -> Result<Quantized, Error> {
        refuse_quantized(self)?;
        if let Some(limit) = told.max_flips {
            if !(0.0..=1.0).contains(&limit) || self.task == ProblemType::Regression {
                return Err(Error::Usage(
                    "--max-flips is a share of answers, 0 to 1; a regression has none that flip",
                ));
            }
            if told.texts.is_none() || told.rows == 0 {
                return Err(Error::Usage("--max-flips needs texts to count them on: --calibrate FILE"));
            }
        }
        let original_bytes = size(&self.folder)?;
        // An output that cannot be written is refused before anything is computed.
        drop(SaveFolder::create(out, force)?);
        let mut plan = self.plan(told.embeddings, told.linears);
        for pattern in &told.keep {
            let before = plan.len();
            plan.retain(|name, _| !filbert_model::network::matches(pattern, name));
            if plan.len() == before {
                let names = self.plan(told.embeddings, told.linears).into_keys().collect();
                return Err(Error::Model(filbert_model::Error::NoSuchParameter {
                    pattern: pattern.clone(),
                    names,
                }));
            }
        }
        let mut done = Quantized::default();
        let tuned = match &told.tuning {
            Some(tuning) => {
                let all = Student::Even(self.network.encoder().layers());
                let schemes = (told.embeddings, told.linears);
                let mut tuned = tuning.run((&self.folder, all), 1.0, schemes, watch)?;
                // It answers as this classifier does, so it decides as this one does.
                tuned.set_decision(self.decision.clone());
                Some(tuned)
            }
            None => None,
        };
        let stored = tuned.as_ref().unwrap_or(self);
        // What was trained with plain scales is stored with plain scales.
        let mut importance = if tuned.is_some() { Importance::Largest } else { told.importance.clone() };
        if let Some(path) = &told.texts {
            let calibration = Calibration::read(self, path, told.rows, watch)?;
            if importance == Importance::Equal {
                importance = calibration.importance(self)?;
            }
            done.sensitivity = calibration.sensitivity(stored, &plan, watch)?;
            let order = by_cost(&done.sensitivity, &stored.network);
            let limit = (told.max_flips, &importance);
            let found = calibration.fall_back(stored, limit, (&plan, &order), out, watch)?;
            (plan, done.raised, done.flips) = (found.plan, found.raised, found.flips);
        }
        save(stored, &plan, &importance, (out, force))?;
        done.schemes = plan.into_iter().map(|(name, scheme)| (name, scheme.to_string())).collect();
        (done.size_bytes, done.original_bytes) = (size(out)?, original_bytes);
        Ok(done)
    }
}

fn refuse_quantized(classifier: &Classifier) -> Result<(), Error> {
    if classifier.network.params.has_quantized() {
        return Err(Error::Usage(
            "the model's weights are in few bits already: start from the model that it was made from",
        ));
    }
    Ok(())
}
