//! ImageBuilderCache: makes, renews and removes trees.

mod apply;
mod controller;
mod decide;
mod dereference;
mod evict;
mod pods;
mod status;
mod validate;

pub use controller::{Fault, Switches, UseClock, reconcile};
pub use dereference::observe;
pub use evict::evict;
pub use pods::TREE_ANNOTATION;
pub use status::NOT_OFFERED;
