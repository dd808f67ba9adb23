//! Finds a version by its folder, which clients read from the overview and use in paths.

use asu_core::{
    catalog::{Target, Version},
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
        let mut versions = distribution.versions.iter().map(|version| &**version);
        let version = versions.find(|version| version.path == path);
        let version = version.ok_or(ApiError::NotFound("no such version"))?;
        Ok(VersionAt { version, documents: self.upstream(distribution) })
    }
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
