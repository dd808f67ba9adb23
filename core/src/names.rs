//! Names of targets, profiles and packages. Each is checked once, when it is parsed, so that all crates
//! can use it in paths, in arguments of make and in columns of the database without further checks.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::is_word;

/// Maximum length of a package name in bytes.
pub const MAX_PACKAGE_NAME: usize = 128;

/// The text is not a name of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct BadName {
    /// Kind of name that was expected.
    pub kind: &'static str,
    /// The first 80 characters of the text.
    pub text: String,
    /// What is allowed.
    pub rule: &'static str,
}

/// Defines a name: a text that satisfies a rule. Clones share the text.
macro_rules! name {
    ($(#[$about:meta])* $name:ident, $kind:literal, $rule:literal, $fits:expr) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) {
                    return Ok(Self(text.into()));
                }
                Err(BadName { kind: $kind, text: text.chars().take(80).collect(), rule: $rule })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// Board and subtarget of OpenWrt, for example `ath79/generic`.
    TargetName,
    "target",
    "two words of letters, digits, '_' and '-' with a slash between them",
    |text| text.split_once('/').is_some_and(|(a, b)| is_word(a, 32, "-") && is_word(b, 32, "-"))
}

name! {
    /// Id of a profile as `make info` prints it, or the board name of a router in the spelling of the
    /// catalog, with underscores instead of commas.
    ProfileId,
    "profile",
    "letters, digits, '_', '.', '-' and '+'; at most 128",
    |text| is_word(text, 128, ".-+") && !text.starts_with(['.', '-'])
}

name! {
    /// One word of make's argument PACKAGES: a package to install or, with a leading minus, to leave
    /// out (a removal). Ordered as text.
    PackageSpec,
    "package",
    "letters, digits, '_', '.', '-' and '+', with a leading '-' to remove it; at most 128",
    |text| {
        let bare = text.strip_prefix('-').unwrap_or(text);
        is_word(bare, MAX_PACKAGE_NAME, ".+-") && !bare.starts_with(['-', '.', '+'])
    }
}

impl TargetName {
    /// Board and subtarget.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }
}

impl PackageSpec {
    /// Name of the package, without the minus of a removal.
    pub fn name(&self) -> &str {
        self.0.strip_prefix('-').unwrap_or(&self.0)
    }

    /// Whether the package is left out of the image.
    pub fn is_removal(&self) -> bool {
        self.0.starts_with('-')
    }

    /// The removal of this package.
    #[must_use]
    pub fn removal(&self) -> Self {
        Self(format!("-{}", self.name()).into())
    }
}

/// The name of a device in the spelling of the catalog, `vendor_model`. Routers report `vendor,model`.
pub fn spelled(name: &str) -> String {
    name.replace(',', "_")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_package(text: &str) -> bool {
        text.parse::<PackageSpec>().is_ok()
    }

    #[test]
    fn make_and_shell_syntax_is_never_a_package() {
        for bad in ["$(shell id)", "a b", "a;b", "a=1", "", "-", "--x", "a\n", "`id`", "a/b", "@x"]
        {
            assert!(!is_package(bad), "{bad:?}");
        }
        for good in ["luci", "-ppp", "libstdc++6", "kmod-usb2", "libubox20240329"] {
            assert!(is_package(good), "{good:?}");
        }
    }

    #[test]
    fn a_package_with_the_longest_name_has_a_valid_removal() {
        let name = "a".repeat(MAX_PACKAGE_NAME);
        let package: PackageSpec = name.parse().unwrap();
        assert_eq!(package.removal().as_str().parse(), Ok(package.removal()));
        assert!(!is_package(&format!("a{name}")));
    }

    #[test]
    fn a_target_has_two_parts_and_no_path_leaves_its_folder() {
        assert!("x86/64".parse::<TargetName>().is_ok());
        for bad in ["x86", "x86/", "/64", "../x", "a/../b", "a/b/c", "a%2f/b"] {
            assert!(bad.parse::<TargetName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_error_of_a_refused_name_says_what_is_allowed() {
        let error = "a\nb".parse::<ProfileId>().unwrap_err().to_string();
        assert!(error.starts_with(r#""a\nb" is not a profile: letters"#), "{error}");
        assert!("x".repeat(300).parse::<ProfileId>().unwrap_err().text.len() <= 80);
    }

    #[test]
    fn a_removal_is_spelled_with_one_minus() {
        let package: PackageSpec = "ppp".parse().unwrap();
        let removal = package.removal();
        assert_eq!((removal.as_str(), removal.name()), ("-ppp", "ppp"));
        assert!(removal.is_removal() && !package.is_removal());
        assert_eq!(removal.removal(), removal);
    }

    proptest! {
        #[test]
        fn a_valid_package_has_no_character_that_make_or_a_shell_expands(name in ".{0,40}") {
            if is_package(&name) {
                prop_assert!(!name.contains(['$', '(', ')', '`', ' ', '\t', '\n', '\'', '"', '\\', '#', ':', '=', ';', '&', '|', '<', '>', '*', '?', '/']));
            }
        }

        #[test]
        fn a_package_is_unchanged_after_writing_and_reading_json(text in "[a-z.+-]{1,9}") {
            if let Ok(package) = text.parse::<PackageSpec>() {
                let json = serde_json::to_string(&package).unwrap();
                prop_assert_eq!(serde_json::from_str::<PackageSpec>(&json).unwrap(), package);
            }
        }
    }
}
