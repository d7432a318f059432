//! The hub client against servers that refuse, lie, or are not there.

mod common;

use common::{ID, Model, Reply, Server, honest, repo, sha256};
use filbert_hub::{Error, NoProgress, pull, resolve};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn offline_says_how_to_get_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let hub = honest(Model::tiny());
    let mut settings = hub.settings(dir.path());
    settings.offline = true;
    for error in [
        resolve(ID, &settings, &mut NoProgress).unwrap_err(),
        pull(ID, &settings, &mut NoProgress).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(matches!(error, Error::Offline { .. }));
        assert!(
            text.contains("filbert pull ARCHIVE") && text.contains("HF_ENDPOINT") && !text.contains('\n'),
            "{text}"
        );
    }
    assert!(hub.requests().is_empty());
}

#[test]
fn nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = filbert_hub::Settings::new(dir.path());
    // Port 1 is reserved and refuses at once.
    settings.endpoint = "http://127.0.0.1:1".into();
    let error = resolve(ID, &settings, &mut NoProgress).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("filbert pull ARCHIVE"));
}

#[test]
fn tls_against_a_plain_server_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let hub = honest(Model::tiny());
    let mut settings = hub.settings(dir.path());
    settings.retries = 0;
    settings.endpoint = hub.url().replace("http:", "https:");
    assert!(resolve(ID, &settings, &mut NoProgress).is_err());
}

#[test]
fn a_wrong_hash_is_deleted() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let hash = sha256(model.weights());
    let hub = Server::start(move |request| {
        let mut reply = model.answer(request);
        if request.is_get("model.safetensors") {
            reply.body[5] ^= 1;
        }
        reply
    });
    let error = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap_err();
    assert!(matches!(&error, Error::HashMismatch { file, .. } if file == "model.safetensors"), "{error}");
    let blobs = repo(dir.path()).join("blobs");
    assert!(!blobs.join(&hash).exists() && !blobs.join(format!("{hash}.incomplete")).exists());
    assert_eq!(hub.count("GET", "/model.safetensors"), 1);
}

#[test]
fn a_wrong_size_is_deleted() {
    let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let hub = Server::start(move |request| {
        let mut reply = model.answer(request);
        if request.is_get("model.safetensors") {
            reply.body.extend([0; 1_000]);
        }
        reply
    });
    let error = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap_err();
    assert!(matches!(error, Error::SizeMismatch { expected: 300_000, .. }), "{error}");
}

#[test]
fn redirects_are_bounded() {
    for location in ["/api/models/round", "ftp://127.0.0.1/x", "http://", ""] {
        let dir = tempfile::tempdir().unwrap();
        let hub = Server::start(move |_| Reply::new(302, "").with("Location", location));
        let error = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap_err();
        assert!(matches!(error, Error::BadAnswer { .. }), "{location}: {error}");
        assert!(hub.requests().len() <= 12);
    }
}

/// A status of the description, how often it comes, and what must follow.
struct StatusCase {
    status: u16,
    times: usize,
    good: fn(&Result<filbert_hub::Resolved, Error>) -> bool,
    requests: usize,
}

#[test]
fn statuses() {
    for case in [
        StatusCase {
            status: 401,
            times: 99,
            good: |r| matches!(r, Err(Error::Refused { status: 401, had_token: false, .. })),
            requests: 1,
        },
        StatusCase {
            status: 403,
            times: 99,
            good: |r| matches!(r, Err(Error::Refused { status: 403, .. })),
            requests: 1,
        },
        StatusCase {
            status: 404,
            times: 99,
            good: |r| matches!(r, Err(Error::NotFound { .. })),
            requests: 1,
        },
        StatusCase {
            status: 429,
            times: 99,
            good: |r| matches!(r, Err(Error::RateLimited { retry_after: Some(0), .. })),
            requests: 5,
        },
        StatusCase {
            status: 500,
            times: 99,
            good: |r| matches!(r, Err(Error::Server { status: 500, .. })),
            requests: 5,
        },
        StatusCase {
            status: 418,
            times: 99,
            good: |r| matches!(r, Err(Error::Server { status: 418, .. })),
            requests: 1,
        },
        StatusCase { status: 503, times: 2, good: Result::is_ok, requests: 3 },
        StatusCase { status: 429, times: 1, good: Result::is_ok, requests: 2 },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (model, seen) = (Model::tiny(), AtomicUsize::new(0));
        let hub = Server::start(move |request| {
            let api = request.path.starts_with("/api/");
            if api && seen.fetch_add(1, Ordering::SeqCst) < case.times {
                return Reply::new(case.status, "no").with("Retry-After", "0");
            }
            model.answer(request)
        });
        let result = resolve(ID, &hub.settings(dir.path()), &mut NoProgress);
        assert!((case.good)(&result), "{}: {result:?}", case.status);
        assert_eq!(hub.count("GET", "/revision/main"), case.requests, "{}", case.status);
        if let Err(error) = result {
            assert!(!error.to_string().contains('\n'));
        }
    }
}

#[test]
fn a_refusal_names_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Server::start(|_| Reply::new(401, ""));
    let error = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap_err().to_string();
    assert!(error.contains("set HF_TOKEN"), "{error}");
}

#[test]
fn hostile_shard_names() {
    for shard in [
        "../../../evil.safetensors",
        "/etc/x.safetensors",
        "a\\b.safetensors",
        "model.bin",
        "",
        ".x.safetensors",
    ] {
        let (dir, mut model) = (tempfile::tempdir().unwrap(), Model::sharded());
        let index = serde_json::json!({ "weight_map": { "a": shard } }).to_string();
        model.files.insert("model.safetensors.index.json".into(), index.into_bytes());
        let mut siblings: Vec<String> = model.files.keys().cloned().collect();
        siblings.push(shard.into());
        model.siblings = Some(siblings);
        let hub = honest(model);
        let error = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap_err();
        assert!(matches!(error, Error::BadShard { .. }), "{shard}: {error}");
        assert!(hub.requests().iter().all(|r| !r.path.contains("evil") && !r.path.contains("..")));
    }
}

#[test]
fn hostile_siblings_are_never_asked_for() {
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Model::tiny());
    let mut siblings: Vec<String> = model.files.keys().cloned().collect();
    siblings.extend(
        ["../evil", "/etc/passwd", "sub/config.json", "config.json/../x", "evil.py", "modeling_evil.py"]
            .map(String::from),
    );
    model.siblings = Some(siblings);
    let hub = honest(model);
    let found = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap();
    assert_eq!(fs::read_dir(&found.folder).unwrap().count(), 4);
    assert!(
        hub.requests()
            .iter()
            .all(|r| !r.path.contains("evil") && !r.path.contains("passwd") && !r.path.contains(".."))
    );
}

/// Files taken away, and the refusal that follows.
struct LackCase {
    without: &'static [&'static str],
    good: fn(&Error) -> bool,
}

#[test]
fn incomplete_repositories() {
    for case in [
        LackCase {
            without: &["model.safetensors"],
            good: |e| matches!(e, Error::Pickled { .. }) && e.to_string().contains("refs/pr"),
        },
        LackCase {
            without: &["model.safetensors", "pytorch_model.bin"],
            good: |e| matches!(e, Error::MissingFile { .. }),
        },
        LackCase {
            without: &["config.json"],
            good: |e| matches!(e, Error::MissingFile { file, .. } if file == "config.json"),
        },
        LackCase {
            without: &["tokenizer.json", "vocab.txt"],
            good: |e| matches!(e, Error::MissingFile { .. }),
        },
    ] {
        let (dir, mut model) = (tempfile::tempdir().unwrap(), Model::tiny());
        model.files.retain(|name, _| !case.without.contains(&name.as_str()));
        let hub = honest(model);
        let error = resolve(ID, &hub.settings(dir.path()), &mut NoProgress).unwrap_err();
        assert!((case.good)(&error), "{:?}: {error}", case.without);
        assert_eq!(hub.requests().len(), 1, "nothing is fetched in vain");
    }
}

#[test]
fn answers_that_cannot_be() {
    type Twist = fn(&common::Request, Reply) -> Reply;
    let twists: [(&str, Twist); 8] =
        [
            (
                "not JSON",
                |r, reply| if r.path.starts_with("/api") { Reply::new(200, "<html>") } else { reply },
            ),
            ("bad commit", |r, reply| {
                if r.path.starts_with("/api") { Reply::new(200, r#"{"sha":"../../x"}"#) } else { reply }
            }),
            ("deep JSON", |r, reply| {
                if r.path.starts_with("/api") { Reply::new(200, "[".repeat(100_000)) } else { reply }
            }),
            ("large JSON", |r, reply| {
                if r.path.starts_with("/api") { Reply::new(200, " ".repeat(3_000)) } else { reply }
            }),
            ("other commit", |r, mut reply| {
                reply.headers.retain(|(name, _)| name != "X-Repo-Commit");
                if r.method == "HEAD" { reply.with("X-Repo-Commit", "f".repeat(40)) } else { reply }
            }),
            ("no ETag", |_, mut reply| {
                reply.headers.retain(|(name, _)| name != "ETag");
                reply
            }),
            ("path in ETag", |_, mut reply| {
                reply.headers.retain(|(name, _)| name != "ETag");
                reply.with("ETag", "\"../../../evil\"")
            }),
            ("too large", |r, mut reply| {
                reply.headers.retain(|(name, _)| name != "X-Linked-Size");
                if r.path.ends_with(".safetensors") {
                    reply.with("X-Linked-Size", u64::MAX.to_string())
                } else {
                    reply
                }
            }),
        ];
    for (what, twist) in twists {
        let (dir, model) = (tempfile::tempdir().unwrap(), Model::tiny());
        let hub = Server::start(move |request| twist(request, model.answer(request)));
        let mut settings = hub.settings(dir.path());
        settings.limits.metadata = 2_000;
        let error = resolve(ID, &settings, &mut NoProgress).unwrap_err();
        assert!(matches!(error, Error::BadAnswer { .. } | Error::TooLarge { .. }), "{what}: {error}");
        assert!(!dir.path().join("evil").exists());
    }
}

#[test]
fn a_silent_server_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(2));
        Reply::new(500, "")
    });
    let mut settings = hub.settings(dir.path());
    settings.timeouts.read = std::time::Duration::from_millis(100);
    settings.retries = 1;
    let start = std::time::Instant::now();
    let error = resolve(ID, &settings, &mut NoProgress).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert!(start.elapsed().as_secs() < 2);
}
