//! Objects as their makers make them.

use asu_core::request_hash::{object_name, request_hash};
use asu_crds::{
    BuildPriority, CacheWorkspace, Distribution, FirmwareBuild, FirmwareBuildSpec,
    ImageBuilderCache, ImageBuilderCacheSpec, RequestSpec, Validated, cache_name, labels,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use serde_json::json;

/// A distribution whose server does not answer.
pub fn distribution() -> Distribution {
    serde_json::from_value(json!({
        "apiVersion": "asu.dev/v1alpha1",
        "kind": "Distribution",
        "metadata": {"name": "openwrt"},
        "spec": {
            "title": "Test",
            // Nothing answers there: these tests need no catalog.
            "upstream": {"fetchURLs": ["http://127.0.0.1:1"], "publicURL": "http://public.example"},
            "branches": [{"name": "24.10", "versions": ["24.10.7"], "signatures": "NotChecked"}],
            "limits": {"allowDefaults": true, "maxDefaultsLength": 1000}
        }
    }))
    .expect("a Distribution")
}

/// A claim that people made.
pub fn claim(name: &str) -> PersistentVolumeClaim {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}
        }
    }))
    .expect("a claim")
}

/// The target of test builds that name no other.
pub const TARGET: &str = "ath79/generic";

/// A cache as the operator makes it.
pub fn cache() -> ImageBuilderCache {
    cache_of(TARGET)
}

/// The cache of a target.
pub fn cache_of(target: &str) -> ImageBuilderCache {
    let sha256 = "a".repeat(64);
    let name = cache_name("openwrt", "24.10.7", target, &sha256);
    let mut cache = ImageBuilderCache::new(
        &name,
        ImageBuilderCacheSpec {
            distribution: "openwrt".into(),
            version: "24.10.7".into(),
            target: target.into(),
            sha256,
            file: "ib.tar.zst".into(),
            target_path: format!("releases/24.10.7/targets/{target}"),
            pinned: false,
            workspace: CacheWorkspace::default(),
        },
    );
    cache.finalizers_mut().push(labels::VOLUME_FINALIZER.to_owned());
    cache
}

/// A build as the API makes it.
pub fn build(package: &str) -> FirmwareBuild {
    build_of(package, TARGET)
}

/// A build for a target.
pub fn build_of(package: &str, target: &str) -> FirmwareBuild {
    let request = RequestSpec {
        distribution: "openwrt".into(),
        version: "24.10.7".into(),
        target: target.into(),
        profile: "device".into(),
        packages: vec![package.into()],
        ..RequestSpec::default()
    };
    let hash = request_hash(&request.to_request().expect("a request"));
    let spec = FirmwareBuildSpec {
        request,
        request_hash: hash.to_string(),
        validated: Some(Validated {
            catalog_revision: 1,
            version_code: "r1-abc".into(),
            image_builder_sha256: "a".repeat(64),
        }),
        cancel: false,
        priority: BuildPriority::Normal,
        retention: None,
    };
    let mut build = FirmwareBuild::new(&object_name(&hash), spec);
    build.finalizers_mut().push(labels::ARCHIVE_FINALIZER.to_owned());
    build
}

/// Selects what belongs to a build.
pub fn selector_of(build: &FirmwareBuild) -> String {
    format!("{}={}", labels::BUILD, build.name_any())
}
