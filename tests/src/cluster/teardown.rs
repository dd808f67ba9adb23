//! Removes a cluster from any state, also an incomplete one.

use std::fs;
use std::path::{Path, PathBuf};

use super::paths::Paths;
use super::process::{self, Processes};
use super::state::Lock;
use super::{Error, buildah, cgroups, mounts, netns};
use crate::progress::Progress;

/// Numbers of nodes that may exist.
const NODES: std::ops::RangeInclusive<u8> = 1..=9;
/// Maximum number of rounds of ending processes, because a process may start another before it ends.
const ROUNDS: usize = 10;

/// See [`super::Cluster::down`].
pub(super) async fn run(paths: &Paths, progress: &Progress) -> Result<bool, Error> {
    if !exists(paths) {
        return Ok(false);
    }
    let lock = Lock::take(paths).await?;
    progress.step("processes", end_processes(paths)).await?;
    for number in NODES {
        cgroups::remove(&paths.cgroup(number)).await?;
    }
    forget_sockets(paths);
    forget_links(paths);
    forget_addresses(paths);
    forget_device_socket();
    mounts::unmount_below(paths.dir()).await?;
    for number in netns::present(paths) {
        netns::remove(paths, number).await?;
    }
    netns::forget_folder().await?;
    progress.step("files", remove(paths.dir().to_owned())).await?;
    buildah::unmount().await;
    lock.remove(paths)?;
    progress.say(&format!("cluster {} is down", paths.name()));
    Ok(true)
}

fn exists(paths: &Paths) -> bool {
    paths.dir().exists()
        || !netns::present(paths).is_empty()
        || !Processes::new(paths.dir()).marked().is_empty()
        || NODES.into_iter().any(|number| cgroups::exists(&paths.cgroup(number)))
}

/// Kills all processes at once; an orderly shutdown is not needed, because all data is removed.
async fn end_processes(paths: &Paths) -> Result<(), Error> {
    let processes = Processes::new(paths.dir());
    let mut left = Vec::new();
    for _ in 0..ROUNDS {
        left = processes.marked();
        for name in processes.names() {
            left.extend(processes.pid(&name));
        }
        for number in NODES {
            left.extend(cgroups::processes(&paths.cgroup(number)));
        }
        left.sort_unstable();
        left.dedup();
        if left.is_empty() {
            return Ok(());
        }
        process::kill(&left).await?;
    }
    Err(Error::Leftovers(left.iter().map(|pid| format!("process {pid}")).collect()))
}

/// Removes the sockets of containerd's shims. They are outside its folders; each bundle contains the path.
fn forget_sockets(paths: &Paths) {
    for number in NODES {
        let bundles = paths.node(number).join("state/io.containerd.runtime.v2.task/k8s.io");
        for bundle in entries(&bundles) {
            let text = fs::read_to_string(bundle.join("bootstrap.json")).unwrap_or_default();
            let address = serde_json::from_str::<serde_json::Value>(&text).ok();
            let address = address.as_ref().and_then(|value| value.get("address")?.as_str());
            if let Some(socket) = address.and_then(|address| address.strip_prefix("unix://")) {
                let _ = fs::remove_file(socket);
            }
        }
    }
    // Fails if other sockets are left, which is fine.
    let _ = fs::remove_dir("/run/containerd/s");
    let _ = fs::remove_dir("/run/containerd");
}

/// Removes the kubelet's links to logs in a fixed folder of the host.
fn forget_links(paths: &Paths) {
    let folder = Path::new("/var/log/containers");
    for link in entries(folder) {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(paths.dir())) {
            let _ = fs::remove_file(&link);
        }
    }
    let _ = fs::remove_dir(folder);
}

/// Removes the CNI library's cached results, one per pod, in a folder of the host named after the network.
fn forget_addresses(paths: &Paths) {
    let results = Path::new("/var/lib/cni/results");
    let networks: Vec<String> = NODES.map(|number| format!("{}-", paths.cgroup(number))).collect();
    for file in entries(results) {
        let name =
            file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if networks.iter().any(|network| name.starts_with(network.as_str())) {
            let _ = fs::remove_file(&file);
        }
    }
    let _ = fs::remove_dir(results);
    let _ = fs::remove_dir("/var/lib/cni");
}

/// Removes the kubelet's socket for device plugins if nothing listens on it. Its path is fixed, so it may belong to
/// another kubelet.
fn forget_device_socket() {
    let folder = Path::new("/var/lib/kubelet/device-plugins");
    let socket = folder.join("kubelet.sock");
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        return;
    }
    for name in ["kubelet.sock", "kubelet_internal_checkpoint", "DEPRECATION"] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
    let _ = fs::remove_dir("/var/lib/kubelet");
}

async fn remove(dir: PathBuf) -> Result<(), Error> {
    match tokio::fs::remove_dir_all(&dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(dir)(error)),
        _ => Ok(()),
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
