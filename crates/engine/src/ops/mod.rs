//! The operations, a file for each family: forward as a method of [`Tape`](crate::Tape), and the way back beside it.

mod attention;
mod dropout;
mod embedding;
mod linear;
mod loss;
mod norm;
mod pool;

pub use embedding::Embedding;
pub use linear::Linear;
pub use loss::Loss;
pub use norm::Norm;
pub use pool::Pooling;
