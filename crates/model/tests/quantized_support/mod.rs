//! A small folder of few bits, made of the golden network, and its file as parts that a test can spoil.
#![allow(dead_code)] // each test file uses some of it

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use filbert_model::quantized::{Importance, METADATA_KEY, QUANTIZED_FILE, write};
use filbert_model::safetensors::{Data, Dtype, SafeTensors, Tensor, write_tensors};
use filbert_model::{HeadSource, Network, Pooling, Scheme};

/// The schemes that a file may have, with every group size of int4.
pub(crate) const SCHEMES: [Scheme; 5] = [
    Scheme::Int8,
    Scheme::Int4 { group: 32 },
    Scheme::Int4 { group: 64 },
    Scheme::Int4 { group: 128 },
    Scheme::Nf4,
];

pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny")
}

/// The golden network in full: 2 layers of width 21, an inner width of 37, 61 tokens, 3 labels.
pub(crate) fn full() -> Network {
    Network::load(&golden(), HeadSource::Stored, Pooling::Pooler).unwrap().0
}

/// Writes `config.json` and `quantized.safetensors` with all matrices that may be in few bits.
pub(crate) fn save(folder: &Path, scheme: Scheme) {
    let network = full();
    let (tables, layers) = network.quantizable();
    let plan = tables.into_iter().chain(layers).map(|name| (name, scheme)).collect();
    std::fs::copy(golden().join("config.json"), folder.join("config.json")).unwrap();
    write(&folder.join(QUANTIZED_FILE), &network.params, &plan, &Importance::Equal).unwrap();
}

pub(crate) fn load(folder: &Path) -> filbert_model::Result<Network> {
    Network::load(folder, HeadSource::Stored, Pooling::Pooler).map(|(network, _)| network)
}

/// A file's tensors and its list of matrices of few bits.
pub(crate) struct Parts {
    pub(crate) list: String,
    pub(crate) tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    pub(crate) fn of(path: &Path) -> Self {
        let file = SafeTensors::open(path).unwrap();
        let one = |name: &str| {
            let info = file.info(name).unwrap();
            let bytes = file.bytes(name, info.dtype, &info.shape).unwrap().to_vec();
            (name.to_owned(), (info.dtype, info.shape.clone(), bytes))
        };
        Self { list: file.metadata()[METADATA_KEY].clone(), tensors: file.names().map(one).collect() }
    }

    pub(crate) fn write(self, path: &Path) {
        let tensor = |(name, (dtype, shape, bytes))| Tensor { name, shape, data: Data::Bytes(dtype, bytes) };
        let tensors = self.tensors.into_iter().map(tensor).collect();
        write_tensors(path, tensors, &BTreeMap::from([(METADATA_KEY.to_owned(), self.list)])).unwrap();
    }
}
