//! Training for few bits: it learns, it is the same on any number of threads, what it judges is what it trained, and what is
//! stored afterwards answers as it did.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{rows, tiny};
use filbert_engine::{Context, Mode, Tape};
use filbert_model::quantized::{Importance, QUANTIZED_FILE, write};
use filbert_model::{Batch, Error, Freeze, HeadSource, Lora, Network, Pooling, Scheme};
use filbert_train::{Fitted, Settings, Silent, fit};

const SCHEMES: [(Scheme, Scheme); 3] =
    [(Scheme::Int8, Scheme::Int8), (Scheme::Int8, Scheme::Int4 { group: 32 }), (Scheme::Nf4, Scheme::Nf4)];

fn plan(network: &Network, (embeddings, linears): (Scheme, Scheme)) -> BTreeMap<String, Scheme> {
    let (tables, layers) = network.quantizable();
    let plan = tables.into_iter().map(|name| (name, embeddings));
    plan.chain(layers.into_iter().map(|name| (name, linears))).collect()
}

fn mark(network: &mut Network, schemes: (Scheme, Scheme)) {
    let plan = plan(network, schemes);
    network.fake_quantize(&plan).unwrap();
}

fn batch(network: &Network) -> Batch {
    Batch::new(network.architecture, &rows(6).texts.encodings)
}

fn run(network: &mut Network, epochs: usize, accumulate: usize, recompute: bool) -> Fitted {
    let settings = Settings { epochs, accumulate, batch_size: 8, learning_rate: 4e-3, ..Settings::default() };
    let context = Context::default().with_recompute(recompute);
    fit(network, &context, &rows(24), Some(&rows(24)), &settings, None, &mut Silent).unwrap()
}

fn bits(network: &Network) -> Vec<u32> {
    network.params.iter().flat_map(|(_, p)| p.value.iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

#[test]
fn evaluation_computes_what_training_does() {
    let context = Context::default();
    for schemes in SCHEMES {
        let mut network = tiny(Pooling::Pooler, &Freeze::None);
        let batch = batch(&network);
        let plain = network.logits(&context, &batch).unwrap();
        mark(&mut network, schemes);
        let mut tape = Tape::new(&context, &network.params, Mode { record: true, dropout: None });
        let trained = network.forward(&mut tape, &batch).unwrap().value().to_vec();
        drop(tape);
        assert_eq!(network.logits(&context, &batch).unwrap(), trained, "{schemes:?}");
        assert_ne!(plain, trained, "{schemes:?}");
        network.clear_fake();
        assert_eq!(network.logits(&context, &batch).unwrap(), plain, "{schemes:?}: without marks as before");
    }
}

#[test]
fn it_learns_in_four_bits() {
    let mut network = tiny(Pooling::Pooler, &Freeze::None);
    mark(&mut network, (Scheme::Nf4, Scheme::Nf4));
    let fitted = run(&mut network, 12, 1, false);
    let losses: Vec<f64> = fitted.epochs.iter().filter_map(|e| e.valid_loss).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(best < 0.6 * losses[0] && best < 0.4, "{losses:?}");
    // What was judged is the marked network.
    let logits = network.logits(&Context::default(), &batch(&network)).unwrap();
    network.clear_fake();
    assert_ne!(network.logits(&Context::default(), &batch(&network)).unwrap(), logits);
}

#[test]
fn the_same_bits_on_any_number_of_threads_and_recomputed() {
    for schemes in SCHEMES {
        let with = |threads: usize, recompute: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut network = tiny(Pooling::Pooler, &Freeze::Layers(1));
                mark(&mut network, schemes);
                run(&mut network, 2, 2, recompute);
                bits(&network)
            })
        };
        let one = with(1, false);
        assert!(with(2, false) == one, "{schemes:?}: two threads");
        assert!(with(1, true) == one, "{schemes:?}: recomputed");
    }
}

/// A frozen trunk's features are those of the marked trunk.
#[test]
fn a_frozen_trunk_is_rounded_too() {
    let losses = |schemes: Option<(Scheme, Scheme)>| {
        let mut network = tiny(Pooling::Pooler, &Freeze::Trunk);
        if let Some(schemes) = schemes {
            mark(&mut network, schemes);
        }
        let fitted = run(&mut network, 2, 1, false);
        let logits = network.logits(&Context::default(), &batch(&network)).unwrap();
        assert!(fitted.cached_trunk);
        (logits, fitted.epochs.last().map(|e| e.train_loss))
    };
    assert_ne!(losses(None), losses(Some((Scheme::Nf4, Scheme::Nf4))));
}

/// The folder of few bits that is written afterwards answers as the marked network: in int8 both sides are the same integers;
/// four bits are brought to eight by row before a product, which moves each weight by at most half a step of its row.
#[test]
fn what_is_stored_answers_as_it_was_trained() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny");
    let context = Context::default();
    for (schemes, bound) in SCHEMES.into_iter().zip([1e-4, 0.08, 0.08]) {
        let (mut network, _) = Network::load(&golden, HeadSource::Stored, Pooling::Pooler).unwrap();
        mark(&mut network, schemes);
        run(&mut network, 2, 1, false);
        let batch = batch(&network);
        let wanted = network.logits(&context, &batch).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(golden.join("config.json"), folder.path().join("config.json")).unwrap();
        let file = folder.path().join(QUANTIZED_FILE);
        write(&file, &network.params, &plan(&network, schemes), &Importance::Largest).unwrap();
        let (stored, _) = Network::load(folder.path(), HeadSource::Stored, Pooling::Pooler).unwrap();
        let found = stored.logits(&context, &batch).unwrap();
        network.clear_fake();
        let plain = network.logits(&context, &batch).unwrap();
        let furthest = |a: &[f32]| a.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let (distance, to_plain) = (furthest(&found), furthest(&plain));
        assert!(distance < bound && distance < to_plain, "{schemes:?}: {distance}, the plain one {to_plain}");
    }
}

#[test]
fn what_cannot_be_marked_is_refused() {
    let mut network = tiny(Pooling::Pooler, &Freeze::None);
    let before = bits(&network);
    let (tables, linears) = network.quantizable();
    let mut refused = |name: &str, scheme| {
        let both = [(linears[0].clone(), Scheme::Int8), (name.to_owned(), scheme)].into();
        let error = network.fake_quantize(&both).unwrap_err();
        assert!(!network.has_fake(), "nothing is marked");
        error
    };
    assert!(matches!(refused("no.such", Scheme::Nf4), Error::NoSuchParameter { .. }));
    assert!(matches!(refused("classifier.bias", Scheme::Nf4), Error::NoSuchParameter { .. }));
    let error = refused(&tables[0], Scheme::Int4 { group: 48 }).to_string();
    assert!(error.contains("groups of 48"), "{error}");
    let targets = vec!["query".to_owned()];
    network.add_lora(&Lora { rank: 2, alpha: 4.0, dropout: 0.0, targets }, 1).unwrap();
    let plan = plan(&network, (Scheme::Int8, Scheme::Int8));
    let error = network.fake_quantize(&plan).unwrap_err().to_string();
    assert!(error.contains("adapters") && !network.has_fake(), "{error}");
    assert!(bits(&network).starts_with(&before));
}
