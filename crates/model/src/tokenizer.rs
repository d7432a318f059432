//! Text to token ids, as transformers does it for `truncation=True` without padding. The `tokenizers` crate
//! normalizes, splits and looks up; it is handed a file only after `check` found it harmless, and any panic that
//! still comes out of it becomes an error. Truncation and special tokens are applied here, on bare ids: the crate
//! would keep and combine all cut-off parts, and 0.23.1 counts a pair's tokens only up to the row's length, which
//! gives an odd token to another text than transformers does. The file's own truncation and padding are switched off
//! in use but kept in the saved bytes.

mod base64;
mod charsmap;
mod check;
mod template;
mod vocab;
mod windows;

pub use windows::{MAX_WINDOWS, Windows};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::parallelism::{MaybeParallelIterator, set_parallelism};

use crate::error::{Error, Result};
use crate::folder::files::{parse_object, read_if_present};
use template::Template;

pub use check::{MAX_ADDED_TOKENS, MAX_CHARS_PER_WORD, MAX_PIECE, MAX_TOKEN_ID};

/// Largest tokenizer file that is read, in bytes. The largest vocabularies in use take about 35 MB.
pub const MAX_TOKENIZER: u64 = 64 << 20;
/// The file that holds a whole tokenizer.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Settings beside it.
pub const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";
/// The vocabulary of folders without `tokenizer.json`, one token per line.
pub const VOCAB_FILE: &str = "vocab.txt";
/// Every file that belongs to a tokenizer, in the order in which they are saved.
pub const TOKENIZER_FILES: [&str; 4] =
    [TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, "special_tokens_map.json", VOCAB_FILE];
/// Bytes of text per wanted token that are tried before a long text is tokenized whole.
const BYTES_PER_TOKEN: usize = 16;

/// One row, ready for the encoder: special tokens included, no padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Token type ids, as many.
    pub type_ids: Vec<u32>,
    /// Whether tokens were cut off.
    pub truncated: bool,
}

/// Which end of a text is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// A checked tokenizer together with the files it came from.
pub struct Tokenizer {
    path: PathBuf,
    /// Normalizer, pre-tokenizer, model and added tokens only.
    inner: tokenizers::Tokenizer,
    template: Template,
    side: Side,
    /// Whether the tokens of a text up to a space never depend on what follows the space.
    splits_at_spaces: bool,
    largest_id: u32,
    vocab_size: usize,
    pad_id: Option<u32>,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, size) = (&self.path, &self.vocab_size);
        f.debug_struct("Tokenizer").field("path", path).field("vocab_size", size).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Loads `tokenizer.json` from a model folder, or builds BERT's own tokenizer from `vocab.txt` and the
    /// settings in `tokenizer_config.json`.
    ///
    /// # Errors
    /// [`Error::TokenizerMissing`] where there is neither file; I/O errors; one variant for each kind of problem.
    pub fn load(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for name in TOKENIZER_FILES {
            if let Some(bytes) = read_if_present(&folder.join(name), MAX_TOKENIZER)? {
                files.push((name, bytes));
            }
        }
        Self::from_files(files, folder)
    }

    /// Loads a tokenizer from the bytes of its files, as [`load`](Self::load) does from a folder. Errors name the files as if
    /// they were in `folder`, from which nothing is read.
    ///
    /// # Errors
    /// Those of [`Tokenizer::load`].
    pub fn from_files(mut files: Vec<(&'static str, Vec<u8>)>, folder: &Path) -> Result<Self> {
        let settings = match files.iter().find(|f| f.0 == TOKENIZER_CONFIG_FILE) {
            Some((name, bytes)) => parse_object(bytes, &folder.join(name), "file")?,
            None => Map::new(),
        };
        let path = folder.join(TOKENIZER_FILE);
        if let Some((_, bytes)) = files.iter().find(|f| f.0 == TOKENIZER_FILE) {
            let json = parse_object(bytes, &path, "file")?;
            return Self::build(json, &settings, path, files);
        }
        let Some((_, bytes)) = files.iter().find(|f| f.0 == VOCAB_FILE) else {
            return Err(Error::TokenizerMissing { folder: folder.to_path_buf() });
        };
        let json = vocab::tokenizer_json(bytes, &settings, &folder.join(VOCAB_FILE))?;
        files.insert(0, (TOKENIZER_FILE, Value::Object(json.clone()).to_string().into_bytes()));
        Self::build(json, &settings, folder.join(VOCAB_FILE), files)
    }

    /// Loads a tokenizer from the bytes of a `tokenizer.json`; `path` is what errors name.
    ///
    /// # Errors
    /// Those of [`Tokenizer::load`].
    pub fn from_json(bytes: &[u8], path: &Path) -> Result<Self> {
        let json = parse_object(bytes, path, "file")?;
        Self::build(json, &Map::new(), path.to_path_buf(), vec![(TOKENIZER_FILE, bytes.to_vec())])
    }

    fn build(
        mut json: Map<String, Value>,
        settings: &Map<String, Value>,
        path: PathBuf,
        files: Vec<(&'static str, Vec<u8>)>,
    ) -> Result<Self> {
        let checked = check::check(&mut json, &path)?;
        let side =
            match settings.get("truncation_side").and_then(Value::as_str).or(checked.direction.as_deref()) {
                Some(side) if side.eq_ignore_ascii_case("left") => Side::Left,
                _ => Side::Right,
            };
        for key in ["truncation", "padding", "post_processor", "decoder"] {
            json.insert(key.to_owned(), Value::Null);
        }
        let text = Value::Object(json).to_string();
        let inner = catch_unwind(|| text.parse::<tokenizers::Tokenizer>())
            .map_err(|_| Error::TokenizerPanic { file: path.clone() })?
            .map_err(|e| Error::TokenizerRefused { file: path.clone(), problem: e.to_string() })?;
        // The crate numbers added tokens by itself and only logs where the file says otherwise.
        for (token, expected) in &checked.added {
            let actual = inner.token_to_id(token).unwrap_or(u32::MAX);
            if actual != *expected {
                let (token, expected) = (token.clone(), *expected);
                return Err(Error::AddedTokenId { file: path, token, expected, actual });
            }
        }
        let largest_id = checked.largest_id.max(checked.template.largest_id());
        let vocab_size = inner.get_vocab_size(true);
        let pad_id = special_token(settings, "pad_token")
            .and_then(|t| inner.token_to_id(t))
            .or_else(|| inner.token_to_id("[PAD]"))
            .or_else(|| inner.token_to_id("<pad>"));
        Ok(Self {
            path,
            inner,
            template: checked.template,
            side,
            splits_at_spaces: checked.splits_at_spaces,
            largest_id,
            vocab_size,
            pad_id,
            files,
        })
    }

    /// Tokenizes a batch, in parallel, in order. With `pairs`, each text is joined with its second text and the
    /// longer of the two is cut first. Every row has at most `max_length` tokens, special tokens included.
    ///
    /// # Errors
    /// [`Error::MaxLength`] where `max_length` has no room for a token of text, [`Error::PairCount`],
    /// [`Error::Encode`] for the first row that cannot be tokenized.
    pub fn encode_batch(
        &self,
        texts: &[&str],
        pairs: Option<&[&str]>,
        max_length: usize,
    ) -> Result<Vec<Encoding>> {
        let added = self.template.added(pairs.is_some());
        if max_length <= added {
            return Err(Error::MaxLength { max_length, added });
        }
        if let Some(pairs) = pairs.filter(|p| p.len() != texts.len()) {
            return Err(Error::PairCount { texts: texts.len(), pairs: pairs.len() });
        }
        // Said in the program, so that the crate does not look for it in the environment.
        set_parallelism(true);
        let encode = |row: usize| {
            let pair = pairs.map(|p| p[row]);
            catch_unwind(AssertUnwindSafe(|| self.encode_one(texts[row], pair, max_length - added)))
                .unwrap_or_else(|_| Err("the tokenizer library failed".to_owned()))
                .map_err(|problem| Error::Encode { row, problem })
        };
        let rows: Vec<Result<Encoding>> = (0..texts.len()).into_maybe_par_iter().map(encode).collect();
        rows.into_iter().collect()
    }

    /// One row whose text may have `room` tokens.
    fn encode_one(&self, text: &str, pair: Option<&str>, room: usize) -> Result<Encoding, String> {
        // In a pair the whole lengths count: they decide which text gets an odd token.
        let (mut first, mut second) = match pair {
            None => (self.start(text, room)?, None),
            Some(pair) => (self.whole(text)?, Some(self.whole(pair)?)),
        };
        let (keep_first, keep_second) =
            template::longest_first(first.len(), second.as_ref().map(Vec::len), room);
        let truncated = keep_first < first.len() || second.as_ref().is_some_and(|s| keep_second < s.len());
        self.cut(&mut first, keep_first);
        if let Some(second) = &mut second {
            self.cut(second, keep_second);
        }
        let (ids, type_ids) = self.template.apply(&first, second.as_deref());
        Ok(Encoding { ids, type_ids, truncated })
    }

    fn cut(&self, ids: &mut Vec<u32>, keep: usize) {
        match self.side {
            Side::Right => ids.truncate(keep),
            Side::Left => drop(ids.drain(..ids.len() - keep)),
        }
    }

    /// The ids of a text of which the first `room` are wanted. Of a text with more of them the rest may be missing,
    /// but one more than `room` is there: of a long text, its start up to a space is tried before the whole.
    fn start(&self, text: &str, room: usize) -> Result<Vec<u32>, String> {
        if self.splits_at_spaces && self.side == Side::Right {
            let mut bytes = BYTES_PER_TOKEN.saturating_mul(room.saturating_add(1));
            while bytes < text.len() / 2 {
                let space = text.as_bytes()[bytes..].iter().position(|b| *b == b' ');
                let Some(end) = space.map(|i| bytes + i).filter(|end| *end <= text.len() / 2) else {
                    break;
                };
                let ids = self.whole(&text[..end])?;
                if ids.len() > room {
                    return Ok(ids);
                }
                bytes = 4 * end;
            }
        }
        self.whole(text)
    }

    /// The ids of a text, without special tokens.
    fn whole(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoding = self.inner.encode_fast(text, false).map_err(|e| e.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Refuses a tokenizer whose ids, of text or of special tokens, reach past an embedding table of `rows` rows.
    ///
    /// # Errors
    /// [`Error::VocabularyTooLarge`].
    pub fn check_vocabulary(&self, rows: usize) -> Result<()> {
        if (self.largest_id as usize) < rows {
            return Ok(());
        }
        Err(Error::VocabularyTooLarge { file: self.path.clone(), largest: self.largest_id, rows })
    }

    /// Refuses a tokenizer whose token type ids, in single texts or in pairs, reach past a table of `rows` rows.
    ///
    /// # Errors
    /// [`Error::TooManyTypes`].
    pub fn check_types(&self, rows: usize, pairs: bool) -> Result<()> {
        let largest = self.template.largest_type(pairs);
        if (largest as usize) < rows {
            return Ok(());
        }
        Err(Error::TooManyTypes { file: self.path.clone(), largest, rows })
    }

    /// The number of special tokens that a row gets, and with it the least `max_length` less one.
    pub fn added_tokens(&self, pairs: bool) -> usize {
        self.template.added(pairs)
    }

    /// The number of different tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The largest id that encoding can give.
    pub fn largest_id(&self) -> u32 {
        self.largest_id
    }

    /// The id of the padding token.
    pub fn pad_id(&self) -> Option<u32> {
        self.pad_id
    }

    /// The id of a token.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The files to save with a model: name and bytes as they were read. There is always a `tokenizer.json`, built
    /// from `vocab.txt` where the source had none.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (*name, bytes.as_slice()))
    }

    /// The JSON object in one of its files, keys in their order; `None` where it has no such file.
    ///
    /// # Errors
    /// If the file holds no JSON object, or one past the bounds of a model folder's files.
    pub fn json(&self, name: &str) -> Result<Option<Map<String, Value>>> {
        let Some((name, bytes)) = self.files.iter().find(|file| file.0 == name) else {
            return Ok(None);
        };
        parse_object(bytes, &self.path.with_file_name(name), "file").map(Some)
    }

    /// The file it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A special token of `tokenizer_config.json`, written as a string or as an object with `content`.
fn special_token<'a>(settings: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let value = settings.get(key)?;
    value.as_str().or_else(|| value.get("content")?.as_str())
}
