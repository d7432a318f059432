//! One blob from the hub onto the disk: continued where an earlier transfer stopped, checked, then renamed.

use crate::cache::Repo;
use crate::disk::{self, CHUNK};
use crate::error::Error;
use crate::http::{Client, Method, Reply, bad_answer, network_io};
use crate::progress::Progress;
use crate::settings::Timeouts;
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;
use ureq::http::header;

/// A file to fetch.
pub(crate) struct Blob {
    /// Its name in the repository.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) url: String,
    /// Its name in the cache; the SHA-256 of the content where it has 64 hex digits.
    pub(crate) etag: String,
    /// Its promised size.
    pub(crate) size: Option<u64>,
    /// Most bytes accepted.
    pub(crate) limit: u64,
    /// `owner/name`, for messages.
    pub(crate) id: String,
}

/// What [`fetch`] did.
pub(crate) struct Fetched {
    pub(crate) bytes: u64,
    /// Of the content; none if the blob was there already.
    pub(crate) sha256: Option<String>,
}

/// A transfer that ran to its end, not yet checked.
struct Arrived {
    bytes: u64,
    sha256: String,
    /// Whether bytes of an earlier transfer are part of it.
    continued: bool,
}

impl Blob {
    fn sha256(&self) -> Option<&str> {
        let hex = self.etag.len() == 64 && self.etag.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then_some(self.etag.as_str())
    }

    /// The most bytes that can be right.
    fn most(&self) -> u64 {
        self.size.unwrap_or(self.limit)
    }
}

/// Makes the blob be in the cache, whole.
pub(crate) fn fetch(
    client: &Client,
    repo: &Repo,
    blob: &Blob,
    progress: &mut dyn Progress,
) -> Result<Fetched, Error> {
    if blob.size.is_some_and(|size| size > blob.limit) {
        return Err(Error::TooLarge { what: format!("{} of {}", blob.name, blob.id), limit: blob.limit });
    }
    let (done, partial) = (repo.blob(&blob.etag), repo.partial(&blob.etag));
    let _lock = repo.lock(&blob.etag)?;
    if let Ok(found) = fs::metadata(&done) {
        if found.is_file() && blob.size.is_none_or(|size| size == found.len()) {
            return Ok(Fetched { bytes: found.len(), sha256: None });
        }
        disk::remove(&done)?;
    }
    disk::create_folder(&repo.root().join("blobs"))?;
    let mut restarted = false;
    loop {
        let arrived = client.with_retries(|| transfer(client, blob, &partial, progress))?;
        let Err(error) = check(blob, &arrived) else {
            disk::rename(&partial, &done)?;
            progress.finish();
            return Ok(Fetched { bytes: arrived.bytes, sha256: Some(arrived.sha256) });
        };
        disk::remove(&partial)?;
        // The earlier part may have been of another file; a transfer in one piece has no such excuse.
        if !arrived.continued || restarted {
            return Err(error);
        }
        restarted = true;
    }
}

fn check(blob: &Blob, arrived: &Arrived) -> Result<(), Error> {
    let (file, url) = (blob.name.clone(), blob.url.clone());
    match (blob.size, blob.sha256()) {
        (Some(expected), _) if expected != arrived.bytes => {
            Err(Error::SizeMismatch { file, url, expected, found: arrived.bytes })
        }
        (_, Some(expected)) if !expected.eq_ignore_ascii_case(&arrived.sha256) => {
            Err(Error::HashMismatch { file, url, expected: expected.into(), found: arrived.sha256.clone() })
        }
        _ => Ok(()),
    }
}

/// One attempt: brings the partial file to the end of the answer.
fn transfer(
    client: &Client,
    blob: &Blob,
    partial: &Path,
    progress: &mut dyn Progress,
) -> Result<Arrived, Error> {
    let mut have = fs::metadata(partial).map_or(0, |found| found.len());
    if have > blob.most() {
        disk::remove(partial)?;
        have = 0;
    }
    let mut hasher = Sha256::new();
    if have > 0 {
        have = disk::hash_into(partial, &mut hasher)?;
    }
    if have > 0 && blob.size == Some(have) {
        progress.start(&blob.name, blob.size);
        progress.advance(have);
        return Ok(Arrived { bytes: have, sha256: disk::hex(&hasher.finalize()), continued: true });
    }
    let mut reply = client.send(Method::Get, &blob.url, (have > 0).then_some(have))?;
    let continues = reply.status == 206 && range_start(&reply) == Some(have);
    if have > 0 && !continues {
        if reply.status != 200 && !matches!(reply.status, 206 | 416) {
            return Err(client.status_error(&reply, &blob.id, &format!("{} in {}", blob.name, blob.id)));
        }
        // The server ignores ranges, or answers another one: begin again.
        disk::remove(partial)?;
        have = 0;
        hasher = Sha256::new();
        if reply.status != 200 {
            reply = client.send(Method::Get, &blob.url, None)?;
        }
    }
    if reply.status != 200 && !continues {
        return Err(match reply.status {
            416 | 200..=299 => bad_answer(&reply.url, format!("HTTP {} to a plain request", reply.status)),
            _ => client.status_error(&reply, &blob.id, &format!("{} in {}", blob.name, blob.id)),
        });
    }
    progress.start(&blob.name, blob.size.or_else(|| reply.body.content_length().map(|rest| rest + have)));
    progress.advance(have);
    let bytes = append(client, blob, partial, reply, have, &mut hasher, progress)?;
    Ok(Arrived { bytes, sha256: disk::hex(&hasher.finalize()), continued: have > 0 })
}

/// Appends the answer's body to the partial file; returns the file's length.
fn append(
    client: &Client,
    blob: &Blob,
    partial: &Path,
    reply: Reply,
    have: u64,
    hasher: &mut Sha256,
    progress: &mut dyn Progress,
) -> Result<u64, Error> {
    let disk_error = |error| Error::disk("write", partial)(error);
    let mut file = OpenOptions::new().create(true).append(true).open(partial).map_err(disk_error)?;
    let url = reply.url;
    // One byte more than can be right, so that excess shows.
    let mut body = reply.body.into_reader().take((blob.most() - have).saturating_add(1));
    let mut buffer = vec![0; CHUNK];
    let mut length = have;
    let mut watch = StallWatch::new(&client.settings.timeouts, length);
    loop {
        let n = body.read(&mut buffer).map_err(|error| network_io(&url, error))?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n]).map_err(disk_error)?;
        hasher.update(&buffer[..n]);
        length += n as u64;
        progress.advance(n as u64);
        if watch.stalled(length) {
            return Err(Error::Lost { url, reason: format!("less than {} bytes/s", Timeouts::MIN_RATE) });
        }
    }
    file.sync_all().map_err(disk_error)?;
    drop(file);
    if length > blob.most() {
        disk::remove(partial)?;
        return Err(match blob.size {
            Some(expected) => Error::SizeMismatch { file: blob.name.clone(), url, expected, found: length },
            None => Error::TooLarge { what: format!("{} of {}", blob.name, blob.id), limit: blob.limit },
        });
    }
    if blob.size.is_some_and(|size| length < size) {
        return Err(Error::Lost { url, reason: format!("{length} bytes arrived") });
    }
    Ok(length)
}

/// First byte of a `Content-Range: bytes first-last/total`.
fn range_start(reply: &Reply) -> Option<u64> {
    let text = reply.headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    text.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// Notices a transfer that drips.
struct StallWatch<'a> {
    timeouts: &'a Timeouts,
    since: Instant,
    length: u64,
}

impl<'a> StallWatch<'a> {
    fn new(timeouts: &'a Timeouts, length: u64) -> Self {
        Self { timeouts, since: Instant::now(), length }
    }

    fn stalled(&mut self, length: u64) -> bool {
        let elapsed = self.since.elapsed();
        if elapsed < self.timeouts.stall {
            return false;
        }
        let slow = length - self.length < Timeouts::MIN_RATE.saturating_mul(elapsed.as_secs());
        (self.since, self.length) = (Instant::now(), length);
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_drip_is_a_stall() {
        let timeouts = Timeouts { stall: Duration::from_secs(2), ..Timeouts::default() };
        let Some(earlier) = Instant::now().checked_sub(Duration::from_secs(3)) else {
            return;
        };
        for (since, bytes, want) in
            [(earlier, 10, true), (earlier, 1 << 20, false), (Instant::now(), 0, false)]
        {
            let mut watch = StallWatch { timeouts: &timeouts, since, length: 500 };
            assert_eq!(watch.stalled(500 + bytes), want);
        }
    }
}
