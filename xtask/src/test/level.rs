//! The levels of tests, and the level of each test file.

use asu_tests::root;

use super::Error;

/// A level of tests. Each level uses more real parts of the system than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Level {
    /// Format, lints, generated files, licences.
    Checks,
    /// Pure code.
    Unit,
    /// A real Postgres, the real ImageBuilder fixture, Helm.
    Service,
    /// A real etcd and kube-apiserver.
    ControlPlane,
    /// The local cluster with the chart installed.
    Cluster,
}

impl Level {
    /// All levels, from fast to slow.
    pub const ALL: [Self; 5] =
        [Self::Checks, Self::Unit, Self::Service, Self::ControlPlane, Self::Cluster];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checks => "checks",
            Self::Unit => "unit",
            Self::Service => "service",
            Self::ControlPlane => "control-plane",
            Self::Cluster => "cluster",
        }
    }

    /// Whether it needs more on the machine than Rust.
    pub fn needs_machine(self) -> bool {
        self > Self::Unit
    }

    fn of(file: &str) -> Option<Self> {
        let family = file.split('_').next().unwrap_or(file);
        match family {
            "store" | "fixture" | "builder" | "chart" | "charts" => Some(Self::Service),
            "api" | "operator" | "crds" | "control" => Some(Self::ControlPlane),
            "cluster" => Some(Self::Cluster),
            _ => None,
        }
    }
}

/// Every test file of `tests/tests/` with its level, sorted.
///
/// # Errors
/// When the name of a file contains no level.
pub fn test_targets() -> Result<Vec<(String, Level)>, Error> {
    let folder = root().join("tests/tests");
    let io = |source| Error::Io { what: folder.display().to_string(), source };
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let is_target =
            path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").is_file();
        if !is_target {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let level = Level::of(&name).ok_or_else(|| Error::NoLevel(name.clone()))?;
        targets.push((name, level));
    }
    targets.sort();
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_file_has_a_level() {
        assert!(!test_targets().unwrap().is_empty());
    }
}
