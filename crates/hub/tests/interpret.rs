//! What an argument is taken for.

use filbert_hub::{ALIASES, Error, HubId, Wanted, interpret};
use proptest::prelude::*;
use std::fs;

fn hub(model: &str) -> Option<String> {
    match interpret(model) {
        Ok(Wanted::Hub { id, .. }) => Some(id.to_string()),
        _ => None,
    }
}

#[test]
fn aliases_and_ids() {
    for (model, want) in [
        ("minilm-l6", Some("sentence-transformers/all-MiniLM-L6-v2")),
        ("MINILM-L6", Some("sentence-transformers/all-MiniLM-L6-v2")),
        ("minilm-l6@v2", Some("sentence-transformers/all-MiniLM-L6-v2@v2")),
        ("a/b", Some("a/b")),
        ("a/b@refs/pr/1", Some("a/b@refs/pr/1")),
        ("", None),
        ("minilm", None),
        ("minilm-l6@../x", None),
    ] {
        assert_eq!(hub(model).as_deref(), want, "{model}");
    }
    for alias in ALIASES {
        assert!(HubId::parse(alias.hub_id).is_ok());
        assert!(alias.weights_sha256.is_none_or(|hash| hash.len() == 64));
    }
}

#[test]
fn paths_that_exist_win() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, archive) = (dir.path().join("bge-base"), dir.path().join("a#b.zip"));
    fs::create_dir(&folder).unwrap();
    fs::write(&archive, "x").unwrap();
    assert_eq!(interpret(folder.to_str().unwrap()).unwrap(), Wanted::Folder(folder));
    let text = archive.to_str().unwrap();
    assert_eq!(interpret(text).unwrap(), Wanted::Archive { path: archive.clone(), inside: None });
    let inside = interpret(&format!("{text}#x/y")).unwrap();
    assert_eq!(inside, Wanted::Archive { path: archive, inside: Some("x/y".into()) });
}

#[test]
fn refusals() {
    type Good = fn(&Error) -> bool;
    let path: Good = |e| matches!(e, Error::NoSuchPath { .. });
    let id: Good = |e| matches!(e, Error::BadHubId { .. });
    let unknown: Good = |e| matches!(e, Error::UnknownModel { .. });
    for (model, good) in [
        ("./nothing", path),
        ("/nothing/here", path),
        ("~/model", path),
        ("models\\mine", path),
        ("nothing.whl", path),
        ("nothing.tar.gz#x", path),
        ("a/b/c", path),
        ("out/", path),
        ("a/b c", id),
        ("a--b/c", id),
        ("nothing", unknown),
        ("", unknown),
        ("new\nline", unknown),
    ] {
        let error = interpret(model).unwrap_err();
        assert!(good(&error), "{model:?}: {error:?}");
        assert!(!error.to_string().contains('\n'));
    }
    let text = interpret("minilm_l6").unwrap_err().to_string();
    assert!(text.contains("did you mean minilm-l6?") && text.contains("bge-small"), "{text}");
}

proptest! {
    #[test]
    fn any_argument(model in any::<String>()) {
        if let Err(error) = interpret(&model) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
