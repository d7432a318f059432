//! Writing a model folder. Everything is written to a hidden folder beside the output; `commit` flushes it to disk
//! and renames it into place. A folder that is replaced is first renamed aside, so that at every moment the old or
//! the new one is whole on disk under a name that says what it is, and it is only removed once the new one stands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::files::{is_plain_name, sha256_file};
use super::{FILBERT_FILE, FilbertJson};
use crate::config::CONFIG_FILE;
use crate::error::{Error, Result, io};
use crate::lora::{ADAPTER_CONFIG, ADAPTER_WEIGHTS};
use crate::quantized::QUANTIZED_FILE;
use crate::safetensors::{INDEX_FILE, WEIGHTS_FILE};

/// Names tried for a temporary folder.
const ATTEMPTS: u32 = 1_000;
const NEW: &str = "filbert-new";
const OLD: &str = "filbert-old";

/// A model folder that is being written. Dropped without [`commit`](Self::commit), it removes what it wrote and
/// leaves the output as it was.
#[derive(Debug)]
pub struct SaveFolder {
    out: PathBuf,
    temporary: PathBuf,
    force: bool,
    kind: Kind,
    committed: bool,
}

/// What a folder is recognized by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Adapter,
}

impl SaveFolder {
    /// Begins to write the model folder `out`, whose parent folders are created where they are missing.
    ///
    /// # Errors
    /// [`Error::OutputExists`] where `out` is a folder with files in it and `force` is not set;
    /// [`Error::OutputProtected`], whatever `force` says, where `out` is the root, the current folder or one around
    /// it, a symbolic link, a file, or a folder that is not recognizably a model; I/O errors.
    pub fn create(out: &Path, force: bool) -> Result<Self> {
        Self::begin(out, force, Kind::Model)
    }

    /// The same for a folder that holds adapters alone: what it may replace is another such folder.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub fn create_adapter(out: &Path, force: bool) -> Result<Self> {
        Self::begin(out, force, Kind::Adapter)
    }

    fn begin(out: &Path, force: bool, kind: Kind) -> Result<Self> {
        check_output(out, force, kind)?;
        let parent = parent(out);
        fs::create_dir_all(parent).map_err(io("create", parent))?;
        for attempt in 0..ATTEMPTS {
            let temporary = sibling(out, NEW, attempt);
            match fs::create_dir(&temporary) {
                Ok(()) => {
                    return Ok(Self { out: out.to_path_buf(), temporary, force, kind, committed: false });
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io("create", &temporary)(e)),
            }
        }
        Err(io("create", &sibling(out, NEW, 0))(ErrorKind::AlreadyExists.into()))
    }

    /// The folder that is being written.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// The path at which to write a file of the model.
    ///
    /// # Errors
    /// [`Error::NotAPlainName`].
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        if is_plain_name(name) {
            return Ok(self.temporary.join(name));
        }
        Err(Error::NotAPlainName { file: self.out.clone(), name: name.to_owned() })
    }

    /// Writes a small file of the model.
    ///
    /// # Errors
    /// [`Error::NotAPlainName`], I/O errors.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.file(name)?;
        fs::write(&path, bytes).map_err(io("write", &path))
    }

    /// SHA-256 of every file written so far but `filbert.json`, by name.
    ///
    /// # Errors
    /// I/O errors.
    pub fn hashes(&self) -> Result<BTreeMap<String, String>> {
        let mut hashes = BTreeMap::new();
        for path in entries(&self.temporary)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name != FILBERT_FILE {
                hashes.insert(name, sha256_file(&path)?);
            }
        }
        Ok(hashes)
    }

    /// Writes `filbert.json` with the hashes of all files written so far, then commits.
    ///
    /// # Errors
    /// Those of [`hashes`](Self::hashes) and [`commit`](Self::commit).
    pub fn commit_with(self, filbert: &FilbertJson) -> Result<()> {
        let filbert = FilbertJson { files: self.hashes()?, ..filbert.clone() };
        self.write(FILBERT_FILE, filbert.to_json().as_bytes())?;
        self.commit()
    }

    /// Flushes everything to disk and puts the folder in its place.
    ///
    /// # Errors
    /// Those of [`create`](Self::create), where the output has changed meanwhile; I/O errors. In every case but
    /// [`Error::OldNotRemoved`] the output is what it was before.
    pub fn commit(mut self) -> Result<()> {
        for path in entries(&self.temporary)? {
            File::open(&path).and_then(|f| f.sync_all()).map_err(io("flush", &path))?;
        }
        sync_folder(&self.temporary)?;
        check_output(&self.out, self.force, self.kind)?;
        let old = self.set_old_aside()?;
        if let Err(e) = fs::rename(&self.temporary, &self.out) {
            if let Some(old) = &old {
                fs::rename(old, &self.out).map_err(io("put back", old))?;
            }
            return Err(io("create", &self.out)(e));
        }
        self.committed = true;
        sync_folder(parent(&self.out))?;
        match old {
            Some(folder) => {
                fs::remove_dir_all(&folder).map_err(|source| Error::OldNotRemoved { folder, source })
            }
            None => Ok(()),
        }
    }

    /// Renames an existing output aside, or removes it where it is empty.
    fn set_old_aside(&self) -> Result<Option<PathBuf>> {
        if fs::symlink_metadata(&self.out).is_err() {
            return Ok(None);
        }
        // Removes empty folders only.
        if fs::remove_dir(&self.out).is_ok() {
            return Ok(None);
        }
        let free =
            (0..ATTEMPTS).map(|i| sibling(&self.out, OLD, i)).find(|p| fs::symlink_metadata(p).is_err());
        let old = free.unwrap_or_else(|| sibling(&self.out, OLD, ATTEMPTS));
        fs::rename(&self.out, &old).map_err(io("set aside", &self.out))?;
        Ok(Some(old))
    }
}

impl Drop for SaveFolder {
    fn drop(&mut self) {
        if !self.committed {
            // There is no one to tell; the name says what the folder is.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// What crashed attempts to write `out` left beside it, as far as it can be read: half-written folders
/// (`.NAME.filbert-new-*`) and replaced ones (`.NAME.filbert-old-*`), which may be the only whole copy.
pub fn leftovers(out: &Path) -> Vec<PathBuf> {
    let Some(name) = out.file_name().map(|n| n.to_string_lossy()) else {
        return Vec::new();
    };
    let starts = [NEW, OLD].map(|kind| format!(".{name}.{kind}-"));
    let mut found = entries(parent(out)).unwrap_or_default();
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        starts.iter().any(|s| name.starts_with(s.as_str()))
    });
    found
}

/// `.NAME.KIND-PROCESS-ATTEMPT` beside `out`.
fn sibling(out: &Path, kind: &str, attempt: u32) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(out.file_name().unwrap_or_default());
    name.push(format!(".{kind}-{}-{attempt}", std::process::id()));
    parent(out).join(name)
}

fn parent(out: &Path) -> &Path {
    match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The paths in a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = fs::read_dir(folder).map_err(io("list", folder))?;
    let mut paths = list.map(|e| Ok(e.map_err(io("list", folder))?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Flushes a folder's entries to disk. Windows has no such call and does not need it.
fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(io("flush", folder))?;
    }
    Ok(())
}

/// Whether `out` may be written, and replaced where it exists.
fn check_output(out: &Path, force: bool, kind: Kind) -> Result<()> {
    let protected = |problem| Err(Error::OutputProtected { folder: out.to_path_buf(), problem });
    if !matches!(out.components().next_back(), Some(Component::Normal(_))) {
        return protected("the output must be a named folder, not the root, `.` or `..`");
    }
    let meta = match fs::symlink_metadata(out) {
        Ok(meta) => meta,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io("open", out)(e)),
    };
    if meta.file_type().is_symlink() {
        return protected("it is a symbolic link; name the folder itself");
    }
    if !meta.is_dir() {
        return protected("it is a file, not a folder");
    }
    let real = out.canonicalize().map_err(io("open", out))?;
    if real.parent().is_none() {
        return protected("it is the root");
    }
    if std::env::current_dir().and_then(|d| d.canonicalize()).is_ok_and(|d| d.starts_with(&real)) {
        return protected("the current folder is in it");
    }
    if fs::read_dir(out).map_err(io("list", out))?.next().is_none() {
        return Ok(());
    }
    if !force {
        return Err(Error::OutputExists { folder: out.to_path_buf() });
    }
    // Many programs have a config.json; a model has weights beside it.
    let has = |name: &str| out.join(name).is_file();
    let model = match kind {
        Kind::Model => {
            has(FILBERT_FILE)
                || (has(CONFIG_FILE) && (has(WEIGHTS_FILE) || has(INDEX_FILE) || has(QUANTIZED_FILE)))
        }
        Kind::Adapter => has(ADAPTER_CONFIG) && has(ADAPTER_WEIGHTS),
    };
    if !model || out.join(".git").exists() {
        return protected("it does not look like a model folder; remove it yourself if it may go");
    }
    Ok(())
}
