//! A form under which trivially different texts meet, for counting overlaps and for nothing else: what the model reads
//! is never changed by it.

use unicode_normalization::UnicodeNormalization;

use crate::hostile::is_invisible;
use crate::url::{Parts, parts};

/// The canonical form of a text: NFKC, case folded (by way of upper case), control and invisible characters dropped,
/// white space collapsed and trimmed. If what results is a URL, with or without a scheme, also: scheme, `www.`, a
/// default port, trailing slashes, an empty query and the fragment dropped, percent-encoded unreserved characters
/// (RFC 3986, section 2.3) decoded.
pub fn canonical(text: &str) -> String {
    let plain =
        if text.is_ascii() { spaced(text.chars().map(|c| c.to_ascii_lowercase())) } else { folded(text) };
    match parts(&plain) {
        Some(parts) => url(&parts),
        None => plain,
    }
}

/// The canonical form before URLs are looked at.
pub(crate) fn plain(text: &str) -> String {
    if text.is_ascii() { spaced(text.chars().map(|c| c.to_ascii_lowercase())) } else { folded(text) }
}

fn folded(text: &str) -> String {
    let upper = text.nfkc().filter(|&c| !is_invisible(c)).flat_map(char::to_uppercase);
    spaced(upper.flat_map(char::to_lowercase).nfkc())
}

/// Without control and invisible characters; one space for each stretch of white space, none at the ends.
fn spaced(chars: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    let mut space = false;
    for c in chars {
        if c.is_whitespace() {
            space = true;
        } else if !c.is_control() && !is_invisible(c) {
            if space && !out.is_empty() {
                out.push(' ');
            }
            space = false;
            out.push(c);
        }
    }
    out
}

fn url(parts: &Parts<'_>) -> String {
    let mut out = String::new();
    if let Some(user) = parts.user {
        out.push_str(user);
        out.push('@');
    }
    out.push_str(parts.host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(parts.host));
    let default = match parts.scheme {
        Some("http") => &["80"][..],
        Some("https") => &["443"],
        Some("ftp") => &["21"],
        Some(_) => &[],
        None => &["80", "443"],
    };
    if let Some(port) = parts.port.filter(|port| !port.is_empty() && !default.contains(port)) {
        out.push(':');
        out.push_str(port);
    }
    decode(parts.path.trim_end_matches('/'), &mut out);
    if let Some(query) = parts.query.filter(|query| !query.is_empty()) {
        out.push('?');
        decode(query, &mut out);
    }
    out
}

/// Appends the text with percent-encoded letters, digits and `-._~` decoded, in lower case.
fn decode(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after.get(..2).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|code| Some((u8::from_str_radix(code, 16).ok()?, after.get(2..)?)));
        match code {
            Some((byte, after)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte.to_ascii_lowercase()));
                rest = after;
            }
            _ => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_meet() {
        let cases = [
            ("Hello,  World\n", "hello, world"),
            ("pay\u{200b}pal", "paypal"),
            ("ＰａｙＰａｌ", "paypal"),
            ("Straße STRASSE", "strasse strasse"),
            ("cafe\u{301}", "café"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("σίσυφος", "σίσυφοσ"),
            ("\u{feff} a\u{ad}b\u{a0}c\u{7} ", "ab c"),
            ("\u{200b}\u{202e}", ""),
            ("HTTPS://www.Example.com:443/Path/?#top", "example.com/path"),
            ("http://example.com", "example.com"),
            ("example.com/", "example.com"),
            ("example.com:8080/", "example.com:8080"),
            ("http://example.com:443/", "example.com:443"),
            ("http://example.com./%7euser/%2F?q=%41%zz%", "example.com/~user/%2f?q=a%zz%"),
            ("example.com/?a=1#b", "example.com?a=1"),
            ("http://me@www.example.com//", "me@example.com"),
            ("www.com", "www.com"),
            ("go to www.example.com/ now", "go to www.example.com/ now"),
            ("wait...what/", "wait...what/"),
        ];
        let mut failed = Vec::new();
        for (text, want) in cases {
            let got = canonical(text);
            if got != want {
                failed.push(format!("{text:?}: {got:?}"));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    /// A letter of another script is another letter: the difference stays.
    #[test]
    fn a_lookalike_does_not_meet_its_model() {
        assert_ne!(canonical("http://p\u{430}ypal.com/"), canonical("http://paypal.com/"));
        assert_ne!(canonical("páypal.com"), canonical("paypal.com"));
    }

    proptest! {
        #[test]
        fn settled_after_one_pass(text: String) {
            // Of URLs, one `www.` and one round of percent codes are taken at a time.
            let once = canonical(&text);
            prop_assume!(parts(&once).is_none());
            prop_assert_eq!(canonical(&once), once);
        }

        #[test]
        fn white_space_and_case_do_not_matter(words in prop::collection::vec("[a-zà-ö]{1,6}", 1..6)) {
            let loud = words.iter().map(|word| word.to_uppercase()).collect::<Vec<_>>().join(" \t\n");
            prop_assert_eq!(canonical(&loud), canonical(&words.join(" ")));
        }
    }
}
