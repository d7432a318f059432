//! Memory that passes need for their own sums, kept from call to call.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that are not in use.
static SPARE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer that goes back when it is dropped.
pub(crate) struct Scratch(Vec<f32>);

/// `len` zeros.
pub(crate) fn zeros(len: usize) -> Scratch {
    let mut buffer = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    buffer.clear();
    buffer.resize(len, 0.0);
    Scratch(buffer)
}

pub(crate) fn release() {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.0));
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
