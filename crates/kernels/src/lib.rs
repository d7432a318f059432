//! CPU maths on slices: matrix products, norms, attention over ragged batches, activations,
//! losses and optimizer updates. Kernels know nothing about tensors, models or text.
//!
//! Every kernel takes an [`Isa`], the instruction set it may use, chosen once at run time with
//! [`Isa::detect`]. Work is split over the current rayon pool in pieces whose size depends only on
//! the problem, so results have the same bits at any number of threads. Each kernel has a naive twin
//! in [`mod@reference`], and the tests hold one against the other on odd shapes and every instruction set.
#![allow(unsafe_code)]
// A body must be inlined into each instruction set's function, or it is compiled without its features.
#![allow(clippy::inline_always)]

mod activation;
mod adamw;
mod attention;
mod bf16;
mod dropout;
mod embedding;
mod isa;
mod loss;
mod math;
mod matmul;
mod norm;
mod parallel;
mod reduce;
pub mod reference;
mod tile;

pub use activation::{Activation, activation_backward, bias_activation_forward};
pub use adamw::{AdamW, AdamWUpdate, adamw_update};
pub use attention::{AttentionShape, Queries, attention_backward, attention_forward};
pub use bf16::Bf16;
pub use dropout::{Dropout, dropout_backward, dropout_forward};
pub use embedding::{gather_add, sum_rows_by_index};
pub use isa::Isa;
pub use loss::{cross_entropy_backward, cross_entropy_forward, softmax_rows};
pub use matmul::{Precision, linear_backward_input, linear_backward_weight, linear_forward};
pub use norm::{NormShape, norm_backward, norm_forward};
pub use parallel::{CHUNK_ROWS, threads};
pub use reduce::{add_assign, sum_of_squares, sum_rows};
