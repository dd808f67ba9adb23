//! Third-party repositories: what a URL may look like, and whether a distribution allows it.

use crate::request::MAX_REPOSITORY_URL;

/// A repository URL taken apart: enough to compare it with an allow list without being fooled by
/// user names, ports, or dot segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryUrl {
    /// `http` or `https`.
    pub scheme: String,
    /// Host in lower case, with its port when it is not the scheme's own.
    pub authority: String,
    /// Path, beginning with a slash.
    pub path: String,
}

/// Why a repository URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRepositoryUrl {
    /// Too long or of characters that a repositories file cannot hold.
    #[error(
        "a repository URL has at most {MAX_REPOSITORY_URL} printable ASCII characters and no blanks"
    )]
    Characters,
    /// Another scheme, or none.
    #[error("a repository URL begins with http:// or https://")]
    Scheme,
    /// A user name, a password, or no host.
    #[error("a repository URL names a host, and no user")]
    Host,
    /// A dot segment, an encoded dot or slash, or a query.
    #[error("the path of a repository URL has no '..' or '.', no query and no fragment")]
    Path,
}

impl RepositoryUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(url: &str) -> Result<Self, BadRepositoryUrl> {
        let printable = |b: u8| b.is_ascii_graphic() && !b"\"'`$\\<>(){}|^;*".contains(&b);
        if url.len() > MAX_REPOSITORY_URL || !url.bytes().all(printable) {
            return Err(BadRepositoryUrl::Characters);
        }
        let (scheme, rest) = url.split_once("://").ok_or(BadRepositoryUrl::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let own_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(BadRepositoryUrl::Scheme),
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, "/".to_owned()),
        };
        if authority.is_empty() || authority.contains(['@', '?', '#', '%']) {
            return Err(BadRepositoryUrl::Host);
        }
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(own_port).unwrap_or(&authority).to_owned();
        let lower = path.to_ascii_lowercase();
        let dotted = lower.split('/').any(|segment| segment == "." || segment == "..");
        if dotted || lower.contains(['?', '#']) || lower.contains("%2e") || lower.contains("%2f") {
            return Err(BadRepositoryUrl::Path);
        }
        Ok(Self { scheme, authority, path })
    }

    fn is_below(&self, prefix: &Self) -> bool {
        let folder = prefix.path.trim_end_matches('/');
        self.scheme == prefix.scheme
            && self.authority == prefix.authority
            && self
                .path
                .strip_prefix(folder)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether `url` lies at or below one of the allowed prefixes: same scheme, host and port.
pub fn is_allowed(url: &str, allow_list: &[String]) -> bool {
    let Ok(url) = RepositoryUrl::parse(url) else {
        return false;
    };
    allow_list
        .iter()
        .filter_map(|prefix| RepositoryUrl::parse(prefix).ok())
        .any(|prefix| url.is_below(&prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(url: &str) -> bool {
        is_allowed(url, &["https://h.example/x".to_owned()])
    }

    #[test]
    fn urls_at_and_below_the_prefix_are_allowed() {
        assert!(allowed("https://h.example/x"));
        assert!(allowed("https://h.example/x/a"));
        assert!(allowed("https://H.example:443/x/a"));
    }

    #[test]
    fn nothing_escapes_the_prefix() {
        for bad in [
            "https://h.example/x/../evil",
            "https://h.example/x/%2e%2E/evil",
            "https://h.example/xy",
            "https://h.example:8443/x/a",
            "https://u:p@h.example/x/a",
            "http://h.example/x/a",
            "https://h.example.evil/x/a",
            "https://h.example/x/a?b",
            "https://h.example/x a",
            "https://h.example/$(id)",
            "file:///x",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(!is_allowed("https://h.example/x", &[]));
    }
}
