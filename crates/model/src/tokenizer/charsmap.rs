//! The character table of `Precompiled` normalizers: a double-array trie over bytes whose leaves point into a text
//! of NUL-terminated replacements. The crate that reads it indexes unchecked, so every state that any text can
//! reach is visited here once, with every byte.

use super::base64;

/// Longest replacement, in bytes. Unicode's longest compatibility decomposition has 33.
const MAX_REPLACEMENT: usize = 256;

/// Checks a table in base64 and returns the length of its longest replacement in characters, at least 1. `None`
/// where it is damaged.
pub(super) fn check(base64: &str) -> Option<usize> {
    let bytes = base64::decode(base64)?;
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size) as usize / 4 * 4;
    let (units, replacements) = rest.split_at_checked(size)?;
    let units: Vec<u32> = units.as_chunks().0.iter().map(|u| u32::from_le_bytes(*u)).collect();
    let replacements = std::str::from_utf8(replacements).ok()?;

    let mut longest = 1;
    let mut seen = vec![false; units.len()];
    let mut open = vec![offset(*units.first()?)];
    while let Some(state) = open.pop() {
        for byte in 1..=255u32 {
            let place = state ^ byte as usize;
            let unit = *units.get(place)?;
            if unit & (1 << 31 | 0xff) != byte {
                continue;
            }
            let next = place ^ offset(unit);
            let leaf = units.get(next)?;
            if (unit >> 8) & 1 == 1 {
                longest = longest.max(replacement(replacements, (leaf & 0x7fff_ffff) as usize)?);
            }
            if !std::mem::replace(&mut seen[next], true) {
                open.push(next);
            }
        }
    }
    Some(longest)
}

/// Where a unit's children are, relative to it.
fn offset(unit: u32) -> usize {
    ((unit >> 10) as usize) << ((unit & (1 << 9)) >> 6)
}

/// The length in characters of the replacement that begins at `start`.
fn replacement(text: &str, start: usize) -> Option<usize> {
    let text = text.get(start..)?;
    let end = text.bytes().take(MAX_REPLACEMENT + 1).position(|b| b == 0);
    let end = end.or_else(|| (text.len() <= MAX_REPLACEMENT).then_some(text.len()))?;
    Some(text[..end].chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_tables() {
        // Empty; no units; a size past the end; a root that points past the end.
        for table in ["", "AAAAAA==", "/////w==", "BAAAAAD//38="] {
            assert_eq!(check(table), None, "{table}");
        }
    }

    #[test]
    fn offsets() {
        assert_eq!(offset(5 << 10), 5);
        assert_eq!(offset(5 << 10 | 1 << 9), 5 << 8);
        assert_eq!(replacement("ab\0c", 0), Some(2));
        assert_eq!(replacement("ab\0c", 3), Some(1));
        assert_eq!(replacement("ab\0c", 4), Some(0));
        assert_eq!(replacement("ab\0c", 5), None);
        assert_eq!(replacement(&"x".repeat(300), 0), None);
    }
}
