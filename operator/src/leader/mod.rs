//! Leader election by a Lease, as in client-go. Every write carries the resourceVersion of the
//! Lease that was read, so that of two candidates one gets a conflict. A Lease has expired when its
//! record did not change for its duration on the local monotonic clock; clocks of different
//! machines are never compared. Called by `run.rs`.

mod driver;
mod election;

pub use driver::{LeaderError, Leadership, acquire};
pub use election::{Election, Lead, Record, Step, Timing};
