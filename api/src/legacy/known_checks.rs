//! Checks for upgrades that were asked for, so that the same question can be asked by its hash alone. They
//! are only in the memory of this process: a client that gets 404 sends the whole question again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use asu_core::digest::Digest;
use moka::sync::Cache;
use serde::Serialize;

use super::object::AskedTarget;

/// Maximum memory of all checks, in bytes. A check has about 10 KB.
const HELD: u64 = 16 << 20;
/// Time after which a check is forgotten.
const KEPT: Duration = Duration::from_hours(24);
/// Memory of an entry in addition to its texts, in bytes.
const OVERHEAD: usize = 64;

/// What a device says of itself when it asks for upgrades.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskedCheck {
    /// Distribution.
    pub distro: String,
    /// Installed version.
    pub version: Option<String>,
    /// Target.
    pub target: Option<AskedTarget>,
    /// Versions of the installed packages.
    pub installed: Option<BTreeMap<String, String>>,
    /// Whether to compare packages although the version is current.
    pub upgrade_packages: bool,
    /// Revision of the installed version.
    pub revision: Option<String>,
}

impl AskedCheck {
    /// Its hash.
    ///
    /// # Errors
    /// When it cannot be serialized.
    pub fn hash(&self) -> serde_json::Result<Digest> {
        Digest::of_json(self)
    }

    fn bytes(&self) -> usize {
        let one = |(name, version): (&String, &String)| {
            name.len().saturating_add(version.len()).saturating_add(OVERHEAD)
        };
        let packages: usize = self.installed.iter().flatten().map(one).sum();
        packages.saturating_add(1024)
    }
}

/// Checks by hash, limited in memory.
#[derive(Debug)]
pub struct KnownChecks(Cache<Digest, Arc<AskedCheck>>);

impl Default for KnownChecks {
    fn default() -> Self {
        let weight =
            |_: &Digest, asked: &Arc<AskedCheck>| u32::try_from(asked.bytes()).unwrap_or(u32::MAX);
        let cache = Cache::builder().weigher(weight).max_capacity(HELD).time_to_idle(KEPT);
        Self(cache.build())
    }
}

impl KnownChecks {
    /// The check with this hash.
    pub fn get(&self, hash: &Digest) -> Option<Arc<AskedCheck>> {
        self.0.get(hash)
    }

    /// Remembers a check.
    pub fn put(&self, hash: Digest, asked: AskedCheck) {
        if !self.0.contains_key(&hash) {
            self.0.insert(hash, Arc::new(asked));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(version: &str) -> AskedCheck {
        AskedCheck {
            distro: "openwrt".into(),
            version: Some(version.into()),
            target: None,
            installed: None,
            upgrade_packages: false,
            revision: None,
        }
    }

    #[test]
    fn a_check_is_found_by_its_whole_hash() {
        let checks = KnownChecks::default();
        let hash = asked("1").hash().unwrap();
        checks.put(hash, asked("1"));
        assert_eq!(checks.get(&hash).as_deref(), Some(&asked("1")));
        assert_eq!(checks.get(&asked("2").hash().unwrap()), None);
    }
}
