//! The custom resources Distribution, ImageBuilderCache and FirmwareBuild.
//!
//! The types are the source of the YAML files in `generated/`; a test compares them. This crate must
//! not access a cluster.

mod bad_feed;
mod bad_spec;
mod board_rename;
mod branch_keys;
mod cache_progress;
#[cfg(test)]
mod cel_tests;
mod channel_keys;
mod child;
mod conditions;
mod convert;
mod distribution;
pub mod examples;
mod firmware_build;
mod generate;
mod image_builder_cache;
mod image_builder_image;
pub mod labels;
mod limits;
mod oci_images;
mod package_changes;
mod package_edits;
mod parent;
mod pinned_cache;
mod prewarm;
mod version_title;

pub use bad_feed::BadFeed;
pub use bad_spec::BadSpec;
pub use board_rename::BoardRename;
pub use cache_progress::{CacheProgress, CacheStep};
pub use channel_keys::{Channel, ChannelKeys};
pub use conditions::{ConditionFacts, ConditionStatus, condition, is_true, set_condition};
pub use distribution::{
    Branch, BranchStatus, CatalogCounts, Discover, Distribution, DistributionSpec,
    DistributionStatus, Signatures, Upstream,
};
pub use firmware_build::{
    BuildCondition, BuildPhase, BuildPriority, BuildSummary, BuildTimes, DefaultsSpec,
    FilesystemSpec, FirmwareBuild, FirmwareBuildSpec, FirmwareBuildStatus, RepositoriesModeSpec,
    RequestSpec, Resolved, Retention, Validated,
};
pub use generate::{crds, yaml_files};
pub use image_builder_cache::{
    CachePhase, CachePlace, CacheWorkspace, ImageBuilderCache, ImageBuilderCacheSpec,
    ImageBuilderCacheStatus, cache_name,
};
pub use image_builder_image::{ImageBuilderImage, PullPolicy};
pub use limits::Limits;
pub use package_changes::{PackageChange, PackageChoice};
pub use package_edits::{PackageEdit, RenamePrefix};
pub use parent::{Feed, Parent, ParentVersion};
pub use pinned_cache::PinnedCache;
pub use prewarm::Prewarm;
pub use version_title::VersionTitle;

/// API group of every kind.
pub const GROUP: &str = "asu.dev";
/// API version of every kind.
pub const VERSION: &str = "v1alpha1";
