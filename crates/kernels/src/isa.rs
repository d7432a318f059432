//! The instruction set a kernel may use. A value of [`Isa`] above the portable level exists only after the
//! processor was asked, which is what makes calling the vector code sound.

use std::fmt;
use std::sync::OnceLock;

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// How far [`Isa::detect`] goes.
static LIMIT: OnceLock<Isa> = OnceLock::new();

impl Isa {
    /// The best instruction set of this processor, up to the [limit](Self::limit).
    pub fn detect() -> Self {
        let best = Self::available().pop().unwrap_or(Self(Level::Portable));
        LIMIT.get().map_or(best, |limit| best.min(*limit))
    }

    /// Makes [`detect`](Self::detect) go no further than this from now on, for the whole process: to measure what a lesser
    /// processor would do. False if a limit was set before.
    pub fn limit(self) -> bool {
        LIMIT.set(self).is_ok()
    }

    /// Code that runs on any processor of the target the binary was built for.
    pub const fn portable() -> Self {
        Self(Level::Portable)
    }

    /// Every instruction set of this processor, slowest first.
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut all = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(Self(Level::Avx2));
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                all.push(Self(Level::Avx512));
            }
        }
        all
    }

    pub(crate) const fn level(self) -> Level {
        self.0
    }

    /// The name as it is printed: `portable`, `avx2` or `avx512`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a body computes `a * b + c`: in one instruction where the instruction set has it. Without it,
/// `f32::mul_add` would be a library call per element.
pub(crate) trait MulAdd {
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

pub(crate) struct Fused;
pub(crate) struct Separate;

impl MulAdd for Fused {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl MulAdd for Separate {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// The portable level's choice: ARM's 64-bit baseline has fused multiply-add, x86-64's has not.
#[cfg(target_arch = "aarch64")]
pub(crate) type Baseline = Fused;
#[cfg(not(target_arch = "aarch64"))]
pub(crate) type Baseline = Separate;

/// Compiles a body, an `#[inline(always)]` function generic over [`MulAdd`], once per instruction set
/// and defines the function that picks one by its leading [`Isa`] argument.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident;) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name(isa: $crate::isa::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    $body::<$crate::isa::Fused>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    $body::<$crate::isa::Fused>($($arg),*)
                }
                match isa.level() {
                    // SAFETY: an `Isa` of this level exists only where the processor has these features.
                    $crate::isa::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::isa::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::isa::Level::Portable => {}
                }
            }
            let _ = isa;
            $body::<$crate::isa::Baseline>($($arg),*)
        }
    };
}
pub(crate) use multiversion;
