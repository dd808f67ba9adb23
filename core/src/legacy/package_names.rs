//! The names of all packages of a target in one version, with their versions, for the question whether
//! packages exist and what an upgrade would bring.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use crate::{package_index::PackageIndex, package_version};

/// Packages that are part of every image and in no index.
const BUILT_IN: [&str; 4] = ["libc", "kernel", "libgcc", "libgcc1"];

/// Memory of an entry in addition to its texts, in bytes.
const OVERHEAD: usize = 48;

/// The packages of some indexes. A check looks up some hundred names among 10,000, so they are in tables and
/// not in trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageNames {
    /// Versions by name without ABI suffix.
    versions: HashMap<Box<str>, Box<str>>,
    /// Packages whose name has an ABI suffix in the index, and provided names: to the name in `versions`.
    also: HashMap<Box<str>, Also>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Also {
    of: Box<str>,
    /// Whether it is the package itself, not something that it provides.
    itself: bool,
}

impl PackageNames {
    /// The names in an index.
    pub fn of(index: &PackageIndex) -> Self {
        let mut names = Self::default();
        for (name, package) in index.packages() {
            names.versions.insert(name.as_str().into(), package.version.as_str().into());
            let itself = package.indexed_as.iter().map(|other| (other, true));
            let provided = package.provides.iter().map(|other| (other, false));
            for (other, itself) in itself.chain(provided) {
                let also = Also { of: name.as_str().into(), itself };
                names.also.entry(other.as_str().into()).or_insert(also);
            }
        }
        names
    }

    /// Names without ABI suffix, and versions, in any order.
    pub fn packages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.versions.iter().map(|(name, version)| (&**name, &**version))
    }

    /// Approximate size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let versions = self.versions.iter().map(|(name, version)| name.len() + version.len());
        let also = self.also.iter().map(|(name, also)| name.len() + also.of.len());
        versions.chain(also).map(|bytes| bytes.saturating_add(OVERHEAD)).sum()
    }

    fn version(&self, name: &str) -> Option<&str> {
        let itself = |also: &&Also| also.itself;
        let base = || Some(self.also.get(name).filter(itself)?.of.as_ref());
        let version = self.versions.get(name).or_else(|| self.versions.get(base()?));
        version.or_else(|| self.versions.get(self.without_abi(name)?)).map(|version| &**version)
    }

    fn has(&self, name: &str) -> bool {
        self.versions.contains_key(name) || self.also.contains_key(name)
    }

    /// The name in the index of a library whose name has another ABI suffix: `libubox` of
    /// `libubox20191228`.
    fn without_abi<'a>(&self, name: &'a str) -> Option<&'a str> {
        let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || ".-_".contains(c));
        let is_suffixed = base.len() < name.len() && self.versions.contains_key(base);
        (is_suffixed && base.starts_with("lib")).then_some(base)
    }
}

/// The packages of a target and of the feeds of its architecture.
#[derive(Clone, Copy, Debug)]
pub struct Available<'a> {
    /// Parts of which each has its own packages.
    pub parts: &'a [Arc<PackageNames>],
}

impl<'a> Available<'a> {
    /// The version of the package with this name, with or without the suffix of its ABI. If several parts
    /// have it, the highest, which is installed.
    pub fn version(&self, name: &str) -> Option<&'a str> {
        let found = self.parts.iter().filter_map(|part| part.version(name));
        found.max_by(|a, b| package_version::compare(a, b))
    }

    /// Names of all packages, without ABI suffix. A name that several parts have occurs several times.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.parts.iter().flat_map(|part| part.packages()).map(|(name, _)| name)
    }

    /// The name under which a requested package can be installed: its own, or that of the library without
    /// the suffix of an ABI that the version does not have. `None` if there is no such package. A leading
    /// minus stays.
    pub fn installable<'n>(&self, name: &'n str) -> Option<Cow<'n, str>> {
        let bare = name.strip_prefix('-').unwrap_or(name);
        if BUILT_IN.contains(&bare) || self.parts.iter().any(|part| part.has(bare)) {
            return Some(Cow::Borrowed(name));
        }
        let library = self.parts.iter().find_map(|part| part.without_abi(bare))?;
        Some(if name.starts_with('-') { format!("-{library}").into() } else { library.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package_index::Package;

    fn names(packages: &[(&str, &str, Option<&str>, &[&str])]) -> PackageNames {
        let mut index = PackageIndex::new("x");
        for (name, version, indexed_as, provides) in packages {
            let package = Package {
                indexed_as: indexed_as.map(str::to_owned),
                provides: provides.iter().map(|&name| name.to_owned()).collect(),
                ..Package::of_version(*version)
            };
            index.add(name, package).unwrap();
        }
        PackageNames::of(&index)
    }

    #[test]
    fn a_package_is_known_by_name_abi_name_base_name_and_provided_name() {
        let feeds = names(&[
            ("libubox", "2024-r1", Some("libubox20240329"), &[]),
            ("wpad-basic", "1", None, &["hostapd"]),
            ("luci", "2", None, &[]),
        ]);
        let parts = [Arc::new(feeds)];
        let available = Available { parts: &parts };
        for (name, expected) in [
            ("luci", Some("luci")),
            ("-luci", Some("-luci")),
            ("libubox", Some("libubox")),
            ("libubox20240329", Some("libubox20240329")),
            ("libubox20191228", Some("libubox")),
            ("-libubox20191228", Some("-libubox")),
            ("hostapd", Some("hostapd")),
            ("libc", Some("libc")),
            ("-kernel", Some("-kernel")),
            ("libgcc1", Some("libgcc1")),
            ("luci2", None),
            ("nope", None),
            ("", None),
            ("-", None),
            ("$(reboot)", None),
        ] {
            assert_eq!(available.installable(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn versions_are_found_with_any_abi_but_not_for_provided_names() {
        let own = names(&[("base-files", "1620", None, &[]), ("luci", "1", None, &[])]);
        let feeds = names(&[
            ("libubox", "3", Some("libubox20240329"), &["ubox"]),
            ("luci", "10", None, &[]),
        ]);
        let parts = [Arc::new(own), Arc::new(feeds)];
        let available = Available { parts: &parts };
        for (name, version) in [
            ("base-files", Some("1620")),
            ("luci", Some("10")),
            ("libubox", Some("3")),
            ("libubox20240329", Some("3")),
            ("libubox20191228", Some("3")),
            ("ubox", None),
            ("kernel", None),
        ] {
            assert_eq!(available.version(name), version, "{name}");
        }
        assert!(parts.iter().all(|part| part.bytes() > 0));
    }
}
