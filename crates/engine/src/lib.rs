//! Tensors, named parameters, the tape, ops with forward and backward, optimizers and schedules.
