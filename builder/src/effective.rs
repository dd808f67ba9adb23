//! The inputs of a build: the plan applied to one tree. `build` runs by it, and `publish` computes
//! it again from the plan and the read-only tree, because it does not trust `build`.

use std::collections::BTreeMap;

use crate::tree::{Marked, config_name};
use asu_core::{
    build_key::{BuildKey, BuildKeyInput, build_key},
    classify::Origins,
    digest::Digest,
    failure::{Failure, FailureReason},
    feeds,
    names::PackageSpec,
    packages,
    plan::{BuildPlan, Marker},
    repositories_file::{self, Rewrite},
    repository_keys::RepositoryKey,
    request::Filesystem,
};

/// The inputs of one build; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The PACKAGES argument, in order.
    pub packages: Vec<PackageSpec>,
    /// EXTRA_IMAGE_NAME.
    pub extra_image_name: String,
    /// The repositories file.
    pub repositories_file: String,
    /// Which feeds the request brought and which the distribution.
    pub origins: Origins,
    /// Files that are added to `keys/`, by name.
    pub keys: BTreeMap<String, String>,
    /// Lines to set in `.config`.
    pub config_edits: Vec<String>,
    /// Digest of the key that the tree signs images with.
    pub tree_key: Option<Digest>,
}

impl Effective {
    /// Applies `plan` to the tree of `marker` with its own repositories file and signing key.
    ///
    /// # Errors
    /// Why the plan cannot be built with this tree.
    pub fn new(plan: &BuildPlan, marked: &Marked) -> Result<Self, Failure> {
        let Marked { marker, repositories, key } = marked;
        let repositories = &feeds::with_feeds(repositories, &plan.feeds, marker.package_manager);
        let request = &plan.request;
        check_tree(plan, marker)?;
        let profile = marker.profiles.get(&request.profile).ok_or_else(|| {
            Failure::new(
                FailureReason::ProfileNotBuilt,
                format!("The ImageBuilder has no profile {}", request.profile),
            )
        })?;
        let packages = packages::effective(request, &marker.default_packages, profile);
        let rewrite = Rewrite {
            package_manager: marker.package_manager,
            public_url: &plan.public_url,
            package_base_url: &plan.package_base_url,
            repositories: &request.repositories,
            mode: request.repositories_mode,
        };
        if let Some(name) = repositories_file::taken_name(repositories, &rewrite) {
            return Err(Failure::new(
                FailureReason::Refused,
                format!(
                    "The ImageBuilder has a feed of its own with the name {name}: give the repository another one"
                ),
            ));
        }
        let repositories_file = repositories_file::rewrite(repositories, &rewrite);
        Ok(Self {
            extra_image_name: packages::image_name_part(&packages),
            packages,
            origins: repositories_file::origins(&repositories_file, &rewrite),
            repositories_file,
            keys: key_files(
                feeds::keys(&plan.feeds, marker.package_manager)
                    .chain(request.repository_keys.iter().map(String::as_str)),
            )?,
            tree_key: *key,
            config_edits: match request.filesystem {
                Some(filesystem) => config_edits(filesystem, &marker.filesystems)?,
                None => Vec::new(),
            },
        })
    }

    /// The commands as the API shows them: the public goals `manifest` and `image` with the same
    /// effect. Clients and tests of the former server read them by position.
    pub fn commands(&self, plan: &BuildPlan, bin_dir: &str) -> Vec<Vec<String>> {
        let profile = format!("PROFILE={}", plan.request.profile);
        let packages = format!("PACKAGES={}", joined(&self.packages));
        let command = |goal: &str| {
            vec!["make".to_owned(), goal.to_owned(), profile.clone(), packages.clone()]
        };
        let mut manifest = command("manifest");
        manifest.push("STRIP_ABI=1".to_owned());
        let mut image = command("image");
        image.push(format!("EXTRA_IMAGE_NAME={}", self.extra_image_name));
        image.push(format!("BIN_DIR={bin_dir}"));
        if plan.request.defaults.is_some() {
            image.push("FILES=asu-files".to_owned());
        }
        if let Some(size) = plan.request.rootfs_size_mb {
            image.push(format!("ROOTFS_PARTSIZE={size}"));
        }
        if let Some(filesystem) = plan.request.filesystem {
            image.push(format!("ROOTFS_FILESYSTEM={}", filesystem.as_str()));
        }
        vec![manifest, image]
    }

    /// Key of the files that this makes from indexes of these digests.
    pub fn build_key(&self, plan: &BuildPlan, indexes: &BTreeMap<String, Digest>) -> BuildKey {
        build_key(&BuildKeyInput {
            profile: &plan.request.profile,
            packages: &self.packages,
            repositories_file: &self.repositories_file,
            keys: &self.keys,
            defaults: plan.request.defaults.as_ref().map(|known| &known.sha256),
            rootfs_size_mb: plan.request.rootfs_size_mb,
            config_edits: &self.config_edits,
            extra_image_name: &self.extra_image_name,
            image_builder: &plan.image_builder,
            builder_image: &plan.builder_image,
            tree_key: self.tree_key.as_ref(),
            indexes,
        })
    }
}

/// Value of the PACKAGES argument.
pub fn joined(packages: &[PackageSpec]) -> String {
    packages.iter().map(PackageSpec::as_str).collect::<Vec<_>>().join(" ")
}

/// Refuses a key of the request that has the fingerprint of a different key of the tree: package
/// managers find keys by fingerprint, so feeds of the distribution would fail.
///
/// # Errors
/// Which key it is.
pub fn check_keys(
    keys: &BTreeMap<String, String>,
    own: impl Fn(&str) -> Option<String>,
) -> Result<(), Failure> {
    let line = |key: &str| {
        key.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    };
    for (name, key) in keys {
        if own(name).is_some_and(|own| line(&own) != line(key)) {
            return Err(Failure::new(
                FailureReason::Refused,
                format!(
                    "A key of repository_keys has the fingerprint {name} of another key of the ImageBuilder"
                ),
            ));
        }
    }
    Ok(())
}

fn check_tree(plan: &BuildPlan, marker: &Marker) -> Result<(), Failure> {
    if marker.sha256 != plan.image_builder || marker.builder_image != plan.builder_image {
        return Err(Failure::new(
            FailureReason::TreeLost,
            "The cache holds another ImageBuilder, or one of another builder image",
        ));
    }
    let request = &plan.request;
    let asked = request.version_code.as_ref().unwrap_or(&plan.version_code);
    if *asked != marker.revision {
        return Err(Failure::new(
            FailureReason::RevisionMismatch,
            format!("Received incorrect version {} (requested {asked})", marker.revision),
        ));
    }
    Ok(())
}

/// Disables every enabled file system but the wanted one. Older ImageBuilders without the variable
/// ROOTFS_FILESYSTEM need this.
fn config_edits(wanted: Filesystem, enabled: &[Filesystem]) -> Result<Vec<String>, Failure> {
    if !enabled.contains(&wanted) {
        let names: Vec<&str> = enabled.iter().map(|known| known.as_str()).collect();
        return Err(Failure::new(
            FailureReason::ProfileNotBuilt,
            format!(
                "Filesystem \"{}\" is not available! Available filesystems: {}",
                wanted.as_str(),
                names.join(" ")
            ),
        ));
    }
    Ok(enabled
        .iter()
        .filter(|&&other| other != wanted)
        .map(|&other| format!("# {} is not set", config_name(other)))
        .collect())
}

/// Sets lines in a `.config`; each replaces the line that sets the same name.
pub fn edit_config(config: &str, edits: &[String]) -> String {
    let name_of = |line: &str| -> Option<String> {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let name = line.split(['=', ' ']).next()?;
        name.starts_with("CONFIG_").then(|| name.to_owned())
    };
    let mut wanted: BTreeMap<String, &String> =
        edits.iter().filter_map(|edit| Some((name_of(edit)?, edit))).collect();
    let mut text = String::with_capacity(config.len());
    for line in config.lines() {
        let edit = name_of(line).and_then(|name| wanted.remove(&name));
        text.push_str(edit.map_or(line, String::as_str));
        text.push('\n');
    }
    for edit in wanted.into_values() {
        text.push_str(edit);
        text.push('\n');
    }
    text
}

/// Names of the files that hold the request's keys: a PEM key as `custom-<n>.pem`, a usign key
/// under its fingerprint, where opkg looks for it.
fn key_files<'a>(keys: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = BTreeMap::new();
    for (number, key) in keys.enumerate() {
        let key = key.trim();
        if key.starts_with("-----BEGIN") {
            files.insert(format!("custom-{number}.pem"), format!("{key}\n"));
            continue;
        }
        let parsed = RepositoryKey::parse(key).ok();
        let Some(usign @ RepositoryKey::Usign { fingerprint, .. }) = &parsed else {
            return Err(Failure::new(
                FailureReason::Refused,
                format!("Key {number} of repository_keys is neither PEM nor a usign public key"),
            ));
        };
        let text = usign.file();
        if files.insert(fingerprint.clone(), text.clone()).is_some_and(|other| other != text) {
            return Err(Failure::new(
                FailureReason::Refused,
                format!("Two keys of repository_keys have the fingerprint {fingerprint}"),
            ));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    #[test]
    fn only_the_wanted_filesystem_stays_enabled() {
        let enabled = [Filesystem::Squashfs, Filesystem::Ext4];
        let edits = config_edits(Filesystem::Squashfs, &enabled).unwrap();
        let config = "A=1\nCONFIG_TARGET_ROOTFS_SQUASHFS=y\nCONFIG_TARGET_ROOTFS_EXT4FS=y\n";
        assert_eq!(
            edit_config(config, &edits),
            "A=1\nCONFIG_TARGET_ROOTFS_SQUASHFS=y\n# CONFIG_TARGET_ROOTFS_EXT4FS is not set\n"
        );
        assert!(config_edits(Filesystem::Ubifs, &enabled).is_err());
    }

    #[test]
    fn a_usign_key_is_named_by_its_fingerprint() {
        let mut bytes = b"Ed".to_vec();
        bytes.extend(1..=8);
        bytes.extend([9; 32]);
        let line = BASE64.encode(&bytes);
        let key = format!("untrusted comment: mine\n{line}\n");
        let files = key_files([key.as_str()].into_iter()).unwrap();
        assert_eq!(
            files["0102030405060708"],
            format!("untrusted comment: 0102030405060708\n{line}\n")
        );
    }

    #[test]
    fn a_key_with_the_fingerprint_of_another_is_refused_and_the_same_key_is_not() {
        let key = |last: u8| {
            let mut bytes = b"Ed".to_vec();
            bytes.extend(1..=8);
            bytes.extend([last; 32]);
            format!("untrusted comment: x\n{}\n", BASE64.encode(&bytes))
        };
        let files = key_files([key(9).as_str()].into_iter()).unwrap();
        let tree =
            |text: String| move |name: &str| (name == "0102030405060708").then(|| text.clone());
        assert!(check_keys(&files, tree(key(9))).is_ok());
        assert!(check_keys(&files, |_| None).is_ok());
        let failure = check_keys(&files, tree(key(8))).unwrap_err();
        assert_eq!(failure.reason, FailureReason::Refused);
        assert!(failure.detail.contains("0102030405060708"), "{}", failure.detail);
        let twice = key_files([key(9).as_str(), key(8).as_str()].into_iter()).unwrap_err();
        assert_eq!(twice.reason, FailureReason::Refused);
        assert!(key_files([key(9).as_str(), key(9).as_str()].into_iter()).is_ok());
    }

    #[test]
    fn a_malformed_key_is_refused() {
        assert!(key_files(["../../etc/passwd"].into_iter()).is_err());
        let pem = "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----";
        assert_eq!(key_files([pem].into_iter()).unwrap()["custom-0.pem"], format!("{pem}\n"));
    }
}
