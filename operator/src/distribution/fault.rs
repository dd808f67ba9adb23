//! Why a pass over a Distribution fails.

use asu_store::StoreError;
use asu_upstream::UpstreamError;

use crate::runtime::reconcile;

/// The error of a failed pass.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The API server refused the call or is unavailable.
    #[error("the API server: {0}")]
    Kube(#[from] kube::Error),
    /// The catalog could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP client for upstream could not be set up.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl reconcile::Fault for Fault {
    fn reason(&self) -> &'static str {
        match self {
            Self::Kube(_) => "KubernetesError",
            Self::Store(error) if error.is_unavailable() => "DatabaseUnavailable",
            Self::Store(_) => "DatabaseError",
            Self::Upstream(error) => error.reason(),
        }
    }

    fn is_fatal(&self) -> bool {
        matches!(self, Self::Store(error) if error.ends_leading())
    }
}
