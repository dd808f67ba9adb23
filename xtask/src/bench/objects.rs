//! Objects and rows that the benchmarks write to the API server and the database.

use asu_core::{
    build_key::BuildKey,
    digest::Digest,
    request_hash::{RequestHash, object_name, request_hash},
    result::{Built, StoredFile},
};
use asu_crds::{
    BuildPriority, CacheWorkspace, FirmwareBuild, FirmwareBuildSpec, ImageBuilderCache,
    ImageBuilderCacheSpec, RequestSpec, Validated, cache_name, labels,
};
use asu_store::model::{BuildFacts, BuildTimes, Ending, NewArchive};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Error, missing};

/// Digest of the ImageBuilder.
const DIGEST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Deserializes an object.
///
/// # Errors
/// When it is malformed.
pub fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(missing)
}

/// The ImageBuilderCache of all builds.
pub fn cache() -> ImageBuilderCache {
    let name = cache_name("openwrt", "24.10.7", "ath79/generic", DIGEST);
    let spec = ImageBuilderCacheSpec {
        distribution: "openwrt".into(),
        version: "24.10.7".into(),
        target: "ath79/generic".into(),
        sha256: DIGEST.into(),
        file: "ib.tar.zst".into(),
        target_path: "releases/24.10.7/targets/ath79/generic".into(),
        revision: None,
        pinned: false,
        suspend: false,
        workspace: CacheWorkspace::default(),
    };
    let mut cache = ImageBuilderCache::new(&name, spec);
    cache.finalizers_mut().push(labels::VOLUME_FINALIZER.to_owned());
    cache
}

/// A request with the package list that a router usually sends.
fn request(number: usize) -> RequestSpec {
    let mut packages: Vec<String> = (0..60).map(|n| format!("package-of-a-router-{n}")).collect();
    packages.push(format!("build-{number}"));
    RequestSpec {
        distribution: "openwrt".into(),
        version: "24.10.7".into(),
        target: "ath79/generic".into(),
        profile: "device".into(),
        packages,
        ..RequestSpec::default()
    }
}

/// Request hash of a build.
///
/// # Errors
/// Never: the request is well formed.
pub fn hash(number: usize) -> Result<RequestHash, Error> {
    Ok(request_hash(&request(number).to_request().map_err(missing)?))
}

/// A FirmwareBuild, as the API creates it.
///
/// # Errors
/// Never, because the request is valid.
pub fn build(number: usize) -> Result<FirmwareBuild, Error> {
    // The canonical form, which the request hash needs.
    let canonical = request(number).to_request().map_err(missing)?;
    let hash = request_hash(&canonical);
    let request = RequestSpec::from_request(&canonical, "");
    let spec = FirmwareBuildSpec {
        request,
        request_hash: hash.to_string(),
        validated: Some(Validated {
            catalog_revision: 1,
            version_code: "r1-abc".into(),
            image_builder_sha256: DIGEST.into(),
        }),
        cancel: false,
        priority: BuildPriority::Normal,
        retention: None,
    };
    let mut build = FirmwareBuild::new(&object_name(&hash), spec);
    build.finalizers_mut().push(labels::ARCHIVE_FINALIZER.to_owned());
    Ok(build)
}

/// The archive record of a successful build.
///
/// # Errors
/// Never, because the request is valid.
pub fn record(number: usize) -> Result<NewArchive, Error> {
    let request = request(number).to_request().map_err(missing)?;
    let now = Timestamp::now();
    let names = ["kernel.bin", "rootfs.bin", "sysupgrade.bin", "factory.bin"];
    let file = |name: &&str| StoredFile {
        name: format!("openwrt-24.10.7-0123456789ab-ath79-generic-device-squashfs-{name}"),
        size: 7,
        sha256: Digest::of(name.as_bytes()),
    };
    let files: Vec<StoredFile> = names.iter().map(file).collect();
    let images: Vec<Value> =
        files.iter().map(|file| json!({"name": file.name, "type": "sysupgrade"})).collect();
    let packages = request.packages.clone();
    let built = Built {
        build_key: BuildKey::of(b"bench"),
        files,
        manifest: packages.iter().map(|name| (name.to_string(), "1.0-r1".to_owned())).collect(),
        packages,
        commands: vec![vec!["make".into(), "image".into()]],
        profile: [("images".to_owned(), Value::from(images))].into_iter().collect(),
    };
    let times =
        BuildTimes { created: now, queued: None, admitted: None, started: None, finished: now };
    let until = now.checked_add(SignedDuration::from_hours(1)).map_err(missing)?;
    let facts = BuildFacts {
        uid: "bench".into(),
        request_hash: request_hash(&request),
        request,
        version_code: "r1-abc".into(),
        catalog_revision: 1,
        attempt: 1,
        ending: Ending::Succeeded(built),
        times,
        fresh_until: until,
        keep_until: until,
        log: None,
        millis: [].into(),
    };
    Ok(NewArchive { facts, events: Vec::new(), archived_at: now })
}
