//! Why a pass over a FirmwareBuild fails. [`crate::runtime::reconcile`] counts and logs it and
//! repeats the pass.

use std::time::Duration;

use asu_artifacts::ArtifactError;
use asu_store::StoreError;

use super::job::BadAttempt;
use crate::runtime::reconcile;

/// The error of a failed pass.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The API server refused the call or is unavailable.
    #[error("request to the API server failed: {0}")]
    Kube(#[from] kube::Error),
    /// The database refused the write or is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The artifact store cannot be read or written.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// The Job cannot be generated.
    #[error(transparent)]
    Attempt(#[from] BadAttempt),
    /// The API server rejects the Job permanently.
    #[error("the API server rejects the Job: {0}")]
    JobRefused(#[source] kube::Error),
    /// The object was replaced by another one with the same name.
    #[error("the object was replaced by another one with the same name")]
    Replaced,
    /// The Distribution, version or target is no longer offered.
    #[error("the Distribution, version or target of the build is no longer offered")]
    NoDistribution,
    /// All names of the build's Jobs are used by Jobs of other objects.
    #[error("Jobs of other objects have the names of this build's Jobs")]
    NamesTaken,
    /// The decision asks for the same fact again and again: a bug.
    #[error("the pass reached no decision")]
    Undecided,
}

impl reconcile::Fault for Fault {
    fn reason(&self) -> &'static str {
        match self {
            Self::Kube(_) => "KubernetesError",
            Self::Store(error) if error.is_unavailable() => "DatabaseUnavailable",
            Self::Store(_) => "DatabaseError",
            Self::Artifacts(_) => "StoreError",
            Self::Attempt(_) | Self::JobRefused(_) | Self::Undecided => "Internal",
            Self::Replaced => "Replaced",
            Self::NoDistribution => "NotOffered",
            Self::NamesTaken => "NamesTaken",
        }
    }

    fn longest_pause(&self) -> Option<Duration> {
        // Clients wait for the record, so the pause is short.
        let soon = match self {
            Self::Store(StoreError::BeingDeleted(_)) => true,
            Self::Store(error) => error.is_unavailable(),
            _ => false,
        };
        soon.then_some(Duration::from_secs(10))
    }

    fn is_fatal(&self) -> bool {
        matches!(self, Self::Store(error) if error.ends_leading())
    }
}
