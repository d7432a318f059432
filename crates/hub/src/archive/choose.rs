//! Which folder of an archive is the checkpoint, and which of its files are taken.

use super::{Entry, judge_sizes};
use crate::error::{ArchiveFault, shown};
use crate::files::{self, CONFIG, INDEX, IndexFault, SMALL, TOKENIZERS, WEIGHTS};
use crate::settings::Limits;
use std::collections::BTreeMap;

/// Most folders that a message lists.
const MOST_LISTED: usize = 10;

/// The files directly in one folder, by name.
type Folder<'a> = BTreeMap<&'a str, &'a Entry>;

/// The entries to unpack, with the names they get, the weights or their index last. `read_index` reads a small entry.
pub(crate) fn checkpoint(
    entries: &[Entry],
    inside: Option<&str>,
    limits: &Limits,
    read_index: impl FnOnce(&Entry) -> Result<Vec<u8>, ArchiveFault>,
) -> Result<Vec<(Entry, String)>, ArchiveFault> {
    let mut folders: BTreeMap<&str, Folder> = BTreeMap::new();
    for entry in entries {
        let (folder, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        folders.entry(folder).or_default().insert(name, entry);
    }
    folders.retain(|_, files| files.contains_key(CONFIG) && has_weights(files));
    let (path, folder) = pick(&folders, entries, inside)?;
    let here = display(path);
    if !TOKENIZERS.iter().any(|name| folder.contains_key(name)) {
        return Err(ArchiveFault::NoTokenizer(here));
    }
    let mut names: Vec<String> =
        SMALL.iter().filter(|name| folder.contains_key(**name)).map(|name| (*name).to_owned()).collect();
    if folder.contains_key(WEIGHTS) {
        names.push(WEIGHTS.into());
    } else {
        names.extend(shards(folder, &here, read_index)?);
        names.push(INDEX.into());
    }
    let chosen: Vec<_> = names.into_iter().map(|name| ((*folder[name.as_str()]).clone(), name)).collect();
    judge_sizes(&chosen, limits)?;
    Ok(chosen)
}

fn has_weights(files: &Folder) -> bool {
    files.contains_key(WEIGHTS) || files.contains_key(INDEX)
}

fn pick<'a>(
    folders: &'a BTreeMap<&str, Folder<'a>>,
    entries: &[Entry],
    inside: Option<&str>,
) -> Result<(&'a str, &'a Folder<'a>), ArchiveFault> {
    let Some((first, folder)) = folders.iter().next() else {
        let name = |entry: &Entry| entry.path.rsplit('/').next().is_some_and(files::is_pickled);
        let pickled = entries.iter().find(|entry| name(entry));
        return Err(
            pickled.map_or(ArchiveFault::NoCheckpoint, |entry| ArchiveFault::Pickled(shown(&entry.path)))
        );
    };
    match inside.map(|inside| inside.trim_start_matches("./").trim_matches('/')) {
        None if folders.len() == 1 => Ok((first, folder)),
        None => Err(ArchiveFault::Several(list(folders))),
        Some(wanted) => {
            let wanted = if wanted == "." { "" } else { wanted };
            let found = folders.get_key_value(wanted).map(|(path, folder)| (*path, folder));
            found.ok_or_else(|| ArchiveFault::NoSuchFolder { folder: shown(wanted), found: list(folders) })
        }
    }
}

fn shards(
    folder: &Folder,
    here: &str,
    read_index: impl FnOnce(&Entry) -> Result<Vec<u8>, ArchiveFault>,
) -> Result<Vec<String>, ArchiveFault> {
    let bad = |why| ArchiveFault::BadIndex { folder: here.to_owned(), why };
    let names = files::shards(&read_index(folder[INDEX])?).map_err(|fault| match fault {
        IndexFault::Unreadable(why) => bad(why),
        IndexFault::BadName(name) => bad(format!("{} is not a plain *.safetensors name", shown(&name))),
    })?;
    match names.iter().find(|name| !folder.contains_key(name.as_str())) {
        Some(missing) => Err(bad(format!("{missing} is not there"))),
        None => Ok(names),
    }
}

fn display(path: &str) -> String {
    shown(if path.is_empty() { "." } else { path })
}

fn list(folders: &BTreeMap<&str, Folder>) -> String {
    let mut text = folders.keys().take(MOST_LISTED).map(|path| display(path)).collect::<Vec<_>>().join(", ");
    if folders.len() > MOST_LISTED {
        text.push_str(", …");
    }
    text
}
