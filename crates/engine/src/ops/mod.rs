//! The operations, a file for each family: forward as a method of [`Tape`](crate::Tape), and the way back beside it.

mod add;
mod attention;
mod block;
mod distillation;
mod dropout;
mod embedding;
mod linear;
mod loss;
mod norm;
mod pool;

pub use distillation::Soft;
pub use embedding::Embedding;
pub use linear::{Adapter, Linear};
pub use loss::{Loss, Objective, Targets};
pub use norm::Norm;
pub use pool::Pooling;
