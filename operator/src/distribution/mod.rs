//! Distribution: reads upstream, writes the catalog, keeps pinned caches.

mod apply;
mod controller;
mod decide;
mod dereference;
mod recall;
mod status;
mod validate;

pub use apply::create_cache;
pub use controller::{Fault, reconcile};
pub use decide::{cache_spec, offer, package_change};
pub use dereference::Memories;
pub use validate::{package_base_url, target_path};
