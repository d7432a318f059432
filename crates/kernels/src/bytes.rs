//! Read-only bytes that are owned or lie in a mapped file, so that a model's weights can be used where they stand on disk.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::Mmap;

/// Bytes in memory or in a mapped file. Cloning shares them.
#[derive(Clone)]
pub struct Bytes {
    from: From,
    range: Range<usize>,
}

#[derive(Clone)]
enum From {
    Owned(Arc<[u8]>),
    Mapped(Arc<Mmap>),
}

impl Bytes {
    /// Maps a whole file.
    ///
    /// The file must not be changed while it is mapped: its values would change under a running model, and where it is cut
    /// short the process ends. Folders are written whole and then renamed into place, so filbert itself never does that. The
    /// bytes are only ever used as numbers of which every bit pattern is valid, never as lengths, and as indices
    /// only after masking.
    ///
    /// # Errors
    /// I/O errors.
    pub fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is read-only, and sound as long as nobody changes the file, as documented above.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self { range: 0..map.len(), from: From::Mapped(Arc::new(map)) })
    }

    /// A part of these bytes; None if it does not lie within them.
    pub fn part(&self, range: Range<usize>) -> Option<Self> {
        let within = range.start <= range.end && range.end <= self.range.len();
        within.then(|| Self {
            from: self.from.clone(),
            range: self.range.start + range.start..self.range.start + range.end,
        })
    }

    /// The bytes as signed numbers.
    pub fn signed(&self) -> &[i8] {
        let bytes: &[u8] = self;
        // SAFETY: i8 has u8's size and alignment, and every bit pattern is valid.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.from {
            From::Owned(bytes) => &bytes[self.range.clone()],
            From::Mapped(map) => &map[self.range.clone()],
        }
    }
}

impl std::convert::From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), from: From::Owned(bytes.into()) }
    }
}

impl std::convert::From<Vec<i8>> for Bytes {
    fn from(values: Vec<i8>) -> Self {
        Self::from(values.into_iter().map(|x| x as u8).collect::<Vec<u8>>())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self.from, From::Owned(_)) { "owned" } else { "mapped" };
        write!(f, "Bytes({} {kind})", self.range.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn parts_and_signs() {
        let bytes = Bytes::from(vec![0u8, 1, 127, 128, 255]);
        assert_eq!(bytes.signed(), [0, 1, 127, -128, -1]);
        let part = bytes.part(1..4).unwrap();
        assert_eq!(&part[..], [1, 127, 128]);
        assert_eq!(&part.part(2..3).unwrap()[..], [128]);
        assert!(part.part(2..4).is_none() && bytes.part(5..5).is_some() && bytes.part(6..6).is_none());
    }

    #[test]
    fn a_mapped_file() {
        let path = std::env::temp_dir().join(format!("filbert-map-{}", std::process::id()));
        std::fs::write(&path, b"abcdef").unwrap();
        let bytes = Bytes::map(&std::fs::File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(&bytes.part(2..5).unwrap()[..], b"cde");
    }
}
