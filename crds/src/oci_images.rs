//! Which OCI image has the ImageBuilder of a target.

use asu_core::{names::TargetName, pattern::fits_list};

use crate::{
    bad_spec::BadSpec, distribution::DistributionSpec, image_builder_image::ImageBuilderImage,
};

impl DistributionSpec {
    /// Reference of the OCI image for the ImageBuilder of a target, and its entry. `None` if its ImageBuilder
    /// comes from a tarball.
    pub fn image_of(
        &self,
        version: &str,
        target: &TargetName,
    ) -> Option<(String, &ImageBuilderImage)> {
        let mut images = self.image_builder_images.iter();
        let image = images.find(|image| fits_list(&image.versions, version))?;
        let (board, subtarget) = target.parts();
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
    use crate::{PullPolicy, examples};

    fn image(versions: &[&str], reference: &str) -> ImageBuilderImage {
        ImageBuilderImage {
            versions: versions.iter().map(|&version| version.to_owned()).collect(),
            reference: reference.to_owned(),
            path: "builder".to_owned(),
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
