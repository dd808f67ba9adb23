//! The test bench: a folder that stands for a pod's root, and the program that runs in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use asu_core::{
    catalog::TarballDigest,
    digest::Digest,
    plan::{BuildLimits, BuildPlan, Marker, PLAN_SCHEMA, PopulatePlan, Workspace},
    request::{DefaultsDigest, RepositoriesMode, Request},
    request_hash::RequestHash,
    result::{BuildResult, PopulateResult},
};
use asu_tests::{
    fixtures::{Faults, Logged, Upstream, World},
    toolchain::cache_dir,
};
use tempfile::TempDir;

/// The image that the pods run, as plans name it.
pub(crate) const IMAGE: &str = "builder@sha256:1";
const BUILD_USER: u32 = 2001;
const PUBLISH_USER: u32 = 2002;
const GROUP: u32 = 2000;

/// A folder that other users can enter.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("an open folder");
    folder
}

/// A copy of the program that every user can execute.
pub(crate) fn program() -> &'static Path {
    static PLACE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PLACE.get_or_init(|| {
        let place = folder();
        let program = place.path().join("asu-builder");
        fs::copy(env!("CARGO_BIN_EXE_asu-builder"), &program).expect("a copy of the program");
        (place, program)
    });
    program
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a folder that belongs to this user, as a volume of a pod.
fn volume(path: &Path, user: u32, mode: u32) {
    fs::create_dir_all(path).expect("a volume");
    if is_root() {
        chown(path, Some(user), Some(GROUP)).expect("the volume's owner");
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the volume's mode");
}

fn command(user: u32, subcommand: &str, root: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={user}")).arg(format!("--regid={GROUP}"));
        command.args(["--clear-groups", "--no-new-privs"]).arg(program());
        command
    } else {
        Command::new(program())
    };
    command.arg(subcommand).arg("--root").arg(root);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn put_plan(root: &Path, plan: &impl serde::Serialize) {
    let folder = root.join("asu/plan");
    fs::create_dir_all(&folder).expect("the plan's folder");
    let text = serde_json::to_vec(plan).expect("a plan as JSON");
    fs::write(folder.join("plan.json"), text).expect("the plan");
}

/// A generation of ImageBuilders: that of opkg, to 24.10, or that of apk, from 25.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    Opkg,
    Apk,
}

/// The fixture and a download server for it.
pub(crate) fn world() -> (World, Upstream) {
    world_of(Generation::Opkg)
}

pub(crate) fn world_of(generation: Generation) -> (World, Upstream) {
    let world = match generation {
        Generation::Opkg => World::ensure(&cache_dir()),
        Generation::Apk => World::ensure_apk(&cache_dir()),
    };
    let world = world.expect("the fixture world");
    let upstream = Upstream::start(&world).expect("the fixture's server");
    (world, upstream)
}

/// Runs a future to its end.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Makes the server fail as `faults` says.
pub(crate) fn fail(upstream: &Upstream, faults: &Faults) {
    block(upstream.knobs().set(faults)).expect("faults");
}

/// The requests that the server received.
pub(crate) fn requests(upstream: &Upstream) -> Vec<Logged> {
    block(upstream.knobs().requests()).expect("the server's log")
}

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

    pub(crate) fn volume(&self) -> PathBuf {
        self.place.path().join("asu/imagebuilder")
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
        put_plan(self.place.path(), plan);
        let ran = command(PUBLISH_USER, "populate", self.place.path()).output();
        let ran = ran.expect("the program");
        let message = fs::read(self.place.path().join("dev/termination-log"));
        let message = message.unwrap_or_else(|_| panic!("no termination message: {ran:?}"));
        let result: PopulateResult = serde_json::from_slice(&message).expect("a result");
        assert_eq!(ran.status.success(), result.failure.is_none(), "{ran:?}");
        result
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
        seconds: 120,
    }
}

/// The warmed-up tree of a target, shared by all tests, which cannot write to it.
pub(crate) fn cache(target: &str) -> &'static Cache {
    cache_of(Generation::Opkg, target)
}

fn cache_of(generation: Generation, target: &str) -> &'static Cache {
    static SMALL: OnceLock<Cache> = OnceLock::new();
    static DISK: OnceLock<Cache> = OnceLock::new();
    static SMALL_APK: OnceLock<Cache> = OnceLock::new();
    static DISK_APK: OnceLock<Cache> = OnceLock::new();
    let slot = match (generation, target) {
        (Generation::Opkg, "testarch/disk") => &DISK,
        (Generation::Opkg, _) => &SMALL,
        (Generation::Apk, "testarch/disk") => &DISK_APK,
        (Generation::Apk, _) => &SMALL_APK,
    };
    slot.get_or_init(|| {
        let (world, upstream) = world_of(generation);
        let cache = Cache::new();
        let result = cache.populate(&populate_plan(&world, &upstream, target));
        assert_eq!(result.failure, None, "{}", result.detail);
        cache
    })
}

/// A build pod.
pub(crate) struct Pod {
    place: TempDir,
    pub(crate) plan: BuildPlan,
    pub(crate) upstream: Upstream,
}

/// How both containers ended.
pub(crate) struct Ended {
    pub(crate) build: Output,
    pub(crate) publish: Output,
}

/// A mounted file system, which is unmounted when the value is dropped.
pub(crate) struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "{} stays", self.0.display());
    }
}

impl Pod {
    /// A pod for a request of packages for the first router.
    pub(crate) fn new(packages: &[&str]) -> Self {
        Self::on("testarch/small", "acme_router-a", packages)
    }

    pub(crate) fn on(target: &str, profile: &str, packages: &[&str]) -> Self {
        Self::with(cache(target), target, profile, packages)
    }

    pub(crate) fn with(cache: &Cache, target: &str, profile: &str, packages: &[&str]) -> Self {
        Self::in_world(world(), cache, target, profile, packages)
    }

    /// The same with an ImageBuilder of this generation.
    pub(crate) fn of(
        generation: Generation,
        target: &str,
        profile: &str,
        packages: &[&str],
    ) -> Self {
        let cache = cache_of(generation, target);
        Self::in_world(world_of(generation), cache, target, profile, packages)
    }

    fn in_world(
        (world, upstream): (World, Upstream),
        cache: &Cache,
        target: &str,
        profile: &str,
        packages: &[&str],
    ) -> Self {
        let place = folder();
        let asu = place.path().join("asu");
        volume(&asu.join("store"), PUBLISH_USER, 0o755);
        // As `fsGroup` makes it: setgid and open. The attacks find it by its owner.
        volume(&asu.join("work"), BUILD_USER, 0o2777);
        symlink(cache.volume(), asu.join("imagebuilder")).expect("the cache's mount");
        let marker = cache.marker().expect("a marker");
        let request = Request {
            distribution: "openwrt".into(),
            version: world.version().into(),
            version_code: None,
            target: target.parse().expect("a target"),
            profile: profile.parse().expect("a profile"),
            packages: packages.iter().map(|name| name.parse().expect("a package")).collect(),
            packages_versions: BTreeMap::new(),
            diff_packages: false,
            filesystem: None,
            rootfs_size_mb: None,
            defaults: None,
            repositories: BTreeMap::new(),
            repositories_mode: RepositoriesMode::Replace,
            repository_keys: BTreeSet::new(),
        };
        let plan = BuildPlan {
            schema: PLAN_SCHEMA,
            uid: "uid-1".into(),
            attempt: 1,
            request_hash: RequestHash::of(b"request"),
            request,
            version_code: marker.revision,
            image_builder: marker.sha256,
            builder_image: IMAGE.into(),
            public_url: world.base_url.clone(),
            package_base_url: upstream.base_url(),
            workspace: Workspace::LinkFarm,
            limits: BuildLimits { seconds: 120, ..BuildLimits::default() },
        };
        Self { place, plan, upstream }
    }

    /// Gives the request a private first-boot script.
    pub(crate) fn defaults(&mut self, script: &str) {
        let folder = self.place.path().join("asu/defaults");
        fs::create_dir_all(&folder).expect("the Secret's folder");
        fs::write(folder.join("defaults"), script).expect("the script");
        self.plan.request.defaults = Some(DefaultsDigest {
            sha256: Digest::of(script.as_bytes()),
            length: u32::try_from(script.len()).expect("a short script"),
        });
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.place.path().join("asu").join(path)
    }

    /// Adds a repository to the request, beside the distribution's feeds.
    pub(crate) fn repository(&mut self, name: &str, url: &str) {
        self.plan.request.repositories.insert(name.into(), url.into());
        self.plan.request.repositories_mode = RepositoriesMode::Append;
    }

    /// Waits until the log of the build contains `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let until = Instant::now() + Duration::from_mins(1);
        loop {
            let log = fs::read_to_string(self.path("work/build.log")).unwrap_or_default();
            if log.contains(text) {
                return;
            }
            assert!(Instant::now() < until, "the build never said {text:?}: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes the work folder a file system of its own of this size, until the value is dropped.
    pub(crate) fn on_a_small_disk(&self, size: &str) -> SmallDisk {
        let work = self.path("work");
        let options = format!("size={size},mode=2777,uid={BUILD_USER},gid={GROUP}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "asu-test"]).arg(&work);
        assert!(mount.status().expect("mount").success(), "run this test as root");
        SmallDisk(work)
    }

    /// Starts both containers together.
    pub(crate) fn start(&self) -> (Child, Child) {
        put_plan(self.place.path(), &self.plan);
        let start = |user, name| command(user, name, self.place.path()).spawn().expect("a start");
        (start(BUILD_USER, "build"), start(PUBLISH_USER, "publish"))
    }

    pub(crate) fn run(&self) -> Ended {
        self.run_with(|_, _| {})
    }

    /// Turns it into the pod of another build of the same plan, with the same store.
    pub(crate) fn next(&mut self, uid: &str) {
        self.plan.uid = uid.into();
        fs::remove_dir_all(self.path("work")).expect("an old work folder");
        volume(&self.path("work"), BUILD_USER, 0o2777);
    }

    /// Runs both containers; `meanwhile` may disturb them.
    pub(crate) fn run_with(&self, meanwhile: impl FnOnce(&Child, &Child)) -> Ended {
        let (build, publish) = self.start();
        meanwhile(&build, &publish);
        let end = |child: Child| child.wait_with_output().expect("an end");
        Ended { build: end(build), publish: end(publish) }
    }

    /// Runs `publish` alone, with the work folder that a build left.
    pub(crate) fn publish(&self) -> Output {
        let ran = command(PUBLISH_USER, "publish", self.place.path()).output();
        ran.expect("the program")
    }

    /// The committed result: the final one, or that of the attempt.
    pub(crate) fn result(&self) -> BuildResult {
        let plan = &self.plan;
        let final_one = self.path(&format!("store/results/{}.json", plan.uid));
        let attempt = self.path(&format!("store/results/{}.{}.json", plan.uid, plan.attempt));
        let file = if final_one.exists() { final_one } else { attempt };
        let bytes = fs::read(&file).expect("a committed result");
        BuildResult::read(&bytes, &plan.uid, &plan.request_hash).expect("a good result")
    }

    pub(crate) fn is_final(&self) -> bool {
        self.path(&format!("store/results/{}.json", self.plan.uid)).exists()
    }

    /// Text of the stored log.
    pub(crate) fn log(&self) -> String {
        let plan = &self.plan;
        let name = if self.is_final() {
            format!("store/logs/{}.zst", plan.uid)
        } else {
            format!("store/logs/{}.{}.zst", plan.uid, plan.attempt)
        };
        let bytes = fs::read(self.path(&name)).expect("a stored log");
        let text = zstd::decode_all(bytes.as_slice()).expect("zstd");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Every file of the store, by its path.
    pub(crate) fn stored(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("store")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder of the store") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let below = path.strip_prefix(self.path("store")).expect("below the store");
                    found.push(below.to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        found
    }
}
