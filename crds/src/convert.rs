//! Converts the types of the custom resources to those of the domain (`asu_core`), and back.

use asu_core::{
    board_rename, catalog,
    discovery::{self, Rules},
    names::TargetName,
    package_edits::PackageEdit,
    pattern::{Pattern, TargetPattern},
    plan::Workspace,
    queue_order::Priority,
    request::{self, DefaultsDigest, Filesystem, RepositoriesMode, Request},
};

use crate::{
    bad_spec::BadSpec,
    board_rename::BoardRename,
    channel_keys::Channel,
    distribution::{Branch, DistributionSpec},
    firmware_build::{
        BuildPriority, DefaultsSpec, FilesystemSpec, RepositoriesModeSpec, RequestSpec,
    },
    image_builder_cache::CacheWorkspace,
    package_changes::PackageChoice,
};

impl From<BuildPriority> for Priority {
    fn from(priority: BuildPriority) -> Self {
        match priority {
            BuildPriority::Low => Self::Low,
            BuildPriority::Normal => Self::Normal,
            BuildPriority::High => Self::High,
        }
    }
}

impl From<Filesystem> for FilesystemSpec {
    fn from(filesystem: Filesystem) -> Self {
        match filesystem {
            Filesystem::Squashfs => Self::Squashfs,
            Filesystem::Ext4 => Self::Ext4,
            Filesystem::Ubifs => Self::Ubifs,
            Filesystem::Erofs => Self::Erofs,
            Filesystem::Jffs2 => Self::Jffs2,
            Filesystem::Jffs2Nand => Self::Jffs2Nand,
            Filesystem::Targz => Self::Targz,
            Filesystem::Cpiogz => Self::Cpiogz,
        }
    }
}

impl From<FilesystemSpec> for Filesystem {
    fn from(filesystem: FilesystemSpec) -> Self {
        match filesystem {
            FilesystemSpec::Squashfs => Self::Squashfs,
            FilesystemSpec::Ext4 => Self::Ext4,
            FilesystemSpec::Ubifs => Self::Ubifs,
            FilesystemSpec::Erofs => Self::Erofs,
            FilesystemSpec::Jffs2 => Self::Jffs2,
            FilesystemSpec::Jffs2Nand => Self::Jffs2Nand,
            FilesystemSpec::Targz => Self::Targz,
            FilesystemSpec::Cpiogz => Self::Cpiogz,
        }
    }
}

impl From<CacheWorkspace> for Workspace {
    fn from(workspace: CacheWorkspace) -> Self {
        match workspace {
            CacheWorkspace::LinkFarm => Self::LinkFarm,
            CacheWorkspace::Copy => Self::Copy,
        }
    }
}

impl From<Channel> for discovery::Channel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Release => Self::Release,
            Channel::Candidate => Self::Candidate,
            Channel::Snapshot => Self::Snapshot,
        }
    }
}

impl Branch {
    /// The rules of the branch; without `discover`, they select nothing.
    pub fn rules(&self) -> Rules {
        let Some(discover) = &self.discover else { return Rules::default() };
        let channels = discover.channels.iter().map(|channel| (*channel).into());
        let patterns = |list: &[String]| list.iter().map(|text| Pattern::new(text)).collect();
        Rules {
            channels: channels.collect(),
            allow: patterns(&discover.allow),
            deny: patterns(&discover.deny),
            newest: usize::try_from(discover.newest).unwrap_or(usize::MAX),
        }
    }
}

impl DistributionSpec {
    /// The targets that are offered; `None` when all of them are.
    ///
    /// # Errors
    /// The first malformed one.
    pub fn wanted_targets(&self) -> Result<Option<Vec<TargetName>>, BadSpec> {
        if self.targets.is_empty() {
            return Ok(None);
        }
        let bad = |error| BadSpec::Name { field: "targets".to_owned(), error };
        self.targets
            .iter()
            .map(|target| target.parse().map_err(bad))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The targets that are not offered.
    ///
    /// # Errors
    /// The first malformed one.
    pub fn unwanted_targets(&self) -> Result<Vec<TargetPattern>, BadSpec> {
        let bad = |error| BadSpec::Name { field: "excludedTargets".to_owned(), error };
        self.excluded_targets.iter().map(|target| target.parse().map_err(bad)).collect()
    }

    /// Names that devices report, with the profiles that are meant.
    pub fn renames(&self) -> Vec<board_rename::BoardRename> {
        let rename = |rename: &BoardRename| board_rename::BoardRename {
            board: rename.board.clone(),
            profile: rename.profile.clone(),
            versions: rename.versions.clone(),
        };
        self.board_renames.iter().map(rename).collect()
    }

    /// The package changes.
    ///
    /// # Errors
    /// The first malformed name.
    pub fn changes(&self) -> Result<Vec<catalog::PackageChange>, BadSpec> {
        let bad = |error| BadSpec::Name { field: "packageChanges".to_owned(), error };
        let parsed = self.package_changes.iter().map(|change| {
            let target = change.target.as_ref().map(|target| target.parse());
            let choice = |choice: &PackageChoice| {
                let with = choice.with.iter().map(|package| package.parse());
                Ok(catalog::Choice {
                    target: choice.target.parse()?,
                    with: with.collect::<Result<_, _>>()?,
                })
            };
            Ok(catalog::PackageChange {
                source: change.source.parse().map_err(bad)?,
                target: target.transpose().map_err(bad)?,
                revision: change.revision,
                version: change.version.clone(),
                mandatory: change.mandatory,
                choices: change
                    .choices
                    .iter()
                    .map(choice)
                    .collect::<Result<_, _>>()
                    .map_err(bad)?,
            })
        });
        parsed.collect()
    }

    /// The package edits.
    ///
    /// # Errors
    /// The first malformed name, or too many packages that are added.
    pub fn edits(&self) -> Result<Vec<PackageEdit>, BadSpec> {
        crate::package_edits::converted(&self.package_edits)
    }
}

impl RequestSpec {
    /// Returns the spec of a canonical request. `secret_name` is the Secret with its first-boot
    /// script, if it has one.
    pub fn from_request(request: &Request, secret_name: &str) -> Self {
        let versions = &request.packages_versions;
        let versioned = !versions.is_empty();
        let names = || request.packages.iter().map(ToString::to_string).collect();
        Self {
            distribution: request.distribution.clone(),
            version: request.version.clone(),
            version_code: request.version_code.clone(),
            target: request.target.to_string(),
            profile: request.profile.to_string(),
            packages: if versioned { Vec::new() } else { names() },
            packages_versions: versions
                .iter()
                .map(|(package, version)| (package.to_string(), version.clone()))
                .collect(),
            packages_order: if versioned { names() } else { Vec::new() },
            diff_packages: request.diff_packages,
            filesystem: request.filesystem.map(Into::into),
            rootfs_size_mb: request.rootfs_size_mb,
            defaults: request.defaults.as_ref().map(|defaults| DefaultsSpec {
                sha256: defaults.sha256.to_string(),
                length: defaults.length,
                secret_name: secret_name.to_owned(),
            }),
            repositories: request.repositories.clone(),
            repositories_mode: match request.repositories_mode {
                RepositoriesMode::Append => RepositoriesModeSpec::Append,
                RepositoriesMode::Replace => RepositoriesModeSpec::Replace,
            },
            repository_keys: request.repository_keys.iter().cloned().collect(),
        }
    }

    /// Returns the canonical request of a spec, and checks all limits.
    ///
    /// # Errors
    /// The first field that is invalid.
    pub fn to_request(&self) -> Result<Request, BadSpec> {
        let defaults = match &self.defaults {
            None => None,
            Some(defaults) => {
                Some(DefaultsDigest { sha256: defaults.sha256.parse()?, length: defaults.length })
            }
        };
        let request = Request {
            distribution: self.distribution.clone(),
            version: self.version.clone(),
            version_code: self.version_code.clone(),
            target: request::target(&self.target)?,
            profile: request::profile(&self.profile)?,
            packages: request::packages(self.packages.iter().chain(&self.packages_order))?,
            packages_versions: request::packages_versions(&self.packages_versions)?,
            diff_packages: self.diff_packages,
            filesystem: self.filesystem.map(Into::into),
            rootfs_size_mb: self.rootfs_size_mb,
            defaults,
            repositories: self.repositories.clone(),
            repositories_mode: match self.repositories_mode {
                RepositoriesModeSpec::Append => RepositoriesMode::Append,
                RepositoriesModeSpec::Replace => RepositoriesMode::Replace,
            },
            repository_keys: self.repository_keys.iter().cloned().collect(),
        }
        .canonical();
        request::check(&request)?;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use asu_core::digest::Digest;

    use super::*;

    /// The base64 line of a usign public key.
    fn usign_key() -> String {
        format!("RWQ{}", "A".repeat(53))
    }

    #[test]
    fn a_request_is_equal_after_conversion_to_a_spec_and_back() {
        let request = Request {
            distribution: "openwrt".into(),
            version: "24.10.7".into(),
            version_code: Some("r1-abc".into()),
            target: "ath79/generic".parse().unwrap(),
            profile: "8dev_carambola2".parse().unwrap(),
            packages: ["vim", "luci"].map(|name| name.parse().unwrap()).into(),
            packages_versions: [].into(),
            diff_packages: true,
            filesystem: Some(Filesystem::Jffs2Nand),
            rootfs_size_mb: Some(100),
            defaults: Some(DefaultsDigest { sha256: Digest::of(b"echo"), length: 4 }),
            repositories: [("a".to_owned(), "https://example.org/a".to_owned())].into(),
            repositories_mode: RepositoriesMode::Append,
            repository_keys: [usign_key()].into(),
        };
        let spec = RequestSpec::from_request(&request, "secret");
        assert_eq!(spec.to_request(), Ok(request));
    }

    #[test]
    fn packages_with_versions_keep_their_order_in_a_spec() {
        let request = Request {
            packages: ["vim", "luci"].map(|name| name.parse().unwrap()).into(),
            packages_versions: ["luci", "vim"]
                .map(|name| (name.parse().unwrap(), "1".into()))
                .into(),
            ..crate::examples::request().to_request().unwrap()
        };
        let spec = RequestSpec::from_request(&request, "secret");
        assert_eq!((spec.packages.len(), spec.to_request()), (0, Ok(request)));
    }

    #[test]
    fn a_malformed_name_of_a_distribution_is_refused_with_its_path() {
        let mut spec = crate::examples::distribution().spec;
        spec.targets = vec!["x86".into()];
        let error = spec.wanted_targets().unwrap_err().to_string();
        assert!(error.starts_with("spec.targets: \"x86\""), "{error}");
        let target = Some("$(id)".to_owned());
        spec.package_changes = vec![crate::PackageChange {
            source: "opkg".into(),
            target,
            revision: Some(1),
            version: None,
            mandatory: false,
            choices: vec![],
        }];
        let error = spec.changes().unwrap_err().to_string();
        assert!(error.starts_with("spec.packageChanges: "), "{error}");
    }

    #[test]
    fn shell_syntax_in_a_spec_is_refused() {
        let spec = RequestSpec {
            version: "24.10.7".into(),
            target: "a/b".into(),
            profile: "p".into(),
            packages: vec!["$(id)".into()],
            ..RequestSpec::default()
        };
        assert!(spec.to_request().is_err());
    }
}
