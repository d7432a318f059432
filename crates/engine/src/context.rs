//! Where and how operations run: the device, its instruction set, the number format of products, and the pool of buffers.

use std::sync::Arc;

use filbert_kernels::{Int8, Isa, Precision};

use crate::inputs::Inputs;
use crate::profile::{Phase, Profile, Timer};
use crate::tensor::{Pool, Tensor};

/// A device that operations run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// This processor, with the instruction set that was chosen for it.
    Cpu(Isa),
}

/// A device and the memory that operations on it reuse. Cloning shares both.
#[derive(Clone, Debug)]
pub struct Context {
    device: Device,
    precision: Precision,
    int8: Int8,
    profile: Option<Profile>,
    inputs: Option<Inputs>,
    recomputes: bool,
    pool: Arc<Pool>,
}

impl Default for Context {
    fn default() -> Self {
        Self::new(Device::Cpu(Isa::detect()))
    }
}

impl Context {
    /// A context on `device` that computes in f32, with an empty pool.
    pub fn new(device: Device) -> Self {
        Self {
            device,
            precision: Precision::F32,
            int8: Int8::detect(),
            profile: None,
            inputs: None,
            recomputes: false,
            pool: Arc::default(),
        }
    }

    /// The same with matrix products in another number format. Weights, sums and everything else stay in f32.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same with every operation's time added to `profile`.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile: Some(profile), ..self }
    }

    /// The same with what linear layers read added to `inputs`.
    #[must_use]
    pub fn with_inputs(self, inputs: Inputs) -> Self {
        Self { inputs: Some(inputs), ..self }
    }

    /// Where what linear layers read is added, if anywhere.
    pub(crate) const fn inputs(&self) -> Option<&Inputs> {
        self.inputs.as_ref()
    }

    /// The same with layers computed again on the way back, where that is worth memory.
    #[must_use]
    pub fn with_recompute(self, recomputes: bool) -> Self {
        Self { recomputes, ..self }
    }

    /// True where layers keep only their input for the way back.
    pub const fn recomputes(&self) -> bool {
        self.recomputes
    }

    /// Times an operation until the result is dropped.
    pub(crate) fn time(&self, phase: Phase, operation: &'static str) -> Option<Timer<'_>> {
        Timer::start(self.profile.as_ref(), phase, operation)
    }

    /// The number format of matrix products.
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// How products of int8 are computed.
    pub const fn int8(&self) -> Int8 {
        self.int8
    }

    /// The device.
    pub const fn device(&self) -> Device {
        self.device
    }

    /// The instruction set of the processor.
    pub const fn isa(&self) -> Isa {
        let Device::Cpu(isa) = self.device;
        isa
    }

    /// The name of the kernels that compute matrix products, such as `avx512` or `amx`.
    pub const fn kernel(&self) -> &'static str {
        match self.precision {
            Precision::Bf16(kind) => kind.name(),
            Precision::F32 => self.isa().name(),
        }
    }

    /// A matrix whose elements have whatever value was in its buffer.
    pub(crate) fn scratch(&self, rows: usize, cols: usize) -> Tensor {
        self.pool.take(rows, cols)
    }

    /// A matrix of zeros.
    pub(crate) fn zeros(&self, rows: usize, cols: usize) -> Tensor {
        let mut t = self.scratch(rows, cols);
        t.fill(0.0);
        t
    }

    /// Gives the buffers that are not in use back to the system.
    pub fn release_memory(&self) {
        self.pool.clear();
        filbert_kernels::release_memory();
    }
}
