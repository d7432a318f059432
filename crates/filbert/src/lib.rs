//! Fine-tune, measure and use BERT-family text classifiers from Rust.
