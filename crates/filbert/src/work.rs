//! The folder in which artifacts are made: beside the output, hidden, and gone when it is no longer needed.

use std::path::{Path, PathBuf};

use crate::Error;

/// Names tried.
const ATTEMPTS: u32 = 1_000;

#[derive(Debug)]
pub(crate) struct Work(PathBuf);

impl Work {
    /// Makes `.NAME.filbert-work-PROCESS-ATTEMPT` beside `out`.
    pub(crate) fn beside(out: &Path) -> Result<Self, Error> {
        let io = |path: &Path, source| {
            Error::Model(filbert_model::Error::Io { file: path.to_path_buf(), action: "create", source })
        };
        let parent = out.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(|error| io(parent, error))?;
        let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            let path = parent.join(format!(".{name}.filbert-work-{}-{attempt}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => last = Some((path, error)),
                Err(error) => return Err(io(&path, error)),
            }
        }
        let (path, error) =
            last.unwrap_or_else(|| (parent.to_path_buf(), std::io::ErrorKind::AlreadyExists.into()));
        Err(io(&path, error))
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // There is no one to tell; the name says what the folder is.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
