//! The number formats of matrix products, and the instructions that a processor has for bfloat16.

use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::product::amx;

/// The number format of products. Sums are in f32 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Both sides in f32.
    F32,
    /// Both sides rounded to bfloat16, to the nearest, ties to even.
    Bf16(Bf16),
}

impl Precision {
    /// The format's name: `f32` or `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16(_) => "bf16",
        }
    }
}

/// A processor's way to multiply bfloat16 matrices. A value exists only where the processor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bf16(pub(crate) Unit);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Avx512,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Amx,
}

impl Bf16 {
    /// The fastest way this processor has, if it is faster than f32 and [`Isa::detect`] goes as far. Intel's processors execute AVX512-BF16 at about 0.6
    /// of their rate of f32 multiply-adds (measured, see LOG.md), AMD's at twice that rate.
    pub fn detect() -> Option<Self> {
        let best = Self::available().pop().filter(|_| Isa::available().last() == Some(&Isa::detect()));
        best.filter(|kind| kind.0 != Unit::Avx512 || !is_intel())
    }

    /// Every way this processor has, slowest first.
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bf16")
        {
            all.push(Self(Unit::Avx512));
            if amx::is_available() {
                all.push(Self(Unit::Amx));
            }
        }
        all
    }

    /// The name as it is printed: `avx512bf16` or `amx`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Unit::Avx512 => "avx512bf16",
            Unit::Amx => "amx",
        }
    }
}

/// A processor's way to multiply int8 matrices. All ways give the same sums, to the bit. A value exists only where the processor
/// has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Int8(pub(crate) Unit8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unit8 {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// `vpdpbusd` on 256 bits.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// `vpdpbusd` on 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// `tdpbusd`.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Int8 {
    /// The fastest way this processor has, as far as [`Isa::detect`] goes.
    pub fn detect() -> Self {
        let (isa, best) = (Isa::detect(), Isa::available().last() == Some(&Isa::detect()));
        let fits = |kind: &Self| match kind.0 {
            Unit8::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Unit8::Avx2 => isa.level() != crate::isa::Level::Portable,
            #[cfg(target_arch = "x86_64")]
            _ => best,
        };
        let _ = (isa, best);
        Self::available().into_iter().rfind(fits).unwrap_or(Self(Unit8::Portable))
    }

    /// Every way this processor has, slowest first.
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut all = vec![Self(Unit8::Portable)];
        #[cfg(target_arch = "x86_64")]
        for isa in Isa::available() {
            match isa.level() {
                crate::isa::Level::Portable => {}
                crate::isa::Level::Avx2 => {
                    all.push(Self(Unit8::Avx2));
                    if is_x86_feature_detected!("avxvnni") {
                        all.push(Self(Unit8::AvxVnni));
                    }
                }
                crate::isa::Level::Avx512 => {
                    if is_x86_feature_detected!("avx512vnni") {
                        all.push(Self(Unit8::Avx512));
                        if amx::is_available_int8() {
                            all.push(Self(Unit8::Amx));
                        }
                    }
                }
            }
        }
        all
    }

    /// The name as it is printed: `portable`, `avx2`, `avxvnni`, `avx512vnni` or `amx`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Unit8::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Unit8::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Unit8::AvxVnni => "avxvnni",
            #[cfg(target_arch = "x86_64")]
            Unit8::Avx512 => "avx512vnni",
            #[cfg(target_arch = "x86_64")]
            Unit8::Amx => "amx",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn is_intel() -> bool {
    // Leaf 0 spells the vendor in EBX, EDX, ECX; "Genu" is Intel's first word.
    std::arch::x86_64::__cpuid(0).ebx == u32::from_le_bytes(*b"Genu")
}

#[cfg(not(target_arch = "x86_64"))]
fn is_intel() -> bool {
    false
}
