//! The rows: splits, what they share, and which look wrong.

/// The rows, before training.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Data {
    /// In the order train, validation, test.
    pub splits: Vec<Split>,
    /// What two splits share, and what one repeats.
    pub overlaps: Vec<Overlap>,
    /// How rows were split: `70/15/15, stratified, seed 1`.
    pub split_method: String,
    /// The length in tokens beyond which texts were cut, see [`Split::truncated`].
    pub max_length: Option<u64>,
    /// The rows most worth a look.
    pub suspects: Vec<Suspect>,
    /// What a reader should know: how overlaps were counted, what was removed.
    pub notes: Vec<String>,
}

/// One split.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Split {
    /// `train`, `validation` or `test`.
    pub name: String,
    /// The file it came from.
    pub file: String,
    /// The file's SHA-256 in hexadecimal; shown shortened.
    pub sha256: String,
    /// Rows.
    pub rows: u64,
    /// Rows by label, in label order; with several labels per row, rows that carry each.
    pub classes: Vec<ClassCount>,
    /// Rows whose text was cut to the model's length.
    pub truncated: Option<u64>,
    /// Rows whose text is blank.
    pub blank: Option<u64>,
    /// Rows with an equal text of another label.
    pub conflicting: Option<u64>,
    /// Rows with invisible, confusable or direction-changing characters.
    pub hostile: Option<u64>,
}

/// A label and its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassCount {
    /// The label.
    pub label: String,
    /// Rows with it.
    pub rows: u64,
}

/// Rows of `to` that meet a row of `from`; where both are the same split, those that meet an earlier row.
/// Each kind includes the one before it, but for `domain`, which stands by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlap {
    /// The split in which rows are looked for.
    pub from: String,
    /// The split whose rows are counted.
    pub to: String,
    /// Rows of `to`.
    pub rows: u64,
    /// Rows of equal text.
    pub exact: Option<u64>,
    /// Rows of equal text once case, accents and invisible characters are folded.
    pub canonical: Option<u64>,
    /// Rows of nearly equal text.
    pub near: Option<u64>,
    /// Rows of the same registered domain.
    pub domain: Option<u64>,
    /// Rows with an equal text of another label.
    pub conflicting: Option<u64>,
}

/// A row that looks wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspect {
    /// Its text.
    pub text: String,
    /// Its label.
    pub label: String,
    /// Why.
    pub reasons: Vec<String>,
    /// Where it stands: `urls.csv:42`.
    pub place: String,
}
