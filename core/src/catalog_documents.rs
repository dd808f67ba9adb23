//! Which documents of upstream belong to a distribution's catalog. A document is kept by the digest
//! of its content: the profiles of a target as upstream published them, and package indexes.
//!
//! Written by the operator together with the catalog, read by the API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, names::TargetName};

/// Documents of one target of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetDocuments {
    /// Its `profiles.json`, byte for byte.
    pub profiles: Digest,
    /// [`crate::package_index::PackageIndex`] of its own packages and kernel modules; absent when it
    /// could not be read.
    pub packages: Option<Digest>,
}

/// Documents by target.
pub type Targets = BTreeMap<TargetName, TargetDocuments>;

/// Package indexes by feed.
pub type Feeds = BTreeMap<String, Digest>;

/// Documents of a distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogDocuments {
    /// By version.
    pub targets: BTreeMap<String, Targets>,
    /// By branch and architecture: the feeds belong to a branch, not to a version.
    pub feeds: BTreeMap<String, BTreeMap<String, Feeds>>,
}

impl CatalogDocuments {
    /// Documents of a target.
    pub fn of_target(&self, version: &str, target: &str) -> Option<&TargetDocuments> {
        self.targets.get(version)?.get(target)
    }

    /// Feeds of an architecture.
    pub fn of_arch(&self, branch: &str, arch: &str) -> Option<&Feeds> {
        self.feeds.get(branch)?.get(arch)
    }

    /// Digest of every document, one that belongs to several as often as it does.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        let targets = self.targets.values().flat_map(BTreeMap::values);
        let of_targets = targets.flat_map(|target| [Some(target.profiles), target.packages]);
        let feeds = self.feeds.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values);
        of_targets.flatten().chain(feeds.copied())
    }
}
