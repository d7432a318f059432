//! Tokenized rows, and what they are to be.

use std::ops::Range;

use filbert_model::Encoding;

use crate::Error;

/// What each row is to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// One class each, by index.
    Classes(Vec<u32>),
    /// Any number of labels each, by index, each at most once.
    Sets(Vec<Vec<u32>>),
    /// A number each.
    Numbers(Vec<f32>),
}

impl Default for Targets {
    fn default() -> Self {
        Self::Classes(Vec::new())
    }
}

impl Targets {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.as_targets().len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of these rows, in this order.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn pick(&self, rows: &[usize]) -> Self {
        match self {
            Self::Classes(all) => Self::Classes(rows.iter().map(|&row| all[row]).collect()),
            Self::Sets(all) => Self::Sets(rows.iter().map(|&row| all[row].clone()).collect()),
            Self::Numbers(all) => Self::Numbers(rows.iter().map(|&row| all[row]).collect()),
        }
    }

    /// As operations take them.
    pub fn as_targets(&self) -> filbert_engine::Targets<'_> {
        match self {
            Self::Classes(rows) => filbert_engine::Targets::Classes(rows),
            Self::Sets(rows) => filbert_engine::Targets::Sets(rows),
            Self::Numbers(rows) => filbert_engine::Targets::Numbers(rows),
        }
    }

    /// The class of each row, where each has one.
    pub fn classes(&self) -> Option<&[u32]> {
        match self {
            Self::Classes(rows) => Some(rows),
            _ => None,
        }
    }
}

/// Tokenized texts: one encoding for each, or several windows of a long one.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Token ids, special tokens included.
    pub encodings: Vec<Encoding>,
    /// Where each text's windows start among the encodings, and the end of the last; none where every text is one.
    pub starts: Option<Vec<usize>>,
}

impl Texts {
    /// Texts of any number of windows each.
    pub fn of_windows(texts: Vec<Vec<Encoding>>) -> Self {
        let mut starts = Vec::with_capacity(texts.len() + 1);
        let mut encodings = Vec::new();
        starts.push(0);
        for windows in texts {
            encodings.extend(windows);
            starts.push(encodings.len());
        }
        let single = starts.iter().enumerate().all(|(i, &start)| i == start);
        Self { encodings, starts: (!single).then_some(starts) }
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.starts.as_ref().map_or(self.encodings.len(), |starts| starts.len().saturating_sub(1))
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encodings of a text.
    ///
    /// # Panics
    /// If there is no such text.
    pub fn windows(&self, text: usize) -> Range<usize> {
        self.starts.as_ref().map_or(text..text + 1, |starts| starts[text]..starts[text + 1])
    }

    /// Copies of these texts, in this order.
    ///
    /// # Panics
    /// If there is no such text.
    #[must_use]
    pub fn pick(&self, texts: &[usize]) -> Self {
        Self::of_windows(texts.iter().map(|&text| self.encodings[self.windows(text)].to_vec()).collect())
    }

    /// Copies of the first `count` texts, or of all.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        self.pick(&(0..self.len().min(count)).collect::<Vec<_>>())
    }

    /// Texts of which a part was not read.
    pub fn truncated(&self) -> usize {
        (0..self.len()).filter(|&i| self.encodings[self.windows(i)].iter().any(|e| e.truncated)).count()
    }

    /// Adds the texts of `other` after these.
    pub fn extend(&mut self, other: Self) {
        if self.starts.is_none() && other.starts.is_none() {
            self.encodings.extend(other.encodings);
            return;
        }
        let own = self.starts.take().unwrap_or_else(|| (0..=self.encodings.len()).collect());
        let theirs = other.starts.unwrap_or_else(|| (0..=other.encodings.len()).collect());
        let end = self.encodings.len();
        self.starts =
            Some(own.into_iter().chain(theirs.into_iter().skip(1).map(|start| end + start)).collect());
        self.encodings.extend(other.encodings);
    }

    /// The texts' outputs, `[texts, columns]`, from their encodings': the mean over a text's windows.
    pub fn means(&self, values: Vec<f32>) -> Vec<f32> {
        let Some(starts) = &self.starts else { return values };
        let columns = values.len() / self.encodings.len().max(1);
        let mut out = Vec::with_capacity(self.len() * columns);
        for pair in starts.windows(2) {
            let windows = &values[pair[0] * columns..pair[1] * columns];
            // As the tape's mean: the sum in order, times the factor.
            let factor = 1.0 / (pair[1] - pair[0]) as f32;
            out.extend((0..columns).map(|c| windows.iter().skip(c).step_by(columns).sum::<f32>() * factor));
        }
        out
    }
}

/// Texts and their targets.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The texts.
    pub texts: Texts,
    /// What each is to be.
    pub targets: Targets,
}

impl Rows {
    /// Rows of one encoding each, with their classes.
    pub fn new(encodings: Vec<Encoding>, classes: Vec<u32>) -> Self {
        Self { texts: Texts { encodings, starts: None }, targets: Targets::Classes(classes) }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.targets.len() == self.texts.len() {
            return Ok(());
        }
        Err(Error::Labels { rows: self.texts.len(), labels: self.targets.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Encoding, Texts};

    fn encoding(id: u32) -> Encoding {
        Encoding { ids: vec![id], type_ids: vec![0], truncated: false }
    }

    #[test]
    fn windows_of_texts_keep_their_place() {
        let plain = Texts { encodings: vec![encoding(1), encoding(2)], starts: None };
        let mut all = plain.clone();
        all.extend(Texts::of_windows(vec![vec![encoding(3)], vec![encoding(4), encoding(5)]]));
        all.extend(plain);
        assert_eq!(all.len(), 6);
        let ids: Vec<Vec<u32>> =
            (0..6).map(|i| all.encodings[all.windows(i)].iter().map(|e| e.ids[0]).collect()).collect();
        assert_eq!(ids, [vec![1], vec![2], vec![3], vec![4, 5], vec![1], vec![2]]);
        let means = all.means(vec![1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0]);
        assert_eq!(means, [1.0, 2.0, 3.0, 5.0, 7.0, 8.0]);
        assert!(Texts::of_windows(vec![vec![encoding(1)]]).starts.is_none());
    }
}
