//! Parses the output of `make info`. Called by `populate` in the warm-up of a tree; the tree's output
//! is untrusted, so every name is checked before it can be passed to make.

use std::collections::BTreeMap;

use crate::{
    names::{BadName, PackageSpec, ProfileId, TargetName},
    request,
};

/// Maximum number of profiles; the largest target has about 400.
pub const MAX_PROFILES: usize = 5000;

/// Maximum number of messages about profiles that are left out.
const MAX_LEFT_OUT: usize = 20;

/// The content of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MakeInfo {
    /// Target of the ImageBuilder.
    pub target: TargetName,
    /// Revision, for example `r29197-ab4c7d6af7`.
    pub revision: String,
    /// Default packages of all devices, in the order of the output.
    pub default_packages: Vec<PackageSpec>,
    /// Packages of each profile.
    pub profiles: BTreeMap<ProfileId, Vec<PackageSpec>>,
    /// Messages about profiles that are left out: their name, or that of a package, is not safe to
    /// pass to make. The other profiles can be used.
    pub left_out: Vec<String>,
}

/// Why a text is not the output of `make info`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInfo {
    /// A required line is missing.
    #[error("'make info' printed no {0}")]
    Missing(&'static str),
    /// There are more profiles than [`MAX_PROFILES`].
    #[error("'make info' printed more than {MAX_PROFILES} profiles")]
    TooMany,
    /// A name is not safe to pass to make.
    #[error("'make info' printed {:?}, which is not a name", .0.text)]
    Name(#[from] BadName),
}

/// The part of the output that was parsed so far.
#[derive(Default)]
struct Reading {
    target: Option<TargetName>,
    revision: Option<String>,
    default_packages: Vec<PackageSpec>,
    profiles: BTreeMap<ProfileId, Vec<PackageSpec>>,
    left_out: Vec<String>,
}

impl Reading {
    /// Parses a line before the list of profiles.
    fn line(&mut self, line: &str) -> Result<(), BadInfo> {
        if let Some(target) = quoted(line, "Current Target:") {
            self.target = target.parse().ok();
        } else if let Some(revision) = quoted(line, "Current Revision:") {
            self.revision = Some(revision.to_owned());
        } else if let Some(list) = line.strip_prefix("Default Packages:") {
            self.default_packages = packages(list)?;
        }
        Ok(())
    }

    fn leave_out(&mut self, bad: &BadInfo) {
        if self.left_out.len() < MAX_LEFT_OUT {
            self.left_out.push(bad.to_string());
        }
    }

    /// Sets the packages of a profile. If one has a malformed name, the profile is left out.
    fn packages_of(&mut self, profile: &ProfileId, list: &str) {
        match packages(list) {
            Ok(packages) => {
                self.profiles.insert(profile.clone(), packages);
            }
            Err(bad) => {
                self.profiles.remove(profile);
                self.leave_out(&bad);
            }
        }
    }

    /// Parses the first line of a profile's block.
    fn profile(&mut self, id: &str) -> Option<ProfileId> {
        match id.parse::<ProfileId>() {
            Ok(profile) => {
                self.profiles.insert(profile.clone(), Vec::new());
                Some(profile)
            }
            Err(bad) => {
                self.leave_out(&bad.into());
                None
            }
        }
    }

    fn finish(self) -> Result<MakeInfo, BadInfo> {
        let target = self.target.ok_or(BadInfo::Missing("target"))?;
        let revision = self.revision.filter(|revision| request::is_revision(revision));
        let revision = revision.ok_or(BadInfo::Missing("revision"))?;
        if self.default_packages.is_empty() {
            return Err(BadInfo::Missing("default packages"));
        }
        if self.profiles.is_empty() {
            return Err(BadInfo::Missing("profiles"));
        }
        let Self { default_packages, profiles, left_out, .. } = self;
        Ok(MakeInfo { target, revision, default_packages, profiles, left_out })
    }
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    Some(line.strip_prefix(key)?.trim().trim_matches('"'))
}

fn packages(list: &str) -> Result<Vec<PackageSpec>, BadInfo> {
    Ok(list.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// Parses the output: lines about the target, then a block for each profile.
///
/// # Errors
/// When a line is missing or malformed.
pub fn parse(text: &str) -> Result<MakeInfo, BadInfo> {
    let mut reading = Reading::default();
    let mut in_profiles = false;
    let mut current: Option<ProfileId> = None;
    for line in text.lines() {
        if !in_profiles {
            reading.line(line)?;
            in_profiles = line.trim_end() == "Available Profiles:";
        } else if let Some(list) = line.strip_prefix("    Packages:") {
            if let Some(profile) = &current {
                reading.packages_of(profile, list);
            }
        } else if let Some(id) = line.strip_suffix(':').filter(|id| !id.starts_with(' ')) {
            current = reading.profile(id);
        }
        if reading.profiles.len() > MAX_PROFILES {
            return Err(BadInfo::TooMany);
        }
    }
    reading.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "Current Target: \"ath79/generic\"\nCurrent Architecture: \"mips\"\nCurrent Revision: \"r33051-f5dae5ece4\"\nDefault Packages: base-files ca-bundle\nAvailable Profiles:\n\n8dev_carambola2:\n    8devices Carambola2\n    Packages: kmod-usb-chipidea2 -swconfig\n    hasImageMetadata: 1\n    SupportedDevices: 8dev,carambola2\nplain:\n    Packages: \n    hasImageMetadata: 0\n";

    #[test]
    fn target_revision_and_profiles_are_read() {
        let info = parse(TEXT).unwrap();
        assert_eq!(info.target, "ath79/generic");
        assert_eq!(info.revision, "r33051-f5dae5ece4");
        assert_eq!(info.default_packages, ["base-files", "ca-bundle"]);
        assert_eq!(info.profiles["8dev_carambola2"], ["kmod-usb-chipidea2", "-swconfig"]);
        assert!(info.profiles["plain"].is_empty());
    }

    #[test]
    fn a_text_without_revision_is_refused() {
        let text = TEXT.replace("Revision", "Nothing");
        assert_eq!(parse(&text), Err(BadInfo::Missing("revision")));
    }

    #[test]
    fn a_profile_that_is_not_safe_to_pass_to_make_is_left_out_and_the_others_are_read() {
        for (good, bad) in [("\nplain:", "\n$(x):"), ("kmod-usb-chipidea2", "$(shell)")] {
            let info = parse(&TEXT.replace(good, bad)).unwrap();
            assert_eq!(info.profiles.len(), 1, "{bad}");
            assert!(info.left_out[0].contains(bad.trim().trim_matches(':')), "{info:?}");
        }
        let neither = TEXT.replace("\nplain:", "\n$(x):").replace("kmod-usb", "$(shell)");
        assert_eq!(parse(&neither), Err(BadInfo::Missing("profiles")));
    }

    #[test]
    fn a_default_package_that_make_would_expand_is_refused() {
        let text = TEXT.replace("ca-bundle", "$(shell_id)");
        assert!(matches!(parse(&text), Err(BadInfo::Name(bad)) if bad.text == "$(shell_id)"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "(?s).{0,300}") {
            let _ = parse(&text);
            let _ = parse(&format!("{TEXT}{text}"));
        }
    }
}
