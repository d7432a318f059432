//! A ragged batch: the tokens of its rows one after the other, and where each row starts. Nothing is padded.

use std::sync::Arc;

use crate::architecture::Architecture;
use crate::tokenizer::Encoding;

/// Rows of token ids, concatenated.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) ids: Arc<[u32]>,
    pub(crate) types: Arc<[u32]>,
    pub(crate) positions: Arc<[u32]>,
    pub(crate) offsets: Arc<[u32]>,
}

impl Batch {
    /// The batch of `rows`, in their order, with positions as `architecture` counts them.
    pub fn new<'a>(architecture: &Architecture, rows: impl IntoIterator<Item = &'a Encoding>) -> Self {
        let (mut ids, mut types, mut positions, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), vec![0]);
        let first = architecture.first_position as u32;
        for row in rows {
            ids.extend_from_slice(&row.ids);
            types.extend_from_slice(&row.type_ids);
            positions.extend((first..).take(row.ids.len()));
            offsets.push(ids.len() as u32);
        }
        Self { ids: ids.into(), types: types.into(), positions: positions.into(), offsets: offsets.into() }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Tokens of all rows together.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Where each row starts, and the number of tokens at the end.
    pub fn offsets(&self) -> &Arc<[u32]> {
        &self.offsets
    }

    /// The token ids of all rows.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }
}
