//! Behaviours of builds that fail: the output must be classified with the right failure reason.

use asu_core::{classify::Classifier, failure::FailureReason};

use super::{
    behaviours::{Ask, Checked, Suite, expected, not_here},
    place::closed_port,
    tree,
};
use crate::fixtures::Faults;

/// The fixture's package that the faults affect.
const PACKAGE: &str = "fixture-hello";

impl Suite<'_> {
    pub(super) async fn conflict(&mut self) -> Checked {
        self.only_fixture()?;
        for (packages, word) in [
            (["fixture-conflict-a", "fixture-conflict-b"].as_slice(), "fixture-conflict-b"),
            (&["fixture-clash-a", "fixture-clash-b"], "fixture-clash-b"),
            (&["fixture-missing-dep"], "fixture-nowhere"),
        ] {
            let detail = self.fails(&Ask::of(packages), FailureReason::PackageSelection).await?;
            if !detail.contains(word) {
                return expected(word, detail);
            }
        }
        Ok(())
    }

    pub(super) async fn too_big(&mut self) -> Checked {
        self.only_fixture()?;
        if self.is_disk()? {
            return not_here("no device of a disk-like target has a limit");
        }
        let detail = self.fails(&Ask::of(&["fixture-huge"]), FailureReason::ImageTooBig).await?;
        if super::plain::tells_size(&detail) { Ok(()) } else { expected("a size", detail) }
    }

    /// Whether the target's images are disks, with a root partition of a fixed size.
    pub(super) fn is_disk(&self) -> Result<bool, super::behaviours::Not> {
        let filesystems = &self.ready()?.marker.filesystems;
        Ok(filesystems.contains(&asu_core::request::Filesystem::Ext4))
    }

    pub(super) async fn small_partition(&mut self) -> Checked {
        self.baseline()?;
        if !self.is_disk()? {
            return not_here("it makes no ext4 root file system");
        }
        let huge: &[&str] = if self.options.upstream.is_some() { &["fixture-huge"] } else { &[] };
        let ask = Ask { rootfs_size_mb: Some(1), ..Ask::of(huge) };
        self.fails(&ask, FailureReason::ImageTooBig).await.map(drop)
    }

    pub(super) async fn package_script(&mut self) -> Checked {
        self.only_fixture()?;
        for package in ["fixture-badpostinst", "fixture-badpostinst-late"] {
            let detail = self.fails(&Ask::of(&[package]), FailureReason::PackageScript).await?;
            if !detail.contains(package) {
                return expected(package, detail);
            }
        }
        Ok(())
    }

    /// Builds with the fixture's package while its server has faults.
    async fn fails_under(&mut self, faults: Faults, reason: FailureReason) -> Checked {
        self.faults(&faults).await?;
        let failed = self.fails(&Ask::of(&[PACKAGE]), reason).await;
        self.faults(&Faults::default()).await?;
        failed.map(drop)
    }

    pub(super) async fn index_signature(&mut self) -> Checked {
        self.only_fixture()?;
        let pattern =
            ["Packages.sig", "packages.adb"].map(|part| format!("*/base/{part}")).to_vec();
        let faults = Faults { wrong_signature: pattern, ..Faults::default() };
        self.fails_under(faults, FailureReason::IndexSignature).await
    }

    pub(super) async fn unreachable(&mut self) -> Checked {
        let base = Some(format!("http://127.0.0.1:{}", closed_port()?));
        let ask = Ask { package_base_url: base, ..Ask::default() };
        self.fails(&ask, FailureReason::DownloadFailed).await.map(drop)
    }

    pub(super) async fn gone(&mut self) -> Checked {
        self.only_fixture()?;
        let pattern = ["_", "-"].map(|part| format!("*/{PACKAGE}{part}[0-9]*")).to_vec();
        let gone = Faults { not_found: pattern.clone(), ..Faults::default() };
        self.fails_under(gone, FailureReason::DownloadFailed).await?;
        let corrupt = Faults { corrupt: pattern, ..Faults::default() };
        self.fails_under(corrupt, FailureReason::DownloadFailed).await
    }

    /// Builds root file systems on a file system with a third of the needed space.
    pub(super) async fn full_disk(&self) -> Checked {
        let run = self.baseline()?;
        let needed = tree::kilobytes(&run.work("ws/build_dir"))?;
        let [profile, packages] = self.selection()?;
        let arguments = ["image", &profile, &packages];
        let made = self.place.make_on_full_disk(run, (needed / 3).max(64), &arguments).await?;
        let Some(made) = made else {
            return not_here("mounting a small file system needs root");
        };
        let classifier = Classifier::read(&format!("{}\n{}", made.stdout, made.stderr));
        match classifier.failure_despite_success() {
            Some(failure) if failure.reason == FailureReason::NoSpace => Ok(()),
            other => expected("no space to be told", format!("{other:?}, {}", made.tail())),
        }
    }
}
