//! What can go wrong in the engine: shapes that do not fit and numbers that are none.

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes that must agree do not.
    #[error("{op}: {what} has {got}, expected {wanted}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The offending input.
        what: &'static str,
        /// What it has.
        got: usize,
        /// What it needs.
        wanted: usize,
    },
    /// An index lies outside its table.
    #[error("{op}: {what} {index} is outside 0..{limit}")]
    Index {
        /// The operation.
        op: &'static str,
        /// What is indexed.
        what: &'static str,
        /// The index.
        index: usize,
        /// One past the largest.
        limit: usize,
    },
    /// A gradient would have to flow through a weight of few bits.
    #[error(
        "{parameter} is stored in few bits and cannot be trained through: start from the model it was made from"
    )]
    NoWayBack {
        /// The parameter.
        parameter: String,
    },
    /// An adapter stands beside a weight that is trained for few bits.
    #[error("{parameter} is trained for few bits and cannot have an adapter: merge the adapter first")]
    FakeAdapter {
        /// The parameter.
        parameter: String,
    },
    /// A parameter of this name exists already.
    #[error("parameter {0} is defined twice")]
    DuplicateParameter(String),
    /// A gradient holds a value that is not finite.
    #[error(
        "the gradient of {parameter} is not finite at step {step}: lower the learning rate, or look at the rows of this batch"
    )]
    NotFinite {
        /// The first parameter concerned.
        parameter: String,
        /// The number of the update, from 1.
        step: u64,
    },
}
