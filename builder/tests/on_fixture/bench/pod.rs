//! Build pods: both containers, started together on a work folder and a store of their own.

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use asu_core::{
    digest::Digest,
    plan::{BuildLimits, BuildPlan, PLAN_SCHEMA, Workspace},
    request::{DefaultsDigest, RepositoriesMode, Request},
    request_hash::RequestHash,
    result::Built,
};
use asu_tests::{
    fixtures::{Upstream, World},
    given::{self, Generation, fixture},
};
use tempfile::TempDir;

use super::{
    IMAGE,
    cache::{Cache, cache, cache_of},
    container::{BUILD_USER, GROUP, PUBLISH_USER, command, folder, put_plan, volume},
};

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
        Self::in_world(fixture(Generation::Opkg), cache, target, profile, packages)
    }

    /// The same with an ImageBuilder of this generation.
    pub(crate) fn of(
        generation: Generation,
        target: &str,
        profile: &str,
        packages: &[&str],
    ) -> Self {
        let cache = cache_of(generation, target);
        Self::in_world(fixture(generation), cache, target, profile, packages)
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
            version: world.version().into(),
            target: target.parse().expect("a target"),
            ..given::request(profile, packages)
        };
        let plan = BuildPlan {
            schema: PLAN_SCHEMA,
            uid: "uid-1".into(),
            attempt: 1,
            request_hash: RequestHash::of(b"request"),
            request,
            notes: Vec::new(),
            version_code: marker.revision,
            image_builder: marker.sha256,
            builder_image: IMAGE.into(),
            public_url: world.base_url.clone(),
            package_base_url: upstream.base_url(),
            feeds: Vec::new(),
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

    /// Runs both containers, which have to make images, and returns what they made.
    pub(crate) fn built(&self) -> Built {
        let ended = self.run();
        let result = self.result();
        assert_eq!(result.failure, None, "{}", self.log());
        assert_eq!(ended.build.status.code(), Some(0));
        assert_eq!(ended.publish.status.code(), Some(0));
        result.built.expect("a built image")
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
}
