//! Networks of few bits as a whole: a row's logits are the same bits in any company, and near those of the network in full.

mod quantized_support;

use std::collections::{BTreeMap, BTreeSet};

use filbert_engine::{Context, Device, Isa};
use filbert_model::quantized::{Importance, QUANTIZED_FILE, write};
use filbert_model::{Batch, Encoding, Network, Scheme};
use quantized_support::{SCHEMES, full, load, save};

/// Rows of 1 to 23 tokens.
fn rows(count: usize) -> Vec<Encoding> {
    let row = |i: usize| {
        let length = 1 + i * 7 % 23;
        let ids = (0..length).map(|t| ((i * 31 + t * 17) % 61) as u32).collect();
        let type_ids = (0..length).map(|t| u32::from(t > length / 2)).collect();
        Encoding { ids, type_ids, truncated: false }
    };
    (0..count).map(row).collect()
}

fn logits(network: &Network, isa: Isa, rows: &[Encoding]) -> Vec<f32> {
    let context = Context::new(Device::Cpu(isa));
    network.logits(&context, &Batch::new(network.architecture, rows)).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn quantized(scheme: Scheme) -> Network {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), scheme);
    // The file stays mapped after its folder is gone.
    load(dir.path()).unwrap()
}

/// 300 rows: more than 256 tokens, which takes the fused passes in every layer, and more than 256 rows, which takes them in the
/// last one too, where only the first token of each is left.
#[test]
fn a_row_has_the_same_bits_in_any_company() {
    let all = rows(300);
    for scheme in SCHEMES {
        let network = quantized(scheme);
        for isa in Isa::available() {
            let together = logits(&network, isa, &all);
            for (first, count) in [(0, 1), (17, 1), (22, 1), (3, 4), (40, 8), (100, 21), (20, 60), (0, 299)] {
                let some = logits(&network, isa, &all[first..first + count]);
                let same = bits(&some) == bits(&together[first * 3..(first + count) * 3]);
                assert!(same, "{scheme} on {isa}: {count} rows from {first}");
            }
        }
    }
}

/// Any matrix may be in few bits, each by another scheme, the classifier among them.
#[test]
fn schemes_may_be_mixed() {
    let full = full();
    let (tables, layers) = full.quantizable();
    let names = tables.into_iter().chain(layers).chain(["classifier.weight".to_owned()]);
    let plan: BTreeMap<String, Scheme> =
        names.enumerate().map(|(i, name)| (name, SCHEMES[i % SCHEMES.len()])).collect();
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), Scheme::Int8);
    write(&dir.path().join(QUANTIZED_FILE), &full.params, &plan, &Importance::Equal).unwrap();
    let network = load(dir.path()).unwrap();
    let few = network.params.iter().filter(|(_, p)| p.quantized.is_some());
    assert_eq!(few.map(|(_, p)| &p.name).collect::<BTreeSet<_>>(), plan.keys().collect());
    let all = rows(300);
    let (got, wanted) = (logits(&network, Isa::detect(), &all), logits(&full, Isa::detect(), &all));
    assert!(distance(&got, &wanted) < 0.7, "{}", distance(&got, &wanted));
    assert!(bits(&logits(&network, Isa::detect(), &all[5..6])) == bits(&got[15..18]));
}

#[test]
fn threads_change_no_bit() {
    let all = rows(300);
    for scheme in SCHEMES {
        let network = quantized(scheme);
        for isa in Isa::available() {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| logits(&network, isa, &all))
            };
            let one = run(1);
            for threads in [2, 3] {
                assert!(bits(&run(threads)) == bits(&one), "{scheme} on {isa}: {threads} threads");
            }
        }
    }
}

/// The length of the difference, as a part of the length of `b`: near the square root of 2 for vectors that have nothing in common.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let length = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
    length(&mut a.iter().zip(b).map(|(a, b)| a - b)) / length(&mut b.iter().copied())
}

/// Weights of a large random deviation (0.3) and no training to forgive an error make this harder than any real model: the bounds
/// are twice what is measured; an exchange of nibbles, groups or rows gives more than 1.
#[test]
fn logits_are_near_those_in_full() {
    let all = rows(300);
    let isa = Isa::detect();
    let wanted = logits(&full(), isa, &all);
    for (scheme, bound) in [
        (Scheme::Int8, 0.04),
        (Scheme::Int4 { group: 32 }, 0.7),
        (Scheme::Int4 { group: 128 }, 0.7),
        (Scheme::Nf4, 0.4),
    ] {
        let got = distance(&logits(&quantized(scheme), isa, &all), &wanted);
        assert!(got > 0.0 && got < bound, "{scheme}: {got}");
    }
}

/// Products of integers have the same bits everywhere; norms, attention and activations round otherwise with and without fused
/// multiply-adds, and a value on the edge between two integers may then fall to the other side.
#[test]
fn instruction_sets_differ_by_rounding_alone() {
    let all = rows(300);
    for scheme in SCHEMES {
        let network = quantized(scheme);
        let wanted = logits(&network, Isa::portable(), &all);
        for isa in Isa::available() {
            let got = distance(&logits(&network, isa, &all), &wanted);
            assert!(got < 0.005, "{scheme} on {isa}: {got}");
        }
    }
}
