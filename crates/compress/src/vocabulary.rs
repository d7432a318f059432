//! Pruning a `WordPiece` vocabulary: tokens that the data does not use are dropped, and with them their rows of the word
//! embedding table, in such a way that every text that could be spelled still can.
//!
//! [`plan`] decides which tokens stay, [`apply`] renumbers the tokenizer's files, [`prune_network`] the embedding table and
//! the config, and [`check`] holds both tokenizers against each other on texts.
//!
//! # What stays
//!
//! Tokens that the data uses, the unknown token, every added token, every token that a file names by its id or as a special
//! token, every token of a single character, alone (`c`) or as a continuation (`##c`), and what the proof below needs.
//!
//! # Why no text gets a new unknown token
//!
//! Normalizer, pre-tokenizer and added tokens are unchanged, so `WordPiece` is given the same words. It takes the longest
//! token that begins the word, then again and again the longest continuation of what is left; a word is unknown if it is too
//! long or if nothing fits at some place. Let V be the vocabulary and V' what is kept of it. A token that can begin a word is
//! *respellable* if its first character is a token, each later one is a continuation, and it does not begin with the unknown
//! token; one that can continue a word, if each of its characters is a continuation; one that can do both, if both holds.
//! Only respellable tokens are dropped, and no token of one character is.
//!
//! 1. *Where the longest match in V was kept, it is the longest match in V'*, since V' has nothing that V lacks. So a word
//!    whose tokens were all kept is tokenized as before.
//! 2. **The usual case**: every character that occurs in continuations is a continuation, and the unknown token is none. Take
//!    a word that V spells. If its first token was kept, it is found again (1); if not, at least its first character is found,
//!    and not the unknown token, with which it does not begin. What follows is made of characters that are continuations, so
//!    something fits at every place: the word is spelled. Where V gets stuck, the character is in no continuation and the
//!    longest token that begins the word does not reach it, so V' gets stuck as well.
//! 3. **Otherwise** a token is dropped only if, besides, it does not contain the unknown token's continuation, and no proper
//!    suffix of it is a proper prefix of a continuation in V. Then no match that begins inside a dropped token passes its end
//!    or is the unknown token. So, from left to right, wherever V begins a token, V' begins one: a kept token is found again
//!    (1), a dropped one is spelled exactly, character by character if need be. The word is spelled; where V gets stuck, V'
//!    has come to the same place and gets stuck.
//!    Of a vocabulary of more than four million bytes, nothing that a word can reach is dropped in this case.
//!
//! In both cases a word is unknown after pruning if and only if it was before. Readings of a token that no word can reach,
//! because it is longer than the longest word that is looked into or because the pre-tokenizer splits inside it, put no
//! condition on anything. Dropped tokens are spelled in more pieces: a text becomes longer, and one near the longest row may
//! be cut earlier.

mod check;
mod closure;
mod files;
mod model;

use std::collections::BTreeSet;

use filbert_model::{Config, Encoding, Network, Tokenizer};

use crate::{Error, Result};
use closure::Closure;
use model::WordPiece;

pub use check::{Checked, check};
pub use files::{apply, files};

/// What is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How often the data must use a token for it to stay on that ground. 0 keeps every token.
    pub min_count: u64,
}

impl Default for Options {
    /// Every token that is used stays.
    fn default() -> Self {
        Self { min_count: 1 }
    }
}

/// Which tokens stay, and their new ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Old ids in the order of the new ones.
    kept: Vec<u32>,
    /// New ids by old id, for every row of the embedding table.
    new_ids: Vec<Option<u32>>,
    /// Tokens of the model's vocabulary among the kept ids; they come first.
    tokens: usize,
    tokens_before: usize,
    /// The unknown token's old and new id.
    unknown: (u32, u32),
    unspelled: Vec<char>,
}

impl Plan {
    /// The old ids of what stays; a token's new id is its place in this list. Tokens of the model's vocabulary come first, in
    /// their old order, then added tokens that are none of those, then ids without a token that a file or the config names.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// Rows of the embedding table before.
    pub fn rows_before(&self) -> usize {
        self.new_ids.len()
    }

    /// Tokens of the model's vocabulary before and after.
    pub fn tokens(&self) -> (usize, usize) {
        (self.tokens_before, self.tokens)
    }

    /// The new id of what had the id `old`; `None` where it was dropped.
    pub fn new_id(&self, old: u32) -> Option<u32> {
        self.new_ids.get(old as usize).copied().flatten()
    }

    /// The new ids of what had the ids `old`; `None` where one of them was dropped.
    pub fn map(&self, old: &[u32]) -> Option<Vec<u32>> {
        old.iter().map(|&id| self.new_id(id)).collect()
    }

    /// The old and the new id of the unknown token.
    pub fn unknown(&self) -> (u32, u32) {
        self.unknown
    }

    /// The characters, ascending, that occur in continuations without being one. Where there are any, few tokens can be
    /// dropped: the third case in the [module's documentation](self).
    pub fn unspelled(&self) -> &[char] {
        &self.unspelled
    }
}

/// How often each id occurs in `encodings`, by id.
pub fn count<'a>(encodings: impl IntoIterator<Item = &'a Encoding>) -> Vec<u64> {
    let mut counts = Vec::new();
    for &id in encodings.into_iter().flat_map(|row| &row.ids) {
        let id = id as usize;
        if id >= counts.len() {
            counts.resize(id + 1, 0);
        }
        counts[id] += 1;
    }
    counts
}

/// Decides which tokens of `tokenizer` stay, given how often the data uses each id (`counts`, by id; ids past its end were
/// not used) and the config of the network it belongs to.
///
/// # Errors
/// [`Error::NotWordPiece`]; [`Error::SharedId`]; [`Error::Part`] for a part of a file that names tokens and is malformed or
/// names one that there is not; [`Error::CountedId`]; ids past the network's embedding table.
pub fn plan(tokenizer: &Tokenizer, config: &Config, counts: &[u64], options: Options) -> Result<Plan> {
    let rows = config.vocab_size;
    tokenizer.check_vocabulary(rows)?;
    let model = WordPiece::read(tokenizer)?;
    let mut named = files::named_ids(tokenizer, rows)?;
    named.extend(config.token_ids().into_iter().map(|id| id as u32));
    named.insert(model.unknown_id);

    let count = |id: u32| counts.get(id as usize).copied().unwrap_or(0);
    let closure = Closure::new(&model);
    let stays = |id: u32, token: &str| {
        count(id) >= options.min_count || named.contains(&id) || !closure.may_go(token)
    };
    let mut kept: Vec<u32> =
        model.tokens.iter().filter(|(id, token)| stays(*id, token)).map(|(id, _)| *id).collect();
    let tokens = kept.len();
    // The crate underneath numbers added tokens from the number of the model's tokens on, in their order.
    let own: BTreeSet<u32> = model.tokens.iter().map(|(id, _)| *id).collect();
    let (added, bare): (Vec<u32>, Vec<u32>) =
        named.iter().filter(|id| !own.contains(id)).partition(|id| model.added.contains(id));
    kept.extend(added);
    kept.extend(bare);

    let mut new_ids = vec![None; rows];
    for (new, &old) in kept.iter().enumerate() {
        new_ids[old as usize] = Some(new as u32);
    }
    let stranger = |&(id, count): &(usize, u64)| {
        count > 0 && u32::try_from(id).is_ok_and(|id| !own.contains(&id) && !named.contains(&id))
    };
    if let Some((id, count)) = counts.iter().copied().enumerate().find(stranger) {
        return Err(Error::CountedId { id, count });
    }
    let unknown = (model.unknown_id, new_ids[model.unknown_id as usize].unwrap_or_default());
    let unspelled = closure.unspelled();
    Ok(Plan { kept, new_ids, tokens, tokens_before: model.tokens.len(), unknown, unspelled })
}

/// Keeps the plan's rows of the network's word embedding table, in its order, and renumbers the config.
///
/// # Errors
/// [`Error::OtherTable`] for a network with another number of rows; a token that the config names and the plan drops, as a
/// plan made with another config may. The network is unchanged then.
pub fn prune_network(network: &mut Network, plan: &Plan) -> Result<()> {
    let (expected, found) = (plan.rows_before(), network.config.vocab_size);
    if found != expected {
        return Err(Error::OtherTable { expected, found });
    }
    Ok(network.keep_tokens(plan.kept())?)
}
