//! Tensors, named parameters, a coarse tape, optimizers and schedules.
//!
//! The tape's nodes are whole operations (a linear layer with its activation, a norm with its residual, attention
//! over a ragged batch), each with a hand-written way back; none is ever decomposed. The engine knows nothing of
//! models, text or files.
//!
//! **The device seam.** The operations under [`Tape`] are all that the layers above use. Another device implements
//! the same ones on its own buffers; above this crate, a device is only a value in a [`Context`].

mod context;
mod error;
mod gradients;
mod inputs;
mod ops;
mod optimizer;
mod params;
mod profile;
mod schedule;
mod tape;
mod tensor;

pub use context::{Context, Device};
pub use error::Error;
pub use filbert_kernels::quant;
pub use filbert_kernels::{
    Activation, Bf16, Bytes, Int8, Isa, Precision, QuantizedMatrix, Queries, RowSums, threads, together,
};
pub use gradients::{Gradient, Gradients};
pub use inputs::Inputs;
pub use ops::{Adapter, Embedding, Linear, Loss, Norm, Objective, Pooling, Soft, Targets};
pub use optimizer::{AdamWSettings, Moments, Optimizer};
pub use params::{Param, ParamId, Params};
pub use profile::{Phase, Profile, Spent};
pub use schedule::{Decay, Schedule};
pub use tape::{Mode, Tape, Var};
pub use tensor::Tensor;
