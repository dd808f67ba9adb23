//! The documents that a reading of upstream found. The reading creates these values, and the decisions
//! use them.

use std::collections::BTreeMap;

use asu_core::{
    catalog_documents::{Feeds, Targets},
    names::TargetName,
};

/// The documents that a reading of one version found.
#[derive(Debug, Default)]
pub struct DocumentsRead {
    /// Documents of the targets that could be read.
    pub targets: Targets,
    /// Why the packages of targets could not be read, by target.
    pub unread_packages: BTreeMap<TargetName, String>,
    /// Feeds of the branch by architecture, if they were read through this version.
    pub feeds: BTreeMap<String, ArchFeeds>,
}

/// The feeds of one architecture as they were read.
#[derive(Debug, Default)]
pub struct ArchFeeds {
    /// Names of all feeds; `None` if their list could not be read.
    pub listed: Option<Vec<String>>,
    /// Feeds that could be read.
    pub feeds: Feeds,
    /// Problems, by feed.
    pub problems: BTreeMap<String, String>,
}

impl DocumentsRead {
    /// All problems, for the status of the branch.
    pub fn problems(&self, version: &str) -> Vec<String> {
        let packages = self.unread_packages.iter().map(|(target, problem)| {
            format!("{version} {target} is offered, but its packages are not known: {problem}")
        });
        let feeds = self.feeds.iter().flat_map(|(arch, feeds)| {
            feeds.problems.iter().map(move |(feed, problem)| format!("{arch} {feed}: {problem}"))
        });
        packages.chain(feeds).collect()
    }
}
