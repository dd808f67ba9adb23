//! What GitOps controllers do with a folder of a Git repository, for tests without such a controller: apply
//! it server-side, delete what is no longer in it, and judge the health of objects.

mod folder;
mod health;

pub use folder::{Change, Folder};
pub use health::{Health, health};
