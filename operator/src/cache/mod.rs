//! ImageBuilderCache: makes, renews and removes trees.

mod apply;
mod claim;
mod controller;
mod decide;
mod dereference;
mod doubt;
mod evict;
mod lost;
mod pods;
mod status;
mod tries;
mod validate;

pub use controller::{Fault, Switches, UseClock, reconcile};
pub use dereference::observe;
pub use doubt::distrust;
pub use evict::evict;
pub use pods::TREE_ANNOTATION;
pub use status::NOT_OFFERED;
pub use tries::failed_at;
