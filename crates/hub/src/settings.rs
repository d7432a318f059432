//! Where to look, how long to wait and how much to accept. The binary fills this from the environment.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The hub that is asked when no other is set.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A token; shown as `***`, and dropped from requests that leave the endpoint's own host.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How long to wait for the world.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// To resolve a name, connect and agree on TLS.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// For a whole answer that is not a file.
    pub metadata: Duration,
    /// A download that brings less than [`Timeouts::MIN_RATE`] over such a stretch counts as cut.
    pub stall: Duration,
    /// For another process that is fetching the same file.
    pub lock: Duration,
}

impl Timeouts {
    /// Bytes per second below which a download counts as stalled.
    pub const MIN_RATE: u64 = KIB;
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            read: Duration::from_secs(30),
            metadata: Duration::from_mins(1),
            stall: Duration::from_mins(1),
            lock: Duration::from_mins(10),
        }
    }
}

/// How much to accept from a server or an archive; all in bytes unless said otherwise.
#[derive(Debug, Clone)]
pub struct Limits {
    /// One weight file.
    pub weights: u64,
    /// One configuration or tokenizer file, or the index of shards.
    pub small_file: u64,
    /// The JSON that describes a repository.
    pub metadata: u64,
    /// Everything unpacked from an archive.
    pub archive_total: u64,
    /// Entries in an archive, a count.
    pub archive_entries: usize,
    /// Unpacked bytes per packed byte, a ratio, once [`Limits::archive_ratio_floor`] bytes are reached.
    pub archive_ratio: u64,
    /// Unpacked size up to which any ratio is accepted.
    pub archive_ratio_floor: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            weights: 64 * GIB,
            small_file: 64 * MIB,
            metadata: 8 * MIB,
            archive_total: 16 * GIB,
            archive_entries: 100_000,
            archive_ratio: 200,
            archive_ratio_floor: 64 * MIB,
        }
    }
}

/// Everything the crate needs to know about its surroundings.
#[derive(Clone)]
pub struct Settings {
    /// The hub or a mirror, `https://host[:port][/path]`.
    pub endpoint: String,
    /// The hub cache's root, the folder that holds `models--owner--name`.
    pub cache: PathBuf,
    /// Sent to the endpoint only, and never over plain HTTP to another machine.
    pub token: Option<Secret>,
    /// Whether the network is off limits.
    pub offline: bool,
    /// Proxy address; may hold a password, so it is not shown.
    pub proxy: Option<String>,
    /// Hosts reached without the proxy, separated by commas.
    pub no_proxy: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How much to accept.
    pub limits: Limits,
    /// How often a request is repeated after a server error or a cut connection.
    pub retries: u32,
    /// Wait before the first repetition; doubles each time.
    pub backoff: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("token", &self.token)
            .field("offline", &self.offline)
            .field("proxy", &self.proxy.as_ref().map(|_| "***"))
            .field("no_proxy", &self.no_proxy)
            .field("timeouts", &self.timeouts)
            .field("limits", &self.limits)
            .field("retries", &self.retries)
            .field("backoff", &self.backoff)
            .finish()
    }
}

impl Settings {
    /// The public hub, no token, and `cache` as the hub cache.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: DEFAULT_ENDPOINT.into(),
            cache: cache.into(),
            token: None,
            offline: false,
            proxy: None,
            no_proxy: None,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            retries: 4,
            backoff: Duration::from_millis(500),
        }
    }

    /// Interprets the variables that Python's hub client knows, found through `lookup` (which returns a variable's
    /// value): `HF_ENDPOINT`, `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME` or
    /// `USERPROFILE`, `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`, `HTTPS_PROXY`,
    /// `ALL_PROXY` and `NO_PROXY`, the last three in lower case too. Empty values count as unset. Without a home
    /// folder the cache is `.cache/huggingface/hub` below the working folder. No file is read: a token stored by a
    /// login is not used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let first = |names: &[&str]| names.iter().find_map(|name| get(name));
        let home = first(&["HOME", "USERPROFILE"]).map(PathBuf::from);
        let path = |text: String| expand(&text, home.as_deref());

        let default_caches = || home.clone().unwrap_or_default().join(".cache");
        let default_root = || get("XDG_CACHE_HOME").map_or_else(default_caches, path).join("huggingface");
        let default_cache = || get("HF_HOME").map_or_else(default_root, path).join("hub");
        let cache = first(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]).map_or_else(default_cache, path);
        let mut settings = Self::new(cache);
        if let Some(endpoint) = get("HF_ENDPOINT") {
            settings.endpoint = endpoint;
        }
        settings.token = first(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]).map(Secret);
        settings.offline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
            .iter()
            .any(|name| get(name).is_some_and(|v| truthy(&v)));
        settings.proxy = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
        settings.no_proxy = first(&["NO_PROXY", "no_proxy"]);
        settings
    }
}

fn truthy(value: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

fn expand(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Settings {
        Settings::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn cache_precedence() {
        for (pairs, want) in [
            (&[][..], ".cache/huggingface/hub"),
            (&[("HOME", "/h")], "/h/.cache/huggingface/hub"),
            (&[("USERPROFILE", "/u")], "/u/.cache/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")], "/h/hf/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")], "/c"),
            (&[("HOME", "/h"), ("HF_HUB_CACHE", "  ")], "/h/.cache/huggingface/hub"),
            (&[("HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "~")], "/h"),
        ] {
            assert_eq!(from(pairs).cache, Path::new(want), "{pairs:?}");
        }
    }

    #[test]
    fn switches() {
        assert_eq!(from(&[]).endpoint, DEFAULT_ENDPOINT);
        assert_eq!(from(&[("HF_ENDPOINT", "http://m")]).endpoint, "http://m");
        for (value, want) in
            [("1", true), ("TRUE", true), ("yes", true), ("0", false), ("", false), ("no", false)]
        {
            assert_eq!(from(&[("HF_HUB_OFFLINE", value)]).offline, want, "{value}");
        }
        assert!(from(&[("TRANSFORMERS_OFFLINE", "on")]).offline);
        assert_eq!(from(&[("all_proxy", "http://p:1")]).proxy.as_deref(), Some("http://p:1"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = from(&[("HF_TOKEN", "hf_abcdef\n"), ("HTTPS_PROXY", "http://u:pw1234@p")]);
        assert_eq!(settings.token.as_ref().map(Secret::reveal), Some("hf_abcdef"));
        let text = format!("{settings:?} {settings:#?}");
        assert!(!text.contains("abcdef") && !text.contains("pw1234"), "{text}");
    }
}
