//! Folders of few bits: what loads, what is refused whole, which of two files is read, and files with random changes.

mod quantized_support;

use std::collections::BTreeMap;
use std::fs::OpenOptions;

use filbert_engine::{Context, Param};
use filbert_model::error::Error;
use filbert_model::folder::{FilbertJson, Folder, SaveFolder};
use filbert_model::quantized::{Importance, MAX_COLUMNS, QUANTIZED_FILE, write};
use filbert_model::safetensors::{Checkpoint, Dtype, SafeTensors, WEIGHTS_FILE};
use filbert_model::{Batch, Encoding, HeadSource, Network, Pooling, Scheme};
use proptest::prelude::*;
use quantized_support::{Parts, SCHEMES, full, golden, load, save};

/// A linear layer's weight.
const NAME: &str = "bert.encoder.layer.1.output.dense.weight";

#[test]
fn an_untouched_file_loads() {
    let dir = tempfile::tempdir().unwrap();
    for scheme in SCHEMES {
        save(dir.path(), scheme);
        let path = dir.path().join(QUANTIZED_FILE);
        Parts::of(&path).write(&path);
        let (network, report) = Network::load(dir.path(), HeadSource::Stored, Pooling::Pooler).unwrap();
        assert_eq!((report.new.len(), report.skipped.len()), (0, 0), "{scheme}");
        assert!(network.params.has_quantized());
        // A tensor to spare is told of, even where its name is that of a part that another scheme has.
        if scheme != Scheme::Nf4 {
            let mut parts = Parts::of(&path);
            parts.tensors.insert(format!("{NAME}.scale_offset"), (Dtype::F32, vec![1], vec![0; 4]));
            parts.write(&path);
            let (_, report) = Network::load(dir.path(), HeadSource::Stored, Pooling::Pooler).unwrap();
            assert_eq!(report.skipped, [format!("{NAME}.scale_offset")], "{scheme}");
        }
    }
}

#[test]
fn a_file_cut_short_after_opening_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), Scheme::Int8);
    let path = dir.path().join(QUANTIZED_FILE);
    let open = SafeTensors::open(&path).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(size / 2).unwrap();
    let last = "classifier.weight";
    let cut = "bert.pooler.dense.weight";
    let error = open.bytes(cut, Dtype::I8, &[21, 21]).unwrap_err().to_string();
    assert!(error.contains(QUANTIZED_FILE), "{error}");
    let error = open.read_f32(last).unwrap_err().to_string();
    assert!(error.contains(QUANTIZED_FILE), "{error}");
    assert!(matches!(load(dir.path()), Err(Error::OffsetsPastEnd { .. })));
}

#[test]
fn more_columns_than_a_product_may_have_are_refused_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(QUANTIZED_FILE);
    let wide = MAX_COLUMNS + 1;
    let mut network = full();
    network
        .params
        .add(Param {
            name: "wide".to_owned(),
            shape: vec![1, wide],
            value: vec![0.5; wide],
            quantized: None,
            fake: None,
            trainable: true,
            decay: true,
            row_sparse: false,
            lr_scale: 1.0,
        })
        .unwrap();
    for scheme in SCHEMES {
        let plan = BTreeMap::from([("wide".to_owned(), scheme)]);
        let error = write(&path, &network.params, &plan, &Importance::Equal).unwrap_err().to_string();
        assert!(error.contains("`wide`: 65537 columns") && !path.exists(), "{error}");
    }
    // A config may ask for such a layer.
    let config = std::fs::read_to_string(golden().join("config.json")).unwrap();
    let config = config.replace("\"intermediate_size\": 37", &format!("\"intermediate_size\": {wide}"));
    save(dir.path(), Scheme::Int8);
    let mut parts = Parts::of(&path);
    for layer in ["0", "1"] {
        let name = |rest: &str| format!("bert.encoder.layer.{layer}.{rest}");
        for (weight, shape, rows) in
            [("intermediate.dense.weight", [wide, 21], wide), ("output.dense.weight", [21, wide], 21)]
        {
            let weight = name(weight);
            parts.tensors.insert(weight.clone(), (Dtype::I8, shape.to_vec(), vec![1; shape[0] * shape[1]]));
            parts.tensors.insert(format!("{weight}.scales"), (Dtype::F32, vec![rows], vec![0; rows * 4]));
            let mut list: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&parts.list).unwrap();
            list.insert(weight, serde_json::json!({"scheme": "int8", "shape": shape}));
            parts.list = serde_json::to_string(&list).unwrap();
        }
        parts.tensors.insert(name("intermediate.dense.bias"), (Dtype::F32, vec![wide], vec![0; wide * 4]));
    }
    parts.write(&path);
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("output.dense.weight") && error.contains("65537 columns"), "{error}");
}

#[test]
fn a_folder_of_few_bits_is_not_trained() {
    let dir = tempfile::tempdir().unwrap();
    for scheme in SCHEMES {
        save(dir.path(), scheme);
        let new = HeadSource::New { labels: 2, seed: 0 };
        let error = Network::load(dir.path(), new, Pooling::Pooler).unwrap_err();
        assert!(matches!(error, Error::QuantizedNotTrainable { .. }), "{scheme}: {error}");
    }
}

/// `quantized.safetensors` is read where it is there, and where there is a `filbert.json` both files must be in it.
#[test]
fn which_of_two_files_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("m");
    let whole = |name: &str| out.join(name);
    let folder = SaveFolder::create(&out, false).unwrap();
    save(folder.path(), Scheme::Int8);
    std::fs::copy(golden().join(WEIGHTS_FILE), folder.path().join(WEIGHTS_FILE)).unwrap();
    folder.commit_with(&FilbertJson::default()).unwrap();
    Folder::open(&out).unwrap();
    let checkpoint = Checkpoint::open(&out).unwrap();
    assert!(checkpoint.is_quantized() && checkpoint.path().ends_with(QUANTIZED_FILE));

    let json = std::fs::read_to_string(whole("filbert.json")).unwrap();
    let without = |name: &str| {
        let mut filbert = FilbertJson::load(&out).unwrap().unwrap();
        filbert.files.remove(name);
        std::fs::write(whole("filbert.json"), filbert.to_json()).unwrap();
        let error = Folder::open(&out).unwrap_err();
        assert!(matches!(error, Error::FileUnlisted { .. }) && error.to_string().contains(name), "{error}");
        std::fs::write(whole("filbert.json"), &json).unwrap();
    };
    without(QUANTIZED_FILE);
    without(WEIGHTS_FILE);

    let bytes = std::fs::read(whole(QUANTIZED_FILE)).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(whole(QUANTIZED_FILE), changed).unwrap();
    assert!(matches!(Folder::open(&out), Err(Error::HashMismatch { .. })));
    std::fs::remove_file(whole(QUANTIZED_FILE)).unwrap();
    assert!(matches!(Folder::open(&out), Err(Error::ListedFileMissing { .. })));

    // A folder without filbert.json has nothing to compare with.
    std::fs::write(whole(QUANTIZED_FILE), bytes).unwrap();
    std::fs::remove_file(whole("filbert.json")).unwrap();
    Folder::open(&out).unwrap();
    assert!(load(&out).unwrap().params.has_quantized());
}

/// One change of a file: at a place in its header or anywhere, another byte or another digit.
fn edits() -> impl Strategy<Value = Vec<(bool, prop::sample::Index, u8, bool)>> {
    prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_files_never_panic(which in 0..SCHEMES.len(), edits in edits()) {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), SCHEMES[which]);
        let path = dir.path().join(QUANTIZED_FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for (in_header, at, byte, digit) in edits {
            let at = at.index(if in_header { header } else { bytes.len() });
            let digits: Vec<usize> = (at..bytes.len().min(at + 200)).filter(|&i| bytes[i].is_ascii_digit()).collect();
            match digits.first() {
                Some(&i) if digit => bytes[i] = b'0' + byte % 10,
                _ => bytes[at] = byte,
            }
        }
        std::fs::write(&path, bytes).unwrap();
        match load(dir.path()) {
            Ok(network) => {
                let row = Encoding { ids: vec![2, 9, 60, 7, 3], type_ids: vec![0, 0, 0, 1, 1], truncated: false };
                let batch = Batch::new(network.architecture, [&row]);
                prop_assert_eq!(network.logits(&Context::default(), &batch).unwrap().len(), 3);
            }
            Err(e) => {
                let message = e.to_string();
                prop_assert!(message.contains(QUANTIZED_FILE) && message.len() < 1_000, "{}", message);
            }
        }
    }
}
