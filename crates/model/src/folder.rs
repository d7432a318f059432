//! The model folder as a whole: which files it has, `filbert.json` with their hashes and what else filbert needs
//! to know, and writing a folder so that a crash leaves the old one or the new one and never a half. A folder
//! without `filbert.json`, as any classifier from the hub is, is accepted with defaults.

mod filbert_json;
pub(crate) mod files;
mod save;

use std::path::{Path, PathBuf};

use crate::config::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::quantized::QUANTIZED_FILE;
use crate::safetensors::WEIGHTS_FILE;
use crate::tokenizer::{TOKENIZER_FILE, TOKENIZER_FILES};

pub use filbert_json::{
    FILBERT_FILE, FORMAT_VERSION, FilbertJson, MAX_FILBERT, MAX_LENGTH, Pooling, UnsureBand,
};
pub use files::{MAX_JSON_DEPTH, MAX_JSON_VALUES, hex, is_plain_name, sha256, sha256_file};
pub use save::{SaveFolder, leftovers};

/// An existing model folder whose `filbert.json`, if there is one, has been read.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    filbert: Option<FilbertJson>,
}

impl Folder {
    /// Opens a model folder: it must have a `config.json`. Where there is a `filbert.json`, the hashes of the files
    /// that inference needs are verified, which reads those files whole.
    ///
    /// # Errors
    /// [`Error::NotAModelFolder`], those of [`FilbertJson::parse`] and of [`Folder::verify`], I/O errors.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Self::open_unverified(path)?;
        folder.verify()?;
        Ok(folder)
    }

    /// [`open`](Self::open) without reading the hashed files.
    ///
    /// # Errors
    /// [`Error::NotAModelFolder`], those of [`FilbertJson::parse`], I/O errors.
    pub fn open_unverified(path: &Path) -> Result<Self> {
        let not = |problem| Error::NotAModelFolder { folder: path.to_path_buf(), problem };
        if !path.exists() {
            return Err(not("it does not exist"));
        }
        if !path.is_dir() {
            return Err(not("it is not a folder"));
        }
        if files::size_if_present(&path.join(CONFIG_FILE))?.is_none() {
            return Err(not("it has no config.json"));
        }
        let filbert = FilbertJson::load(path)?;
        Ok(Self { path: path.to_path_buf(), filbert })
    }

    /// Compares the hashes in `filbert.json` with the files that inference needs: configuration, weights and
    /// tokenizer. Reports and other files may change. Does nothing without `filbert.json`.
    ///
    /// # Errors
    /// [`Error::ListedFileMissing`], [`Error::HashMismatch`]; [`Error::FileUnlisted`] for a `config.json`,
    /// `model.safetensors` or `tokenizer.json` that would be used and is not listed; I/O errors.
    pub fn verify(&self) -> Result<()> {
        let Some(filbert) = &self.filbert else {
            return Ok(());
        };
        for name in [CONFIG_FILE, QUANTIZED_FILE, WEIGHTS_FILE, TOKENIZER_FILE] {
            let file = self.path.join(name);
            if !filbert.files.contains_key(name) && file.exists() {
                return Err(Error::FileUnlisted { file });
            }
        }
        for (name, expected) in filbert.files.iter().filter(|f| is_needed(f.0)) {
            let file = self.path.join(name);
            if files::size_if_present(&file)?.is_none() {
                return Err(Error::ListedFileMissing { file });
            }
            let actual = sha256_file(&file)?;
            if actual != *expected {
                return Err(Error::HashMismatch { file, expected: expected.clone(), actual });
            }
        }
        Ok(())
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `filbert.json` says; `None` where there is none.
    pub fn filbert(&self) -> Option<&FilbertJson> {
        self.filbert.as_ref()
    }

    /// What `filbert.json` says, or the defaults.
    pub fn filbert_or_default(&self) -> FilbertJson {
        self.filbert.clone().unwrap_or_default()
    }
}

/// Whether inference reads this file.
fn is_needed(name: &str) -> bool {
    name == CONFIG_FILE
        || TOKENIZER_FILES.contains(&name)
        || name.ends_with(".safetensors")
        || name.ends_with(".safetensors.index.json")
}
