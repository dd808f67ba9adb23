//! The controller of ImageBuilderCaches: creates the Jobs that make and remove trees, and writes
//! which tree builds use. [`reconcile`] is run by the leader alone; trees are made in pods, by the
//! crate `asu-builder`.

mod apply;
mod claim;
mod clocks;
mod controller;
mod decide;
mod decision;
mod dereference;
mod evict;
mod fault;
mod follow;
mod full_claim;
mod lost;
mod pods;
mod progress;
mod report_lost;
mod space;
mod status;
mod tries;
mod validate;

pub use clocks::{Switches, UseClock};
pub use controller::reconcile;
pub use dereference::observe;
pub use evict::evict;
pub use fault::Fault;
pub use pods::TREE_ANNOTATION;
pub use progress::Progresses;
pub use report_lost::report_lost_tree;
pub use status::NOT_OFFERED;
pub use tries::failed_at;
