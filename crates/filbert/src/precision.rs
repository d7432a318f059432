//! The number format of matrix products, as a user names it and as this processor has it.

use filbert_engine::{Bf16, Context, Precision as Products};

use crate::Error;

/// The number format of matrix products. Weights, sums, norms, attention and the optimizer are in f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// The best this processor has: bfloat16 where it multiplies that faster, else f32. It depends on the processor
    /// alone, never on the data.
    #[default]
    Auto,
    /// f32.
    F32,
    /// bfloat16, with sums in f32.
    Bf16,
}

impl Precision {
    /// A context that computes so, and why in words.
    ///
    /// # Errors
    /// If bfloat16 is asked for and this processor does not multiply it.
    pub fn context(self) -> Result<(Context, String), Error> {
        let context = Context::default();
        let isa = context.isa();
        let kind = if self == Self::Bf16 { Bf16::available().pop() } else { Bf16::detect() };
        match (self, kind) {
            (Self::F32, _) => Ok((context, format!("f32 with {isa} kernels, as told"))),
            (Self::Auto, None) => {
                let why = "this processor has no bfloat16 products, or none that are faster";
                Ok((context, format!("f32 with {isa} kernels: {why}")))
            }
            (Self::Bf16, None) => Err(Error::NoBf16),
            (told, Some(kind)) => {
                let why = if told == Self::Bf16 { ", as told" } else { ": this processor has them" };
                let name = kind.name();
                let context = context.with_precision(Products::Bf16(kind));
                Ok((
                    context,
                    format!("bfloat16 products ({name}) with sums and all else in f32 ({isa} kernels){why}"),
                ))
            }
        }
    }
}
