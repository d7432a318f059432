//! A tokenizer and its pruned form held against each other on texts.

use filbert_model::Tokenizer;

use super::Plan;
use crate::{Error, Result};

/// Texts tokenized per call, so that their tokens need not all be in memory.
const CHUNK: usize = 4_096;

/// What [`check`] counted. Tokens are those of whole texts, special tokens included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Texts.
    pub texts: usize,
    /// Texts whose tokens were all kept; each has the same tokens as before.
    pub unchanged: usize,
    /// Texts with an unknown token, before and after.
    pub unknown: usize,
    /// Tokens of all texts before.
    pub tokens_before: u64,
    /// Tokens of all texts after.
    pub tokens_after: u64,
}

impl Checked {
    /// Tokens per text, before and after; 0 without texts.
    pub fn tokens_per_text(&self) -> (f64, f64) {
        let texts = self.texts.max(1) as f64;
        (self.tokens_before as f64 / texts, self.tokens_after as f64 / texts)
    }
}

/// Holds the tokenizer `old` and its pruned form `new` against each other on whole texts.
///
/// # Errors
/// [`Error::NewUnknown`] for the first text with more unknown tokens than before, [`Error::Changed`] for the first whose tokens
/// were all kept and that has other ids than `plan` says; texts that cannot be tokenized.
pub fn check(old: &Tokenizer, new: &Tokenizer, plan: &Plan, texts: &[&str]) -> Result<Checked> {
    let mut checked = Checked::default();
    let (unknown_before, unknown_after) = plan.unknown();
    for chunk in texts.chunks(CHUNK) {
        let [before, after] = [old, new].map(|tokenizer| tokenizer.encode_batch(chunk, None, usize::MAX));
        for ((before, after), text) in before?.iter().zip(&after?).zip(chunk) {
            let start = || (*text).to_owned();
            let unknown = |ids: &[u32], unknown| ids.iter().filter(|id| **id == unknown).count();
            let unknown = [unknown(&before.ids, unknown_before), unknown(&after.ids, unknown_after)];
            if unknown[1] > unknown[0] {
                let (text, [before, after]) = (checked.texts, unknown);
                return Err(Error::NewUnknown { text, before, after, start: start() });
            }
            if let Some(ids) = plan.map(&before.ids) {
                if ids != after.ids || before.type_ids != after.type_ids {
                    return Err(Error::Changed { text: checked.texts, start: start() });
                }
                checked.unchanged += 1;
            }
            checked.texts += 1;
            checked.unknown += usize::from(unknown[0] > 0);
            checked.tokens_before += before.ids.len() as u64;
            checked.tokens_after += after.ids.len() as u64;
        }
    }
    Ok(checked)
}
