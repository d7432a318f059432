//! The two entry points: [`resolve`] prefers the cache, [`pull`] asks for the newest.

use crate::cache::{Repo, Snapshot};
use crate::catalogue::Alias;
use crate::error::Error;
use crate::hub;
use crate::id::HubId;
use crate::local;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::wanted::{Wanted, interpret};
use std::path::PathBuf;

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The folder with config.json, the weights and the tokenizer.
    pub folder: PathBuf,
    /// Where it came from, for people: the folder, the archive, or `owner/name@revision`.
    pub source: String,
    /// The commit on the hub, or the archive's SHA-256; none for a plain folder. A checkpoint that an archive
    /// brought into the cache under a hub id has the first 40 digits of the archive's SHA-256 as its commit.
    pub revision: Option<String>,
    /// Whether it was there already.
    pub from_cache: bool,
}

/// One file of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PulledFile {
    /// Its name in the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, lower-case hex; none if the file was in the cache and was not read.
    pub sha256: Option<String>,
    /// Whether its content was in the cache already.
    pub from_cache: bool,
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pulled {
    /// Where the model is now.
    pub resolved: Resolved,
    /// The files that were fetched or unpacked; empty if nothing was new.
    pub files: Vec<PulledFile>,
    /// Bytes written, the sum over files that were not in the cache.
    pub bytes: u64,
    /// The short name by which the model can be had from now on, without network.
    pub alias: Option<&'static Alias>,
}

/// Finds the folder of `model` (see [`interpret`]): a folder is itself, an archive is unpacked once, a hub id comes
/// from the cache where it is whole (no request is made then) and from the hub otherwise.
///
/// # Errors
/// What [`interpret`] says; [`Error::Offline`] if the cache lacks it and the network is off; errors of the network,
/// the disk and the archive.
pub fn resolve(model: &str, settings: &Settings, progress: &mut dyn Progress) -> Result<Resolved, Error> {
    match interpret(model)? {
        Wanted::Hub { id, .. } => match Repo::hub(settings, &id).at(id.revision()) {
            Some(snapshot) => Ok(on_hub(&id, snapshot, true)),
            None => Ok(from_hub(&id, settings, progress)?.0),
        },
        other => Ok(obtain(other, settings, progress)?.resolved),
    }
}

/// Like [`resolve`], but asks the hub for the newest commit of the revision even if an older one is cached, and says
/// what was fetched.
///
/// # Errors
/// Those of [`resolve`]; a hub id with the network off is [`Error::Offline`], cached or not.
pub fn pull(model: &str, settings: &Settings, progress: &mut dyn Progress) -> Result<Pulled, Error> {
    obtain(interpret(model)?, settings, progress)
}

fn obtain(wanted: Wanted, settings: &Settings, progress: &mut dyn Progress) -> Result<Pulled, Error> {
    match wanted {
        Wanted::Folder(folder) => Ok(Pulled {
            resolved: Resolved {
                source: folder.display().to_string(),
                folder,
                revision: None,
                from_cache: true,
            },
            files: Vec::new(),
            bytes: 0,
            alias: None,
        }),
        Wanted::Archive { path, inside } => local::unpack(&path, inside.as_deref(), settings, progress),
        Wanted::Hub { id, alias } => {
            let (resolved, files) = from_hub(&id, settings, progress)?;
            let bytes = files.iter().filter(|file| !file.from_cache).map(|file| file.bytes).sum();
            Ok(Pulled { resolved, files, bytes, alias })
        }
    }
}

fn from_hub(
    id: &HubId,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<(Resolved, Vec<PulledFile>), Error> {
    if settings.offline {
        return Err(Error::Offline { model: id.to_string(), cache: settings.cache.clone() });
    }
    let (snapshot, files) = hub::download(id, settings, progress)?;
    let cached = files.iter().all(|file| file.from_cache);
    Ok((on_hub(id, snapshot, cached), files))
}

fn on_hub(id: &HubId, snapshot: Snapshot, from_cache: bool) -> Resolved {
    Resolved {
        folder: snapshot.folder,
        source: format!("{}@{}", id.repository(), id.revision()),
        revision: Some(snapshot.commit),
        from_cache,
    }
}
