//! Network namespaces: the whole cluster lives in them, and nothing of it can reach a real network.

use std::path::Path;

use super::Error;
use super::paths::Paths;
use crate::exec;

/// Network of the nodes; the first one is .1 and everyone's gateway.
const NODE_PREFIX: &str = "192.168.77";
/// Without it, pods of one node would reach each other's services past the rules of kube-proxy.
const BRIDGE_FILTER: &str = "/proc/sys/net/bridge";
/// Where iproute2 keeps the namespaces.
const FOLDER: &str = "/run/netns";
/// The bridge of the first node that carries its address and the other nodes' links.
const BRIDGE: &str = "node0";

/// Address of a node.
pub(super) fn address(number: u8) -> String {
    format!("{NODE_PREFIX}.{number}")
}

/// Addresses of a node's pods.
pub(super) fn pod_subnet(number: u8) -> String {
    format!("10.244.{}.0/24", number.saturating_sub(1))
}

/// Makes the namespace of a node unless it is complete. A half-made one is completed.
pub(super) async fn ensure(paths: &Paths, number: u8) -> Result<(), Error> {
    let name = paths.netns(number);
    if !is_mounted(&paths.netns_path(number))? {
        // A leftover file of a namespace that is gone (after a restart of the machine) is in the way.
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
        // Built into some kernels, a module of others.
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
    // Without any route, pods in the host's network get "network is unreachable" for service addresses before the
    // rules of kube-proxy are asked.
    run(name, words(&format!("route replace default dev {BRIDGE}"))).await
}

/// Gives the first node an address for each host outside that pods may reach.
pub(super) async fn relay_addresses(
    paths: &Paths,
    addresses: impl Iterator<Item = std::net::Ipv4Addr>,
) -> Result<(), Error> {
    for address in addresses {
        run(&paths.netns(1), words(&format!("address replace {address}/32 dev {BRIDGE}"))).await?;
    }
    Ok(())
}

/// Another node: a link whose far end is a port of the first node's bridge, and a route each way to the pods.
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

/// The first `ip netns add` of a machine mounts the folder of all namespaces onto itself, and nothing undoes that.
/// With the last namespace the mount goes too: whoever adds one makes it again.
pub(super) async fn forget_folder() -> Result<(), Error> {
    let folder = Path::new(FOLDER);
    let empty = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if empty && is_mounted(folder)? {
        exec::output("umount", [FOLDER]).await?;
        // Fails when somebody added a namespace at this moment; then it is theirs.
        let _ = std::fs::remove_dir(folder);
    }
    Ok(())
}

/// Numbers of the cluster's namespaces that exist.
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

/// Sets a switch of the namespace. /proc/sys/net shows the namespace of the process that opens it.
async fn sysctl(netns: &Path, name: &str) -> Result<(), Error> {
    let path = format!("/proc/sys/{name}");
    let net = format!("--net={}", netns.display());
    exec::output("nsenter", [net.as_str(), "sh", "-c", "echo 1 > \"$0\"", &path]).await?;
    Ok(())
}
