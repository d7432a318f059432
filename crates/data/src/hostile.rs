//! Characters by which a text can look like another: invisible ones, those that turn a line around, words of mixed
//! scripts, and letters that look like Latin ones (by the tables of Unicode Technical Standard 39). Only said, never
//! removed.

use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};
use unicode_security::confusable_detection::skeleton;

/// Whether a character shows nothing and is no white space: zero-width and other invisible formatting characters.
pub(crate) fn is_invisible(c: char) -> bool {
    c > '\u{7f}'
        && matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// What is hostile about a text; several may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hostile(u8);

impl Hostile {
    /// Invisible characters. Joiners and variation selectors count only within Latin, Greek or Cyrillic words, where
    /// nothing needs them.
    pub const INVISIBLE: Self = Self(1);
    /// Characters that change the direction of a line.
    pub const BIDI: Self = Self(2);
    /// Control characters other than tabs and line breaks, such as the start of a terminal's commands.
    pub const CONTROL: Self = Self(4);
    /// A word with letters of two of the scripts whose letters look alike (Latin, Greek, Cyrillic, Armenian,
    /// Cherokee).
    pub const MIXED_SCRIPT: Self = Self(8);
    /// Letters that look like Latin ones in a text that is otherwise Latin: styled or full-width letters, or a word
    /// whose every letter has a Latin double.
    pub const LOOKALIKE: Self = Self(16);

    /// Controls from U+0080 to U+009F, which no one types: usually quotes and dashes of Windows-1252 read as Latin-1.
    pub const MISDECODED: Self = Self(32);

    /// All kinds with their names for people.
    pub const KINDS: [(Self, &'static str); 6] = [
        (Self::INVISIBLE, "invisible characters"),
        (Self::BIDI, "direction controls"),
        (Self::CONTROL, "control characters"),
        (Self::MIXED_SCRIPT, "words of mixed scripts"),
        (Self::LOOKALIKE, "letters that look Latin"),
        (Self::MISDECODED, "characters of a wrong decoding"),
    ];

    /// Whether nothing is.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` holds.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of what holds.
    pub fn names(self) -> Vec<&'static str> {
        Self::KINDS.iter().filter(|(kind, _)| self.contains(*kind)).map(|(_, name)| *name).collect()
    }

    /// What holds of either.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn add(&mut self, kind: Self) {
        self.0 |= kind.0;
    }
}

/// What is hostile about a text.
pub fn suspicious(text: &str) -> Hostile {
    let mut found = Hostile::default();
    if text.bytes().any(|b| (b < b' ' && !b"\t\n\r".contains(&b)) || b == 0x7f) {
        found.add(Hostile::CONTROL);
    }
    if text.is_ascii() {
        return found;
    }
    let latin = text.bytes().filter(u8::is_ascii_alphabetic).count();
    let other = text.chars().filter(|&c| is_lookalike_script(c.script()) && c.is_alphabetic()).count();
    let mut before = None;
    for c in text.chars() {
        match c {
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                found.add(Hostile::BIDI);
            }
            '\u{80}'..='\u{9F}' => found.add(Hostile::MISDECODED),
            _ if is_joiner(c) && !before.is_none_or(is_european) => {}
            _ if is_invisible(c) => found.add(Hostile::INVISIBLE),
            _ => {}
        }
        before = Some(c);
    }
    for word in text.split(|c: char| !c.is_alphabetic() && !is_invisible(c)) {
        if !word.is_ascii() {
            found = found.and(word_kinds(word, latin > other));
        }
    }
    found
}

/// A word's mixed scripts and letters with Latin doubles.
fn word_kinds(word: &str, in_latin: bool) -> Hostile {
    let mut found = Hostile::default();
    let mut scripts: Vec<Script> = Vec::new();
    let (mut letters, mut doubles) = (0, 0);
    for c in word.chars().filter(|c| c.is_alphabetic()) {
        let script = c.script();
        let counted = script == Script::Latin || is_lookalike_script(script);
        if counted && !scripts.contains(&script) {
            scripts.push(script);
        }
        letters += 1;
        if c.is_ascii() {
            continue;
        }
        if is_lookalike_script(script) {
            doubles += usize::from(has_latin_double(c));
        } else if matches!(script, Script::Latin | Script::Common) && is_styled(c) {
            found.add(Hostile::LOOKALIKE);
        }
    }
    if scripts.len() > 1 {
        found.add(Hostile::MIXED_SCRIPT);
    }
    if doubles > 0 && (scripts.contains(&Script::Latin) || (in_latin && doubles == letters && letters > 1)) {
        found.add(Hostile::LOOKALIKE);
    }
    found
}

/// Joiners and variation selectors, which emoji and Indic scripts need.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
}

fn is_european(c: char) -> bool {
    c.is_alphabetic() && matches!(c.script(), Script::Latin | Script::Greek | Script::Cyrillic)
}

fn is_lookalike_script(script: Script) -> bool {
    matches!(script, Script::Greek | Script::Cyrillic | Script::Armenian | Script::Cherokee)
}

/// Whether the letter's prototype among the confusables is one Latin letter of ASCII.
fn has_latin_double(c: char) -> bool {
    let mut buffer = [0; 4];
    let mut prototype = skeleton(c.encode_utf8(&mut buffer));
    prototype.next().is_some_and(|first| first.is_ascii_alphabetic()) && prototype.next().is_none()
}

/// Whether compatibility makes one ASCII letter of it: full-width, bold, script and other styled letters.
fn is_styled(c: char) -> bool {
    // Ordinal indicators and the like are ordinary writing.
    let ordinary = matches!(c, '\u{AA}' | '\u{BA}' | '\u{17F}' | '\u{1D2C}'..='\u{1DBF}' | '\u{2071}' | '\u{207F}'
        | '\u{2090}'..='\u{209C}' | '\u{2113}' | '\u{2115}' | '\u{211D}' | '\u{2124}');
    let mut plain = std::iter::once(c).nfkc();
    !ordinary
        && plain.next().is_some_and(|first| first != c && first.is_ascii_alphabetic())
        && plain.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds() {
        const I: &str = "invisible characters";
        const B: &str = "direction controls";
        const C: &str = "control characters";
        const M: &str = "words of mixed scripts";
        const L: &str = "letters that look Latin";
        let cases: [(&str, &[&str]); 23] = [
            ("an ordinary text, with é, ß and naïve", &[]),
            ("pay\u{200b}pal.com", &[I]),
            ("pay\u{200d}pal", &[I]),
            ("so\u{ad}ft", &[I]),
            ("family \u{1f468}\u{200d}\u{1f469}, heart \u{2764}\u{fe0f}, key 1\u{fe0f}\u{20e3}", &[]),
            ("क्\u{200d}ष", &[]),
            ("abc\u{202e}fdp.exe", &[B]),
            ("\u{1b}[31mred", &[C]),
            ("It\u{92}s", &["characters of a wrong decoding"]),
            ("tab\tand\r\nbreak", &[]),
            ("p\u{430}ypal", &[M, L]),
            ("http://\u{440}\u{430}\u{443}\u{440}.com/login", &[L]),
            ("Это обычный русский текст о рос", &[]),
            ("Привет world", &[]),
            ("Ελληνικά", &[]),
            ("\u{1d429}\u{1d41a}y", &[L]),
            ("ｐaypal", &[L]),
            ("東京タワーとTシャツ", &[]),
            ("مرحبا", &[]),
            ("10 µm, 1ª, 2º, Ω", &[]),
            ("ﬁne", &[]),
            ("ısı", &[]),
            ("", &[]),
        ];
        let mut failed = Vec::new();
        for (text, want) in cases {
            let got = suspicious(text).names();
            if got != want {
                failed.push(format!("{text:?}: {got:?}"));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    proptest! {
        #[test]
        fn ascii_words_are_harmless(text in "[ -~\t\n]{0,40}") {
            prop_assert!(suspicious(&text).is_empty());
        }

        #[test]
        fn any_text_is_looked_at(text: String) {
            let found = suspicious(&text);
            prop_assert_eq!(found.is_empty(), found.names().is_empty());
        }
    }
}
