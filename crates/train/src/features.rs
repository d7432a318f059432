//! What a frozen trunk made of the rows: in memory, or above a limit in a file, and kept for the next run under a name that
//! is a hash of all that it follows from.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use filbert_engine::Context;
use filbert_model::folder::hex;
use filbert_model::{Encoding, Network};
use sha2::{Digest, Sha256};

use crate::infer::by_length;
use crate::{Error, Settings};

/// First bytes of a file; the number changes with whatever changes the results.
const MAGIC: &[u8; 16] = b"filbert trunk 1\n";
/// Magic, rows and width (eight bytes each, little-endian), SHA-256 of the values, which follow as little-endian f32.
const HEADER: u64 = 16 + 8 + 8 + 32;
/// All files of a cache together; beyond it the oldest go.
const CACHE_BYTES: u64 = 8 << 30;

/// Pooled hidden states, a row for each row of tokens.
pub(crate) struct Features {
    width: usize,
    rows: usize,
    values: Values,
    /// True where another run had computed them.
    pub(crate) reused: bool,
}

enum Values {
    Memory(Vec<f32>),
    File(Mutex<File>, PathBuf),
}

/// Where a run keeps features, and how many bytes of them may be in memory.
pub(crate) struct Store<'a> {
    /// The folder, and the state of a hash that has seen all but the rows.
    cache: Option<(&'a Path, Sha256)>,
    memory: usize,
}

impl<'a> Store<'a> {
    pub(crate) fn new(network: &Network, context: &Context, settings: &'a Settings) -> Self {
        let cache = settings.trunk_cache.as_deref().map(|folder| (folder, trunk_hash(network, context)));
        Self { cache, memory: settings.trunk_memory }
    }
}

impl Features {
    /// Runs the trunk over `rows`, or takes what another run left. A cache that cannot be written is done without, unless
    /// the values are too many for memory.
    pub(crate) fn new(
        network: &Network,
        context: &Context,
        rows: &[Encoding],
        store: &Store<'_>,
        done: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, Error> {
        let width = network.config.hidden_size;
        let fits = rows.len() * width * size_of::<f32>() <= store.memory;
        let Some((folder, trunk)) = store.cache.as_ref().filter(|_| !rows.is_empty()) else {
            let values = Values::Memory(compute(network, context, rows, done)?);
            return Ok(Self { width, rows: rows.len(), values, reused: false });
        };
        let path = folder.join(format!("{}.trunk", key(trunk.clone(), rows)));
        if let Ok(values) = read(&path, rows.len(), width, fits) {
            done(rows.len());
            return Ok(Self { width, rows: rows.len(), values, reused: true });
        }
        let failed = |source: io::Error| Error::TrunkCache { path: path.clone(), source };
        let values = if fits {
            let values = compute(network, context, rows, done)?;
            // The next run will compute them again if this fails.
            let _ = write(folder, &path, (rows.len(), width), |file| {
                values.chunks(1 << 14).try_for_each(|part| file.write_all(&bytes(part)))
            });
            Values::Memory(values)
        } else {
            let mut broken: Option<Error> = None;
            let written = write(folder, &path, (rows.len(), width), |file| {
                let mut outcome = Ok(());
                let mut put = |row: usize, values: &[f32]| {
                    if outcome.is_ok() {
                        let at = HEADER + (row * width * size_of::<f32>()) as u64;
                        outcome = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&bytes(values)));
                    }
                };
                broken = by_length(network, rows, done, |b| network.features(context, b), &mut put).err();
                outcome
            });
            if let Some(error) = broken {
                return Err(error);
            }
            written.map_err(failed)?;
            read(&path, rows.len(), width, false).map_err(failed)?
        };
        prune(folder, &path);
        Ok(Self { width, rows: rows.len(), values, reused: false })
    }

    /// The number of rows.
    pub(crate) const fn len(&self) -> usize {
        self.rows
    }

    /// The features of these rows, one after the other.
    pub(crate) fn gather(&self, rows: impl Iterator<Item = usize>) -> Result<Vec<f32>, Error> {
        let width = self.width;
        match &self.values {
            Values::Memory(all) => Ok(rows.flat_map(|i| &all[i * width..(i + 1) * width]).copied().collect()),
            Values::File(file, path) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut row = vec![0; width * size_of::<f32>()];
                let mut out = Vec::new();
                for i in rows {
                    file.seek(SeekFrom::Start(HEADER + (i * row.len()) as u64))
                        .and_then(|_| file.read_exact(&mut row))
                        .map_err(|source| Error::TrunkCache { path: path.clone(), source })?;
                    out.extend(floats(&row));
                }
                Ok(out)
            }
        }
    }
}

fn compute(
    network: &Network,
    context: &Context,
    rows: &[Encoding],
    done: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<f32>, Error> {
    let width = network.config.hidden_size;
    let mut values = vec![0.0; rows.len() * width];
    by_length(network, rows, done, |batch| network.features(context, batch), &mut |i, row| {
        values[i * width..(i + 1) * width].copy_from_slice(row);
    })?;
    Ok(values)
}

/// A hash of what all features follow from: configuration, weights, pooling and arithmetic.
fn trunk_hash(network: &Network, context: &Context) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(MAGIC);
    let how = (network.head().pooling(), context.precision(), context.isa(), context.kernel());
    hash.update(format!("{:?} {how:?}", network.config));
    let head = [network.head().params(), network.head().pooler_params()].concat();
    for (_, param) in network.params.iter().filter(|(id, _)| !head.contains(id)) {
        hash.update(format!("\n{} {:?}\n", param.name, param.shape));
        if let Some(scheme) = param.fake {
            hash.update(format!("{scheme:?}\n"));
        }
        param.value.chunks(1 << 12).for_each(|part| hash.update(bytes(part)));
    }
    hash
}

/// The trunk's hash with that of the tokens (which the longest length has cut), in hexadecimal.
fn key(mut hash: Sha256, rows: &[Encoding]) -> String {
    for row in rows {
        hash.update((row.ids.len() as u64).to_le_bytes());
        row.ids.iter().chain(&row.type_ids).for_each(|id| hash.update(id.to_le_bytes()));
    }
    hex(&hash.finalize())
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))
}

/// Verifies all of a file of features, which stay in it or come to memory on the way.
fn read(path: &Path, rows: usize, width: usize, to_memory: bool) -> io::Result<Values> {
    let mut file = File::open(path)?;
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged or of another run");
    if file.metadata()?.len() != HEADER + (rows * width * size_of::<f32>()) as u64 {
        return Err(wrong());
    }
    let mut header = [0; HEADER as usize];
    file.read_exact(&mut header)?;
    let mut values = Vec::with_capacity(if to_memory { rows * width } else { 0 });
    let hash = hash_values(&mut file, |part| {
        if to_memory {
            values.extend(floats(part));
        }
    })?;
    let shape = [(rows as u64).to_le_bytes(), (width as u64).to_le_bytes()].concat();
    if header[..16] != MAGIC[..] || header[16..32] != shape[..] || header[32..] != hash[..] {
        return Err(wrong());
    }
    Ok(if to_memory { Values::Memory(values) } else { Values::File(Mutex::new(file), path.to_path_buf()) })
}

/// SHA-256 of what follows the header, shown to `seen` in whole values.
fn hash_values(file: &mut File, mut seen: impl FnMut(&[u8])) -> io::Result<[u8; 32]> {
    file.seek(SeekFrom::Start(HEADER))?;
    let mut hash = Sha256::new();
    let mut part = Vec::new();
    loop {
        part.clear();
        if Read::by_ref(file).take(1 << 16).read_to_end(&mut part)? == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&part);
        seen(&part);
    }
}

/// Writes a file under another name, then gives it its own: there is never half a file.
fn write(
    folder: &Path,
    path: &Path,
    (rows, width): (usize, usize),
    values: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&temporary)?;
        file.write_all(&[0; HEADER as usize])?;
        values(&mut file)?;
        let hash = hash_values(&mut file, |_| ())?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(MAGIC)?;
        file.write_all(&(rows as u64).to_le_bytes())?;
        file.write_all(&(width as u64).to_le_bytes())?;
        file.write_all(&hash)?;
        // Not flushed: whoever reads it verifies it, and makes it again if it was torn.
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes the oldest files, but not `keep`, until the cache is small enough.
fn prune(folder: &Path, keep: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|x| x == "trunk" || x == "tmp"))
        .filter_map(|e| e.metadata().ok().map(|m| (m.modified().ok(), m.len(), e.path())))
        .collect();
    files.sort();
    let mut all: u64 = files.iter().map(|f| f.1).sum();
    for (_, len, path) in files {
        if all <= CACHE_BYTES {
            break;
        }
        if path != keep && fs::remove_file(&path).is_ok() {
            all -= len;
        }
    }
}
