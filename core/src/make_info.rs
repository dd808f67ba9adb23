//! Parses the output of `make info`. Called by `populate` in the warm-up of a tree; the tree's output
//! is untrusted, so every name is checked before it can be passed to make.

use std::collections::BTreeMap;

use crate::request;

/// Maximum number of profiles; the largest target has about 400.
pub const MAX_PROFILES: usize = 5000;

/// Maximum number of messages about profiles that are left out.
const MAX_LEFT_OUT: usize = 20;

/// The content of the output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MakeInfo {
    /// `target/subtarget`.
    pub target: String,
    /// Revision, for example `r29197-ab4c7d6af7`.
    pub revision: String,
    /// Default packages of all devices, in the order of the output.
    pub default_packages: Vec<String>,
    /// Packages of each profile, by profile id.
    pub profiles: BTreeMap<String, Vec<String>>,
    /// Messages about profiles that are left out: their name, or that of a package, is not safe to
    /// pass to make. The other profiles can be used.
    pub left_out: Vec<String>,
}

/// The text is not that of `make info`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInfo {
    /// A required line is missing.
    #[error("'make info' printed no {0}")]
    Missing(&'static str),
    /// There are more profiles than [`MAX_PROFILES`].
    #[error("'make info' printed more than {MAX_PROFILES} profiles")]
    TooMany,
    /// A name is not safe to pass to make.
    #[error("'make info' printed {0:?}, which is not a name")]
    Name(String),
}

impl MakeInfo {
    fn add(&mut self, profile: &str, packages: Result<Vec<String>, BadInfo>) {
        match packages {
            Ok(packages) => {
                self.profiles.insert(profile.to_owned(), packages);
            }
            Err(bad) => {
                self.profiles.remove(profile);
                if self.left_out.len() < MAX_LEFT_OUT {
                    self.left_out.push(bad.to_string());
                }
            }
        }
    }
}

fn bad_name(name: &str) -> BadInfo {
    BadInfo::Name(name.chars().take(80).collect())
}

fn quoted(line: &str, key: &str) -> Option<String> {
    let value = line.strip_prefix(key)?.trim();
    Some(value.trim_matches('"').to_owned())
}

fn packages(list: &str) -> Result<Vec<String>, BadInfo> {
    list.split_whitespace()
        .map(
            |name| {
                if request::is_package(name) { Ok(name.to_owned()) } else { Err(bad_name(name)) }
            },
        )
        .collect()
}

/// Parses the output: lines about the target, then a block for each profile.
///
/// # Errors
/// When a line is missing or malformed.
pub fn parse(text: &str) -> Result<MakeInfo, BadInfo> {
    let mut info = MakeInfo::default();
    let mut in_profiles = false;
    let mut current: Option<String> = None;
    for line in text.lines() {
        if !in_profiles {
            if let Some(target) = quoted(line, "Current Target:") {
                info.target = target;
            } else if let Some(revision) = quoted(line, "Current Revision:") {
                info.revision = revision;
            } else if let Some(list) = line.strip_prefix("Default Packages:") {
                info.default_packages = packages(list)?;
            }
            in_profiles = line.trim_end() == "Available Profiles:";
            continue;
        }
        if let Some(list) = line.strip_prefix("    Packages:") {
            if let Some(id) = &current {
                info.add(id, packages(list));
            }
        } else if let Some(id) = line.strip_suffix(':').filter(|id| !id.starts_with(' ')) {
            let name = request::is_profile(id).then_some(()).ok_or_else(|| bad_name(id));
            current = name.is_ok().then(|| id.to_owned());
            info.add(id, name.map(|()| Vec::new()));
        }
        if info.profiles.len() > MAX_PROFILES {
            return Err(BadInfo::TooMany);
        }
    }
    check(info)
}

fn check(info: MakeInfo) -> Result<MakeInfo, BadInfo> {
    if !request::is_target(&info.target) {
        return Err(BadInfo::Missing("target"));
    }
    if !request::is_revision(&info.revision) {
        return Err(BadInfo::Missing("revision"));
    }
    if info.default_packages.is_empty() {
        return Err(BadInfo::Missing("default packages"));
    }
    if info.profiles.is_empty() {
        return Err(BadInfo::Missing("profiles"));
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "Current Target: \"ath79/generic\"\nCurrent Architecture: \"mips\"\nCurrent Revision: \"r33051-f5dae5ece4\"\nDefault Packages: base-files ca-bundle\nAvailable Profiles:\n\n8dev_carambola2:\n    8devices Carambola2\n    Packages: kmod-usb-chipidea2 -swconfig\n    hasImageMetadata: 1\n    SupportedDevices: 8dev,carambola2\nplain:\n    Packages: \n    hasImageMetadata: 0\n";

    #[test]
    fn facts_and_profiles_are_read() {
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
    fn a_profile_that_cannot_be_passed_to_make_is_left_out_and_hides_no_other() {
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
        assert_eq!(parse(&text), Err(BadInfo::Name("$(shell_id)".into())));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "(?s).{0,300}") {
            let _ = parse(&text);
            let _ = parse(&format!("{TEXT}{text}"));
        }
    }
}
