//! OCI images with ImageBuilders, which a Distribution can use instead of tarballs: their schema and
//! references.

use asu_core::{names::TargetName, pattern::Pattern};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{bad_spec::BadSpec, distribution::DistributionSpec};

/// OCI images that contain unpacked ImageBuilders, such as those that OpenWrt publishes. The nodes pull them,
/// with their own mirrors and credentials, as image volumes (Kubernetes 1.35 or newer).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageBuilderImage {
    /// Patterns of which a version must fit one, for example 24.10.*. If empty, any version fits.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_.*-]+$"))
    )]
    pub versions: Vec<String>,
    /// Reference of the image, with the placeholders {version}, {board} and {subtarget}, for example
    /// ghcr.io/openwrt/imagebuilder:{board}-{subtarget}-v{version}.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[a-z0-9][A-Za-z0-9._:/@{}-]*$"))]
    pub reference: String,
    /// Folder of the ImageBuilder in the image.
    #[serde(default = "default_path")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_][A-Za-z0-9_-]*)*$")
    )]
    pub path: String,
    /// When the nodes ask the registry. Always, because tags of snapshots move, or only if a node has no
    /// such image.
    #[serde(default)]
    pub pull_policy: PullPolicy,
}

/// When a node asks the registry for an image, in the words of Kubernetes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum PullPolicy {
    #[default]
    Always,
    IfNotPresent,
}

fn default_path() -> String {
    "builder".to_owned()
}

impl ImageBuilderImage {
    fn fits(&self, version: &str) -> bool {
        let mut patterns = self.versions.iter().map(|pattern| Pattern::new(pattern));
        self.versions.is_empty() || patterns.any(|pattern| pattern.fits(version))
    }

    fn fill(&self, version: &str, board: &str, subtarget: &str) -> String {
        self.reference
            .replace("{version}", version)
            .replace("{board}", board)
            .replace("{subtarget}", subtarget)
    }
}

impl DistributionSpec {
    /// Reference of the OCI image for the ImageBuilder of a target, and its entry. `None` if its ImageBuilder
    /// comes from a tarball.
    pub fn image_of(
        &self,
        version: &str,
        target: &TargetName,
    ) -> Option<(String, &ImageBuilderImage)> {
        let image = self.image_builder_images.iter().find(|image| image.fits(version))?;
        let (board, subtarget) = target.as_str().split_once('/')?;
        // Tags of images are written in lower case.
        Some((image.fill(&version.to_lowercase(), board, subtarget), image))
    }

    /// Checks the references of OCI images.
    ///
    /// # Errors
    /// The first one with an unknown placeholder.
    pub fn check_images(&self) -> Result<(), BadSpec> {
        for image in &self.image_builder_images {
            if image.fill("1", "a", "b").contains(['{', '}']) {
                return Err(BadSpec::Image { reference: image.reference.clone() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples;

    fn image(versions: &[&str], reference: &str) -> ImageBuilderImage {
        ImageBuilderImage {
            versions: versions.iter().map(|&version| version.to_owned()).collect(),
            reference: reference.to_owned(),
            path: default_path(),
            pull_policy: PullPolicy::Always,
        }
    }

    #[test]
    fn the_first_image_that_fits_the_version_is_used_and_others_have_tarballs() {
        let mut spec = examples::distribution().spec;
        let target: TargetName = "ath79/generic".parse().unwrap();
        assert_eq!(spec.image_of("24.10.7", &target), None);
        spec.image_builder_images = vec![
            image(&["SNAPSHOT"], "r.example/ib:{board}-{subtarget}-main"),
            image(&["24.10.*"], "r.example/ib:{board}-{subtarget}-v{version}"),
        ];
        let found = |version: &str| spec.image_of(version, &target).map(|(reference, _)| reference);
        assert_eq!(found("24.10.7").as_deref(), Some("r.example/ib:ath79-generic-v24.10.7"));
        assert_eq!(found("SNAPSHOT").as_deref(), Some("r.example/ib:ath79-generic-main"));
        assert_eq!(found("23.05.5"), None);
    }

    #[test]
    fn an_unknown_placeholder_is_refused_by_name() {
        let mut spec = examples::distribution().spec;
        spec.image_builder_images = vec![image(&[], "r.example/ib:{target}")];
        let error = spec.check_images().unwrap_err().to_string();
        assert!(error.contains("{board}") && error.contains("r.example/ib:{target}"), "{error}");
        spec.image_builder_images = vec![image(&[], "r.example/ib:{board}")];
        assert_eq!(spec.check_images(), Ok(()));
    }
}
