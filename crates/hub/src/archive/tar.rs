//! Tar archives, plain or gzipped: read front to back, once to judge every entry and once more for each pass over
//! the chosen files. Long names come as entries of their own, which are read here so that their size is bounded.

use super::names::{self, Names};
use super::{Entry, Extracted, Trouble, carry, copy_entry, fault_of, read_entry, too_large, unreadable};
use crate::error::{ArchiveFault, shown};
use crate::progress::Progress;
use crate::settings::Limits;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;
use tar::{Archive, EntryType};

/// Most bytes of an entry that only describes the next one.
const MAX_DESCRIPTION: u64 = 64 << 10;

pub(crate) struct Source<'a> {
    file: File,
    gzip: bool,
    /// Bytes on disk.
    packed: u64,
    limits: &'a Limits,
}

impl<'a> Source<'a> {
    pub(crate) fn plain(file: File, path: &Path, limits: &'a Limits) -> Result<Self, Trouble> {
        Self::new(file, path, false, limits)
    }

    pub(crate) fn gzip(file: File, path: &Path, limits: &'a Limits) -> Result<Self, Trouble> {
        Self::new(file, path, true, limits)
    }

    fn new(file: File, path: &Path, gzip: bool, limits: &'a Limits) -> Result<Self, Trouble> {
        let packed =
            file.metadata().map_err(|error| Trouble::Disk(crate::Error::disk("read", path)(error)))?.len();
        Ok(Self { file, gzip, packed, limits })
    }

    /// The regular files, every entry judged.
    pub(crate) fn entries(&mut self) -> Result<Vec<Entry>, ArchiveFault> {
        let mut found = Vec::new();
        self.walk(|entry, _| {
            found.push(entry.clone());
            Ok(ControlFlow::Continue(()))
        })
        .map_err(only_fault)?;
        Ok(found)
    }

    pub(crate) fn read_small(&mut self, wanted: &Entry) -> Result<Vec<u8>, ArchiveFault> {
        let limits = self.limits;
        let mut bytes = Vec::new();
        self.walk(|entry, reader| {
            if entry.index != wanted.index {
                return Ok(ControlFlow::Continue(()));
            }
            bytes = read_entry(reader, entry, limits)?;
            Ok(ControlFlow::Break(()))
        })
        .map_err(only_fault)?;
        Ok(bytes)
    }

    pub(crate) fn extract(
        &mut self,
        chosen: &[(Entry, String)],
        target: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Extracted>, Trouble> {
        let mut done = Vec::new();
        self.walk(|entry, reader| {
            if let Some((wanted, name)) = chosen.iter().find(|(wanted, _)| wanted.index == entry.index) {
                done.push(copy_entry(reader, wanted, name, target, progress)?);
            }
            Ok(if done.len() == chosen.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if done.len() < chosen.len() {
            return Err(unreadable("the archive changed while it was read").into());
        }
        Ok(done)
    }

    /// Calls `visit` for each regular file until it breaks. Without a break, the rest of a gzip stream is read as
    /// well, so that its checksum is verified.
    fn walk(
        &mut self,
        mut visit: impl FnMut(&Entry, &mut dyn Read) -> Result<ControlFlow<()>, Trouble>,
    ) -> Result<(), Trouble> {
        self.file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let ratio =
            self.packed.saturating_mul(self.limits.archive_ratio).max(self.limits.archive_ratio_floor);
        let bounded =
            |inner: Box<dyn Read>| Bounded { inner, read: 0, ratio_most: ratio, limits: self.limits };
        let file = io::BufReader::with_capacity(super::CHUNK, self.file.try_clone().map_err(unreadable)?);
        let mut archive = if self.gzip {
            Archive::new(bounded(Box::new(MultiGzDecoder::new(file))))
        } else {
            Archive::new(bounded(Box::new(file)))
        };
        let mut names = Names::default();
        let mut long_name = None;
        for (index, entry) in archive.entries().map_err(fault_of)?.raw(true).enumerate() {
            let mut entry = entry.map_err(fault_of)?;
            if index >= self.limits.archive_entries {
                return Err(too_large("the number of entries", self.limits.archive_entries as u64).into());
            }
            let header = entry.header().clone();
            let size = header.entry_size().map_err(unreadable)?;
            let kind = header.entry_type();
            match describe(kind, size, &mut entry)? {
                Description::None => {}
                Description::Other => continue,
                Description::Name(name) => {
                    long_name = Some(name);
                    continue;
                }
            }
            let short = || String::from_utf8(header.path_bytes().into_owned());
            let name = match long_name.take() {
                Some(name) => name,
                None => short().map_err(|_| unreadable("a name is not UTF-8"))?,
            };
            match kind {
                EntryType::Regular | EntryType::Continuous if name.ends_with('/') => names::folder(&name)?,
                EntryType::Regular | EntryType::Continuous => {
                    let found = Entry { index, path: names.file(&name)?, size };
                    if visit(&found, &mut entry)?.is_break() {
                        return Ok(());
                    }
                }
                EntryType::Directory => names::folder(&name)?,
                EntryType::Symlink | EntryType::Link => {
                    return Err(names::refused(&name, "it is a link").into());
                }
                EntryType::Char | EntryType::Block | EntryType::Fifo => {
                    return Err(names::refused(&name, "it is a device, a pipe or a socket").into());
                }
                _ => return Err(names::refused(&name, "it is of a kind that is not unpacked").into()),
            }
        }
        let rest = io::copy(&mut archive.into_inner(), &mut io::sink());
        rest.map(drop).map_err(|error| fault_of(error).into())
    }
}

/// What an entry says about the one after it.
enum Description {
    /// Nothing: it is an ordinary entry.
    None,
    /// Its name.
    Name(String),
    /// Something that does not matter here.
    Other,
}

/// Reads an entry if it only describes the next one.
fn describe(kind: EntryType, size: u64, reader: &mut impl Read) -> Result<Description, ArchiveFault> {
    if !matches!(
        kind,
        EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
    ) {
        return Ok(Description::None);
    }
    if size > MAX_DESCRIPTION {
        return Err(too_large("a header in the archive", MAX_DESCRIPTION));
    }
    let mut bytes = Vec::new();
    reader.take(size).read_to_end(&mut bytes).map_err(fault_of)?;
    if bytes.len() as u64 != size {
        return Err(unreadable("a header is cut short"));
    }
    match kind {
        EntryType::GNULongName => {
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            bytes.truncate(end);
            let name = String::from_utf8(bytes).map_err(|_| unreadable("a name is not UTF-8"))?;
            Ok(Description::Name(name))
        }
        EntryType::XHeader => Ok(pax_path(&bytes, true)?.map_or(Description::Other, Description::Name)),
        EntryType::XGlobalHeader => pax_path(&bytes, false).map(|_| Description::Other),
        _ => Ok(Description::Other),
    }
}

/// The `path` record of a pax header. Records that would change where or how long files are, other than that, are
/// refused: readers disagree about them.
fn pax_path(bytes: &[u8], may_name: bool) -> Result<Option<String>, ArchiveFault> {
    let broken = || unreadable("a pax header is broken");
    let mut path = None;
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = rest.iter().position(|b| *b == b' ').ok_or_else(broken)?;
        let length: usize =
            std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse().ok()).ok_or_else(broken)?;
        if length <= space + 1 || length > rest.len() || rest[length - 1] != b'\n' {
            return Err(broken());
        }
        let record = std::str::from_utf8(&rest[space + 1..length - 1]).map_err(|_| broken())?;
        let (key, value) = record.split_once('=').ok_or_else(broken)?;
        match key {
            "path" if may_name => path = Some(value.to_owned()),
            "path" | "size" => return Err(names::refused(record, "a pax header must not set that")),
            _ if key.starts_with("GNU.sparse") => {
                return Err(names::refused(&shown(key), "sparse files are not unpacked"));
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    Ok(path)
}

fn only_fault(trouble: Trouble) -> ArchiveFault {
    match trouble {
        Trouble::Fault(fault) => fault,
        Trouble::Disk(error) => unreadable(error),
    }
}

/// Stops an archive that unpacks to more than it may.
struct Bounded<'a> {
    inner: Box<dyn Read>,
    read: u64,
    /// Bytes that the ratio allows for an archive of this size.
    ratio_most: u64,
    limits: &'a Limits,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        if self.read > self.limits.archive_total {
            return Err(carry(too_large("the unpacked size", self.limits.archive_total)));
        }
        if self.read > self.ratio_most {
            return Err(carry(too_large("the compression ratio", self.limits.archive_ratio)));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_records() {
        for (text, want) in [
            ("", Ok(None)),
            ("10 path=a\n", Ok(Some("a"))),
            ("12 mtime=10\n10 path=b\n", Ok(Some("b"))),
            ("10 size=1\n", Err(())),
            ("20 GNU.sparse.map=1\n", Err(())),
            ("99 path=a\n", Err(())),
            ("0 path=a\n", Err(())),
            ("1 ", Err(())),
            ("-5 path=a\n", Err(())),
            ("10 path=ab", Err(())),
            ("18446744073709551616 a=b\n", Err(())),
            ("nospace", Err(())),
        ] {
            let found = pax_path(text.as_bytes(), true).map_err(drop);
            assert_eq!(found, want.map(|path| path.map(str::to_owned)), "{text:?}");
        }
        assert!(pax_path(b"10 path=a\n", false).is_err());
    }
}
