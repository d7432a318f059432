//! The real binary, end to end.

mod common;
mod data;
mod refusals;
mod speed;
mod verbs;
