//! Turns what a user calls a model (a folder, an archive, a short name, a hub id) into a folder on this machine.
//!
//! [`interpret`] says what an argument means, [`resolve`] gives the folder and touches the network only where the
//! cache lacks it, [`pull`] always asks for the newest revision. The cache is the standard hub cache, readable and
//! writable by Python's `huggingface_hub` as well. The crate knows nothing about what is inside a checkpoint beyond
//! its file names, and never prints, exits or reads the environment: see [`Settings::from_lookup`].
//!
//! Everything that comes from a server or an archive is untrusted: names are matched against a fixed list, sizes
//! are bounded by [`Limits`], waits by [`Timeouts`].
//!
//! ```no_run
//! use filbert_hub::{NoProgress, Settings, resolve};
//! let settings = Settings::from_lookup(|name| std::env::var(name).ok());
//! let found = resolve("minilm-l6", &settings, &mut NoProgress)?;
//! assert!(found.folder.join("config.json").is_file());
//! # Ok::<(), filbert_hub::Error>(())
//! ```

mod archive;
mod cache;
mod catalogue;
mod disk;
mod download;
mod error;
mod files;
mod http;
mod hub;
mod id;
mod local;
mod progress;
mod resolve;
mod settings;
mod wanted;

pub use catalogue::{ALIASES, Alias, alias};
pub use error::{ArchiveFault, Error, HOW_TO_GET};
pub use id::HubId;
pub use progress::{NoProgress, Progress};
pub use resolve::{Pulled, PulledFile, Resolved, pull, resolve};
pub use settings::{DEFAULT_ENDPOINT, Limits, Secret, Settings, Timeouts};
pub use wanted::{Wanted, interpret};
