//! Making a trained classifier smaller, with a proof or a measurement of what it costs.
//!
//! [`vocabulary`] drops the tokens that the data does not use, without a new unknown token in any text.

mod error;
pub mod vocabulary;

pub use error::{Error, Result};
