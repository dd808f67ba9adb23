//! A private copy of an ImageBuilder, used as a plain user, directly or through a link farm.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use asu_tests::{
    fixtures::{Upstream, World},
    given::{Generation, fixture},
};
use tempfile::TempDir;

/// The user that builds when the tests run as root.
const USER: u32 = 65534;
const TOOLS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How a make ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test unless make succeeded.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless make ended with 2 and each text was printed to stderr.
    pub fn fails_with(&self, texts: &[&str]) {
        assert_eq!(self.code, 2, "{}\n{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is missing in\n{}", self.stderr);
        }
    }
}

/// One tree, or one link farm over a tree.
pub struct Tree {
    pub top: PathBuf,
    scratch: TempDir,
}

/// A program run as the plain user, with make's clean environment.
pub fn as_user(directory: &Path, umask: &str, argv: &[&str]) -> Command {
    let script = format!("umask {umask}; exec \"$@\"");
    let mut words = vec!["sh", "-c", script.as_str(), "sh"];
    words.extend(argv);
    let mut command = if rustix::process::getuid().is_root() {
        let user = USER.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).args(&words);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(&words[1..]);
        command
    };
    command.env_clear().env("PATH", TOOLS).env("HOME", directory).env("LC_ALL", "C");
    command.env("TZ", "UTC").current_dir(directory).stdin(Stdio::null());
    command
}

fn scratch() -> TempDir {
    let folder = tempfile::Builder::new().prefix("fixture-ib-").tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(USER), Some(USER)).expect("owner");
    }
    folder
}

impl Tree {
    /// The tree of a target, and the download server of its feeds.
    pub fn served(generation: Generation, target: &str) -> (Self, Upstream) {
        let (world, upstream) = fixture(generation);
        (Self::unpack(&world, &upstream, target), upstream)
    }

    /// Unpacks the target's tarball and points its feeds to the server.
    pub fn unpack(world: &World, upstream: &Upstream, target: &str) -> Self {
        let scratch = scratch();
        let tarball = world.tarball(target);
        let packed = fs::File::open(&tarball).expect("the tarball");
        let status = as_user(scratch.path(), "022", &["tar", "--zstd", "-xf", "-"])
            .stdin(packed)
            .status()
            .expect("tar");
        assert!(status.success(), "unpacking {}", tarball.display());
        let name = tarball.file_name().and_then(|name| name.to_str()).expect("a name");
        let top = scratch.path().join(name.trim_end_matches(".tar.zst"));
        let tree = Self { top, scratch };
        let is_apk = tree.top.join("repositories").is_file();
        let file = if is_apk { "repositories" } else { "repositories.conf" };
        let repositories = tree.read(file);
        assert!(repositories.contains(&world.base_url), "{repositories}");
        tree.write(file, &repositories.replace(&world.base_url, &upstream.base_url()));
        tree
    }

    /// What a cache does once: profiles, prerequisites, keys.
    pub fn warm_up(&self) {
        self.make(&["info"]).ok();
        self.make(&["staging_dir/host/.prereq-build"]).ok();
        self.make(&["_check_keys"]).ok();
        fs::remove_dir_all(self.top.join("tmp")).expect("tmp");
    }

    /// A link farm over this warmed-up tree: links to what is shared, copies of what is written.
    pub fn farm(&self) -> Self {
        let scratch = scratch();
        let script = r#"set -e; tree=$1; farm=$2; mkdir -p "$farm/tmp" "$farm/dl" "$farm/bin"; cd "$farm"
            for part in include scripts target staging_dir rules.mk Makefile .targetinfo .packageinfo; do
                ln -s "$tree/$part" "$part"; done
            cp -p "$tree/.config" "$tree/.profiles.mk" "$tree"/repositories* "$tree"/key-build* .
            cp -pR "$tree/packages" "$tree/keys" .; chmod -R u+w packages keys key-build* .config .profiles.mk repositories*
            for kernel in "$tree"/build_dir/*/linux-*; do
                mine=build_dir/$(basename "$(dirname "$kernel")")/$(basename "$kernel"); mkdir -p "$mine"
                for file in "$kernel"/* "$kernel"/.[!.]*; do
                    case $(basename "$file") in tmp|root.*|".[!.]*") ;; *) ln -s "$file" "$mine/" ;; esac
                done; done"#;
        let top = scratch.path().join("farm");
        let (tree, farm) = (self.top.to_string_lossy(), top.to_string_lossy());
        let argv = ["bash", "-c", script, "bash", &tree, &farm];
        let output = as_user(scratch.path(), "022", &argv).output().expect("bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { top, scratch }
    }

    /// Takes the write permission from everything; a plain user cannot change the tree any more.
    pub fn freeze(&self) {
        self.shell("chmod -R a-w .");
    }

    /// Gives it back, so that the folder can be removed by a plain user.
    pub fn thaw(&self) {
        self.shell("chmod -R u+w .");
    }

    pub fn shell(&self, script: &str) -> String {
        let output = as_user(&self.top, "022", &["bash", "-ec", script]).output().expect("a shell");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn command(&self, umask: &str, arguments: &[&str]) -> Command {
        let mut argv = vec!["make"];
        argv.extend(arguments);
        as_user(&self.top, umask, &argv)
    }

    /// `make` with the arguments.
    pub fn make(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command("022", arguments).output().expect("make"))
    }

    /// `make image` for router A, images in the folder `out` of this tree's scratch.
    pub fn image(&self, arguments: &[&str]) -> Run {
        let out = format!("BIN_DIR={}", self.out().display());
        let mut all = vec!["image", "PROFILE=acme_router-a", &out];
        all.extend(arguments);
        self.make(&all)
    }

    /// Where [`Tree::image`] puts images.
    pub fn out(&self) -> PathBuf {
        self.scratch.path().join("out")
    }

    /// Names in the images' folder, sorted.
    pub fn images(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.out()) else { return Vec::new() };
        let name =
            |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        names
    }

    /// The content of the image whose name ends so.
    pub fn output(&self, ending: &str) -> Vec<u8> {
        let names = self.images();
        let name = names.iter().find(|name| name.ends_with(ending));
        let name = name.unwrap_or_else(|| panic!("no {ending} in {names:?}"));
        fs::read(self.out().join(name)).expect("the image")
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.top.join(name)).expect("a file of the tree")
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.top.join(name), text).expect("a file of the tree");
    }
}
