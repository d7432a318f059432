//! Long texts in overlapping windows: each is a row of its own for the encoder, and the text's logits are their mean.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};
use tokenizers::parallelism::{MaybeParallelIterator, set_parallelism};

use super::{Encoding, Tokenizer};
use crate::error::{Error, Result};

/// How a text that is longer than the model reads is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Tokens of text that a window shares with the one before it.
    pub overlap: usize,
    /// The most windows of one text; what follows them is not read.
    pub most: usize,
}

/// The most windows that may be asked for.
pub const MAX_WINDOWS: usize = 1_024;

impl Tokenizer {
    /// Tokenizes a batch of single texts, in parallel, in order: each text in one window or more of at most `max_length`
    /// tokens, special tokens included. The last window is `truncated` where the text goes on after it.
    ///
    /// # Errors
    /// [`Error::MaxLength`] where a window has no room for a token of text, [`Error::Windows`] where the overlap leaves no
    /// room for a step or there are too many or no windows, [`Error::Encode`] for the first row that cannot be tokenized.
    pub fn encode_windows(
        &self,
        texts: &[&str],
        max_length: usize,
        windows: Windows,
    ) -> Result<Vec<Vec<Encoding>>> {
        let added = self.template.added(false);
        if max_length <= added {
            return Err(Error::MaxLength { max_length, added });
        }
        let room = max_length - added;
        if windows.overlap >= room || windows.most == 0 || windows.most > MAX_WINDOWS {
            return Err(Error::Windows { overlap: windows.overlap, most: windows.most, room });
        }
        set_parallelism(true);
        let encode = |row: usize| {
            catch_unwind(AssertUnwindSafe(|| self.windows_of(texts[row], room, windows)))
                .unwrap_or_else(|_| Err("the tokenizer library failed".to_owned()))
                .map_err(|problem| Error::Encode { row, problem })
        };
        let rows: Vec<Result<_>> = (0..texts.len()).into_maybe_par_iter().map(encode).collect();
        rows.into_iter().collect()
    }

    /// One text in windows of `room` tokens.
    fn windows_of(&self, text: &str, room: usize, windows: Windows) -> Result<Vec<Encoding>, String> {
        let step = room - windows.overlap;
        let all = room + (windows.most - 1) * step;
        let ids = self.start(text, all)?;
        let rest = ids.len() > all;
        let ids = &ids[..ids.len().min(all)];
        let count = 1 + ids.len().saturating_sub(room).div_ceil(step);
        let window = |i: usize| {
            let start = i * step;
            let part = ids.get(start..ids.len().min(start + room)).unwrap_or_default();
            let (ids, type_ids) = self.template.apply(part, None);
            Encoding { ids, type_ids, truncated: rest && i + 1 == count }
        };
        Ok((0..count).map(window).collect())
    }
}
