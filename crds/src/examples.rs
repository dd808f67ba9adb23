//! Valid objects to begin a test with.

use crate::{
    Branch, BuildPriority, CacheWorkspace, Distribution, DistributionSpec, FirmwareBuild,
    FirmwareBuildSpec, ImageBuilderCache, ImageBuilderCacheSpec, Limits, RepositoriesModeSpec,
    RequestSpec, Signatures, Upstream,
};

/// A request without extras.
pub fn request() -> RequestSpec {
    RequestSpec {
        distribution: "openwrt".into(),
        version: "24.10.7".into(),
        target: "ath79/generic".into(),
        profile: "generic".into(),
        repositories_mode: RepositoriesModeSpec::Replace,
        ..RequestSpec::default()
    }
}

/// A build of [`request`], with a hash that is well-formed but not its own.
pub fn build() -> FirmwareBuild {
    FirmwareBuild::new(
        "fwb-a",
        FirmwareBuildSpec {
            request: request(),
            request_hash: "a".repeat(64),
            validated: None,
            cancel: false,
            priority: BuildPriority::Normal,
            retention: None,
        },
    )
}

/// A cache.
pub fn cache() -> ImageBuilderCache {
    ImageBuilderCache::new(
        "openwrt-a",
        ImageBuilderCacheSpec {
            distribution: "openwrt".into(),
            version: "24.10.7".into(),
            target: "ath79/generic".into(),
            sha256: "a".repeat(64),
            file: "ib.tar.zst".into(),
            target_path: "releases/24.10.7/targets/ath79/generic".into(),
            revision: None,
            pinned: false,
            suspend: false,
            workspace: CacheWorkspace::default(),
        },
    )
}

/// A distribution with one branch.
pub fn distribution() -> Distribution {
    Distribution::new(
        "openwrt",
        DistributionSpec {
            suspend: false,
            title: "OpenWrt".into(),
            description: None,
            upstream: Some(Upstream {
                fetch_urls: vec!["https://downloads.example.org".into()],
                package_base_url: None,
                public_url: "https://downloads.example.org".into(),
            }),
            parent: None,
            feeds: vec![],
            default_packages: vec![],
            branches: vec![Branch {
                name: "24.10".into(),
                path: "releases/{version}".into(),
                versions: vec!["24.10.7".into(), "24.10.6".into()],
                parent_versions: vec![],
                version_titles: vec![],
                discover: None,
                latest: None,
                end_of_life: None,
                snapshot: false,
                branch_off_rev: None,
                keys: vec!["A".repeat(56)],
                signatures: Signatures::Required,
            }],
            targets: vec![],
            excluded_targets: vec![],
            board_renames: vec![],
            package_changes: vec![],
            package_edits: vec![],
            limits: Limits::default(),
            image_builder_images: Vec::new(),
            pinned_caches: vec![],
            prewarm: None,
        },
    )
}
