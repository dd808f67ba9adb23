//! Checks that signed documents are those of the requested version and target. Called for each target that
//! the catalog reads.

use asu_core::names::TargetName;
use asu_core::packages::revision_number;
use url::Url;

use crate::error::{UpstreamError, shown};
use crate::profiles::Profiles;
use crate::text::quoted;

/// The error that a signed document is of another version, target or architecture. The signature does
/// not cover the folder, so a mirror could serve the signed files of another folder. The names inside
/// the document must therefore be those of the request.
pub(crate) fn contradiction(url: &Url, said: &str, asked: &str) -> UpstreamError {
    UpstreamError::AnotherDocument { url: shown(url), said: quoted(said), asked: quoted(asked) }
}

/// Checks version, target and architecture in `profiles.json`.
pub(crate) fn check_profiles(
    profiles: &Profiles,
    url: &Url,
    version: &str,
    target: &TargetName,
    arch: &str,
) -> Result<(), UpstreamError> {
    for (said, asked) in [
        (profiles.version_number.as_str(), version),
        (profiles.target.as_str(), target.as_str()),
        (profiles.arch_packages.as_str(), arch),
    ] {
        if said != asked {
            return Err(contradiction(url, said, asked));
        }
    }
    Ok(())
}

/// Checks version and target in the file name of an ImageBuilder:
/// `…imagebuilder-24.10.7-ath79-generic.…`. A development version has no version there, or its
/// revision.
pub(crate) fn check_file_name(file: &str, version: &str, target: &str) -> Result<(), String> {
    let said = file.split_once("imagebuilder-").map_or(file, |(_, rest)| rest);
    let said = said.split_once(".Linux-").map_or(said, |(said, _)| said);
    let Some(said_version) = said.strip_suffix(&target.replace('/', "-")) else {
        return Err(said.to_owned());
    };
    let rest = said_version.strip_prefix(version).unwrap_or(said_version);
    let revision = rest.trim_start_matches('-').trim_end_matches('-');
    let good = revision.is_empty() || revision_number(revision).is_some();
    if good { Ok(()) } else { Err(said.to_owned()) }
}
