//! Reads the packages of one target: its own, and its kernel modules, which since 24.10 and 23.05.6 are
//! in a folder named after the kernel. The signed `sha256sums` of the target has the digests of both
//! indexes.

use asu_core::package_index::PackageIndex;
use url::Url;

use crate::{
    client::Upstream,
    error::{ParseError, UpstreamError},
    indexes::{Folder, Found},
    profiles::LinuxKernel,
    sums::Sums,
};

/// Files of a target whose digests are needed to read its packages; `*` matches one component.
pub(crate) const WANTED: [&str; 6] = [
    "packages/index.json",
    "packages/Packages.gz",
    "packages/Packages",
    "kmods/*/index.json",
    "kmods/*/Packages.gz",
    "kmods/*/Packages",
];

/// A target whose packages are to be read.
pub(crate) struct TargetPackages<'a> {
    /// Client of the mirror that the rest of the target was read from.
    pub(crate) mirror: &'a Upstream,
    /// Path of the target's folder.
    pub(crate) folder: &'a str,
    /// Architecture of its packages.
    pub(crate) arch: &'a str,
    /// Its kernel, if its `profiles.json` names one.
    pub(crate) kernel: Option<&'a LinuxKernel>,
    /// Its signed list, and the URL of the list.
    pub(crate) sums: (&'a Sums, &'a Url),
}

impl TargetPackages<'_> {
    /// Reads the packages, with an error about entries that were left out.
    pub(crate) async fn read(
        &self,
    ) -> Result<(PackageIndex, Option<UpstreamError>), UpstreamError> {
        let Found { mut index, mut left_out, .. } = self.part("packages").await?;
        if let Some(LinuxKernel { version, release, vermagic }) = self.kernel {
            let part = format!("kmods/{version}-{release}-{vermagic}");
            match self.part(&part).await {
                Ok(kmods) => {
                    let too_many = |error: asu_core::package_index::NotAdded| {
                        ParseError::new("index", error.to_string()).at(self.sums.1)
                    };
                    index.merge(kmods.index).map_err(too_many)?;
                    left_out = left_out.or(kmods.left_out);
                }
                // A distribution may list its kernel modules with the other packages.
                Err(UpstreamError::NotFound { .. }) if !self.sums.0.lists_below(&part) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((index, left_out))
    }

    async fn part(&self, part: &str) -> Result<Found, UpstreamError> {
        let path = format!("{}/{part}", self.folder);
        let folder = Folder { upstream: self.mirror, path, arch: self.arch };
        let (sums, url) = self.sums;
        let expected = |file: &str| {
            let digest = sums.digest_of(&format!("{part}/{file}"));
            digest.map(Option::<&_>::copied).map_err(|error| error.at(url))
        };
        let found = folder.read(expected, None).await?;
        found.ok_or_else(|| UpstreamError::NotFound { url: folder.path.clone() })
    }
}
