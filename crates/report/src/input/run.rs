//! The run: facts, epochs, time and memory.

/// A group of facts under a heading.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The heading.
    pub title: String,
    /// In the order shown.
    pub facts: Vec<Fact>,
}

/// One fact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// Its value, as the reader should see it.
    pub value: String,
}

impl Fact {
    /// A fact of a name and a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Training, epoch by epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Training {
    /// In order.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights were kept, from 1.
    pub kept: Option<u64>,
    /// What [`Epoch::valid_metric`] is: `accuracy`.
    pub metric: String,
}

/// One epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: u64,
    /// Mean loss over the training rows while they were trained on.
    pub train_loss: Option<f64>,
    /// Mean loss over the validation rows after the epoch.
    pub valid_loss: Option<f64>,
    /// The metric on the validation rows after the epoch, see [`Training::metric`].
    pub valid_metric: Option<f64>,
}

/// Time and memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    /// What took how long, in order.
    pub stages: Vec<Stage>,
    /// The whole run, in seconds.
    pub total_seconds: Option<f64>,
    /// Rows trained on per second.
    pub rows_per_second: Option<f64>,
    /// The most memory that was resident at once, in bytes.
    pub peak_bytes: Option<u64>,
    /// The saved model, in bytes.
    pub model_bytes: Option<u64>,
    /// More figures.
    pub facts: Vec<Fact>,
}

/// A part of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}
