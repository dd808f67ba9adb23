//! Limits of a Distribution: their schema and defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of requests and builds.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Whether first-boot scripts are accepted.
    pub allow_defaults: bool,
    /// Maximum length of a first-boot script, in bytes.
    #[schemars(range(min = 1, max = 131_072))]
    pub max_defaults_length: u32,
    /// Maximum size of the root partition, in MiB.
    #[schemars(range(min = 1, max = 65536))]
    pub max_rootfs_size_mb: u32,
    /// URL prefixes of the third-party repositories that requests may use. If empty, none are allowed.
    #[schemars(length(max = 64), inner(length(min = 8, max = 512)))]
    pub repository_allow_list: Vec<String>,
    /// Maximum duration of a build, in seconds.
    #[schemars(range(min = 10, max = 7200))]
    pub build_seconds: u32,
    /// Maximum size of an ImageBuilder tarball, in MiB.
    #[schemars(range(min = 1, max = 8192))]
    pub max_image_builder_mb: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allow_defaults: false,
            max_defaults_length: 20_480,
            max_rootfs_size_mb: 1024,
            repository_allow_list: Vec::new(),
            build_seconds: 600,
            max_image_builder_mb: 1024,
        }
    }
}
