//! Reads a distribution's download server: indexes, signatures, tarballs.
//!
//! Called by the operator (catalog) and by the builder's `populate` (tarball). All input from the
//! server is untrusted: it is limited in size, parsed and checked here, and returned as plain values.
//! Uses neither Kubernetes nor the database.

pub mod catalog;
pub mod client;
pub mod download;
pub mod error;
mod feed_sums;
pub mod feeds;
mod feeds_conf;
mod identity;
mod indexes;
pub mod keeper;
pub mod memory;
mod mirrors;
mod own_feed;
mod partial;
pub mod profiles;
pub mod signature;
pub mod signed_sums;
pub mod sums;
pub mod tarball;
mod target_packages;
pub mod targets;
pub mod text;
pub mod versions;

pub use catalog::{CatalogRead, ReadRequest, read_catalog};
pub use client::{ClientOptions, Document, Fetched, Upstream, Validator};
pub use error::{ParseError, UpstreamError};
pub use feeds::{FeedsMemory, FeedsRead, FeedsRequest, read_feeds};
pub use keeper::Keeper;
pub use memory::{Memory, Validators};
pub use own_feed::read_own_feed;
pub use signature::{KeyId, SignatureError, UsignPublicKey};
pub use signed_sums::Trust;
pub use sums::ImageBuilderFile;
pub use tarball::{TarballError, UnpackLimits, Unpacked, unpack};
