//! Creates and removes the network namespaces of a cluster. They have no route to a real network.

use std::path::Path;

use super::Error;
use super::paths::Paths;
use crate::exec;

/// Network of the nodes. The first node has .1 and is the gateway of all others.
const NODE_PREFIX: &str = "192.168.77";
/// The kernel's bridge filter. Without it, traffic between pods of one node would bypass kube-proxy's rules.
const BRIDGE_FILTER: &str = "/proc/sys/net/bridge";
/// Folder of iproute2's namespaces.
const FOLDER: &str = "/run/netns";
/// The bridge of the first node, with its address and the links to the other nodes.
const BRIDGE: &str = "node0";

/// Address of a node.
pub(super) fn address(number: u8) -> String {
    format!("{NODE_PREFIX}.{number}")
}

/// Addresses of a node's pods.
pub(super) fn pod_subnet(number: u8) -> String {
    format!("10.244.{}.0/24", number.saturating_sub(1))
}

/// Creates the namespace of a node, or completes an incomplete one.
pub(super) async fn ensure(paths: &Paths, number: u8) -> Result<(), Error> {
    let name = paths.netns(number);
    if !is_mounted(&paths.netns_path(number))? {
        // After a restart of the machine, the file of a former namespace may be left.
        let _ = std::fs::remove_file(paths.netns_path(number));
        exec::output("ip", ["netns", "add", &name]).await?;
    }
    let inside =
        |arguments: &'static str| run(&name, arguments.split(' ').map(str::to_owned).collect());
    inside("link set lo up").await?;
    if number == 1 {
        first(&name).await?;
    } else {
        joined(paths, number).await?;
    }
    sysctl(&paths.netns_path(number), "net/ipv4/ip_forward").await?;
    if !Path::new(BRIDGE_FILTER).exists() {
        // Fails where it is built into the kernel, which is fine.
        let _ = exec::output("modprobe", ["br_netfilter"]).await;
    }
    sysctl(&paths.netns_path(number), "net/bridge/bridge-nf-call-iptables").await
}

async fn first(name: &str) -> Result<(), Error> {
    if !exists(name, BRIDGE).await {
        run(name, words(&format!("link add {BRIDGE} type bridge"))).await?;
    }
    run(name, words(&format!("address replace {}/24 dev {BRIDGE}", address(1)))).await?;
    run(name, words(&format!("link set {BRIDGE} up"))).await?;
    // Without any route, pods in the host's network get "network is unreachable" for service addresses before
    // kube-proxy's rules apply.
    run(name, words(&format!("route replace default dev {BRIDGE}"))).await
}

/// Adds an address to the first node for each outside host that pods may reach.
pub(super) async fn relay_addresses(
    paths: &Paths,
    addresses: impl Iterator<Item = std::net::Ipv4Addr>,
) -> Result<(), Error> {
    for address in addresses {
        run(&paths.netns(1), words(&format!("address replace {address}/32 dev {BRIDGE}"))).await?;
    }
    Ok(())
}

/// Connects another node: a link to the bridge of the first node, and routes to the pods in both directions.
async fn joined(paths: &Paths, number: u8) -> Result<(), Error> {
    let (first, name, far) = (paths.netns(1), paths.netns(number), format!("to-node{number}"));
    if !exists(&name, "eth0").await {
        let link = format!("link add {far} type veth peer name eth0 netns {name}");
        run(&first, words(&link)).await?;
    }
    run(&first, words(&format!("link set {far} master {BRIDGE} up"))).await?;
    run(&name, words(&format!("address replace {}/24 dev eth0", address(number)))).await?;
    run(&name, words("link set eth0 up")).await?;
    run(&name, words(&format!("route replace default via {}", address(1)))).await?;
    run(&name, words(&format!("route replace {} via {}", pod_subnet(1), address(1)))).await?;
    run(&first, words(&format!("route replace {} via {}", pod_subnet(number), address(number))))
        .await
}

/// Removes the namespace of a node, with every interface and rule in it.
pub(super) async fn remove(paths: &Paths, number: u8) -> Result<(), Error> {
    let path = paths.netns_path(number);
    if is_mounted(&path)? || path.exists() {
        exec::output("ip", ["netns", "delete", &paths.netns(number)]).await?;
    }
    Ok(())
}

/// Removes the mount of the namespaces' folder when no namespace is left. The first `ip netns add` on a machine
/// mounts this folder onto itself, and mounts it again when needed.
pub(super) async fn forget_folder() -> Result<(), Error> {
    let folder = Path::new(FOLDER);
    let empty = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if empty && is_mounted(folder)? {
        exec::output("umount", [FOLDER]).await?;
        // Fails if another process has added a namespace meanwhile, which is fine.
        let _ = std::fs::remove_dir(folder);
    }
    Ok(())
}

/// Numbers of the nodes whose namespace exists.
pub(super) fn present(paths: &Paths) -> Vec<u8> {
    (1..=9).filter(|number| paths.netns_path(*number).exists()).collect()
}

/// Whether something is mounted at exactly this path.
pub(super) fn is_mounted(path: &Path) -> Result<bool, Error> {
    Ok(super::mounts::points()?.iter().any(|point| point == path))
}

async fn exists(netns: &str, link: &str) -> bool {
    exec::output("ip", ["-netns", netns, "link", "show", link]).await.is_ok()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

async fn run(netns: &str, arguments: Vec<String>) -> Result<(), Error> {
    let mut all = vec!["-netns".to_owned(), netns.to_owned()];
    all.extend(arguments);
    exec::output("ip", all).await?;
    Ok(())
}

/// Enables a sysctl in the namespace, from a process inside it: /proc/sys/net belongs to the namespace of the process
/// that opens it.
async fn sysctl(netns: &Path, name: &str) -> Result<(), Error> {
    let path = format!("/proc/sys/{name}");
    let net = format!("--net={}", netns.display());
    exec::output("nsenter", [net.as_str(), "sh", "-c", "echo 1 > \"$0\"", &path]).await?;
    Ok(())
}
