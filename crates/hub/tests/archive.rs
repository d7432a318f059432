//! Archives: what is unpacked, where it lands, and every refusal.

use filbert_hub::{ArchiveFault, Error, NoProgress, Settings, pull, resolve};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;

const GOOD: &[(&str, &str)] = &[
    ("pkg/__init__.py", "print('never unpacked')"),
    ("pkg/model/config.json", "{}"),
    ("pkg/model/model.safetensors", "weights"),
    ("pkg/model/tokenizer.json", "{\"t\":1}"),
    ("pkg/model/vocab.txt", "a\nb\n"),
    ("pkg/model/modeling_evil.py", "never unpacked"),
    ("pkg/model/1_Pooling/config.json", "{}"),
];

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn header(kind: EntryType, name: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn tarred(files: &[(&str, &str)]) -> Vec<u8> {
    tarred_with(files, |_| {})
}

/// A tar of `files` and of whatever `more` adds.
fn tarred_with(files: &[(&str, &str)], more: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in files {
        builder.append(&header(EntryType::Regular, name, text.len() as u64), text.as_bytes()).unwrap();
    }
    more(&mut builder);
    builder.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn replaced(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at + found..at + found + to.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
    }
    assert!(at > 0);
    bytes
}

fn offline(cache: &Path) -> Settings {
    let mut settings = Settings::new(cache);
    settings.offline = true;
    settings
}

fn fault_with(bytes: &[u8], name: &str, tweak: impl FnOnce(&mut Settings)) -> ArchiveFault {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    let cache = dir.path().join("hub");
    let mut settings = offline(&cache);
    tweak(&mut settings);
    let error = pull(path.to_str().unwrap(), &settings, &mut NoProgress).unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    let stem = fs::read_dir(&cache).into_iter().flatten().flatten().find(|e| e.file_name() != ".locks");
    let left = stem.map_or(0, |e| fs::read_dir(e.path().join("snapshots")).unwrap().count());
    assert_eq!(left, 0, "a refused archive leaves nothing");
    match error {
        Error::Archive { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

fn fault(bytes: &[u8], name: &str) -> ArchiveFault {
    fault_with(bytes, name, |_| {})
}

#[test]
fn every_kind_is_unpacked_once() {
    let tar = tarred(GOOD);
    for (name, bytes) in [
        ("tiny.whl", zipped(GOOD)),
        ("tiny.zip", zipped(GOOD)),
        ("tiny.tar", tar.clone()),
        ("tiny.tar.gz", gzipped(&tar)),
        ("tiny.tgz", gzipped(&tar)),
        ("tiny-without-ending", gzipped(&tar)),
        ("zip-called.tar", zipped(GOOD)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let settings = offline(&dir.path().join("hub"));
        let pulled = pull(path.to_str().unwrap(), &settings, &mut NoProgress).unwrap();
        let folder = &pulled.resolved.folder;
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"], "{name}");
        assert_eq!(fs::read_to_string(folder.join("model.safetensors")).unwrap(), "weights");
        assert_eq!((pulled.files.len(), pulled.bytes), (4, 2 + 7 + 7 + 4));
        assert!(folder.starts_with(&settings.cache));
        assert!(folder.ends_with(pulled.resolved.revision.as_ref().unwrap()));

        let again = pull(path.to_str().unwrap(), &settings, &mut NoProgress).unwrap();
        assert!(again.resolved.from_cache && again.files.is_empty());
        assert_eq!(resolve(path.to_str().unwrap(), &settings, &mut NoProgress).unwrap(), again.resolved);

        fs::remove_file(folder.join("config.json")).unwrap();
        let repaired = pull(path.to_str().unwrap(), &settings, &mut NoProgress).unwrap();
        assert!(!repaired.resolved.from_cache && folder.join("config.json").is_file());
    }
}

#[test]
fn the_root_and_long_names_work() {
    let flat = [("config.json", "{}"), ("model.safetensors", "w"), ("vocab.txt", "a")];
    let dotted = [("./config.json", "{}"), ("./model.safetensors", "w"), ("./vocab.txt", "a")];
    let deep = "d/".repeat(120);
    let gnu = tarred_with(&[], |builder| {
        for (name, text) in flat {
            builder
                .append_data(
                    &mut header(EntryType::Regular, "x", text.len() as u64),
                    format!("{deep}{name}"),
                    text.as_bytes(),
                )
                .unwrap();
        }
    });
    let pax = tarred_with(&[], |builder| {
        for (name, text) in flat {
            let record = format!(" path={deep}{name}\n");
            let length = record.len() + 3;
            let record = format!("{length}{record}");
            builder
                .append(&header(EntryType::XHeader, "pax", record.len() as u64), record.as_bytes())
                .unwrap();
            builder.append(&header(EntryType::Regular, "short", text.len() as u64), text.as_bytes()).unwrap();
        }
    });
    for (what, bytes) in [("zip", zipped(&flat)), ("tar", tarred(&dotted)), ("gnu", gnu), ("pax", pax)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.tar");
        fs::write(&path, bytes).unwrap();
        let found = resolve(path.to_str().unwrap(), &offline(&dir.path().join("hub")), &mut NoProgress);
        assert!(
            found.as_ref().is_ok_and(|f| f.folder.join("model.safetensors").is_file()),
            "{what}: {found:?}"
        );
    }
}

#[test]
fn one_of_several() {
    let two = [
        ("a/config.json", "{}"),
        ("a/model.safetensors", "wa"),
        ("a/vocab.txt", "a"),
        ("b/c/config.json", "{}"),
        ("b/c/model.safetensors", "wb"),
        ("b/c/vocab.txt", "a"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("two.zip");
    fs::write(&path, zipped(&two)).unwrap();
    let settings = offline(&dir.path().join("hub"));
    let text = path.to_str().unwrap();
    let error = pull(text, &settings, &mut NoProgress).unwrap_err().to_string();
    assert!(error.contains("`a`, `b/c`") && error.contains("ARCHIVE#FOLDER"), "{error}");
    for (inside, want) in [("a", "wa"), ("b/c", "wb"), ("./b/c/", "wb"), ("a/", "wa")] {
        let found = resolve(&format!("{text}#{inside}"), &settings, &mut NoProgress).unwrap();
        assert_eq!(fs::read_to_string(found.folder.join("model.safetensors")).unwrap(), want);
    }
    let error = resolve(&format!("{text}#b"), &settings, &mut NoProgress).unwrap_err();
    assert!(matches!(error, Error::Archive { fault: ArchiveFault::NoSuchFolder { .. }, .. }), "{error}");
}

#[test]
fn shards() {
    let index = r#"{"weight_map":{"a":"m1.safetensors","b":"m2.safetensors"}}"#;
    let good = [
        ("m/config.json", "{}"),
        ("m/vocab.txt", "a"),
        ("m/model.safetensors.index.json", index),
        ("m/m1.safetensors", "1"),
        ("m/m2.safetensors", "2"),
        ("m/other.safetensors", "never"),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [("s.zip", zipped(&good)), ("s.tgz", gzipped(&tarred(&good)))] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let pulled =
            pull(path.to_str().unwrap(), &offline(&dir.path().join(format!("hub-{name}"))), &mut NoProgress)
                .unwrap();
        assert_eq!(pulled.files.len(), 5);
    }
    for (text, what) in
        [(r#"{"weight_map":{"a":"../x.safetensors"}}"#, "plain"), (index, "not there"), ("{", "EOF")]
    {
        let bad = [
            ("config.json", "{}"),
            ("vocab.txt", "a"),
            ("model.safetensors.index.json", text),
            ("m1.safetensors", "1"),
        ];
        for bytes in [zipped(&bad), tarred(&bad)] {
            let fault = fault(&bytes, "bad.tar");
            assert!(
                matches!(&fault, ArchiveFault::BadIndex { why, .. } if why.contains(what)),
                "{text}: {fault}"
            );
        }
    }
}

#[test]
fn hostile_names_condemn_the_archive() {
    for (name, why) in [
        ("../evil", "`..`"),
        ("a/../../evil", "`..`"),
        ("/etc/evil", "absolute"),
        ("a\\..\\evil", "backslash"),
        ("C:evil", "drive"),
        ("a\nb", "control"),
        ("a//b", "empty"),
        ("pkg/model/config.json", "same name"),
        ("PKG/Model/CONFIG.JSON", "same name"),
    ] {
        let mut files = GOOD.to_vec();
        files.push((name, "evil"));
        let unsafe_entry = |fault: &ArchiveFault| matches!(fault, ArchiveFault::Unsafe { why: found, .. } if found.contains(why));
        for (file, bytes) in [("n.tar", tarred(&files)), ("n.tgz", gzipped(&tarred(&files)))] {
            let fault = fault(&bytes, file);
            assert!(unsafe_entry(&fault), "{name:?} in {file}: {fault}");
        }
        // The zip writer refuses some names, so a harmless one of the same length is overwritten.
        let harmless = "z".repeat(name.len());
        *files.last_mut().unwrap() = (&harmless, "evil");
        let fault = fault(&replaced(zipped(&files), &harmless, name), "n.zip");
        let duplicate = matches!(&fault, ArchiveFault::Unreadable(why) if why.contains("same name"));
        assert!(unsafe_entry(&fault) || duplicate, "{name:?} in zip: {fault}");
    }
}

#[test]
fn links_and_devices_condemn_the_archive() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
        EntryType::new(b'Z'),
    ] {
        let bytes = tarred_with(GOOD, |builder| {
            let mut header = header(kind, "pkg/evil", 0);
            header.as_old_mut().linkname[..11].copy_from_slice(b"/etc/passwd");
            header.set_cksum();
            builder.append(&header, std::io::empty()).unwrap();
        });
        assert!(matches!(fault(&bytes, "l.tar"), ArchiveFault::Unsafe { .. }), "{kind:?}");
    }
    let mut writer = zip::ZipWriter::new_append(Cursor::new(zipped(GOOD))).unwrap();
    writer.add_symlink("pkg/evil", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert!(matches!(fault(&bytes, "l.zip"), ArchiveFault::Unsafe { why: "it is a link", .. }));
}

#[test]
fn encrypted_entries() {
    // Bit 0 of the flags: offset 6 of a local header, 8 of a central one.
    let mut bytes = zipped(GOOD);
    for (mark, offset) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at: Vec<_> = (0..bytes.len() - 4).filter(|i| &bytes[*i..*i + 4] == mark).collect();
        for at in at {
            bytes[at + offset] |= 1;
        }
    }
    assert!(matches!(fault(&bytes, "e.zip"), ArchiveFault::Encrypted(_)));
}

#[test]
fn sizes_are_bounded() {
    type Tweak = fn(&mut Settings);
    let zeros = "\0".repeat(1_000_000);
    let bomb = [("config.json", "{}"), ("vocab.txt", "a"), ("model.safetensors", zeros.as_str())];
    let cases: [(&str, Tweak); 5] = [
        ("total", |s| s.limits.archive_total = 500_000),
        ("ratio", |s| {
            (s.limits.archive_ratio, s.limits.archive_ratio_floor) = (20, 1_000);
        }),
        ("weights", |s| s.limits.weights = 999_999),
        ("small", |s| s.limits.small_file = 1),
        ("entries", |s| s.limits.archive_entries = 2),
    ];
    for (what, tweak) in cases {
        for (name, bytes) in [("b.zip", zipped(&bomb)), ("b.tgz", gzipped(&tarred(&bomb)))] {
            let fault = fault_with(&bytes, name, tweak);
            assert!(matches!(fault, ArchiveFault::TooLarge { .. }), "{what} {name}: {fault}");
        }
    }
}

#[test]
fn lying_sizes() {
    // The central directory says less than the entry unpacks to.
    let bytes =
        zipped(&[("config.json", "{}"), ("vocab.txt", "a"), ("model.safetensors", &"w".repeat(5_000))]);
    let bytes = patched_size(bytes, 5_000, 100);
    assert!(matches!(fault(&bytes, "s.zip"), ArchiveFault::Unreadable(_)));
    let bytes =
        zipped(&[("config.json", "{}"), ("vocab.txt", "a"), ("model.safetensors", &"w".repeat(5_000))]);
    let bytes = patched_size(bytes, 5_000, 6_000);
    assert!(matches!(fault(&bytes, "s.zip"), ArchiveFault::Unreadable(_)));
}

fn patched_size(mut bytes: Vec<u8>, from: u32, to: u32) -> Vec<u8> {
    let from = from.to_le_bytes();
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == from {
            bytes[at..at + 4].copy_from_slice(&to.to_le_bytes());
        }
    }
    bytes
}

#[test]
fn a_huge_long_name_is_not_read() {
    let bytes = tarred_with(&[], |builder| {
        let text = vec![b'a'; 1 << 20];
        builder
            .append(&header(EntryType::GNULongName, "././@LongLink", text.len() as u64), &text[..])
            .unwrap();
    });
    assert!(matches!(fault(&bytes, "n.tar"), ArchiveFault::TooLarge { .. }));
}

#[test]
fn not_a_checkpoint() {
    type Good = fn(&ArchiveFault) -> bool;
    let none: Good = |f| *f == ArchiveFault::NoCheckpoint;
    let pickled: Good =
        |f| matches!(f, ArchiveFault::Pickled(_)) && f.to_string().contains("safe_serialization");
    let tokenizer: Good = |f| matches!(f, ArchiveFault::NoTokenizer(_));
    let cases: [(&[(&str, &str)], Good); 5] = [
        (&[], none),
        (&[("README.md", "x")], none),
        (&[("a/config.json", "{}"), ("b/model.safetensors", "w")], none),
        (&[("config.json", "{}"), ("pytorch_model.bin", "w"), ("vocab.txt", "a")], pickled),
        (&[("config.json", "{}"), ("model.safetensors", "w")], tokenizer),
    ];
    for (files, good) in cases {
        for bytes in [zipped(files), tarred(files), gzipped(&tarred(files))] {
            let fault = fault(&bytes, "x.tar");
            assert!(good(&fault), "{files:?}: {fault}");
        }
    }
}

#[test]
fn not_an_archive() {
    for (name, bytes) in
        [("x.zip", &b"hello"[..]), ("x.whl", b""), ("x.tar.gz", b"\0\0\0"), ("x.bin", b"\x80\x02}q")]
    {
        assert_eq!(fault(bytes, name), ArchiveFault::NotAnArchive, "{name}");
    }
    let zip = zipped(GOOD);
    assert!(matches!(fault(&zip[..zip.len() / 2], "cut.zip"), ArchiveFault::Unreadable(_)));
    let tgz = gzipped(&tarred(GOOD));
    assert!(matches!(fault(&tgz[..tgz.len() / 2], "cut.tgz"), ArchiveFault::Unreadable(_)));
}

/// Runs bytes through the whole of `pull`; only a panic is a failure.
fn survive(bytes: &[u8], name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    let _ = pull(path.to_str().unwrap(), &offline(&dir.path().join("hub")), &mut NoProgress);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), kind in 0..4_usize) {
        let marked = |mark: &[u8]| [mark, &bytes].concat();
        match kind {
            0 => survive(&marked(b"PK\x03\x04"), "r.zip"),
            1 => survive(&marked(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), "r.tgz"),
            2 => survive(&gzipped(&bytes), "r.tgz"),
            _ => survive(&bytes, "r.tar"),
        }
    }

    #[test]
    fn damaged_archives(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), kind in 0..3_usize) {
        let (mut bytes, name) = match kind {
            0 => (zipped(GOOD), "d.zip"),
            1 => (tarred(GOOD), "d.tar"),
            _ => (gzipped(&tarred(GOOD)), "d.tgz"),
        };
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        survive(&bytes, name);
    }
}
