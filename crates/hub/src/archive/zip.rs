//! Zip archives and wheels.

use super::names::{self, Names};
use super::{Entry, Extracted, Trouble, copy_entry, read_entry, too_large, unreadable};
use crate::error::{ArchiveFault, shown};
use crate::progress::Progress;
use crate::settings::Limits;
use std::fs::File;
use std::path::Path;
use zip::ZipArchive;

/// The file type bits of a Unix mode, and the two types that are accepted beside none.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_REGULAR: u32 = 0o100_000;
const TYPE_FOLDER: u32 = 0o040_000;

pub(crate) struct Reader<'a> {
    archive: ZipArchive<File>,
    limits: &'a Limits,
}

impl<'a> Reader<'a> {
    pub(crate) fn open(file: File, limits: &'a Limits) -> Result<Self, ArchiveFault> {
        let mut archive = ZipArchive::new(file).map_err(unreadable)?;
        if archive.len() > limits.archive_entries {
            return Err(too_large(format!("{} entries", archive.len()), limits.archive_entries as u64));
        }
        if archive.has_duplicate_names() {
            return Err(unreadable("two entries have the same name"));
        }
        if archive.has_overlapping_files().map_err(unreadable)? {
            return Err(unreadable("entries overlap"));
        }
        Ok(Self { archive, limits })
    }

    /// The regular files, every entry judged.
    pub(crate) fn entries(&mut self) -> Result<Vec<Entry>, ArchiveFault> {
        let mut names = Names::default();
        let mut entries = Vec::new();
        for index in 0..self.archive.len() {
            let entry = self.archive.by_index_data(index).map_err(unreadable)?;
            let name = entry.name().map_err(unreadable)?;
            let kind = entry.unix_mode().unwrap_or(0) & TYPE_MASK;
            if entry.is_symlink() {
                return Err(names::refused(&name, "it is a link"));
            }
            if !matches!(kind, 0 | TYPE_REGULAR | TYPE_FOLDER) {
                return Err(names::refused(&name, "it is a device, a pipe or a socket"));
            }
            if entry.is_dir() {
                names::folder(&name)?;
                continue;
            }
            if entry.encrypted() {
                return Err(ArchiveFault::Encrypted(shown(&name)));
            }
            self.judge_ratio(&name, entry.size(), entry.compressed_size())?;
            entries.push(Entry { index, path: names.file(&name)?, size: entry.size() });
        }
        Ok(entries)
    }

    fn judge_ratio(&self, name: &str, size: u64, packed: u64) -> Result<(), ArchiveFault> {
        let most = packed.saturating_mul(self.limits.archive_ratio);
        if size > self.limits.archive_ratio_floor && size > most {
            let what = format!("the compression ratio of entry {}", shown(name));
            return Err(too_large(what, self.limits.archive_ratio));
        }
        Ok(())
    }

    pub(crate) fn read_small(&mut self, entry: &Entry, limits: &Limits) -> Result<Vec<u8>, ArchiveFault> {
        read_entry(self.archive.by_index(entry.index).map_err(unreadable)?, entry, limits)
    }

    pub(crate) fn extract(
        &mut self,
        chosen: &[(Entry, String)],
        target: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Extracted>, Trouble> {
        let copy = |(entry, name): &(Entry, String)| {
            let reader = self.archive.by_index(entry.index).map_err(unreadable)?;
            copy_entry(reader, entry, name, target, progress)
        };
        chosen.iter().map(copy).collect()
    }
}
