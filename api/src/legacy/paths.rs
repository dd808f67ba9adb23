//! Where the files of a build are for clients of the older API.
//!
//! The folder of a build is the uid of its object, which is random and never used again: one URL has one
//! content for ever. A build with a private first-boot script is only found by its whole request hash, which
//! nobody can compute without the script.

use asu_store::model::BuildFacts;

/// Folder of private builds. It is never listed.
pub const PRIVATE: &str = "custom";

/// Name of a build in answers (`image_hash`): it finds the build, and a private one only with its whole
/// request hash.
pub fn image_hash(facts: &BuildFacts) -> String {
    if facts.is_private() { facts.request_hash.to_string() } else { facts.uid.clone() }
}

/// Path of its folder below `/json/` and `/download/`, without slashes around it.
pub fn folder(facts: &BuildFacts) -> String {
    let name = image_hash(facts);
    if facts.is_private() { format!("{PRIVATE}/{name}") } else { name }
}

/// Name of its log beside its files.
pub fn log_name(facts: &BuildFacts) -> String {
    format!("buildlog-{}.txt", image_hash(facts))
}
