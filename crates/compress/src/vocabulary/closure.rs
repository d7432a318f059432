//! Which tokens may be dropped without a new unknown word. The proof is in the documentation of the module above; what it
//! calls the usual case is here a [`Closure`] without `continuations`.

use std::collections::{BTreeSet, HashSet};

use super::model::WordPiece;

/// Bytes of a whole vocabulary up to which the strict case looks at every suffix; in a larger one it drops nothing that a
/// word can reach. The largest vocabularies in use have a fifth as many.
const MAX_SUFFIXES: usize = 4_000_000;

/// The facts about a vocabulary by which a token is judged.
pub(super) struct Closure<'a> {
    model: &'a WordPiece,
    /// Characters that are a token.
    starts: HashSet<char>,
    /// Characters that are a continuation.
    inner: HashSet<char>,
    /// Characters that occur in continuations without being one.
    unspelled: BTreeSet<char>,
    /// In the strict case: every continuation that a word can reach, without its prefix, sorted.
    continuations: Option<Vec<&'a str>>,
    /// Whether the vocabulary is small enough for the strict case.
    searchable: bool,
}

impl<'a> Closure<'a> {
    pub(super) fn new(model: &'a WordPiece) -> Self {
        let tokens = || model.tokens.iter().map(|(_, token)| token.as_str());
        let starts = tokens().filter_map(single).collect();
        let inner: HashSet<char> =
            tokens().filter_map(|t| t.strip_prefix(model.prefix.as_str()).and_then(single)).collect();
        let mut continuations: Vec<&str> = tokens().filter_map(|token| continuation(model, token)).collect();
        let unspelled: BTreeSet<char> =
            continuations.iter().flat_map(|text| text.chars()).filter(|c| !inner.contains(c)).collect();
        let strict = !unspelled.is_empty() || continuation(model, &model.unknown).is_some();
        continuations.sort_unstable();
        let searchable = tokens().map(str::len).sum::<usize>() <= MAX_SUFFIXES;
        let continuations = strict.then_some(continuations);
        Self { model, starts, inner, unspelled, continuations, searchable }
    }

    /// The characters, ascending, that occur in continuations without being one.
    pub(super) fn unspelled(&self) -> Vec<char> {
        self.unspelled.iter().copied().collect()
    }

    /// Whether `token` may be dropped together with all others of which this says so.
    pub(super) fn may_go(&self, token: &str) -> bool {
        let model = self.model;
        let inside = token.strip_prefix(model.prefix.as_str());
        if single(token).is_some() || inside.and_then(single).is_some() || token == model.unknown {
            return false;
        }
        let start = start(model, token);
        let spelled_at_start = start.is_none_or(|text| {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| self.starts.contains(&c))
                && chars.all(|c| self.inner.contains(&c))
                && !text.starts_with(model.unknown.as_str())
        });
        let continuation = continuation(model, token);
        let spelled_inside = continuation.is_none_or(|text| text.chars().all(|c| self.inner.contains(&c)));
        // What is read at the start of a word has all the suffixes of what is read inside one.
        spelled_at_start && spelled_inside && start.or(continuation).is_none_or(|text| self.ends_alone(text))
    }

    /// In the strict case, whether no match can begin inside `text` and be the unknown token or pass its end.
    fn ends_alone(&self, text: &str) -> bool {
        let Some(continuations) = &self.continuations else {
            return true;
        };
        let passes = |suffix: &str| {
            let after = continuations.partition_point(|c| *c <= suffix);
            continuations.get(after).is_some_and(|c| c.starts_with(suffix))
        };
        let unknown = continuation(self.model, &self.model.unknown);
        self.searchable
            && !unknown.is_some_and(|unknown| text.contains(unknown))
            && !text.char_indices().skip(1).any(|(at, _)| passes(&text[at..]))
    }
}

/// The one character of `text`.
fn single(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// What `token` can be at the start of a word; `None` if no word can begin with it.
fn start<'a>(model: &WordPiece, token: &'a str) -> Option<&'a str> {
    let split = model.isolates_punctuation && single(token).is_none() && has_punctuation(token);
    (!token.is_empty() && !split && token.chars().count() <= model.max_chars).then_some(token)
}

/// What `token` can be inside a word, after its first character; `None` if it is no continuation or none that a word can
/// reach.
fn continuation<'a>(model: &WordPiece, token: &'a str) -> Option<&'a str> {
    let text = token.strip_prefix(model.prefix.as_str()).filter(|text| !text.is_empty())?;
    let split = model.isolates_punctuation && has_punctuation(text);
    (!split && text.chars().count() < model.max_chars).then_some(text)
}

fn has_punctuation(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_punctuation())
}
