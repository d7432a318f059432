//! The seam through which a caller follows long transfers; the terminal lives in the binary.

/// Told about each file as it is downloaded or unpacked.
pub trait Progress {
    /// A file begins; `bytes` is its whole size where known. Called again for the same file when a transfer has to
    /// start over or continue after a cut: the count then begins again at zero.
    fn start(&mut self, file: &str, bytes: Option<u64>);
    /// `bytes` more are on disk, those of an earlier, continued transfer included.
    fn advance(&mut self, bytes: u64);
    /// The file that was started is whole.
    fn finish(&mut self);
}

/// Follows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&mut self, _file: &str, _bytes: Option<u64>) {}
    fn advance(&mut self, _bytes: u64) {}
    fn finish(&mut self) {}
}
