//! A tiny network and rows for it.

use std::path::Path;

use filbert_model::{Encoding, Freeze, HeadSource, Network, Pooling};
use filbert_train::Rows;

pub(crate) fn tiny(pooling: Pooling, freeze: &Freeze) -> Network {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny");
    let (mut network, _) = Network::load(&folder, HeadSource::New { labels: 2, seed: 1 }, pooling).unwrap();
    network.freeze(freeze).unwrap();
    network
}

pub(crate) fn rows(n: u32) -> Rows {
    let encodings = (0..n)
        .map(|i| {
            let ids: Vec<u32> = (0..3 + i % 7).map(|j| 5 + (i * 5 + j * 3) % 50).collect();
            Encoding { type_ids: vec![0; ids.len()], ids, truncated: false }
        })
        .collect();
    Rows::new(encodings, (0..n).map(|i| i % 2).collect())
}
