//! The controller of Distributions: reads the download server, writes the catalog to the database, and
//! creates pinned caches. Only the leader runs [`reconcile`]. If something cannot be read, the last
//! good data stays in the catalog.

mod apply;
mod controller;
mod decide;
mod dereference;
mod discover;
mod documents;
mod documents_read;
mod fault;
mod keep;
mod keep_memories;
mod look;
mod looks;
mod memories;
mod offer;
mod own_feeds;
mod own_thread;
mod parent;
mod prewarm;
mod recall;
mod status;
pub(crate) mod validate;

pub use apply::create_cache;
pub use controller::reconcile;
pub use decide::cache_spec;
pub use fault::Fault;
pub use looks::{Answer, Sought};
pub use memories::Memories;
pub use offer::offer;
pub use validate::{package_base_url, public_url, target_path};
