//! The meaning of the parent, feeds and default packages of a Distribution.

use asu_core::{
    feeds::{self, BadFeedUrl, Place},
    names::PackageSpec,
    plan, repositories,
    repository_keys::RepositoryKey,
};

use crate::{
    bad_feed::BadFeed,
    bad_spec::BadSpec,
    distribution::{Branch, DistributionSpec},
    parent::Feed,
};

impl Feed {
    fn check(&self) -> Result<(), BadFeed> {
        // Of the reserved names, only those that an ImageBuilder of OpenWrt has: other feeds may begin
        // with the name of the distribution.
        repositories::check_name(&self.name, "openwrt")?;
        for key in &self.keys {
            RepositoryKey::parse(key)?;
        }
        let place = Place { version: "1", parent_version: "1", target: "a/b", arch: "a" };
        feeds::fill(&self.url, &place)?;
        Ok(())
    }
}

impl Branch {
    /// Name of a version in the parent.
    pub fn parent_version<'a>(&'a self, version: &'a str) -> &'a str {
        let known = self.parent_versions.iter().find(|known| known.version == version);
        known.map_or(version, |known| known.parent.as_str())
    }
}

impl DistributionSpec {
    /// Distribution and version whose ImageBuilder is used for a version of this distribution, `name`.
    pub fn base_of<'a>(&'a self, name: &'a str, version: &'a str) -> (&'a str, &'a str) {
        let Some(parent) = &self.parent else { return (name, version) };
        let branch = self.branch_of(version);
        (&parent.distribution, branch.map_or(version, |branch| branch.parent_version(version)))
    }

    /// Checks the own feeds.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn check_feeds(&self) -> Result<(), BadSpec> {
        for feed in &self.feeds {
            feed.check().map_err(|error| BadSpec::Feed { name: feed.name.clone(), error })?;
        }
        Ok(())
    }

    /// The own feeds of a branch, with the values of the placeholders.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn feeds_at(&self, branch: &str, place: &Place<'_>) -> Result<Vec<plan::Feed>, BadSpec> {
        let of_branch = |feed: &&Feed| {
            feed.branches.is_empty() || feed.branches.iter().any(|name| name == branch)
        };
        let filled = |feed: &Feed| {
            let bad =
                |error: BadFeedUrl| BadSpec::Feed { name: feed.name.clone(), error: error.into() };
            let url = feeds::fill(&feed.url, place).map_err(bad)?;
            Ok(plan::Feed { name: feed.name.clone(), url, keys: feed.keys.clone() })
        };
        self.feeds.iter().filter(of_branch).map(filled).collect()
    }

    /// The own default packages.
    ///
    /// # Errors
    /// The first malformed one.
    pub fn own_defaults(&self) -> Result<Vec<PackageSpec>, BadSpec> {
        let bad = |error| BadSpec::Name { field: "defaultPackages".to_owned(), error };
        self.default_packages.iter().map(|name| name.parse().map_err(bad)).collect()
    }
}
