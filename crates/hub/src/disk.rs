//! Small file operations that survive a crash: written whole, flushed, then renamed; and locks that die with their
//! holder.

use crate::error::Error;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Size of the buffer between source and disk.
pub(crate) const CHUNK: usize = 1 << 16;
/// Wait between two looks at a lock that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of a file, lower-case hex.
pub(crate) fn sha256_file(path: &Path) -> Result<String, Error> {
    let mut hasher = Sha256::new();
    hash_into(path, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

/// Feeds a file to `hasher` and returns its length in bytes.
pub(crate) fn hash_into(path: &Path, hasher: &mut Sha256) -> Result<u64, Error> {
    let mut file = File::open(path).map_err(Error::disk("open", path))?;
    let mut buffer = vec![0; CHUNK];
    let mut length = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(length),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                length += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::disk("read", path)(error)),
        }
    }
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(Error::disk("open", path))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::disk("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { what: path.display().to_string(), limit });
    }
    Ok(bytes)
}

pub(crate) fn create_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::disk("create the folder", path))
}

/// Flushes a folder's entries; only Unix can.
pub(crate) fn sync_folder(path: &Path) {
    if cfg!(unix)
        && let Ok(folder) = File::open(path)
    {
        // Some file systems refuse to flush folders; the rename itself has happened.
        let _ = folder.sync_all();
    }
}

/// Renames `from` over `to` and flushes the folder.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::disk("rename a finished file to", to))?;
    if let Some(folder) = to.parent() {
        sync_folder(folder);
    }
    Ok(())
}

/// A sibling of `path` that no other process writes.
pub(crate) fn scratch(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// Replaces `path` by a file with these bytes, all or nothing.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let scratch = scratch(path);
    let written = File::create(&scratch).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(Error::disk("write", &scratch))?;
    rename(&scratch, path)
}

/// Removes a file, present or not.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::disk("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder and what is in it, present or not.
pub(crate) fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::disk("remove", path)(error)),
        _ => Ok(()),
    }
}

/// An advisory lock; freed when dropped, also by a crash. The same call and the same files as Python's hub client
/// uses on Unix, so both wait for each other.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its drop")] File);

impl Lock {
    /// Takes the lock at `path`, waiting at most `patience`. A file system without locks lets everyone in.
    pub(crate) fn take(path: &Path, patience: Duration) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = open.map_err(Error::disk("open the lock", path))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if start.elapsed() < patience => std::thread::sleep(LOCK_POLL),
                Err(TryLockError::WouldBlock) => return Err(Error::Busy { lock: path.into() }),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(Self(file));
                }
                Err(TryLockError::Error(error)) => return Err(Error::disk("lock", path)(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_keeps_others_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.lock");
        let short = Duration::from_millis(10);
        let held = Lock::take(&path, short).unwrap();
        assert!(matches!(Lock::take(&path, short), Err(Error::Busy { .. })));
        drop(held);
        assert!(Lock::take(&path, short).is_ok());
    }

    #[test]
    fn disk_errors_name_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = write_whole(&file.join("below"), b"y").unwrap_err();
        assert!(matches!(error, Error::Disk { .. }) && error.to_string().contains("file"), "{error}");
        assert!(matches!(read_bounded(&file, 0), Err(Error::TooLarge { .. })));
    }
}
