//! From texts to tokens: the longest row, windows of longer texts, and what the user is told about what is cut.

use filbert_data::Table;
use filbert_model::{Tokenizer, Windows};
use filbert_train::Texts;

use crate::{Error, Watch};

/// Texts tokenized per call, so that progress can be shown.
const CHUNK: usize = 8_192;

/// How texts become tokens: the longest row, and the windows of longer texts, if any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) max_length: usize,
    pub(crate) windows: Option<Windows>,
}

/// Tokenizes texts, or pairs.
pub(crate) fn encode(
    tokenizer: &Tokenizer,
    texts: &[&str],
    pairs: Option<&[&str]>,
    lengths: Lengths,
) -> Result<Texts, Error> {
    match lengths.windows {
        Some(_) if pairs.is_some() => {
            Err(Error::Usage("windows are for single texts: leave out --windows for pairs"))
        }
        Some(windows) => {
            Ok(Texts::of_windows(tokenizer.encode_windows(texts, lengths.max_length, windows)?))
        }
        None => {
            let encodings = tokenizer.encode_batch(texts, pairs, lengths.max_length)?;
            Ok(Texts { encodings, starts: None })
        }
    }
}

/// Tokenizes a table's rows; tells how many were cut.
pub(crate) fn tokenize(
    table: &Table,
    tokenizer: &Tokenizer,
    lengths: Lengths,
    name: &str,
    watch: &mut dyn Watch,
) -> Result<Texts, Error> {
    let texts: Vec<&str> = table.texts.iter().map(String::as_str).collect();
    let pairs: Option<Vec<&str>> = table.pairs.as_ref().map(|p| p.iter().map(String::as_str).collect());
    let mut all = Texts::default();
    for (i, chunk) in texts.chunks(CHUNK).enumerate() {
        let pairs = pairs.as_ref().map(|p| &p[i * CHUNK..i * CHUNK + chunk.len()]);
        all.extend(encode(tokenizer, chunk, pairs, lengths)?);
        watch.rows(all.len(), texts.len());
    }
    let cut = all.truncated();
    if cut > 0 {
        let share = 100.0 * cut as f64 / all.len() as f64;
        let at = match lengths.windows {
            Some(windows) => format!("after {} windows", windows.most),
            None => format!("at {} tokens", lengths.max_length),
        };
        watch.note(&format!("{cut} of {} {name} rows ({share:.1} %) were cut {at}", all.len()));
    }
    if let Some(windows) = lengths.windows {
        let more = (0..all.len()).filter(|&i| all.windows(i).len() > 1).count();
        watch.note(&format!(
            "{more} of {} {name} rows are read in several windows of {} tokens that overlap by {}",
            all.len(),
            lengths.max_length,
            windows.overlap
        ));
    }
    Ok(all)
}
