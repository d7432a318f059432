//! Texts as weighted character n-grams: the definitions of scikit-learn's `TfidfVectorizer(analyzer="char",
//! ngram_range=(2, 4), sublinear_tf=True, min_df=2)`.

use std::collections::HashMap;

use rayon::prelude::*;

/// Characters of a text that are read: what comes later says little.
pub(super) const MAX_CHARS: usize = 4_096;

/// Most characters of all texts: what bounds the memory of counting, at about a gigabyte if hardly any n-gram
/// occurs twice.
pub(super) const MAX_ALL_CHARS: usize = 5_000_000;

/// A sequence of 2 to 4 characters, zeros behind.
type Gram = [char; 4];

/// The n-grams that are features, and their weights.
#[derive(Debug, Clone)]
pub(super) struct Vocabulary {
    columns: HashMap<Gram, u32>,
    idf: Vec<f64>,
}

/// A text's columns, ascending, and values; of length 1.
pub(super) type Row = Vec<(u32, f32)>;

impl Vocabulary {
    /// The n-grams that occur in at least two texts. `None` where there are none, or too many characters.
    pub(super) fn of(texts: &[&str]) -> Option<Self> {
        if texts.iter().map(|text| text.chars().take(MAX_CHARS).count()).sum::<usize>() > MAX_ALL_CHARS {
            return None;
        }
        let mut frequency: HashMap<Gram, u32> = HashMap::new();
        for (gram, _) in texts.iter().flat_map(|text| count(text)) {
            *frequency.entry(gram).or_default() += 1;
        }
        let mut kept: Vec<(Gram, u32)> = frequency.into_iter().filter(|(_, df)| *df >= 2).collect();
        if kept.is_empty() {
            return None;
        }
        // A hash map's order is another in every run.
        kept.sort_unstable();
        let n = texts.len() as f64;
        let idf = kept.iter().map(|(_, df)| ((1.0 + n) / (1.0 + f64::from(*df))).ln() + 1.0).collect();
        let columns = kept.iter().zip(0u32..).map(|((gram, _), i)| (*gram, i)).collect();
        Some(Self { columns, idf })
    }

    pub(super) fn len(&self) -> usize {
        self.idf.len()
    }

    /// The rows of texts, in their order.
    pub(super) fn rows(&self, texts: &[&str]) -> Vec<Row> {
        texts.par_iter().map(|text| self.row(text)).collect()
    }

    fn row(&self, text: &str) -> Row {
        let mut row: Vec<(u32, f64)> = count(text)
            .into_iter()
            .filter_map(|(gram, tf)| self.columns.get(&gram).map(|&column| (column, tf)))
            .map(|(column, tf)| (column, (1.0 + f64::from(tf).ln()) * self.idf[column as usize]))
            .collect();
        row.sort_unstable_by_key(|entry| entry.0);
        let length = row.iter().map(|(_, x)| x * x).sum::<f64>().sqrt();
        row.into_iter().map(|(column, x)| (column, (x / length) as f32)).collect()
    }
}

/// How often each sequence of 2 to 4 characters occurs, in ascending order.
fn count(text: &str) -> Vec<(Gram, u32)> {
    let mut chars: Vec<char> = Vec::new();
    for c in text.chars().take(MAX_CHARS).flat_map(char::to_lowercase) {
        if c.is_whitespace() && chars.last().is_some_and(|last| last.is_whitespace()) {
            if let Some(last) = chars.last_mut() {
                *last = ' ';
            }
            continue;
        }
        chars.push(c);
    }
    let mut grams: Vec<Gram> = Vec::with_capacity(3 * chars.len());
    for n in 2..=4 {
        grams.extend(chars.windows(n).map(|window| {
            let mut gram = ['\0'; 4];
            gram[..n].copy_from_slice(window);
            gram
        }));
    }
    grams.sort_unstable();
    grams.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_grams_are_counted_over_lower_case_and_single_spaces() {
        let counts: HashMap<Gram, u32> = count("AbA \t b").into_iter().collect();
        assert_eq!(counts[&['a', 'b', '\0', '\0']], 1);
        assert_eq!(counts[&['b', 'a', ' ', '\0']], 1);
        assert_eq!(counts[&['a', ' ', 'b', '\0']], 1, "one space for many");
        assert!(count("a").is_empty() && count("").is_empty());
    }

    #[test]
    fn rows_have_length_one_or_nothing() {
        let texts = ["abcd abcd", "abcd", "xyzw"];
        let vocabulary = Vocabulary::of(&texts).unwrap();
        let lengths: Vec<f32> =
            vocabulary.rows(&texts).iter().map(|row| row.iter().map(|(_, x)| x * x).sum()).collect();
        assert!((lengths[0] - 1.0).abs() < 1e-6 && (lengths[1] - 1.0).abs() < 1e-6 && lengths[2] == 0.0);
    }
}
