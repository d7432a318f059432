//! The folder of a trained classifier.

use std::collections::BTreeMap;
use std::path::Path;

use filbert_model::config::CONFIG_FILE;
use filbert_model::folder::SaveFolder;
use filbert_model::safetensors::{WEIGHTS_FILE, write};

use crate::{Error, Trained};

/// Writes the folder of a trained classifier.
pub(crate) fn save(trained: &Trained, out: &Path, force: bool) -> Result<(), Error> {
    let classifier = &trained.classifier;
    let folder = SaveFolder::create(out, force)?;
    let config = classifier.network.config.to_json_for_classifier(classifier.task, &classifier.labels);
    folder.write(CONFIG_FILE, config.as_bytes())?;
    let tensors: Vec<(&str, &[usize], &[f32])> = classifier
        .network
        .params
        .iter()
        .map(|(_, p)| (p.name.as_str(), p.shape.as_slice(), p.value.as_slice()))
        .collect();
    write(&folder.file(WEIGHTS_FILE)?, &tensors, &BTreeMap::new())?;
    for (name, bytes) in classifier.tokenizer.files() {
        folder.write(name, bytes)?;
    }
    folder.write("metrics.json", format!("{:#}\n", trained.metrics.to_json()).as_bytes())?;
    folder.write("report.html", filbert_report::render(&trained.page).as_bytes())?;
    folder.commit_with(&classifier.settings)?;
    Ok(())
}

/// Writes the adapters alone, as PEFT does, with the tokenizer beside them.
pub(crate) fn save_adapter(trained: &Trained, out: &Path, force: bool) -> Result<(), Error> {
    let (Some(network), Some(lora)) = (&trained.adapter, &trained.lora) else {
        return Err(Error::Usage("no adapters were trained; --lora RANK trains them"));
    };
    let folder = SaveFolder::create_adapter(out, force)?;
    let base = trained.classifier.settings.training["model"].as_str().unwrap_or_default().to_owned();
    network.save_adapter(lora, &base, folder.path())?;
    for (name, bytes) in trained.classifier.tokenizer.files() {
        folder.write(name, bytes)?;
    }
    folder.commit()?;
    Ok(())
}
