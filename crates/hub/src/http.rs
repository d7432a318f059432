//! Requests to the hub: redirects followed by hand so that the token never leaves its host, statuses turned into
//! errors, and a bounded number of repetitions.

use crate::disk::CHUNK;
use crate::error::Error;
use crate::settings::Settings;
use std::io::{self, Read};
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, Uri, header};
use ureq::{Agent, Body, Proxy};

/// Most redirects followed for one request.
const MAX_REDIRECTS: usize = 10;
/// Longest wait before a repetition, whatever the server asks for.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Most bytes of response headers.
const MAX_HEADERS: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The body is wanted: redirects are followed to the end.
    Get,
    /// Only the hub's own headers are wanted: a redirect to another host is the answer.
    Head,
}

/// What the hub itself said about a file, from its own answers rather than a storage host's.
#[derive(Debug, Default)]
pub(crate) struct Linked {
    pub(crate) etag: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) commit: Option<String>,
}

/// An answer after redirects.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) linked: Linked,
    pub(crate) body: Body,
    /// Where it came from, for messages.
    pub(crate) url: String,
}

pub(crate) struct Client<'a> {
    agent: Agent,
    endpoint: String,
    origin: Origin,
    pub(crate) settings: &'a Settings,
}

/// Scheme, host and port: who may see the token.
#[derive(PartialEq, Eq, Clone)]
struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        Some(Self { https, host, port: uri.port_u16().unwrap_or(if https { 443 } else { 80 }) })
    }

    fn private(&self) -> bool {
        self.https || matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }
}

impl<'a> Client<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Result<Self, Error> {
        let bad = |name, why: &str| Error::BadSetting { name, why: why.into() };
        let endpoint = settings.endpoint.trim_end_matches('/').to_owned();
        let uri: Uri = endpoint.parse().map_err(|_| bad("HF_ENDPOINT", "it is not an address"))?;
        let origin =
            Origin::of(&uri).ok_or_else(|| bad("HF_ENDPOINT", "it must begin with https:// or http://"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) || uri.query().is_some()
        {
            return Err(bad("HF_ENDPOINT", "it must hold neither a user name nor a query"));
        }
        if settings.token.as_ref().is_some_and(|token| !token.reveal().bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(bad("HF_TOKEN", "it holds characters that no token has"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_response_header_size(MAX_HEADERS)
            .proxy(proxy(settings)?)
            .user_agent(concat!("filbert/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(settings.timeouts.connect))
            .timeout_connect(Some(settings.timeouts.connect))
            .timeout_per_read(Some(settings.timeouts.read))
            .timeout_send_request(Some(settings.timeouts.read))
            .timeout_recv_response(Some(settings.timeouts.metadata))
            .build();
        Ok(Self { agent: config.new_agent(), endpoint, origin, settings })
    }

    /// An address below the endpoint; `path` begins with a slash and needs no escaping.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }

    pub(crate) fn has_token(&self) -> bool {
        self.settings.token.is_some()
    }

    /// Sends one request, from byte `from` on where given. Any final status is returned.
    pub(crate) fn send(&self, method: Method, url: &str, from: Option<u64>) -> Result<Reply, Error> {
        let mut url = url.to_owned();
        let mut linked = Linked::default();
        // Once a redirect has left the endpoint's origin, nothing after it is trusted with the token again.
        let mut at_home = true;
        for _ in 0..=MAX_REDIRECTS {
            let uri: Uri = url.parse().map_err(|_| bad_answer(&url, "an address that is not one"))?;
            let origin = Origin::of(&uri).ok_or_else(|| bad_answer(&url, "an address that is not http"))?;
            at_home &= origin == self.origin;
            let answer = self.once(method, &uri, &url, from, at_home)?;
            let (parts, body) = answer.into_parts();
            if at_home {
                linked.note(&parts.headers);
            }
            let status = parts.status.as_u16();
            let reply = |linked, url: &str| Reply {
                status,
                headers: parts.headers.clone(),
                linked,
                body,
                url: plain_url(url),
            };
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return Ok(reply(linked, &url));
            }
            let location = parts.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| join(&uri, location));
            let (next, target) = next.ok_or_else(|| bad_answer(&url, "a redirect to nowhere"))?;
            if origin.https && !target.https {
                return Err(bad_answer(&url, "a redirect from https to http, which is not followed"));
            }
            if method == Method::Head && target != self.origin && linked.etag.is_some() {
                return Ok(reply(linked, &url));
            }
            url = next;
        }
        Err(bad_answer(&url, "too many redirects"))
    }

    fn once(
        &self,
        method: Method,
        uri: &Uri,
        url: &str,
        from: Option<u64>,
        at_home: bool,
    ) -> Result<ureq::http::Response<Body>, Error> {
        let mut request = match method {
            Method::Get => self.agent.get(uri.clone()),
            Method::Head => self.agent.head(uri.clone()),
        };
        // Sizes and ranges are of the file itself only when it is not compressed on the way.
        request = request.header(header::ACCEPT_ENCODING, "identity");
        if let Some(from) = from {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if at_home
            && self.origin.private()
            && let Some(token) = &self.settings.token
        {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        request.call().map_err(|error| network(url, error))
    }

    /// The body of a small answer.
    pub(crate) fn read_small(&self, reply: Reply) -> Result<Vec<u8>, Error> {
        let limit = self.settings.limits.metadata;
        let deadline = Instant::now() + self.settings.timeouts.metadata;
        let mut body = reply.body.into_reader();
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; CHUNK]);
        loop {
            let n = body.read(&mut buffer).map_err(|error| network_io(&reply.url, error))?;
            if n == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&buffer[..n]);
            if bytes.len() as u64 > limit {
                return Err(Error::TooLarge { what: format!("the answer of {}", reply.url), limit });
            }
            if Instant::now() > deadline {
                return Err(Error::Lost { url: reply.url, reason: "the answer takes too long".into() });
            }
        }
    }

    /// Repeats `attempt` after errors that may pass.
    pub(crate) fn with_retries<T>(&self, mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        let mut failures = 0;
        loop {
            match attempt() {
                Err(error) if error.is_transient() && failures < self.settings.retries => {
                    std::thread::sleep(self.pause(failures, &error));
                    failures += 1;
                }
                other => return other,
            }
        }
    }

    fn pause(&self, failures: u32, error: &Error) -> Duration {
        let grown = self.settings.backoff.saturating_mul(1 << failures.min(16));
        let asked = match error {
            Error::RateLimited { retry_after: Some(seconds), .. } => Duration::from_secs(*seconds),
            _ => Duration::ZERO,
        };
        grown.max(asked).min(MAX_PAUSE)
    }

    /// The error for a final status that is not a success. `id` is the repository, `what` the thing asked for.
    pub(crate) fn status_error(&self, reply: &Reply, id: &str, what: &str) -> Error {
        let url = reply.url.clone();
        match reply.status {
            status @ (401 | 403) => Error::Refused { id: id.into(), status, had_token: self.has_token() },
            404 => Error::NotFound { what: what.into() },
            429 => {
                let seconds = reply.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                Error::RateLimited { url, retry_after: seconds.and_then(|text| text.trim().parse().ok()) }
            }
            status => Error::Server { url, status },
        }
    }
}

impl Linked {
    fn note(&mut self, headers: &HeaderMap) {
        let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        if let Some(etag) = get("x-linked-etag").map(bare_etag) {
            self.etag = Some(etag);
        } else if self.etag.is_none() && get("location").is_none() {
            self.etag = get("etag").map(bare_etag);
        }
        if let Some(size) = get("x-linked-size").and_then(|text| text.parse().ok()) {
            self.size = Some(size);
        }
        if self.commit.is_none() {
            self.commit = get("x-repo-commit").map(str::to_owned);
        }
    }
}

/// Longest address that a message repeats.
const LONGEST_URL: usize = 200;

/// An address for messages: without its query, which may hold a signature, and not too long.
fn plain_url(url: &str) -> String {
    url.chars().take_while(|c| *c != '?').take(LONGEST_URL).collect()
}

/// An `ETag` without its weak mark and quotes.
fn bare_etag(text: &str) -> String {
    text.strip_prefix("W/").unwrap_or(text).trim_matches('"').to_owned()
}

/// Resolves a `Location` against the address that sent it.
fn join(base: &Uri, location: &str) -> Option<(String, Origin)> {
    let scheme = base.scheme_str()?;
    let authority = base.authority()?.as_str();
    let address = if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let address = address.split('#').next()?.to_owned();
    let uri: Uri = address.parse().ok()?;
    Some((address, Origin::of(&uri)?))
}

fn proxy(settings: &Settings) -> Result<Option<Proxy>, Error> {
    let Some(address) = &settings.proxy else {
        return Ok(None);
    };
    let bad = |_| Error::BadSetting { name: "HTTPS_PROXY", why: "it is not the address of a proxy".into() };
    let plain = Proxy::new(address).map_err(bad)?;
    let Some(exceptions) = &settings.no_proxy else {
        return Ok(Some(plain));
    };
    let mut builder = Proxy::builder(plain.protocol()).host(plain.host()).port(plain.port());
    if let Some(user) = plain.username() {
        builder = builder.username(user);
    }
    if let Some(password) = plain.password() {
        builder = builder.password(password);
    }
    for host in exceptions.split(',').map(str::trim).filter(|host| !host.is_empty()) {
        builder = builder.no_proxy(host);
    }
    builder.build().map(Some).map_err(bad)
}

pub(crate) fn bad_answer(url: &str, why: impl Into<String>) -> Error {
    Error::BadAnswer { url: url.into(), why: why.into() }
}

/// An error while a body was read.
pub(crate) fn network_io(url: &str, error: io::Error) -> Error {
    network(url, ureq::Error::from(error))
}

fn network(url: &str, error: ureq::Error) -> Error {
    use io::ErrorKind as Kind;
    let (url, reason) = (plain_url(url), error.to_string());
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Error::Unreachable { url, reason }
        }
        ureq::Error::Timeout(_) | ureq::Error::BodyStalled => Error::Lost { url, reason },
        ureq::Error::Io(error) => match error.kind() {
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::UnexpectedEof
            | Kind::TimedOut
            | Kind::WouldBlock
            | Kind::Interrupted => Error::Lost { url, reason },
            _ => Error::Unreachable { url, reason },
        },
        ureq::Error::Protocol(_)
        | ureq::Error::Http(_)
        | ureq::Error::LargeResponseHeader(..)
        | ureq::Error::Decompress(..) => Error::BadAnswer { url, why: reason },
        _ => Error::Unreachable { url, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let base: Uri = "https://hub.test:8443/a/b?x=1".parse().unwrap();
        for (location, want) in [
            ("/c", Some("https://hub.test:8443/c")),
            ("c", Some("https://hub.test:8443/a/c")),
            ("//other.test/c", Some("https://other.test/c")),
            ("https://other.test/c?d=e#f", Some("https://other.test/c?d=e")),
            ("ftp://other.test/c", None),
            ("file:///etc/passwd", None),
            ("http://a b/", None),
        ] {
            assert_eq!(join(&base, location).map(|(url, _)| url).as_deref(), want, "{location}");
        }
    }

    #[test]
    fn endpoints() {
        for (endpoint, good) in [
            ("https://hub.test", true),
            ("http://127.0.0.1:80/mirror/", true),
            ("hub.test", false),
            ("ftp://hub.test", false),
            ("https://user:pw@hub.test", false),
            ("https://hub.test/?q=1", false),
            ("", false),
            ("https://", false),
        ] {
            let mut settings = Settings::new("unused");
            settings.endpoint = endpoint.into();
            assert_eq!(Client::new(&settings).is_ok(), good, "{endpoint}");
        }
    }

    #[test]
    fn token_needs_privacy() {
        for (url, want) in [("https://a.test", true), ("http://a.test", false), ("http://127.0.0.1:9", true)]
        {
            assert_eq!(Origin::of(&url.parse().unwrap()).unwrap().private(), want, "{url}");
        }
    }

    #[test]
    fn etags() {
        for (text, want) in [("\"ab\"", "ab"), ("W/\"ab\"", "ab"), ("ab", "ab")] {
            assert_eq!(bare_etag(text), want);
        }
    }
}
