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
mod bytes;
mod distance;
mod dropout;
mod embedding;
mod feed_forward;
mod isa;
mod linear;
mod linear_int8;
mod loss;
mod math;
mod matrix;
mod norm;
mod parallel;
mod peak;
mod precision;
mod product;
pub mod quant;
mod reduce;
pub mod reference;
mod relation;
mod scratch;
mod soft_loss;
mod team;
mod tile;

pub use activation::{Activation, activation_backward, activation_forward};
pub use adamw::{AdamW, AdamWUpdate, RowUpdate, adamw_update, adamw_update_rows};
pub use attention::{AttentionShape, Queries, attention_backward, attention_forward};
pub use bytes::Bytes;
pub use distance::squared_distances;
pub use dropout::{Dropout, dropout_backward, dropout_forward};
pub use embedding::{RowSums, gather_add};
pub use feed_forward::{FUSED_ROWS, FeedForward, LinearNorm, feed_forward_norm_int8, linear_norm_int8};
pub use isa::Isa;
pub use linear::{
    Epilogue, LinearGradients, LinearShape, Target, Weight, linear_backward, linear_forward, pack_weight,
};
pub use linear_int8::{
    ExpandedInt8, LayerInt8, MAX_INPUTS, PackedInt8, QuantizedRows, linear_int8, linears_int8, quantize_rows,
};
pub use loss::{
    LossShape, cross_entropy_backward, cross_entropy_forward, sigmoid_loss, softmax_loss, softmax_rows,
    squared_loss,
};
pub use matrix::QuantizedMatrix;
pub use norm::{NormShape, norm_backward, norm_forward, norm_forward_int8};
pub use parallel::{CHUNK_ROWS, threads};
pub use peak::{multiply_adds, multiply_adds_int8};
pub use precision::{Bf16, Int8, Precision};
pub use product::Packed;
pub use reduce::{add_assign, sum_of_squares, sum_rows};
pub use relation::{RelationShape, relation_loss};
pub use soft_loss::{soft_sigmoid_loss, soft_softmax_loss};
pub use team::together;

/// Frees the memory that products and other passes keep for the next call.
pub fn release_memory() {
    product::release_memory();
    linear_int8::release();
    scratch::release();
}
