//! A classifier's folder with its weights in few bits.

use std::collections::BTreeMap;
use std::path::Path;

use filbert_model::Scheme;
use filbert_model::config::CONFIG_FILE;
use filbert_model::folder::SaveFolder;
use filbert_model::quantized::{Importance, QUANTIZED_FILE, write};
use serde_json::json;

use crate::{Classifier, Error};

/// Writes the classifier's folder with its matrices in few bits, those that `plan` names.
pub(crate) fn save(
    classifier: &Classifier,
    plan: &BTreeMap<String, Scheme>,
    out: &Path,
    force: bool,
) -> Result<(), Error> {
    let folder = SaveFolder::create(out, force)?;
    let config = classifier.network.config.to_json_for_classifier(classifier.task, &classifier.labels);
    folder.write(CONFIG_FILE, config.as_bytes())?;
    write(&folder.file(QUANTIZED_FILE)?, &classifier.network.params, plan, &Importance::Equal)?;
    for (name, bytes) in classifier.tokenizer.files() {
        folder.write(name, bytes)?;
    }
    let mut settings = classifier.settings.clone();
    crate::VERSION.clone_into(&mut settings.filbert_version);
    settings.labels.clone_from(&classifier.labels);
    settings.max_length = Some(classifier.max_length);
    let mut schemes: BTreeMap<&str, usize> = BTreeMap::new();
    for scheme in plan.values() {
        *schemes.entry(scheme.name()).or_default() += 1;
    }
    settings
        .other
        .insert("quantization".to_owned(), json!({"matrices": schemes, "activations": "int8 per token"}));
    folder.commit_with(&settings)?;
    Ok(())
}

impl Classifier {
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
        if self.network.params.has_quantized() {
            return Err(Error::Usage(
                "the model's weights are in few bits already: start from the model it was made from",
            ));
        }
        let (tables, layers) = self.network.quantizable();
        let plan = tables.into_iter().map(|name| (name, embeddings));
        let plan = plan.chain(layers.into_iter().map(|name| (name, linears))).collect();
        save(self, &plan, out.as_ref(), force)
    }
}
