//! Errors of the local cluster.

use std::path::PathBuf;
use std::time::Duration;

use crate::{exec, toolchain};

/// An error of the local cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is missing or could not be built.
    #[error(transparent)]
    Toolchain(#[from] toolchain::Error),
    /// A command of the system failed.
    #[error(transparent)]
    Command(#[from] exec::Error),
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("certificate {name}: {source}")]
    Certificate {
        /// Its file name.
        name: String,
        /// The library's error.
        source: rcgen::Error,
    },
    /// A file of the state folder does not have the format of this version.
    #[error("{path}: {reason}")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A condition did not become true in time.
    #[error("after {} s still waiting for {what}: {missing}", .after.as_secs())]
    Deadline {
        /// The condition.
        what: String,
        /// What was missing at the last check.
        missing: String,
        /// The time limit.
        after: Duration,
    },
    /// A process of the cluster exited unexpectedly.
    #[error("{name} ended; the end of {log}: {tail}", log = log.display())]
    Ended {
        /// Its name.
        name: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The API server returned an error.
    #[error("Kubernetes: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// The cluster's kubeconfig cannot be used.
    #[error("kubeconfig: {0}")]
    Kubeconfig(#[from] Box<kube::config::KubeconfigError>),
    /// A name that cannot be used for a cluster.
    #[error("cluster name {0:?}: at most 20 lower-case letters, digits and '-', a letter first")]
    Name(String),
    /// No cluster has this name.
    #[error("no cluster {0:?} on this machine; `cargo xtask cluster up` makes one")]
    Unknown(String),
    /// A part of a cluster does not work; its status says which.
    #[error("cluster {0:?} is not healthy")]
    Unhealthy(String),
    /// The cluster lacks something that its users rely on.
    #[error("{0}")]
    SelfTest(String),
    /// A part of the cluster could not be removed.
    #[error("left behind: {}", .0.join("; "))]
    Leftovers(Vec<String>),
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// Exit code of the project's commands: 3 when the machine lacks something, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Toolchain(toolchain::Error::Missing(_)) => 3,
            _ => 1,
        }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl From<kube::config::KubeconfigError> for Error {
    fn from(error: kube::config::KubeconfigError) -> Self {
        Self::Kubeconfig(Box::new(error))
    }
}
