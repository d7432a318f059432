//! The crate's one error type. Every variant names the file and the place in it; the message is one line that
//! says what is wrong and, where there is something to do, what. Names that come from files are kept raw in the
//! fields and are escaped and shortened only in the message.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Longest name from a file that a message shows, in characters.
pub const MAX_SHOWN: usize = 80;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can be wrong with a model folder and the files in it.
///
/// Fields, the same in every variant: `file` is the file the problem is in (`folder` where it is a folder),
/// `name` a tensor's name, `key` a JSON key, `place` a dotted path in a JSON file, `found` what stands there,
/// `limit` the bound that was passed, `problem` a sentence about it. Sizes and offsets are in bytes; offsets of
/// tensors count from the end of the header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields mean the same everywhere and are described once, on the enum")]
pub enum Error {
    // ---- the network ----
    /// A checkpoint without a classifier was to be used as one.
    #[error("{}: has no classification head; fine-tune it first: filbert train --model FOLDER --data ROWS.csv --out NEW", shown(.folder))]
    NoHead { folder: PathBuf },
    /// A folder of few bits was to be trained.
    #[error("{}: its weights are stored in few bits and cannot be trained: start from the model it was made from", shown(.folder))]
    QuantizedNotTrainable { folder: PathBuf },
    /// Weights cannot be marked to be trained for few bits.
    #[error("the weights cannot be trained for few bits: {problem}")]
    FakeQuantize { problem: String },
    /// More layers were to be frozen than there are.
    #[error("cannot freeze {wanted} layers: the encoder has {layers}")]
    TooManyFrozen { wanted: usize, layers: usize },
    /// A pattern that names what is to be frozen or adapted fits nothing; `names` are those there are.
    #[error("{:?} fits none of the model's {} names, such as {}", clean(.pattern, MAX_SHOWN), names.len(), some(.names))]
    NoSuchParameter { pattern: String, names: Vec<String> },
    /// Windows over long texts that do not advance, or too many.
    #[error(
        "windows overlap by {overlap} tokens and a text has at most {most}: the overlap must be below the {room} tokens of \
         text that a window holds, and the number of windows 1 to 1024"
    )]
    Windows { overlap: usize, most: usize, room: usize },
    /// The rows of the word embedding table that are to be kept do not make a table.
    #[error("cannot keep these rows of the word embedding table: {problem}")]
    KeptRows { problem: String },
    /// A student was to take layers of few bits.
    #[error(
        "the teacher's weights are stored in few bits, so that no student can start from its layers: take the model that it was made \
         from, or give the student a checkpoint or a configuration of its own"
    )]
    QuantizedStudent,
    /// Layers that a student cannot take from its teacher.
    #[error(
        "the student's layers {wanted:?} are not some of the teacher's {layers}: pick one or more from 0 to {}, ascending",
        .layers.saturating_sub(1)
    )]
    StudentLayers { wanted: Vec<usize>, layers: usize },
    /// Everything was frozen.
    #[error("nothing is left to train: --freeze names every parameter")]
    NothingTrained,
    /// An operation refused its input.
    #[error(transparent)]
    Engine(#[from] filbert_engine::Error),

    // ---- any file ----
    /// The operating system refused an operation.
    #[error("cannot {action} {}: {source}", shown(.file))]
    Io { file: PathBuf, action: &'static str, source: std::io::Error },
    /// The file is larger than a file of its kind may be.
    #[error("{}: {size} bytes, more than the {limit} that are read; is it the right file?", shown(.file))]
    FileTooLarge { file: PathBuf, size: u64, limit: u64 },
    /// A folder, a pipe or a device stands where a file belongs.
    #[error("{}: not a regular file", shown(.file))]
    NotAFile { file: PathBuf },
    /// Bytes that are not UTF-8; `at` is the offset of the first.
    #[error("{}: the {what} is not UTF-8 at byte {at}", shown(.file))]
    NotUtf8 { file: PathBuf, what: &'static str, at: usize },
    /// Not JSON, or cut off.
    #[error("{}: the {what} is not valid JSON: {}", shown(.file), clean(.problem, 200))]
    BadJson { file: PathBuf, what: &'static str, problem: String },
    /// JSON whose outermost value is no object.
    #[error("{}: the {what} is not a JSON object", shown(.file))]
    NotJsonObject { file: PathBuf, what: &'static str },
    /// JSON nested deeper than any real file is.
    #[error("{}: the {what} is nested more than {limit} levels deep", shown(.file))]
    JsonTooDeep { file: PathBuf, what: &'static str, limit: usize },
    /// JSON with more values than any real file has.
    #[error("{}: the {what} holds more than {limit} values", shown(.file))]
    JsonTooLarge { file: PathBuf, what: &'static str, limit: usize },
    /// One object has the same key twice; `place` is the path to the key.
    #[error("{}: duplicate key {} in the {what}", shown(.file), quoted(.place))]
    DuplicateKey { file: PathBuf, what: &'static str, place: String },

    // ---- safetensors ----
    /// Shorter than the eight bytes of the header's length.
    #[error("{}: {size} bytes, too short for a safetensors file; download it again", shown(.file))]
    TooShort { file: PathBuf, size: u64 },
    /// The header claims to be longer than a header may be.
    #[error("{}: header of {length} bytes, more than the {limit} allowed; not a safetensors file?", shown(.file))]
    HeaderTooLong { file: PathBuf, length: u64, limit: u64 },
    /// The header claims to reach past the end of the file.
    #[error("{}: header of {length} bytes in a file of {size}; cut off, download it again", shown(.file))]
    HeaderPastEnd { file: PathBuf, length: u64, size: u64 },
    /// A tensor's entry lacks a field, has an unknown one or one of the wrong type.
    #[error("{}: tensor {}: {problem}", shown(.file), quoted(.name))]
    BadEntry { file: PathBuf, name: String, problem: &'static str },
    /// A dtype that the format does not define.
    #[error("{}: tensor {}: unknown dtype {}", shown(.file), quoted(.name), quoted(.found))]
    UnknownDtype { file: PathBuf, name: String, found: String },
    /// `begin` is after `end`.
    #[error("{}: tensor {}: offsets reversed, {begin} to {end}", shown(.file), quoted(.name))]
    OffsetsReversed { file: PathBuf, name: String, begin: u64, end: u64 },
    /// The tensor reaches past the end of the file's data.
    #[error("{}: tensor {} ends at {end}, the data at {size}; cut off, download it again", shown(.file), quoted(.name))]
    OffsetsPastEnd { file: PathBuf, name: String, end: u64, size: u64 },
    /// Bytes before the tensor belong to none.
    #[error("{}: gap before tensor {}: it begins at {begin}, not at {expected}", shown(.file), quoted(.name))]
    OffsetsGap { file: PathBuf, name: String, begin: u64, expected: u64 },
    /// The tensor begins inside the one before it.
    #[error("{}: tensor {} overlaps another: it begins at {begin}, not at {expected}", shown(.file), quoted(.name))]
    OffsetsOverlap { file: PathBuf, name: String, begin: u64, expected: u64 },
    /// The product of the dimensions, in bytes, does not fit 64 bits.
    #[error("{}: tensor {}: the shape's product overflows", shown(.file), quoted(.name))]
    ShapeOverflow { file: PathBuf, name: String },
    /// Shape and dtype ask for another number of bytes than the offsets span.
    #[error("{}: tensor {}: {actual} bytes where shape and dtype need {expected}", shown(.file), quoted(.name))]
    SizeMismatch { file: PathBuf, name: String, expected: u64, actual: u64 },
    /// Bytes after the last tensor.
    #[error("{}: {extra} bytes after the last tensor", shown(.file))]
    TrailingBytes { file: PathBuf, extra: u64 },
    /// `__metadata__` is not a map of strings to strings.
    #[error("{}: __metadata__ must map strings to strings", shown(.file))]
    BadMetadata { file: PathBuf },
    /// A weight is NaN or infinite; `index` counts elements in row-major order.
    #[error("{}: tensor {}: {value} at element {index}; the weights are damaged", shown(.file), quoted(.name))]
    NotFinite { file: PathBuf, name: String, index: usize, value: f32 },
    /// A tensor that must hold weights holds integers or booleans.
    #[error("{}: tensor {}: dtype {found}, weights are F32, F16, BF16 or F64", shown(.file), quoted(.name))]
    NotFloat { file: PathBuf, name: String, found: &'static str },
    /// No tensor of this name.
    #[error("{}: no tensor {}", shown(.file), quoted(.name))]
    TensorMissing { file: PathBuf, name: String },
    /// A tensor has another element type than its scheme says.
    #[error("{}: tensor {} is {found}, expected {expected}", shown(.file), quoted(.name))]
    WrongDtype { file: PathBuf, name: String, found: &'static str, expected: &'static str },
    /// What the file says about its matrices of few bits is wrong.
    #[error("{}: {}", shown(.file), clean(.problem, 200))]
    BadQuantized { file: PathBuf, problem: String },
    /// A tensor has another shape than the architecture asks for.
    #[error("{}: tensor {}: shape {found:?}, the architecture needs {expected:?}", shown(.file), quoted(.name))]
    WrongShape { file: PathBuf, name: String, found: Vec<usize>, expected: Vec<usize> },
    /// A pickled checkpoint, as `torch.save` writes it.
    #[error(
        "{}: a pickled PyTorch checkpoint, which may run code when loaded; use the repository's model.safetensors, \
         or convert once: load it with transformers and call model.save_pretrained(FOLDER, safe_serialization=True)",
        shown(.file)
    )]
    Pickled { file: PathBuf },
    /// No weights in the folder.
    #[error("{}: no model.safetensors and no model.safetensors.index.json", shown(.folder))]
    NoCheckpoint { folder: PathBuf },
    /// The index of a sharded checkpoint is malformed.
    #[error("{}: {problem}", shown(.file))]
    BadIndex { file: PathBuf, problem: &'static str },
    /// Index and shard disagree about a tensor.
    #[error("{}: tensor {} and shard {}: {problem}", shown(.file), quoted(.name), quoted(.shard))]
    ShardMismatch { file: PathBuf, name: String, shard: String, problem: &'static str },

    // ---- config.json ----
    /// A required key is absent.
    #[error("{}: key {key} is missing", shown(.file))]
    KeyMissing { file: PathBuf, key: &'static str },
    /// A key holds another JSON type.
    #[error("{}: key {}: expected {expected}, found {}", shown(.file), clean(.key, MAX_SHOWN), clean(.found, MAX_SHOWN))]
    KeyType { file: PathBuf, key: String, expected: &'static str, found: String },
    /// A number outside its range.
    #[error("{}: key {key}: {} is not in {allowed}", shown(.file), clean(.found, MAX_SHOWN))]
    KeyRange { file: PathBuf, key: &'static str, found: String, allowed: String },
    /// The number of attention heads does not divide the width.
    #[error("{}: num_attention_heads {heads} does not divide hidden_size {width}", shown(.file))]
    HeadsDivide { file: PathBuf, heads: usize, width: usize },
    /// The model would be larger than any that is accepted.
    #[error("{}: a model of {parameters} parameters, more than the {limit} allowed", shown(.file))]
    TooManyParameters { file: PathBuf, parameters: u64, limit: u64 },
    /// A value that is legal but that filbert cannot do.
    #[error("{}: {key} {} is not supported yet; supported: {supported}", shown(.file), quoted(.found))]
    Unsupported { file: PathBuf, key: &'static str, found: String, supported: &'static str },
    /// A value that is none of those that the key has.
    #[error("{}: {key} {} is unknown; known: {known}", shown(.file), quoted(.found))]
    Unknown { file: PathBuf, key: &'static str, found: String, known: &'static str },
    /// An id between 0 and the number of labels has no label.
    #[error("{}: id2label has {count} labels but none for id {missing}", shown(.file))]
    LabelGap { file: PathBuf, count: usize, missing: usize },
    /// Two ids have the same label, or two keys are the same id.
    #[error("{}: {key}: {} occurs twice", shown(.file), quoted(.found))]
    LabelDuplicate { file: PathBuf, key: &'static str, found: String },
    /// `id2label` and `label2id` disagree.
    #[error("{}: label2id does not match id2label at label {}", shown(.file), quoted(.label))]
    LabelMismatch { file: PathBuf, label: String },
    /// `num_labels` and `id2label` disagree.
    #[error("{}: num_labels is {found}, id2label has {count} labels", shown(.file))]
    LabelCount { file: PathBuf, found: usize, count: usize },
    /// A classifier is needed and the folder holds an encoder only.
    #[error("{}: no labels; this is an encoder without a classification head, train one first", shown(.file))]
    NoLabels { file: PathBuf },

    // ---- tokenizer ----
    /// Neither `tokenizer.json` nor `vocab.txt`.
    #[error("{}: no tokenizer.json and no vocab.txt", shown(.folder))]
    TokenizerMissing { folder: PathBuf },
    /// A part of the tokenizer that filbert does not run.
    #[error("{}: {place} {} is not supported yet; supported: {supported}", shown(.file), quoted(.found))]
    TokenizerUnsupported { file: PathBuf, place: &'static str, found: String, supported: &'static str },
    /// A part of the tokenizer is malformed.
    #[error("{}: {}: {problem}", shown(.file), clean(.place, MAX_SHOWN))]
    TokenizerPart { file: PathBuf, place: String, problem: &'static str },
    /// A template names a special token that is not defined beside it.
    #[error("{}: post_processor: the template names {}, which special_tokens lacks", shown(.file), quoted(.token))]
    TemplateToken { file: PathBuf, token: String },
    /// A token's id is negative, no integer or larger than any vocabulary.
    #[error("{}: {}: token {} has an id that is no integer from 0 to {limit}", shown(.file), clean(.place, MAX_SHOWN), quoted(.token))]
    TokenId { file: PathBuf, place: String, token: String, limit: u32 },
    /// An added token's id in the file is not the id it gets.
    #[error("{}: added token {} says id {expected} but gets {actual}", shown(.file), quoted(.token))]
    AddedTokenId { file: PathBuf, token: String, expected: u32, actual: u32 },
    /// The truncation's stride leaves no room to move on.
    #[error(
        "{}: truncation: stride {stride} is not below max_length {max_length} less {added} special tokens",
        shown(.file)
    )]
    Stride { file: PathBuf, stride: u64, max_length: u64, added: usize },
    /// A token that the tokenizer cannot do without is not in the vocabulary.
    #[error("{}: token {} is not in the vocabulary", shown(.file), quoted(.token))]
    TokenMissing { file: PathBuf, token: String },
    /// The tokenizer library refused the file.
    #[error("{}: {}", shown(.file), clean(.problem, 200))]
    TokenizerRefused { file: PathBuf, problem: String },
    /// The tokenizer library panicked while it loaded the file.
    #[error("{}: the tokenizer library failed on this file", shown(.file))]
    TokenizerPanic { file: PathBuf },
    /// Token ids reach past the embedding table.
    #[error("{}: token ids reach {largest} but the embedding table has {rows} rows; wrong tokenizer for this model?", shown(.file))]
    VocabularyTooLarge { file: PathBuf, largest: u32, rows: usize },
    /// Token type ids reach past their embedding table.
    #[error("{}: token type ids reach {largest} but the model has {rows} types", shown(.file))]
    TooManyTypes { file: PathBuf, largest: u32, rows: usize },
    /// The length asked for has no room for text.
    #[error("max length {max_length} is too short: {added} special tokens and one of text need {}", .added + 1)]
    MaxLength { max_length: usize, added: usize },
    /// Texts and second texts differ in number.
    #[error("{texts} texts but {pairs} second texts")]
    PairCount { texts: usize, pairs: usize },
    /// A text could not be tokenized; `row` counts from 0 in the batch.
    #[error("text {row} cannot be tokenized: {}", clean(.problem, 200))]
    Encode { row: usize, problem: String },

    // ---- the model folder ----
    /// Not a folder, or one without `config.json`.
    #[error("{}: not a model folder: {problem}", shown(.folder))]
    NotAModelFolder { folder: PathBuf, problem: &'static str },
    /// `filbert.json` has a field of the wrong type or value.
    #[error("{}: {}", shown(.file), clean(.problem, 200))]
    BadFilbertJson { file: PathBuf, problem: String },
    /// `filbert.json` was written by a newer filbert.
    #[error("{}: format version {found}, this filbert reads up to {supported}; update filbert", shown(.file))]
    FormatVersion { file: PathBuf, found: u64, supported: u64 },
    /// A file name that is a path, hidden or empty.
    #[error("{}: {} is not a plain file name", shown(.file), quoted(.name))]
    NotAPlainName { file: PathBuf, name: String },
    /// A file that `filbert.json` lists is not there.
    #[error("{}: listed in filbert.json but missing", shown(.file))]
    ListedFileMissing { file: PathBuf },
    /// A file that inference needs is there but `filbert.json` does not list it.
    #[error("{}: not listed in filbert.json; it does not belong to this model", shown(.file))]
    FileUnlisted { file: PathBuf },
    /// A file's hash is not the one in `filbert.json`.
    #[error("{}: sha256 is {actual} but filbert.json says {expected}; the file was changed or damaged", shown(.file))]
    HashMismatch { file: PathBuf, expected: String, actual: String },
    /// The output folder exists and is not empty.
    #[error("{}: exists; pass --force to replace it", shown(.folder))]
    OutputExists { folder: PathBuf },
    /// The output folder must not be replaced, whatever was asked for.
    #[error("{}: will not be replaced: {problem}", shown(.folder))]
    OutputProtected { folder: PathBuf, problem: &'static str },
    /// The new folder is in place, the old one could not be removed.
    #[error("the new model is in place, but the old one at {} cannot be removed: {source}", shown(.folder))]
    OldNotRemoved { folder: PathBuf, source: std::io::Error },
}

/// Builds the closure that wraps an I/O error with its file: `.map_err(io("read", path))`.
pub(crate) fn io(action: &'static str, file: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let file = file.to_path_buf();
    move |source| Error::Io { file, action, source }
}

/// `text` on one line, cut to `limit` characters: control, invisible and direction-changing characters escaped.
pub fn clean(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == limit {
            out.push('…');
            break;
        }
        let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if c.is_control() || hidden {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A name from a file, as messages show it: cleaned and between backquotes.
pub fn quoted(name: &str) -> String {
    format!("`{}`", clean(name, MAX_SHOWN))
}

/// A path as messages show it; the end is kept where it is too long, since that is what tells files apart.
fn shown(path: &Path) -> String {
    const LIMIT: usize = 200;
    let text = path.to_string_lossy();
    let count = text.chars().count();
    if count <= LIMIT {
        return clean(&text, LIMIT);
    }
    let tail: String = text.chars().skip(count - LIMIT).collect();
    format!("…{}", clean(&tail, LIMIT))
}

/// A few of many names, from the bottom of a model and from its top.
fn some(names: &[String]) -> String {
    let last = names.len().saturating_sub(1);
    let mut picked: Vec<&String> = [0, last / 2, last].iter().filter_map(|&i| names.get(i)).collect();
    picked.dedup();
    picked.iter().map(|name| clean(name, MAX_SHOWN)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_shortened() {
        assert_eq!(quoted("a\nb\u{1b}[31m\u{202e}x"), r"`a\nb\u{1b}[31m\u{202e}x`");
        assert_eq!(quoted(&"x".repeat(10_000)).chars().count(), MAX_SHOWN + 3);
        let long = PathBuf::from(format!("{}/model.safetensors", "d".repeat(5_000)));
        let message = Error::NotAFile { file: long }.to_string();
        assert!(message.len() < 300 && message.contains("model.safetensors"), "{message}");
    }

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
    }
}
