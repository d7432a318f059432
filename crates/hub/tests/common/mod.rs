//! A hub on 127.0.0.1 that serves one small model and can be told to misbehave. It stops when dropped.

#![allow(dead_code, reason = "each test file uses a part")]

use filbert_hub::Settings;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const ID: &str = "acme/tiny-bert";

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn is_get(&self, ending: &str) -> bool {
        self.method == "GET" && self.path.ends_with(ending)
    }

    pub(crate) fn range(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Bytes of the body after which the connection is cut.
    pub(crate) cut: Option<usize>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

pub(crate) struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, stop) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let handler: Arc<Handler> = Arc::new(handler);
        let (log_inside, stop_inside) = (log.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop_inside.load(Ordering::SeqCst) {
                    return;
                }
                let (handler, log) = (handler.clone(), log_inside.clone());
                std::thread::spawn(move || stream.map(|stream| serve(stream, handler.as_ref(), &log)));
            }
        });
        Self { address, log, stop, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str, ending: &str) -> usize {
        self.requests().iter().filter(|r| r.method == method && r.path.ends_with(ending)).count()
    }

    pub(crate) fn settings(&self, cache: &Path) -> Settings {
        let mut settings = Settings::new(cache);
        settings.endpoint = self.url();
        settings.backoff = Duration::from_millis(1);
        settings.timeouts.read = Duration::from_secs(5);
        settings
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, handler: &Handler, log: &Mutex<Vec<Request>>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
    let Some(request) = read_request(&stream) else {
        return;
    };
    log.lock().unwrap().push(request.clone());
    let reply = handler(&request);
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status);
    if !reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        let _ = write!(head, "content-length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    let body =
        if request.method == "HEAD" { &[][..] } else { &reply.body[..reply.cut.unwrap_or(reply.body.len())] };
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream.take(1 << 16));
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers })
}

/// The model that the hub serves.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Names in the description, where they differ from the files.
    pub(crate) siblings: Option<Vec<String>>,
}

impl Model {
    pub(crate) fn tiny() -> Self {
        let weights: Vec<u8> =
            (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let files = [
            ("config.json", br#"{"model_type":"bert"}"#.to_vec()),
            ("tokenizer.json", b"{}".to_vec()),
            ("vocab.txt", b"[PAD]\n".to_vec()),
            ("model.safetensors", weights),
            ("README.md", b"unwanted".to_vec()),
            ("pytorch_model.bin", b"unwanted".to_vec()),
        ];
        Self {
            files: files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect(),
            siblings: None,
        }
    }

    /// The same weights in two shards.
    pub(crate) fn sharded() -> Self {
        let mut model = Self::tiny();
        let weights = model.files.remove("model.safetensors").unwrap();
        let (one, two) = weights.split_at(100_000);
        model.files.insert("model-00001-of-00002.safetensors".into(), one.to_vec());
        model.files.insert("model-00002-of-00002.safetensors".into(), two.to_vec());
        let index = br#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
        model.files.insert("model.safetensors.index.json".into(), index.to_vec());
        model
    }

    pub(crate) fn weights(&self) -> &[u8] {
        &self.files["model.safetensors"]
    }

    /// What an honest hub says.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        if request.path.starts_with("/api/models/") {
            let names = self.siblings.clone().unwrap_or_else(|| self.files.keys().cloned().collect());
            let siblings: Vec<_> =
                names.iter().map(|name| serde_json::json!({ "rfilename": name })).collect();
            let text = serde_json::json!({ "sha": COMMIT, "siblings": siblings, "id": ID, "private": false });
            return Reply::new(200, text.to_string());
        }
        let name = request.path.rsplit('/').next().unwrap_or_default();
        let Some(bytes) = self.files.get(name) else {
            return Reply::new(404, "");
        };
        let mut reply = file(bytes, request).with("X-Repo-Commit", COMMIT);
        if name.ends_with(".safetensors") {
            reply = reply
                .with("X-Linked-Etag", format!("\"{}\"", sha256(bytes)))
                .with("X-Linked-Size", bytes.len().to_string());
        }
        reply.with("ETag", format!("\"{}\"", &sha256(bytes)[..40]))
    }
}

/// An honest hub.
pub(crate) fn honest(model: Model) -> Server {
    Server::start(move |request| model.answer(request))
}

/// The model's repository in the cache.
pub(crate) fn repo(cache: &Path) -> PathBuf {
    cache.join("models--acme--tiny-bert")
}

/// A file, honouring `Range`.
pub(crate) fn file(bytes: &[u8], request: &Request) -> Reply {
    match request.range() {
        Some(from) if from >= bytes.len() => Reply::new(416, ""),
        Some(from) => Reply::new(206, &bytes[from..])
            .with("Content-Range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
        None => Reply::new(200, bytes),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
