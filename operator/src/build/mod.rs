//! The controller of FirmwareBuilds: from the accepted request through its Jobs to the archived
//! record. [`reconcile`] is run by the leader alone; the images themselves are built in pods, by
//! the crate `asu-builder`.

mod apply;
mod archive;
mod base;
mod committed;
mod controller;
mod decide;
mod dereference;
mod facts;
mod fault;
mod finish;
mod job;
mod loss;
mod memory;
mod pass;
mod pending;
mod place;
mod publish;
mod refuse;
mod revision;
mod running;
mod status;
mod step;
mod unavailable;
mod validate;

pub use controller::reconcile;
pub use fault::Fault;
pub use pending::{Pending, forget, seed};
