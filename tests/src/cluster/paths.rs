//! Paths and names of one cluster, all derived from its name.

use std::path::{Path, PathBuf};

use super::Error;

/// Maximum length of a name, so that paths of sockets stay below the system's 108 bytes.
const LONGEST_NAME: usize = 20;

/// Paths of a cluster's data, sockets, logs and records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paths {
    name: String,
    dir: PathBuf,
}

/// The folder of all clusters: `$ASU_STATE_DIR`, else `/var/lib/asu`.
pub(super) fn base() -> PathBuf {
    let set = std::env::var_os("ASU_STATE_DIR").filter(|value| !value.is_empty());
    set.map_or_else(|| PathBuf::from("/var/lib/asu"), PathBuf::from)
}

impl Paths {
    /// Paths below `$ASU_STATE_DIR`, else `/var/lib/asu`. Volumes and images are too large for a tmpfs.
    pub(super) fn new(name: &str) -> Result<Self, Error> {
        Self::below(name, &base())
    }

    /// Paths below a given folder.
    pub(super) fn below(name: &str, base: &Path) -> Result<Self, Error> {
        let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= LONGEST_NAME
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !valid {
            return Err(Error::Name(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), dir: base.join(name) })
    }

    /// The cluster's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The folder of all files of the cluster.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lock file for bringing the cluster up or down. It is outside the cluster's folder, which `down` removes.
    pub(super) fn lock(&self) -> PathBuf {
        self.dir.with_added_extension("lock")
    }

    /// Ports and nodes.
    pub(super) fn state(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// Keys and certificates.
    pub(super) fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }

    /// Data and kubeconfigs of the control plane.
    pub(super) fn plane(&self) -> PathBuf {
        self.dir.join("plane")
    }

    /// The admin's kubeconfig.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.plane().join("kubeconfig")
    }

    /// Everything of one node.
    pub(super) fn node(&self, number: u8) -> PathBuf {
        self.dir.join(format!("node{number}"))
    }

    /// Name of a node's network namespace. The control plane runs in that of the first node.
    pub(super) fn netns(&self, number: u8) -> String {
        if number == 1 {
            format!("asu-{}", self.name)
        } else {
            format!("asu-{}-{number}", self.name)
        }
    }

    /// Path of a network namespace.
    pub(super) fn netns_path(&self, number: u8) -> PathBuf {
        Path::new("/run/netns").join(self.netns(number))
    }

    /// Cgroup of a node's pods, relative to each hierarchy. Kubelets that share one kill each other's pods.
    pub(super) fn cgroup(&self, number: u8) -> String {
        format!("asu-{}-node{number}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_state_folder_are_refused() {
        for name in ["", "..", "a/b", "A", "1a", "a b", "-a", "aaaaaaaaaaaaaaaaaaaaa"] {
            assert!(Paths::below(name, Path::new("/x")).is_err(), "{name:?}");
        }
        let paths = Paths::below("demo-1", Path::new("/x")).expect("name");
        assert_eq!(paths.dir(), Path::new("/x/demo-1"));
        assert_eq!(paths.lock(), Path::new("/x/demo-1.lock"));
    }
}
