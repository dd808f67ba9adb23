//! Finds what a cluster left on the machine after it was taken down. Used by tests and the self-test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::process::{MARK, all_pids};
use super::{Error, cgroups, mounts, paths};
use crate::exec;
use crate::toolchain::cache_dir;

/// Folders of the host that containerd, kubelet and CNI use by default.
const FOLDERS: [&str; 6] = [
    "/opt/containerd",
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/containers",
];

/// Snapshot of everything on the machine that a cluster changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    things: BTreeSet<String>,
    /// Folders of existing clusters, which are ignored.
    clusters: Vec<PathBuf>,
}

impl Snapshot {
    /// Reads processes, mounts, network namespaces and interfaces, cgroups, firewall rules and folders.
    pub async fn take() -> Result<Self, Error> {
        let mut all = BTreeSet::new();
        all.extend(processes());
        all.extend(mounts::points()?.iter().map(|point| format!("mount {}", point.display())));
        all.extend(names(Path::new("/run/netns")).map(|name| format!("network namespace {name}")));
        all.extend(names(Path::new("/sys/class/net")).map(|name| format!("interface {name}")));
        all.extend(cgroups::own().into_iter().map(|name| format!("cgroup {name}")));
        all.extend(
            FOLDERS
                .iter()
                .filter(|path| Path::new(path).exists())
                .map(|path| format!("folder {path}")),
        );
        // Without the program there are no rules.
        let rules =
            exec::output("iptables-save", std::iter::empty::<&str>()).await.unwrap_or_default();
        let rules = rules.lines().filter(|line| line.starts_with("-A"));
        all.extend(rules.map(|rule| format!("firewall rule {rule}")));
        Ok(Self { things: all, clusters: clusters() })
    }

    /// What exists now, but not in this snapshot.
    pub async fn leftovers(&self) -> Result<Vec<String>, Error> {
        let now = Self::take().await?.things;
        let folders: Vec<String> =
            self.clusters.iter().map(|dir| dir.display().to_string()).collect();
        let is_new = |thing: &&String| {
            let of_another = folders
                .iter()
                .any(|dir| thing.split(' ').any(|word| Path::new(word).starts_with(dir)));
            !self.things.contains(*thing) && !of_another
        };
        Ok(now.iter().filter(is_new).cloned().collect())
    }
}

/// Folders of all clusters at the default location.
fn clusters() -> Vec<PathBuf> {
    let dir = paths::base();
    names(&dir).map(|name| dir.join(name)).filter(|dir| dir.join("state.json").is_file()).collect()
}

/// Processes of clusters: those with the mark, and those of programs that the harness built. Others are ignored.
fn processes() -> impl Iterator<Item = String> {
    let built = cache_dir().join("toolchain");
    let mark = format!("{MARK}=").into_bytes();
    all_pids().into_iter().filter_map(move |pid| {
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mark = environment
            .split(|byte| *byte == 0)
            .find_map(|variable| variable.strip_prefix(mark.as_slice()));
        let ours = mark.is_some() || (program.starts_with(&built) && !program.ends_with("kubectl"));
        let cluster = String::from_utf8_lossy(mark.unwrap_or_default());
        ours.then(|| format!("process {pid} {} {cluster}", program.display()))
    })
}

fn names(dir: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}
