//! Feeds that a distribution adds to those of its ImageBuilders: templates of their URLs, and their lines
//! in a repositories file. Called by the operator (templates, plan) and the builder (lines, keys).

use crate::{
    names::PackageSpec,
    plan::{Feed, PackageManager},
    repositories::{BadRepositoryUrl, RepositoryUrl},
    repository_keys::RepositoryKey,
    request::Request,
};

/// Values of the placeholders in the URL of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// `{version}`: the distribution's name of the version.
    pub version: &'a str,
    /// `{parentVersion}`: the parent's name of the version.
    pub parent_version: &'a str,
    /// `{target}`: board and subtarget.
    pub target: &'a str,
    /// `{arch}`: package architecture.
    pub arch: &'a str,
}

/// Why a URL of a feed cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFeedUrl {
    /// A placeholder is unknown, or a brace has no counterpart.
    #[error(
        "{0:?} is no placeholder; there are {{version}}, {{parentVersion}}, {{target}} and {{arch}}"
    )]
    Placeholder(String),
    /// The URL with the values is not one.
    #[error(transparent)]
    Url(#[from] BadRepositoryUrl),
}

/// The URL of a feed with the values of its placeholders.
///
/// # Errors
/// An unknown placeholder, or a malformed URL.
pub fn fill(template: &str, place: &Place<'_>) -> Result<String, BadFeedUrl> {
    let mut url = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let unknown = |name: &str| BadFeedUrl::Placeholder(format!("{{{name}"));
        let (name, after) = after.split_once('}').ok_or_else(|| unknown(after))?;
        url.push_str(before);
        url.push_str(match name {
            "version" => place.version,
            "parentVersion" => place.parent_version,
            "target" => place.target,
            "arch" => place.arch,
            _ => return Err(unknown(&format!("{name}}}"))),
        });
        rest = after;
    }
    url.push_str(rest);
    Ok(RepositoryUrl::parse(&url)?.to_string())
}

/// The repositories file of a tree with the feeds after its own lines. They count as feeds of the tree: a
/// request that replaces the feeds replaces them too.
pub fn with_feeds(original: &str, feeds: &[Feed], package_manager: PackageManager) -> String {
    let mut text = original.trim_end().to_owned();
    text.push('\n');
    for feed in feeds {
        let line = match package_manager {
            PackageManager::Opkg => format!("src/gz {} {}", feed.name, feed.url),
            PackageManager::Apk => format!("{}/packages.adb", feed.url.trim_end_matches('/')),
        };
        text.extend([line.as_str(), "\n"]);
    }
    text
}

/// The keys of the feeds that a package manager can use.
pub fn keys(feeds: &[Feed], package_manager: PackageManager) -> impl Iterator<Item = &str> {
    let fits = move |key: &&String| match RepositoryKey::parse(key) {
        Ok(RepositoryKey::Usign { .. }) => package_manager == PackageManager::Opkg,
        Ok(RepositoryKey::Pem { .. }) => package_manager == PackageManager::Apk,
        // The builder reports it.
        Err(_) => true,
    };
    feeds.iter().flat_map(|feed| &feed.keys).filter(fits).map(String::as_str)
}

/// Adds the default packages of a distribution to a request, except those that the request adds or
/// removes itself, and returns which were added. Requests with `diff_packages` list all packages of the
/// image, so nothing is added to them.
pub fn add_defaults(request: &mut Request, defaults: &[PackageSpec]) -> Vec<PackageSpec> {
    if request.diff_packages {
        return Vec::new();
    }
    let named: Vec<String> =
        request.requested_packages().iter().map(|package| package.name().to_owned()).collect();
    let added: Vec<PackageSpec> = defaults
        .iter()
        .filter(|package| !named.iter().any(|name| name == package.name()))
        .cloned()
        .collect();
    request.packages.splice(0..0, added.iter().cloned());
    added
}

#[cfg(test)]
#[path = "feeds_tests.rs"]
mod tests;
