//! Finds the checkpoint in an archive and unpacks its files, and nothing else, into an empty folder.
//!
//! The kind is told by content. Every entry's name and type is judged before anything is written; one bad entry
//! condemns the archive. Sizes are bounded as declared and as they come out.

mod choose;
mod names;
mod tar;
mod zip;

use crate::disk::{self, CHUNK};
use crate::error::{ArchiveFault, Error, shown};
use crate::files;
use crate::progress::Progress;
use crate::settings::Limits;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Its position among the archive's entries.
    index: usize,
    /// Its validated path, parts separated by `/`.
    path: String,
    /// Its declared size in bytes.
    size: u64,
}

/// A file that was unpacked.
#[derive(Debug)]
pub(crate) struct Extracted {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Where bytes go wrong: in the archive, or on this machine's disk.
enum Trouble {
    Fault(ArchiveFault),
    Disk(Error),
}

impl From<ArchiveFault> for Trouble {
    fn from(fault: ArchiveFault) -> Self {
        Self::Fault(fault)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zip,
    Tar,
    TarGz,
}

/// Unpacks the checkpoint in `inside` (a folder of the archive; the only one where not given) into `target`, an
/// existing empty folder.
pub(crate) fn unpack(
    archive: &Path,
    inside: Option<&str>,
    target: &Path,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<Vec<Extracted>, Error> {
    unpack_or_trouble(archive, inside, target, limits, progress).map_err(|trouble| match trouble {
        Trouble::Fault(fault) => Error::Archive { archive: archive.into(), fault },
        Trouble::Disk(error) => error,
    })
}

fn unpack_or_trouble(
    archive: &Path,
    inside: Option<&str>,
    target: &Path,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<Vec<Extracted>, Trouble> {
    let mut file = File::open(archive).map_err(|error| Trouble::Disk(Error::disk("open", archive)(error)))?;
    let kind = kind(&mut file, archive).map_err(unreadable)?;
    let entries = match kind.ok_or(ArchiveFault::NotAnArchive)? {
        Kind::Zip => {
            let mut reader = zip::Reader::open(file, limits)?;
            let entries = reader.entries()?;
            let read_index = |entry: &Entry| reader.read_small(entry, limits);
            let chosen = choose::checkpoint(&entries, inside, limits, read_index)?;
            return reader.extract(&chosen, target, progress);
        }
        Kind::Tar => tar::Source::plain(file, archive, limits)?,
        Kind::TarGz => tar::Source::gzip(file, archive, limits)?,
    };
    let mut source = entries;
    let entries = source.entries()?;
    let chosen = choose::checkpoint(&entries, inside, limits, |entry| source.read_small(entry))?;
    source.extract(&chosen, target, progress)
}

/// Tells the kind by the first bytes; a tar of the oldest kind has no mark and is believed by its name.
fn kind(file: &mut File, path: &Path) -> io::Result<Option<Kind>> {
    let mut head = Vec::new();
    file.take(512).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let named_tar = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tar"));
    Ok(if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Some(Kind::Zip)
    } else if head.starts_with(&[0x1f, 0x8b]) {
        Some(Kind::TarGz)
    } else if head.get(257..262) == Some(b"ustar") || (named_tar && head.len() == 512) {
        Some(Kind::Tar)
    } else {
        None
    })
}

fn unreadable(error: impl std::fmt::Display) -> ArchiveFault {
    let text: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
    ArchiveFault::Unreadable(text)
}

fn too_large(what: impl Into<String>, limit: u64) -> ArchiveFault {
    ArchiveFault::TooLarge { what: what.into(), limit }
}

/// Refuses chosen files that are too large, each for its kind and all together, as the archive declares them.
fn judge_sizes(chosen: &[(Entry, String)], limits: &Limits) -> Result<(), ArchiveFault> {
    let mut total = 0_u64;
    for (entry, name) in chosen {
        let limit = files::limit(name, limits);
        if entry.size > limit {
            return Err(too_large(format!("entry {} of {} bytes", shown(&entry.path), entry.size), limit));
        }
        total = total.saturating_add(entry.size);
    }
    if total > limits.archive_total {
        return Err(too_large(format!("the checkpoint of {total} bytes"), limits.archive_total));
    }
    Ok(())
}

/// Copies one entry to `target/name`, exactly as long as declared.
fn copy_entry(
    mut reader: impl Read,
    entry: &Entry,
    name: &str,
    target: &Path,
    progress: &mut dyn Progress,
) -> Result<Extracted, Trouble> {
    let path = target.join(name);
    let disk_error = |error| Trouble::Disk(Error::disk("write", &path)(error));
    let mut file = File::create_new(&path).map_err(disk_error)?;
    progress.start(name, Some(entry.size));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fault_of(error).into()),
        };
        bytes += n as u64;
        if bytes > entry.size {
            return Err(unreadable(format!("{} is longer than declared", shown(&entry.path))).into());
        }
        file.write_all(&buffer[..n]).map_err(disk_error)?;
        hasher.update(&buffer[..n]);
        progress.advance(n as u64);
    }
    if bytes < entry.size {
        return Err(unreadable(format!("{} is shorter than declared", shown(&entry.path))).into());
    }
    file.sync_all().map_err(disk_error)?;
    progress.finish();
    Ok(Extracted { name: name.into(), bytes, sha256: disk::hex(&hasher.finalize()) })
}

/// A whole small entry.
fn read_entry(reader: impl Read, entry: &Entry, limits: &Limits) -> Result<Vec<u8>, ArchiveFault> {
    if entry.size > limits.small_file {
        return Err(too_large(format!("entry {}", shown(&entry.path)), limits.small_file));
    }
    let mut bytes = Vec::new();
    reader.take(entry.size).read_to_end(&mut bytes).map_err(fault_of)?;
    Ok(bytes)
}

/// Carries a limit's fault through an interface that knows only [`io::Error`].
#[derive(Debug)]
struct Carried(std::sync::Mutex<Option<ArchiveFault>>);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a limit was reached")
    }
}

impl std::error::Error for Carried {}

fn carry(fault: ArchiveFault) -> io::Error {
    io::Error::other(Carried(std::sync::Mutex::new(Some(fault))))
}

/// The fault behind a read error.
fn fault_of(error: io::Error) -> ArchiveFault {
    let carried = error.get_ref().and_then(|inner| inner.downcast_ref::<Carried>());
    let fault = carried.and_then(|carried| carried.0.lock().ok().and_then(|mut fault| fault.take()));
    fault.unwrap_or_else(|| unreadable(error))
}
