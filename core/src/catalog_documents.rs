//! References from the catalog of a distribution to documents of upstream, by the digest of their
//! content: the `profiles.json` of targets, and package indexes.
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
    /// [`crate::package_index::PackageIndex`] of its own packages and kernel modules; absent if they
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
    /// Documents of targets, by version.
    pub targets: BTreeMap<String, Targets>,
    /// Package indexes of feeds, by branch and architecture: all versions of a branch share its feeds.
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

    /// Digests of all documents. A document that is used several times occurs several times.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        let targets = self.targets.values().flat_map(BTreeMap::values);
        let of_targets = targets.flat_map(|target| [Some(target.profiles), target.packages]);
        let feeds = self.feeds.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values);
        of_targets.flatten().chain(feeds.copied())
    }
}
