//! Third-party repositories: what a URL may look like, and whether a distribution allows it.

use crate::text::is_word;

/// Longest repository URL, in bytes.
pub const MAX_REPOSITORY_URL: usize = 512;
/// Longest name of a repository, in bytes.
const MAX_NAME: usize = 64;
/// Name of an ImageBuilder's own package folder among its feeds.
const LOCAL: &str = "imagebuilder";
/// What the names of OpenWrt's feeds begin with: its name for itself, in lower case.
const OFFICIAL: &str = "openwrt";
/// Indexes that a package manager looks for below a repository's URL by itself.
const INDEXES: [&str; 5] =
    ["Packages", "Packages.gz", "Packages.sig", "Packages.manifest", "APKINDEX.tar.gz"];

/// Why a name of a repository is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRepositoryName {
    /// Characters that a repositories file or a file name cannot hold.
    #[error(
        "a name has at most {MAX_NAME} letters, digits, '_', '.', '-', and begins with none of '.', '-'"
    )]
    Characters,
    /// opkg keeps the signature of a feed's index under the feed's name with this ending.
    #[error("{0} ends like the signature of another repository's index")]
    Signature(String),
    /// It would take the place of a feed of the ImageBuilder, or be skipped because of it.
    #[error("{0} is kept for the feeds of the distribution itself, choose another name")]
    Official(String),
}

/// Whether a request for `distribution` may call a repository that. An ImageBuilder's own feeds have the
/// distribution's name before an underscore; of two feeds of one name opkg takes one.
///
/// # Errors
/// Which rule it breaks.
pub fn check_name(name: &str, distribution: &str) -> Result<(), BadRepositoryName> {
    if !is_word(name, MAX_NAME, ".-") || name.starts_with(['.', '-']) {
        return Err(BadRepositoryName::Characters);
    }
    let lower = name.to_ascii_lowercase();
    if lower.strip_suffix(".sig").is_some() {
        return Err(BadRepositoryName::Signature(name.to_owned()));
    }
    let owner = lower.split_once('_').map(|(owner, _)| owner);
    let official = [OFFICIAL, distribution].map(Some).contains(&owner);
    if official || lower == LOCAL {
        return Err(BadRepositoryName::Official(name.to_owned()));
    }
    Ok(())
}

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
    /// A user name, a password, no host, or no port that exists.
    #[error("a repository URL names a host, perhaps a port, and no user")]
    Host,
    /// A dot segment, an encoded dot or slash, or a query.
    #[error("the path of a repository URL has no '..' or '.', no query and no fragment")]
    Path,
    /// The file that a package manager looks for in the folder.
    #[error("a repository URL names the folder of an index, not the index {0}")]
    Index(&'static str),
}

impl std::fmt::Display for RepositoryUrl {
    /// The one spelling of this URL.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path.trim_end_matches('/'))
    }
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
            "http" => 80,
            "https" => 443,
            _ => return Err(BadRepositoryUrl::Scheme),
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, "/".to_owned()),
        };
        let authority = self::authority(authority, own_port).ok_or(BadRepositoryUrl::Host)?;
        let lower = path.to_ascii_lowercase();
        let dotted = lower.split('/').any(|segment| segment == "." || segment == "..");
        if dotted || lower.contains(['?', '#']) || lower.contains("%2e") || lower.contains("%2f") {
            return Err(BadRepositoryUrl::Path);
        }
        let last = path.rsplit('/').next();
        if let Some(index) = INDEXES.into_iter().find(|index| last == Some(index)) {
            return Err(BadRepositoryUrl::Index(index));
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

/// Host in lower case, with its port unless that is `own_port`; nothing when it is no host and port.
fn authority(text: &str, own_port: u16) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (host, port) = match lower.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            (host, port.parse::<u16>().ok().filter(|port| digits && *port > 0)?)
        }
        _ => (lower.as_str(), own_port),
    };
    let named = host.split('.').all(|label| is_word(label, 63, "-"));
    let numbered = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    if !named && !numbered {
        return None;
    }
    Some(if port == own_port { host.to_owned() } else { format!("{host}:{port}") })
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
    fn a_url_has_one_spelling() {
        let spelled = |url: &str| RepositoryUrl::parse(url).unwrap().to_string();
        for same in ["https://h.example/x", "HTTPS://H.example:443/x/", "https://h.example:0443/x"]
        {
            assert_eq!(spelled(same), "https://h.example/x");
        }
        assert_eq!(spelled("http://[::1]:80/"), "http://[::1]");
        assert_eq!(spelled("https://h.example:80/X"), "https://h.example:80/X");
    }

    #[test]
    fn a_url_that_no_package_manager_can_use_is_refused() {
        for bad in [
            "https://",
            "https:///x",
            "https://h:/x",
            "https://h:0/x",
            "https://h:65536/x",
            "https://h:+80/x",
            "https://h..example/x",
            "https://.h/x",
            "https://[::g]/x",
            "https://h,i/x",
            "https://h.example/x/Packages.gz",
            "https://h.example/x/APKINDEX.tar.gz",
        ] {
            assert!(RepositoryUrl::parse(bad).is_err(), "{bad}");
        }
        assert!(RepositoryUrl::parse("https://h.example/x/packages.adb").is_ok());
    }

    #[test]
    fn no_repository_takes_the_name_of_a_feed_of_the_distribution() {
        for bad in [
            "openwrt_base",
            "OpenWrt_core",
            "openwrt_",
            "freifunk_base",
            "imagebuilder",
            "..",
            ".x",
            "-x",
            "",
            "a b",
            "mine.sig",
        ] {
            assert!(check_name(bad, "freifunk").is_err(), "{bad}");
        }
        for good in ["mine", "my_openwrt", "openwrt-extra", "a.b", "_x"] {
            assert!(check_name(good, "freifunk").is_ok(), "{good}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(!is_allowed("https://h.example/x", &[]));
    }
}
