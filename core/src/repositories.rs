//! Third-party repositories: what a URL may look like, and whether a distribution allows it.

use url::{Host, Url};

use crate::text::is_word;

/// Maximum length of a repository URL in bytes.
pub const MAX_REPOSITORY_URL: usize = 512;
/// Maximum length of the name of a repository in bytes.
const MAX_NAME: usize = 64;
/// Name of an ImageBuilder's own package folder among its feeds.
const LOCAL: &str = "imagebuilder";
/// Prefix of the names of OpenWrt's feeds.
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

/// The URL of a repository, in its one spelling: what is compared with an allow list is what a package
/// manager asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryUrl(Url);

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
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl RepositoryUrl {
    /// Reads a URL. What a parser would repair or resolve is refused: the request must say what is
    /// asked.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, BadRepositoryUrl> {
        let printable = |b: u8| b.is_ascii_graphic() && !b"\"'`$\\<>(){}|^;*".contains(&b);
        if text.len() > MAX_REPOSITORY_URL || !text.bytes().all(printable) {
            return Err(BadRepositoryUrl::Characters);
        }
        let (_, rest) = text.split_once("://").ok_or(BadRepositoryUrl::Scheme)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let lower = path.to_ascii_lowercase();
        let dotted = lower.split('/').any(|segment| segment == "." || segment == "..");
        if dotted || rest.contains(['?', '#']) || lower.contains("%2e") || lower.contains("%2f") {
            return Err(BadRepositoryUrl::Path);
        }
        if authority.is_empty() || authority.ends_with(':') || authority.contains('@') {
            return Err(BadRepositoryUrl::Host);
        }
        let url = Url::parse(text).map_err(|_| BadRepositoryUrl::Host)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadRepositoryUrl::Scheme);
        }
        if url.port() == Some(0) || !url.host().is_some_and(|host| is_host(&host)) {
            return Err(BadRepositoryUrl::Host);
        }
        let last = path.rsplit('/').next();
        if let Some(index) = INDEXES.into_iter().find(|index| last == Some(index)) {
            return Err(BadRepositoryUrl::Index(index));
        }
        Ok(Self(url))
    }

    fn is_below(&self, prefix: &Self) -> bool {
        self.0.scheme() == prefix.0.scheme() && self.below(prefix).is_some()
    }

    /// The rest of the path below `folder`, on the same host and port; the scheme is not compared.
    pub(crate) fn below(&self, folder: &Self) -> Option<&str> {
        let path = folder.0.path().trim_end_matches('/');
        let rest = self.0.path().strip_prefix(path)?;
        let below = rest.is_empty() || rest.starts_with('/');
        (below && server(&self.0) == server(&folder.0)).then_some(rest)
    }
}

/// Host and port; no port when it is the scheme's own.
fn server(url: &Url) -> (Option<&str>, Option<u16>) {
    (url.host_str(), url.port())
}

/// Whether a name has labels that name servers know. Addresses are hosts as they are.
fn is_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.split('.').all(|label| is_word(label, 63, "-")),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
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
    fn urls_outside_the_prefix_are_refused() {
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
        assert_eq!(spelled("http://0x7f.1/x"), "http://127.0.0.1/x");
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
    fn a_repository_with_the_name_of_a_feed_is_refused() {
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
