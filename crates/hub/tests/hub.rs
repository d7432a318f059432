//! The hub client against a local server: what is fetched, what is cached, what is continued.

mod common;

use common::{COMMIT, ID, Model, Reply, Server, file, honest, repo, sha256};
use filbert_hub::{Error, NoProgress, Progress, pull, resolve};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn fresh_pull_has_the_standard_layout() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let hub = honest(model.clone());
    let pulled = pull(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap();
    let repo = repo(dir.path());
    assert_eq!(pulled.resolved.folder, repo.join("snapshots").join(COMMIT));
    assert_eq!(pulled.resolved.revision.as_deref(), Some(COMMIT));
    assert_eq!(pulled.resolved.source, "acme/tiny-bert@main");
    assert!(!pulled.resolved.from_cache);
    assert_eq!(fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    let names: Vec<_> = pulled.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"]);
    for file in &pulled.files {
        let bytes = fs::read(pulled.resolved.folder.join(&file.name)).unwrap();
        assert_eq!(bytes, model.files[&file.name]);
        assert_eq!(file.sha256.as_ref(), Some(&sha256(&bytes)));
    }
    assert_eq!(pulled.bytes, pulled.files.iter().map(|file| file.bytes).sum::<u64>());
    let hash = sha256(model.weights());
    assert!(repo.join("blobs").join(&hash).is_file());
    if cfg!(unix) {
        let link = fs::read_link(pulled.resolved.folder.join("model.safetensors")).unwrap();
        assert_eq!(link, Path::new("../../blobs").join(hash));
    }
    assert_eq!(hub.count("GET", "README.md") + hub.count("GET", "pytorch_model.bin"), 0);
}

#[test]
fn cached_resolve_makes_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let hub = honest(Model::tiny());
    let settings = hub.settings(dir.path());
    let first = resolve(ID, &settings, &mut NoProgress).unwrap();
    let before = hub.requests().len();
    for id in [ID.to_owned(), format!("{ID}@main"), format!("{ID}@{COMMIT}")] {
        let again = resolve(&id, &settings, &mut NoProgress).unwrap();
        assert_eq!(again.folder, first.folder);
        assert!(again.from_cache);
    }
    assert_eq!(hub.requests().len(), before);
    let pulled = pull(ID, &settings, &mut NoProgress).unwrap();
    assert!(pulled.resolved.from_cache && pulled.files.is_empty() && pulled.bytes == 0);
    assert_eq!(hub.requests().len(), before + 1, "a pull of what is current asks once");
}

#[test]
fn reads_what_python_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let repo = repo(dir.path());
    let snapshot = repo.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::write(repo.join("refs/main"), format!("{COMMIT}\n")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::write(snapshot.join(name), "x").unwrap();
    }
    let mut settings = filbert_hub::Settings::new(dir.path());
    settings.offline = true;
    assert_eq!(resolve(ID, &settings, &mut NoProgress).unwrap().folder, snapshot);
    fs::remove_file(snapshot.join("tokenizer.json")).unwrap();
    assert!(
        matches!(resolve(ID, &settings, &mut NoProgress), Err(Error::Offline { .. })),
        "a partial snapshot is not whole"
    );
}

/// Follows bytes per file, to see that a continued transfer is told as such.
#[derive(Default)]
struct Meter(Vec<(String, u64, u64)>);

impl Progress for Meter {
    fn start(&mut self, file: &str, bytes: Option<u64>) {
        self.0.push((file.into(), bytes.unwrap_or(0), 0));
    }
    fn advance(&mut self, bytes: u64) {
        self.0.last_mut().unwrap().2 += bytes;
    }
    fn finish(&mut self) {
        let (_, promised, seen) = self.0.last().unwrap();
        assert_eq!(promised, seen);
    }
}

#[test]
fn a_cut_transfer_is_continued() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let cuts = AtomicUsize::new(0);
    let served = model.clone();
    let hub = Server::start(move |request| {
        let reply = served.answer(request);
        if request.is_get("model.safetensors") && cuts.fetch_add(1, Ordering::SeqCst) < 2 {
            reply.cut(90_000)
        } else {
            reply
        }
    });
    let mut meter = Meter::default();
    let found = resolve(ID, &hub.settings(dir.path()), &mut meter).unwrap();
    assert_eq!(fs::read(found.folder.join("model.safetensors")).unwrap(), model.weights());
    let ranges: Vec<_> =
        hub.requests().iter().filter(|r| r.is_get("model.safetensors")).map(common::Request::range).collect();
    assert_eq!(ranges.len(), 3);
    assert!(ranges[0].is_none() && ranges[1].is_some() && ranges[2] > ranges[1], "{ranges:?}");
    assert_eq!(meter.0.last().unwrap().2, model.weights().len() as u64);
}

#[test]
fn a_later_run_continues() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let served = model.clone();
    let dead = Server::start(move |request| {
        let reply = served.answer(request);
        if request.is_get("model.safetensors") { reply.cut(120_000) } else { reply }
    });
    let mut settings = dead.settings(dir.path());
    settings.retries = 0;
    let error = resolve(ID, &settings, &mut NoProgress).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    let partial = repo(dir.path()).join("blobs").join(format!("{}.incomplete", sha256(model.weights())));
    let kept = fs::metadata(&partial).unwrap().len() as usize;
    assert!(kept > 0);
    assert!(!repo(dir.path()).join("refs/main").exists(), "a partial snapshot must not be found");

    let hub = honest(model.clone());
    let pulled = pull(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap();
    assert_eq!(fs::read(pulled.resolved.folder.join("model.safetensors")).unwrap(), model.weights());
    assert!(pulled.files[0].from_cache && !pulled.files[3].from_cache);
    let request = hub.requests().into_iter().find(|r| r.is_get("model.safetensors")).unwrap();
    assert_eq!(request.range(), Some(kept));
    assert!(!partial.exists());
}

/// Puts `bytes` where an earlier transfer would have left them.
fn leave_partial(cache: &Path, model: &Model, bytes: &[u8]) {
    let blobs = repo(cache).join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(format!("{}.incomplete", sha256(model.weights()))), bytes).unwrap();
}

/// What an earlier transfer left, and how many GETs of the weights it costs.
struct Case<'a> {
    what: &'static str,
    partial: &'a [u8],
    ignores_range: bool,
    gets: usize,
}

#[test]
fn partial_files_of_every_kind_end_well() {
    let model = Model::tiny();
    let weights = model.weights().to_vec();
    let mut longer = weights.clone();
    longer.push(0);
    let (half, wrong) = (&weights[..150_000], vec![7; 300_000]);
    for case in [
        Case { what: "good half", partial: half, ignores_range: false, gets: 1 },
        Case { what: "range ignored", partial: half, ignores_range: true, gets: 1 },
        Case { what: "other file's half", partial: &wrong[..150_000], ignores_range: false, gets: 2 },
        Case { what: "whole", partial: &weights, ignores_range: false, gets: 0 },
        Case { what: "other file of the same size", partial: &wrong, ignores_range: false, gets: 1 },
        Case { what: "too long", partial: &longer, ignores_range: false, gets: 1 },
        Case { what: "empty", partial: &[], ignores_range: false, gets: 1 },
    ] {
        let dir = tempfile::tempdir().unwrap();
        leave_partial(dir.path(), &model, case.partial);
        let served = model.clone();
        let hub = Server::start(move |request| {
            let mut request = request.clone();
            if case.ignores_range {
                request.headers.remove("range");
            }
            served.answer(&request)
        });
        let found = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap();
        assert_eq!(fs::read(found.folder.join("model.safetensors")).unwrap(), weights, "{}", case.what);
        assert_eq!(hub.count("GET", "/model.safetensors"), case.gets, "{}", case.what);
    }
}

#[test]
fn a_refused_range_starts_over() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    leave_partial(dir.path(), &model, &model.weights()[..1_000]);
    let served = model.clone();
    let hub = Server::start(move |request| match request.range() {
        Some(_) => Reply::new(416, ""),
        None => served.answer(request),
    });
    let found = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap();
    assert_eq!(fs::read(found.folder.join("model.safetensors")).unwrap(), model.weights());
}

#[test]
fn a_damaged_blob_is_fetched_again() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let blobs = repo(dir.path()).join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(sha256(model.weights())), "short").unwrap();
    let hub = honest(model.clone());
    let found = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap();
    assert_eq!(fs::read(found.folder.join("model.safetensors")).unwrap(), model.weights());
}

#[test]
fn a_redirect_elsewhere_drops_the_token() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let weights = model.weights().to_vec();
    let storage =
        Server::start(move |request| file(&weights, request).with("ETag", "\"storage-has-its-own\""));
    let (elsewhere, served) = (storage.url(), model.clone());
    let hub = Server::start(move |request| {
        let mut reply = served.answer(request);
        if request.path.ends_with("/model.safetensors") {
            (reply.status, reply.body) = (302, b"moved".to_vec());
            reply = reply.with("Location", format!("{elsewhere}/signed?x=1"));
        } else if request.path.ends_with("/resolve/0123456789abcdef0123456789abcdef01234567/config.json") {
            // A move within the hub keeps the token.
            return Reply::new(307, "").with("Location", "/cache/config.json");
        }
        reply
    });
    let mut settings = hub.settings(dir.path());
    settings.token = Some(filbert_hub::Secret::new("hf_secret"));
    let found = resolve(ID, &settings, &mut NoProgress).unwrap();
    assert_eq!(fs::read(found.folder.join("model.safetensors")).unwrap(), model.weights());
    assert!(hub.requests().iter().all(|r| r.header("authorization") == Some("Bearer hf_secret")));
    assert_eq!(hub.count("GET", "/cache/config.json"), 1);
    let there = storage.requests();
    assert_eq!(there.len(), 1, "asking for hash and size stays with the hub");
    assert!(there.iter().all(|r| r.header("authorization").is_none()));
}

#[test]
fn files_fail_and_recover_too() {
    let (dir, model, seen) =
        (tempfile::tempdir().unwrap(), Model::tiny(), Mutex::new(std::collections::HashSet::new()));
    let served = model.clone();
    let hub = Server::start(move |request| {
        let first = seen.lock().unwrap().insert((request.method.clone(), request.path.clone()));
        if first { Reply::new(502, "") } else { served.answer(request) }
    });
    let found = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap();
    assert_eq!(fs::read(found.folder.join("model.safetensors")).unwrap(), model.weights());
}

#[test]
fn shards_are_fetched_and_checked() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::sharded());
    let hub = honest(model.clone());
    let settings = hub.settings(dir.path());
    let found = resolve(ID, &settings, &mut NoProgress).unwrap();
    let one = "model-00001-of-00002.safetensors";
    assert_eq!(fs::read(found.folder.join(one)).unwrap(), model.files[one]);
    assert!(resolve(ID, &settings, &mut NoProgress).unwrap().from_cache);
    fs::remove_file(found.folder.join(one)).unwrap();
    let again = resolve(ID, &settings, &mut NoProgress).unwrap();
    assert!(again.folder.join(one).is_file(), "a missing shard is put back");
}

#[test]
fn pull_follows_a_moved_branch() {
    let dir = tempfile::tempdir().unwrap();
    let old = "a".repeat(40);
    let repo = repo(dir.path());
    let snapshot = repo.join("snapshots").join(&old);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::write(repo.join("refs/main"), &old).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::write(snapshot.join(name), "x").unwrap();
    }
    let hub = honest(Model::tiny());
    let settings = hub.settings(dir.path());
    assert_eq!(resolve(ID, &settings, &mut NoProgress).unwrap().revision, Some(old));
    assert_eq!(pull(ID, &settings, &mut NoProgress).unwrap().resolved.revision.as_deref(), Some(COMMIT));
    assert_eq!(resolve(ID, &settings, &mut NoProgress).unwrap().revision.as_deref(), Some(COMMIT));
}

#[test]
fn revisions_are_escaped_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let hub = honest(Model::tiny());
    let settings = hub.settings(dir.path());
    let id = format!("{ID}@refs/pr/3");
    resolve(&id, &settings, &mut NoProgress).unwrap();
    assert_eq!(hub.count("GET", "/api/models/acme/tiny-bert/revision/refs%2Fpr%2F3"), 1);
    assert!(resolve(&id, &settings, &mut NoProgress).unwrap().from_cache);
    assert!(!repo(dir.path()).join("refs/main").exists());
}

#[test]
fn many_pulls_at_once_share_one_transfer() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let hub = honest(model.clone());
    std::thread::scope(|scope| {
        let one = || resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap();
        let all: Vec<_> = (0..6).map(|_| scope.spawn(one)).collect();
        for found in all {
            assert_eq!(
                fs::read(found.join().unwrap().folder.join("model.safetensors")).unwrap(),
                model.weights()
            );
        }
    });
    assert_eq!(hub.count("GET", "/model.safetensors"), 1);
}

#[test]
fn an_alias_stands_for_its_repository() {
    let dir = tempfile::tempdir().unwrap();
    let hub = honest(Model::tiny());
    let pulled = pull("minilm-l12", &hub.settings(dir.path()), &mut NoProgress).unwrap();
    assert_eq!(pulled.resolved.source, "sentence-transformers/all-MiniLM-L12-v2@main");
    assert_eq!(pulled.alias.map(|alias| alias.name), Some("minilm-l12"));
}
