//! Checkpoints: all that a run needs to go on as if it had never stopped, to the bit.
//!
//! A file holds trained weights, moments, position and the best weights so far, and ends with a SHA-256 of all of it. It is
//! written under another name, flushed, and renamed; the one before it stays until the next. Random choices follow from
//! seed, epoch and step, so the position is all that is kept of them.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use filbert_engine::{Moments, ParamId};
use filbert_model::Network;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{EpochReport, Trainer};

const MAGIC: &[u8; 16] = b"filbert state 1\n";
const EXTENSION: &str = "checkpoint";
/// Longest header in bytes.
const MAX_HEADER: u64 = 64 << 20;
/// Whole checkpoints that are kept.
const KEPT: usize = 2;
const HASH: u64 = 32;

/// Why a checkpoint could not be written, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system refused.
    #[error("cannot {action} the checkpoint {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// None of the folder's checkpoints is whole.
    #[error("{}: no whole checkpoint to go on from{problem}", folder.display())]
    NoneWhole {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with the newest, where there is one.
        problem: String,
    },
    /// It is of another run.
    #[error("{}: a checkpoint of another run: {what} differs; without --resume a new run starts", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What the two runs differ in.
        what: String,
    },
}

/// When a checkpoint is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// So long after the one before.
    Time(Duration),
    /// After so many updates.
    Steps(u64),
}

/// Where a run keeps its checkpoints.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// The folder, made when the first is written.
    pub folder: PathBuf,
    /// When one is due.
    pub every: Every,
    /// Writes one at the end of training too, however short it was.
    pub keep_last: bool,
    /// Whether to go on from the newest one.
    pub resume: bool,
    /// All that the result follows from beside the settings of training, by name: an object.
    pub identity: Value,
    /// What the caller wants to find again.
    pub record: Value,
}

/// How far a run is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The epoch, from 1.
    pub(crate) epoch: usize,
    /// Updates of this epoch that are done.
    pub(crate) step: usize,
    /// The sum of this epoch's losses times rows.
    pub(crate) total: f64,
    /// Epochs since the best.
    pub(crate) stale: usize,
    pub(crate) reports: Vec<EpochReport>,
    /// The best epoch and its figure.
    pub(crate) best: Option<(usize, Option<f64>)>,
    pub(crate) seconds: f64,
}

impl Position {
    /// Whether a run with so many updates an epoch is here after `updates` of them: a hash says that a file is whole, not that
    /// its numbers make sense.
    fn fits(&self, updates: u64, steps: usize) -> bool {
        let before = self.epoch.checked_sub(1).and_then(|epochs| epochs.checked_mul(steps));
        let done = before.and_then(|before| before.checked_add(self.step));
        self.step <= steps
            && done.is_some_and(|done| done as u64 == updates)
            && self.reports.len() + 1 == self.epoch
            && Duration::try_from_secs_f64(self.seconds).is_ok()
    }
}

/// The best weights so far, where they are not those in place.
pub(crate) type BestWeights = Vec<(ParamId, Vec<f32>)>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    identity: Value,
    record: Value,
    position: Position,
    updates: u64,
    has_best: bool,
    params: Vec<Entry>,
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    len: usize,
    moments: bool,
    /// Rows with moments, for a table.
    touched: Option<usize>,
    owed: f64,
}

impl Checkpoints {
    /// Writes one and removes those before the last.
    pub(crate) fn write(
        &self,
        trainer: &Trainer<'_>,
        position: &Position,
        best: Option<&BestWeights>,
    ) -> Result<PathBuf, CheckpointError> {
        let updates = trainer.optimizer.step_count();
        let path = self.folder.join(format!("step-{updates:010}-{}.{EXTENSION}", position.reports.len()));
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let written = fs::create_dir_all(&self.folder)
            .and_then(|()| self.write_to(&temporary, trainer, position, best))
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| if cfg!(unix) { File::open(&self.folder)?.sync_all() } else { Ok(()) });
        if let Err(source) = written {
            let _ = fs::remove_file(&temporary);
            return Err(CheckpointError::Io { action: "write", path, source });
        }
        for (_, old) in list(&self.folder).into_iter().rev().skip(KEPT) {
            // A file too many does no harm.
            let _ = fs::remove_file(old);
        }
        Ok(path)
    }

    fn write_to(
        &self,
        path: &Path,
        trainer: &Trainer<'_>,
        position: &Position,
        best: Option<&BestWeights>,
    ) -> io::Result<()> {
        let params = trainer.params();
        let trained: Vec<ParamId> = params.iter().filter(|(_, p)| p.trainable).map(|(id, _)| id).collect();
        let entries = trained.iter().map(|&id| {
            let (param, moments) = (params.get(id), trainer.optimizer.moments(id));
            let touched = moments.and_then(|m| m.touched).map(|rows| rows.iter().filter(|t| **t).count());
            let owed = moments.map_or(1.0, |m| m.owed);
            Entry {
                name: param.name.clone(),
                len: param.value.len(),
                moments: moments.is_some(),
                touched,
                owed,
            }
        });
        let header = Header {
            identity: self.identity.clone(),
            record: self.record.clone(),
            position: position.clone(),
            updates: trainer.optimizer.step_count(),
            has_best: best.is_some(),
            params: entries.collect(),
        };
        let header = serde_json::to_vec(&header)?;
        let mut out = Hashing { inner: File::create(path)?, hash: Sha256::new() };
        out.write_all(MAGIC)?;
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for &id in &trained {
            let param = params.get(id);
            write_floats(&mut out, &param.value)?;
            let Some(moments) = trainer.optimizer.moments(id) else { continue };
            if let Some(touched) = moments.touched {
                let flags: Vec<u8> = touched.iter().map(|&t| u8::from(t)).collect();
                out.write_all(&flags)?;
            }
            let width = param.width();
            for values in [moments.m, moments.v] {
                match moments.touched {
                    None => write_floats(&mut out, values)?,
                    Some(touched) => {
                        for (row, _) in values.chunks(width).zip(touched).filter(|(_, t)| **t) {
                            write_floats(&mut out, row)?;
                        }
                    }
                }
            }
        }
        for (_, values) in best.into_iter().flatten() {
            write_floats(&mut out, values)?;
        }
        let hash = out.hash.finalize();
        out.inner.write_all(&hash)?;
        out.inner.sync_all()
    }

    /// Puts the newest whole checkpoint's state into `trainer`, of a run with so many updates an epoch.
    pub(crate) fn restore(
        &self,
        trainer: &mut Trainer<'_>,
        steps: usize,
    ) -> Result<(PathBuf, Position, Option<BestWeights>), CheckpointError> {
        let (path, header, mut file) = newest(&self.folder)?;
        if let Some(what) = difference(&header.identity, &self.identity) {
            return Err(CheckpointError::OtherRun { path, what });
        }
        if !header.position.fits(header.updates, steps) {
            let source = io::Error::new(io::ErrorKind::InvalidData, "its position is none of this run");
            return Err(CheckpointError::Io { action: "read", path, source });
        }
        let damaged = |source| CheckpointError::Io { action: "read", path: path.clone(), source };
        let state = read_state(&mut file, &header, trainer).map_err(damaged)?;
        Ok((path, header.position, state))
    }
}

/// What a run recorded in the newest whole checkpoint of `folder`.
///
/// # Errors
/// If there is none.
pub fn recorded(folder: &Path) -> Result<Value, CheckpointError> {
    newest(folder).map(|(_, header, _)| header.record)
}

/// The first part of two identities that is not the same.
fn difference(theirs: &Value, ours: &Value) -> Option<String> {
    let (Some(theirs), Some(ours)) = (theirs.as_object(), ours.as_object()) else {
        return (theirs != ours).then(|| "the run".to_owned());
    };
    let keys = ours.keys().chain(theirs.keys());
    keys.into_iter().find(|key| ours.get(*key) != theirs.get(*key)).cloned()
}

/// The checkpoints of a folder, oldest first.
fn list(folder: &Path) -> Vec<((u64, usize), PathBuf)> {
    let number = |path: &Path| -> Option<(u64, usize)> {
        let name =
            path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(&format!(".{EXTENSION}"))?;
        let (updates, epochs) = name.split_once('-')?;
        Some((updates.parse().ok()?, epochs.parse().ok()?))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.filter_map(|e| Some((number(&e.path())?, e.path()))).collect();
    found.sort();
    found
}

/// The newest whole checkpoint, read up to its state.
fn newest(folder: &Path) -> Result<(PathBuf, Header, BufReader<File>), CheckpointError> {
    let mut problem = String::new();
    for (_, path) in list(folder).into_iter().rev() {
        match open(&path) {
            Ok((header, file)) => return Ok((path, header, file)),
            Err(error) if problem.is_empty() => problem = format!(": {}: {error}", path.display()),
            Err(_) => {}
        }
    }
    Err(CheckpointError::NoneWhole { folder: folder.to_path_buf(), problem })
}

/// Verifies a file and reads its header.
fn open(path: &Path) -> io::Result<(Header, BufReader<File>)> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(wrong("not a regular file"));
    }
    let size = file.metadata()?.len();
    let body = size.checked_sub(HASH).ok_or_else(|| wrong("it is cut off"))?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 16];
    let mut left = body;
    while left > 0 {
        let want = part.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_exact(&mut part[..want])?;
        hash.update(&part[..want]);
        left -= want as u64;
    }
    let mut stored = [0; HASH as usize];
    file.read_exact(&mut stored)?;
    if hash.finalize()[..] != stored {
        return Err(wrong("it is damaged: its hash differs"));
    }
    let mut file = BufReader::new(File::open(path)?);
    let mut start = [0; 24];
    file.read_exact(&mut start)?;
    let (magic, len) = start.split_at(16);
    let len = u64::from_le_bytes(len.try_into().unwrap_or_default());
    if magic != MAGIC || len > MAX_HEADER.min(body) {
        return Err(wrong("it is no checkpoint of this version of filbert"));
    }
    let mut header = Vec::new();
    Read::by_ref(&mut file).take(len).read_to_end(&mut header)?;
    Ok((serde_json::from_slice(&header)?, file))
}

/// Reads weights, moments and the best weights, in the order in which they are written.
fn read_state(
    file: &mut BufReader<File>,
    header: &Header,
    trainer: &mut Trainer<'_>,
) -> io::Result<Option<BestWeights>> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let trained: Vec<ParamId> =
        trainer.params().iter().filter(|(_, p)| p.trainable).map(|(id, _)| id).collect();
    if trained.len() != header.params.len() {
        return Err(wrong("it has other parameters than the model".to_owned()));
    }
    for (&id, entry) in trained.iter().zip(&header.params) {
        let param = trainer.params().get(id);
        let (len, width) = (param.value.len(), param.width());
        if (&param.name, len) != (&entry.name, entry.len)
            || entry.touched.is_some() != (entry.moments && param.row_sparse)
        {
            return Err(wrong(format!("{} has another shape than the model's", entry.name)));
        }
        let value = read_floats(file, len)?;
        trainer.params_mut().get_mut(id).value = value;
        if !entry.moments {
            continue;
        }
        let touched = if entry.touched.is_some() {
            let mut flags = vec![0; len / width];
            file.read_exact(&mut flags)?;
            Some(flags.into_iter().map(|f| f != 0).collect::<Vec<bool>>())
        } else {
            None
        };
        let mut both = [Vec::new(), Vec::new()];
        for values in &mut both {
            *values = match &touched {
                None => read_floats(file, len)?,
                Some(touched) => {
                    let mut all = vec![0.0; len];
                    for (row, _) in all.chunks_mut(width).zip(touched).filter(|(_, t)| **t) {
                        row.copy_from_slice(&read_floats(file, width)?);
                    }
                    all
                }
            };
        }
        let moments = Moments { m: &both[0], v: &both[1], touched: touched.as_deref(), owed: entry.owed };
        trainer.restore(id, moments).map_err(|e| wrong(e.to_string()))?;
    }
    trainer.optimizer.set_step_count(header.updates);
    if !header.has_best {
        return Ok(None);
    }
    let best = trained.iter().zip(&header.params).map(|(&id, e)| Ok((id, read_floats(file, e.len)?)));
    best.collect::<io::Result<_>>().map(Some)
}

/// Copies of all trained weights.
pub(crate) fn snapshot(network: &Network) -> BestWeights {
    network.params.iter().filter(|(_, p)| p.trainable).map(|(id, p)| (id, p.value.clone())).collect()
}

/// Hashes what it writes.
struct Hashing {
    inner: File,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Values as little-endian f32, a block at a time.
fn write_floats(out: &mut impl Write, values: &[f32]) -> io::Result<()> {
    values.chunks(1 << 14).try_for_each(|part| {
        let bytes: Vec<u8> = part.iter().flat_map(|x| x.to_le_bytes()).collect();
        out.write_all(&bytes)
    })
}

fn read_floats(file: &mut impl Read, len: usize) -> io::Result<Vec<f32>> {
    let mut bytes = vec![0; len * size_of::<f32>()];
    file.read_exact(&mut bytes)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

#[cfg(test)]
mod tests {
    use super::{EpochReport, Position};

    #[test]
    fn a_position_fits_its_updates() {
        let report = EpochReport {
            epoch: 1,
            train_loss: 0.5,
            valid_loss: None,
            valid_accuracy: None,
            valid_chosen: None,
            best: true,
            elapsed: std::time::Duration::ZERO,
        };
        let at = |epoch, step, reports, seconds| Position {
            epoch,
            step,
            seconds,
            reports: vec![report; reports],
            ..Position::default()
        };
        assert!(at(1, 0, 0, 0.0).fits(0, 6) && at(2, 6, 1, 3.5).fits(12, 6));
        for (position, updates) in [
            (at(0, 0, 0, 0.0), 0),
            (at(1, 7, 0, 0.0), 7),
            (at(2, 1, 1, 0.0), 8),
            (at(2, 1, 0, 0.0), 7),
            (at(usize::MAX, 1, 0, 0.0), u64::MAX),
            (at(1, 1, 0, -1.0), 1),
            (at(1, 1, 0, f64::NAN), 1),
            (at(1, 1, 0, 1e300), 1),
        ] {
            assert!(!position.fits(updates, 6), "{position:?} {updates}");
        }
    }
}
