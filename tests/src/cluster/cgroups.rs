//! The cgroup of a node: made before its kubelet starts, emptied and removed at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::wait::{Look, until};
use super::{Error, files, process};

/// How long the kernel may take to forget an emptied cgroup.
const EMPTY: Duration = Duration::from_secs(10);
const ROOT: &str = "/sys/fs/cgroup";

/// Folders of the hierarchies that hold a cgroup of this name: one per controller on a host of the first version,
/// or the single one of the second.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    // Links such as `cpuacct -> cpu,cpuacct` would be visited twice.
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Controllers that a kubelet wants in its cgroup of the second version, where the kernel has them.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "memory", "pids", "hugetlb"];

/// Hands the controllers down to the cgroups below the root of a host of the second version.
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

/// Makes the cgroup in every hierarchy.
pub(super) fn ensure(name: &str) -> Result<(), Error> {
    for hierarchy in hierarchies() {
        hand_down(&hierarchy)?;
        let dir = hierarchy.join(name);
        files::make_dir(&dir)?;
        // A new cpuset of the first version is empty and takes no process until it has processors and memory.
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

/// Ends every process in the cgroup and below, and removes it.
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

/// Whether there is a cgroup of this name.
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

/// Numbers of all processes in a cgroup and below, in any hierarchy.
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

/// Cgroups are removed by rmdir alone, from the leaves; their files are no obstacle.
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
