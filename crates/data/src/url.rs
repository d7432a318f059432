//! Texts that are URLs, with or without a scheme, and the part of their host that one owner registered: the
//! registrable domain by the public suffix list, of which private suffixes (github.io) are a part.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::canonical::plain;
use crate::table::Table;

/// The share of rows that must be URLs for a table to count as one of URLs.
pub const URL_SHARE: f64 = 0.9;

/// Longest host name, and longest label in it, in bytes (RFC 1035).
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// A URL's parts, as they stand in the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) scheme: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    /// Without a last dot; in brackets if it is an IPv6 address.
    pub(crate) host: &'a str,
    pub(crate) port: Option<&'a str>,
    pub(crate) path: &'a str,
    /// Without its question mark.
    pub(crate) query: Option<&'a str>,
}

/// The parts of a lower-case text that is a URL and nothing else. Without a scheme the host must be an IPv4 address or
/// end in a public suffix, so that words with dots in them are not taken for one.
pub(crate) fn parts(text: &str) -> Option<Parts<'_>> {
    if text.chars().any(char::is_whitespace) {
        return None;
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, text),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|port| port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let fits = if scheme.is_some() { is_host(host) } else { user.is_none() && is_public(host) };
    if !fits {
        return None;
    }
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    Some(Parts { scheme, user, host, port, path, query })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

fn address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.parse::<Ipv4Addr>().is_ok() || inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    address(host) || (host.len() <= MAX_HOST && host.split('.').all(label))
}

fn is_public(host: &str) -> bool {
    host.contains('.')
        && is_host(host)
        && (address(host) || psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known()))
}

/// The registrable domain of a text that is a URL or a host name: `example.co.uk` for
/// `https://www.example.co.uk/a`, `name.github.io` for `name.github.io/b`. Addresses, and hosts that are a public
/// suffix themselves, stand for themselves. White space may follow in the path, as in names of files. Invisible
/// characters and case do not matter, so that rows that meet in canonical form have one domain. Nothing for other
/// texts.
pub fn registered_domain(text: &str) -> Option<String> {
    let text = plain(text);
    let parts = match text.split_once(' ') {
        Some((first, _)) => parts(first).filter(|parts| !parts.path.is_empty() || parts.query.is_some()),
        None => parts(&text),
    };
    let host = parts?.host;
    if address(host) {
        return Some(host.to_owned());
    }
    Some(psl::domain_str(host).unwrap_or(host).to_owned())
}

/// Each row's registered domain, if the table is one of URLs: single texts, of which at least [`URL_SHARE`] are URLs
/// or host names.
pub fn registered_domains(table: &Table) -> Option<Vec<Option<String>>> {
    use rayon::prelude::*;
    if table.pairs.is_some() || table.is_empty() {
        return None;
    }
    let domains: Vec<Option<String>> = table.texts.par_iter().map(|text| registered_domain(text)).collect();
    let urls = domains.iter().flatten().count();
    (urls as f64 >= URL_SHARE * table.len() as f64).then_some(domains)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn domains() {
        let cases = [
            ("https://www.Example.co.uk/a?b#c", Some("example.co.uk")),
            ("example.com", Some("example.com")),
            ("a.b.example.com:8080/x", Some("example.com")),
            ("name.github.io/project", Some("name.github.io")),
            ("other.name.github.io", Some("name.github.io")),
            ("github.io", Some("github.io")),
            ("http://user:pass@evil.example.com@real.org/", Some("real.org")),
            ("http://192.168.0.1/login", Some("192.168.0.1")),
            ("192.168.0.1:80/login", Some("192.168.0.1")),
            ("http://[2001:db8::1]:80/", Some("[2001:db8::1]")),
            ("http://localhost/x", Some("localhost")),
            ("http://пример.рф/", Some("пример.рф")),
            ("http://xn--e1afmkfd.xn--p1ai/", Some("xn--e1afmkfd.xn--p1ai")),
            ("https://example.com./", Some("example.com")),
            (" example.com ", Some("example.com")),
            ("example.com/my file.rar", Some("example.com")),
            ("exam\u{ad}ple.com", Some("example.com")),
            ("example.com is down", None),
            ("see example.com", None),
            ("bob@example.com", None),
            ("wait...what", None),
            ("v1.2.3", None),
            ("hello", None),
            ("", None),
            ("http://", None),
            ("http:///path", None),
            ("http://a..b/", None),
            ("example.com:port", None),
        ];
        let mut failed = Vec::new();
        for (text, want) in cases {
            let got = registered_domain(text);
            if got.as_deref() != want {
                failed.push(format!("{text}: {got:?}"));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String, host in "[a-z.:@/?#\\[\\]%]{0,20}") {
            let _ = registered_domain(&text);
            let _ = registered_domain(&format!("http://{host}"));
            if let Some(domain) = registered_domain(&host) {
                prop_assert!(host.contains(&domain));
            }
        }
    }
}
