//! Text from data as a reader may see it: escaped for markup, cut to a length, and with nothing that hides or
//! reorders: invisible, direction-changing and control characters are shown as escapes such as `\u{202e}`.

use std::fmt::Write;

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between HTML tags: escapes are set apart in a `span`.
    Html,
    /// In an attribute or between SVG tags: escapes are plain.
    Plain,
}

/// Appends at most `limit` characters of `text`, then an ellipsis where something was left out.
pub(crate) fn push(out: &mut String, text: &str, limit: usize, place: Place) {
    let mut apart = false;
    let mut chars = text.chars();
    for c in chars.by_ref().take(limit) {
        let hidden = is_hidden(c);
        if place == Place::Html && hidden != apart {
            out.push_str(if hidden { "<span class=\"esc\">" } else { "</span>" });
            apart = hidden;
        }
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if hidden => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    if apart {
        out.push_str("</span>");
    }
    if chars.next().is_some() {
        out.push('…');
    }
}

/// Whether a character has no glyph of its own, or changes the order of others.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c as u32,
            0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164
            | 0xe000..=0xf8ff | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xffff
            | 0x1_bca0..=0x1_bca3 | 0x1_d173..=0x1_d17a | 0xe_0000..=0x10_ffff)
        || (c as u32) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, limit: usize, place: Place) -> String {
        let mut out = String::new();
        push(&mut out, text, limit, place);
        out
    }

    #[test]
    fn what_a_reader_sees() {
        struct Case(&'static str, usize, &'static str);
        let cases = [
            Case("<b>&\"'", 9, "&lt;b&gt;&amp;&quot;&#39;"),
            Case("pay\u{200b}pal", 9, "pay\\u{200b}pal"),
            Case("\u{202e}gpj.exe", 99, "\\u{202e}gpj.exe"),
            Case("a\nb\u{0}", 9, "a\\nb\\u{0}"),
            Case("abcdef", 3, "abc…"),
            Case("abc", 3, "abc"),
            Case("größe 東京 é", 20, "größe 東京 é"),
            Case("\u{e0041}\u{fffe}\u{10ffff}", 9, "\\u{e0041}\\u{fffe}\\u{10ffff}"),
            Case("", 0, ""),
        ];
        for Case(text, limit, expected) in cases {
            assert_eq!(shown(text, limit, Place::Plain), expected, "{text:?}");
        }
    }

    #[test]
    fn escapes_are_set_apart_once_a_run() {
        assert_eq!(
            shown("a\u{200b}\u{200c}b\u{feff}", 9, Place::Html),
            "a<span class=\"esc\">\\u{200b}\\u{200c}</span>b<span class=\"esc\">\\u{feff}</span>"
        );
    }
}
