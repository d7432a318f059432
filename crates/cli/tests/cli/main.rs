//! The real binary, end to end.

mod common;
mod data;
mod distilling;
mod refusals;
mod shrinking;
mod speed;
mod survival;
mod training;
mod verbs;
