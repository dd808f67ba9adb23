//! Paths of all files and folders in a pod, as the operator mounts them. A root puts them below
//! another folder, for tests.

use std::path::{Path, PathBuf};

use asu_core::plan::paths;

/// The places of [`asu_core::plan::paths`] below a root.
#[derive(Clone, Debug)]
pub struct Paths {
    root: PathBuf,
    plan: Option<PathBuf>,
}

impl Paths {
    /// PathArgs below `root` (`/` in pods); `plan` overrides the plan's own place.
    pub fn new(root: PathBuf, plan: Option<PathBuf>) -> Self {
        Self { root, plan }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The root of all paths: `/` in pods.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The plan file.
    pub fn plan(&self) -> PathBuf {
        self.plan.clone().unwrap_or_else(|| self.at(paths::PLAN))
    }

    /// The folder of the tree with its marker, mounted from the cache's claim.
    pub fn image_builder(&self) -> PathBuf {
        self.at(paths::IMAGE_BUILDER)
    }

    /// The OCI image with an ImageBuilder.
    pub fn image(&self) -> PathBuf {
        self.at(paths::IMAGE)
    }

    /// The unpacked tree.
    pub fn tree(&self) -> PathBuf {
        self.image_builder().join(paths::TREE)
    }

    /// The marker of the tree.
    pub fn marker(&self) -> PathBuf {
        self.image_builder().join(paths::MARKER)
    }

    /// The folder that `build` and `publish` share.
    pub fn work(&self) -> PathBuf {
        self.at(paths::WORK)
    }

    /// The private first-boot script.
    pub fn defaults(&self) -> PathBuf {
        self.at(paths::DEFAULTS).join(paths::DEFAULTS_KEY)
    }

    /// The artifact store.
    pub fn store(&self) -> PathBuf {
        self.at(paths::STORE)
    }

    /// Where Kubernetes reads the termination message.
    pub fn termination_log(&self) -> PathBuf {
        self.at("/dev/termination-log")
    }

    /// The output folder of a build, as the API shows it in commands.
    pub fn output(&self) -> PathBuf {
        self.work().join(paths::OUTPUT)
    }
}

/// A path as text for an argument. All paths of this program are ASCII.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
