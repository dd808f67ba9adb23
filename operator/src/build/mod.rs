//! FirmwareBuild: from the request to the archived image.

mod apply;
mod archive;
mod controller;
mod decide;
mod dereference;
mod finish;
mod job;
mod status;
mod validate;

pub use controller::{Fault, forget, reconcile, seed};
