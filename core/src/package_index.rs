//! A package index: the packages of a target or a feed, with their versions. `asu_upstream` creates it
//! from the files of a download server, the operator stores it in the database, and the API reads it.
//!
//! A package can have two names. An opkg index lists `libubox20240329`, with the version of the
//! library's interface (ABI) as a suffix. Requests and clients use `libubox`. The key of a package is
//! therefore the name without the suffix.

use std::{cmp::Ordering, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{names::PackageSpec, package_version, request::is_package_version};

/// Maximum number of packages. All feeds of an OpenWrt branch together have about 12,000.
pub const MAX_PACKAGES: usize = 100_000;

/// Maximum number of names that a package may provide besides its own.
const MAX_PROVIDES: usize = 64;

/// Packages of one architecture, by their names without ABI suffix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageIndex {
    /// Package architecture.
    pub architecture: String,
    packages: BTreeMap<String, Package>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Version as published.
    pub version: String,
    /// Name with the ABI suffix, if the index lists it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexed_as: Option<String>,
    /// Further names that the package provides. Only some indexes contain them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<String>,
    /// Size of the package's file in bytes. Only some indexes contain it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Package {
    /// A package with only a version.
    pub fn of_version(version: impl Into<String>) -> Self {
        Self { version: version.into(), indexed_as: None, provides: Vec::new(), size: None }
    }
}

/// Why a package was not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdded {
    /// The name is not a valid package name.
    #[error("bad package name {0:?}")]
    Name(String),
    /// The version is not a valid package version.
    #[error("package {0} has the bad version {1:?}")]
    Version(String, String),
    /// The index is full.
    #[error("more than {MAX_PACKAGES} packages")]
    TooMany,
}

impl PackageIndex {
    /// An index without packages.
    pub fn new(architecture: impl Into<String>) -> Self {
        Self { architecture: architecture.into(), packages: BTreeMap::new() }
    }

    /// Adds a package under its name without ABI suffix. If the index already has a package with this
    /// name, the one with the higher version is kept, because opkg and apk install it. The order of the
    /// calls therefore does not matter.
    ///
    /// # Errors
    /// [`NotAdded`]; the index is unchanged.
    pub fn add(&mut self, name: &str, mut package: Package) -> Result<(), NotAdded> {
        if !is_name(name) || package.indexed_as.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(NotAdded::Name(shown(package.indexed_as.as_deref().unwrap_or(name))));
        }
        if !is_package_version(&package.version) {
            return Err(NotAdded::Version(name.to_owned(), shown(&package.version)));
        }
        package.indexed_as = package.indexed_as.filter(|indexed| indexed != name);
        package.provides.retain(|provided| is_name(provided) && provided != name);
        package.provides.truncate(MAX_PROVIDES);
        let is_full = self.packages.len() >= MAX_PACKAGES;
        match self.packages.get_mut(name) {
            Some(known) if is_preferred(&package, known) => *known = package,
            Some(_) => {}
            None if is_full => return Err(NotAdded::TooMany),
            None => {
                self.packages.insert(name.to_owned(), package);
            }
        }
        Ok(())
    }

    /// Adds all packages of `other`, the index of another feed or of a target's kernel modules.
    ///
    /// # Errors
    /// [`NotAdded::TooMany`]; some packages may have been added.
    pub fn merge(&mut self, other: Self) -> Result<(), NotAdded> {
        other.packages.into_iter().try_for_each(|(name, package)| self.add(&name, package))
    }

    /// The packages by name without ABI suffix.
    pub fn packages(&self) -> &BTreeMap<String, Package> {
        &self.packages
    }

    /// Versions by name without ABI suffix, the format for clients.
    pub fn versions(&self) -> BTreeMap<&str, &str> {
        self.packages.iter().map(|(name, package)| (&**name, &*package.version)).collect()
    }
}

fn is_name(name: &str) -> bool {
    name.parse::<PackageSpec>().is_ok_and(|package| !package.is_removal())
}

/// Whether `new` replaces `known`. If the versions are equal, the other fields decide, so that the
/// result does not depend on the order.
fn is_preferred(new: &Package, known: &Package) -> bool {
    let order = package_version::compare(&new.version, &known.version);
    order.then_with(|| new.cmp(known)) == Ordering::Greater
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
#[path = "package_index_tests.rs"]
mod tests;
