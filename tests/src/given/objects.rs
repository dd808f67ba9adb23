//! Objects as the API, the operator and users create them, and helpers that read their statuses.

use asu_core::{
    request::Request,
    request_hash::{object_name, request_hash},
};
use asu_crds::{
    BuildPriority, CacheWorkspace, Distribution, FirmwareBuild, FirmwareBuildSpec,
    FirmwareBuildStatus, ImageBuilderCache, ImageBuilderCacheSpec, RequestSpec, Validated,
    cache_name, condition, labels,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use serde_json::json;

/// The default target of builds.
pub const TARGET: &str = "ath79/generic";
/// The version of all objects.
const VERSION: &str = "24.10.7";
/// A port at which no server listens.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A Distribution whose download server does not answer, for tests that need no catalog.
pub fn distribution() -> Distribution {
    distribution_of(NOWHERE)
}

/// The Distribution `openwrt` of a download server: one version, signatures not checked, first-boot
/// scripts of up to 1000 bytes.
pub fn distribution_of(fetch_url: &str) -> Distribution {
    serde_json::from_value(json!({
        "apiVersion": "asu.dev/v1alpha1",
        "kind": "Distribution",
        "metadata": {"name": "openwrt"},
        "spec": {
            "title": "OpenWrt",
            "upstream": {"fetchURLs": [fetch_url], "publicURL": "https://downloads.example.org"},
            "branches": [{"name": "24.10", "versions": [VERSION], "signatures": "NotChecked"}],
            "limits": {"allowDefaults": true, "maxDefaultsLength": 1000}
        }
    }))
    .expect("a Distribution")
}

/// A claim that a user created.
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

/// Digest of the ImageBuilder of all builds.
fn image_builder() -> String {
    "a".repeat(64)
}

/// The cache of [`TARGET`] as the operator creates it.
pub fn cache() -> ImageBuilderCache {
    cache_of(TARGET)
}

/// The cache of a target.
pub fn cache_of(target: &str) -> ImageBuilderCache {
    let sha256 = image_builder();
    let name = cache_name("openwrt", VERSION, target, &sha256);
    let spec = ImageBuilderCacheSpec {
        distribution: "openwrt".into(),
        version: VERSION.into(),
        target: target.into(),
        sha256,
        file: "ib.tar.zst".into(),
        target_path: format!("releases/{VERSION}/targets/{target}"),
        revision: None,
        pinned: false,
        suspend: false,
        workspace: CacheWorkspace::default(),
    };
    let mut cache = ImageBuilderCache::new(&name, spec);
    cache.finalizers_mut().push(labels::VOLUME_FINALIZER.to_owned());
    cache
}

/// Selects the Jobs that fill a cache.
pub fn populates(cache: &str) -> String {
    format!("{}={cache},{}=populate", labels::CACHE, labels::COMPONENT)
}

/// A request for [`TARGET`].
pub fn request(profile: &str, packages: &[&str]) -> Request {
    serde_json::from_value(json!({
        "distribution": "openwrt", "version": VERSION, "target": TARGET,
        "profile": profile, "packages": packages,
    }))
    .expect("a request")
}

/// A build as the API creates it. Builds with different packages are different.
pub fn build(package: &str) -> FirmwareBuild {
    build_of(package, TARGET)
}

/// A build for a target.
pub fn build_of(package: &str, target: &str) -> FirmwareBuild {
    build_in("openwrt", package, target)
}

/// A build of a distribution.
pub fn build_in(distribution: &str, package: &str, target: &str) -> FirmwareBuild {
    let request = RequestSpec {
        distribution: distribution.into(),
        version: VERSION.into(),
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
            image_builder_sha256: image_builder(),
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

/// The reason in a build's status; empty if there is none.
pub fn reason(status: &FirmwareBuildStatus) -> &str {
    status.reason.as_deref().unwrap_or_default()
}

/// Status of a build's condition `Admitted`; empty if there is none.
pub fn admission(status: &FirmwareBuildStatus) -> &str {
    condition(&status.conditions, "Admitted").map_or("", |condition| condition.status.as_str())
}
