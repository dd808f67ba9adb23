//! Distribution: reads upstream, writes the catalog, keeps pinned caches.

mod apply;
mod controller;
mod decide;
mod dereference;
mod status;
mod validate;

pub use controller::{Fault, reconcile};
pub use apply::create_cache;
pub use dereference::Memories;
pub use decide::package_change;
pub use validate::{package_base_url, target_path};
