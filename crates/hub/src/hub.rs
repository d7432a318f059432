//! A repository on the hub into the cache: which files there are, which are wanted, and the snapshot that holds them.

use crate::cache::{Repo, Snapshot};
use crate::disk;
use crate::download::{self, Blob};
use crate::error::{Error, shown};
use crate::files::{self, CONFIG, INDEX, IndexFault, TOKENIZERS, WEIGHTS};
use crate::http::{Client, Method, bad_answer};
use crate::id::{self, HubId};
use crate::progress::Progress;
use crate::resolve::PulledFile;
use crate::settings::Settings;
use serde::Deserialize;
use std::collections::HashSet;

/// Longest `ETag` that can name a blob.
const MAX_ETAG: usize = 128;

#[derive(Deserialize)]
struct Description {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// What the hub says a revision is.
struct Revision<'a> {
    id: &'a HubId,
    commit: String,
    files: HashSet<String>,
}

/// Brings the newest commit of the id's revision into the cache; asks the hub in any case.
pub(crate) fn download(
    id: &HubId,
    settings: &Settings,
    progress: &mut dyn Progress,
) -> Result<(Snapshot, Vec<PulledFile>), Error> {
    let client = Client::new(settings)?;
    let repo = Repo::hub(settings, id);
    let revision = describe(&client, id)?;
    let mut pulled = Vec::new();
    if let Some(snapshot) = repo.at_commit(&revision.commit) {
        remember(&repo, &revision)?;
        return Ok((snapshot, pulled));
    }
    let weights = wanted_weights(&revision)?;
    let mut links = Vec::new();
    let mut get = |name: &str, pulled: &mut Vec<PulledFile>, links: &mut Vec<(String, String)>| {
        let blob = locate(&client, &revision, name)?;
        let fetched = download::fetch(&client, &repo, &blob, progress)?;
        pulled.push(PulledFile {
            name: name.into(),
            bytes: fetched.bytes,
            from_cache: fetched.sha256.is_none(),
            sha256: fetched.sha256,
        });
        links.push((name.to_owned(), blob.etag.clone()));
        Ok::<String, Error>(blob.etag)
    };
    for name in files::SMALL.iter().filter(|name| revision.files.contains(**name)) {
        get(name, &mut pulled, &mut links)?;
    }
    let etag = get(weights, &mut pulled, &mut links)?;
    if weights == INDEX {
        let index = links.pop();
        let text = disk::read_bounded(&repo.blob(&etag), settings.limits.small_file)?;
        for shard in shards(&revision, &text)? {
            get(&shard, &mut pulled, &mut links)?;
        }
        links.extend(index);
    }
    // The weights, or their index, come last: a snapshot that has them is whole.
    for (name, etag) in &links {
        repo.link(&revision.commit, name, etag)?;
    }
    remember(&repo, &revision)?;
    let snapshot = repo
        .at_commit(&revision.commit)
        .ok_or_else(|| Error::MissingFile { id: id.to_string(), file: "complete set of files".into() })?;
    Ok((snapshot, pulled))
}

fn remember(repo: &Repo, revision: &Revision) -> Result<(), Error> {
    if revision.id.is_commit() { Ok(()) } else { repo.write_ref(revision.id.revision(), &revision.commit) }
}

fn describe<'a>(client: &Client, id: &'a HubId) -> Result<Revision<'a>, Error> {
    let name = id.repository();
    let escaped = id.revision().replace('/', "%2F");
    let url = client.url(&format!("/api/models/{name}/revision/{escaped}"));
    let text = client.with_retries(|| {
        let reply = client.send(Method::Get, &url, None)?;
        if reply.status != 200 {
            return Err(client.status_error(&reply, &name, &format!("{name} at revision {}", id.revision())));
        }
        client.read_small(reply)
    })?;
    let description: Description = serde_json::from_slice(&text)
        .map_err(|error| bad_answer(&url, format!("not the description of a repository, {error}")))?;
    if !id::is_commit(&description.sha) {
        return Err(bad_answer(&url, format!("{} is not a commit", shown(&description.sha))));
    }
    let files = description.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    Ok(Revision { id, commit: description.sha, files })
}

/// The weights file to take, once everything a model needs is known to be there.
fn wanted_weights(revision: &Revision) -> Result<&'static str, Error> {
    let has = |name: &str| revision.files.contains(name);
    let missing = |file: &str| Error::MissingFile { id: revision.id.to_string(), file: file.into() };
    let weights = [WEIGHTS, INDEX].into_iter().find(|name| has(name)).ok_or_else(|| {
        let pickled = revision.files.iter().filter(|name| files::is_pickled(name)).min();
        pickled.map_or_else(
            || missing(WEIGHTS),
            |file| Error::Pickled {
                id: revision.id.to_string(),
                repository: revision.id.repository(),
                file: shown(file),
            },
        )
    })?;
    if !has(CONFIG) {
        return Err(missing(CONFIG));
    }
    if !TOKENIZERS.iter().any(|name| has(name)) {
        return Err(missing("tokenizer.json or vocab.txt"));
    }
    Ok(weights)
}

fn shards(revision: &Revision, index: &[u8]) -> Result<Vec<String>, Error> {
    let id = revision.id.to_string();
    let names = files::shards(index).map_err(|fault| match fault {
        IndexFault::Unreadable(why) => Error::BadIndex { id: id.clone(), file: INDEX.into(), why },
        IndexFault::BadName(shard) => {
            Error::BadShard { id: id.clone(), file: INDEX.into(), shard: shown(&shard) }
        }
    })?;
    match names.iter().find(|name| !revision.files.contains(*name)) {
        Some(missing) => Err(Error::MissingFile { id, file: missing.clone() }),
        None => Ok(names),
    }
}

/// Asks for a file's hash and size. `name` is from the fixed list or a validated shard name.
fn locate(client: &Client, revision: &Revision, name: &str) -> Result<Blob, Error> {
    let id = revision.id.repository();
    let url = client.url(&format!("/{id}/resolve/{}/{name}", revision.commit));
    let (linked, length) = client.with_retries(|| {
        let reply = client.send(Method::Head, &url, None)?;
        if reply.status >= 400 {
            return Err(client.status_error(&reply, &id, &format!("{name} in {}", revision.id)));
        }
        let length = (reply.status == 200).then(|| reply.headers.get("content-length").cloned()).flatten();
        Ok((reply.linked, length.and_then(|value| value.to_str().ok()?.parse().ok())))
    })?;
    if linked.commit.as_ref().is_some_and(|commit| *commit != revision.commit) {
        return Err(bad_answer(&url, "it is of another commit than was asked for"));
    }
    let etag = linked.etag.ok_or_else(|| bad_answer(&url, "it has no ETag"))?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if etag.is_empty() || etag.len() > MAX_ETAG || !etag.bytes().all(plain) {
        return Err(bad_answer(&url, format!("its ETag {} cannot name a file", shown(&etag))));
    }
    Ok(Blob {
        name: name.into(),
        url,
        etag,
        size: linked.size.or(length),
        limit: files::limit(name, &client.settings.limits),
        id,
    })
}
