//! Readers for labelled texts, label maps, splits and batches.
