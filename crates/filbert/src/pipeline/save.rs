//! The folder of a trained classifier.

use std::path::Path;

use filbert_model::folder::SaveFolder;
use filbert_model::quantized::Importance;

use crate::quantize::{Plan, write_files};
use crate::{Error, Trained};

/// Writes the folder of a trained classifier.
pub(crate) fn save(trained: &Trained, out: &Path, force: bool) -> Result<(), Error> {
    let classifier = &trained.classifier;
    let folder = SaveFolder::create(out, force)?;
    write_files(classifier, &Plan::new(), &Importance::Equal, &folder)?;
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
