//! The commands of a build: one resolution through the goals behind `manifest` and `image`, or
//! the public pair.

use std::{collections::BTreeMap, path::Path, time::Instant};

use asu_core::{
    failure::{Failure, FailureReason},
    packages::{check_versions, parse_manifest},
    result::Outcome,
    stage::Stage,
};

use super::{Build, indexes, internal, set_stage};
use crate::{
    effective::joined,
    handover::Folder,
    paths::text,
    run::{Exit, Finished},
};

/// Maximum number of files in an output that is searched for a manifest.
const MAX_FILES: usize = 1000;
/// Maximum size of a manifest, in bytes: a thousand packages have 50 kB.
const MAX_MANIFEST: u64 = 4 << 20;

/// Whether two manifests list the same packages, the second one with ABI suffixes at the names.
fn is_same_set(stripped: &BTreeMap<String, String>, full: &BTreeMap<String, String>) -> bool {
    let known = |name: &str, version: &str| {
        stripped.iter().any(|(short, has)| has == version && name.starts_with(short.as_str()))
    };
    stripped.len() == full.len() && full.iter().all(|(name, version)| known(name, version))
}

impl Build<'_> {
    /// Resolves and installs once, and makes the image from the result (reference:
    /// `imagebuilder.md` §4). Variables and order are the same as those of the public goals.
    pub(super) fn single(
        &mut self,
        overlay: Option<&Path>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let plan = self.plan;
        let mut common = vec![
            format!("USER_PROFILE=DEVICE_{}", plan.request.profile),
            format!("USER_PACKAGES={}", joined(&self.effective.packages)),
        ];
        self.resolve("_call_manifest", common.clone(), outcome)?;
        if let Some(overlay) = overlay {
            common.push(format!("USER_FILES={}", text(overlay)));
        }
        common.push(format!("BIN_DIR={}", text(&self.paths.output())));
        common.push(format!("EXTRA_IMAGE_NAME={}", self.effective.extra_image_name));
        if let Some(size) = plan.request.rootfs_size_mb {
            common.push(format!("CONFIG_TARGET_ROOTFS_PARTSIZE={size}"));
        }
        for (step, goal) in [
            ("rootfs", "prepare_rootfs"),
            ("image", "build_image"),
            ("finish", "json_overview_image_info"),
            ("finish", "checksum"),
        ] {
            self.make(step, goal, &common)?;
        }
        Ok(())
    }

    /// Runs the public goals, which resolve twice.
    pub(super) fn public(
        &mut self,
        overlay: Option<&Path>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let plan = self.plan;
        let mut common = vec![
            format!("PROFILE={}", plan.request.profile),
            format!("PACKAGES={}", joined(&self.effective.packages)),
        ];
        self.resolve("manifest", common.clone(), outcome)?;
        common.push(format!("EXTRA_IMAGE_NAME={}", self.effective.extra_image_name));
        common.push(format!("BIN_DIR={}", text(&self.paths.output())));
        if let Some(overlay) = overlay {
            common.push(format!("FILES={}", text(overlay)));
        }
        if let Some(size) = plan.request.rootfs_size_mb {
            common.push(format!("ROOTFS_PARTSIZE={size}"));
        }
        self.make("image", "image", &common)?;
        self.read_indexes(outcome);
        self.check_feed_revision()?;
        self.compare_manifests(outcome)
    }

    /// Lists the packages that the image will contain, and records the digests of the indexes.
    fn resolve(
        &mut self,
        goal: &str,
        mut variables: Vec<String>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        self.stage(Stage::ValidateManifest)?;
        variables.push("STRIP_ABI=1".to_owned());
        let listed = self.make("manifest", goal, &variables)?;
        self.take_manifest(&listed.stdout, outcome)?;
        self.read_indexes(outcome);
        self.check_feed_revision()?;
        self.stage(Stage::BuildingImage)
    }

    /// Compares the image's manifest, which has ABI suffixes, with that of the first resolution,
    /// which has none.
    fn compare_manifests(&self, outcome: &Outcome) -> Result<(), Failure> {
        let same = Folder::open(&self.paths.output()).and_then(|output| {
            let names = output.plain_files(MAX_FILES)?;
            let name = names.iter().find(|name| name.ends_with(".manifest"));
            let bytes = output.read(name.map_or("", String::as_str), MAX_MANIFEST)?;
            let image = parse_manifest(&String::from_utf8_lossy(&bytes));
            Ok(is_same_set(&outcome.manifest, &image))
        });
        match same {
            // Without a manifest there is no image either: the check that follows reports it.
            Ok(true) | Err(_) => Ok(()),
            Ok(false) => Err(Failure::new(
                FailureReason::DownloadFailed,
                "The package feeds changed while the image was made",
            )),
        }
    }

    fn stage(&self, stage: Stage) -> Result<(), Failure> {
        set_stage(&self.paths.work(), stage).map_err(|error| super::prepare::of_io(&error))
    }

    fn take_manifest(&self, listed: &str, outcome: &mut Outcome) -> Result<(), Failure> {
        outcome.manifest = parse_manifest(listed);
        if outcome.manifest.is_empty() {
            return Err(Failure::new(
                FailureReason::BuildFailed,
                "The ImageBuilder listed no package",
            ));
        }
        check_versions(&self.plan.request.packages_versions, &outcome.manifest)
    }

    fn read_indexes(&self, outcome: &mut Outcome) {
        outcome.indexes = indexes::read(
            &self.workspace().join("dl"),
            &self.effective.repositories_file,
            self.marker.package_manager,
        );
    }

    /// Runs one goal. An infrastructure failure in its output counts even if make succeeds: without
    /// a feed the image would be different.
    fn make(&mut self, step: &str, goal: &str, variables: &[String]) -> Result<Finished, Failure> {
        let started = Instant::now();
        let mut argv = vec!["make".to_owned(), "-s".to_owned(), goal.to_owned()];
        argv.extend_from_slice(variables);
        let done = self.runner.run(&self.workspace(), &argv);
        self.times.add(step, started);
        let done = done.map_err(|error| internal(&format!("cannot start make: {error}")))?;
        self.judge(done)
    }

    fn judge(&self, done: Finished) -> Result<Finished, Failure> {
        let classifier = self.classifier();
        // A killed command may leave incomplete files, which are no sign of an attack.
        let or_hostile = |failure| self.hostile_output().unwrap_or(failure);
        let failure = match (&done.ended, classifier.failure_despite_success()) {
            // A mirror that fails or hangs is not the request's fault, even if the command timed
            // out because of it.
            (Exit::TimedOut | Exit::Code(0), Some(failure)) => failure,
            // A killed command may report an error of a repository that is only a consequence of
            // the kill.
            (Exit::Signal(_), Some(failure)) if failure.reason.is_retried() => failure,
            (Exit::Code(0), None) => return Ok(done),
            (Exit::Code(_), Some(_)) => classifier.failure(),
            (Exit::Code(_), None) => or_hostile(classifier.failure()),
            (Exit::Stalled(urls), _) => classifier.stalled(urls),
            (Exit::TimedOut, None) => Failure::new(
                FailureReason::TimedOut,
                format!("The build took longer than {} s", self.plan.limits.seconds),
            ),
            (Exit::NoSpace, _) => {
                Failure::new(FailureReason::NoSpace, "The build ran out of scratch space")
            }
            (Exit::Signal(signal), _) => or_hostile(Failure::new(
                FailureReason::BuilderDied,
                format!("make was killed by signal {signal}"),
            )),
            (Exit::Stopped, _) => Failure::new(FailureReason::PodFailed, "The pod was stopped"),
        };
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(lines: &str) -> BTreeMap<String, String> {
        parse_manifest(lines)
    }

    #[test]
    fn abi_suffixes_are_ignored_when_manifests_are_compared() {
        let stripped = manifest("libubox - 1\nvim - 9\n");
        assert!(is_same_set(&stripped, &manifest("libubox20240329 - 1\nvim - 9\n")));
        assert!(!is_same_set(&stripped, &manifest("libubox20240329 - 2\nvim - 9\n")));
        assert!(!is_same_set(&stripped, &manifest("vim - 9\n")));
    }
}
