//! The short names: a few BERT-family encoders worth starting from.

/// A short name for a checkpoint on the hub.
#[derive(Debug, PartialEq, Eq)]
pub struct Alias {
    /// What is typed.
    pub name: &'static str,
    /// The hub id it stands for, `owner/name`.
    pub hub_id: &'static str,
    /// One line for `--help` and error messages.
    pub about: &'static str,
    /// SHA-256 (lower-case hex) of `model.safetensors`, where known: an archive that holds these weights is then
    /// recognised as this checkpoint.
    pub weights_sha256: Option<&'static str>,
}

/// Every alias, the recommended one first.
pub const ALIASES: &[Alias] = &[
    Alias {
        name: "minilm-l6",
        hub_id: "sentence-transformers/all-MiniLM-L6-v2",
        about: "6 layers, width 384, 23 M parameters: fast, the default",
        weights_sha256: Some("53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    },
    Alias {
        name: "minilm-l12",
        hub_id: "sentence-transformers/all-MiniLM-L12-v2",
        about: "12 layers, width 384, 33 M parameters",
        weights_sha256: None,
    },
    Alias {
        name: "bge-small",
        hub_id: "BAAI/bge-small-en-v1.5",
        about: "12 layers, width 384, 33 M parameters, English",
        weights_sha256: None,
    },
    Alias {
        name: "bge-base",
        hub_id: "BAAI/bge-base-en-v1.5",
        about: "12 layers, width 768, 109 M parameters, English",
        weights_sha256: None,
    },
    Alias {
        name: "bert-base",
        hub_id: "google-bert/bert-base-uncased",
        about: "12 layers, width 768, 110 M parameters: the original",
        weights_sha256: None,
    },
];

/// The alias called `name`, whatever its case.
pub fn alias(name: &str) -> Option<&'static Alias> {
    ALIASES.iter().find(|alias| alias.name.eq_ignore_ascii_case(name))
}

/// The alias whose `model.safetensors` has this SHA-256.
pub(crate) fn by_weights(sha256: &str) -> Option<&'static Alias> {
    ALIASES.iter().find(|alias| alias.weights_sha256 == Some(sha256))
}

/// `minilm-l6, minilm-l12, …`
pub(crate) fn names() -> String {
    ALIASES.iter().map(|alias| alias.name).collect::<Vec<_>>().join(", ")
}

/// Longest input for which a nearest alias is looked for: the distance is quadratic.
const LONGEST_GUESS: usize = 64;
/// Edits beyond which a guess would be noise.
const FARTHEST_GUESS: usize = 4;

/// The alias closest to what was typed, where one is close.
pub(crate) fn nearest(typed: &str) -> Option<&'static str> {
    if typed.chars().count() > LONGEST_GUESS {
        return None;
    }
    let typed = typed.to_ascii_lowercase();
    let best = ALIASES.iter().map(|alias| (strsim::levenshtein(&typed, alias.name), alias.name)).min()?;
    (best.0 <= FARTHEST_GUESS && best.0 * 2 <= best.1.len()).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        for (typed, want) in [
            ("minilm", Some("minilm-l6")),
            ("MiniLM-L6", Some("minilm-l6")),
            ("bge_small", Some("bge-small")),
            ("bertbase", Some("bert-base")),
            ("x", None),
            ("", None),
            ("gpt-4", None),
        ] {
            assert_eq!(nearest(typed), want, "{typed}");
        }
        assert_eq!(nearest(&"a".repeat(10_000)), None);
    }
}
