//! The processor's limits: multiply-adds on registers alone, with nothing read or written. Benchmarks hold the products
//! against them.

use crate::isa::Isa;
use crate::precision::{Int8, Precision};

/// Runs `rounds` of independent chains of the multiply-add that products in `precision` are made of, on the calling thread,
/// and returns the number of floating-point operations (a multiply-add is two).
pub fn multiply_adds(isa: Isa, precision: Precision, rounds: u64) -> f64 {
    match precision {
        Precision::F32 => crate::tile::multiply_adds(isa, rounds),
        Precision::Bf16(kind) => crate::product::multiply_adds(kind, rounds),
    }
}

/// The same for products of int8, where `kind` has such an instruction for registers alone; 0 operations otherwise.
pub fn multiply_adds_int8(kind: Int8, rounds: u64) -> f64 {
    crate::product::multiply_adds_int8(kind, rounds)
}
