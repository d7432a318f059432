//! The vocabulary of all-MiniLM-L6-v2, pruned to texts like those of phishing data. `make test` says where the checkpoint is.

use std::path::PathBuf;

use filbert_compress::vocabulary::{Options, apply, check, count, plan, prune_network};
use filbert_engine::Context;
use filbert_model::{Batch, HeadSource, Network, Pooling, Tokenizer};

fn folder() -> PathBuf {
    std::env::var_os("FILBERT_MINILM")
        .expect("FILBERT_MINILM names the checkpoint's folder: run make test")
        .into()
}

/// `SplitMix64` (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// Letters, mostly of a to z.
    fn letters(&mut self, most: usize) -> String {
        let one = |random: &mut Self| char::from(b'a' + random.below(26) as u8);
        (0..=self.below(most)).map(|_| one(self)).collect()
    }

    /// An address like those of phishing data.
    fn address(&mut self) -> String {
        let word =
            ["paypal", "secure", "login", "account", "update", "bank", "wiki", "shop", "photo", "free"];
        let (a, b) = (self.of(&word), self.of(&word));
        let (host, path, number) = (self.letters(9), self.letters(6), self.below(99_999));
        let end = self.of(&["com", "org", "net", "ru", "co.uk", "com.br"]);
        format!("http://{a}-{host}.{end}/{b}/{path}.php?id={number}")
    }

    /// Any text: words of random characters from many blocks, vocabulary tokens run together, long words.
    fn text(&mut self, tokens: &[String]) -> String {
        let blocks = [
            (0x20, 95),
            (0xa0, 0x260),
            (0x370, 0x1c0),
            (0x5d0, 0x80),
            (0x900, 0x200),
            (0x2000, 0x400),
            (0x3040, 0x100),
            (0x4e00, 0x5000),
            (0xac00, 0x2000),
            (0x1f300, 0x300),
        ];
        let mut out = String::new();
        for _ in 0..=self.below(8) {
            match self.below(12) {
                0..4 => out += &self.letters(12),
                4 => out += &self.letters(130),
                5..11 => {
                    for _ in 0..=self.below(4) {
                        out += tokens[self.below(tokens.len())].trim_start_matches("##");
                    }
                }
                _ => {
                    let (start, size) = blocks[self.below(blocks.len())];
                    let any = |random: &mut Self| char::from_u32(start + random.below(size) as u32);
                    out.extend((0..=self.below(3)).filter_map(|_| any(self)));
                }
            }
            out.push_str(self.of(&[" ", " ", "", "-", "\u{301}"]));
        }
        out
    }
}

#[test]
#[ignore = "needs the MiniLM checkpoint: make test runs it"]
fn minilm_pruned_to_addresses() {
    let tokenizer = Tokenizer::load(&folder()).unwrap();
    let source = HeadSource::New { labels: 2, seed: 0 };
    let (old, _) = Network::load(&folder(), source, Pooling::Pooler).unwrap();
    let mut random = Random(1);
    let data: Vec<String> = (0..2_000).map(|_| random.address()).collect();
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    let encodings = tokenizer.encode_batch(&data, None, 128).unwrap();
    let plan = plan(&tokenizer, &old.config, &count(&encodings), Options::default()).unwrap();
    let kept = plan.kept().len();
    assert!(plan.unspelled().is_empty(), "{:?}", plan.unspelled());
    assert!((2_000..8_000).contains(&kept), "{kept}");

    let pruned = apply(&tokenizer, &plan).unwrap();
    let tokens: Vec<String> = (0..30_522).map(|id| tokenizer.id_to_token(id).unwrap()).collect();
    let texts: Vec<String> = (0..10_000).map(|_| random.text(&tokens)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let checked = check(&tokenizer, &pruned, &plan, &texts).unwrap();
    println!("{kept} of 30522 kept; {checked:?}");
    assert!((1_000..6_000).contains(&checked.unknown) && checked.unchanged > 100, "{checked:?}");
    assert_eq!(check(&tokenizer, &pruned, &plan, &data).unwrap().unchanged, data.len());

    let mut new = old.clone();
    prune_network(&mut new, &plan).unwrap();
    let logits = |network: &Network, tokenizer: &Tokenizer| {
        let rows = tokenizer.encode_batch(&data[..64], None, 128).unwrap();
        network.logits(&Context::default(), &Batch::new(network.architecture, &rows)).unwrap()
    };
    assert_eq!(logits(&old, &tokenizer), logits(&new, &pruned));
    assert_eq!((new.config.vocab_size, new.config.pad_token_id), (kept, Some(0)));
}
