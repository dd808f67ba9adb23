//! FirmwareBuild: from the request to the archived image.

mod apply;
mod archive;
mod controller;
mod decide;
mod dereference;
mod facts;
mod finish;
mod job;
mod line;
mod status;
mod validate;

pub use controller::{Fault, reconcile};
pub use line::{forget, seed};
