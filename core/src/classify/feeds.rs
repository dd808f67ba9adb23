//! Finds the feeds that failed, and decides whose fault it is: a failed feed of the Distribution is an
//! infrastructure failure, a failed repository of the request is a failure of the request. Part of the
//! classification of a build's output.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use regex::Regex;

use super::{found, group, list, remember, without_version};
use crate::failure::{Failure, FailureReason};

pattern!(DOWNLOADING, r"^Downloading (\S+://\S+)$");
pattern!(INDEX_URL, r"^Downloading (\S+)/Packages(?:\.gz|\.sig)?$");
pattern!(OPKG_SIGNATURE, r"^Signature check failed\.|Signature file download failed");
pattern!(APK_SIGNATURE, r"(\S+): (?:UNTRUSTED signature|BAD signature)");
pattern!(
    INDEX_FAILED,
    r"(?:Failed to download the package list from|opkg_download: Failed to download|opkg_update:|WARNING: updating and opening|WARNING: updating|WARNING: opening from cache|WARNING: fetching) (\S+?)[,:]?(?:\s|$)"
);
pattern!(
    PACKAGE_FAILED,
    r"opkg_install_pkg: (?:Failed to download|Checksum or size mismatch for package) ([A-Za-z0-9_+-][A-Za-z0-9_.+-]*?)\.(?:\s|$)"
);
pattern!(
    APK_FETCH,
    r"ERROR: (\S+): (?:unexpected end of file|file integrity error|ADB integrity error|network error|temporary error|remote server returned error|connection|DNS|IO ERROR|operation timed out|UNTRUSTED signature|BAD signature)"
);
pattern!(APK_WGET, r"ERROR: wget: exited with error (\d+)");

/// The remote feeds of a build, by origin: the request's repositories and the Distribution's feeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    own: Vec<(String, String)>,
    others: Vec<String>,
}

impl Origins {
    /// `own`: the request's repositories, as pairs of name and URL in the repositories file. `others`:
    /// URLs of the Distribution's feeds. A URL in both belongs to the Distribution.
    pub fn new(
        own: impl IntoIterator<Item = (String, String)>,
        others: impl IntoIterator<Item = String>,
    ) -> Self {
        let others: Vec<String> = others.into_iter().map(|url| folder(&url)).collect();
        let own = own.into_iter().map(|(name, url)| (name, folder(&url)));
        Self { own: own.filter(|(_, url)| !others.contains(url)).collect(), others }
    }

    /// Name of the request's repository that contains the URL.
    pub fn owner(&self, url: &str) -> Option<&str> {
        let within = |base: &&String| {
            let rest = url.strip_prefix(base.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let found = self.own.iter().filter(|(_, base)| within(&base));
        let (name, base) = found.max_by_key(|(_, base)| base.len())?;
        // When one feed lies below another, the URL belongs to the deeper one.
        let deeper = self.others.iter().filter(within).any(|other| other.len() > base.len());
        (!deeper).then_some(name)
    }

    /// The names of the request's repositories as one text, when the Distribution has no remote feed,
    /// so that only they can have failed.
    fn only(&self) -> Option<String> {
        let names: Vec<&str> = self.own.iter().map(|(name, _)| name.as_str()).collect();
        (self.others.is_empty() && !names.is_empty()).then(|| names.join(", "))
    }
}

fn folder(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// What is wrong with a repository of the request, in the order of precedence: the last one is
/// reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Unread,
    Lacks(String),
    Unsigned,
}

/// What the lines have shown about feeds.
#[derive(Clone, Debug, Default)]
pub(super) struct Feeds {
    origins: Arc<Origins>,
    /// The Distribution's feeds whose index has no valid signature.
    unsigned: BTreeSet<String>,
    /// Indexes and files of the Distribution that could not be downloaded.
    unread: BTreeSet<String>,
    /// The request's repositories that failed.
    own: BTreeMap<String, Fault>,
    /// Packages that could not be downloaded, of which the output has only the name.
    packages: BTreeSet<String>,
    /// Package files that were fetched from the request's repositories: file name to repository.
    own_files: BTreeMap<String, String>,
    /// Packages that only a repository of the request has: package to repository.
    placed: BTreeMap<String, String>,
    /// Whether apk's download program failed in a message without URL.
    nameless: bool,
    /// URL of the last index. opkg prints `Signature check failed.` on a separate line after it.
    last_index: Option<String>,
}

/// Name of a feed for messages: the last two folders of its index's URL, without scheme and host.
fn feed_of(url: &str) -> String {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let is_file = |part: &&str| part.starts_with("Packages") || part.starts_with("packages.adb");
    let parts: Vec<&str> = path.split('/').filter(|part| !is_file(part)).collect();
    let from = parts.len().saturating_sub(2).max(1).min(parts.len());
    parts.get(from..).unwrap_or_default().join("/")
}

fn file_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

fn is_index(url: &str) -> bool {
    url.contains("/Packages") || url.contains("packages.adb") || url.contains("APKINDEX")
}

impl Feeds {
    pub(super) fn of(origins: Arc<Origins>) -> Self {
        Self { origins, ..Self::default() }
    }

    /// An empty value with the same origins.
    pub(super) fn renewed(&self) -> Self {
        Self::of(self.origins.clone())
    }

    pub(super) fn line(&mut self, line: &str) {
        if let Some(url) = group(&INDEX_URL, line, 1) {
            self.last_index = Some(url);
        } else if let Some(url) = group(&DOWNLOADING, line, 1) {
            self.fetched(&url);
        }
        if found(&OPKG_SIGNATURE, line) {
            let url = self.last_index.clone().unwrap_or_default();
            self.is_unsigned(&url);
        }
        let unsigned = group(&APK_SIGNATURE, line, 1).filter(|place| place.contains("://"));
        if let Some(url) = unsigned {
            self.is_unsigned(&url);
        } else if let Some(url) = group(&INDEX_FAILED, line, 1) {
            self.is_unread(&url);
        }
        remember(&mut self.packages, group(&PACKAGE_FAILED, line, 1));
        let package = group(&APK_FETCH, line, 1)
            .filter(|package| package != "wget" && !package.contains("://"));
        remember(&mut self.packages, package.map(|name| without_version(&name)));
        self.nameless |= found(&APK_WGET, line);
    }

    /// Records the download of a package file. A later download with the same file name replaces it.
    fn fetched(&mut self, url: &str) {
        let file = file_of(url).to_owned();
        match self.origins.owner(url) {
            Some(name) if self.own_files.len() < super::MAX_NAMES => {
                self.own_files.insert(file, name.to_owned());
            }
            _ => drop(self.own_files.remove(&file)),
        }
    }

    fn is_unsigned(&mut self, url: &str) {
        match self.origins.owner(url) {
            Some(name) => self.fails(name.to_owned(), Fault::Unsigned),
            None => remember(&mut self.unsigned, Some(feed_of(url))),
        }
    }

    fn is_unread(&mut self, url: &str) {
        let file = file_of(url).to_owned();
        match (self.origins.owner(url).map(str::to_owned), is_index(url)) {
            (Some(name), true) => self.fails(name, Fault::Unread),
            (Some(name), false) => {
                self.fails(name.clone(), Fault::Lacks(file.clone()));
                self.own_files.insert(file, name);
            }
            (None, true) => {
                remember(&mut self.unread, Some(format!("the index of {}", feed_of(url))));
            }
            (None, false) => remember(&mut self.unread, Some(file)),
        }
    }

    fn fails(&mut self, name: String, fault: Fault) {
        let known = self.own.entry(name).or_insert_with(|| fault.clone());
        *known = fault.max(known.clone());
    }

    /// Packages that could not be downloaded and whose feed is not in the output.
    pub(super) fn packages_of_unknown_feed(&self) -> Vec<String> {
        if self.origins.own.is_empty() {
            return Vec::new();
        }
        let unknown = |name: &&String| self.repository_of(name).is_none();
        self.packages.iter().filter(unknown).cloned().collect()
    }

    /// Records that this repository of the request is the only feed with this package.
    pub(super) fn place(&mut self, package: String, repository: String) {
        self.placed.insert(package, repository);
    }

    /// The request's repository that has this package.
    fn repository_of(&self, package: &str) -> Option<String> {
        let file_of_it = format!("{package}_");
        let fetched = self.own_files.iter().find(|(file, _)| file.starts_with(&file_of_it));
        let known = fetched.map(|(_, name)| name).or_else(|| self.placed.get(package));
        known.cloned().or_else(|| self.origins.only())
    }

    /// The failure for feeds that failed. A feed of the Distribution takes precedence, because then
    /// the build is retried.
    pub(super) fn failure(&self) -> Option<Failure> {
        if !self.unsigned.is_empty() {
            return Some(Failure::new(
                FailureReason::IndexSignature,
                format!(
                    "The package index is not signed by a trusted key: {}",
                    list(&self.unsigned)
                ),
            ));
        }
        let (mut own, mut unread) = (self.own.clone(), self.unread.clone());
        for package in &self.packages {
            match self.repository_of(package) {
                Some(name) => drop(own.entry(name).or_insert(Fault::Lacks(package.clone()))),
                None => drop(unread.insert(package.clone())),
            }
        }
        let nothing_named = own.is_empty() && unread.is_empty();
        match self.origins.only() {
            Some(names) if self.nameless && nothing_named => drop(own.insert(names, Fault::Unread)),
            None if self.nameless && nothing_named => drop(unread.insert("a package".to_owned())),
            _ => {}
        }
        if !unread.is_empty() {
            let detail = format!("Could not download {}", list(&unread));
            return Some(Failure::new(FailureReason::DownloadFailed, detail));
        }
        (!own.is_empty()).then(|| Failure::new(FailureReason::RepositoryFailed, of_own(&own)))
    }

    /// The failure for downloads that did not end within the time limit of the build.
    pub(super) fn stalled(&self, urls: &[String]) -> Failure {
        let detail = "did not end within the time of the build";
        let own: Option<BTreeSet<String>> =
            urls.iter().map(|url| self.origins.owner(url).map(str::to_owned)).collect();
        match own.filter(|names| !names.is_empty()) {
            Some(names) => Failure::new(
                FailureReason::RepositoryFailed,
                format!("A download from the request's own repository {} {detail}", list(&names)),
            ),
            None => Failure::new(FailureReason::DownloadFailed, format!("A download {detail}")),
        }
    }
}

fn of_own(own: &BTreeMap<String, Fault>) -> String {
    let said = own.iter().map(|(name, fault)| match fault {
        Fault::Unread => format!("{name} (its package index could not be read)"),
        Fault::Lacks(package) => format!("{name} (it did not serve {package} as its index says)"),
        Fault::Unsigned => format!("{name} (its package index is not signed by a trusted key)"),
    });
    let said: Vec<String> = said.collect();
    format!("The request's own repository failed: {}", said.join(", "))
}

#[cfg(test)]
#[path = "feeds_tests.rs"]
mod tests;
