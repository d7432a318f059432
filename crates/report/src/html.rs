//! A page under construction. Markup is `'static`, written here; everything else is escaped on its way in, so that no text from
//! data can become markup.

use std::fmt::{Display, Write as _};

/// Characters of one text that are shown.
const MAX_TEXT: usize = 600;

/// HTML being written.
#[derive(Debug, Default)]
pub(crate) struct Html {
    out: String,
}

impl Html {
    /// Markup of our own.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Text from anywhere: escaped, cut, and with invisible characters spelt out.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        for (i, c) in text.chars().enumerate() {
            if i == MAX_TEXT {
                self.out.push('…');
                break;
            }
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '\n' | '\t' => self.out.push(' '),
                c if is_invisible(c) => {
                    let _ = write!(self.out, "{}", c.escape_unicode());
                }
                c => self.out.push(c),
            }
        }
        self
    }

    /// A number for a coordinate, with two decimals; what is not finite is 0.
    pub(crate) fn at(&mut self, x: f64) -> &mut Self {
        let x = if x.is_finite() { x.clamp(-1e6, 1e6) } else { 0.0 };
        let _ = write!(self.out, "{}", (x * 100.0).round() / 100.0);
        self
    }

    /// A number or a name of our own.
    pub(crate) fn show(&mut self, value: impl Display) -> &mut Self {
        let text = value.to_string();
        self.text(&text)
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }
}

/// Characters that change what stands beside them, or show nothing.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A value in few digits.
pub(crate) fn number(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() {
        "–".to_owned()
    } else if size >= 1e6 || (size > 0.0 && size < 1e-4) {
        format!("{x:.2e}")
    } else if size >= 100.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.3}")
    }
}

/// Rows, with thousands apart.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share as a percentage.
pub(crate) fn percent(x: f64) -> String {
    let x = 100.0 * x;
    if !x.is_finite() {
        "–".to_owned()
    } else if x == 0.0 || x.abs() >= 10.0 {
        format!("{x:.0} %")
    } else if x.abs() >= 0.1 {
        format!("{x:.1} %")
    } else {
        format!("{x} %")
    }
}
