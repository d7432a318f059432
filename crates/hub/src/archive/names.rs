//! Which names an archive's entries may have. Nothing is repaired: a name is plain or the archive is refused.

use crate::error::{ArchiveFault, shown};
use std::collections::HashSet;

/// Longest path accepted, in bytes.
const MAX_PATH: usize = 1_024;

/// Collects an archive's file names and refuses those that clash.
#[derive(Default)]
pub(crate) struct Names {
    seen: HashSet<String>,
}

impl Names {
    /// Accepts the name of one more file, or says what is wrong with it. Returns it without a leading `./`.
    pub(crate) fn file(&mut self, raw: &str) -> Result<String, ArchiveFault> {
        let path = plain(raw)?;
        // Folded, so that the same check serves file systems that ignore case.
        if !self.seen.insert(path.to_lowercase()) {
            return Err(refused(raw, "another entry has the same name, capitals aside"));
        }
        Ok(path)
    }
}

/// Accepts the name of a folder, which is then ignored.
pub(crate) fn folder(raw: &str) -> Result<(), ArchiveFault> {
    let trimmed = raw.trim_end_matches('/');
    if matches!(trimmed, "." | "") && !raw.starts_with("//") && raw != "/" {
        Ok(())
    } else {
        plain(trimmed).map(drop)
    }
}

pub(crate) fn refused(entry: &str, why: &'static str) -> ArchiveFault {
    ArchiveFault::Unsafe { entry: shown(entry), why }
}

fn plain(raw: &str) -> Result<String, ArchiveFault> {
    let path = raw.strip_prefix("./").unwrap_or(raw);
    let bytes = path.as_bytes();
    let why = if path.is_empty() {
        "it has no name"
    } else if path.len() > MAX_PATH {
        "its name is longer than 1,024 bytes"
    } else if path.starts_with('/') {
        "its path is absolute"
    } else if path.contains('\\') {
        "its name holds a backslash"
    } else if bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' {
        "its name begins with a drive letter"
    } else if path.chars().any(char::is_control) {
        "its name holds control characters"
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "its path leads through `.`, `..` or an empty part"
    } else {
        return Ok(path.into());
    };
    Err(refused(raw, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (raw, want) in [
            ("a", Some("a")),
            ("a/b.json", Some("a/b.json")),
            ("./a/b", Some("a/b")),
            ("é/b c", Some("é/b c")),
            ("", None),
            ("./", None),
            ("/a", None),
            ("//a", None),
            ("a//b", None),
            ("../a", None),
            ("a/../b", None),
            ("a/..", None),
            ("a/./b", None),
            (".//a", None),
            ("a\\b", None),
            ("C:a", None),
            ("c:/a", None),
            ("a\0b", None),
            ("a\nb", None),
            ("a/", None),
        ] {
            assert_eq!(Names::default().file(raw).ok().as_deref(), want, "{raw:?}");
        }
        assert!(Names::default().file(&"a".repeat(2_000)).is_err());
    }

    #[test]
    fn folders() {
        for (raw, good) in [
            ("./", true),
            (".", true),
            ("a/", true),
            ("a/b/", true),
            ("/", false),
            ("../", false),
            ("a/../", false),
        ] {
            assert_eq!(folder(raw).is_ok(), good, "{raw:?}");
        }
    }

    #[test]
    fn clashes() {
        for (first, second, good) in
            [("a/b", "a/c", true), ("a", "a", false), ("a/B", "A/b", false), ("./a", "a", false)]
        {
            let mut names = Names::default();
            names.file(first).unwrap();
            assert_eq!(names.file(second).is_ok(), good, "{first} {second}");
        }
    }
}
