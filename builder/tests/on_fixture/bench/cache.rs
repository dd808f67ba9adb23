//! Caches: folders that `populate` fills.

use std::{fs, path::PathBuf, sync::OnceLock};

use asu_core::{
    catalog::TarballDigest,
    plan::{Marker, PLAN_SCHEMA, PopulatePlan},
    result::PopulateResult,
};
use asu_tests::{
    fixtures::{Upstream, World},
    given::{Generation, fixture},
};
use tempfile::TempDir;

use super::{
    IMAGE,
    container::{PUBLISH_USER, command, folder, put_plan, volume},
};

/// A cache being filled.
pub(crate) struct Cache {
    place: TempDir,
}

impl Cache {
    pub(crate) fn new() -> Self {
        let place = folder();
        volume(&place.path().join("asu/imagebuilder"), PUBLISH_USER, 0o755);
        volume(&place.path().join("dev"), PUBLISH_USER, 0o755);
        Self { place }
    }

    /// One that is filled with the tree of a target.
    pub(crate) fn filled(generation: Generation, target: &str) -> Self {
        let (world, upstream) = fixture(generation);
        let cache = Self::new();
        let result = cache.populate(&populate_plan(&world, &upstream, target));
        assert_eq!(result.failure, None, "{}", result.detail);
        cache
    }

    /// An empty one, with the plan to fill it from a download server of its own.
    pub(crate) fn to_fill(target: &str) -> (Self, PopulatePlan, Upstream) {
        let (world, upstream) = fixture(Generation::Opkg);
        let plan = populate_plan(&world, &upstream, target);
        (Self::new(), plan, upstream)
    }

    /// A path in the pod.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    pub(crate) fn volume(&self) -> PathBuf {
        self.path("asu/imagebuilder")
    }

    /// Names of the files in the volume, without the lock.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.volume()).expect("the volume");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            // The lock file is never removed.
            .filter(|name| name != ".populate.lock")
            .collect();
        names.sort();
        names
    }

    pub(crate) fn marker(&self) -> Option<Marker> {
        let bytes = fs::read(self.volume().join("marker.json")).ok()?;
        Some(serde_json::from_slice(&bytes).expect("a marker"))
    }

    pub(crate) fn set_marker(&self, marker: &Marker) {
        let bytes = serde_json::to_vec(marker).expect("a marker as JSON");
        fs::write(self.volume().join("marker.json"), bytes).expect("the marker");
    }

    /// Runs `populate` and reads its termination message.
    pub(crate) fn populate(&self, plan: &PopulatePlan) -> PopulateResult {
        self.populate_aloud(plan).0
    }

    /// The same, with what it printed.
    pub(crate) fn populate_aloud(&self, plan: &PopulatePlan) -> (PopulateResult, String) {
        put_plan(self.place.path(), plan);
        let ran = command(PUBLISH_USER, "populate", self.place.path()).output();
        let ran = ran.expect("the program");
        let message = fs::read(self.place.path().join("dev/termination-log"));
        let message = message.unwrap_or_else(|_| panic!("no termination message: {ran:?}"));
        let result: PopulateResult = serde_json::from_slice(&message).expect("a result");
        assert_eq!(ran.status.success(), result.failure.is_none(), "{ran:?}");
        (result, String::from_utf8_lossy(&ran.stdout).into_owned())
    }
}

/// A plan for a target of the world.
pub(crate) fn populate_plan(world: &World, upstream: &Upstream, target: &str) -> PopulatePlan {
    let tarball = world.tarball(target);
    let bytes = fs::read(&tarball).expect("the tarball");
    PopulatePlan {
        schema: PLAN_SCHEMA,
        uid: "cache".into(),
        version: world.version().into(),
        target: target.into(),
        fetch_urls: vec![upstream.base_url()],
        target_path: world.target_path(target).trim_end_matches('/').into(),
        keys: vec![world.public_key.clone()],
        file: tarball.file_name().expect("a name").to_string_lossy().into_owned(),
        sha256: TarballDigest::of(&bytes),
        builder_image: IMAGE.into(),
        max_download_bytes: 1 << 30,
        max_tree_bytes: 1 << 30,
        max_entries: 100_000,
        image: None,
        seconds: 120,
    }
}

/// The warmed-up tree of a target, shared by all tests, which cannot write to it.
pub(crate) fn cache(target: &str) -> &'static Cache {
    cache_of(Generation::Opkg, target)
}

/// The tree of a target of this generation.
pub(super) fn cache_of(generation: Generation, target: &str) -> &'static Cache {
    static SMALL: OnceLock<Cache> = OnceLock::new();
    static DISK: OnceLock<Cache> = OnceLock::new();
    static SMALL_APK: OnceLock<Cache> = OnceLock::new();
    static DISK_APK: OnceLock<Cache> = OnceLock::new();
    static SMALL_23_05: OnceLock<Cache> = OnceLock::new();
    static SNAPSHOT: OnceLock<Cache> = OnceLock::new();
    static BRANCH_SNAPSHOT: OnceLock<Cache> = OnceLock::new();
    let slot = match (generation, target) {
        (Generation::Opkg, "testarch/disk") => &DISK,
        (Generation::Opkg, _) => &SMALL,
        (Generation::Apk, "testarch/disk") => &DISK_APK,
        (Generation::Apk, _) => &SMALL_APK,
        (Generation::Opkg2305, _) => &SMALL_23_05,
        (Generation::Snapshot, _) => &SNAPSHOT,
        (Generation::BranchSnapshot, _) => &BRANCH_SNAPSHOT,
    };
    slot.get_or_init(|| Cache::filled(generation, target))
}
