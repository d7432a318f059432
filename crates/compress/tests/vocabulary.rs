//! Pruned vocabularies: what is kept, and that no text gets a new unknown token, over random vocabularies that include
//! those on which a careless choice fails.

mod support;

use filbert_compress::Error;
use filbert_compress::vocabulary::{Options, Plan, apply, check, count, plan, prune_network};
use filbert_engine::Context;
use filbert_model::{Batch, Encoding, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Spec, config, network};

/// The plan for a tokenizer whose data are `used`.
fn plan_for(tokenizer: &Tokenizer, rows: usize, used: &[&str], min_count: u64) -> Plan {
    let encodings = encode(tokenizer, used);
    plan(tokenizer, &config(rows, &json!({})), &count(&encodings), Options { min_count }).unwrap()
}

fn encode(tokenizer: &Tokenizer, texts: &[&str]) -> Vec<Encoding> {
    tokenizer.encode_batch(texts, None, usize::MAX).unwrap()
}

/// A vocabulary, a text that uses some of it, and what is dropped.
struct Case {
    what: &'static str,
    spec: Spec,
    used: &'static str,
    dropped: &'static [&'static str],
    unspelled: &'static [char],
}

fn hold(cases: impl IntoIterator<Item = Case>) {
    let mut failed = Vec::new();
    for Case { what, spec, used, dropped, unspelled } in cases {
        let (tokenizer, all) = (spec.tokenizer(), spec.vocabulary());
        let plan = plan_for(&tokenizer, all.len(), &[used], 1);
        let gone: Vec<&str> = (0..all.len())
            .filter(|&id| plan.new_id(id as u32).is_none())
            .map(|id| all[id].as_str())
            .collect();
        if gone != dropped || plan.unspelled() != unspelled {
            failed.push(format!("{what}: dropped {gone:?}, unspelled {:?}", plan.unspelled()));
        }
        assert_eq!(plan.tokens(), (all.len(), all.len() - gone.len()), "{what}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn kept_tokens_where_continuations_are_made_of_continuations() {
    let spec = Spec::new;
    let plain = ["#", "###", "a", "b", "##a", "##b", "ab", "##ab", "abb", "##bb"];
    hold([
        Case {
            what: "single characters stay, the rest goes",
            spec: spec(&plain),
            used: "",
            dropped: &["ab", "##ab", "abb", "##bb"],
            unspelled: &[],
        },
        Case {
            what: "used tokens stay",
            spec: spec(&plain),
            used: "abb aab",
            dropped: &["ab", "##bb"],
            unspelled: &[],
        },
        Case {
            what: "a continuation is a word too where the prefix's characters are none",
            spec: spec(&plain[2..]),
            used: "",
            dropped: &["ab", "abb"],
            unspelled: &[],
        },
        Case {
            what: "a token whose first character does not stand alone stays",
            spec: spec(&["a", "##a", "##b", "ba", "aba"]),
            used: "",
            dropped: &["aba"],
            unspelled: &[],
        },
        Case {
            what: "a token with a later character that is no continuation stays",
            spec: spec(&["a", "b", "##a", "ab", "aa"]),
            used: "",
            dropped: &["aa"],
            unspelled: &[],
        },
        Case {
            what: "what begins with an unknown token that is a word stays",
            spec: Spec { unknown: "a", ..spec(&["b", "##a", "##b", "ab", "ba"]) },
            used: "",
            dropped: &["ba"],
            unspelled: &[],
        },
        Case {
            what: "what begins with an unknown token of two characters stays",
            spec: Spec { unknown: "ab", ..spec(&["a", "b", "##a", "##b", "abb", "bab"]) },
            used: "",
            dropped: &["bab"],
            unspelled: &[],
        },
        Case {
            what: "a token with punctuation inside cannot be reached where punctuation is split off",
            spec: Spec { splitter: "BertPreTokenizer", ..spec(&["a", "##a", "##aa", "a.x", "##.x", "."]) },
            used: "",
            dropped: &["##aa", "a.x", "##.x"],
            unspelled: &[],
        },
    ]);
}

#[test]
fn kept_tokens_where_they_are_not() {
    let spec = Spec::new;
    hold([
        Case {
            what: "continuations of a character that is none: whoever may lead to another cut stays",
            spec: spec(&["#", "###", "a", "b", "c", "##a", "##b", "##bc", "##aa", "ab", "ca", "ba"]),
            used: "",
            // `ab` could be cut to `a`, and then `##bc` would take what followed; `##aa` begins with the end of `ca`.
            dropped: &[],
            unspelled: &['c'],
        },
        Case {
            what: "continuations of a character that is none: the others go",
            spec: spec(&["a", "b", "c", "##a", "##b", "##bc", "ab", "ca", "ba"]),
            used: "",
            dropped: &["ca", "ba"],
            unspelled: &['c'],
        },
        Case {
            what: "what contains an unknown token that is a continuation stays",
            spec: Spec { unknown: "##ab", ..spec(&["#", "###", "a", "b", "##a", "##b", "bab", "ba", "bb"]) },
            used: "",
            // `ba` ends in what the unknown token begins with.
            dropped: &["bb"],
            unspelled: &[],
        },
        Case {
            what: "a token that no word can reach goes, whatever it is made of",
            spec: Spec { max_chars: 3, ..spec(&["a", "##a", "xxxx", "##xxx", "##xx"]) },
            used: "",
            dropped: &["xxxx", "##xxx"],
            unspelled: &['x'],
        },
        Case {
            what: "without a prefix a token is both",
            spec: Spec { prefix: "", ..spec(&["a", "b", "ab", "[", "]", "u", "n", "k", "p", "d"]) },
            used: "",
            // [UNK] could itself be a continuation there, with capitals that are none.
            dropped: &["ab"],
            unspelled: &['A', 'C', 'D', 'E', 'K', 'L', 'N', 'P', 'S', 'U'],
        },
    ]);
}

#[test]
fn rare_tokens_go_and_no_count_keeps_all() {
    let spec = Spec::new(&["#", "###", "a", "b", "##a", "##b", "ab", "##bb", "ba"]);
    let (tokenizer, rows) = (spec.tokenizer(), spec.vocabulary().len());
    for (min_count, kept) in [(0, 13), (1, 12), (2, 11), (4, 10)] {
        assert_eq!(plan_for(&tokenizer, rows, &["ab ab abbb"], min_count).kept().len(), kept, "{min_count}");
    }
}

/// A change of `tokenizer.json`.
type Change<'a> = &'a dyn Fn(&mut Value);

#[test]
fn refusals() {
    let spec = Spec::new(&["a", "##a"]);
    let config = config(6, &json!({}));
    let refused = |change: &dyn Fn(&mut Value), counts: &[u64]| {
        let mut json = spec.json();
        change(&mut json);
        plan(&support::load(&json), &config, counts, Options::default()).unwrap_err().to_string()
    };
    let cases: [(Change<'_>, &[u64], &str); 5] = [
        (
            &|json| {
                json["model"] =
                    json!({"type": "WordLevel", "unk_token": "[UNK]", "vocab": json["model"]["vocab"]});
            },
            &[],
            "the tokenizer's model is `WordLevel`; only the vocabulary of a WordPiece model",
        ),
        (&|json| json["model"]["vocab"]["a"] = json!(5), &[], "id 5 is the id of both `##a` and `a`"),
        (&|json| json["model"]["vocab"]["a"] = json!(6), &[], "token ids reach 6"),
        (&|json| json["padding"]["pad_id"] = json!(6), &[], "no row in the embedding table"),
        (&|_| (), &[1, 1, 1, 1, 1, 1, 9], "id 6 was counted 9 times"),
    ];
    for (change, counts, says) in cases {
        let error = refused(change, counts);
        assert!(error.contains(says), "{says}: {error}");
    }
    let two = plan_for(&spec.tokenizer(), 6, &[], 1);
    let other = Spec::new(&["a", "b", "##a"]);
    assert!(matches!(apply(&other.tokenizer(), &two), Err(Error::OtherTokenizer { .. })));
    let error = prune_network(&mut network(7, &json!({})), &two).unwrap_err().to_string();
    assert_eq!(error, "the plan is for a table of 6 rows, the network's word embedding table has 7");
}

#[test]
fn a_tokenizer_that_breaks_the_promise_is_found_out() {
    let spec = Spec::new(&["a", "b", "##a", "##b", "ab"]);
    let tokenizer = spec.tokenizer();
    let plan = plan_for(&tokenizer, 9, &[], 1);
    let new = apply(&tokenizer, &plan).unwrap();
    let mut json: Value = serde_json::from_slice(new.files().next().unwrap().1).unwrap();
    json["normalizer"] = json!({"type": "Replace", "pattern": {"String": "b"}, "content": "x"});
    let error = check(&tokenizer, &support::load(&json), &plan, &["a", "ab"]).unwrap_err().to_string();
    assert_eq!(error, "text 1 has 1 unknown tokens with the pruned vocabulary and had 0: `ab`");
    json["normalizer"]["content"] = json!("a");
    let error = check(&tokenizer, &support::load(&json), &plan, &["a", "b"]).unwrap_err().to_string();
    assert_eq!(error, "text 1 is tokenized differently although all its tokens were kept: `b`");
}

#[test]
fn a_huge_vocabulary_in_the_strict_case_is_kept() {
    let size = |count: usize| {
        let mut tokens: Vec<String> = ["#", "###", "b", "##b", "##bc"].map(str::to_owned).to_vec();
        tokens.extend(["0", "1", "##0", "##1"].map(str::to_owned));
        tokens.extend((0..count).map(|i| format!("{i:0200b}")));
        let mut spec = Spec::new(&[]);
        spec.max_chars = 256;
        let mut json = spec.json();
        for token in &tokens {
            let id = json["model"]["vocab"].as_object().unwrap().len();
            json["model"]["vocab"][token.as_str()] = json!(id);
        }
        plan_for(&support::load(&json), 4 + tokens.len(), &[], 1).tokens()
    };
    assert_eq!(size(100), (113, 13));
    assert_eq!(size(20_000), (20_013, 20_013));
}

/// Random vocabularies of short strings over few characters, so that matches overlap and get stuck.
fn specs() -> impl Strategy<Value = Spec> {
    let prefix = prop_oneof![4 => Just("##"), 1 => Just(""), 1 => Just("#"), 1 => Just("a")];
    let unknown =
        prop_oneof![4 => Just("[UNK]"), 1 => Just("a"), 2 => Just("ab"), 1 => Just("##a"), 1 => Just("##bc")];
    let splitter = prop_oneof![Just("WhitespaceSplit"), Just("BertPreTokenizer"), Just("Whitespace")];
    let texts = prop::collection::vec(("[abc]{1,4}|[abcé#.]{1,3}", any::<bool>()), 1..16);
    // Which characters have the two single forms; with all of them the usual case is met.
    let singles = prop_oneof![Just([true; 10]), any::<[bool; 10]>()];
    (prefix, unknown, splitter, texts, singles, 2..6usize).prop_map(
        |(prefix, unknown, splitter, texts, singles, max_chars)| {
            let with =
                |text: &str, inside: bool| if inside { format!("{prefix}{text}") } else { text.to_owned() };
            let each = ["a", "b", "c", "#", "."].into_iter().flat_map(|c| [with(c, false), with(c, true)]);
            let mut tokens: Vec<String> =
                each.zip(singles).filter(|(_, there)| *there).map(|(token, _)| token).collect();
            tokens.extend(texts.iter().map(|(text, inside)| with(text, *inside)));
            Spec { tokens, prefix, unknown, splitter, max_chars }
        },
    )
}

/// Every word of up to 5 of the characters, and some texts with others.
fn words() -> Vec<String> {
    let mut all = vec![String::new()];
    let mut start = 0;
    for _ in 0..5 {
        let end = all.len();
        for i in start..end {
            all.extend(["a", "b", "c"].map(|c| format!("{}{c}", all[i])));
        }
        start = end;
    }
    all.extend(
        ["a#b", "##a", "##bc", "#", "É", "ábc", "e\u{301}b", "aébc", "abcabcabc", "[UNK]", "[UNK]a", "a.b"]
            .map(str::to_owned),
    );
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_gets_a_new_unknown_token(
        spec in specs(),
        used in prop::collection::vec("[abc]{1,5}|[abcé#. ]{1,8}", 0..4),
        random in prop::collection::vec("[abcéÉ#. ]{0,20}|\\PC{0,20}", 8),
        min_count in 1..3u64,
    ) {
        let (tokenizer, rows) = (spec.tokenizer(), spec.vocabulary().len());
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        let plan = plan_for(&tokenizer, rows, &used, min_count);
        let pruned = apply(&tokenizer, &plan).unwrap();
        let texts: Vec<String> = words().into_iter().chain(random).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let checked = check(&tokenizer, &pruned, &plan, &texts).unwrap();
        prop_assert_eq!(checked.texts, texts.len());
        // By other means than `check`: each text has exactly as many unknown tokens, and its kept tokens their new ids.
        let (before, after) = (encode(&tokenizer, &texts), encode(&pruned, &texts));
        let unknown = [tokenizer.token_to_id(spec.unknown).unwrap(), pruned.token_to_id(spec.unknown).unwrap()];
        for ((text, old), new) in texts.iter().zip(&before).zip(&after) {
            let [a, b] = [(old, unknown[0]), (new, unknown[1])]
                .map(|(row, unknown)| row.ids.iter().filter(|id| **id == unknown).count());
            prop_assert_eq!(a, b, "{:?}", text);
            let tokens = |t: &Tokenizer, row: &Encoding| -> Vec<String> {
                row.ids.iter().map(|id| t.id_to_token(*id).unwrap()).collect()
            };
            let names = tokens(&tokenizer, old);
            if names.iter().all(|name| pruned.token_to_id(name).is_some()) {
                prop_assert_eq!(names, tokens(&pruned, new), "{:?}", text);
            }
        }
        if min_count == 1 {
            prop_assert_eq!(check(&tokenizer, &pruned, &plan, &used).unwrap().unchanged, used.len());
        }
    }

    #[test]
    fn logits_stay_to_the_bit(
        spec in specs(),
        used in prop::collection::vec("[abc]{1,5}|[abcé#. ]{1,8}", 1..6),
    ) {
        let (tokenizer, rows) = (spec.tokenizer(), spec.vocabulary().len());
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        let plan = plan_for(&tokenizer, rows, &used, 1);
        let pruned = apply(&tokenizer, &plan).unwrap();
        let more = json!({"sep_token_id": 3, "pad_token_id": 0});
        let old = network(rows, &more);
        let mut new = old.clone();
        prune_network(&mut new, &plan).unwrap();
        prop_assert_eq!(new.config.vocab_size, plan.kept().len());
        pruned.check_vocabulary(new.config.vocab_size).unwrap();
        let logits = |network: &filbert_model::Network, tokenizer: &Tokenizer| {
            let rows = encode(tokenizer, &used);
            network.logits(&Context::default(), &Batch::new(network.architecture, &rows)).unwrap()
        };
        prop_assert_eq!(logits(&old, &tokenizer), logits(&new, &pruned));
    }
}
