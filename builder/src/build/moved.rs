//! Checks that the target's packages have the revision of the tree. Upstream replaces the
//! ImageBuilder of a snapshot and its packages one after the other: in between, an old tree would
//! install new packages.

use asu_core::{
    failure::{Failure, FailureReason},
    feed_revision::{is_of_revision, names_revision},
    repositories_file::{remote_lines, url_of},
};

use super::{Build, index};
use crate::handover::Folder;

/// The package whose version contains the revision of a target's packages.
const BASE_FILES: &str = "base-files";

impl Build<'_> {
    /// Fails if the request requires a revision and the packages have another one. An index without
    /// a revision is accepted.
    pub(super) fn check_feed_revision(&self) -> Result<(), Failure> {
        if self.plan.request.version_code.is_none() {
            return Ok(());
        }
        let Ok(dl) = Folder::open(&self.workspace().join("dl")) else { return Ok(()) };
        let kind = self.marker.package_manager;
        let own = format!("/targets/{}/packages", self.plan.request.target);
        for line in remote_lines(&self.effective.repositories_file, kind) {
            let url = url_of(line).unwrap_or_default();
            // Feeds that the request brought have revisions of their own.
            if !url.contains(&own) || self.effective.origins.owner(url).is_some() {
                continue;
            }
            let Some(text) = index::read(&dl, &index::file_name(line, kind)) else { continue };
            let versions = index::versions(&text, BASE_FILES, kind, names_revision);
            let is_own = |version: &String| is_of_revision(version, &self.marker.revision);
            if let Some(other) = versions.first().filter(|_| !versions.iter().any(is_own)) {
                return Err(Failure::new(
                    FailureReason::RevisionMismatch,
                    format!(
                        "Upstream moved on from {}: the packages of the target are of another \
                         revision (base-files {other})",
                        self.marker.revision
                    ),
                ));
            }
        }
        Ok(())
    }
}
