//! A linear layer's epilogue: bias and activation in one pass over the product, and the way back.

use crate::isa::{Isa, MulAdd, multiversion};
use crate::math::{erf, exp, tanh};
use crate::parallel::for_pieces;

/// The function applied to a linear layer's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// None.
    #[default]
    Identity,
    /// x · Φ(x) with the exact normal distribution function (Hendrycks and Gimpel 2016).
    Gelu,
    /// The tanh approximation of GELU from the same paper, `gelu_new` in old configurations.
    GeluTanh,
    /// tanh(x).
    Tanh,
    /// max(x, 0).
    Relu,
}

/// sqrt(2 / pi).
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
/// 1 / sqrt(2 pi).
const INV_SQRT_2PI: f32 = 0.398_942_3;
/// The cubic term of the tanh approximation (Hendrycks and Gimpel 2016).
const GELU_CUBIC: f32 = 0.044_715;

/// Applies `activation` in place.
pub fn activation_forward(isa: Isa, y: &mut [f32], activation: Activation) {
    if activation != Activation::Identity {
        for_pieces(y, crate::parallel::CHUNK_ELEMENTS, |_, part| {
            bias_activation(isa, part, None, activation, None);
        });
    }
}

/// Multiplies `dy` in place by the derivative of `activation`. `saved` is the value before the activation for
/// the two GELUs and ReLU, the value after it for tanh.
///
/// # Panics
/// If the lengths differ.
pub fn activation_backward(isa: Isa, dy: &mut [f32], saved: &[f32], activation: Activation) {
    assert_eq!(dy.len(), saved.len());
    if activation == Activation::Identity {
        return;
    }
    let piece = crate::parallel::CHUNK_ELEMENTS;
    for_pieces(dy, piece, |i, part| {
        let start = i * piece;
        backward(isa, part, &saved[start..start + part.len()], activation);
    });
}

multiversion! {
    /// Adds `bias` to `y`, copies the sums to `pre` and applies the activation.
    pub(crate) fn bias_activation(
        y: &mut [f32], bias: Option<&[f32]>, activation: Activation, pre: Option<&mut [f32]>,
    ) = forward_body;
}
multiversion! { fn backward(dy: &mut [f32], saved: &[f32], activation: Activation) = backward_body; }

#[inline(always)]
fn forward_body<F: MulAdd>(
    y: &mut [f32],
    bias: Option<&[f32]>,
    activation: Activation,
    pre: Option<&mut [f32]>,
) {
    if let Some(bias) = bias {
        for (y, b) in y.iter_mut().zip(bias) {
            *y += b;
        }
    }
    if let Some(pre) = pre {
        pre.copy_from_slice(y);
    }
    apply::<F>(y, activation);
}

/// The activation of each value, in place.
#[inline(always)]
pub(crate) fn apply<F: MulAdd>(y: &mut [f32], activation: Activation) {
    match activation {
        Activation::Identity => {}
        Activation::Gelu => {
            for y in y {
                let half = 0.5 * *y;
                *y = F::mul_add(half, erf::<F>(*y * std::f32::consts::FRAC_1_SQRT_2), half);
            }
        }
        Activation::GeluTanh => {
            for y in y {
                let inner = SQRT_2_OVER_PI * F::mul_add(GELU_CUBIC * *y * *y, *y, *y);
                let half = 0.5 * *y;
                *y = F::mul_add(half, tanh::<F>(inner), half);
            }
        }
        Activation::Tanh => {
            for y in y {
                *y = tanh::<F>(*y);
            }
        }
        Activation::Relu => {
            for y in y {
                *y = if *y < 0.0 { 0.0 } else { *y };
            }
        }
    }
}

#[inline(always)]
fn backward_body<F: MulAdd>(dy: &mut [f32], saved: &[f32], activation: Activation) {
    let pairs = dy.iter_mut().zip(saved);
    match activation {
        Activation::Identity => {}
        Activation::Gelu => {
            for (dy, &x) in pairs {
                let cdf = F::mul_add(0.5, erf::<F>(x * std::f32::consts::FRAC_1_SQRT_2), 0.5);
                let pdf = INV_SQRT_2PI * exp::<F>(-0.5 * x * x);
                *dy *= F::mul_add(x, pdf, cdf);
            }
        }
        Activation::GeluTanh => {
            for (dy, &x) in pairs {
                let x2 = x * x;
                let t = tanh::<F>(SQRT_2_OVER_PI * F::mul_add(GELU_CUBIC * x2, x, x));
                let inner = SQRT_2_OVER_PI * F::mul_add(3.0 * GELU_CUBIC, x2, 1.0);
                *dy *= F::mul_add(0.5 * x * (1.0 - t * t), inner, 0.5 * (1.0 + t));
            }
        }
        Activation::Tanh => {
            for (dy, &y) in pairs {
                *dy *= 1.0 - y * y;
            }
        }
        Activation::Relu => {
            for (dy, &x) in pairs {
                *dy = if x > 0.0 { *dy } else { 0.0 };
            }
        }
    }
}
