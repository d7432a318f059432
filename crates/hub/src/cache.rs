//! The hub cache on disk, in the layout that `huggingface_hub` defines:
//! `models--owner--name/{blobs/<etag>, refs/<revision>, snapshots/<commit>/<file> -> ../../blobs/<etag>}`.
//! Locks lie in `.locks/<repository>/` beside the repositories.

use crate::disk::{self, Lock};
use crate::error::Error;
use crate::files;
use crate::id::HubId;
use crate::settings::Settings;
use std::fs;
use std::path::{Path, PathBuf};

/// A ref file holds one commit; anything longer is not one.
const MAX_REF: u64 = 256;

/// One repository's folder in the cache.
pub(crate) struct Repo<'a> {
    settings: &'a Settings,
    folder: String,
}

/// A snapshot with every file that inference needs.
pub(crate) struct Snapshot {
    pub(crate) folder: PathBuf,
    pub(crate) commit: String,
}

impl<'a> Repo<'a> {
    pub(crate) fn hub(settings: &'a Settings, id: &HubId) -> Self {
        Self { settings, folder: id.cache_folder() }
    }

    /// The repository of an unpacked archive; `stem` holds only characters that are safe in a file name.
    pub(crate) fn local(settings: &'a Settings, stem: &str) -> Self {
        Self { settings, folder: format!("models--local--{stem}") }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.settings.cache.join(&self.folder)
    }

    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.root().join("blobs").join(etag)
    }

    /// Where a blob grows until it is whole.
    pub(crate) fn partial(&self, etag: &str) -> PathBuf {
        self.root().join("blobs").join(format!("{etag}.incomplete"))
    }

    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root().join("snapshots").join(commit)
    }

    pub(crate) fn lock(&self, name: &str) -> Result<Lock, Error> {
        let path = self.settings.cache.join(".locks").join(&self.folder).join(format!("{name}.lock"));
        Lock::take(&path, self.settings.timeouts.lock)
    }

    /// The commit that a revision stood for when it was last looked up.
    pub(crate) fn read_ref(&self, revision: &str) -> Option<String> {
        let text = disk::read_bounded(&self.root().join("refs").join(revision), MAX_REF).ok()?;
        let commit = String::from_utf8(text).ok()?.trim().to_owned();
        let plain = !commit.is_empty() && commit.bytes().all(|b| b.is_ascii_alphanumeric());
        plain.then_some(commit)
    }

    pub(crate) fn write_ref(&self, revision: &str, commit: &str) -> Result<(), Error> {
        if self.read_ref(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        disk::write_whole(&self.root().join("refs").join(revision), commit.as_bytes())
    }

    /// The snapshot of `commit`, if whole.
    pub(crate) fn at_commit(&self, commit: &str) -> Option<Snapshot> {
        let folder = self.snapshot(commit);
        files::is_complete(&folder, &self.settings.limits).then(|| Snapshot { folder, commit: commit.into() })
    }

    /// The snapshot that a revision (a ref or a commit) stands for, if whole.
    pub(crate) fn at(&self, revision: &str) -> Option<Snapshot> {
        let commit = self.read_ref(revision);
        self.at_commit(commit.as_deref().unwrap_or(revision))
    }

    /// Makes `snapshots/<commit>/<name>` stand for the blob: a relative link, or a copy where links are not to be had.
    pub(crate) fn link(&self, commit: &str, name: &str, etag: &str) -> Result<(), Error> {
        let folder = self.snapshot(commit);
        disk::create_folder(&folder)?;
        let target = folder.join(name);
        let source = Path::new("..").join("..").join("blobs").join(etag);
        if fs::read_link(&target).is_ok_and(|link| link == source) {
            return Ok(());
        }
        let scratch = disk::scratch(&target);
        disk::remove(&scratch)?;
        if symlink(&source, &scratch).is_err() {
            let blob = self.blob(etag);
            fs::copy(&blob, &scratch).map_err(Error::disk("copy a finished file to", &scratch))?;
        }
        disk::rename(&scratch, &target)
    }
}

#[cfg(unix)]
fn symlink(source: &Path, target: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(source, target)
}

#[cfg(not(unix))]
fn symlink(_source: &Path, _target: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_validated() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::new(dir.path());
        let repo = Repo::hub(&settings, &HubId::parse("a/b").unwrap());
        assert_eq!(repo.read_ref("main"), None);
        repo.write_ref("refs/pr/1", "abc").unwrap();
        assert_eq!(repo.read_ref("refs/pr/1").as_deref(), Some("abc"));
        for bad in ["", "../../x", "a/b", "a b", "\u{e9}"] {
            fs::create_dir_all(repo.root().join("refs")).unwrap();
            fs::write(repo.root().join("refs/main"), bad).unwrap();
            assert_eq!(repo.read_ref("main"), None, "{bad:?}");
        }
        fs::write(repo.root().join("refs/main"), "a".repeat(10_000)).unwrap();
        assert_eq!(repo.read_ref("main"), None);
    }

    #[test]
    fn links_replace_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::new(dir.path());
        let repo = Repo::hub(&settings, &HubId::parse("a/b").unwrap());
        fs::create_dir_all(repo.root().join("blobs")).unwrap();
        fs::write(repo.blob("one"), "1").unwrap();
        fs::write(repo.blob("two"), "2").unwrap();
        for (etag, want) in [("one", "1"), ("one", "1"), ("two", "2")] {
            repo.link("c", "config.json", etag).unwrap();
            assert_eq!(fs::read_to_string(repo.snapshot("c").join("config.json")).unwrap(), want);
        }
        assert_eq!(fs::read_dir(repo.snapshot("c")).unwrap().count(), 1);
    }
}
