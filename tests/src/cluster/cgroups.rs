//! The cgroup of a node: created before its kubelet starts, emptied and removed at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::wait::{Look, until};
use super::{Error, files, process};

/// Time limit for the kernel to make an emptied cgroup removable.
const EMPTY: Duration = Duration::from_secs(10);
const ROOT: &str = "/sys/fs/cgroup";

/// Folders of the cgroup hierarchies: one per controller with cgroup v1, a single one with cgroup v2.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    // Without links such as `cpuacct -> cpu,cpuacct`, which would be visited twice.
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Controllers that a kubelet needs in its cgroup with cgroup v2, if the kernel has them.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "memory", "pids", "hugetlb"];

/// Enables the controllers for the cgroups below the root, with cgroup v2.
fn hand_down(root: &Path) -> Result<(), Error> {
    let Ok(available) = fs::read_to_string(root.join("cgroup.controllers")) else {
        return Ok(());
    };
    let control = root.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&control).map_err(Error::io(&control))?;
    let has = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    for name in CONTROLLERS.into_iter().filter(|name| has(&available, name)) {
        if !has(&enabled, name) {
            fs::write(&control, format!("+{name}")).map_err(Error::io(&control))?;
        }
    }
    Ok(())
}

/// Creates the cgroup in every hierarchy.
pub(super) fn ensure(name: &str) -> Result<(), Error> {
    for hierarchy in hierarchies() {
        hand_down(&hierarchy)?;
        let dir = hierarchy.join(name);
        files::make_dir(&dir)?;
        // With cgroup v1, a new cpuset accepts processes only after CPUs and memory nodes are set.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let (from, to) = (hierarchy.join(file), dir.join(file));
            let empty = fs::read_to_string(&to).is_ok_and(|text| text.trim().is_empty());
            if empty && let Ok(value) = fs::read_to_string(&from) {
                fs::write(&to, value.trim()).map_err(Error::io(&to))?;
            }
        }
    }
    Ok(())
}

/// Kills every process in the cgroup and below, and removes it.
pub(super) async fn remove(name: &str) -> Result<(), Error> {
    process::kill(&processes(name)).await?;
    until(&format!("cgroup {name} to go"), EMPTY, || async {
        for hierarchy in hierarchies() {
            let dir = hierarchy.join(name);
            if dir.is_dir() && !remove_tree(&dir) {
                process::kill(&processes(name)).await?;
                return Ok(Look::Missing(format!("{} is not empty", dir.display())));
            }
        }
        Ok(Look::Done(()))
    })
    .await
}

/// Whether a cgroup with this name exists.
pub(super) fn exists(name: &str) -> bool {
    hierarchies().iter().any(|hierarchy| hierarchy.join(name).is_dir())
}

/// Paths of all cgroups of clusters.
pub(super) fn own() -> Vec<String> {
    let top = hierarchies().into_iter().flat_map(|hierarchy| children(&hierarchy));
    let own = top.filter(|dir| {
        dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("asu-"))
    });
    own.map(|dir| dir.display().to_string()).collect()
}

/// Ids of all processes in a cgroup and below, in any hierarchy.
pub(super) fn processes(name: &str) -> Vec<i32> {
    let mut pids = Vec::new();
    for hierarchy in hierarchies() {
        collect(&hierarchy.join(name), &mut pids);
    }
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn collect(dir: &Path, pids: &mut Vec<i32>) {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for child in children(dir) {
        collect(&child, pids);
    }
}

/// Removes a cgroup with rmdir, leaves first. The files in a cgroup need not be removed.
fn remove_tree(dir: &Path) -> bool {
    let emptied = children(dir).iter().all(|child| remove_tree(child));
    emptied && fs::remove_dir(dir).is_ok()
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
