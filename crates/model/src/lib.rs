//! Encoder architectures as data, heads, tokenizer, checkpoint and model-folder files.
//!
//! A family of encoders is a table of facts ([`architecture`]) over shared layers ([`encoder`], [`head`]); a
//! [`network::Network`] is both with their weights. Everything that comes from a file is checked before it is
//! used, and refused with an error that names the file and the place ([`error`]).

pub mod architecture;
pub mod batch;
pub mod config;
pub mod encoder;
pub mod error;
mod fake;
pub mod folder;
pub mod head;
pub mod lora;
pub mod network;
pub mod quantized;
pub mod safetensors;
pub mod student;
pub mod taps;
pub mod tokenizer;
pub mod weights;

pub use architecture::Architecture;
pub use batch::Batch;
pub use config::{Config, ProblemType};
pub use error::{Error, Result};
pub use folder::Pooling;
pub use lora::Lora;
pub use network::{Freeze, HeadSource, Network};
pub use quantized::Scheme;
pub use student::even_layers;
pub use taps::{Tapped, Taps};
pub use tokenizer::{Encoding, Tokenizer, Windows};
pub use weights::LoadReport;
