//! A classifier's folder, with its weights as they are or in few bits.

use std::collections::BTreeMap;
use std::path::Path;

use filbert_model::Scheme;
use filbert_model::config::CONFIG_FILE;
use filbert_model::folder::SaveFolder;
use filbert_model::quantized::{Importance, QUANTIZED_FILE, write};
use filbert_model::safetensors::WEIGHTS_FILE;
use serde_json::json;

use crate::{Classifier, Error};

/// Which matrices are stored in few bits, and how.
pub(crate) type Plan = BTreeMap<String, Scheme>;

/// Writes all of the classifier's folder but `filbert.json`: its matrices in few bits as `plan` says, the rest in f32.
fn write_files(
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
    if classifier.network.params.has_quantized() {
        return Err(Error::Usage(
            "the model's weights are in few bits already: start from the model that it was made from",
        ));
    }
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

    /// Writes this classifier's folder with all its matrices in few bits: the embedding tables by one scheme, the linear layers by
    /// another.
    ///
    /// # Errors
    /// If the folder cannot be written, or this classifier's weights are in few bits already.
    pub fn save_quantized(
        &self,
        (embeddings, linears): (Scheme, Scheme),
        out: impl AsRef<Path>,
        force: bool,
    ) -> Result<(), Error> {
        save(self, &self.plan(embeddings, linears), &Importance::Equal, (out.as_ref(), force))
    }
}
