//! Finds a version by its folder, which clients read from the overview and use in paths.

use asu_core::{
    catalog::{Distribution, Target, Version},
    catalog_documents::{CatalogDocuments, Feeds, TargetDocuments},
};

use super::Snapshot;
use crate::error::ApiError;

/// A version, with the references of its distribution to documents.
pub struct VersionAt<'a> {
    version: &'a Version,
    documents: Option<&'a CatalogDocuments>,
}

impl Snapshot {
    /// The version with this folder, in the distribution that a request names.
    ///
    /// # Errors
    /// As [`Self::asked`]; 404 if no version has this folder.
    pub fn version_at(&self, distro: Option<&str>, path: &str) -> Result<VersionAt<'_>, ApiError> {
        let distribution = self.asked(distro)?;
        let version = find(distribution, path).ok_or(ApiError::NotFound("no such version"))?;
        Ok(VersionAt { version, documents: self.upstream(distribution) })
    }
}

/// The version with this folder on the download server, or in the paths of its branch that clients complete
/// with the name of the version. The two differ if the parent of the distribution calls the version otherwise.
fn find<'a>(distribution: &'a Distribution, path: &str) -> Option<&'a Version> {
    let versions = || distribution.versions.iter().map(|version| &**version);
    let branches = &distribution.offer.branches;
    let is_published = |version: &&Version| {
        let mut of_version = branches.iter().filter(|branch| branch.name == version.branch);
        of_version.any(|branch| branch.path.replace("{version}", &version.name) == path)
    };
    versions().find(|version| version.path == path).or_else(|| versions().find(is_published))
}

impl<'a> VersionAt<'a> {
    /// A target of the version.
    ///
    /// # Errors
    /// 404 if the target is not offered.
    pub fn target(&self, name: &str) -> Result<(&'a Target, &'a TargetDocuments), ApiError> {
        let target = self.version.ready.get(name);
        let documents = self.documents.and_then(|all| all.of_target(&self.version.name, name));
        target.zip(documents).ok_or(ApiError::NotFound("no such target"))
    }

    /// The feeds of an architecture.
    ///
    /// # Errors
    /// 404 if no target of the architecture is offered, or if its feeds are not known.
    pub fn feeds(&self, arch: &str) -> Result<&'a Feeds, ApiError> {
        let feeds = self.documents.and_then(|all| all.of_arch(&self.version.branch, arch));
        feeds.ok_or(ApiError::NotFound("no feeds of such an architecture are known"))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;

    #[test]
    fn a_version_is_found_by_its_folder_and_by_the_path_with_its_own_name() {
        let offer = serde_json::from_value(serde_json::json!({
            "publicUrl": "", "latest": [], "allowDefaults": true, "maxDefaultsLength": 1,
            "maxRootfsSizeMb": 1, "repositoryAllowList": [], "packageChanges": [],
            "branches": [{"name": "b", "path": "releases/{version}", "snapshot": false, "versions": []}],
        }))
        .unwrap();
        let version = |name: &str, path: &str| {
            Arc::new(Version {
                name: name.into(),
                branch: "b".into(),
                path: path.into(),
                snapshot: false,
                targets: BTreeMap::new(),
                ready: BTreeMap::new(),
            })
        };
        let versions =
            vec![version("2024.2", "releases/24.10.7"), version("2024.1", "releases/23.05.5")];
        let distribution = Distribution { name: "mesh".into(), revision: 1, offer, versions };
        let found = |path: &str| find(&distribution, path).map(|version| version.name.as_str());
        assert_eq!(found("releases/23.05.5"), Some("2024.1"));
        assert_eq!(found("releases/2024.1"), Some("2024.1"));
        assert_eq!(found("releases/2024.2"), Some("2024.2"));
        assert_eq!(found("releases/2024.3"), None);
    }
}
