//! Folders in place of the roots of pods, in which the program runs as the users of pods.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use asu_core::{
    plan::{BuildPlan, Marker, PopulatePlan},
    result::{BuildResult, Outcome, PopulateResult, store_keys},
};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Error, io, json};
use crate::ports;

/// uid of the container `build`.
const BUILD_USER: u32 = 2001;
/// uid of the containers `populate` and `publish`.
const TRUSTED_USER: u32 = 2002;
const GROUP: u32 = 2000;
/// PATH that the program sets for make.
pub(super) const TOOLS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The folders of one run of the suite.
#[derive(Debug)]
pub(super) struct Place {
    folder: TempDir,
    program: PathBuf,
}

/// Result of a make that the suite runs itself.
#[derive(Debug)]
pub(super) struct Made {
    /// Exit code; -1 when it was killed.
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Made {
    /// The last part of both outputs, for a message.
    pub(super) fn tail(&self) -> String {
        format!("exit code {}, {:?}, {:?}", self.code, end(&self.stdout), end(&self.stderr))
    }
}

/// The last characters of a text.
pub(super) fn end(text: &str) -> String {
    let text = text.trim();
    let skip = text.chars().count().saturating_sub(400);
    text.chars().skip(skip).collect()
}

/// A finished build, whose folders still exist.
#[derive(Debug)]
pub(super) struct Run {
    root: PathBuf,
    build_key: Option<String>,
    /// The committed result.
    pub(super) result: BuildResult,
    /// The outcome of `build`.
    pub(super) outcome: Option<Outcome>,
    /// The log.
    pub(super) log: String,
}

impl Run {
    /// A folder or file of the work folder.
    pub(super) fn work(&self, path: &str) -> PathBuf {
        self.root.join("asu/work").join(path)
    }

    /// Path of a published file.
    pub(super) fn published(&self, name: &str) -> PathBuf {
        let key = self.build_key.as_deref().unwrap_or_default();
        self.root.join("asu/store/artifacts").join(key).join(name)
    }

    /// Success or failure, for a message.
    pub(super) fn summary(&self) -> String {
        match &self.result.failure {
            None => "the build succeeded".to_owned(),
            Some(failure) => {
                format!("{}: {:?}; log: {:?}", failure.reason, failure.detail, end(&self.log))
            }
        }
    }
}

/// Runs make until it exits.
async fn made(mut command: Command) -> Result<Made, Error> {
    let output = command.output().await.map_err(io("make"))?;
    Ok(Made {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A port of this machine on which nothing listens.
pub(super) fn closed_port() -> Result<u16, Error> {
    let [port] = ports::free().map_err(io("a free port"))?;
    Ok(port)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Creates a folder of a user, like a volume of a pod.
fn volume(path: &Path, user: u32, mode: u32) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(io(path.display()))?;
    if is_root() {
        chown(path, Some(user), Some(GROUP)).map_err(io(path.display()))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io(path.display()))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(io(path.display()))?;
    serde_json::from_slice(&bytes).map_err(json(path.display()))
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let bytes = serde_json::to_vec(value).map_err(json(path.display()))?;
    fs::write(path, bytes).map_err(io(path.display()))
}

fn put_plan(root: &Path, plan: &impl Serialize) -> Result<(), Error> {
    let folder = root.join("asu/plan");
    fs::create_dir_all(&folder).map_err(io(folder.display()))?;
    write(&folder.join("plan.json"), plan)
}

fn ended(plan: &BuildPlan, root: PathBuf, said: &str) -> Result<Run, Error> {
    let store = root.join("asu/store");
    let result =
        [store_keys::result(&plan.uid), store_keys::attempt_result(&plan.uid, plan.attempt)]
            .into_iter()
            .map(|key| store.join(key))
            .find(|path| path.exists())
            .ok_or_else(|| Error::Nothing(format!("publish committed nothing: {:?}", end(said))))?;
    let bytes = fs::read(&result).map_err(io(result.display()))?;
    let result = BuildResult::read(&bytes, &plan.uid, &plan.request_hash)
        .map_err(|error| Error::Nothing(error.to_string()))?;
    let log = fs::read(root.join("asu/work/build.log")).unwrap_or_default();
    Ok(Run {
        build_key: result.built.as_ref().map(|built| built.build_key.to_string()),
        outcome: read(&root.join("asu/work/outcome.json")).ok(),
        log: String::from_utf8_lossy(&log).into_owned(),
        result,
        root,
    })
}

impl Place {
    /// Creates the folders. The program is copied to a folder in which every user can run it.
    pub(super) fn new(program: &Path) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("asu-conformance-")
            .tempdir()
            .map_err(io("a temporary folder"))?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .map_err(io(folder.path().display()))?;
        let copy = folder.path().join("asu-builder");
        fs::copy(program, &copy).map_err(io(program.display()))?;
        Ok(Self { folder, program: copy })
    }

    /// The parent of all folders.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn cache_root(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The warmed-up tree.
    pub(super) fn tree(&self) -> PathBuf {
        self.cache_root().join("asu/imagebuilder/tree")
    }

    /// A command that runs the program as a user, with a wrong umask.
    fn command(&self, user: u32, root: &Path, arguments: &[&str]) -> Command {
        let mut words = vec!["-c", "umask 077; exec \"$@\"", "sh"];
        let (user, group) = (format!("--reuid={user}"), format!("--regid={GROUP}"));
        if is_root() {
            words.extend(["setpriv", &user, &group, "--clear-groups", "--no-new-privs"]);
        }
        let mut command = Command::new("sh");
        command.args(words).arg(&self.program).args(arguments);
        command.current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Populates the cache.
    pub(super) async fn populate(&self, plan: &PopulatePlan) -> Result<PopulateResult, Error> {
        let root = self.cache_root();
        volume(&root.join("asu/imagebuilder"), TRUSTED_USER, 0o755)?;
        volume(&root.join("dev"), TRUSTED_USER, 0o755)?;
        put_plan(&root, plan)?;
        let path = root.to_string_lossy().into_owned();
        let mut command = self.command(TRUSTED_USER, &root, &["populate", "--root", &path]);
        let ran = command.output().await.map_err(io("asu-builder populate"))?;
        read(&root.join("dev/termination-log")).map_err(|error| {
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            Error::Nothing(format!("populate left no result: {error}; it printed {:?}", end(&said)))
        })
    }

    /// Reads the marker of the cache.
    pub(super) fn marker(&self) -> Result<Marker, Error> {
        read(&self.cache_root().join("asu/imagebuilder/marker.json"))
    }

    /// Runs `build` and `publish`, both started at the same time as in a pod. `marker` may differ from
    /// the cache's own.
    pub(super) async fn build(
        &self,
        plan: &BuildPlan,
        marker: &Marker,
        script: Option<&str>,
    ) -> Result<Run, Error> {
        let root = self.folder.path().join(&plan.uid);
        volume(&root.join("asu/store"), TRUSTED_USER, 0o755)?;
        // With the setgid bit that `fsGroup` sets, which must not get into an image.
        volume(&root.join("asu/work"), BUILD_USER, 0o2777)?;
        let cache = root.join("asu/imagebuilder");
        volume(&cache, TRUSTED_USER, 0o755)?;
        symlink(self.tree(), cache.join("tree")).map_err(io("the tree"))?;
        write(&cache.join("marker.json"), marker)?;
        if let Some(script) = script {
            let folder = root.join("asu/defaults");
            fs::create_dir_all(&folder).map_err(io(folder.display()))?;
            fs::write(folder.join("defaults"), script).map_err(io("the first-boot script"))?;
        }
        put_plan(&root, plan)?;
        let path = root.to_string_lossy().into_owned();
        let mut builder = self.command(BUILD_USER, &root, &["build", "--root", &path]);
        let mut publisher = self.command(TRUSTED_USER, &root, &["publish", "--root", &path]);
        let (done, committed) = tokio::join!(builder.output(), publisher.output());
        done.map_err(io("asu-builder build"))?;
        let committed = committed.map_err(io("asu-builder publish"))?;
        let said = String::from_utf8_lossy(&committed.stderr).into_owned();
        ended(plan, root, &said)
    }

    /// Runs make in the workspace of a finished build.
    pub(super) async fn make(&self, run: &Run, arguments: &[&str]) -> Result<Made, Error> {
        self.run(run, &[], &[&["make"], arguments].concat()).await
    }

    /// Runs a program in the workspace of a finished build, with the environment and the sandbox of
    /// builds, and additional variables.
    pub(super) async fn run(
        &self,
        run: &Run,
        environment: &[(&str, &str)],
        words: &[&str],
    ) -> Result<Made, Error> {
        let words = [&["confine", "--"], words].concat();
        let mut command = self.command(BUILD_USER, &run.work("ws"), &words);
        command.env_clear().env("PATH", TOOLS).env("HOME", run.work("home"));
        command.env("LC_ALL", "C").env("TZ", "UTC").envs(environment.iter().copied());
        made(command).await
    }

    /// Like [`Place::make`], with a small file system for the root file systems. `None` without the
    /// permission to mount.
    pub(super) async fn make_on_full_disk(
        &self,
        run: &Run,
        kilobytes: u64,
        arguments: &[&str],
    ) -> Result<Option<Made>, Error> {
        if !is_root() {
            return Ok(None);
        }
        // Kernels are links in this folder; everything else is built again.
        let script = format!(
            "set -e; arch=$(echo build_dir/target-*); rm -rf kept; mkdir kept; \
             cp -dR $arch/linux-* kept/; rm -rf kept/*/root* kept/*/tmp; \
             mount -t tmpfs -o size={kilobytes}k,mode=0755 small $arch; cp -dR kept/* $arch/; \
             chown -hR {BUILD_USER}:{GROUP} $arch; \
             exec setpriv --reuid={BUILD_USER} --regid={GROUP} --clear-groups \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script, "sh"]).arg(&self.program);
        command.args(["confine", "--", "make"]).args(arguments);
        command.current_dir(run.work("ws")).stdin(Stdio::null()).kill_on_drop(true);
        command.env_clear().env("PATH", TOOLS).env("HOME", run.work("home")).env("LC_ALL", "C");
        made(command).await.map(Some)
    }
}
