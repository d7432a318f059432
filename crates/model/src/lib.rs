//! Encoder architectures as data, heads, tokenizer, checkpoint and model-folder files.
