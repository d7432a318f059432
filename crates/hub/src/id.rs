//! Hub ids, `owner/name` with an optional `@revision`, validated once so that they are safe in paths and addresses.

use crate::error::{Error, shown};
use std::fmt;

/// Longest `owner/name` the hub allows.
const MAX_ID: usize = 96;
/// Longest revision accepted.
const MAX_REVISION: usize = 255;

/// A validated hub id. Its parts hold only `A-Z a-z 0-9 . _ -` (the revision `/` too) and no path tricks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    owner: String,
    name: String,
    revision: Option<String>,
}

impl HubId {
    /// Reads `owner/name` or `owner/name@revision`.
    ///
    /// # Errors
    /// [`Error::BadHubId`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why| Error::BadHubId { id: shown(text), why };
        let (path, revision) = match text.split_once('@') {
            Some((path, revision)) => (path, Some(revision)),
            None => (text, None),
        };
        let (owner, name) = path.split_once('/').ok_or(bad("a hub id is owner/name"))?;
        if path.len() > MAX_ID {
            return Err(bad("owner/name is longer than 96 characters"));
        }
        if !plain_part(owner) || !plain_part(name) {
            return Err(bad(
                "owner and name hold only letters, digits, `.`, `_` and `-`, and neither begin nor end with `.` or `-`",
            ));
        }
        if revision.is_some_and(|revision| !plain_revision(revision)) {
            return Err(bad("a revision is a branch, a tag, a commit or refs/pr/N"));
        }
        Ok(Self { owner: owner.into(), name: name.into(), revision: revision.map(Into::into) })
    }

    /// `owner/name`, without the revision.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The revision that was asked for, else `main`.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// The repository's folder in the hub cache, `models--owner--name`.
    pub(crate) fn cache_folder(&self) -> String {
        format!("models--{}--{}", self.owner, self.name)
    }

    /// Whether the revision is a full commit, which never changes.
    pub(crate) fn is_commit(&self) -> bool {
        is_commit(self.revision())
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

/// A full git commit: 40 lower-case hex digits.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn plain_bytes(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn plain_part(text: &str) -> bool {
    // `--` separates owner and name in the cache's folder names.
    plain_bytes(text)
        && !text.contains("--")
        && !text.contains("..")
        && !text.starts_with(['.', '-'])
        && !text.ends_with(['.', '-'])
}

fn plain_revision(text: &str) -> bool {
    text.len() <= MAX_REVISION
        && text.split('/').all(|part| {
            plain_bytes(part) && !part.contains("..") && !part.starts_with(['.', '-']) && !part.ends_with('.')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses() {
        for (text, repository, revision) in [
            ("a/b", "a/b", "main"),
            ("BAAI/bge-small-en-v1.5", "BAAI/bge-small-en-v1.5", "main"),
            ("a/b@v1.0", "a/b", "v1.0"),
            ("a/b@refs/pr/3", "a/b", "refs/pr/3"),
        ] {
            let id = HubId::parse(text).unwrap();
            assert_eq!((id.repository().as_str(), id.revision()), (repository, revision));
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn refuses() {
        let long = format!("a/{}", "b".repeat(200));
        for text in [
            "", "a", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/b..c", "a b/c", "a/b\n", "a/b@", "a/b@..",
            "a/b@../x", "a/b@/x", "a/b@x/", "a/b@x@y", "-a/b", "a/b-", "a--b/c", "a/b.", ".a/b", "a\\b/c",
            "a/b%2f", "é/b", "a/b?x", "a/b@x y", "a/b@.git", "a/b#c", &long,
        ] {
            assert!(matches!(HubId::parse(text), Err(Error::BadHubId { .. })), "{text:?}");
        }
    }
}
