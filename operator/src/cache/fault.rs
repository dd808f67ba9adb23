//! Why a pass over an ImageBuilderCache fails. [`crate::runtime::reconcile`] counts and logs it and
//! repeats the pass.

use super::validate::BadCache;
use crate::runtime::{
    patch::{is_forbidden, is_refused},
    reconcile,
};

/// The error of a failed pass.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The API server refused the call or is unavailable.
    #[error("request to the API server failed: {0}")]
    Kube(#[from] kube::Error),
    /// Another object owns the claim of that name.
    #[error("the claim {0} is another object's, or is being deleted")]
    Claim(String),
    /// The object is invalid.
    #[error(transparent)]
    Bad(#[from] BadCache),
}

impl Fault {
    /// Whether Kubernetes refuses the claim or the Job, so that waiting alone does not help. It
    /// counts as a failure of the cache, which its builds can see.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Kube(error) => is_forbidden(error) || is_refused(error),
            Self::Claim(_) => true,
            Self::Bad(_) => false,
        }
    }
}

impl reconcile::Fault for Fault {
    fn reason(&self) -> &'static str {
        match self {
            Self::Kube(_) => "KubernetesError",
            Self::Claim(_) => "ClaimTaken",
            Self::Bad(_) => "Refused",
        }
    }
}
