//! What an argument means: a path that exists wins, then an alias, then a hub id.

use crate::catalogue::{self, Alias};
use crate::error::{Error, shown};
use crate::id::HubId;
use std::path::{Path, PathBuf};

/// What a `--model` or `pull` argument stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// A folder that exists.
    Folder(PathBuf),
    /// A file that exists, taken for an archive; its content is looked at when it is opened.
    Archive {
        /// The file.
        path: PathBuf,
        /// The folder inside to take, from `ARCHIVE#FOLDER`.
        inside: Option<String>,
    },
    /// A repository on the hub.
    Hub {
        /// Where it is.
        id: HubId,
        /// The short name it was given by.
        alias: Option<&'static Alias>,
    },
}

/// Endings that make an argument a file name even where nothing is there.
const ARCHIVE_ENDINGS: [&str; 5] = [".zip", ".whl", ".tar", ".tar.gz", ".tgz"];

/// Says what `model` means. Looks at the file system, never at the network. An alias may carry a revision too
/// (`minilm-l6@main`).
///
/// # Errors
/// [`Error::NoSuchPath`] for what is written as a path and is not there, [`Error::BadHubId`] for a malformed
/// `owner/name`, [`Error::UnknownModel`] for anything else.
pub fn interpret(model: &str) -> Result<Wanted, Error> {
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(Wanted::Folder(path.into()));
    }
    if path.is_file() {
        return Ok(Wanted::Archive { path: path.into(), inside: None });
    }
    if let Some((file, inside)) = model.rsplit_once('#')
        && Path::new(file).is_file()
    {
        return Ok(Wanted::Archive { path: file.into(), inside: Some(inside.into()) });
    }
    let (name, revision) =
        model.split_once('@').map_or((model, None), |(name, revision)| (name, Some(revision)));
    if let Some(alias) = catalogue::alias(name) {
        let id = match revision {
            Some(revision) => HubId::parse(&format!("{}@{revision}", alias.hub_id))?,
            None => HubId::parse(alias.hub_id)?,
        };
        return Ok(Wanted::Hub { id, alias: Some(alias) });
    }
    if written_as_path(model) {
        return Err(Error::NoSuchPath { path: shown(model) });
    }
    if model.contains('/') {
        return HubId::parse(model).map(|id| Wanted::Hub { id, alias: None });
    }
    Err(Error::UnknownModel {
        model: shown(model),
        aliases: catalogue::names(),
        nearest: catalogue::nearest(model),
    })
}

fn written_as_path(model: &str) -> bool {
    let lower = model.to_ascii_lowercase();
    let file = lower.split('#').next().unwrap_or_default();
    model.starts_with(['/', '.', '~'])
        || model.contains('\\')
        || model.ends_with('/')
        || model.matches('/').count() > 1 && !model.contains('@')
        || ARCHIVE_ENDINGS.iter().any(|ending| file.ends_with(ending))
}
