//! Why a pass over an ImageBuilderCache breaks off.

use super::validate::BadCache;
use crate::runtime::{
    patch::{is_forbidden, is_refused},
    reconcile,
};

/// A failed pass.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The API server refused or is away.
    #[error("the API server: {0}")]
    Kube(#[from] kube::Error),
    /// Another object's claim has the name.
    #[error("the claim {0} is another object's, or is being deleted")]
    Claim(String),
    /// The object cannot be worked with.
    #[error(transparent)]
    Bad(#[from] BadCache),
}

impl Fault {
    /// Whether waiting will not help by itself: builds that need the cache are to hear of it.
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
