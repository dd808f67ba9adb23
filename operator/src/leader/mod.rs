//! One leader by Lease, as client-go does it: every write of the Lease carries the
//! resourceVersion it was read at, so that of two candidates one gets a conflict; and a Lease is
//! over when its record stayed the same for its duration on the local monotonic clock, so that
//! clocks of different machines are never compared.

mod driver;
mod election;

pub use driver::{LeaderError, Leadership, acquire};
pub use election::{Election, Lead, Record, Step, Timing};
