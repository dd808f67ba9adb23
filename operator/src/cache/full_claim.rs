//! A claim that is too small for its cache. Part of a decision.

/// A claim whose volume is full, and the size of the one that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullClaim {
    /// uid of the claim.
    pub uid: String,
    /// Size of the next claim in bytes.
    pub next: u64,
}
